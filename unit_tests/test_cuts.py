"""Cutting lists in memory, of any distribution of dates, by what first pages tell."""

from __future__ import annotations

import bisect
import datetime as dt
import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from source_sage.config import ALL_DATES, Window
from source_sage.lists.cuts import (
    DAYS_AROUND_A_LONG_ONE,
    FIRST_SLICE,
    LONGEST_SLICE,
    MOST_TIMES_AS_MANY_DAYS,
    Cutter,
    days_in,
    merged,
    remaining,
)

TODAY: Final = dt.date(2026, 11, 24)
DAY: Final = dt.timedelta(days=1)
PAGE: Final = 200


def ranges_of(days: st.SearchStrategy[dt.date]) -> st.SearchStrategy[Window]:
    found = st.builds(Window, st.none() | days, st.none() | days)
    return found.filter(lambda one: one.start is None or one.end is None or one.start <= one.end)


# Few days, so that ranges meet.
RANGES: Final = ranges_of(st.dates(dt.date(2024, 1, 1), dt.date(2024, 1, 20)))
RANGES_AT_THE_ENDS: Final = ranges_of(st.sampled_from([dt.date.min, dt.date(2024, 1, 5), dt.date.max]))


# Ranges of dates.


def days_of(windows: Sequence[Window], among: Sequence[dt.date]) -> set[dt.date]:
    return {day for day in among if any(one.holds(day) for one in windows)}


EVERY_DAY: Final = [dt.date.min, dt.date.min + DAY, *(dt.date(2023, 12, 31) + n * DAY for n in range(23)), dt.date.max]


@given(st.lists(RANGES, max_size=8))
def test_ranges_are_merged_to_as_few_as_hold_the_same_days(ranges: list[Window]) -> None:
    found = merged(ranges)
    assert days_of(found, EVERY_DAY) == days_of(ranges, EVERY_DAY)
    for before, after in itertools.pairwise(found):
        assert before.end is not None and after.start is not None
        assert before.end + DAY < after.start, "they are apart and in order"
    assert merged(found) == found
    assert merged(reversed(ranges)) == found


@given(RANGES, st.lists(RANGES, max_size=6))
def test_what_is_left_and_what_is_done_are_all_and_share_nothing(wanted: Window, done: list[Window]) -> None:
    assert_left(wanted, done)


@given(RANGES_AT_THE_ENDS, st.lists(RANGES_AT_THE_ENDS, max_size=6))
def test_so_it_is_beside_the_ends_of_the_calendar(wanted: Window, done: list[Window]) -> None:
    assert_left(wanted, done)


def assert_left(wanted: Window, done: list[Window]) -> None:
    left = remaining(wanted, done)
    assert days_of(left, EVERY_DAY) == days_of([wanted], EVERY_DAY) - days_of(done, EVERY_DAY)
    assert merged(left) == left
    assert remaining(wanted, [*done, *left]) == []
    assert all(days_of([wanted], EVERY_DAY) >= days_of([one], EVERY_DAY) for one in left)


def test_an_open_end_stays_open_until_it_is_done() -> None:
    done = [Window(dt.date(2020, 1, 1), dt.date(2025, 12, 31))]
    assert remaining(ALL_DATES, done) == [Window(None, dt.date(2019, 12, 31)), Window(dt.date(2026, 1, 1), None)]
    assert remaining(ALL_DATES, [*done, Window(None, dt.date(2020, 5, 1))]) == [Window(dt.date(2026, 1, 1), None)]
    assert remaining(ALL_DATES, [ALL_DATES]) == []
    assert remaining(ALL_DATES, []) == [ALL_DATES]


@given(RANGES, st.lists(RANGES, max_size=6))
def test_more_done_is_more_days(wanted: Window, done: list[Window]) -> None:
    inside = remaining(wanted, remaining(wanted, done))
    assert days_in(inside) + days_in(remaining(wanted, done)) == days_in([wanted])
    assert days_in(merged(done)) <= days_in(done)


# A list that is cut.


@dataclass
class Cut:
    """What came of cutting a list: its slices with the rows they hold, and how many first pages were asked for."""

    slices: list[tuple[Window, int]]
    asked: int

    @property
    def windows(self) -> list[Window]:
        return [window for window, _ in self.slices]


def cut(
    days: Sequence[dt.date],
    window: Window,
    limits: Sequence[int] = (FIRST_SLICE,),
    *,
    page: int = PAGE,
    seed: int = 0,
    overlap: bool = False,
) -> Cut:
    """Cut a list of rows with these dates as a reading does.

    Args:
        overlap: whether no answer shows that Sage counts the edges in.
        limits: how many rows each slice may hold in turn; the last one holds for all others.
        seed: which rows are on first pages.
    """
    chance = random.Random(seed)  # noqa: S311 (no secret)
    ordered, inclusive = sorted(days), set[str]()

    def first_page(one: Window) -> tuple[int, list[dt.date]]:
        # As in reading: a day more on each side until an answer shows that Sage counts the edges in.
        first = one.start if "from_date" in inclusive or one.start in (None, dt.date.min) else one.start - DAY
        last = one.end if "to_date" in inclusive or one.end in (None, dt.date.max) else one.end + DAY
        begin = bisect.bisect_left(ordered, first or dt.date.min)
        end = bisect.bisect_right(ordered, last or dt.date.max)
        inside = range(begin, end)
        order = chance.choice(["up", "down", "any"])
        some: Sequence[int] = inside[:page] if order == "up" else inside[-page:]
        if order == "any":
            some = chance.sample(inside, min(page, len(inside)))
        shown = [ordered[row] for row in some]
        if not overlap:
            inclusive.update({"from_date"} if first in shown else (), {"to_date"} if last in shown else ())
        return len(inside), shown

    rows, shown = first_page(window)
    made = Cut([], 1)
    cutter = Cutter(window, rows, shown, TODAY, overlap=overlap)
    while cutter.more:
        limit = limits[min(len(made.slices), len(limits) - 1)]
        proposed, known = cutter.propose(limit), len(inclusive)
        rows, shown = first_page(proposed)
        made.asked += 1
        assert made.asked < 3_000
        if (rows <= limit or len(inclusive) == known) and cutter.fits(rows, shown, limit):
            made.slices.append((proposed, rows))
    return made


def assert_is_a_partition(window: Window, found: Cut) -> None:
    windows = found.windows
    # Where the calendar ends, all that there is ends.
    first = None if window.start == dt.date.min else window.start
    last = None if window.end == dt.date.max else window.end
    assert (windows[0].start, windows[-1].end) == (first, last)
    for before, after in itertools.pairwise(windows):
        assert before.end is not None and after.start is not None
        assert before.end + DAY == after.start
    assert merged(windows) == [Window(first, last)] and remaining(window, windows) == []


DATES: Final = st.one_of(
    st.dates(dt.date(2024, 1, 1), dt.date(2024, 12, 31)),
    st.dates(dt.date(2015, 1, 1), TODAY),
    st.sampled_from([TODAY, TODAY + DAY, dt.date(2024, 6, 30), dt.date.min, dt.date.max, dt.date.min + DAY]),
    st.dates(),
)
WINDOWS: Final = st.sampled_from(
    [
        ALL_DATES,
        Window(dt.date(2020, 1, 1), None),
        Window(None, dt.date(2025, 6, 30)),
        Window(dt.date(2023, 6, 1), dt.date(2025, 6, 30)),
        Window(dt.date.min, dt.date.max),
        Window(dt.date(2026, 1, 1), dt.date(2026, 1, 1)),
        Window(dt.date(2030, 1, 1), None),
        Window(None, dt.date(1990, 1, 1)),
        Window(dt.date.min, dt.date(1, 1, 9)),
        Window(dt.date.max, None),
        Window(None, dt.date(1, 1, 9)),
    ]
)


@settings(max_examples=300)
@given(
    st.lists(st.tuples(DATES, st.integers(1, 40)), max_size=40),
    WINDOWS,
    st.lists(st.integers(10, 90), min_size=1, max_size=8),
    st.integers(1, 20),
    st.integers(0, 2**32),
    st.booleans(),
)
def test_slices_are_all_dates_of_the_range_each_of_them_once(
    groups: list[tuple[dt.date, int]], window: Window, limits: list[int], page: int, seed: int, overlap: bool
) -> None:
    days = [day for day, count in groups for _ in range(count)]
    found = cut(days, window, limits, page=page, seed=seed, overlap=overlap)
    assert_is_a_partition(window, found)
    longest = DAYS_AROUND_A_LONG_ONE if overlap else 1
    for number, (one, rows) in enumerate(found.slices):
        is_a_day = one.start is not None and ((one.end or dt.date.max) - one.start).days < longest
        is_the_very_first_day = one.start is None and one.end in (dt.date.min, dt.date.min + DAY)
        limit = limits[min(number, len(limits) - 1)]
        assert rows <= limit or is_a_day or is_the_very_first_day, "what is too long is cut, down to a day"


def spread(start: dt.date, days: int, rows: int) -> list[dt.date]:
    return [start + dt.timedelta(days=number * days // rows) for number in range(rows)]


def some_years(rows: int) -> dict[str, list[dt.date]]:
    """Companies of so many rows."""
    chance = random.Random(7)  # noqa: S311 (no secret)
    even = spread(dt.date(2020, 1, 1), 2_500, rows)
    start = dt.date(2020, 1, 1)
    return {
        "even": even,
        "one day": [dt.date(2024, 6, 30)] * rows,
        "today": [TODAY] * rows,
        "month ends": [start + dt.timedelta(days=30 * chance.randrange(84)) for _ in range(rows)],
        "growing": [start + dt.timedelta(days=int(2_500 * chance.random() ** 0.3)) for _ in range(rows)],
        "shrinking": [start + dt.timedelta(days=int(2_500 * chance.random() ** 4)) for _ in range(rows)],
        "two heaps": [dt.date(2012, 3, 1)] * (rows // 2) + spread(dt.date(2026, 1, 1), 300, rows // 2),
        "half on one day": even[: rows // 2] + [dt.date(2023, 5, 5)] * (rows // 2),
        "ancient and far ahead": [*even, dt.date.min, dt.date(1899, 12, 30), dt.date(2999, 12, 31), dt.date.max],
        "much of it ancient": even[: rows // 2] + [dt.date(1900, 1, 1)] * (rows // 2),
        "much of it ahead": even[: rows // 2] + [dt.date(9999, 12, 31)] * (rows // 2),
        "ahead alone": spread(dt.date(2027, 1, 1), 400, rows),
        "any date at all": [dt.date.fromordinal(chance.randrange(1, dt.date.max.toordinal() + 1)) for _ in range(rows)],
        "one quiet, one busy month a year": [
            dt.date(2020 + chance.randrange(7), 1, 1) + dt.timedelta(days=chance.randrange(28)) for _ in range(rows)
        ],
    }


YEARS: Final = some_years(60_000)
RAMP: Final = [min(int(FIRST_SLICE * 1.5**step), LONGEST_SLICE) for step in range(11)]


FROM_A_START: Final = Window(dt.date(2021, 1, 1), None)
LISTS: Final = [
    pytest.param(kind, window, id=f"{kind}, {'all' if window == ALL_DATES else 'some'}")
    for kind in YEARS
    for window in (ALL_DATES, FROM_A_START)
]


def cut_thrice(kind: str, window: Window) -> Iterator[Cut]:
    return (cut(YEARS[kind], window, RAMP, seed=seed) for seed in range(3))


@pytest.mark.parametrize(("kind", "window"), LISTS)
def test_long_lists_are_cut_into_few_slices(kind: str, window: Window) -> None:
    for found in cut_thrice(kind, window):
        assert_is_a_partition(window, found)
        assert len(found.slices) <= 25


@pytest.mark.parametrize(("kind", "window"), LISTS)
def test_long_lists_are_cut_by_few_questions(kind: str, window: Window) -> None:
    """DESIGN, Cheap: four a slice and five; one for each is the first page that is read anyway."""
    assert all(found.asked <= 4 * len(found.slices) + 5 for found in cut_thrice(kind, window))


@pytest.mark.parametrize(("kind", "window"), LISTS)
def test_no_row_is_read_by_two_slices_but_few(kind: str, window: Window) -> None:
    inside = sum(map(window.holds, YEARS[kind]))
    assert all(sum(rows for _, rows in found.slices) <= 1.03 * inside for found in cut_thrice(kind, window))


@pytest.mark.parametrize("kind", YEARS)
def test_a_long_day_is_read_once_though_slices_overlap(kind: str) -> None:
    # At the beginning of the books that shrink every day holds nearly as much as a slice may, and its neighbours too.
    most = 1.1 if kind == "shrinking" else 1.05
    for seed in range(5):
        found = cut(YEARS[kind], ALL_DATES, RAMP, seed=seed, overlap=True)
        assert_is_a_partition(ALL_DATES, found)
        assert sum(rows for _, rows in found.slices) <= most * len(YEARS[kind])
        # It is looked for down to the day before the days around it are asked for.
        assert found.asked <= 4 * len(found.slices) + 10


def test_an_even_list_of_200_000_rows_costs_few_questions() -> None:
    found = cut(spread(dt.date(2016, 1, 1), 3_900, 200_000), ALL_DATES, RAMP)
    assert_is_a_partition(ALL_DATES, found)
    assert found.asked <= 2 * len(found.slices) + 5
    assert len(found.slices) <= 25


def test_nothing_left_is_nothing_to_cut() -> None:
    found = cut([], ALL_DATES)
    assert found.windows == [Window(None, dt.date(2026, 11, 23)), Window(dt.date(2026, 11, 24), None)]


def test_a_range_that_fits_in_one_slice_is_one() -> None:
    window = Window(dt.date(2026, 1, 1), dt.date(2026, 3, 31))
    assert cut(spread(dt.date(2026, 1, 1), 90, 500), window).windows == [window]


def test_one_day_is_a_slice_however_long() -> None:
    found = cut([dt.date(2024, 6, 30)] * 50_000, ALL_DATES)
    assert_is_a_partition(ALL_DATES, found)
    day = next((one, rows) for one, rows in found.slices if one.holds(dt.date(2024, 6, 30)))
    assert day == (Window(dt.date(2024, 6, 30), dt.date(2024, 6, 30)), 50_000)


def test_the_ends_are_open() -> None:
    found = cut([dt.date.min, *spread(dt.date(2024, 1, 1), 600, 9_000), dt.date.max], ALL_DATES)
    assert found.windows[0].start is None and found.windows[0].holds(dt.date.min)
    assert found.windows[-1].end is None and found.windows[-1].holds(dt.date.max)


def test_slices_do_not_grow_faster_than_their_limit() -> None:
    """A quiet year must not make the next slice so long that it is cut again and again."""
    cutter = Cutter(Window(dt.date(2020, 1, 1), None), 10_000, [], TODAY)
    cutter.propose(2_000)
    before = cutter.asked
    assert before.end is not None
    assert cutter.fits(0, [], 2_000)
    after = cutter.propose(2_000)
    assert after.start == before.end + DAY
    assert days_in([after]) <= MOST_TIMES_AS_MANY_DAYS * days_in([before])


@pytest.mark.parametrize("rows", [6_000, 10**18])
@pytest.mark.parametrize("window", [ALL_DATES, Window(dt.date(2020, 1, 1), None)])
def test_a_list_that_counts_the_same_for_all_dates_is_cut_no_further(rows: int, window: Window) -> None:
    cutter = Cutter(window, rows, [dt.date(2024, 5, 1)], dt.date(2024, 6, 1))
    asked, slices = 0, []
    while cutter.more:
        proposed = cutter.propose(2_000)
        asked += 1
        if cutter.fits(rows, [dt.date(2024, 5, 1)], 2_000):
            slices.append(proposed)
        assert asked < 100
    assert merged(slices) == [window] and len(slices) < 10
