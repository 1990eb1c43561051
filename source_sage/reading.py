"""The reading of one list of one business: which questions, in which order, and when its checkpoint moves.

A list that was never read is read whole, in slices (`cuts`), each proven before it becomes a checkpoint (`slices`).
Then, and in every later sync, Sage is asked what was changed since, by `updated_or_created_since` (inclusive) alone:
dates are looked at row by row, so that a row that was edited out of them leaves the destination too. What was deleted
is asked for last; a key leaves once a run, and what changed after it left is left to the next sync.

The watermark is Sage's clock when the run began, less an overlap, never the largest `updated_at` seen: a row edited
on a page already read must come again. It moves only when everything was read to its end and proven.

Stock movements take no filter for changes: the last months are read again at each sync, by date.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

from source_sage.asking import Ask, Reader, Steps
from source_sage.clock import parse_utc, utc_text
from source_sage.config import ALL_DATES, Window
from source_sage.cuts import FIRST_SLICE, LONGEST_SLICE, SHORT_LIST, Cutter, left_of, merged
from source_sage.errors import transient_error
from source_sage.keys import Keys, hash_of
from source_sage.leaving import Leaving, day_of
from source_sage.pages import Envelope
from source_sage.records import Records
from source_sage.rows import extremes, second_of
from source_sage.slices import Change, Slice, Touched
from source_sage.state import Checkpoint, Whole
from source_sage.task import Batch, Task
from source_sage.transport import TRIES, Answer, NoGoodAnswer, NotSagesWord

logger = logging.getLogger("airbyte.source-sage")

# Longer than a change may take to show up, and than Sage's clocks and this machine's may be apart.
OVERLAP: Final = dt.timedelta(minutes=10)
# Longer than a change may take to show up while a list is read.
LATE: Final = dt.timedelta(seconds=75)
LATE_EDITS: Final = dt.timedelta(days=90)
END_OF_TIME: Final = dt.datetime(2999, 1, 1, tzinfo=dt.UTC)
SECOND: Final = dt.timedelta(seconds=1)
DAY: Final = dt.timedelta(days=1)
WALKS: Final = 3
GROWTH: Final = 1.5
PROOFS: Final = 10
PROOFS_ON_THE_WAY: Final = 2
WALKS_OF_CHANGES: Final = 6
SLICES_AT_ONCE: Final = 2
# A proof before the end is put off if more rows than this were changed lately.
TOUCHED_AT_MOST: Final = 1_000
# A long list of changes is read by dates anew rather than without checkpoints if it is this part of the whole list.
PART_WORTH_ALL: Final = 4
# Answers that come side by side are not in the order of the pages: so far from the place where the list has moved.
PAGES_AROUND: Final = 12
TRIES_BEFORE_SHRINKING: Final = 3
SMALLEST_PAGE: Final = 25
MOST_PATIENCE: Final = 64
# Fields of ours that Sage does not know, and those that it sends unasked.
NOT_TO_ASK_FOR: Final = frozenset({"business_id", "is_deleted", "id", "displayed_as"})


class Item(NamedTuple):
    """What is kept of one of Sage's records: what tells it from others, and the rest as Sage wrote it."""

    key: str | None
    changed: Any = None
    date: Any = None
    gone: Any = None


@dataclass(frozen=True)
class Taken:
    """What is kept of a page of Sage's records.

    Attributes:
        items: all of them.
        leaving: keys of the rows that would leave.
        records: them, written.
    """

    items: list[Item]
    leaving: list[Any]
    records: list[Records]


Page = tuple[Envelope, Taken]
Then = Callable[[Answer[Page]], None]


class ListReading(Reader):
    """Reads a list of pages."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self._task = task
        self._facts = task.facts
        self._smaller = task.facts.page_size
        self._patience, self._grows_after = 1, 0
        self._page_bytes = 0
        self._leaving = Leaving(task.facts, task.business.id, task.window, task.shaper)
        # The keys that have left by no slice that is still open.
        self._left = Keys()
        self._open: list[Slice] = []
        self._settled: list[Slice] = []
        self._proven = 0
        self._began: dt.datetime | None = None
        self._reached: dt.datetime | None = None
        self._lag = OVERLAP
        # Which of from_date and to_date Sage counts in, as far as an answer has shown.
        self._inclusive: set[str] = set()
        self._gone_since: str | None = None
        self._rows_told = 0
        self._warned = self._knows_excess = False
        self._excess = 0
        self._deletions_told: frozenset[int] = frozenset()
        self._latest = task.clock.now()
        checkpoint = task.checkpoint
        self._old = checkpoint
        self._whole = checkpoint.whole if checkpoint else None
        self.was_given = self._whole is not None

    def run(self) -> Steps[None]:
        """Read to the end."""
        if self._facts.changes:
            yield from self._read_changing()
        elif self._facts.by_date:
            yield from self._read_by_date()
        else:
            yield from self._read_slices(self._always(), [ALL_DATES])
            yield from self._settle_still()

    @property
    def _name(self) -> str:
        return f"{self._facts.name} of {self._task.business}"

    # The three kinds of lists.

    def _read_changing(self) -> Steps[None]:
        old, window = self._old, self._task.window
        watermark = old.watermark if old else ""
        since = parse_utc(watermark) if watermark else None
        is_covered = bool(watermark) and (not self._facts.date_field or (old is not None and old.covers(window)))
        if self._whole is not None and self._whole.of_changes is not is_covered:
            # The dates were changed meanwhile: what is done of the other kind of reading says nothing of this one.
            self._whole = None
        if not is_covered:
            if self._whole is None or not self._whole.is_for(window):
                began = self._whole.began if self._whole and not watermark else ""
                # What an earlier sync has read is there; what is changed since then is asked for after this.
                done = [old.window] if watermark and old and self._facts.dates else []
                self._whole = Whole.of(window, began, done)
            yield from self._read_slices(self._always(), left_of(window, self._whole.ranges))
            if old is None and len(self._open) == 1 and self._open[0].is_one_answer and not self._proven:
                self._note_proven(self._open[0])
            else:
                yield from self._follow(since or parse_utc(self._whole.began) - OVERLAP)
        elif since is not None:
            yield from self._catch_up(since)
        if old is not None:
            yield from self._tell_deletions(since or parse_utc(old.whole.began if old.whole else "") - OVERLAP)
        self._reach_the_end()

    def _read_by_date(self) -> Steps[None]:
        old, window = self._old, self._task.window
        is_covered = old is not None and bool(old.watermark) and old.covers(window)
        if old is not None and is_covered:
            late = (parse_utc(old.watermark) - LATE_EDITS).date()
            window = Window(late if window.start is None else max(late, window.start), window.end)
        if self._whole is None or not self._whole.is_for(window):
            self._whole = Whole.of(window, "", [])
        if window.start is None or window.end is None or window.start <= window.end:
            yield from self._read_slices(self._always(), left_of(window, self._whole.ranges))
            yield from self._settle_by_date()
        self._reach_the_end()

    def _catch_up(self, since: dt.datetime) -> Steps[None]:
        """Read what was changed since the last sync; if that is much, by dates, with checkpoints."""
        changed = {**self._always(), "updated_or_created_since": utc_text(since)}
        self._gone_since = ""
        if self._whole is None:
            slice_ = Slice(changed, ALL_DATES, ALL_DATES, self._facts.page_size)
            page = yield from self._page(slice_.params, 1)
            total = page.taken[0].total or 0
            if total <= SHORT_LIST or not self._facts.dates:
                self._begin(slice_, page)
                yield from self._finish(slice_)
                yield from self._settle()
                return
            self._note(None, page)
            began = utc_text(page.moment - dt.timedelta(seconds=page.took))
            self._whole = Whole.of(ALL_DATES, began, [], of_changes=True)
        yield from self._read_changed_by_date(changed, since)
        yield from self._follow(parse_utc(self._whole.began) - OVERLAP)

    def _read_changed_by_date(self, changed: dict[str, str], since: dt.datetime) -> Steps[None]:
        assert self._whole is not None
        page = yield from self._page(changed, 1)
        self._note(None, page)
        left = left_of(ALL_DATES, self._whole.ranges)
        if (yield from self._filters_combine(changed, page)):
            yield from self._read_slices(changed, left)
            return
        length = (yield from self._length(self._always())) or 0
        if PART_WORTH_ALL * (page.taken[0].total or 0) < length:
            yield from self._read_slices(changed, [ALL_DATES], cut=False)
            return
        # Rows that were never inside the dates are not told as deleted.
        self._gone_since = utc_text(since)
        yield from self._read_slices(self._always(), left)

    def _filters_combine(self, changed: Mapping[str, str], page: Answer[Page]) -> Steps[bool]:
        """Tell whether this list takes dates and changes together, as an answer shows that can only come of both."""
        to_date = min(self._days(page), default=None)
        if to_date is None:
            return False
        both = yield from self._page({**changed, "to_date": to_date.isoformat()}, 1)
        self._note(None, both)
        since = changed["updated_or_created_since"]
        before, now = page.taken[0].total, both.taken[0].total
        return (
            before is not None
            and now is not None
            and 0 < now < before
            and all(day <= to_date for day in self._days(both))
            and all(second_of(item.changed) >= second_of(since) for item in both.taken[1].items)
        )

    # Slices.

    def _read_slices(self, base: Mapping[str, str], ranges: Iterable[Window], *, cut: bool = True) -> Steps[None]:
        """Read some ranges of dates of what a query asks for; they are proven as far as may be on the way."""
        for window in ranges:
            slice_ = self._slice(base, window)
            page = yield from self._page(slice_.params, 1)
            total = page.taken[0].total or 0
            is_long = cut and self._facts.dates and total > SHORT_LIST
            if is_long and (yield from self._may_be_cut(base, slice_, page)):
                self._note(None, page)
                yield from self._cut(base, Cutter(window, total, self._days(page), self._task.clock.now().date()))
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
        total = page.taken[0].total
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
            limit = min(int(FIRST_SLICE * GROWTH ** min(self._proven, 10)), LONGEST_SLICE)
            known = len(self._inclusive)
            slice_ = self._slice(base, cutter.propose(limit))
            page = yield from self._page(slice_.params, 1)
            total = page.taken[0].total or 0
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
                asked = self._facts.changes and (yield from self._length(self._changed(END_OF_TIME)))
                excess = asked or 0
            self._excess = excess
        slice_.correct_totals(self._excess)

    def _prove_ended(self) -> Steps[None]:
        """Prove the slices that have ended, if it costs little; what is proven here is a checkpoint."""
        if self._facts.by_date:
            for one in [one for one in self._open if one.pages.finished and one.stood_still]:
                self._note_proven(one)
        elif self._facts.changes and any(not one.tried for one in self._ended()):
            yield from self._settle(at_most=TOUCHED_AT_MOST)

    # Proofs.

    def _follow(self, since: dt.datetime) -> Steps[None]:
        """Read what was changed since a whole reading began, and prove by it what is open.

        A longer list of changes needs no proof here: the watermark does not go beyond its beginning.
        """
        self._gone_since = "" if self._old is not None else None
        slice_ = Slice(self._changed(since), ALL_DATES, ALL_DATES, self._facts.page_size)
        touched = yield from self._read_changes(slice_)
        if touched is not None and slice_.is_one_answer:
            yield from self._accept_untouched(touched, slice_)
        else:
            self._reached = since
            self._note_proven(slice_)
        yield from self._settle()

    def _read_changes(self, slice_: Slice, at_most: int | None = None) -> Steps[Touched | None]:
        """Read a list of changes, whose rows leave; None if it is longer than `at_most`."""
        touched = Touched()
        slice_.on_page = lambda taken: touched.note(_changes_of(taken.items))
        page = yield from self._page(slice_.params, 1)
        if at_most is not None and (page.taken[0].total or 0) > at_most:
            self._note(None, page)
            return None
        self._begin(slice_, page)
        yield from self._finish(slice_)
        touched.began = slice_.began
        return touched

    def _settle(self, at_most: int | None = None) -> Steps[None]:
        """Prove the slices that have ended.

        Args:
            at_most: put it off if more than so many rows were touched.

        Raises:
            AirbyteTracedException: one cannot be proven.
        """
        for _ in range(PROOFS if at_most is None else PROOFS_ON_THE_WAY):
            for one in [one for one in self._open if one.pages.finished]:
                yield from self._learn_of_total(one)
            ended = self._ended()
            if not ended:
                return
            evidence = Slice(self._since(ended), ALL_DATES, ALL_DATES, self._facts.page_size)
            touched = yield from self._read_changes(evidence, at_most)
            if touched is None:
                return
            yield from self._accept_untouched(touched, evidence)
            if self._ended():
                yield from self._prove(touched, evidence)
            if evidence in self._open:
                self._note_proven(evidence)
        if at_most is None:
            raise self._unproven()

    def _ended(self) -> list[Slice]:
        """The slices that are read and not proven. A single answer needs no proof."""
        for one in [one for one in self._open if one.pages.finished and one.is_one_answer and one.on_page is None]:
            self._note_proven(one)
        return [one for one in self._open if one.pages.finished]

    def _accept_untouched(self, touched: Touched, evidence: Slice) -> Steps[None]:
        """Note the slices as proven of which nothing was touched, as one answer tells.

        Where `$total` proves nothing, a longer list of changes does as well if it brings nothing that was not known
        before a slice was read: then everything stood still.
        """
        ended = [one for one in self._ended() if one is not evidence]
        if any(not one.pages.trusted for one in ended):
            yield from self._note_deletions(touched, ended)
        for one in ended:
            one.tried = True
            if one.is_untouched(touched) and (evidence.is_one_answer or not one.pages.trusted):
                self._note_proven(one)
        if evidence.is_one_answer:
            self._note_proven(evidence)

    def _since(self, slices: Iterable[Slice]) -> dict[str, str]:
        """A query for all that was changed since the first of some slices was begun, whatever the clocks say."""
        return self._changed(min(one.began for one in slices if one.began) - self._lag - LATE)

    def _changed(self, since: dt.datetime) -> dict[str, str]:
        return {**self._always(), "updated_or_created_since": utc_text(since)}

    def _prove(self, touched: Touched, evidence: Slice) -> Steps[None]:
        """Prove slices in which something was touched, and look again where a row may have been missed."""
        slices = sorted(self._ended(), key=lambda one: one is not evidence)
        totals = {}
        for one in slices:
            totals[one] = yield from self._length(one.params)
        yield from self._note_deletions(touched, slices)
        since = evidence.params["updated_or_created_since"]
        later: list[Change] = []
        yield from self._list(self._since([evidence]), lambda taken: later.extend(_changes_of(taken.items)))
        tells = self._facts.tombstones or self._facts.keeps_deleted
        again: dict[Slice, bool] = {}
        for one in slices:
            missed = partial(one.missed, totals[one], touched, later)
            # What was changed between the questions may be all that seems to be missed; the next time will tell.
            is_clear = not touched.unknown(later) or one.doubted
            if not (tells and one.pages.trusted):
                again[one] = True
            elif missed() > 0 and is_clear and not one.looked_at:
                yield from self._look_again(one, touched, since, missed)
            if one in again:
                continue
            if missed() == 0:
                self._note_proven(one)
            elif one is evidence:
                break
            elif one.looked_at or missed() < 0:
                again[one] = missed() < 0
            one.doubted = True
        touched.note(later)
        for one, afresh in again.items():
            if one is not evidence and one.walks < WALKS:
                one.before = touched
                yield from self._read_again(one, afresh=afresh)

    def _note_deletions(self, touched: Touched, slices: Sequence[Slice]) -> Steps[None]:
        if self._facts.tombstones:
            since = parse_utc(self._since(slices)["updated_or_created_since"])
            told: list[tuple[str, Any]] = []
            query = _deletions(since, self._facts.deleted_since_min)
            yield from self._list(
                query, lambda taken: told.extend((one.key, one.gone) for one in taken.items if one.key)
            )
            self._deletions_told = touched.note_deleted(told, self._deletions_told)

    def _read_again(self, slice_: Slice, *, afresh: bool) -> Steps[None]:
        logger.info("%s moved while it was read; reading %s again.", self._name, slice_)
        self._left.absorb(slice_.begin_again(afresh=afresh))
        yield from self._finish(slice_)

    def _look_again(self, slice_: Slice, touched: Touched, since: str, missed: Callable[[], int]) -> Steps[None]:
        """Ask once more for the pages where rows are most likely missed.

        These are the pages that came short or beside which `$total` changed; then the place up to which the list has
        moved since its pages were answered, which halving finds if it moved once.
        """
        slice_.looked_at = True
        looked: dict[int, bool] = {}
        most = slice_.pages.count // 3 + 2

        def look(number: int) -> Steps[None]:
            if number in looked or not 1 <= number <= slice_.pages.count or len(looked) >= most:
                return
            page = yield from self._page(slice_.params, number)
            items = page.taken[1].items
            looked[number] = slice_.is_moved(number, [item.key for item in items])
            touched.note_keys(item.key for item in items if item.key and second_of(item.changed) >= second_of(since))
            self._note(slice_, page)

        for number in slice_.doubtful():
            if missed() > 0:
                yield from look(number)
        low, high = 1, slice_.pages.count + 1
        while missed() > 0 and high - low > 1 and len(looked) < most:
            middle = (low + high) // 2
            yield from look(middle)
            low, high = (middle, high) if looked[middle] else (low, middle)
        for away in range(PAGES_AROUND):
            for number in (low + away, low - away):
                if missed() > 0:
                    yield from look(number)

    def _settle_still(self) -> Steps[None]:
        """See that lists that cannot be asked for changes stood still; what did not is read once more."""
        for one in list(self._open):
            if not (one.is_one_answer or one.stood_still):
                yield from self._read_again(one, afresh=True)
                if not one.stood_still:
                    raise self._unproven()
            self._note_proven(one)

    def _settle_by_date(self) -> Steps[None]:
        """Ask once more how long each slice is, and look for what has entered meanwhile."""
        slices = [*self._settled, *self._open]
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
                yield from self._read_again_by_date(one)
            elif is_open:
                self._note_proven(one)

    def _read_again_by_date(self, slice_: Slice) -> Steps[None]:
        if slice_ not in self._open:
            self._open.append(slice_)
        yield from self._read_again(slice_, afresh=True)
        if not slice_.stood_still:
            raise self._unproven()
        self._note_proven(slice_)

    def _look_for_new(self, slice_: Slice, wanted: int) -> Steps[int]:
        """Look for rows that have entered: at the end, else where the list begins to have moved; gives how many."""
        found = 0
        looked: dict[int, bool] = {}

        def look(number: int) -> Steps[None]:
            nonlocal found
            page = yield from self._page(slice_.params, number)
            looked[number] = slice_.is_moved(number, [item.key for item in page.taken[1].items])
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

    def _note_proven(self, slice_: Slice) -> None:
        self._open.remove(slice_)
        if self._facts.by_date:
            self._settled.append(slice_)
        self._left.absorb(slice_.settle())
        if slice_.done is not None and self._whole is not None:
            self._proven += slice_.pages.count > 1
            self._whole = self._whole.with_done(merged([*self._whole.ranges, slice_.done]))
            self._leave_checkpoint()

    def _unproven(self) -> Exception:
        return transient_error(
            f"{self._name} went on changing while it was read again and again; a row may be missing. What is proven is "
            "saved; the next sync asks for the rest again."
        )

    # Deletions, checkpoints.

    def _tell_deletions(self, since: dt.datetime) -> Steps[None]:
        """Emit tombstones for the rows that were deleted since, unless they have left in this run."""
        if self._facts.tombstones:
            yield from self._list(_deletions(since, self._facts.deleted_since_min), self._emit_tombstones)

    def _emit_tombstones(self, taken: Taken) -> None:
        hashes = {hash_of(item.key): item for item in taken.items if item.key}
        gone = hashes.keys() - self._has_left(hashes)
        self._left.add(gone)
        named = [(str(hashes[one].key), hashes[one].gone) for one in gone]
        rows = self._leaving.tombstones(named, utc_text(self._latest))
        self._task.tally.tombstones += len(rows)
        self._task.hand_on(Batch(self._task.emit(rows, deletions=True)))

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

    def _leave_checkpoint(self) -> None:
        """Leave a checkpoint of a whole reading that is under way."""
        assert self._whole is not None
        checkpoint = self._old.reading(self._whole) if self._old else Checkpoint(whole=self._whole)
        self._task.hand_on(Batch(checkpoint=checkpoint))

    def _reach_the_end(self) -> None:
        """Leave the checkpoint of all that was to be read."""
        reached = (self._began or self._task.clock.now()) - OVERLAP
        watermark = utc_text(min(reached, self._reached or reached))
        self._task.hand_on(Batch(checkpoint=Checkpoint.for_window(self._task.window, watermark)))

    # Pages.

    def wanted(self) -> Ask[Any] | None:
        """What is waited for, then the pages of the slices in their order."""
        if ask := super().wanted():
            return ask
        for one in self._open:
            number = one.pages.wanted()
            if number is not None:
                self._ask_page(one.params, number, partial(self._take, one, number))
                return super().wanted()
        return None

    def _page(self, params: Mapping[str, str], number: int) -> Steps[Answer[Page]]:
        """Ask for one page and wait for it."""
        came: list[Answer[Page]] = []
        self._ask_page(params, number, came.append)
        while not came:
            yield from self.turn()
        self._learn_of_dates(params, came[0])
        return came[0]

    def _length(self, params: Mapping[str, str]) -> Steps[int | None]:
        """`$total` of a list now; one cheap request. None if Sage does not say."""
        answer = yield from self.answer(partial(self._get, _paged(params, 1, 1), TRIES, None))
        return answer.taken[0].total

    def _ask_page(self, params: Mapping[str, str], number: int, then: Then, size: int | None = None) -> None:
        """Ask for a page: by one question, or by several smaller ones while the full size keeps failing."""
        size = size or self._smaller
        parts = self._facts.page_size // size
        came: dict[int, Answer[Page]] = {}
        given_up = False

        def part_came(part: int, ask: Ask[Page]) -> None:
            nonlocal given_up
            if given_up:
                return
            too_heavy = isinstance(ask.error, NoGoodAnswer) and not isinstance(ask.error, NotSagesWord)
            if too_heavy and size // 2 >= SMALLEST_PAGE:
                given_up = True
                self._shrink(size // 2)
                self._ask_page(params, number, then, size // 2)
                return
            came[part] = self.result(ask)
            if len(came) == parts:
                self._grow()
                then(_joined(number, [came[one] for one in range(parts)], parts))

        tries = TRIES_BEFORE_SHRINKING if size // 2 >= SMALLEST_PAGE else TRIES
        gone_since = self._gone_since
        for part in range(parts):
            paged = _paged(params, (number - 1) * parts + part + 1, size)
            get = partial(self._get, paged, tries, gone_since)
            self._awaited.append(Ask(get, self._page_bytes // parts, partial(part_came, part)))

    def _shrink(self, size: int) -> None:
        if size < self._smaller:
            self._smaller = size
            self._patience = min(2 * self._patience, MOST_PATIENCE)
            self._grows_after = self._patience

    def _grow(self) -> None:
        if self._smaller < self._facts.page_size:
            self._grows_after -= 1
            if self._grows_after < 0:
                self._smaller *= 2
                self._grows_after = self._patience

    def _get(self, params: Mapping[str, str], tries: int, gone_since: str | None) -> Answer[Page]:
        """Ask for one page, on another thread."""
        task = self._task

        def take(body: dict[str, Any]) -> Page:
            return Envelope.of(body, self._excess), self._taken(body["$items"], gone_since)

        return task.transport.get(
            self._facts.path,
            params,
            take,
            business_id=task.business.id,
            tally=task.tally,
            list_expected=True,
            tries=tries,
        )

    def _taken(self, records: Sequence[Any], gone_since: str | None) -> Taken:
        """Make records of items, and keep of the items what tells whether rows were missed."""
        date_field = self._facts.date_field or "date"
        items, distinct, keys = [], [], set()
        for record in records:
            key = self._leaving.key_of(record)
            if isinstance(record, dict):
                items.append(
                    Item(
                        key,
                        record.get("updated_at"),
                        record.get(date_field),
                        record.get("deleted_at"),
                    )
                )
            else:
                items.append(Item(None))
            if key is None or key not in keys:
                keys.add(key)
                distinct.append(record)
        rows = self._leaving.rows(distinct, gone_since=gone_since)
        return Taken(items, [row[self._leaving.key] for row in rows], self._task.emit(rows))

    def _take(self, slice_: Slice, number: int, page: Answer[Page]) -> None:
        """Take a page of a slice in its turn."""
        envelope, taken = page.taken
        if slice_.began is None:
            slice_.began = page.moment - dt.timedelta(seconds=page.took)
        if slice_.on_page is not None:
            slice_.on_page(taken)
        self._note(slice_, page)
        slice_.take(number, envelope, [item.key for item in taken.items])
        if slice_.done is not None:
            self._rows_told += len(taken.items)
            self._task.tally.note_page(self._rows_told, envelope.total, self._facts.page_size)

    def _note(self, slice_: Slice | None, page: Answer[Page]) -> int:
        """Emit the rows of a page that have not left in this run; gives how many."""
        taken = page.taken[1]
        changed = extremes(item.changed for item in taken.items)
        self._note_moment(page, changed)
        hashes = {hash_of(item.key) for item in taken.items if item.key is not None}
        if slice_ is not None and not slice_.leaves:
            slice_.see(hashes, (), ())
            return 0
        leaving = {hash_of(key): key for key in taken.leaving}
        left = self._has_left(hashes | leaving.keys())
        again = {key for one, key in leaving.items() if one in left}
        if slice_ is None:
            self._left.add(leaving.keys() - left)
        else:
            slice_.see(hashes, leaving, left - slice_.emitted.held(left))
        self._task.tally.note_rows(len(leaving) - len(again), changed)
        records = [one.without(again) for one in taken.records] if again else taken.records
        self._task.hand_on(Batch(records))
        return len(leaving) - len(again)

    def _has_left(self, hashes: Collection[int]) -> set[int]:
        """Those of some keys that have left in this run."""
        return self._left.held(hashes).union(*(one.emitted.held(hashes) for one in self._open))

    def _note_moment(self, page: Answer[Page], changed: Sequence[str]) -> None:
        """Note when a page was answered, and how far the clock that rows are stamped with is behind that.

        Args:
            page: the answer.
            changed: the least and the greatest time of change on it; nothing if there is none.
        """
        self._latest = page.moment
        self._page_bytes = page.size
        if self._began is None:
            self._began = page.moment - dt.timedelta(seconds=page.took)
            if self._whole is not None:
                self._whole = self._whole.begun(utc_text(self._began))
                self._leave_checkpoint()
        if changed:
            behind = page.moment - parse_utc(changed[-1])
            if -OVERLAP < behind < self._lag:
                self._lag = max(behind, dt.timedelta(0))

    def _learn_of_dates(self, params: Mapping[str, str], page: Answer[Page]) -> None:
        if not self._facts.by_date:  # a time in UTC: its day may be another one at Sage
            days = {day.isoformat() for day in self._days(page)}
            self._inclusive.update(name for name in ("from_date", "to_date") if params.get(name) in days)

    def _days(self, page: Answer[Page]) -> list[dt.date]:
        return [day for item in page.taken[1].items if (day := day_of(item.date))]

    def _always(self) -> dict[str, str]:
        attributes = self._facts.attributes
        if attributes != "all":
            attributes = ",".join(name for name in self._facts.schema_["properties"] if name not in NOT_TO_ASK_FOR)
        sort = {"sort": "created_at:asc"} if self._facts.sort else {}
        return {"attributes": attributes, **sort, **self._facts.query}


def _paged(params: Mapping[str, str], page: int, size: int) -> dict[str, str]:
    return {**params, "page": str(page), "items_per_page": str(size)}


def _deletions(since: dt.datetime, earliest: str | None = None) -> dict[str, str]:
    """A query for what was deleted since; Sage leaves that very moment out."""
    after = since - SECOND
    after = max(after, parse_utc(earliest)) if earliest else after
    return {"attributes": "deleted_at", "deleted_since": utc_text(after)}


def _changes_of(items: Iterable[Item]) -> list[Change]:
    return [Change(one.key, str(one.changed), day_of(one.date)) for one in items if one.key is not None]


def _joined(number: int, parts: Sequence[Answer[Page]], of: int) -> Answer[Page]:
    """The answer of a whole page from those of its parts, of which the last may be past the end of the list."""
    if of == 1:
        return parts[0]
    first = (number - 1) * of + 1
    there = [
        one
        for place, one in enumerate(parts)
        if one.taken[0].number in (None, first + place) and (place == 0 or one.taken[0].count)
    ]
    last = (there or parts)[-1]
    envelopes = [one.taken[0] for one in there]
    envelope = Envelope(
        sum(one.count for one in envelopes),
        hash(tuple(one.signature for one in envelopes)),
        number if there else 0,
        last.taken[0].total,
        last.taken[0].has_next,
    )
    taken = Taken(
        [item for one in there for item in one.taken[1].items],
        [key for one in there for key in one.taken[1].leaving],
        [records for one in there for records in one.taken[1].records],
    )
    return Answer((envelope, taken), last.moment, max(one.took for one in parts), sum(one.size for one in parts))


def _before(day: dt.date | None) -> dt.date | None:
    return day - DAY if day is not None and day > dt.date.min else day


def _after(day: dt.date | None) -> dt.date | None:
    return day + DAY if day is not None and day < dt.date.max else day


class SettingsReading(Reader):
    """Reads a resource that is one record per business: settings, the business itself, the user."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self._task = task

    def run(self) -> Steps[None]:
        """Read the record."""
        task = self._task
        record = yield from self.answer(
            partial(task.get, task.facts.path.replace("{business_id}", task.business.id), {})
        )
        task.hand_on(task.batch([record.taken]))
