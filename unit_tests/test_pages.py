"""A walk through the pages of a list in memory, with each of the manners that Sage may have."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_sage import pages
from source_sage.pages import Envelope, PageWalk


def answer(
    length: int, page: int, size: int, *, told: bool = True, next_told: bool = True, echoed: bool = True
) -> dict[str, Any]:
    """Sage's answer for a list of so many rows: a page past the end is the last page again."""
    last = max(-(-length // size), 1)
    shown = min(page, last)
    body: dict[str, Any] = {"$items": [{"id": str(row)} for row in range(length)][(shown - 1) * size : shown * size]}
    if told:
        body["$total"] = length
    if echoed:
        body["$page"] = shown
    body["$next"] = f"/list?page={shown + 1}" if next_told and shown < last else None
    return body


def read(walk: PageWalk, length: int, **manners: bool) -> tuple[list[str], int]:
    """Walk to the end; the rows that were new, and the requests it took."""
    rows: list[str] = []
    requests = 0
    while not walk.finished:
        requests += 1
        assert requests < 1000
        size = int(walk.params["items_per_page"])
        page = Envelope.of(answer(length, int(walk.params["page"]), size, **manners))
        if walk.take(page):
            rows += page.ids
    return rows, requests


@given(st.integers(0, 60), st.integers(1, 10), st.booleans(), st.booleans())
def test_a_walk_reads_each_row_once_and_asks_for_no_page_too_many(
    length: int, size: int, next_told: bool, echoed: bool
) -> None:
    rows, requests = read(PageWalk(size), length, next_told=next_told, echoed=echoed)
    assert rows == [str(row) for row in range(length)]
    assert requests == max(-(-length // size), 1)


@given(st.integers(0, 60), st.integers(1, 10), st.booleans(), st.booleans())
def test_without_a_total_a_page_that_is_not_full_is_the_last(
    length: int, size: int, next_told: bool, echoed: bool
) -> None:
    rows, requests = read(PageWalk(size), length, told=False, next_told=next_told, echoed=echoed)
    assert rows == [str(row) for row in range(length)]
    assert requests == length // size + 1


@given(st.integers(0, 60), st.integers(1, 10), st.integers(0, 6))
def test_a_walk_goes_on_from_any_whole_page(length: int, size: int, behind: int) -> None:
    rows, _ = read(PageWalk(size, behind * size), length)
    expected = [str(row) for row in range(behind * size, length)]
    assert rows == expected or behind * size >= length


@given(st.integers(1, 900), st.lists(st.booleans(), max_size=40))
def test_a_walk_that_shrinks_and_grows_reads_each_row_once(length: int, fails: list[bool]) -> None:
    walk, rows, sizes = PageWalk(200), [], []
    while not walk.finished:
        if fails and fails.pop() and walk.can_shrink:
            walk.shrink()
            continue
        sizes.append(int(walk.params["items_per_page"]))
        page = Envelope.of(answer(length, walk.page, sizes[-1]))
        assert walk.take(page)
        rows += page.ids
    assert rows == [str(row) for row in range(length)]
    assert set(sizes) <= {200, 100, 50, 25}


def test_a_page_that_went_well_in_halves_is_asked_for_whole_again_and_later_each_time() -> None:
    walk, sizes = PageWalk(200), []
    for _ in range(60):
        while walk.at_full_size:
            walk.shrink()
        walk.take(Envelope.of(answer(100_000, walk.page, int(walk.params["items_per_page"]))))
        sizes.append(walk.at_full_size)
    back = [number for number, whole in enumerate(sizes) if whole]
    gaps = [later - earlier for earlier, later in itertools.pairwise(back)]
    assert gaps == sorted(gaps) and gaps[-1] > gaps[0]


def test_the_smallest_page_is_not_halved() -> None:
    walk = PageWalk(200)
    while walk.can_shrink:
        walk.shrink()
    assert walk.params == {"page": "1", "items_per_page": str(pages.SMALLEST_PAGE)}


def test_a_page_with_fewer_rows_than_asked_for_is_not_the_end_while_there_is_a_next_one() -> None:
    walk = PageWalk(2)
    assert walk.take(Envelope(["a"], 1, 3, True))
    assert not walk.finished
    assert walk.params["page"] == "2"
    assert walk.take(Envelope(["b", "c"], 2, 3, False))
    assert walk.finished


def test_a_page_of_new_rows_in_front_does_not_look_like_the_end() -> None:
    walk = PageWalk(2)
    assert walk.take(Envelope(["a", "b"], 1, 6, False))
    assert not walk.take(Envelope(["a", "b"], 2, 8, False))
    assert not walk.finished
    assert walk.take(Envelope(["c", "d"], 3, 8, False))
    assert walk.take(Envelope(["e", "f"], 4, 8, False))
    assert walk.finished


@pytest.mark.parametrize(
    "page",
    [
        Envelope([], 2, 3, True),
        Envelope(["a"], 1, 3, True),
        Envelope(["a"], None, 3, True),
        Envelope(["a"], 2, None, True),
    ],
)
def test_a_page_that_is_empty_another_or_the_same_again_ends_the_walk(page: Envelope) -> None:
    walk = PageWalk(1)
    assert walk.take(Envelope(["a"], 1, 3, True))
    assert not walk.take(page)
    assert walk.finished


def test_pages_ahead_end_with_the_list() -> None:
    walk = PageWalk(200)
    assert list(walk.ahead(1)) == [1]
    walk.take(Envelope.of(answer(950, 1, 200)))
    assert list(walk.ahead(950)) == [2, 3, 4, 5]
    walk.shrink()
    assert list(walk.ahead(950)) == []


def test_exchange_rates_which_have_no_id_are_told_apart_by_their_path() -> None:
    body = {"$items": [{"$path": "/exchange_rates/AUD"}, {"displayed_as": "x"}, {"id": "1"}, "odd", None]}
    assert Envelope.of(body).ids == ["/exchange_rates/AUD", "x", "1", None, None]
