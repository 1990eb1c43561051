"""The argument of shifts.py, tried on a list in memory that changes between its pages, whose truth is known."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import dataclass, field
from typing import Any

from hypothesis import event, given
from hypothesis import strategies as st

from source_sage.clock import utc_text
from source_sage.shifts import ROWS_IN_A_SET, Changes, Item, Sight, Sightings, Whole, extremes, second_of

PAGE = 3
BEGAN = 10_000
OVERLAP = 120
CUT = BEGAN - OVERLAP
ORDERS = [(by, way) for by in ("created_at", "updated_at", "name") for way in (False, True)]
OPERATIONS = st.tuples(
    st.sampled_from(["create", "delete", "edit", "rename", "late create"]), st.integers(0, 99), st.integers(0, 9)
)


def text(moment: int) -> str:
    return utc_text(dt.datetime(2026, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=moment))


@dataclass
class Sage:
    """A list at Sage."""

    order: tuple[str, bool]
    now: int = BEGAN
    rows: list[Item] = field(default_factory=list)
    deleted: list[Item] = field(default_factory=list)
    numbers: Any = field(default_factory=lambda: itertools.count(1))

    def add(self, moment: int, name: int) -> None:
        stamp = text(moment)
        self.rows.append(
            {"id": f"{next(self.numbers):03}", "created_at": stamp, "updated_at": stamp, "name": f"{name}"}
        )

    def listed(self) -> list[Item]:
        by, way = self.order
        return sorted(self.rows, key=lambda row: (row[by], row["id"]), reverse=way)

    def page(self, number: int) -> list[Item]:
        return self.listed()[(number - 1) * PAGE : number * PAGE]

    def do(self, operation: tuple[str, int, int]) -> None:
        self.now += 1
        what, which, name = operation
        if what == "create":
            self.add(self.now, name)
        elif what == "late create":
            self.add(self.now - OVERLAP // 2, name)
        elif self.rows:
            row = self.rows.pop(which % len(self.rows))
            if what == "delete":
                self.deleted.append({"id": row["id"], "deleted_at": text(self.now)})
            else:
                changed = {"updated_at": text(self.now)} | ({"name": f"{name}"} if what == "rename" else {})
                self.rows.append({**row, **changed})

    def changes(self, *, deletions_told: bool) -> Changes:
        touched = [row for row in self.rows if row["updated_at"] >= text(CUT)]
        return Changes(touched, touched, self.deleted if deletions_told else None, len(self.rows))

    def untouched(self) -> set[str]:
        return {row["id"] for row in self.rows if row["updated_at"] < text(CUT)}


@dataclass
class Walk:
    """A walk through it."""

    sage: Sage
    sightings: Sightings
    seen: set[str] = field(default_factory=set)

    def read(self, number: int) -> Sight:
        """Read one page."""
        rows, stamp = self.sage.page(number), text(self.sage.now)
        self.seen |= {row["id"] for row in rows if row["updated_at"] < text(CUT)}
        self.sightings.look_again([(row["id"], row["updated_at"]) for row in rows])
        return Sight(number * PAGE, len(self.sage.rows), stamp, stamp)

    @property
    def missed(self) -> set[str]:
        return self.sage.untouched() - self.seen


@st.composite
def walks(draw: st.DrawFn, most: int = 4) -> Walk:
    """A walk that is over: its pages read in any order, the list changed between them."""
    sage = Sage(draw(st.sampled_from(ORDERS)))
    for moment in draw(st.lists(st.integers(0, BEGAN), min_size=2 * PAGE, max_size=30)):
        sage.add(moment, draw(st.integers(0, 9)))
    pages = -(-len(sage.rows) // PAGE)
    walk = Walk(sage, Sightings(text(CUT), len(sage.rows)))
    sights = {1: walk.read(1)}
    left = most
    for number in draw(st.permutations(range(2, pages + 1))):
        for operation in draw(st.lists(OPERATIONS, max_size=min(left, 2))):
            sage.do(operation)
            left -= 1
        sights[number] = walk.read(number)
    while sights[pages].total > pages * PAGE:  # the last page said that there was another
        pages += 1
        sights[pages] = walk.read(pages)
    for number in sorted(sights):
        walk.sightings.note((), sights[number])
    return walk


@given(walks())
def test_what_was_missed_is_counted_exactly_where_deletions_are_told(walk: Walk) -> None:
    event(f"missed: {len(walk.missed)}")
    assert walk.sightings.missed(walk.sage.changes(deletions_told=True)) == len(walk.missed)


@given(walks())
def test_where_deletions_are_not_told_nothing_is_proven_that_is_not_so(walk: Walk) -> None:
    missed = walk.sightings.missed(walk.sage.changes(deletions_told=False))
    event(f"proven: {missed is not None}")
    assert missed is None or missed == len(walk.missed)


@given(walks(most=1))
def test_what_one_change_made_slip_is_on_a_doubtful_page(walk: Walk) -> None:
    slipped = walk.missed
    changes = walk.sage.changes(deletions_told=True)
    doubtful = walk.sightings.doubtful_rows(changes)
    for rows in doubtful:
        walk.read((rows - 1) // PAGE + 1)
        walk.read(rows // PAGE + 1)
    event(f"slipped: {len(slipped)}, doubtful: {bool(doubtful)}")
    assert not walk.missed
    assert walk.sightings.missed(changes) == 0


@given(walks(most=0))
def test_a_list_that_stood_still_leaves_no_doubt(walk: Walk) -> None:
    changes = walk.sage.changes(deletions_told=False)
    assert walk.sightings.stood_still
    assert not walk.sightings.fell
    assert walk.sightings.missed(Changes([], [], [], len(walk.sage.rows))) in (0, len(changes.touched))
    assert walk.sightings.doubtful_rows(Changes([], [], [], None)) == []


@st.composite
def interrupted(draw: st.DrawFn) -> tuple[Walk, bool]:
    """A walk in order that one process began and another ended, the list changed at any time."""
    order = draw(st.sampled_from(ORDERS))
    sage = Sage(order)
    for moment in draw(st.lists(st.integers(0, CUT - 1), min_size=3 * PAGE, max_size=24)):
        sage.add(moment, draw(st.integers(0, 9)))
    pages = -(-len(sage.rows) // PAGE)
    killed_after = draw(st.integers(1, pages - 1))
    walk = Walk(sage, Sightings(text(CUT), len(sage.rows)))
    fell, longest, number = False, len(sage.rows), 1
    while (number - 1) * PAGE < len(sage.rows):
        if number > 1:
            for operation in draw(st.lists(OPERATIONS, max_size=1)):
                sage.do(operation)
        sight = walk.read(number)
        if number <= killed_after:
            fell = fell or (sight.total or 0) < longest
            longest = max(longest, sight.total or 0)
        else:
            walk.sightings.note((), sight)
        number += 1
    return walk, fell


@given(interrupted())
def test_a_walk_that_went_on_is_trusted_only_if_nothing_slipped(made: tuple[Walk, bool]) -> None:
    walk, fell_before = made
    for deletions_told in (True, False):
        changes = walk.sage.changes(deletions_told=deletions_told)
        trusted = not fell_before and walk.sightings.nothing_moved_forwards(
            changes, ordered=walk.sage.order == ("created_at", False)
        )
        event(f"trusted: {trusted}")
        assert not trusted or not walk.missed


def test_a_list_of_changes_is_whole_if_all_that_it_told_of_was_seen() -> None:
    def whole(*pages: tuple[list[Any], int | None]) -> tuple[bool, bool]:
        made = Whole()
        for items, total in pages:
            made.note(items, total)
        return made.is_whole, made.is_as_long_as_told

    a, b, c = ({"id": one} for one in "abc")
    assert whole(([], 0)) == (True, True)
    assert whole(([a, b], 3), ([c], 3)) == (True, True)
    assert whole(([a, b], 3), ([b], 3)) == (False, True)
    assert whole(([a, b], 3), ([b, c], 4)) == (False, False)
    assert whole(([a, b], 3)) == (False, False)
    assert whole(([a, None], 3), (["odd"], 3)) == (True, True)
    assert whole(([a, b], None), ([b, c], None)) == (True, True)


def test_a_walk_that_ended_before_the_end_is_not_trusted() -> None:
    sightings = Sightings(text(CUT), 9)
    assert sightings.nothing_moved_forwards(Changes([], [], [], 9), ordered=True)
    sightings.note((), Sight(6, 9, text(BEGAN), text(BEGAN)))
    assert not sightings.nothing_moved_forwards(Changes([], [], [], 9), ordered=True)
    sightings.note((), Sight(9, 9, text(BEGAN), text(BEGAN)))
    assert sightings.nothing_moved_forwards(Changes([], [], [], 9), ordered=True)


def test_without_a_total_only_quiet_is_proof() -> None:
    sightings = Sightings(text(CUT), None)
    row = {"id": "1", "updated_at": text(BEGAN), "created_at": text(0)}
    assert sightings.missed(Changes([], [], [], None)) == 0
    assert sightings.missed(Changes([row], [row], [], None)) is None
    assert sightings.missed(Changes([], [], [{"id": "1"}], None)) is None
    assert sightings.all_seen_once()


def test_many_rows_are_counted_in_parts() -> None:
    rows = ROWS_IN_A_SET + 50
    sightings = Sightings(text(CUT), rows)
    sightings.look_again([(str(number % rows), text(0)) for number in range(2 * rows)])
    assert sightings.missed(Changes([], [], [], rows)) == 0
    assert sightings.missed(Changes([], [], [{"id": "7"}], rows)) == 1


STAMPS = st.one_of(
    st.datetimes(dt.datetime(2020, 1, 1), dt.datetime(2030, 1, 1)).map(lambda moment: f"{moment:%Y-%m-%dT%H:%M:%S}Z"),
    st.sampled_from([None, "", "0", "zzz", 7, "2026-01-01"]),
)


@given(st.lists(STAMPS))
def test_the_extremes_are_those_of_the_times_alone(stamps: list[Any]) -> None:
    moments = [second_of(stamp) for stamp in stamps if second_of(stamp)]
    assert extremes([(None, stamp) for stamp in stamps]) == ([min(moments), max(moments)] if moments else [])
