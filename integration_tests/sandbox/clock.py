"""The sandbox's time: real time plus an offset, so that tests need not wait."""

from __future__ import annotations

import time


class Clock:
    """Every time the sandbox tells or stamps comes from here."""

    def __init__(self) -> None:
        self.offset = 0.0

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time() + self.offset

    def advance(self, seconds: float) -> None:
        """Let time pass at once."""
        self.offset += seconds
