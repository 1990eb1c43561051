"""How fast to ask: one brake for all threads, pulled by Sage's 429."""

from __future__ import annotations

import datetime as dt
import logging
import random
import re
import threading
from email.utils import parsedate_to_datetime
from typing import Final

from source_sage.clock import Clock, utc_text
from source_sage.errors import transient_error
from source_sage.report import Tally

logger = logging.getLogger("airbyte.source-sage")

FIRST_PAUSE_SECONDS: Final = 2.0
LONGEST_PAUSE_SECONDS: Final = 60.0
LONGEST_OBEYED_SECONDS: Final = 600.0
LONGEST_TOLD_SECONDS: Final = 365 * 86_400.0


class Pace:
    """Holds every thread back after a 429, and lets them go on together."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._go_at = clock.monotonic()
        self._refusals = 0

    def wait(self, tally: Tally) -> None:
        """Wait until requests are welcome again."""
        while (pause := self._go_at - self._clock.monotonic()) > 0:
            tally.waited += pause
            self._clock.sleep(pause)

    def answered(self) -> None:
        """Note that a request was let through."""
        self._refusals = 0

    def hold(self, asked_seconds: float | None) -> None:
        """Hold everybody back because a request was refused with 429.

        Args:
            asked_seconds: what Retry-After asked for; None where Sage named no time, then pauses grow with jitter.

        Raises:
            AirbyteTracedException: transient; the wait would be so long that the run had better end, state kept.
        """
        with self._lock:
            if asked_seconds is not None and asked_seconds > LONGEST_OBEYED_SECONDS:
                again = self._clock.now() + dt.timedelta(seconds=asked_seconds)
                raise transient_error(
                    f"Sage's request limit is used up; it takes requests again at {utc_text(again)}. "
                    "What was read so far is saved; a sync after that time goes on from there."
                )
            already_held = self._go_at > self._clock.monotonic()
            if not already_held:
                self._refusals += 1
            grown = min(FIRST_PAUSE_SECONDS * 2.0 ** min(max(self._refusals - 1, 0), 10), LONGEST_PAUSE_SECONDS)
            pause = asked_seconds if asked_seconds is not None else grown * random.uniform(0.75, 1.25)  # noqa: S311
            self._go_at = max(self._go_at, self._clock.monotonic() + pause)
            if not already_held:
                logger.info("Sage asks for fewer requests (429); all requests wait %.1f s.", pause)


def retry_after_seconds(header: str | None, now: dt.datetime) -> float | None:
    """Read a Retry-After header: whole seconds or an HTTP date.

    Returns:
        Seconds from now, from 0 to a year; None if there is no header or it cannot be read.
    """
    if not header:
        return None
    if re.fullmatch(r"\s*[0-9]+\s*", header):
        return min(float(header), LONGEST_TOLD_SECONDS)
    try:
        seconds = (parsedate_to_datetime(header) - now).total_seconds()
    except (TypeError, ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_TOLD_SECONDS)
