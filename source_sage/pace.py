"""How fast to ask: one brake for all threads, pulled by Sage's 429, and what it teaches of Sage's limit.

Sage's documented limits are far away, but some say 100 requests a minute (API.md, 1.4). So requests go out as fast as
they are wanted until the first 429. It holds everybody back, and as many requests a minute as were let through before
it are the limit from then on, so that hardly any request is refused again. Now and then, ever more seldom, one more is
tried; where that works, the steps grow, since the limit may have been somebody else's doing.

A 429 refuses all requests that are under way. So the first that is more than what some say goes alone: the others wait
the second that its answer takes, once.
"""

from __future__ import annotations

import contextlib
import copy
import datetime as dt
import logging
import random
import re
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final

from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.clock import Clock, utc_text
from source_sage.errors import transient_error
from source_sage.report import Tally

logger = logging.getLogger("airbyte.source-sage")

FIRST_PAUSE_SECONDS: Final = 2.0
LONGEST_PAUSE_SECONDS: Final = 60.0
LONGEST_OBEYED_SECONDS: Final = 600.0
LONGEST_TOLD_SECONDS: Final = 365 * 86_400.0
WINDOW_SECONDS: Final = 60.0
RUMOURED_LIMIT: Final = 100
FEWEST_TO_LEARN_FROM: Final = 20
WINDOWS_BEFORE_A_TRIAL: Final = 3
MOST_WINDOWS_BEFORE_A_TRIAL: Final = 48
SHORT_LOOK_SECONDS: Final = 0.05


@dataclass
class Turn:
    """A request that is under way.

    Attributes:
        was_refused: with 429.
        asked_seconds: what Retry-After asked for then.
    """

    was_refused: bool = False
    asked_seconds: float | None = None

    def refused(self, asked_seconds: float | None) -> None:
        """Note that it was refused with 429."""
        self.was_refused, self.asked_seconds = True, asked_seconds


class Pace:
    """Holds every thread back after a 429, lets them go on together, and keeps to the limit that was found."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Condition()
        self._go_at = clock.monotonic()
        self._refusals = 0
        self._refused_since: float | None = None
        self._under_way = 0
        self._let_through: deque[float] = deque()
        self._limit: int | None = None
        self._rumour_is_open = True
        self._step = 1
        self._windows = WINDOWS_BEFORE_A_TRIAL
        self._try_more_at = 0.0
        self._over: AirbyteTracedException | None = None

    @contextlib.contextmanager
    def turn(self, tally: Tally) -> Iterator[Turn]:
        """Wait until a request is welcome; it is under way until the block is left, however that happens.

        Raises:
            AirbyteTracedException: transient; Sage takes no requests for so long that the run is over.
        """
        self.wait(tally)
        turn = Turn()
        try:
            yield turn
        finally:
            if turn.was_refused:
                self.hold(turn.asked_seconds)
            else:
                self.answered()

    def wait(self, tally: Tally) -> None:
        """Wait until a request is welcome; it is then under way until `answered` or `hold`.

        Raises:
            AirbyteTracedException: transient; Sage takes no requests for so long that the run is over.
        """
        while (pause := self._pause()) > 0:
            tally.waited += pause
            self._clock.sleep(pause)

    def answered(self) -> None:
        """Note that a request is over and was not refused with 429."""
        with self._lock:
            self._under_way -= 1
            self._refusals = 0
            self._refused_since = None
            now = self._clock.monotonic()
            self._forget_before(now)
            self._let_through.append(now)
            if len(self._let_through) > RUMOURED_LIMIT:
                self._rumour_is_open = False
            self._lock.notify_all()

    def hold(self, asked_seconds: float | None) -> None:
        """Hold everybody back because a request was refused with 429.

        Args:
            asked_seconds: what Retry-After asked for; None or 0 where Sage named no time, then pauses grow with jitter.

        Raises:
            AirbyteTracedException: transient; the wait would be so long that the run had better end, state kept.
        """
        with self._lock:
            self._under_way -= 1
            self._lock.notify_all()
            now = self._clock.monotonic()
            self._refused_since = now if self._refused_since is None else self._refused_since
            already_held = self._go_at > now
            if not already_held:
                self._refusals += 1
                self._learn(now)
            grown = min(FIRST_PAUSE_SECONDS * 2.0 ** min(max(self._refusals - 1, 0), 10), LONGEST_PAUSE_SECONDS)
            pause = asked_seconds or grown * random.uniform(0.75, 1.25)  # noqa: S311
            if pause > LONGEST_OBEYED_SECONDS:
                self._end(f"it takes requests again at {utc_text(self._clock.now() + dt.timedelta(seconds=pause))}")
            elif now - self._refused_since > LONGEST_OBEYED_SECONDS:
                self._end("it has let no request through for ten minutes and does not say when it will")
            else:
                self._go_at = max(self._go_at, now + pause)
                if not already_held:
                    logger.info("Sage asks for fewer requests (429); all requests wait %.1f s.", pause)
            self._raise_if_over()

    def _pause(self) -> float:
        """Seconds to wait before looking again; 0 if the request may go, which is then under way."""
        with self._lock:
            self._lock.wait_for(self._is_welcome)
            self._raise_if_over()
            now = self._clock.monotonic()
            pause = self._go_at - now if self._go_at > now else self._until_within_limit(now)
            if pause <= 0:
                self._under_way += 1
            return pause

    def _is_welcome(self) -> bool:
        """Tell whether a request may go side by side with those under way, or none is."""
        if self._limit is not None or not self._rumour_is_open or self._over is not None:
            return True
        self._forget_before(self._clock.monotonic())
        return not self._under_way or len(self._let_through) + self._under_way < RUMOURED_LIMIT

    def _until_within_limit(self, now: float) -> float:
        self._forget_before(now)
        if self._limit is None or len(self._let_through) + self._under_way < self._limit:
            return 0.0
        if now >= self._try_more_at:
            self._limit += self._step
            self._step *= 2
            self._try_more_at = now + WINDOW_SECONDS
            return 0.0
        if not self._let_through:
            return SHORT_LOOK_SECONDS
        return max(self._let_through[0] + WINDOW_SECONDS - now, SHORT_LOOK_SECONDS)

    def _learn(self, now: float) -> None:
        """Take what was let through lately for the limit, if it is enough to tell a limit from bad luck."""
        self._forget_before(now)
        if len(self._let_through) < FEWEST_TO_LEARN_FROM:
            return
        if self._limit is not None:
            self._windows = min(2 * self._windows, MOST_WINDOWS_BEFORE_A_TRIAL)
        self._limit = len(self._let_through)
        self._step = 1
        self._try_more_at = now + self._windows * WINDOW_SECONDS

    def _forget_before(self, now: float) -> None:
        while self._let_through and self._let_through[0] <= now - WINDOW_SECONDS:
            self._let_through.popleft()

    def _end(self, when: str) -> None:
        self._over = transient_error(
            f"Sage's request limit is used up; {when}. What was read so far is saved; a sync after that time goes on "
            "from there."
        )

    def _raise_if_over(self) -> None:
        if self._over is not None:
            raise copy.copy(self._over)


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
