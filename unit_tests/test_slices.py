"""The proof of slices.py on a list in memory that changes between its answers, whose truth is known."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from source_sage.api.pages import Envelope
from source_sage.config import ALL_DATES, Window
from source_sage.lists.keys import hash_of
from source_sage.lists.slices import Slice
from source_sage.lists.touched import Change, Touched

PAGE: Final = 3
BEGAN: Final = 10_000
LAG: Final = 120
WALKS: Final = 3
FIRST_DAY: Final = dt.date(2024, 1, 1)
ORDERS: Final = [(by, way) for by in ("created", "updated", "name", "day") for way in (False, True)]
SLICES: Final = [
    (ALL_DATES, ALL_DATES),
    (Window(None, FIRST_DAY + dt.timedelta(6)), Window(None, FIRST_DAY + dt.timedelta(7))),
    (Window(FIRST_DAY + dt.timedelta(2), FIRST_DAY + dt.timedelta(6)),) * 2,
    (
        Window(FIRST_DAY + dt.timedelta(2), FIRST_DAY + dt.timedelta(6)),
        Window(FIRST_DAY + dt.timedelta(1), FIRST_DAY + dt.timedelta(7)),
    ),
]
# How a list tells of what is deleted: by a list of its own, by a mark on the row, or not at all.
TELLING: Final = ["a list", "a mark", "nothing"]
EXACT: Final = [one for one in SLICES if one[0] == one[1]]
READINGS: Final = 4_000


@dataclass(frozen=True)
class Row:
    """A row at Sage; moments are seconds."""

    id: str
    created: int
    updated: int
    name: int
    day: dt.date | None


@dataclass
class Sage:
    """A list at Sage.

    A row that was restored while a slice is being proven is
    not deleted again in that moment: neither list of what was touched would tell of it.

    Attributes:
        restored: rows that were restored since the last question for what was touched.
    """

    order: tuple[str, bool]
    telling: str
    now: int = BEGAN
    rows: list[Row] = field(default_factory=list)
    gone: list[tuple[Row, int]] = field(default_factory=list)
    restored: set[str] = field(default_factory=set)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def add(self, moment: int, chance: random.Random) -> None:
        day = FIRST_DAY + dt.timedelta(chance.randrange(10))
        self.rows.append(Row(f"{next(self.numbers):03}", moment, moment, chance.randrange(10), day))

    def listed(self, reach: Window) -> list[Row]:
        by, way = self.order
        return sorted(
            (row for row in self.rows if is_inside(row.day, reach)),
            key=lambda row: (str(getattr(row, by)), row.id),
            reverse=way,
        )

    def page(self, number: int, reach: Window) -> tuple[Envelope, list[Row]]:
        """An answer; a page past the end is the last page again."""
        rows = self.listed(reach)
        last = max(-(-len(rows) // PAGE), 1)
        shown = min(number, last)
        some = rows[(shown - 1) * PAGE : shown * PAGE]
        items = [{"id": row.id} for row in some]
        body = {"$items": items, "$page": shown, "$total": len(rows), "$next": "/more" if shown < last else None}
        return Envelope.of(body), some

    def do(self, what: str, chance: random.Random) -> None:
        """Let something happen, in the same second as what happened before or in the next one.

        A row is not edited, deleted and restored within one second: it would look as if only the first had happened.
        """
        self.now += 1 if what == "restore" else chance.randint(0, 1)
        if what in ("create", "create late"):
            self.add(self.now - (LAG // 2 if what == "create late" else 0), chance)
        elif what == "restore":
            if self.gone:
                row, _ = self.gone.pop(chance.randrange(len(self.gone)))
                self.restored.add(row.id)
                self.rows.append(replace(row, updated=self.now))
        elif self.rows:
            youngest = max(range(len(self.rows)), key=lambda one: self.rows[one].updated)
            row = self.rows.pop(youngest if what == "delete youngest" else chance.randrange(len(self.rows)))
            if what.startswith("delete") and self.telling != "a mark" and row.id not in self.restored:
                self.gone.append((row, self.now))
            else:
                day = FIRST_DAY + dt.timedelta(chance.randrange(10))
                row = replace(row, updated=self.now, name=chance.randrange(10) if what == "rename" else row.name)
                self.rows.append(replace(row, day=day) if what == "move" else row)

    def changes(self, since: int) -> list[Change]:
        return [Change(row.id, str(row.updated), row.day) for row in self.rows if row.updated >= since]

    def deletions(self, since: int) -> list[tuple[str, int]]:
        return [(row.id, when) for row, when in self.gone if when >= since]


def is_inside(day: dt.date | None, window: Window) -> bool:
    return window == ALL_DATES or (day is not None and window.holds(day))


# The first only where deletions are told: what was made and deleted between two questions leaves no trace elsewhere
# (docs/sage.md, "What no reader of Sage's API can promise").
OPERATIONS: Final = (
    *("delete youngest", "delete", "delete", "create", "create", "create late"),
    *("edit", "rename", "move", "move", "restore"),
)


@dataclass
class Reading:
    """A slice of it, read and proven as `proofs` does it; what happens at Sage in between is left to chance.

    Attributes:
        most: so many things happen at most.
    """

    sage: Sage
    slice: Slice
    chance: random.Random
    most: int = 6
    seen: set[str] = field(default_factory=set)
    touched: Touched = field(default_factory=Touched)
    told: frozenset[int] = frozenset()
    since: int = BEGAN - LAG
    later: list[Change] = field(default_factory=list)
    total: int = 0

    def happen(self) -> None:
        while self.most and self.chance.random() < 0.5:
            self.most -= 1
            self.sage.do(self.chance.choice(OPERATIONS[self.sage.telling == "nothing" :]), self.chance)

    def note(self, rows: Sequence[Row]) -> None:
        hashes = {hash_of(row.id) for row in rows}
        # Some rows are outside of the dates that are wanted, some have left by another slice.
        to_emit = {hash_of(row.id) for row in rows if int(row.id) % 5}
        elsewhere = {hash_of(row.id) for row in rows if int(row.id) % 7 == 0}
        self.slice.see(hashes, to_emit, elsewhere & to_emit)
        self.slice.see_changed([f"{row.updated:06}" for row in rows])
        self.seen |= {row.id for row in rows}

    def walk(self) -> None:
        """Read all pages, answered in any order, as many at once as may be."""
        pages, waiting = self.slice.pages, list[int]()
        while not pages.finished:
            while (number := pages.wanted()) is not None:
                waiting.append(number)
            number = waiting.pop(self.chance.randrange(len(waiting)))
            envelope, rows = self.sage.page(number, self.slice.reach)
            self.note(rows)
            self.slice.take(number, envelope, [row.id for row in rows])
            self.happen()

    def is_proven(self) -> bool:
        """Ask for what was touched, for `$total`, for what was deleted, and once more for what was touched."""
        sage, slice_ = self.sage, self.slice
        self.happen()
        self.touched = touched = Touched()
        touched.note(sage.changes(self.since))
        asked, sage.restored = sage.now, set()
        if sage.telling == "a list" and slice_.newest >= f"{self.since:06}":
            self.happen()
            self.told = touched.note_deleted(sage.deletions(self.since), self.told)
        if slice_.is_one_answer or slice_.is_untouched(touched):
            return True
        self.happen()
        self.total = len(sage.listed(slice_.reach))
        self.happen()
        if sage.telling == "a list":
            self.told = touched.note_deleted(sage.deletions(self.since), self.told)
        self.happen()
        self.later = sage.changes(self.since if touched.unsure else asked - LAG)
        touched.note_there(self.later)
        if sage.telling == "nothing":
            return False
        if self.missed() > 0 and self.chance.random() < 0.5:
            self.look_again()
        return self.missed() == 0

    def missed(self) -> int:
        return self.slice.missed(self.total, self.touched, self.later)

    def look_again(self) -> None:
        for _ in range(self.chance.randint(1, 3)):
            self.happen()
            _, rows = self.sage.page(self.chance.randint(1, self.slice.pages.count), self.slice.reach)
            self.touched.note_keys(row.id for row in rows if row.updated >= self.since)
            self.note(rows)

    def read_again(self) -> None:
        afresh = self.sage.telling == "nothing" or self.missed() < 0
        self.slice.before = self.touched
        self.touched.note(self.later)
        self.slice.begin_again(afresh=afresh)
        if afresh:
            self.seen, self.since = set(), self.sage.now - LAG
        self.walk()

    @property
    def lost(self) -> set[str]:
        """The rows that were in the slice all the time, and were not seen."""
        days = self.slice.days
        untouched = {row.id for row in self.sage.rows if row.updated < self.since and is_inside(row.day, days)}
        return untouched - self.seen


def a_reading(chance: random.Random, telling: str, slices: Sequence[tuple[Window, Window]] = SLICES) -> Reading:
    """A slice that was read, the list changed between its pages."""
    sage = Sage(chance.choice(ORDERS), telling)
    for _ in range(chance.randint(2 * PAGE, 20)):
        # What was made shortly before is taken for made meanwhile; where deletions are not told, that is an obstacle.
        is_recent = chance.random() < (0.02 if telling == "nothing" else 0.3)
        sage.add(chance.randint(BEGAN - 2 * LAG if is_recent else 0, BEGAN), chance)
    days, reach = chance.choice(slices)
    if days == ALL_DATES and chance.random() < 0.5:
        sage.rows[0] = replace(sage.rows[0], day=None)
    made = Reading(sage, Slice({}, days, reach, PAGE), chance, chance.choice([0, 1, 2, 4, 6, 10]))
    made.walk()
    return made


def prove(made: Reading) -> int:
    """How many walks it took until it was proven; 0 if it was not."""
    for walk in range(1, WALKS + 1):
        if made.is_proven():
            return walk
        made.read_again()
    return 0


@pytest.mark.parametrize("telling", TELLING)
def test_no_slice_is_proven_that_misses_a_row(telling: str) -> None:
    """A seed that fails is replayed by `a_reading(random.Random(seed), telling)`."""
    proven, missing = Counter[int](), 0
    for seed in range(READINGS):
        made = a_reading(random.Random(seed), telling)  # noqa: S311 (no secret)
        missing += bool(made.lost)
        walks = prove(made)
        proven[walks] += 1
        assert not (walks and made.lost), f"seed {seed} of {telling}: {made.lost}"
    # What is proven is worth something: rows were missed, and most slices were proven all the same.
    assert missing > READINGS / 40 and proven[0] < READINGS / 10
    assert proven[1] > READINGS / 4 and proven[2] and proven[3]


@given(st.randoms(use_true_random=False), st.sampled_from(TELLING))
def test_so_it_is_with_examples_that_are_made_small(chance: random.Random, telling: str) -> None:
    made = a_reading(chance, telling)
    walks = prove(made)
    event(f"{telling}: {walks} walks, {len(made.sage.gone)} deleted")
    assert not (walks and made.lost)


@given(st.randoms(use_true_random=False), st.sampled_from(["a list", "a mark"]))
def test_while_nothing_happens_it_is_counted_exactly_what_was_missed(chance: random.Random, telling: str) -> None:
    made = a_reading(chance, telling, EXACT)
    made.most = 0
    if made.is_proven() and not made.total:
        return  # by less
    assert made.missed() == len(made.lost)
    for _ in range(made.slice.pages.count):
        made.look_again()
        assert made.missed() == len(made.lost)


@given(st.randoms(use_true_random=False), st.sampled_from(TELLING))
def test_a_quiet_slice_is_proven_by_the_first_question(chance: random.Random, telling: str) -> None:
    sage = Sage(chance.choice(ORDERS), telling)
    for _ in range(chance.randint(0, 20)):
        sage.add(chance.randint(0, BEGAN - LAG - 1), chance)
    days, reach = chance.choice(SLICES)
    made = Reading(sage, Slice({}, days, reach, PAGE), chance, 0)
    made.walk()
    assert made.is_proven() and made.total == 0, "without asking for $total"
    assert not made.lost and made.slice.stood_still


# What is touched.


def change(key: str, mark: int = BEGAN, day: int | None = 1) -> Change:
    return Change(key, str(mark), None if day is None else FIRST_DAY + dt.timedelta(day))


def touched_by(*changes: Change) -> Touched:
    touched = Touched()
    touched.note(changes)
    return touched


def test_a_row_is_touched_once_however_often_it_is_told_of() -> None:
    touched = touched_by(change("a"), change("a", BEGAN + 1, 5), change("b"), change("c", day=None))
    first = Window(FIRST_DAY, FIRST_DAY + dt.timedelta(1))
    assert sorted(touched.of(first)) == sorted(map(hash_of, "ab"))
    assert sorted(touched.of(ALL_DATES)) == sorted(map(hash_of, "abc")), "a row without a date is in a list of all"


def test_a_change_is_known_by_its_key_and_its_time() -> None:
    touched = touched_by(change("a"), change("b"))
    fresh = [change("a", BEGAN + 1), change("c")]
    assert touched.unknown([change("a"), *fresh, change("b")]) == fresh


def test_a_row_that_gets_another_date_within_a_second_was_changed_once_more() -> None:
    assert touched_by(change("a", day=1)).unknown([change("a", day=9)])


def test_what_was_known_before_is_nothing_new() -> None:
    before = touched_by(change("a"), change("b"))
    assert not touched_by(change("b")).adds_to(before)
    assert touched_by(change("b"), change("c")).adds_to(before)
    assert touched_by(change("b", BEGAN + 1)).adds_to(before)


def test_a_deletion_that_was_told_before_is_of_a_row_that_was_restored() -> None:
    touched = touched_by(change("a"))
    told = touched.note_deleted([("a", BEGAN)], frozenset())
    assert touched.unsure == 1, "it may have been told as changed, and then deleted"
    again = touched_by(change("a"))
    assert again.note_deleted([("a", BEGAN)], told) == told and again.unsure == 0
    assert again.note_deleted([("a", BEGAN + 1)], told) != told and again.unsure == 1


def test_what_was_changed_between_the_questions_may_be_all_that_seems_to_be_missed() -> None:
    nothing, whole, without_f = Touched(), answered(("abc", 5), ("de", 5)), answered(("abc", 6), ("de", 6))
    later = [change("b")]
    assert (whole.missed(5, nothing, later), whole.unclear(nothing, later)) == (1, 1)
    assert (without_f.missed(6, nothing, later), without_f.unclear(nothing, later)) == (2, 1), "one is missed for sure"
    assert without_f.unclear(touched_by(change("b")), later) == 0, "it was told before"
    deleted = Touched()
    told = deleted.note_deleted([("a", BEGAN), ("z", BEGAN)], frozenset())
    assert whole.unclear(deleted, []) == 1, "a may have been deleted after it was counted"
    deleted.note_deleted([("a", BEGAN), ("z", BEGAN)], told)
    assert whole.unclear(deleted, []) == deleted.unsure == 0


def test_what_was_changed_elsewhere_makes_nothing_unclear() -> None:
    days = Window(FIRST_DAY, FIRST_DAY + dt.timedelta(5))
    slice_ = Slice({}, days, days, PAGE)
    slice_.see({hash_of("a")}, {hash_of("a")}, ())
    assert slice_.unclear(Touched(), [change("z", day=9)]) == 0
    assert slice_.unclear(Touched(), [change("z", day=5)]) == 1, "it may have entered"
    assert slice_.unclear(Touched(), [change("a", day=9)]) == 1, "it may have left"


# Single slices.


def answered(*pages: tuple[str, int | None], size: int = PAGE, filtered_by: str = "") -> Slice:
    """A slice of which pages with these rows (a letter each) and this `$total` came in their order."""
    slice_ = Slice(dict.fromkeys(filter(None, [filtered_by]), "2026-01-01T00:00:00Z"), ALL_DATES, ALL_DATES, size)
    for number, (rows, total) in enumerate(pages, 1):
        assert slice_.pages.wanted() == number
        slice_.see(set(map(hash_of, rows)), set(map(hash_of, rows)), ())
        slice_.take(number, Envelope.of({"$items": [{"id": one} for one in rows], "$total": total}), list(rows))
    return slice_


def test_one_answer_needs_no_proof() -> None:
    assert answered(("ab", 2)).is_one_answer and answered(("", 0)).is_one_answer
    assert not answered(("abc", 4), ("d", 4)).is_one_answer
    assert not answered(("ab", 3)).pages.finished, "it may be a short page"
    assert not answered(("ab", 3), ("ab", 3)).is_one_answer, "$total was wrong, or a row is missing"
    again = answered(("ab", 2))
    again.begin_again()
    assert not again.is_one_answer


def test_a_list_stood_still_if_total_was_the_same_and_as_many_rows_were_seen() -> None:
    assert answered(("abc", 5), ("de", 5)).stood_still
    assert not answered(("abc", 5), ("cd", 5)).stood_still
    assert not answered(("abc", 5), ("def", 6)).stood_still


def test_without_a_total_to_trust_quiet_alone_is_proof() -> None:
    slice_ = answered(("abc", None), ("de", None))
    assert slice_.is_untouched(Touched())
    assert not slice_.is_untouched(touched_by(change("z")))
    slice_.before = touched_by(change("z"))
    assert slice_.is_untouched(touched_by(change("z")))
    assert slice_.missed(5, Touched(), []) > 0


def test_a_list_of_which_nothing_came_though_there_is_something_is_not_untouched() -> None:
    assert not answered(("", 2), ("", 2)).is_untouched(Touched())


def test_a_total_that_is_too_high_by_the_same_number_everywhere_can_be_corrected() -> None:
    slice_ = answered(("abc", 6), ("de", 6))
    assert slice_.excess == 1 and not slice_.stood_still
    slice_.correct_totals(2)
    assert not slice_.stood_still, "not by another number"
    slice_.correct_totals(1)
    assert slice_.excess == 0 and slice_.stood_still and set(slice_.pages.totals) == {5}
    assert answered(("abc", 6), ("de", 7)).excess == 0


def test_pages_beside_a_change_of_total_and_short_ones_are_doubtful() -> None:
    slice_ = answered(("abc", 11), ("def", 11), ("ghi", 10), ("j", 10))
    assert list(slice_.doubtful()) == [2, 3]
    assert list(answered(("abc", 9), ("de", 9), ("ghi", 9)).doubtful()) == [2]


def test_a_page_that_begins_with_another_row_has_moved() -> None:
    slice_ = answered(("abc", 5), ("de", 5))
    assert not slice_.is_moved(2, ["d"]) and slice_.is_moved(2, ["e"])
    assert not slice_.is_moved(2, []) and not slice_.is_moved(3, ["d"]), "of what nothing is known nothing is said"


def test_a_row_leaves_by_one_slice_and_is_seen_by_each() -> None:
    slice_ = Slice({}, ALL_DATES, ALL_DATES, PAGE)
    slice_.see({1, 2, 3}, {1, 2}, {2})
    assert slice_.emitted.held({1, 2, 3}) == {1} and slice_.seen == 3
    slice_.see({1, 2, 3, 4}, {1, 2, 3}, {2})
    assert slice_.emitted.held({1, 2, 3, 4}) == {1, 3}, "kept back before, it leaves now"


def test_a_slice_forgets_its_keys_and_keeps_their_number() -> None:
    slice_ = answered(("abc", 5), ("de", 5))
    keys = slice_.forget_keys()
    assert len(keys) == slice_.seen == 5
    assert len(slice_.emitted) == 0


def test_a_slice_read_afresh_forgets_and_otherwise_remembers() -> None:
    slice_ = answered(("abc", 5), ("de", 5))
    assert len(slice_.begin_again()) == 0 and slice_.seen == 5
    assert len(slice_.begin_again(afresh=True)) == 5 and slice_.seen == 0
    assert slice_.walks == 3 and slice_.began is None


def test_rows_without_a_key_are_counted() -> None:
    slice_ = Slice({}, ALL_DATES, ALL_DATES, PAGE)
    slice_.pages.wanted()
    slice_.take(1, Envelope.of({"$items": [None, {"id": "a"}, None], "$total": 3}), [None, "a", None])
    slice_.see({hash_of("a")}, {hash_of("a")}, ())
    assert slice_.seen == 3 and slice_.stood_still


def test_a_list_that_only_grows_is_whole_if_it_was_as_long_as_told() -> None:
    assert answered(("abc", 5), ("def", 6)).is_as_long_as_told
    twice = ("abc", 5), ("cd", 5)
    assert answered(*twice, filtered_by="deleted_since").is_as_long_as_told, "a row may be deleted twice"
    assert not answered(*twice, filtered_by="updated_or_created_since").is_as_long_as_told, "it may hide another one"
    assert not answered(("abc", 5), ("cd", 6)).is_as_long_as_told


def test_deletions_without_a_time_are_never_known_to_be_old() -> None:
    told: frozenset[int] = frozenset()
    for _ in range(50):
        touched = touched_by(change("a"))
        told = touched.note_deleted([("a", None)], told)
        assert touched.unsure == 1


def test_a_row_that_was_told_as_deleted_before_is_not_unclear_again() -> None:
    slice_, told = answered(("abc", 5), ("de", 5)), frozenset[int]()
    for unclear in (1, 0, 0):
        touched = Touched()
        told = touched.note_deleted([("a", None)], told)
        assert slice_.unclear(touched, []) == unclear


def envelope(number: int, total: int, *keys: str) -> Envelope:
    """The envelope of one page."""
    items = [{"id": key} for key in keys]
    more = "/more" if number * PAGE < total else None
    return Envelope.of({"$items": items, "$page": number, "$total": total, "$next": more})


def test_a_row_that_was_kept_back_and_left_later_is_seen_once_and_hides_none_that_was_missed() -> None:
    """Dated outside, then moved inside and to the end of the list: d came to a page that was answered before."""
    slice_ = Slice({}, ALL_DATES, ALL_DATES, PAGE)
    for number, keys, leaving in ((1, ("a", "b", "x"), ("a", "b")), (2, ("e", "f", "x"), ("e", "f", "x"))):
        slice_.pages.wanted()
        slice_.see({hash_of(key) for key in keys}, {hash_of(key) for key in leaving}, ())
        slice_.take(number, envelope(number, 6, *keys), keys)
    assert slice_.pages.finished
    assert slice_.seen == 5
    assert not slice_.stood_still
    touched = Touched()
    touched.note([Change("x", "now", FIRST_DAY)])
    assert slice_.missed(6, touched, []) == 1
