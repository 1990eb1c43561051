"""Asking: one queue of requests for a whole run, many threads that fetch, one thread that decides.

A reading is a generator that decides everything of its list: it says what it wants to ask for next whenever a thread
is free, and goes on when an answer of its own has come. Answers are taken one at a time, in whatever order they come,
all on the thread that drives the run. The other threads only fetch and shape. So a test can drive a run by itself, and
decide by a seed in which order requests are made and answers taken (`Threads` is all that has to be replaced).
"""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Generic, Protocol, TypeVar, cast

from source_sage.api.transport import Answer
from source_sage.errors import ListRefused, transient_error

ASKED_PER_WORKER: Final = 2
BYTES_AT_ONCE: Final = 12_000_000
T = TypeVar("T")
R = TypeVar("R")
# The steps of a reading: it is resumed after each answer of its own, and returns a result at its end.
Steps = Generator[None, None, R]


@dataclass(eq=False)
class Ask(Generic[T]):
    """Something to ask for.

    Attributes:
        get: asks; called on another thread.
        size: how many bytes the answer will take, as far as is known.
        then: what to do with the answer, on the thread that drives; nothing if somebody waits for it.
        answer, error: what came of it; one of the two in the end.
    """

    get: Callable[[], Answer[T]]
    size: int = 0
    then: Callable[[Ask[T]], None] | None = None
    answer: Answer[T] | None = None
    error: Exception | None = None

    @property
    def done(self) -> bool:
        """Tell whether something came of it."""
        return self.answer is not None or self.error is not None

    def run(self) -> None:
        """Ask, and keep what comes of it."""
        try:
            self.answer = self.get()
        except Exception as error:
            self.error = error


class Reader:
    """A reading: what it wants to ask for, and its steps. Subclasses say both."""

    # Something of what it reads was given before, in this run or in an unfinished one.
    was_given = False

    def __init__(self) -> None:
        self._awaited: deque[Ask[Any]] = deque()
        self._came: deque[Ask[Any]] = deque()

    def run(self) -> Steps[None]:
        """The steps, from the first question to the end."""
        raise NotImplementedError

    def wanted(self) -> Ask[Any] | None:
        """What to ask for next; None if nothing before an answer comes."""
        return self._awaited.popleft() if self._awaited else None

    def put(self, ask: Ask[Any]) -> None:
        """Have one more question to ask."""
        self._awaited.append(ask)

    def came(self, ask: Ask[Any]) -> None:
        """Hand over what came of one of its questions; its steps are to be resumed then."""
        self._came.append(ask)

    def answer(self, get: Callable[[], Answer[T]]) -> Steps[Answer[T]]:
        """Ask for one thing and wait for it; meanwhile other answers are taken.

        Raises:
            Exception: what went wrong.
        """
        ask = Ask(get)
        self.put(ask)
        while not ask.done:
            yield from self.turn()
        return self.result(ask)

    def result(self, ask: Ask[T]) -> Answer[T]:
        """What came of a question.

        Raises:
            Exception: what went wrong instead. A refusal of what was given before is no reason to skip it.
        """
        if isinstance(ask.error, ListRefused) and self.was_given:
            raise transient_error(
                f"A part of this list came, and then the rest was refused ({ask.error.reason}). What was read so far "
                f"is saved, and the next sync asks again. If it repeats: {ask.error.message}"
            ) from ask.error
        if ask.error is not None:
            raise ask.error
        self.was_given = True
        return cast(Answer[T], ask.answer)

    def turn(self) -> Steps[None]:
        """Wait for one answer, and do with it what is to be done."""
        yield
        ask = self._came.popleft()
        if ask.then is not None:
            ask.then(ask)


class Threads(Protocol):
    """Who carries the requests of a run out."""

    def ask(self, ask: Ask[Any]) -> None:
        """Have something asked for."""

    def next(self, seconds: float) -> Ask[Any] | None:
        """One that was answered; None if that takes longer."""

    def close(self) -> None:
        """Ask for nothing more; requests that run are left to their end."""


class ThreadPool:
    """Threads that ask side by side.

    Args:
        workers: how many.
    """

    def __init__(self, workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="ask")
        self._answered: queue.SimpleQueue[Ask[Any]] = queue.SimpleQueue()

    def ask(self, ask: Ask[Any]) -> None:
        """Have something asked for."""
        self._pool.submit(self._run, ask)

    def next(self, seconds: float) -> Ask[Any] | None:
        """One that was answered; None if that takes longer."""
        try:
            return self._answered.get(timeout=seconds)
        except queue.Empty:
            return None

    def close(self) -> None:
        """Ask for nothing more; requests that run are left to their end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _run(self, ask: Ask[Any]) -> None:
        ask.run()
        self._answered.put(ask)


class Desk:
    """Where the questions of all readings go out and their answers come in.

    Args:
        workers: how many requests run at the same time.
        threads: who carries them out.
    """

    def __init__(self, workers: int, threads: Threads) -> None:
        self._threads = threads
        self._free = ASKED_PER_WORKER * workers
        self._bytes = BYTES_AT_ONCE
        self._asked: dict[Ask[Any], Reader] = {}

    def send(self, readers: Iterable[Reader]) -> None:
        """Ask for what readings want, those first that come first, as far as there is room for more answers."""
        for reader in readers:
            while self._has_room() and (ask := reader.wanted()) is not None:
                self._asked[ask] = reader
                self._free -= 1
                self._bytes -= ask.size
                self._threads.ask(ask)

    def _has_room(self) -> bool:
        return not self._asked or (self._free > 0 and self._bytes > 0)

    @property
    def waits(self) -> bool:
        """Tell whether answers are to come."""
        return bool(self._asked)

    def take(self, seconds: float) -> Reader | None:
        """The reading of which an answer has come, which is handed over; None if that takes longer."""
        ask = self._threads.next(seconds)
        if ask is None:
            return None
        reader = self._asked.pop(ask)
        self._free += 1
        self._bytes += ask.size
        reader.came(ask)
        return reader

    def close(self) -> None:
        """Ask for nothing more."""
        self._threads.close()
