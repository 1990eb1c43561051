"""The reading of lists that cannot be asked for changes: those that always come whole, and stock movements by date.

A list that stood still is whole. Of stock movements the last months are read again at each sync, by date.
"""

from __future__ import annotations

import datetime as dt
from typing import Final

from source_sage.clock import parse_utc
from source_sage.config import ALL_DATES, Window
from source_sage.lists.asking import Steps
from source_sage.lists.cuts import remaining
from source_sage.lists.inferred import InferringReader
from source_sage.lists.list_reader import ListReader
from source_sage.lists.slices import Slice
from source_sage.lists.state import Whole
from source_sage.lists.task import Task

LATE_EDITS: Final = dt.timedelta(days=90)


class StillReading(ListReader):
    """Reads a list that always comes whole."""

    def run(self) -> Steps[None]:
        """Read to the end; what did not stand still is read once more."""
        yield from self._read_slices(self._always(), [ALL_DATES])
        for one in list(self._open):
            if one.is_one_answer or one.stood_still:
                self._note_proven(one)
            else:
                yield from self._read_until_still(one)


class MovementsReading(InferringReader):
    """Reads a list that takes dates and no filter for changes."""

    # Its date is a time in UTC, whose day may be another one at Sage.
    _days_overlap = True

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._proven_slices: list[Slice] = []

    def run(self) -> Steps[None]:
        """Read to the end."""
        old, window = self._old, self._task.window
        is_covered = old is not None and bool(old.watermark) and old.covers(window)
        if old is not None and is_covered:
            late_edits = max(LATE_EDITS, dt.timedelta(days=self._task.look_back_days))
            late = (parse_utc(old.watermark) - late_edits).date()
            window = Window(late if window.start is None else max(late, window.start), window.end)
        if self._whole is None or self._whole.window != window:
            self._whole = Whole.of(window, "", [])
        if window.start is None or window.end is None or window.start <= window.end:
            yield from self._read_slices(self._always(), remaining(window, self._whole.ranges))
            yield from self._prove_all()
        yield from self._infer_deletions()
        self._reach_the_end()

    def _prove_all(self) -> Steps[None]:
        """Ask once more how long each slice is, and look for what has entered meanwhile."""
        slices = [*self._proven_slices, *self._open]
        if slices == self._open and len(slices) == 1 and slices[0].is_one_answer:
            self._note_proven(slices[0])
            return
        for one in slices:
            is_open = one in self._open
            total = (yield from self._length(one.params)) if one.pages.trusted else None
            entered = 0 if total is None else total - one.seen
            if entered > 0:
                entered -= yield from self._look_for_new(one, entered)
            if entered > 0 or (is_open and (entered or not one.pages.trusted) and not one.stood_still):
                if not is_open:
                    self._open.append(one)
                yield from self._read_until_still(one)
            elif is_open:
                self._note_proven(one)

    def _look_for_new(self, slice_: Slice, wanted: int) -> Steps[int]:
        """Look for rows that have entered: at the end, else where the list begins to have moved; gives how many."""
        found = 0
        looked: dict[int, bool] = {}

        def look(number: int) -> Steps[None]:
            nonlocal found
            page = yield from self._page(slice_.params, number)
            looked[number] = slice_.is_moved(number, [item.key for item in page.taken.kept.items])
            found += self._note(slice_ if slice_ in self._open else None, page)

        # What has entered moves the pages from its own one to the last that was answered before.
        low, high = 1, next(slice_.doubtful(), slice_.pages.count)
        yield from look(slice_.pages.count)
        while found < wanted and low < high:
            middle = (low + high) // 2
            yield from look(middle)
            low, high = (low, middle) if looked[middle] else (middle + 1, high)
        for number in (low, low - 1, low + 1):
            if found < wanted and number not in looked and 0 < number <= slice_.pages.count:
                yield from look(number)
        return found

    def _prove_ended(self) -> Steps[None]:
        for one in [one for one in self._open if one.pages.finished and one.stood_still]:
            self._note_proven(one)
        yield from ()

    def _note_proven(self, slice_: Slice) -> None:
        self._proven_slices.append(slice_)
        super()._note_proven(slice_)
