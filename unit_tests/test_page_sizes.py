"""Pages that are too heavy: lists in memory, read in parts by the thousand, answers in any order."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from pydantic import ValidationError

from source_sage.api.pages import Envelope, Pages
from source_sage.config import ALL_DATES
from source_sage.lists.page_sizes import FIRST_WAIT, LONGEST_WAIT, PageSizes, SmallerPages
from source_sage.lists.parts import Part, Parts
from source_sage.lists.slices import Slice

LARGEST, SMALLEST = 200, 25
# Whether a request is too heavy, of the rows that it asks for and how many requests were made before it.
TooHeavy = Callable[[range, int], bool]


@dataclass
class ListOfRows:
    """A list of numbers, read page by page in parts, with so many requests at once whose answers come in any order."""

    length: int
    too_heavy: TooHeavy = lambda rows, made: False
    at_once: int = 16
    seed: int = 0
    tells_total: bool = True
    tells_next: bool = True
    tells_page: bool = True
    past_end_is_empty: bool = False
    sizes: PageSizes = field(default_factory=lambda: PageSizes(LARGEST, SMALLEST))
    requests: int = 0
    failures: int = 0
    asked: list[Part] = field(default_factory=list)

    def answer(self, part: Part) -> tuple[Envelope, list[int]] | None:
        rows = range(part.first, part.first + part.rows)
        self.asked.append(part)
        while True:
            self.requests += 1
            if not self.too_heavy(rows, self.requests - 1):
                break
            self.failures += 1
            if part.rows > SMALLEST:
                return None  # the smallest size is asked for again and again, with pauses: not by what is tested here
        number = part.number
        if part.first >= max(self.length, 1) and not self.past_end_is_empty:
            number = max(1, -(-self.length // part.rows))
            rows = range((number - 1) * part.rows, number * part.rows)
        held = list(range(min(rows.start, self.length), min(rows.stop, self.length)))
        has_next = self.tells_next and rows.stop < self.length
        total = self.length if self.tells_total else None
        return Envelope(len(held), hash(tuple(held)), number if self.tells_page else None, total, has_next), held

    def read(self) -> list[int]:
        """The rows, page by page in their order."""
        order = random.Random(self.seed)  # noqa: S311
        pages = Pages(LARGEST)
        opened: dict[int, Parts[list[int]]] = {}
        under_way: list[tuple[int, Part]] = []
        rows: dict[int, list[int]] = {}
        while True:
            while len(under_way) < self.at_once:
                for number, parts in opened.items():
                    if (part := parts.next()) is not None:
                        under_way.append((number, part))
                        break
                else:
                    wanted = pages.wanted()
                    if wanted is None:
                        break
                    opened[wanted] = Parts(Part(wanted, LARGEST), self.sizes)
            if not under_way:
                assert pages.finished, "it waits for nothing"
                return [row for number in sorted(rows) for row in rows[number]]
            number, part = under_way.pop(order.randrange(len(under_way)))
            came = self.answer(part)
            if came is None:
                assert opened[number].failed(part), f"a page of {part.rows} rows does not work"
            elif opened[number].worked(part, *came):
                envelope, answers = opened.pop(number).joined()
                assert envelope.count == sum(map(len, answers)) or not envelope.number
                if pages.take(number, envelope):
                    rows[number] = [row for answer in answers for row in answer]


def above(rows: int) -> TooHeavy:
    return lambda asked, made: len(asked) > rows


def least(length: int, rows: int) -> int:
    """How many requests a list takes whose pages may have so many rows, if that is known."""
    size = LARGEST
    while size > rows:
        size //= 2
    return max(1, -(-length // size))


# Whatever happens, each row comes once, in its place.


@pytest.mark.parametrize("seed", range(300))
def test_every_row_comes_once_whatever_is_too_heavy_and_however_its_end_is_told(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311
    weights = [chance.choice((25, 40, 60, 100, 150, 200)) for _ in range(40)]
    share = chance.choice((0.0, 0.05, 0.5))
    length = chance.choice((0, 1, 24, 25, 26, 199, 200, 201, chance.randrange(3_000), chance.randrange(3_000)))

    def too_heavy(asked: range, made: int) -> bool:
        return chance.random() < share or len(asked) > weights[asked.start // 100 % len(weights)]

    rows = ListOfRows(
        length,
        too_heavy,
        at_once=chance.choice((1, 2, 16, 32)),
        seed=seed,
        tells_total=seed % 2 == 0,
        tells_next=seed % 3 != 0,
        tells_page=seed % 5 != 0,
        past_end_is_empty=seed % 7 == 0,
    )
    came = rows.read()
    if not rows.tells_total and not rows.tells_page:
        # Nothing tells a repeated end in another size from new rows; a row that has left does not leave again.
        came = list(dict.fromkeys(came))
    assert came == list(range(length))


# How many requests it costs.


@pytest.mark.parametrize("at_once", [1, 2, 8, 16, 32])
@pytest.mark.parametrize("works", [25, 49, 60, 100, 199])
@pytest.mark.parametrize("length", [2_400, 2_401, 26_000])
def test_a_list_costs_at_most_a_third_more_requests_than_if_its_size_were_known(
    length: int, works: int, at_once: int
) -> None:
    rows = ListOfRows(length, above(works), at_once=at_once, seed=length)
    assert rows.read() == list(range(length))
    assert rows.requests <= 1.3 * least(length, works)


@pytest.mark.parametrize("works", [25, 60, 100])
@pytest.mark.parametrize("length", [1, 30, 150, 199, 200, 201, 399, 600, 1_001])
def test_with_what_is_remembered_even_a_short_list_does(length: int, works: int) -> None:
    known = None
    asked = 0
    for _ in range(40):
        rows = ListOfRows(length, above(works), sizes=PageSizes(LARGEST, SMALLEST, known))
        rows.read()
        known = rows.sizes.smaller
        asked += rows.requests
    assert asked <= 1.3 * 40 * least(length, works)


def test_larger_sizes_are_tried_ever_more_seldom() -> None:
    rows = ListOfRows(150_000, above(60), at_once=1)
    rows.read()
    tried = [place for place, part in enumerate(rows.asked) if part.rows == 100][1:]
    gaps = [later - before for before, later in itertools.pairwise(tried)]
    assert all(later > 1.7 * before for before, later in itertools.pairwise(gaps) if later < LONGEST_WAIT)
    assert max(gaps) < LONGEST_WAIT + 10 and len(gaps) < 20


@pytest.mark.parametrize("seed", range(5))
def test_rows_that_become_heavy_cost_what_was_under_way_three_times_at_most(seed: int) -> None:
    rows = ListOfRows(20_000, lambda asked, made: asked.start >= 2_000 and len(asked) > 60, at_once=16, seed=seed)
    assert rows.read() == list(range(20_000))
    assert rows.failures <= 3 * 16


@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.9])
def test_where_weights_differ_it_costs_at_most_twice_what_is_needed(share: float) -> None:
    chance = random.Random(share)  # noqa: S311
    heavy = [chance.random() < share for _ in range(200)]
    rows = ListOfRows(40_000, lambda asked, made: heavy[asked.start // 200] and len(asked) > 60)
    assert rows.read() == list(range(40_000))
    assert rows.requests <= 2 * sum(4 if one else 1 for one in heavy)


# Outages.


@pytest.mark.parametrize("began", [0, 1, 7, 40])
@pytest.mark.parametrize("failures", [1, 3, 10, 40])
def test_an_outage_leaves_no_list_with_small_pages_for_long(failures: int, began: int) -> None:
    left = failures

    def down(asked: range, made: int) -> bool:
        nonlocal left
        strikes = made >= began and left > 0
        left -= strikes
        return strikes

    rows = ListOfRows(40_000, down, seed=began)
    assert rows.read() == list(range(40_000))
    assert rows.sizes.rows == LARGEST and rows.sizes.smaller is None
    # The pages that are under way meanwhile are finished in parts.
    assert rows.requests <= 200 + failures + FIRST_WAIT + 6 * 16


def test_small_pages_are_left_in_many_short_syncs_too() -> None:
    known: SmallerPages | None = SmallerPages(rows=25, full=0, wait=FIRST_WAIT)
    asked = []
    for _ in range(10):
        rows = ListOfRows(60, sizes=PageSizes(LARGEST, SMALLEST, known))
        rows.read()
        known = rows.sizes.smaller
        asked.append(rows.requests)
    assert asked[0] == 3 and asked[-5:] == [1] * 5


def test_an_answer_with_few_rows_does_not_show_that_a_larger_size_works() -> None:
    sizes = PageSizes(LARGEST, SMALLEST, SmallerPages(rows=50, full=FIRST_WAIT, wait=FIRST_WAIT))
    assert sizes.next(LARGEST) == 100
    sizes.worked(100, 50)
    assert sizes.rows == 50


def test_the_first_request_of_a_size_that_has_not_worked_yet_goes_alone() -> None:
    sizes = PageSizes(LARGEST, SMALLEST)
    assert sizes.next(LARGEST) == sizes.next(LARGEST) == LARGEST
    sizes.failed(LARGEST)
    sizes.failed(LARGEST)
    assert sizes.next(LARGEST) == 100 and sizes.next(LARGEST) is None
    sizes.failed(100)
    assert sizes.next(100) == 50 and sizes.next(LARGEST) is None
    sizes.worked(50, 50)
    assert sizes.next(50) == sizes.next(LARGEST) == 50


# What is remembered.


def test_what_is_remembered_is_followed_as_far_as_it_makes_sense() -> None:
    for rows, followed in ((1, 25), (24, 25), (25, 25), (99, 50), (100, 100), (200, 200), (999, 200)):
        known = SmallerPages(rows=rows, full=0, wait=FIRST_WAIT)
        assert PageSizes(LARGEST, SMALLEST, known).rows == followed


@pytest.mark.parametrize(
    "wrong",
    [{"rows": 0}, {"rows": "few"}, {"full": -1}, {"wait": 0}, {"wait": LONGEST_WAIT + 1}, {"wait": None}, {"more": 1}],
)
def test_what_cannot_be_remembered_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SmallerPages.model_validate({"rows": 50, "full": 3, "wait": 8} | wrong)


def test_a_size_that_cannot_be_halved_is_asked_for_as_before() -> None:
    assert not PageSizes(40, SMALLEST).can_shrink(40)
    assert not PageSizes(LARGEST, SMALLEST).can_shrink(SMALLEST)


# A page of several answers.


def read_in_parts(totals: list[int], rows: int = 200) -> Envelope:
    """The first page of a list, by parts of 50 rows that tell these totals."""
    parts: Parts[str] = Parts(Part(1, LARGEST), PageSizes(LARGEST, SMALLEST, SmallerPages(rows=50, wait=FIRST_WAIT)))
    for total in totals:
        part = parts.next()
        assert part is not None and part.rows == 50
        count = max(0, min(50, rows - part.first))
        parts.worked(part, Envelope(count, part.number, part.number, total, part.first + 50 < rows), "")
    assert parts.next() is None
    return parts.joined()[0]


def test_it_is_known_to_be_of_several_and_whether_they_agree() -> None:
    assert read_in_parts([150] * 3, 150) == Envelope(150, hash((1, 2, 3)), 1, 150, False, 3)
    assert read_in_parts([151, 150, 150], 150) == Envelope(150, hash((1, 2, 3)), 1, 150, False, 3, True)
    assert read_in_parts([30], 30) == Envelope(30, hash((1,)), 1, 30, False)


def test_it_is_known_by_the_answer_behind_the_end_that_a_row_has_gone() -> None:
    sizes = PageSizes(4, 2, SmallerPages(rows=2, full=3, wait=16))
    page: Parts[None] = Parts(Part(2, 4), sizes)
    assert page.next() == Part(3, 2)
    page.worked(Part(3, 2), Envelope(2, 1, 3, 7, True), None)
    assert page.next() == Part(4, 2)
    page.worked(Part(4, 2), Envelope(2, 1, 3, 6, False), None)
    assert page.joined()[0].is_torn


def test_a_slice_of_one_page_in_several_answers_is_not_proven_by_itself() -> None:
    def taken(envelope: Envelope) -> Slice:
        slice_ = Slice({}, ALL_DATES, ALL_DATES, LARGEST)
        assert slice_.pages.wanted() == 1
        slice_.see(range(envelope.count), (), ())
        slice_.take(1, envelope, [str(row) for row in range(envelope.count)])
        return slice_

    whole = taken(Envelope(150, 1, 1, 150, False))
    parts = taken(read_in_parts([150] * 3, 150))
    torn = taken(read_in_parts([151, 150, 150], 150))
    assert [one.is_one_answer for one in (whole, parts, torn)] == [True, False, False]
    assert [one.stood_still for one in (whole, parts, torn)] == [True, True, False]
    assert [list(one.doubtful()) for one in (whole, parts, torn)] == [[], [], [1]]


def test_no_part_is_asked_for_behind_the_end_that_is_told() -> None:
    for length in (0, 1, 49, 50, 51, 150, 199, 200):
        rows = ListOfRows(length, above(50), sizes=PageSizes(LARGEST, SMALLEST, SmallerPages(rows=50, wait=FIRST_WAIT)))
        rows.read()
        assert rows.requests == least(length, 50)
