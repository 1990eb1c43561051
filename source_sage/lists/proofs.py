"""The proof of slices: which questions are asked for it, and what is done where a row may have been missed.

The argument is in `slices`. Most slices are proven on the way, with a list of changes that is one answer; where more
was changed, `$total` and the changes are asked for once more, and so are the pages where a row is most likely missed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final

from source_sage.clock import parse_utc
from source_sage.config import ALL_DATES
from source_sage.lists.asking import Steps
from source_sage.lists.inferred import InferringReader
from source_sage.lists.list_reader import deletions
from source_sage.lists.paging import Item
from source_sage.lists.rows import second_of
from source_sage.lists.rows_to_emit import day_of
from source_sage.lists.slices import Slice
from source_sage.lists.task import Task
from source_sage.lists.touched import Change, Touched

# Longer than a change may take to show up while a list is read.
LATE: Final = dt.timedelta(seconds=75)
WALKS: Final = 3
PROOFS: Final = 10
PROOFS_ON_THE_WAY: Final = 2
# A proof before the end is put off if more rows than this were changed lately.
TOUCHED_AT_MOST: Final = 1_000
# Answers that come side by side are not in the order of the pages: so far from the place where the list has moved.
PAGES_AROUND: Final = 12


class ProvenReader(InferringReader):
    """Reads a list that can be asked for changes."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._deletions_told: frozenset[int] = frozenset()

    def _prove_ended(self) -> Steps[None]:
        """Prove the slices that have ended, if it costs little, once after each; what is proven is a checkpoint."""
        if any(not one.tried for one in self._ended()):
            yield from self._prove_all(at_most=TOUCHED_AT_MOST)

    def _prove_all(self, at_most: int | None = None) -> Steps[None]:
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
            # Far enough back for those, too, that end while it is asked for.
            evidence = Slice(self._since(self._open), ALL_DATES, ALL_DATES, self._facts.page_size)
            touched = yield from self._read_changes(evidence, at_most)
            if touched is None:
                for one in ended:
                    one.tried = True
                return
            yield from self._accept_untouched(touched, evidence, ended)
            if evidence in self._open or any(one in self._open for one in ended):
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

    def _accept_untouched(self, touched: Touched, evidence: Slice, ended: Sequence[Slice]) -> Steps[None]:
        """Note the slices as proven of which nothing was touched, as one answer tells.

        Where `$total` proves nothing, a longer list of changes does as well if it brings nothing that was not known
        before a slice was read: then everything stood still.

        Args:
            touched: what the answer tells.
            evidence: the list of changes.
            ended: those that had ended when it was asked for.
        """
        since = evidence.params["updated_or_created_since"]
        if any(not one.pages.trusted or one.newest >= second_of(since) for one in ended):
            yield from self._note_deletions(touched, ended)
        for one in ended:
            one.tried = True
            if one.is_untouched(touched) and (evidence.is_one_answer or not one.pages.trusted):
                self._note_proven(one)
        if evidence.is_one_answer and evidence in self._open:
            self._note_proven(evidence)

    def _read_changes(self, slice_: Slice, at_most: int | None) -> Steps[Touched | None]:
        """Read a list of changes, whose rows leave; None if it is longer than `at_most`."""
        touched = Touched()
        slice_.on_page = lambda taken: touched.note(changes_of(taken.items))
        page = yield from self._page(slice_.params, 1)
        if at_most is not None and (page.taken.envelope.total or 0) > at_most:
            self._note(None, page)
            return None
        self._begin(slice_, page)
        yield from self._finish(slice_)
        return touched

    def _since(self, slices: Iterable[Slice]) -> dict[str, str]:
        """A query for all that was changed since the first of some slices was begun, whatever the clocks say."""
        return self._changed(min(one.began for one in slices if one.began) - self._lag - LATE)

    def _prove(self, touched: Touched, evidence: Slice) -> Steps[None]:
        """Prove slices in which something was touched, and look again where a row may have been missed."""
        slices = sorted(self._ended(), key=lambda one: one is not evidence)
        totals = {}
        for one in slices:
            totals[one] = yield from self._length(one.params)
        yield from self._note_deletions(touched, slices)
        since = evidence.params["updated_or_created_since"]
        later: list[Change] = []
        # From the beginning where a row was told as changed and as deleted: if it is there still, that came last.
        query = dict(evidence.params) if touched.unsure else self._since([evidence])
        yield from self._list(query, lambda taken: later.extend(changes_of(taken.items)))
        touched.note_there(later)
        tells = self._facts.tombstones or self._facts.keeps_deleted
        # Where deletions are not told, a longer list of changes is proof too, if nothing was changed while it was read
        # and its length stayed: what went would have made it shorter.
        is_quiet = not tells and evidence.stood_still and not touched.unknown(later)
        again: dict[Slice, bool] = {}
        for one in slices:
            missed = partial(one.missed, totals[one], touched, later)
            if not (tells and one.pages.trusted):
                is_still = one is not evidence and one.pages.trusted and totals[one] == one.first_total
                if is_still and is_quiet and one.is_untouched(touched):
                    self._note_proven(one)
                else:
                    again[one] = True
                continue
            # What was changed between the questions may be all that seems to be missed; the next time will tell.
            unclear = one.unclear(touched, later)
            if missed() > unclear:
                yield from self._look_again(one, touched, since, missed, unclear)
            if missed() == 0:
                self._note_proven(one)
            elif one is evidence:
                break
            elif missed() > unclear or missed() < 0:
                again[one] = missed() < 0
        touched.note(later)
        for one, afresh in again.items():
            if one is not evidence and one.walks < WALKS:
                one.before = touched
                yield from self._read_again(one, afresh=afresh)

    def _note_deletions(self, touched: Touched, slices: Sequence[Slice]) -> Steps[None]:
        if self._facts.tombstones:
            since = parse_utc(self._since(slices)["updated_or_created_since"])
            told: list[tuple[str, Any]] = []
            query = deletions(since, self._facts.deleted_since_min)
            yield from self._list(
                query, lambda taken: told.extend((one.key, one.gone) for one in taken.items if one.key)
            )
            self._deletions_told = touched.note_deleted(told, self._deletions_told)

    def _look_again(
        self, slice_: Slice, touched: Touched, since: str, missed: Callable[[], int], unclear: int
    ) -> Steps[None]:
        """Ask once more for the pages where rows are most likely missed, until it is unclear whether any is.

        These are the pages that came short or beside which `$total` changed; then the place up to which the list has
        moved since its pages were answered, which halving finds if it moved once.
        """
        looked: dict[int, bool] = {}
        most = slice_.pages.count // 3 + 2

        def look(number: int) -> Steps[None]:
            if number in looked or not 1 <= number <= slice_.pages.count or len(looked) >= most:
                return
            page = yield from self._page(slice_.params, number)
            items = page.taken.kept.items
            looked[number] = slice_.is_moved(number, [item.key for item in items])
            touched.note_keys(item.key for item in items if item.key and second_of(item.changed) >= second_of(since))
            self._note(slice_, page)

        for number in slice_.doubtful():
            if missed() > unclear:
                yield from look(number)
        low, high = 1, slice_.pages.count + 1
        while missed() > unclear and high - low > 1 and len(looked) < most:
            middle = (low + high) // 2
            yield from look(middle)
            low, high = (middle, high) if looked[middle] else (low, middle)
        for away in range(PAGES_AROUND):
            for number in (low + away, low - away):
                if missed() > unclear:
                    yield from look(number)


def changes_of(items: Iterable[Item]) -> list[Change]:
    """What a page of a list of changes tells."""
    return [Change(one.key, str(one.changed), day_of(one.date)) for one in items if one.key is not None]
