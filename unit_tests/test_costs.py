"""What a long list costs that is edited while it is read, or whose process dies, by requests that a seed orders."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

import pytest

from source_sage.counts import Tally
from unit_tests.listed import PAGE, Listed, Read

ROWS: Final = 26_000
PAGES: Final = ROWS // PAGE
CHEAP: Final = 1.3
# What all tries together take, by the requests of one life. The design wants 1.5: a kill costs the slices under way,
# and in a life of 60 requests these are much of it.
ALL_TRIES: Final = {60: 2.2, 130: 1.75}


def at_once(listed: Listed) -> None:
    """A hundred rows all over the list, between two answers."""
    if listed.nth == PAGES * 45 // 100:
        for index in range(130, ROWS, 260):
            listed.edit(index)


def one_by_one(listed: Listed) -> None:
    """A hundred rows of the front, each between two other answers."""
    if 10 <= listed.nth < 110:
        listed.edit(listed.in_order()[7])


@pytest.mark.quick(
    "ledger_entries-updated:asc-one_by_one-100",
    "contacts-updated:desc-one_by_one-100",
    "ledger_entries-updated:desc-at_once-0",
)
@pytest.mark.parametrize(("edits", "more"), [(at_once, 0), (one_by_one, 100)])
@pytest.mark.parametrize("order", ["updated:asc", "updated:desc"])
@pytest.mark.parametrize("name", ["ledger_entries", "contacts"])
def test_edits_in_mid_read_cost_in_proportion(
    name: str, order: str, edits: Callable[[Listed], None], more: int
) -> None:
    listed = Listed(name, ROWS, order)
    listed.before = edits
    read = Read(listed, 1)
    assert max(read.keys.values()) == 1
    assert set(listed.keys) - listed.touched <= read.keys.keys()
    if name == "contacts" and edits is one_by_one and order == "updated:asc":
        more = 200  # each edit has hidden a row at the edge of another page: one walk more
    assert read.requests - more <= CHEAP * PAGES


@pytest.mark.quick("updated:asc-60", "created:asc-130")
@pytest.mark.parametrize("die_after", ALL_TRIES)
@pytest.mark.parametrize("order", ["created:asc", "updated:asc", "updated:desc"])
def test_lives_that_are_cut_short_cost_what_was_under_way(order: str, die_after: int) -> None:
    listed = Listed("ledger_entries", 24_000, order)
    chance = random.Random(1)  # noqa: S311

    def now_and_then(listed: Listed) -> None:
        if listed.requests % 5 == 0:
            listed.edit(chance.randrange(24_000))

    listed.before = now_and_then
    there: set[str] = set()
    checkpoint, killed = None, True
    while killed:
        read = Read(listed, listed.requests, workers=4, checkpoint=checkpoint, die_after=die_after)
        assert max(read.keys.values(), default=1) == 1
        there |= read.keys.keys()
        checkpoint, killed = read.checkpoint, read.killed
        assert listed.requests <= ALL_TRIES[die_after] * 24_000 // PAGE
    assert set(listed.keys) - listed.touched <= there


def test_how_far_a_long_list_is_is_told_of_all_of_it_not_of_the_slice_under_way() -> None:
    listed, tally, told = Listed("ledger_entries", ROWS, "created:asc"), Tally(), list[int]()

    def look(_: Listed) -> None:
        assert tally.expected in (None, ROWS)
        told.append(tally.walked)

    listed.before = look
    Read(listed, 1, tally=tally)
    assert told == sorted(told) and set(told) & set(range(ROWS // 3, ROWS // 2))
    assert ROWS <= tally.walked <= ROWS + ROWS // 20, "neighbouring slices share a day"


def test_a_proof_that_is_put_off_since_much_was_changed_is_not_asked_for_again_and_again() -> None:
    listed = Listed("ledger_entries", ROWS, "created:asc")
    for index in range(0, ROWS, 10):
        listed.edit(index)
    read = Read(listed, 1, workers=1)
    assert set(read.keys) == set(listed.keys) and max(read.keys.values()) == 1
    # What was changed is read for the proof, after it, and for the next watermark.
    assert read.requests <= CHEAP * PAGES + 4 * len(listed.touched) // PAGE


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_two_hundred_thousand_quiet_rows_cost_six_in_a_hundred_more_than_their_pages(seed: int) -> None:
    read = Read(Listed("ledger_entries", 200_000, "created:asc"), seed)
    assert read.requests <= 1.06 * 200_000 / PAGE
