from typing import Any

import pytest

from source_sage.starts import starts
from source_sage.state import Place

EARLY, LATE = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


def since(watermark: str, **more: Any) -> Place:
    return Place(watermark=watermark, start="2024-01-01", **more)


def under_way(rows: int, began: str = EARLY, total: int | None = 900) -> Place:
    return Place(began=began, rows=rows, total=total, start="2024-01-01")


@pytest.mark.parametrize("place", [None, since(EARLY), under_way(400)])
def test_streams_at_one_place_share_a_reading(place: Place | None) -> None:
    assert starts([("list", place), ("lines", place)]) == [(place, ["list", "lines"])]


@pytest.mark.parametrize(("one", "other"), [(EARLY, LATE), (LATE, EARLY)])
def test_the_least_advanced_of_two_decides(one: str, other: str) -> None:
    assert starts([("list", since(one)), ("lines", since(other))]) == [(since(EARLY), ["list", "lines"])]


@pytest.mark.parametrize(("one", "other"), [(0, 800), (800, 0), (200, 400)])
def test_a_first_read_goes_on_where_all_of_its_streams_are(one: int, other: int) -> None:
    found = starts([("list", under_way(one)), ("lines", under_way(other))])
    assert found == [(under_way(min(one, other)), ["list", "lines"])]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (since(EARLY), None),
        (since(EARLY), under_way(200)),
        (None, under_way(200)),
        (under_way(200), under_way(200, began=LATE)),
        (under_way(200), under_way(200, total=901)),
        (since(EARLY), Place(watermark=EARLY, start="2023-01-01")),
        (since(EARLY), since(EARLY, end="2026-12-31")),
    ],
)
def test_streams_that_cannot_go_on_together_are_read_apart(one: Place | None, other: Place | None) -> None:
    assert starts([("list", one), ("lines", other)]) == [(one, ["list"]), (other, ["lines"])]


def test_order_is_kept() -> None:
    found = starts([("a", None), ("b", since(LATE)), ("c", None), ("d", since(EARLY))])
    assert found == [(None, ["a", "c"]), (since(EARLY), ["b", "d"])]


def test_no_streams_need_no_reading() -> None:
    assert starts([]) == []
