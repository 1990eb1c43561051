import datetime as dt
from typing import Any

import pytest

from source_sage.config import Window
from source_sage.lists.known_keys import KeptKeys
from source_sage.lists.shared_start import shared_starts
from source_sage.lists.state import Checkpoint, Whole

EARLY, LATE = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
START = dt.date(2024, 1, 1)


def since(watermark: str, **more: Any) -> Checkpoint:
    return Checkpoint(watermark=watermark, start="2024-01-01", **more)


def whole(months: int, began: str = EARLY, start: dt.date = START) -> Whole:
    """A whole reading of which so many months are done."""
    done = [Window(dt.date(2024, 1, 1), dt.date(2024, months, 28))] if months else []
    return Whole.of(Window(start, None), began, done)


def under_way(months: int, began: str = EARLY, **more: Any) -> Checkpoint:
    return Checkpoint(whole=whole(months, began), **more)


@pytest.mark.parametrize("checkpoint", [None, since(EARLY), under_way(4), since(EARLY, whole=whole(4))])
def test_streams_at_one_checkpoint_share_a_reading(checkpoint: Checkpoint | None) -> None:
    assert shared_starts([("list", checkpoint), ("lines", checkpoint)]) == [(checkpoint, ["list", "lines"])]


@pytest.mark.parametrize(("one", "other"), [(EARLY, LATE), (LATE, EARLY)])
def test_the_least_advanced_of_two_decides(one: str, other: str) -> None:
    assert shared_starts([("list", since(one)), ("lines", since(other))]) == [(since(EARLY), ["list", "lines"])]


@pytest.mark.parametrize(("one", "other"), [(0, 8), (8, 0), (2, 4)])
def test_a_whole_reading_goes_on_where_all_of_its_streams_are(one: int, other: int) -> None:
    found = shared_starts([("list", under_way(one)), ("lines", under_way(other))])
    assert found == [(under_way(min(one, other)), ["list", "lines"])]


def test_ranges_are_measured_by_their_days_and_an_open_end_is_the_longest() -> None:
    closed = Checkpoint(
        whole=whole(0).with_done([Window(START, dt.date(2024, 6, 30)), Window(dt.date(2025, 1, 1), None)])
    )
    shorter = Checkpoint(whole=whole(0).with_done([Window(START, dt.date(2025, 1, 31))]))
    assert shared_starts([("list", closed), ("lines", shorter)]) == [(shorter, ["list", "lines"])]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (since(EARLY), None),
        (since(EARLY), under_way(2)),
        (None, under_way(2)),
        (under_way(2), under_way(2, began=LATE)),
        (under_way(2), Checkpoint(whole=whole(2, start=dt.date(2023, 1, 1)))),
        (since(EARLY), Checkpoint(watermark=EARLY, start="2023-01-01")),
        (since(EARLY), since(EARLY, end="2026-12-31")),
        # An incremental sync by dates, of one and the same beginning, that started from two watermarks.
        (since(EARLY, whole=whole(2)), since(LATE, whole=whole(2))),
        (since(EARLY, whole=whole(2)), since(EARLY)),
    ],
)
def test_streams_that_cannot_go_on_together_are_read_apart(one: Checkpoint | None, other: Checkpoint | None) -> None:
    assert shared_starts([("list", one), ("lines", other)]) == [(one, ["list"]), (other, ["lines"])]


def test_order_is_kept() -> None:
    found = shared_starts([("a", None), ("b", since(LATE)), ("c", None), ("d", since(EARLY))])
    assert found == [(None, ["a", "c"]), (since(EARLY), ["b", "d"])]


def test_no_streams_need_no_reading() -> None:
    assert shared_starts([]) == []


def keys(*known: str, rights: str = "r") -> KeptKeys:
    return KeptKeys(rights=rights, seen={EARLY: known})


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        (keys("a"), keys("b"), keys("a", "b")),
        (None, keys("b"), keys("b")),
        (keys("a"), None, keys("a")),
        (keys("a"), keys("b", rights="others"), keys("a")),
        (None, None, None),
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_the_keys_that_either_knows_are_known(
    is_first: bool, one: KeptKeys | None, other: KeptKeys | None, together: KeptKeys | None
) -> None:
    """A kill may fall between the states of two streams, of which one was given a row then that is deleted since."""
    both = [("list", since(EARLY, keys=one)), ("lines", since(LATE, keys=other))]
    ((checkpoint, _),) = shared_starts(both if is_first else both[::-1])
    assert checkpoint == since(EARLY, keys=together)
