"""Time in the double: it stands still but for requests and for whoever sleeps, so that no test waits."""

from __future__ import annotations

import datetime as dt
import threading
from email.utils import formatdate
from functools import lru_cache
from typing import Final

from source_sage.clock import Clock

DAY: Final = 86_400
EPOCH_ORDINAL: Final = 719_163  # 1970-01-01
NOW: Final = "2025-06-30T12:00:00Z"


def seconds(text: str) -> int:
    """Epoch seconds of a date or a date-time; a date is its midnight in UTC."""
    moment = dt.datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp())


@lru_cache(maxsize=16_384)
def day_text(ordinal: int) -> str:
    """`YYYY-MM-DD` of a day, counted as `datetime.date` does."""
    return dt.date.fromordinal(ordinal).isoformat()


def ordinal(text: str) -> int:
    """The day of `YYYY-MM-DD`."""
    return dt.date.fromisoformat(text[:10]).toordinal()


def instant(epoch: int) -> str:
    """`YYYY-MM-DDThh:mm:ssZ`."""
    day, second = divmod(epoch, DAY)
    return f"{day_text(EPOCH_ORDINAL + day)}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}Z"


class BooksClock(Clock):
    """The clock of Sage and of the connector.

    Args:
        now: where it stands at first; `real` for this machine's time, which then goes by itself.
    """

    def __init__(self, now: str = NOW) -> None:
        self._lock = threading.Lock()
        self._real = now == "real"
        self._ahead = 0.0
        self._seconds = 0.0 if self._real else float(seconds(now))
        self.slept = 0.0

    def seconds(self) -> float:
        """Epoch seconds."""
        return (super().now().timestamp() if self._real else self._seconds) + self._ahead

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self._ahead += seconds

    def now(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self.seconds(), dt.UTC)

    def monotonic(self) -> float:
        return self.seconds()

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.advance(seconds)

    def http_date(self, ahead: float) -> str:
        """For the `Date` header, which may be ahead of what rows are stamped with."""
        return formatdate(self.seconds() + ahead, usegmt=True)
