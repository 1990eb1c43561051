"""How many requests a business may make, and how many at once."""

from __future__ import annotations

import math
from collections import defaultdict, deque

from ..clock import Clock
from ..settings import Settings
from ..wire.errors import Refused
from ..wire.values import http_date


class Limits:
    """A sliding window per business, and a count of what is under way."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self.settings, self.clock = settings, clock
        self.under_way = 0
        self.most_at_once = 0
        self._served: dict[str, deque[float]] = defaultdict(deque)

    def enter(self) -> None:
        """A request begins; refused if there are too many."""
        most = self.settings.max_concurrent
        if most is not None and self.under_way >= most:
            raise self._throttled(1)
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)

    def leave(self) -> None:
        """A request that entered is over."""
        self.under_way -= 1

    def count(self, business: str) -> None:
        """One more request for a business; refused requests do not count."""
        if self.settings.rate_limit is None:
            return
        now, served = self.clock.now(), self._served[business]
        while served and served[0] <= now - self.settings.rate_window:
            served.popleft()
        if len(served) >= self.settings.rate_limit:
            raise self._throttled(served[0] + self.settings.rate_window - now)
        served.append(now)

    def _throttled(self, seconds: float) -> Refused:
        wait = max(1, math.ceil(seconds))
        told = {
            "seconds": str(wait),
            "http-date": http_date(math.ceil(self.clock.now()) + wait),
            "absent": "",
        }[self.settings.retry_after]
        headers = {"Retry-After": told} if told else {}
        return Refused(429, "TooManyRequests", "Request limit reached, try again later.", headers)
