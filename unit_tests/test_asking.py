"""Readers at a desk whose threads are the test: it decides which answers come, and when."""

from __future__ import annotations

import datetime as dt
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from hypothesis import given
from hypothesis import strategies as st

from source_sage.api.transport import Answer
from source_sage.errors import ListRefused
from source_sage.lists.asking import ASKED_PER_WORKER, BYTES_AT_ONCE, Ask, Desk, Reader, Steps, ThreadPool

NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def answer(taken: Any, size: int = 0) -> Answer[Any]:
    return Answer(taken, NOW, 0.0, size)


class FakeThreads:
    """Threads that answer one question at a time, chosen by a seed."""

    def __init__(self, seed: int = 0) -> None:
        self.chance = random.Random(seed)  # noqa: S311 (no secret)
        self.asked: list[Ask[Any]] = []
        self.most_asked = 0
        self.closed = False

    def ask(self, ask: Ask[Any]) -> None:
        self.asked.append(ask)
        self.most_asked = max(self.most_asked, len(self.asked))

    def next(self, seconds: float) -> Ask[Any] | None:
        if not self.asked:
            return None
        ask = self.asked.pop(self.chance.randrange(len(self.asked)))
        ask.run()
        return ask

    def close(self) -> None:
        self.closed = True


class Pages(Reader):
    """Reads a first page, then all others side by side, then asks how it was."""

    def __init__(self, count: int, get: Callable[[int], Answer[Any]] = answer, size: int = 0) -> None:
        super().__init__()
        self.count, self.get, self.size = count, get, size
        self.taken: list[Any] = []
        self.log: list[str] = []

    def run(self) -> Steps[None]:
        first = yield from self.answer(lambda: self.get(0))
        self.taken.append(first.taken)
        for number in range(1, self.count):
            self._awaited.append(Ask(lambda number=number: self.get(number), self.size, self._take))  # type: ignore[misc]
        while len(self.taken) < self.count:
            yield from self.turn()
        last = yield from self.answer(lambda: self.get(self.count))
        self.log.append(f"last {last.taken}")

    def _take(self, ask: Ask[Any]) -> None:
        self.taken.append(self.result(ask).taken)


def drive(readers: list[Any], desk: Desk) -> dict[Any, Exception]:
    """What `sync` does, in short: gives the readings that failed with what they failed of."""
    steps = {reader: reader.run() for reader in readers}
    failed: dict[Any, Exception] = {}

    def step(reader: Any) -> None:
        try:
            next(steps[reader])
        except StopIteration:
            del steps[reader]
        except Exception as error:
            del steps[reader]
            failed[reader] = error

    for reader in readers:
        step(reader)
    turns = 0
    while steps or desk.waits:
        turns += 1
        assert turns < 10_000
        desk.send(list(steps))
        reader = desk.take(1.0)
        if reader in steps:
            step(reader)
    return failed


@given(st.integers(0, 2**32), st.integers(1, 16), st.lists(st.integers(1, 30), min_size=1, max_size=5))
def test_every_answer_is_taken_once_in_whatever_order_they_come(seed: int, workers: int, counts: list[int]) -> None:
    threads = FakeThreads(seed)
    readers = [Pages(count) for count in counts]
    assert drive(readers, Desk(workers, threads)) == {}
    for reader in readers:
        assert reader.taken[0] == 0 and sorted(reader.taken) == list(range(reader.count))
        assert reader.log == [f"last {reader.count}"]
    assert threads.most_asked <= ASKED_PER_WORKER * workers


def test_a_seed_decides_the_order_and_gives_the_same_one_again() -> None:
    def order(seed: int) -> list[Any]:
        reader = Pages(30)
        drive([reader], Desk(8, FakeThreads(seed)))
        return reader.taken

    assert order(1) == order(1) != order(2)


def test_who_comes_first_is_asked_for_first() -> None:
    threads = FakeThreads()
    first, second = Pages(20), Pages(20)
    steps = [first.run(), second.run()]
    for one in steps:
        next(one)
    desk = Desk(4, threads)
    desk.send([second, first])
    assert len(threads.asked) == 2
    second_took, first_took = desk.take(1.0), desk.take(1.0)
    assert {first_took, second_took} == {first, second}
    for one in steps:
        next(one)
    desk.send([second, first])
    assert [ask in second._awaited or ask in first._awaited for ask in threads.asked] == [False] * 8
    assert len(second._awaited) == 19 - 8 and len(first._awaited) == 19, "there was room for no more"


def test_what_waits_is_bounded_by_bytes() -> None:
    threads = FakeThreads()
    reader = Pages(50, size=BYTES_AT_ONCE // 3)
    assert drive([reader], Desk(8, threads)) == {}
    assert sorted(reader.taken) == list(range(50))
    assert threads.most_asked == 3


def test_an_answer_that_is_larger_than_all_room_is_asked_for_by_itself() -> None:
    threads = FakeThreads()
    reader = Pages(10, size=5 * BYTES_AT_ONCE)
    assert drive([reader], Desk(8, threads)) == {}
    assert threads.most_asked == 1 and len(reader.taken) == 10


def test_an_error_reaches_the_reader_that_asked_and_nobody_else() -> None:
    def get(number: int) -> Answer[Any]:
        if number == 3:
            raise ValueError("page 3")
        return answer(number)

    bad, good = Pages(6, get), Pages(6)
    failed = drive([bad, good], Desk(2, FakeThreads()))
    assert list(failed) == [bad] and str(failed[bad]) == "page 3"
    assert sorted(good.taken) == list(range(6)) and good.log


def test_a_reader_may_live_on_after_an_error_it_waited_for() -> None:
    class Patient(Reader):
        came_back: Any = None

        def run(self) -> Steps[None]:
            def fail() -> Answer[Any]:
                raise ValueError("once")

            try:
                yield from self.answer(fail)
            except ValueError:
                self.came_back = (yield from self.answer(lambda: answer("well"))).taken

    reader = Patient()
    assert drive([reader], Desk(1, FakeThreads())) == {}
    assert reader.came_back == "well"


def test_what_comes_for_a_reader_that_has_failed_gives_its_room_back() -> None:
    def get(number: int) -> Answer[Any]:
        if number:
            raise ValueError(number)
        return answer(number)

    threads, readers = FakeThreads(), [Pages(40, get, BYTES_AT_ONCE // 4) for _ in range(20)]
    desk = Desk(4, threads)
    assert len(drive(readers, desk)) == 20
    after = Pages(40, size=BYTES_AT_ONCE // 4)
    threads.most_asked = 0
    assert drive([after], desk) == {}
    assert threads.most_asked == 4


# Refusals.

REFUSAL = ListRefused(403, "", "Ask the owner.")


def refused_at(page: int) -> Callable[[int], Answer[Any]]:
    def get(number: int) -> Answer[Any]:
        if number == page:
            raise REFUSAL
        return answer(number)

    return get


def test_a_refusal_of_the_first_question_is_a_refusal() -> None:
    reader = Pages(5, refused_at(0))
    assert drive([reader], Desk(2, FakeThreads())) == {reader: REFUSAL}


@pytest.mark.parametrize("page", [1, 4, 5])
def test_a_refusal_after_a_good_answer_is_a_failure_that_may_pass(page: int) -> None:
    reader = Pages(5, refused_at(page))
    error = drive([reader], Desk(2, FakeThreads()))[reader]
    assert isinstance(error, AirbyteTracedException) and error.failure_type is FailureType.transient_error
    assert "A part of this list came, and then the rest was refused (HTTP 403)" in str(error.message)
    assert str(error.message).endswith("If it repeats: Ask the owner.")


def test_what_an_unfinished_run_was_given_counts() -> None:
    reader = Pages(5, refused_at(0))
    reader.was_given = True
    assert isinstance(drive([reader], Desk(2, FakeThreads()))[reader], AirbyteTracedException)


# Threads.


def test_threads_ask_side_by_side_and_only_there() -> None:
    together = threading.Barrier(3, timeout=10)
    threads = ThreadPool(3)

    def get() -> Answer[Any]:
        together.wait()
        return answer(threading.current_thread().name)

    for _ in range(3):
        threads.ask(Ask(get))
    names = set()
    for _ in range(3):
        ask = threads.next(10.0)
        assert ask is not None and ask.done and ask.answer is not None
        names.add(ask.answer.taken)
    assert len(names) == 3 and threading.current_thread().name not in names
    assert threads.next(0.01) is None
    threads.close()


def test_what_was_not_begun_when_threads_are_closed_is_never_asked() -> None:
    hold, begun = threading.Event(), threading.Event()
    asked: list[int] = []
    threads = ThreadPool(1)

    def slow() -> Answer[Any]:
        begun.set()
        hold.wait(10)
        return answer("slow")

    def never() -> Answer[Any]:
        asked.append(1)
        return answer("never")

    threads.ask(Ask(slow))
    threads.ask(Ask(never))
    assert begun.wait(10)
    threads.close()
    hold.set()
    ask = threads.next(10.0)
    assert ask is not None and ask.answer is not None and ask.answer.taken == "slow"
    assert threads.next(0.05) is None and asked == []


def test_an_error_on_a_thread_is_kept_for_whoever_asked() -> None:
    threads = ThreadPool(1)

    def fail() -> Answer[Any]:
        raise ValueError("bad")

    threads.ask(Ask(fail))
    ask = threads.next(10.0)
    assert ask is not None and ask.done and str(ask.error) == "bad"
    threads.close()


def test_a_desk_that_is_closed_asks_for_nothing_more() -> None:
    threads = FakeThreads()
    Desk(1, threads).close()
    assert threads.closed
