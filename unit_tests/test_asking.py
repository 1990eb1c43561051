"""Pages side by side: in order, within bounds, and asked for again where they may be too old."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, cast

import pytest
from airbyte_cdk.models import FailureType

from source_sage import asking
from source_sage.asking import Askers, ListAsker
from source_sage.report import Tally
from source_sage.streams import every_stream
from source_sage.transport import Answer, NoGoodAnswer, Transport

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
SIZE = 200


class FakeTransport:
    """A list of so many rows, its pages answered when the test allows it."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.asked: list[int] = []
        self.under_way = self.most_under_way = 0
        self.lock = threading.Lock()
        self.gate: Callable[[int], None] = lambda page: None
        self.totals: dict[int, list[int]] = {}
        self.heavy: set[int] = set()
        self.bytes = 1000

    def get(self, path: str, params: Mapping[str, str], take: Callable[[dict[str, Any]], Any], **_: Any) -> Answer[Any]:
        page, size = int(params["page"]), int(params["items_per_page"])
        with self.lock:
            self.asked.append(page if size == SIZE else -size)
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            told = self.totals.get(page, [])
            total = told.pop(0) if told else self.length
        try:
            self.gate(page)
            if page in self.heavy and size == SIZE:
                raise NoGoodAnswer(message="too heavy", failure_type=FailureType.transient_error)
            rows = [{"id": row} for row in range(self.length)][(page - 1) * size : page * size]
            more = page * size < self.length
            body = {"$items": rows, "$total": total, "$page": page, "$next": "/more" if more else None}
            return Answer(take(body), NOW, 0.0, self.bytes)
        finally:
            with self.lock:
                self.under_way -= 1


@pytest.fixture
def askers() -> Iterator[Askers]:
    made = Askers(4)
    yield made
    made.close()


def ids(asker: ListAsker) -> list[int]:
    return [one for page in asker.walk({}, ids_of) for one in page.taken or []]


def ids_of(items: list[Any]) -> list[int]:
    return [item["id"] for item in items]


def asker_of(transport: FakeTransport, askers: Askers) -> ListAsker:
    return ListAsker(every_stream()["ledger_entries"], "b1", cast(Transport, transport), Tally(), askers)


def test_pages_are_asked_for_side_by_side_and_handed_on_in_order(askers: Askers) -> None:
    transport = FakeTransport(10 * SIZE)
    together = threading.Barrier(4, timeout=5)
    transport.gate = lambda page: together.wait() and None if 2 <= page <= 9 else None
    assert ids(asker_of(transport, askers)) == list(range(10 * SIZE))
    assert transport.most_under_way == 4
    assert sorted(transport.asked) == list(range(1, 11))


def test_what_waits_is_bounded_by_pages(askers: Askers) -> None:
    transport = FakeTransport(100 * SIZE)
    walk = asker_of(transport, askers).walk({}, ids_of)
    next(walk)
    settle(transport)
    assert len(transport.asked) == 1 + 4 * asking.PAGES_THAT_WAIT_PER_WORKER
    walk.close()


def test_what_waits_is_bounded_by_bytes(askers: Askers) -> None:
    transport = FakeTransport(100 * SIZE)
    transport.bytes = asking.BYTES_THAT_WAIT // 2
    walk = asker_of(transport, askers).walk({}, ids_of)
    next(walk)
    settle(transport)
    assert len(transport.asked) == 3
    walk.close()


def test_a_walk_that_is_given_up_gives_its_room_back(askers: Askers) -> None:
    for _ in range(20):
        walk = asker_of(FakeTransport(100 * SIZE), askers).walk({}, ids_of)
        next(walk)
        walk.close()
    transport = FakeTransport(100 * SIZE)
    walk = asker_of(transport, askers).walk({}, ids_of)
    next(walk)
    settle(transport)
    assert len(transport.asked) == 1 + 4 * asking.PAGES_THAT_WAIT_PER_WORKER
    walk.close()


def settle(transport: FakeTransport) -> None:
    """Wait until nothing more is asked for, on a busy machine too."""
    before = -1
    pause = threading.Event()
    while before != len(transport.asked):
        before = len(transport.asked)
        pause.wait(0.25)


def test_a_page_answered_before_a_row_entered_in_front_of_it_is_asked_for_again(askers: Askers) -> None:
    transport = FakeTransport(5 * SIZE)
    transport.totals = {1: [999], 2: [1000], 3: [999, 1000]}
    assert ids(asker_of(transport, askers)) == list(range(5 * SIZE))
    assert sorted(transport.asked) == [1, 2, 3, 3, 4, 5]


def test_a_list_that_got_shorter_is_not_asked_for_again_and_again(askers: Askers) -> None:
    transport = FakeTransport(5 * SIZE)
    transport.totals = {page: [1000] * 2 if page < 3 else [999] * 2 for page in range(1, 6)}
    assert ids(asker_of(transport, askers)) == list(range(5 * SIZE))
    assert sorted(transport.asked) == [1, 2, 3, 3, 4, 5]


def test_a_page_that_fails_is_read_in_halves_and_nothing_is_lost(askers: Askers) -> None:
    transport = FakeTransport(9 * SIZE)
    transport.heavy = {4}
    assert ids(asker_of(transport, askers)) == list(range(9 * SIZE))
    assert {page for page in transport.asked if page < 0} == {-100}


def test_a_page_that_fails_at_every_size_is_the_readers_to_tell(askers: Askers) -> None:
    transport = FakeTransport(3 * SIZE)

    def fail(page: int) -> None:
        raise NoGoodAnswer(message="down", failure_type=FailureType.transient_error)

    transport.gate = fail
    with pytest.raises(NoGoodAnswer):
        ids(asker_of(transport, askers))
