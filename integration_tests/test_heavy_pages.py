"""Pages that Sage cannot answer in time, over HTTP: how many requests they cost, and what is remembered of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from integration_tests.long_lists import NORMAL, THIN, Call, Connection, LongSage, Reply, gateway, sage_error
from source_sage.api.transport import Transport
from source_sage.lists.page_sizes import FIRST_WAIT
from source_sage.session import TooLarge

LISTS = ("contacts", "sales_invoices", "purchase_invoices", "journals")
ROWS = 2_400
WORKS = 50


def heavy(above: int = 60, status: int = 504, rows: range | None = None) -> Callable[[Call], Reply | None]:
    """Pages of more rows than that are too much for Sage, if they hold one of some rows."""

    def answer(call: Call) -> Reply | None:
        first = (call.page - 1) * call.size
        struck = rows is None or (first < rows.stop and first + call.size > rows.start and call.is_walk)
        return gateway(status) if struck and call.size > above else None

    return answer


def place(connection: Connection, name: str) -> dict[str, Any]:
    """The last checkpoint of the only business."""
    (state,) = [
        one["stream"]["stream_state"]
        for one in connection.destination.saved()
        if one["stream"]["stream_descriptor"]["name"] == name
    ]
    (checkpoint,) = state["businesses"].values()
    return dict(checkpoint)


def test_it_costs_hardly_more_than_if_the_size_were_known_and_no_pause(sage: LongSage) -> None:
    for name in LISTS:
        sage.add(name, ROWS, size=NORMAL)
    sage.before_each(heavy())
    began = sage.clock.seconds()
    connection = Connection(sage, *LISTS)
    sync = connection.sync()
    assert len(sync.requests) <= 1.3 * len(LISTS) * ROWS / WORKS
    assert sage.clock.seconds() - began <= len(sync.requests) * sage.seconds_a_request + 1
    for name in LISTS:
        connection.assert_each_once(name)
        assert place(connection, name)["pages"]["rows"] == WORKS


def test_what_works_is_known_to_the_next_sync(sage: LongSage) -> None:
    book = sage.add("contacts", ROWS, size=THIN)
    sage.before_each(heavy())
    connection = Connection(sage, "contacts")
    connection.sync()
    sage.clock.advance(86_400)
    book.restamp(0, ROWS)
    sage.clock.advance(86_400)
    sync = connection.sync()
    assert {one.size for one in sync.asked("contacts")} <= {1, WORKS, 2 * WORKS}
    assert len([one for one in sync.asked("contacts") if one.status == 504]) <= 2
    assert len(sync.requests) <= 1.3 * ROWS / WORKS
    connection.settle()


def test_it_is_known_after_a_kill_too(sage: LongSage) -> None:
    sage.add("ledger_entries", 8_000, size=THIN)
    sage.before_each(heavy())
    connection = Connection(sage, "ledger_entries", num_workers=1)
    connection.sync(die_after=60)
    sync = connection.sync()
    assert max(one.size for one in sync.requests) <= 2 * WORKS
    connection.settle()


@pytest.mark.parametrize("status", [500, 502, 504])
def test_where_a_part_of_a_list_is_heavy_the_rest_is_read_by_full_pages(status: int, sage: LongSage) -> None:
    sage.add("contacts", ROWS, size=THIN)
    sage.before_each(heavy(status=status, rows=range(400, 600)))
    connection = Connection(sage, "contacts", num_workers=1)
    asked = [one for one in connection.sync().asked("contacts") if one.is_walk and one.size > 1]
    connection.assert_each_once("contacts")
    assert [one.size for one in asked[-5:]] == [200] * 5
    tries = 1 if status == 504 else 3
    assert len([one for one in asked if one.status == status]) <= 3 * tries
    assert len(asked) <= 11 + 3 * tries + FIRST_WAIT + 4


@pytest.mark.parametrize("failures", [1, 3, 7])
def test_a_passing_outage_leaves_no_list_with_small_pages(failures: int, sage: LongSage) -> None:
    sage.add("contacts", 2 * ROWS, size=THIN)
    sage.answer_with(gateway(504), "contacts", when=lambda call: call.page > 1, times=failures)
    connection = Connection(sage, "contacts", num_workers=1)
    asked = [one for one in connection.sync().asked("contacts") if one.is_walk and one.size > 1]
    connection.assert_each_once("contacts")
    assert len(asked) <= 2 * ROWS / 200 + failures + FIRST_WAIT + 10
    assert asked[-1].size == 200
    assert "pages" not in place(connection, "contacts")


@pytest.mark.quick("0", "30", "200", "201")
@pytest.mark.parametrize("rows", [0, 1, 30, 50, 51, 199, 200, 201])
def test_of_a_short_list_no_more_parts_are_asked_for_than_it_has(rows: int, sage: LongSage) -> None:
    book = sage.add("contacts", ROWS, size=THIN)
    sage.before_each(heavy())
    connection = Connection(sage, "contacts", num_workers=4)
    connection.sync()
    sage.clock.advance(86_400)
    book.restamp(0, rows)
    sage.clock.advance(86_400)
    changed = [one for one in connection.sync().asked("contacts") if one.is_about_changes and one.size > 1]
    # What came in several answers is proven by one more question.
    assert len([one for one in changed if one.status == 200]) <= max(1, -(-rows // WORKS)) + (rows > WORKS)
    connection.settle()


def test_a_row_that_goes_between_two_parts_of_a_page_hides_no_other(sage: LongSage) -> None:
    sage.add("contacts", 150, order="created:asc", size=THIN)
    sage.before_each(heavy())
    sage.before("contacts", lambda book: book.delete(3), when=lambda call: call.page == 2 and call.size == WORKS)
    connection = Connection(sage, "contacts", num_workers=1)
    connection.sync()
    connection.settle()


TOO_HEAVY: dict[str, Exception] = {
    "no answer in time": requests.exceptions.ReadTimeout(),
    "a body that takes too long": requests.exceptions.ConnectionError("ReadTimeoutError: Read timed out."),
    "a body that is too large": TooLarge(),
}


@pytest.mark.parametrize("what", TOO_HEAVY)
def test_what_is_too_heavy_in_another_way_is_asked_for_in_halves_at_once(
    what: str, monkeypatch: pytest.MonkeyPatch, sage: LongSage
) -> None:
    tries, pauses = asked_while_full_pages_raise(TOO_HEAVY[what], monkeypatch, sage)
    assert tries[:2] == ["200", "100"] and pauses == []


def test_a_connection_that_takes_too_long_says_nothing_of_sizes(
    monkeypatch: pytest.MonkeyPatch, sage: LongSage
) -> None:
    tries, pauses = asked_while_full_pages_raise(requests.exceptions.ConnectTimeout(), monkeypatch, sage)
    assert tries[:4] == ["200", "200", "200", "100"] and len(pauses) == 2


def asked_while_full_pages_raise(
    problem: Exception, monkeypatch: pytest.MonkeyPatch, sage: LongSage
) -> tuple[list[str], list[float]]:
    """The sizes that are asked for, and the pauses between."""
    send, tries, pauses = Transport._send, [], []

    def raising(self: Transport, asked: Any, token: str) -> Any:
        size = asked.params.get("items_per_page")
        if asked.path == "/contacts" and size != "1":
            tries.append(size)
            if size == "200":
                raise problem
        return send(self, asked, token)

    monkeypatch.setattr(Transport, "_send", raising)
    monkeypatch.setattr(sage.clock, "sleep", pauses.append)
    sage.add("contacts", 300, size=THIN)
    connection = Connection(sage, "contacts", num_workers=1)
    connection.sync()
    connection.assert_each_once("contacts")
    return tries, pauses


def test_other_server_errors_are_tried_three_times_first(sage: LongSage) -> None:
    sage.add("contacts", 300, size=THIN)
    sage.answer_with(sage_error(503, "x"), "contacts", times=2)
    connection = Connection(sage, "contacts", num_workers=1)
    sizes = [one.size for one in connection.sync().asked("contacts") if one.size > 1]
    assert set(sizes) == {200}
