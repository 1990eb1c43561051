"""A Sage with limits and clients that ask it, on a simulated clock: an hour takes a fraction of a second."""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from source_sage.api.limits import Limits, Sent


class Server(Protocol):
    """Takes a request or refuses it."""

    def refuses(self, now: float, at_once: int) -> float | None:
        """None if it takes it; else what Retry-After says, infinite for no such header.

        Args:
            now: when the request arrives.
            at_once: how many would be worked at with it.
        """


@dataclass
class Window:
    """So many requests in any so many seconds.

    Attributes:
        told: what Retry-After says; the exact wait, in whole seconds, if None.
    """

    limit: int
    seconds: float
    told: float | None = None
    _taken: deque[float] = field(default_factory=deque)

    def refuses(self, now: float, at_once: int) -> float | None:
        while self._taken and self._taken[0] <= now - self.seconds:
            self._taken.popleft()
        if len(self._taken) < self.limit:
            self._taken.append(now)
            return None
        return max(1.0, math.ceil(self._taken[0] + self.seconds - now)) if self.told is None else self.told


@dataclass
class FixedWindow:
    """So many requests in each minute of the clock, or whatever it counts by."""

    limit: int
    seconds: float
    _number: int = -1
    _taken: int = 0

    def refuses(self, now: float, at_once: int) -> float | None:
        if int(now // self.seconds) != self._number:
            self._number, self._taken = int(now // self.seconds), 0
        self._taken += 1
        return math.ceil((self._number + 1) * self.seconds - now) if self._taken > self.limit else None


@dataclass
class Bucket:
    """So many requests a second, and a reserve of so many."""

    rate: float
    reserve: float
    _left: float = 0.0
    _at: float = 0.0

    def refuses(self, now: float, at_once: int) -> float | None:
        self._left = min(self.reserve, self._left + (now - self._at) * self.rate)
        self._at = now
        if self._left < 1:
            return 1.0
        self._left -= 1
        return None


@dataclass
class Scattered:
    """Refuses a share of the requests, whoever asks and however fast: a limit that others have used up."""

    share: float
    seed: int = 0
    told: float = 1.0

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311

    def refuses(self, now: float, at_once: int) -> float | None:
        return self.told if self._random.random() < self.share else None


@dataclass
class EveryNth:
    """Refuses every nth request."""

    nth: int
    _number: int = 0

    def refuses(self, now: float, at_once: int) -> float | None:
        self._number += 1
        return 1.0 if self._number % self.nth == 0 else None


@dataclass
class AtOnce:
    """Takes so many requests at once."""

    most: int

    def refuses(self, now: float, at_once: int) -> float | None:
        return 1.0 if at_once > self.most else None


class Free:
    """Takes everything."""

    def __repr__(self) -> str:
        return "Free()"

    def refuses(self, now: float, at_once: int) -> float | None:
        return None


@dataclass
class Seen:
    """What a simulated run came to: when requests were taken and refused."""

    taken: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)

    def after(self, moment: float) -> Seen:
        """The part after a moment."""
        return Seen([one for one in self.taken if one >= moment], [one for one in self.refused if one >= moment])

    @property
    def share_refused(self) -> float:
        return len(self.refused) / max(1, len(self.taken) + len(self.refused))


@dataclass
class Simulation:
    """Clients that each make one request after the other.

    Attributes:
        server: what they ask.
        limits: decides when they ask; None: each only waits for its own refusal.
        workers: how many.
        latency: seconds that a request takes; a refusal takes less.
        changes: other servers that take over, by the moment.
    """

    server: Server
    limits: Limits | None
    workers: int = 8
    latency: float = 0.04
    changes: Iterable[tuple[float, Server]] = ()
    seed: int = 0

    def run(self, seconds: float) -> Seen:
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._numbers = itertools.count()
        self._random = random.Random(self.seed)  # noqa: S311
        self._line: deque[int] = deque()  # those who want a turn, each by how often it was refused
        self._worked_at = 0
        self._looks_at = math.inf
        self._seen = Seen()
        for moment, server in self.changes:
            self._at(moment, self._change, server)
        for _ in range(self.workers):
            self._at(0.0, self._wants, 0)
        while self._events and self._events[0][0] < seconds:
            now, _, what, arguments = heapq.heappop(self._events)
            what(now, *arguments)
        return self._seen

    def _at(self, moment: float, what: Callable[..., None], *arguments: Any) -> None:
        heapq.heappush(self._events, (moment, next(self._numbers), what, arguments))

    def _change(self, now: float, server: Server) -> None:
        self.server = server

    def _wants(self, now: float, refusals: int) -> None:
        self._line.append(refusals)
        self._let_go(now)

    def _look(self, now: float) -> None:
        if now >= self._looks_at:
            self._looks_at = math.inf
        self._let_go(now)

    def _let_go(self, now: float) -> None:
        while self._line:
            pause = 0.0 if self.limits is None else self.limits.until(now)
            if pause > 0:
                if now + pause + 1e-6 < self._looks_at and pause < math.inf:
                    self._looks_at = now + pause + 1e-6
                    self._at(self._looks_at, self._look)
                return
            sent = None if self.limits is None else self.limits.send(now)
            takes = self.latency * self._random.uniform(0.8, 1.2)
            self._at(now + takes * 0.3, self._arrives, self._line.popleft(), sent, takes)

    def _arrives(self, now: float, refusals: int, sent: Sent | None, takes: float) -> None:
        told = self.server.refuses(now, self._worked_at + 1)
        if told is None:
            self._worked_at += 1
            self._at(now + takes * 0.6, self._worked)
        self._at(now + takes * (0.1 if told is not None else 0.7), self._answered, refusals, sent, told)

    def _worked(self, now: float) -> None:
        self._worked_at -= 1

    def _answered(self, now: float, refusals: int, sent: Sent | None, told: float | None) -> None:
        if told is None:
            self._seen.taken.append(now)
            if self.limits is not None and sent is not None:
                self.limits.let_through(sent, now)
            self._wants(now, 0)
            return
        self._seen.refused.append(now)
        pause = told if told < math.inf else min(2.0**refusals, 60.0) * 2 * self._random.uniform(0.75, 1.25)
        if self.limits is not None and sent is not None:
            pause = self.limits.refused(sent, now, pause)
        self._at(now + pause, self._wants, refusals + 1)
        self._let_go(now)
