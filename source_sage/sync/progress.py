"""What a long sync says while it reads: one line now and then, made of the tallies. Pure, but for the clock."""

from __future__ import annotations

import math
from typing import Final

from source_sage.clock import Clock
from source_sage.counts import Tally
from source_sage.sync.report import Report

EVERY_SECONDS: Final = 30.0
NAMED_AT_MOST: Final = 3


class Progress:
    """Says how far a sync is.

    Args:
        report: its tallies, which the readings keep up to date.
        clock: when a line is due.
    """

    def __init__(self, report: Report, clock: Clock) -> None:
        self._report = report
        self._clock = clock
        self._told_at = clock.monotonic()
        self._told_rows = 0

    def line(self) -> str | None:
        """The next line, if it is time for one; else None."""
        now = self._clock.monotonic()
        since = now - self._told_at
        if since < EVERY_SECONDS:
            return None
        tallies = [one for one in list(self._report.tallies.items()) if one[1].is_list]
        rows = sum(tally.rows + tally.tombstones for _, tally in tallies)
        rate = (rows - self._told_rows) / since
        self._told_at, self._told_rows = now, rows
        in_work = [(key, tally) for key, tally in tallies if tally.begun and not tally.ended]
        waiting = sum(not (tally.begun or tally.ended) for _, tally in tallies)
        in_work.sort(key=lambda one: -one[1].ahead)
        named = [
            f"{stream} of {self._report.title(business)}{_page(tally)}"
            for (business, stream), tally in in_work[:NAMED_AT_MOST]
        ]
        if len(in_work) > NAMED_AT_MOST:
            named.append(f"{len(in_work) - NAMED_AT_MOST} more")
        done = sum(tally.ended for _, tally in tallies)
        return (
            f"{rows:,} rows so far, {rate:,.0f} a second now; {done:,} of {len(tallies):,} lists done. "
            f"In work: {'; '.join(named) or 'nothing'}. {_time_left(in_work, rate, waiting)}"
        )


def _page(tally: Tally) -> str:
    """How many pages of how many; empty where nobody has said how long the list is."""
    if not tally.expected:
        return ""
    pages = math.ceil(tally.expected / tally.page_size)
    return f", page {min(math.ceil(tally.walked / tally.page_size), pages):,} of {pages:,}"


def _time_left(in_work: list[tuple[tuple[str, str], Tally]], rate: float, waiting: int) -> str:
    ahead = sum(tally.ahead for _, tally in in_work)
    if rate <= 0:
        time = "No rows came in that time, so the time left cannot be told"
    else:
        time = f"{'At least' if waiting else 'About'} {_human(ahead / rate)} left"
    if not waiting:
        return f"{time}."
    return f"{time}; {waiting:,} {'list is' if waiting == 1 else 'lists are'} not begun."


def _human(seconds: float) -> str:
    if seconds < 90:
        return f"{math.ceil(seconds)} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
