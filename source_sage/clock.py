"""Time, in one place, so that tests can hold it still."""

from __future__ import annotations

import datetime as dt
import time
from typing import Final

SECOND: Final = dt.timedelta(seconds=1)
DAY: Final = dt.timedelta(days=1)


class Clock:
    """The machine's clocks. A test passes a subclass whose time moves only when it is told to."""

    def now(self) -> dt.datetime:
        """The wall clock, UTC. It may be minutes off the server's."""
        return dt.datetime.now(dt.UTC)

    def monotonic(self) -> float:
        """Seconds of a clock that never jumps; only differences mean anything."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait that many seconds."""
        time.sleep(seconds)


def utc_text(moment: dt.datetime) -> str:
    """Write a moment as the API does: whole seconds, UTC, ending in Z."""
    return moment.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_utc(text: str) -> dt.datetime:
    """Read a moment with a time zone; a text without one is taken as UTC.

    Raises:
        ValueError: the text is no date-time of ISO 8601, or its moment has no date in UTC.
    """
    moment = dt.datetime.fromisoformat(text)
    try:
        return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
    except OverflowError as error:
        raise ValueError(f"{text} is outside the calendar in UTC") from error
