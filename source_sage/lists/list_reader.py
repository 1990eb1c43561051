"""The slices of one list that are being read: which pages are asked for, which rows leave, when a checkpoint does.

A row leaves once a run, exactly: a key that has left by any slice, proven or not, does not leave again. What proves a
slice is up to the kind of list (`proofs`, `still`); what is proven here is a checkpoint.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Final

from source_sage.api.transport import Answer
from source_sage.clock import DAY, SECOND, parse_utc, utc_text
from source_sage.config import ALL_DATES, Window
from source_sage.errors import transient_error
from source_sage.lists.asking import Ask, Reader, Steps
from source_sage.lists.cuts import FIRST_SLICE, LONGEST_SLICE, SHORT_LIST, Cutter, merged
from source_sage.lists.keys import Keys, hash_of
from source_sage.lists.paging import Page, Paging, Taken, attributes_of
from source_sage.lists.rows import extremes
from source_sage.lists.rows_to_emit import RowsToEmit, day_of
from source_sage.lists.slices import Slice
from source_sage.lists.state import Checkpoint
from source_sage.lists.task import Batch, Task

logger = logging.getLogger("airbyte.source-sage")

# Longer than a change may take to show up, and than Sage's clocks and this machine's may be apart.
OVERLAP: Final = dt.timedelta(minutes=10)
NOTHING_CHANGED_SINCE: Final = dt.datetime(2999, 1, 1, tzinfo=dt.UTC)
# A slice is no longer than this part of what the run has proven, so that a kill costs no more than that.
GROWTH: Final = 0.25
WALKS_OF_CHANGES: Final = 6
SLICES_AT_ONCE: Final = 2


class ListReader(Reader):
    """Reads a list of pages."""

    # Whether no answer can show that Sage counts the days in that a question names.
    _days_overlap: ClassVar[bool] = False

    def __init__(self, task: Task) -> None:
        super().__init__()
        self._task = task
        self._facts = task.facts
        self._to_emit = RowsToEmit(task.facts, task.business.id, task.window, task.shaper)
        self._paging = Paging(task, self, self._to_emit)
        # The keys that have left by no slice that is still open.
        self._left = Keys()
        self._open: list[Slice] = []
        self._proven = 0  # rows
        self._began: dt.datetime | None = None
        self._reached: dt.datetime | None = None
        self._lag = OVERLAP
        # Which of from_date and to_date Sage counts in, as far as an answer has shown.
        self._inclusive: set[str] = set()
        self._expected: int | None = None  # rows of the ranges that were begun
        self._warned = self._knows_excess = False
        self._latest = self._stamp = task.clock.now()
        checkpoint = task.checkpoint
        self._old = checkpoint
        self._whole = checkpoint.whole if checkpoint else None
        self.was_given = self._whole is not None

    @property
    def _name(self) -> str:
        return f"{self._facts.name} of {self._task.business}"

    # Slices.

    def _read_slices(self, base: Mapping[str, str], ranges: Iterable[Window], *, cut: bool = True) -> Steps[None]:
        """Read some ranges of dates of what a query asks for; they are proven as far as may be on the way."""
        for window in ranges:
            slice_ = self._slice(base, window)
            page = yield from self._page(slice_.params, 1)
            total = page.taken.envelope.total or 0
            self._expected = (self._expected or 0) + total
            is_long = cut and self._facts.dates and total > SHORT_LIST
            if is_long and (yield from self._may_be_cut(base, slice_, page)):
                self._note(None, page)
                today = self._task.clock.now().date()
                yield from self._cut(base, Cutter(window, total, self._days(page), today, overlap=self._days_overlap))
            else:
                self._begin(slice_, page)
        while any(not one.pages.finished for one in self._open):
            yield from self.turn()
            if any(not one.pages.finished for one in self._open):
                yield from self._prove_ended()
        for one in list(self._open):
            yield from self._learn_of_total(one)

    def _may_be_cut(self, base: Mapping[str, str], slice_: Slice, page: Answer[Page]) -> Steps[bool]:
        """Tell whether all rows of a list have dates: without, they may be hidden by each question for dates."""
        if slice_.days != ALL_DATES:
            return True
        total = page.taken.envelope.total
        for _ in range(2):
            dated = yield from self._length({**base, "to_date": dt.date.max.isoformat()})
            if dated == total:
                return True
            total = yield from self._length(slice_.params)
        return False

    def _cut(self, base: Mapping[str, str], cutter: Cutter) -> Steps[None]:
        while cutter.more:
            if sum(not one.pages.finished for one in self._open) >= SLICES_AT_ONCE:
                yield from self.turn()
                yield from self._prove_ended()
                continue
            limit = min(FIRST_SLICE + int(GROWTH * self._proven), LONGEST_SLICE)
            known = len(self._inclusive)
            slice_ = self._slice(base, cutter.propose(limit))
            page = yield from self._page(slice_.params, 1)
            total = page.taken.envelope.total or 0
            # A question that has just shown that its first and last day are counted in is put anew without their
            # neighbours, which may hold most of the rows.
            if (total <= limit or len(self._inclusive) == known) and cutter.fits(total, self._days(page), limit):
                self._begin(slice_, page)
            else:
                self._note(None, page)
            yield from self._prove_ended()

    def _slice(self, base: Mapping[str, str], window: Window) -> Slice:
        if not self._facts.dates:
            return Slice(base, ALL_DATES, ALL_DATES, self._facts.page_size, window)
        # A day more on each side: whether Sage counts these days in is not known (docs/sage-api.md#filters).
        first = window.start if "from_date" in self._inclusive else _before(window.start)
        last = window.end if "to_date" in self._inclusive else _after(window.end)
        reach = Window(first, last)
        dates = {"from_date": reach.start, "to_date": reach.end}
        params = {**base, **{name: day.isoformat() for name, day in dates.items() if day is not None}}
        return Slice(params, window, reach, self._facts.page_size, window)

    def _begin(self, slice_: Slice, page: Answer[Page]) -> None:
        """Begin a slice with its first page, which has come already."""
        self._open.append(slice_)
        slice_.pages.wanted()
        self._take(slice_, 1, page)

    def _finish(self, slice_: Slice) -> Steps[None]:
        while not slice_.pages.finished:
            yield from self.turn()
        yield from self._learn_of_total(slice_)

    def _learn_of_total(self, slice_: Slice) -> Steps[None]:
        """Where `$total` is wrong, say so once; where it tells of as many rows too many in an empty list, it is right
        less these."""
        if slice_.excess and (slice_.seen or self._knows_excess):
            yield from self._ask_for_short_pages_again(slice_)
        excess = slice_.excess
        if (excess or slice_.pages.lied) and not self._warned:
            self._warned = True
            logger.warning(
                "%s: Sage's count of the rows ($total) is not the length of the list; it is read to its real end.",
                self._name,
            )
        if excess and not self._knows_excess:
            self._knows_excess = True
            if not slice_.seen:
                asked = self._facts.changes and (yield from self._length(self._changed(NOTHING_CHANGED_SINCE)))
                excess = asked or 0
            self._paging.excess = excess
        slice_.correct_totals(self._paging.excess)

    def _ask_for_short_pages_again(self, slice_: Slice) -> Steps[None]:
        """See whether a page that came short, or empty, was that by chance, before `$total` is taken to be wrong."""
        for number in [number for number in slice_.pages.short if number not in slice_.asked_again]:
            slice_.asked_again.add(number)
            page = yield from self._page(slice_.params, number)
            slice_.take_again(number, page.taken.envelope)
            self._note(slice_, page)

    def _read_again(self, slice_: Slice, *, afresh: bool) -> Steps[None]:
        logger.info("%s moved while it was read; reading %s again.", self._name, slice_)
        self._left.absorb(slice_.begin_again(afresh=afresh))
        yield from self._finish(slice_)

    def _read_until_still(self, slice_: Slice) -> Steps[None]:
        yield from self._read_again(slice_, afresh=True)
        if not slice_.stood_still:
            raise self._unproven()
        self._note_proven(slice_)

    def _prove_ended(self) -> Steps[None]:
        """Prove the slices that have ended, if it costs little; what is proven here is a checkpoint."""
        yield from ()

    def _note_proven(self, slice_: Slice) -> None:
        self._open.remove(slice_)
        self._left.absorb(slice_.forget_keys())
        if slice_.done is not None and self._whole is not None:
            self._proven += slice_.seen
            self._whole = self._whole.with_done(merged([*self._whole.ranges, slice_.done]))
            self._leave_checkpoint()

    def _unproven(self) -> Exception:
        return transient_error(
            f"{self._name} went on changing while it was read again and again; a row may be missing. What is proven is "
            "saved; the next sync asks for the rest again."
        )

    # Pages.

    def wanted(self) -> Ask[Any] | None:
        """What is waited for, then the pages of the slices in their order."""
        if ask := super().wanted() or self._paging.wanted():
            return ask
        if self._paging.sizes.waits:
            return None
        for one in self._open:
            number = one.pages.wanted()
            if number is not None:
                self._paging.ask(one.params, number, partial(self._take, one, number))
                return self._paging.wanted()
        return None

    def _page(self, params: Mapping[str, str], number: int) -> Steps[Answer[Page]]:
        """Ask for one page and wait for it."""
        came: list[Answer[Page]] = []
        self._paging.ask(params, number, came.append)
        while not came:
            yield from self.turn()
        self._learn_of_dates(params, self._days(came[0]))
        return came[0]

    def _length(self, params: Mapping[str, str]) -> Steps[int | None]:
        """`$total` of a list now; one cheap request. None if Sage does not say."""
        answer = yield from self.answer(partial(self._paging.first_row, params))
        return answer.taken.envelope.total

    def _take(self, slice_: Slice, number: int, page: Answer[Page]) -> None:
        """Take a page of a slice in its turn."""
        envelope, taken = page.taken
        if slice_.began is None:
            slice_.began = page.began
        if slice_.on_page is not None:
            slice_.on_page(taken)
        self._note(slice_, page)
        slice_.take(number, envelope, [item.key for item in taken.items])
        if slice_.done is not None:
            walked = self._proven + sum(one.seen for one in self._open if one.done is not None)
            self._task.tally.note_page(walked, self._expected, self._facts.page_size)

    def _note(self, slice_: Slice | None, page: Answer[Page]) -> int:
        """Emit the rows of a page that have not left in this run; gives how many."""
        taken = page.taken.kept
        changed = extremes(item.changed for item in taken.items)
        self._note_moment(page, changed)
        hashes = {hash_of(item.key) for item in taken.items if item.key is not None}
        if slice_ is not None and changed:
            slice_.see_changed(changed)
        if slice_ is not None and not slice_.leaves:
            slice_.see(hashes, (), ())
            return 0
        to_emit = {hash_of(key): key for key in taken.to_emit}
        left = self._has_left(hashes | to_emit.keys())
        again = {key for one, key in to_emit.items() if one in left}
        if slice_ is None:
            self._left.add(to_emit.keys() - left)
        else:
            slice_.see(hashes, to_emit, left - slice_.emitted.held(left))
        self._task.tally.note_rows(len(to_emit) - len(again), changed)
        records = [one.without(again) for one in taken.records] if again else taken.records
        self._task.hand_on(Batch(records))
        return len(to_emit) - len(again)

    def _has_left(self, hashes: Collection[int]) -> set[int]:
        """Those of some keys that have left in this run."""
        return self._left.held(hashes).union(*(one.emitted.held(hashes) for one in self._open))

    def _note_moment(self, page: Answer[Page], changed: Sequence[str]) -> None:
        """Note when a page was answered, and how far the clock that rows are stamped with is behind that.

        Args:
            page: the answer.
            changed: the least and the greatest time of change on it; nothing if there is none.
        """
        self._latest, self._stamp = page.moment, page.stamp
        if self._began is None:
            self._began = page.began
            if self._whole is not None:
                self._whole = self._whole.begun(utc_text(self._began))
                self._leave_checkpoint()
        if changed:
            behind = page.moment - parse_utc(changed[-1])
            if -OVERLAP < behind < self._lag:
                self._lag = max(behind, dt.timedelta(0))

    def _learn_of_dates(self, params: Mapping[str, str], days: Iterable[dt.date]) -> None:
        if not self._days_overlap:
            shown = {day.isoformat() for day in days}
            self._inclusive.update(name for name in ("from_date", "to_date") if params.get(name) in shown)

    def _days(self, page: Answer[Page]) -> list[dt.date]:
        return [day for item in page.taken.kept.items if (day := day_of(item.date))]

    def _always(self) -> dict[str, str]:
        sort = {"sort": "created_at:asc"} if self._facts.sort else {}
        return {"attributes": attributes_of(self._facts), **sort, **self._facts.query}

    def _changed(self, since: dt.datetime) -> dict[str, str]:
        return {**self._always(), "updated_or_created_since": utc_text(since)}

    # Lists of changes and deletions, checkpoints.

    def _list(self, params: dict[str, str], on_page: Callable[[Taken], None]) -> Steps[None]:
        """Read a list of changes or deletions of which no rows leave; both only grow.

        Raises:
            AirbyteTracedException: it went on changing.
        """
        slice_ = Slice(params, ALL_DATES, ALL_DATES, self._facts.page_size)
        slice_.on_page, slice_.leaves = on_page, False
        self._open.append(slice_)
        for _ in range(WALKS_OF_CHANGES):
            yield from self._finish(slice_)
            if slice_.is_one_answer or slice_.is_as_long_as_told:
                self._open.remove(slice_)
                return
            slice_.begin_again()
        raise self._unproven()

    def _tell_deletions(self, since: dt.datetime) -> Steps[None]:
        """Emit tombstones for the rows that were deleted since, unless they have left in this run."""
        if self._facts.tombstones:
            yield from self._list(deletions(since, self._facts.deleted_since_min), self._emit_tombstones)

    def _emit_tombstones(self, taken: Taken) -> None:
        hashes = {hash_of(item.key): item for item in taken.items if item.key}
        gone = hashes.keys() - self._has_left(hashes)
        self._left.add(gone)
        named = [(str(hashes[one].key), hashes[one].gone) for one in gone]
        rows = self._to_emit.tombstones(named, utc_text(self._stamp))
        self._task.tally.tombstones += len(rows)
        self._task.hand_on(Batch(self._task.emit(rows, deletions=True)))

    def _leave_checkpoint(self) -> None:
        """Leave a checkpoint of a whole reading that is under way."""
        assert self._whole is not None
        checkpoint = self._old.reading(self._whole) if self._old else Checkpoint(whole=self._whole)
        self._save(checkpoint)

    def _reach_the_end(self) -> None:
        """Leave the checkpoint of all that was to be read."""
        reached = (self._began or self._task.clock.now()) - OVERLAP
        watermark = utc_text(min(reached, self._reached or reached))
        self._save(Checkpoint.for_window(self._task.window, watermark))

    def _save(self, checkpoint: Checkpoint) -> None:
        self._task.hand_on(Batch(checkpoint=checkpoint.asking(self._paging.sizes.smaller)))


def deletions(since: dt.datetime, earliest: str | None = None) -> dict[str, str]:
    """A query for what was deleted since; Sage leaves that very moment out."""
    after = since - SECOND
    after = max(after, parse_utc(earliest)) if earliest else after
    return {"attributes": "deleted_at", "deleted_since": utc_text(after)}


def _before(day: dt.date | None) -> dt.date | None:
    return day - DAY if day is not None and day > dt.date.min else day


def _after(day: dt.date | None) -> dt.date | None:
    return day + DAY if day is not None and day < dt.date.max else day
