"""When rows and states are written. Pure.

A state stands for the rows before it, so rows are written first. What was written is done, whatever comes: a sync that
is killed reads at most the bite again that was under way, and a list that fails costs no other list anything.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

ROWS_AT_MOST: Final = 20_000
SECONDS_AT_MOST: Final = 60.0


@dataclass(frozen=True)
class Bite:
    """What is to be written now, in this order.

    Attributes:
        streams: whose rows.
        states: the last one of each stream, which may be saved when all rows are written.
        ended: streams that came whole and are complete: what was not among their rows is not there any more.
    """

    streams: tuple[str, ...]
    states: dict[str, Any]
    ended: tuple[str, ...]


@dataclass
class Bites:
    """Notes what comes, and tells what is to be written.

    Args:
        whole: the streams that come whole.
        now: seconds of a clock that never jumps.
    """

    whole: frozenset[str]
    now: float
    _rows: dict[str, int] = field(default_factory=dict)
    _states: dict[str, Any] = field(default_factory=dict)
    _ended: list[str] = field(default_factory=list)

    def rows(self, stream: str, count: int) -> None:
        """Some rows of a stream have come."""
        self._rows[stream] = self._rows.get(stream, 0) + count

    def state(self, stream: str, state: Any) -> None:
        """A state has come."""
        self._states[stream] = state

    def ended(self, stream: str) -> None:
        """A stream is complete."""
        if stream in self.whole:
            self._ended.append(stream)

    def due(self, now: float) -> Bite | None:
        """What is to be written by now, if it is enough to be worth it; something must be done with, too."""
        if not (self._states or self._ended):
            return None
        if sum(self._rows.values()) < ROWS_AT_MOST and now - self.now < SECONDS_AT_MOST:
            return None
        return self.rest(now)

    def rest(self, now: float) -> Bite:
        """All that was not written yet."""
        bite = Bite(tuple(self._rows), self._states, tuple(self._ended))
        self._rows, self._states, self._ended, self.now = {}, {}, [], now
        return bite
