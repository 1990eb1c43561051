"""How fast to ask: the locks and clocks around `limits`, where all threads of a run wait for their turn.

Before the first 429 there is no brake. Then who was refused waits as long as is asked, or with growing pauses where it
does not say, and nobody else has to: whether a refusal is about all of us is for `limits` to find out.

Waits have an end: a server that wants more than ten minutes, or that has let nothing through for as long, ends the run,
state kept. Only time that was spent waiting for it counts: a stalled destination is no limit of its.
"""

from __future__ import annotations

import copy
import datetime as dt
import logging
import math
import random
import re
import threading
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Final

from source_sage.api.limits import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Limits, Sent
from source_sage.clock import Clock, utc_text
from source_sage.counts import Tally
from source_sage.errors import LimitUsedUp

logger = logging.getLogger("airbyte.source-sage")

LONGEST_OBEYED_SECONDS: Final = 600.0
# The longest limit that is known is of a day; who asks for more does not mean it.
LONGEST_BELIEVED_SECONDS: Final = 86_400.0
LOOK_SECONDS: Final = 1.0


class Pace:
    """Gives each request its turn.

    Args:
        clock: injected for tests.
        patience: seconds that are waited at most because of refusals while nothing is let through.
        in_all: these are all the seconds there are, whatever is let through in between.
    """

    def __init__(self, clock: Clock, patience: float = LONGEST_OBEYED_SECONDS, *, in_all: bool = False) -> None:
        self._clock = clock
        self._patience = patience
        self._in_all = in_all
        self._limits = Limits()
        self._first_in_line = threading.Lock()
        self._changed = threading.Condition()
        self._spent = 0.0
        self._waiting_until = -math.inf
        self._over: LimitUsedUp | None = None

    def request(self, tally: Tally) -> Request:
        """A request that is still to be settled; it has a turn each time it is sent."""
        return Request(self, tally)

    def begin(self, request: Request) -> Sent:
        """Wait until the request may go; it is then under way until `end`.

        Raises:
            LimitUsedUp: no requests are taken for so long that the run is over.
        """
        arrived = self._clock.monotonic()
        try:
            while (pause := request.waits_until - self._clock.monotonic()) > 0:
                self._look(pause)
            with self._first_in_line:  # one looks at the clock, the others stand behind
                while True:
                    with self._changed:
                        self._raise_if_over()
                        now = self._clock.monotonic()
                        pause = self._limits.until(now)
                        if pause <= 0:
                            return self._limits.send(now)
                        if pause == math.inf:
                            self._changed.wait(LOOK_SECONDS)
                            continue
                    self._look(pause)
        finally:
            request.tally.waited += self._clock.monotonic() - arrived

    def end(self, request: Request, sent: Sent) -> None:
        """Give back what a request held, and learn from what became of it.

        Raises:
            LimitUsedUp: it was refused, and waiting would take so long that the run had better end, state kept.
        """
        with self._changed:
            self._changed.notify_all()
            now = self._clock.monotonic()
            if request.was_let_through:
                self._spent = self._spent if self._in_all else 0.0
                if (rate := self._limits.let_through(sent, now)) is not None:
                    logger.info("%.0f requests a minute were let through lately; keeping to that.", 60 * rate)
            elif request.was_refused:
                self._wait(request, sent, now)
            else:
                self._limits.unknown(sent, now)

    def _wait(self, request: Request, sent: Sent, now: float) -> None:
        """Have a refused request wait, and all others if it was a scout."""
        request.refusals += 1
        grown = min(FIRST_PAUSE_SECONDS * 2.0 ** min(request.refusals - 1, 10), LONGEST_PAUSE_SECONDS)
        asked = request.asked_seconds
        pause = self._limits.refused(sent, now, asked or grown * random.uniform(0.75, 1.25))  # noqa: S311
        request.waits_until = now + pause
        request.paused += pause
        self._spent += max(0.0, request.waits_until - max(now, self._waiting_until))
        self._waiting_until = max(self._waiting_until, request.waits_until)
        if sent.is_scout:
            logger.info("Fewer requests are asked for (429); all requests wait %.1f s.", pause)
        if asked is not None and asked > self._patience:
            self._over = self._used_up(pause)
        elif self._spent > self._patience:
            self._over = self._used_up(pause if asked and self._in_all else None)
        elif request.paused > self._patience:  # others are let through: it fails alone
            raise self._used_up(None)
        self._raise_if_over()

    def _look(self, pause: float) -> None:
        self._clock.sleep(min(pause, LOOK_SECONDS))
        self._raise_if_over()

    def _used_up(self, again_in: float | None) -> LimitUsedUp:
        if again_in is not None:
            return LimitUsedUp.until(utc_text(self._clock.now() + dt.timedelta(seconds=again_in)))
        return LimitUsedUp.for_so_long(self._patience)

    def _raise_if_over(self) -> None:
        if self._over is not None:
            raise copy.copy(self._over)


class Request:
    """One request until it is settled: a context, entered once for each time it is sent.

    Whatever happens inside, its place under the limit is given back at the end. Unless `answered` or `refused` is
    called, nothing is learnt from it.

    Args:
        pace: gives it its turns.
        tally: where waits are counted.

    Attributes:
        refusals, paused: how often it was refused, and for how many seconds it waited by itself.
        waits_until: not before then it wants a turn.
    """

    def __init__(self, pace: Pace, tally: Tally) -> None:
        self.tally = tally
        self.refusals = 0
        self.paused = 0.0
        self.waits_until = -math.inf
        self.was_let_through = self.was_refused = False
        self.asked_seconds: float | None = None
        self._pace = pace
        self._sent: Sent | None = None

    def __enter__(self) -> Request:
        self.was_let_through = self.was_refused = False
        self._sent = self._pace.begin(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._sent is not None
        sent, self._sent = self._sent, None
        self._pace.end(self, sent)

    def answered(self) -> None:
        """Note that it was answered with anything but 429."""
        self.was_let_through = True

    def refused(self, asked_seconds: float | None) -> None:
        """Note that it was refused with 429.

        Args:
            asked_seconds: what Retry-After asked for; None or 0 where it named no time, then pauses grow.
        """
        self.was_refused, self.asked_seconds = True, asked_seconds


def retry_after_seconds(header: str | None, now: dt.datetime) -> float | None:
    """Read a Retry-After header: whole seconds or an HTTP date.

    By hand: urllib3 reads it by this machine's clock, takes a day for six hours, and raises for what it cannot read.

    Args:
        header: as it came.
        now: when it was sent, best by the clock of whoever sent it.

    Returns:
        Seconds from now; None if there is no header, it cannot be read, or nobody can mean it.
    """
    if not header:
        return None
    if re.fullmatch(r"\s*[0-9]{1,9}\s*", header):
        seconds = float(header)
    else:
        try:
            seconds = max((parsedate_to_datetime(header) - now).total_seconds(), 0.0)
        except (TypeError, ValueError, OverflowError):
            return None
    return seconds if seconds <= LONGEST_BELIEVED_SECONDS else None
