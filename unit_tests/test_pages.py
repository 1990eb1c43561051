"""The pages of a list in memory, with each of the manners that Sage may have, answered in any order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_sage.api.pages import REPEATED_AT_MOST, UNKNOWN, Envelope, Pages, identity

LENGTHS: Final = st.integers(0, 60)
SIZES: Final = st.integers(1, 10)
ORDERS: Final = st.lists(st.integers(0, 99), max_size=80)
# More than any test needs; what asks for so many pages goes on for ever.
FOR_EVER: Final = 300


@dataclass
class Sage:
    """A list at Sage that stands still.

    Attributes:
        length: of the list.
        told: what `$total` says; the length unless it is wrong.
        total, next_told, echoed: there is a `$total`, a `$next` where there should be one, a `$page`.
        own_size: rows a page, whatever is asked for.
        past_the_end: what comes for a page that is not there: "last" page again, or an "empty" one.
        hidden: rows that are counted, and left out of their pages.
    """

    length: int
    told: int | None = None
    total: bool = True
    next_told: bool = True
    echoed: bool = True
    own_size: int | None = None
    past_the_end: str = "last"
    hidden: frozenset[int] = frozenset()
    asked: list[int] = field(default_factory=list)

    def answer(self, number: int, size: int) -> dict[str, Any]:
        self.asked.append(number)
        size = min(size, self.own_size or size)
        last = max(-(-self.length // size), 1)
        shown = number if self.past_the_end == "empty" else min(number, last)
        rows = range(self.length)[(shown - 1) * size : shown * size]
        body: dict[str, Any] = {"$items": [{"id": str(row)} for row in rows if row not in self.hidden]}
        if self.total:
            body["$total"] = self.length if self.told is None else self.told
        if self.echoed:
            body["$page"] = shown
        body["$next"] = f"/list?page={shown + 1}" if self.next_told and shown < last else None
        return body


def read(
    size: int, answer: Callable[[int, int], dict[str, Any]], order: Iterable[int] = (), workers: int = 4
) -> tuple[Pages, set[str]]:
    """Read to the end as a reading does: a first page, then some at once, answered in an order of the test's choice."""
    pages, rows = Pages(size), set[str]()
    under_way: dict[int, dict[str, Any]] = {}
    choices: Iterator[int] = iter(order)
    asked = 0
    while not pages.finished:
        while len(under_way) < (workers if pages.answered else 1) and (number := pages.wanted()) is not None:
            under_way[number] = answer(number, size)
            asked += 1
            assert asked < FOR_EVER
        waiting = sorted(under_way)
        number = waiting[next(choices, 0) % len(waiting)]
        body = under_way.pop(number)
        pages.take(number, Envelope.of(body))
        rows.update(item["id"] for item in body["$items"])
    assert pages.wanted() is None
    return pages, rows


def everything(length: int) -> set[str]:
    return {str(row) for row in range(length)}


@given(LENGTHS, SIZES, st.booleans(), st.booleans(), ORDERS)
def test_each_page_is_asked_for_once_where_total_is_right(
    length: int, size: int, next_told: bool, echoed: bool, order: list[int]
) -> None:
    sage = Sage(length, next_told=next_told, echoed=echoed)
    pages, rows = read(size, sage.answer, order)
    assert rows == everything(length)
    assert sorted(sage.asked) == list(range(1, max(-(-length // size), 1) + 1))
    assert pages.trusted and not pages.short
    assert set(pages.totals) == {length}
    assert pages.answered == pages.count == len(sage.asked)


@given(LENGTHS, SIZES, st.booleans(), st.booleans(), st.sampled_from(["last", "empty"]))
def test_without_a_total_a_page_that_is_not_full_is_the_last(
    length: int, size: int, next_told: bool, echoed: bool, past_the_end: str
) -> None:
    sage = Sage(length, total=False, next_told=next_told, echoed=echoed, past_the_end=past_the_end)
    pages, rows = read(size, sage.answer)
    assert rows == everything(length)
    assert len(sage.asked) == length // size + 1
    assert not pages.trusted and not pages.lied
    assert set(pages.totals) <= {UNKNOWN}


@given(LENGTHS, SIZES, st.integers(1, 99), st.booleans(), st.booleans(), st.sampled_from(["last", "empty"]), ORDERS)
def test_a_total_too_low_loses_no_row_and_costs_no_page_more(
    length: int, size: int, too_low: int, next_told: bool, echoed: bool, past_the_end: str, order: list[int]
) -> None:
    told = max(0, length - too_low)
    sage = Sage(length, told=told, next_told=next_told, echoed=echoed, past_the_end=past_the_end)
    _, rows = read(size, sage.answer, order)
    # Of a full last page that is as long as $total says, and has no $next, nobody can know that it is not the last.
    if next_told or told % size or not told:
        assert rows == everything(length)
    assert len(sage.asked) <= max(-(-length // size), 1) + 1


def test_more_rows_than_total_says_are_a_lie() -> None:
    pages, rows = read(10, Sage(25, told=24).answer)
    assert rows == everything(25) and not pages.trusted


@given(LENGTHS, SIZES, st.integers(1, 30), st.booleans(), st.booleans(), st.sampled_from(["last", "empty"]), ORDERS)
def test_a_total_too_high_ends_where_the_list_ends(
    length: int, size: int, too_high: int, next_told: bool, echoed: bool, past_the_end: str, order: list[int]
) -> None:
    sage = Sage(length, told=length + too_high, next_told=next_told, echoed=echoed, past_the_end=past_the_end)
    pages, rows = read(size, sage.answer, order, workers=1)
    assert rows == everything(length)
    # Empty pages may be amid as well as past the end, as far as $total goes.
    most = 1 if past_the_end == "last" else REPEATED_AT_MOST + 1
    assert len(sage.asked) <= max(-(-length // size), 1) + most
    assert not pages.trusted or pages.short


@pytest.mark.parametrize("cap", [20, 21, 25])
def test_a_total_that_stops_counting_is_no_end(cap: int) -> None:
    sage = Sage(60, told=cap)
    pages, rows = read(10, sage.answer)
    assert rows == everything(60)
    assert not pages.trusted
    assert sage.asked == [1, 2, 3, 4, 5, 6, 7]


@given(st.integers(0, 60), st.integers(2, 10), st.integers(1, 9), st.booleans(), st.booleans(), ORDERS)
def test_the_page_size_that_sage_really_uses_is_taken(
    length: int, size: int, own_size: int, next_told: bool, echoed: bool, order: list[int]
) -> None:
    sage = Sage(length, own_size=own_size, next_told=next_told, echoed=echoed)
    pages, rows = read(size, sage.answer, order)
    real = min(size, own_size)
    assert rows == everything(length)
    assert sorted(sage.asked) == list(range(1, max(-(-length // real), 1) + 1))
    assert pages.trusted and not pages.short


def test_a_page_may_hold_more_than_was_asked_for() -> None:
    def answer(number: int, size: int) -> dict[str, Any]:
        return Sage(25).answer(number, 10)

    pages, rows = read(5, answer)
    assert rows == everything(25) and pages.answered == 3 and pages.trusted


@given(st.sets(st.integers(0, 59), min_size=1, max_size=12), st.booleans(), ORDERS)
def test_a_page_shorter_than_asked_for_is_no_end(hidden: set[int], next_told: bool, order: list[int]) -> None:
    sage = Sage(60, hidden=frozenset(hidden - set(range(10))), next_told=next_told)
    pages, rows = read(10, sage.answer, order)
    assert rows == everything(60) - {str(row) for row in sage.hidden}
    assert len(sage.asked) <= 7
    assert sorted(set(pages.short)) == sorted({row // 10 + 1 for row in sage.hidden})


@pytest.mark.parametrize("empty", [2, 3, 5])
@pytest.mark.parametrize("next_told", [True, False])
def test_an_empty_page_amid_is_no_end(empty: int, next_told: bool) -> None:
    sage = Sage(60, hidden=frozenset(range(10 * empty - 10, 10 * empty)), next_told=next_told)
    pages, rows = read(10, sage.answer)
    assert rows == everything(60) - {str(row) for row in sage.hidden}
    assert pages.short == {empty: 0}


def test_without_a_total_an_empty_page_is_the_end() -> None:
    sage = Sage(30, total=False, past_the_end="empty")
    pages, rows = read(10, sage.answer)
    assert rows == everything(30) and sage.asked == [1, 2, 3, 4]
    assert pages.count == 4 and pages.answered == 3


@pytest.mark.parametrize("total", [None, 1_000_000])
@pytest.mark.parametrize("echoed", [True, False])
def test_two_pages_that_take_turns_for_ever_are_an_end(total: int | None, echoed: bool) -> None:
    def answer(number: int, size: int) -> dict[str, Any]:
        rows = range(size) if number % 2 else range(size, 2 * size)
        body: dict[str, Any] = {"$items": [{"id": str(row)} for row in rows], "$next": "/more", "$total": total}
        return body | ({"$page": number} if echoed else {})

    pages, rows = read(10, answer)
    assert rows == everything(20)
    assert pages.answered <= 2 + REPEATED_AT_MOST
    assert not pages.trusted


def test_a_list_that_always_has_a_next_page_of_the_same_rows_ends() -> None:
    def answer(number: int, size: int) -> dict[str, Any]:
        return {"$items": [{"id": str(row)} for row in range(size)], "$next": "/more"}

    pages, rows = read(10, answer)
    assert rows == everything(10) and pages.answered == 1


@pytest.mark.parametrize("length", [0, 1, 9, 10, 11, 20])
def test_one_page_of_rows_and_a_total_that_says_more_is_asked_on(length: int) -> None:
    sage = Sage(length, told=length + 7, next_told=False)
    pages, rows = read(10, sage.answer, workers=1)
    assert rows == everything(length)
    assert len(sage.asked) <= max(-(-length // 10), 1) + 1
    assert not pages.trusted or pages.short


def test_a_full_page_whose_total_says_more_than_it_holds_goes_on_without_a_next() -> None:
    # DESIGN: one page of 100 rows, $total 137, no $next.
    sage = Sage(137, own_size=100, next_told=False)
    pages, rows = read(200, sage.answer)
    assert rows == everything(137) and sage.asked == [1, 2]
    assert pages.trusted


def test_a_page_of_new_rows_in_front_does_not_look_like_the_end() -> None:
    pages = Pages(2)
    took = []
    for total, *rows in ((6, "a", "b"), (8, "a", "b"), (8, "c", "d"), (8, "e", "f")):
        number = pages.wanted()
        assert number is not None
        items = [{"id": row} for row in rows]
        took.append(pages.take(number, Envelope.of({"$items": items, "$page": number, "$total": total})))
    assert took == [True] * 4 and pages.finished
    assert list(pages.totals) == [6, 8, 8, 8] and pages.trusted


def test_a_list_that_grows_while_it_is_read_is_read_to_its_new_end() -> None:
    lengths = iter([15, 25, 25])

    def answer(number: int, size: int) -> dict[str, Any]:
        return Sage(next(lengths)).answer(number, size)

    pages, rows = read(10, answer)
    assert rows == everything(25)
    assert pages.count == 3 and pages.trusted


@given(LENGTHS, LENGTHS, st.integers(1, 10), ORDERS)
def test_a_list_that_gets_shorter_ends_at_its_new_end(before: int, after: int, size: int, order: list[int]) -> None:
    """What is missing then is for the proof to find, which needs to know that `$total` was not the same."""
    long, short = max(before, after), min(before, after)
    answers = 0

    def answer(number: int, size: int) -> dict[str, Any]:
        nonlocal answers
        answers += 1
        return Sage(long if answers < 3 else short).answer(number, size)

    pages, rows = read(size, answer, order)
    assert rows >= everything(short)
    assert pages.answered <= max(-(-long // size), 1)


@pytest.mark.parametrize(
    "page",
    [
        {"$items": [], "$page": 2, "$total": 1, "$next": "/more"},
        {"$items": [{"id": "a"}], "$page": 1, "$total": 1, "$next": "/more"},
        {"$items": [{"id": "b"}], "$page": 1, "$total": 3, "$next": "/more"},
        {"$items": [{"id": "a"}], "$total": 3, "$next": "/more"},
        {"$items": [{"id": "a"}], "$page": 2, "$next": "/more"},
    ],
)
def test_a_page_that_is_empty_another_or_the_same_again_is_the_end(page: dict[str, Any]) -> None:
    pages = Pages(1)
    assert pages.wanted() == 1
    assert pages.take(1, Envelope.of({"$items": [{"id": "a"}], "$page": 1, "$total": 3}))
    assert pages.wanted() == 2
    assert not pages.take(2, Envelope.of(page))
    assert pages.finished and pages.wanted() is None and pages.answered == 1


@pytest.mark.parametrize(("end", "lied", "torn"), [(7, True, []), (6, False, [2]), (None, True, [])])
def test_a_page_that_came_short_is_no_lie_if_the_end_tells_of_fewer_rows(
    end: int | None, lied: bool, torn: list[int]
) -> None:
    """A row went between two answers of a page that came in parts."""
    pages = Pages(4)
    for number, count, shown, total in ((1, 4, 1, 7), (2, 2, 2, 7), (3, 0, 2, end)):
        assert pages.wanted() == number
        pages.take(number, Envelope(count, number, shown, total, number == 1))
    assert pages.finished
    assert pages.lied == lied
    assert pages.torn == torn


def test_one_page_is_asked_for_before_it_is_known_how_many_there_are() -> None:
    pages = Pages(10)
    assert pages.wanted() == 1 and pages.wanted() is None
    assert not pages.finished
    assert pages.take(1, Envelope.of(Sage(35).answer(1, 10)))
    assert [pages.wanted() for _ in range(4)] == [2, 3, 4, None]
    assert not pages.finished


def test_pages_under_way_are_waited_for_after_the_end_was_seen() -> None:
    pages = Pages(10)
    pages.wanted()
    pages.take(1, Envelope.of(Sage(50).answer(1, 10)))
    assert [pages.wanted() for _ in range(2)] == [2, 3]
    # The list has lost all but a page and a half meanwhile.
    assert not pages.take(3, Envelope.of(Sage(15).answer(3, 10)))
    assert not pages.finished and pages.wanted() is None
    assert pages.take(2, Envelope.of(Sage(15).answer(2, 10)))
    assert pages.finished


# Envelopes.


def test_what_sage_does_not_say_rightly_it_does_not_say() -> None:
    for odd in (None, "7", 7.0, True, -1, [7]):
        page = Envelope.of({"$items": [], "$total": odd, "$page": odd})
        assert (page.total, page.number) == (None, None)


def test_a_total_that_is_known_to_be_too_high_is_taken_down() -> None:
    body: dict[str, Any] = {"$items": [], "$total": 7}
    assert [Envelope.of(body, excess).total for excess in (0, 1, 7, 9)] == [7, 6, 0, 0]


def test_a_page_is_known_by_its_records_whatever_their_order() -> None:
    rows = [{"id": "1"}, {"id": "2"}]
    one, turned, other = (Envelope.of({"$items": items}) for items in (rows, rows[::-1], rows[:1]))
    assert one.signature == turned.signature != other.signature


def test_exchange_rates_which_have_no_id_are_told_apart_by_their_path() -> None:
    rows = [{"$path": "/exchange_rates/AUD"}, {"displayed_as": "x"}, {"id": "1"}, {"id": 7}, {"id": {}}, "odd", None]
    assert [identity(row) for row in rows] == ["/exchange_rates/AUD", "x", "1", "7", None, None, None]
