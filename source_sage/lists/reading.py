"""The reading of a list that can be asked for changes: which questions, in which order, and when its checkpoint moves.

A list that was never read is read whole, in slices (`cuts`), each proven before it becomes a checkpoint (`proofs`).
Then, and in every later sync, Sage is asked what was changed since, by `updated_or_created_since` (inclusive) alone:
dates are looked at row by row, so that a row that was edited out of them leaves the destination too. What was deleted
is asked for last, or inferred where Sage does not tell of it (`inferred`); a key leaves once a run, and what changed
after it left comes with the next sync.

The watermark is Sage's clock when the run began, less an overlap, never the largest `updated_at` seen: a row edited
on a page already read must come again. It moves only when everything was read to its end and proven; after a long list
of changes, which is not proven, no further than that list's own beginning.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Final

from source_sage.api.transport import Answer
from source_sage.clock import parse_utc, utc_text
from source_sage.config import ALL_DATES
from source_sage.lists.asking import Steps
from source_sage.lists.cuts import SHORT_LIST, last_days, remaining
from source_sage.lists.list_reader import OVERLAP
from source_sage.lists.paging import Page
from source_sage.lists.proofs import ProvenReader, changes_of
from source_sage.lists.rows import second_of
from source_sage.lists.slices import Slice
from source_sage.lists.state import Whole
from source_sage.lists.touched import Touched

# A long list of changes is read by dates anew rather than without checkpoints if it is this part of the whole list.
PART_WORTH_ALL: Final = 4


class ChangingReading(ProvenReader):
    """Reads a list that takes `updated_or_created_since`."""

    def run(self) -> Steps[None]:
        """Read to the end."""
        old, window = self._old, self._task.window
        watermark = old.watermark if old else ""
        since = parse_utc(watermark) if watermark else None
        is_covered = bool(watermark) and (not self._facts.date_field or (old is not None and old.covers(window)))
        if self._whole is not None and self._whole.of_changes is not is_covered:
            # The dates were changed meanwhile: what is done of the other kind of reading says nothing of this one.
            self._whole = None
        if not is_covered:
            if self._whole is None or self._whole.window != window:
                began = self._whole.began if self._whole and not watermark else ""
                # What an earlier sync has read is there; what is changed since then is asked for after this.
                done = [old.window] if watermark and old and self._facts.dates else []
                self._whole = Whole.of(window, began, done)
            yield from self._read_slices(self._always(), remaining(window, self._whole.ranges))
            if old is None and len(self._open) == 1 and self._open[0].is_one_answer and not self._proven:
                self._note_proven(self._open[0])
            else:
                yield from self._follow(since or parse_utc(self._whole.began) - OVERLAP)
        elif since is not None:
            yield from self._catch_up(since)
        if since is not None:
            yield from self._look_back()
        if old is not None:
            yield from self._tell_deletions(since or parse_utc(old.whole.began if old.whole else "") - OVERLAP)
        yield from self._infer_deletions()
        self._reach_the_end()

    def _look_back(self) -> Steps[None]:
        """Read the last days once more, if that is wanted, for what changed without a new time of change.

        All of it leaves that has not left in this run: what a row was before, nobody remembers.
        """
        window = last_days(self._task.window, self._task.look_back_days, self._latest.date())
        if self._facts.dates and window is not None:
            # Rows beside these dates are no news.
            self._paging.gone_since = None
            yield from self._read_slices(self._always(), [window])
            yield from self._prove_all()

    def _catch_up(self, since: dt.datetime) -> Steps[None]:
        """Read what was changed since the last sync; if that is much, by dates, with checkpoints."""
        changed = {**self._always(), "updated_or_created_since": utc_text(since)}
        self._paging.gone_since = ""
        if self._whole is None:
            slice_ = Slice(changed, ALL_DATES, ALL_DATES, self._facts.page_size)
            page = yield from self._page(slice_.params, 1)
            total = page.taken.envelope.total or 0
            if total <= SHORT_LIST or not self._facts.dates:
                self._begin(slice_, page)
                yield from self._finish(slice_)
                yield from self._prove_all()
                return
            self._note(None, page)
            began = utc_text(page.began)
            self._whole = Whole.of(ALL_DATES, began, [], of_changes=True)
        yield from self._read_changed_by_date(changed, since)
        yield from self._follow(parse_utc(self._whole.began) - OVERLAP)

    def _read_changed_by_date(self, changed: dict[str, str], since: dt.datetime) -> Steps[None]:
        assert self._whole is not None
        page = yield from self._page(changed, 1)
        self._note(None, page)
        dates = remaining(ALL_DATES, self._whole.ranges)
        if (yield from self._filters_combine(changed, page)):
            yield from self._read_slices(changed, dates)
            return
        length = (yield from self._length(self._always())) or 0
        if PART_WORTH_ALL * (page.taken.envelope.total or 0) < length:
            yield from self._read_slices(changed, [ALL_DATES], cut=False)
            return
        # Rows that were never inside the dates are not told as deleted.
        self._paging.gone_since = utc_text(since)
        yield from self._read_slices(self._always(), dates)

    def _filters_combine(self, changed: Mapping[str, str], page: Answer[Page]) -> Steps[bool]:
        """Tell whether this list takes dates and changes together, as an answer shows that can only come of both."""
        to_date = min(self._days(page), default=None)
        if to_date is None:
            return False
        both = yield from self._page({**changed, "to_date": to_date.isoformat()}, 1)
        self._note(None, both)
        since = changed["updated_or_created_since"]
        before, now = page.taken.envelope.total, both.taken.envelope.total
        return (
            before is not None
            and now is not None
            and 0 < now < before
            and all(day <= to_date for day in self._days(both))
            and all(second_of(item.changed) >= second_of(since) for item in both.taken.kept.items)
        )

    def _follow(self, since: dt.datetime) -> Steps[None]:
        """Read what was changed since a whole reading began, and prove by it what is open.

        A longer list of changes needs no proof here: the watermark does not go beyond its beginning.
        """
        self._paging.gone_since = "" if self._old is not None else None
        ended = self._ended()
        slice_ = Slice(self._changed(since), ALL_DATES, ALL_DATES, self._facts.page_size)
        page = yield from self._page(slice_.params, 1)
        self._begin(slice_, page)
        yield from self._finish(slice_)
        if slice_.is_one_answer:
            # Of a longer list nothing is kept, however much was changed.
            touched = Touched()
            touched.note(changes_of(page.taken.kept.items))
            yield from self._accept_untouched(touched, slice_, ended)
        else:
            self._reached = since
            self._note_proven(slice_)
        yield from self._prove_all()
