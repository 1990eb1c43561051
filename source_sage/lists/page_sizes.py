"""How many rows a page to ask for, where the server cannot answer for large ones in time. Pure.

A page that is too heavy answers 504, or nothing at all, and takes a minute to do so. So a size that failed is not asked
for again at once: half of it is, down to `smallest`; until that has worked, one request goes and all others of the
list wait. What works is remembered, from one sync to the next too (`SmallerPages`).

A 504 may as well have been a passing outage, and rows may become lighter. So now and then **a larger size is tried**,
by one request while the others go on: after `FIRST_WAIT` full pages, and ever more seldom: each trial that fails
doubles the wait, each that works halves it, and the next larger size is tried at once. Of N full pages the trials cost
log2(N / 8) requests, and after an outage eight pages bring the full size back.

Only a page that holds more rows than the size that is known to work tells whether a larger one does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict, Field

FIRST_WAIT: Final = 8
LONGEST_WAIT: Final = 1_024


class SmallerPages(BaseModel):
    """What is remembered of a list whose full pages did not work.

    Attributes:
        rows: a page, which do work.
        full: pages of so many rows that came in full since a larger size failed.
        wait: after so many a larger size is tried.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rows: int = Field(ge=1)
    full: int = Field(default=0, ge=0)
    wait: int = Field(ge=FIRST_WAIT, le=LONGEST_WAIT)


@dataclass
class PageSizes:
    """Decides how many rows each request of one list asks for.

    Args:
        largest: rows of a full page; other sizes are this one halved, again and again.
        smallest: no size is smaller.
        known: what is remembered of an earlier sync.

    Attributes:
        rows: the size that works, as far as is known.
    """

    largest: int
    smallest: int
    known: SmallerPages | None = None

    def __post_init__(self) -> None:
        self.rows = self.largest
        self._full, self._wait = 0, FIRST_WAIT
        self._trial = 0
        # The size failed and was halved, and no answer has shown yet that half of it works.
        self._in_doubt = self._scout_is_out = False
        if self.known is not None:
            while self.rows > self.known.rows and self.rows // 2 >= self.smallest:
                self.rows //= 2
            self._full, self._wait = self.known.full, self.known.wait

    @property
    def smaller(self) -> SmallerPages | None:
        """What is to be remembered; None where full pages work."""
        if self.rows == self.largest:
            return None
        return SmallerPages(rows=self.rows, full=self._full, wait=self._wait)

    @property
    def waits(self) -> bool:
        """Tell whether nothing more should be asked for before the answer to one request comes."""
        return self._in_doubt and self._scout_is_out

    def can_shrink(self, rows: int) -> bool:
        """Tell whether half of a size may be asked for instead of it."""
        return rows // 2 >= self.smallest

    def is_trial(self, rows: int) -> bool:
        """Tell whether this size is larger than what is known to work: one failure says enough."""
        return rows > self.rows

    def next(self, rows: int) -> int | None:
        """The size of the next request, which goes now; None if it is to wait for an answer to another one.

        Args:
            rows: of the part of a page that is to be asked for.
        """
        if self.waits:
            return None
        if self._in_doubt:
            self._scout_is_out = True
        elif rows > self.rows and self._full >= self._wait and not self._trial:
            self._trial = 2 * self.rows
            return self._trial
        return min(self.rows, rows)

    def worked(self, asked: int, came: int) -> None:
        """A page of `asked` rows was answered with as many as `came`."""
        self._end_trial(asked)
        if asked <= self.rows or came > self.rows:
            self._in_doubt = self._scout_is_out = False
        if came > self.rows:
            self.rows = asked
            self._wait = max(self._wait // 2, FIRST_WAIT)
            self._full = self._wait
        elif came == self.rows:
            self._full = min(self._full + 1, LONGEST_WAIT)

    def failed(self, asked: int) -> None:
        """A page of `asked` rows did not work, and half of it may be asked for."""
        if self._end_trial(asked):
            self._wait = min(2 * self._wait, LONGEST_WAIT)
            self._full = 0
        elif asked <= self.rows:
            self.rows = asked // 2
            self._full = 0
            self._in_doubt, self._scout_is_out = True, False

    def _end_trial(self, asked: int) -> bool:
        was_tried = asked == self._trial
        if was_tried:
            self._trial = 0
        return was_tried
