"""Slices, and the proof that one is whole. Pure: knows no sockets.

A list is read in slices: a short one, or one without dates, is a single slice; a long one is cut by accounting date.
Pages are counted from the front of a list that goes on changing. A row that leaves the part already read (deleted, or
edited to another place or out of the dates) pulls the next row over the boundary of two pages, where nobody sees it;
as it was not changed itself, no later sync would bring it. So each slice of several pages is proven:

Let `since` be earlier than anything that happened while the slice was read, and let a row be *touched* if it was
changed or deleted after that. After the last page it is asked what was touched, then for the slice's total, then
once more what was touched, to the moment of that. All rows that are not touched were in the list all the time. By now
the slice holds `total` rows; those of them that are touched are known by their dates; the others were seen, or were
missed. What was seen and is not touched is still there. So

    missed = total - touched rows inside - rows seen that are not touched

whatever the order of the list and of the answers, and however often a row was shown. Touched rows themselves leave
with the answer that names them, or come with the next sync.

* One page is one answer and needs no proof. Where the total was the same in every answer, as many rows were seen, and
  no row inside or seen is touched, nothing was deleted either: a deletion without a new row would have changed it. A
  new row that was deleted in its turn is told by no list of changes: so where a row that was seen had been changed
  after `since`, deletions are asked for as well.
* A row that was changed between the two questions does not count as inside: rather one too many seems to be missed,
  and all is asked once more.
* Where deletions cannot be asked for, the count proves nothing: it is read until nothing is touched meanwhile.
* A list that cannot be asked for changes is whole if every answer gave the same total and as many rows were seen.
  One row deleted and another made between two answers are not noticed there.
"""

from __future__ import annotations

import datetime as dt
import itertools
from array import array
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

from source_sage.api.pages import UNKNOWN, Envelope, Pages
from source_sage.config import ALL_DATES, Window
from source_sage.lists.keys import Keys, hash_of
from source_sage.lists.touched import Change, Touched, is_inside


class Slice:
    """One slice: what was seen of it.

    Args:
        params: the query that it is, without page and size.
        days: the dates that it holds for sure.
        reach: the dates that it may hold.
        size: rows a page.
        done: the accounting dates that are read with it; None if it is no part of a whole reading.

    Attributes:
        began: when it was first asked for, by the server's clock; None before.
        emitted: keys of the rows that left when they were seen here.
        walks: how often it was read.
        tried: somebody tried to prove it.
        before: what was known to be touched before it was read.
        on_page: what is to be done with each page beside.
        leaves: its rows leave.
        newest: the greatest time of change that was seen; empty if there was none.
        asked_again: pages that came short and were asked for once more.
    """

    def __init__(
        self, params: Mapping[str, str], days: Window, reach: Window, size: int, done: Window | None = None
    ) -> None:
        self.params = params
        self.days, self.reach, self.done = days, reach, done
        self.began: dt.datetime | None = None
        self.walks = 0
        self.tried = False
        self.before = Touched()
        self.on_page: Callable[[Any], None] | None = None
        self.leaves = True
        self.newest = ""
        # Others were kept back, or had left by another slice; some of them leave later.
        self.emitted, self._others, self._both = Keys(), Keys(), Keys()
        self._nameless = 0
        self.first_total: int | None = None
        self._last_total: int | None = None
        self._seen_in_all: int | None = None
        self._size = size
        self.begin_again()

    def begin_again(self, *, afresh: bool = False) -> Keys:
        """Read it once more from its first page.

        Args:
            afresh: forget what was seen; otherwise a row is missed only if every walk has missed it.

        Returns:
            The keys that are forgotten, which have left all the same.
        """
        self.pages = Pages(self._size)
        self._heads = array("q")
        self._rows = 0
        self._seen_before = self.seen
        self.first_total = self._last_total = None
        self.asked_again: set[int] = set()
        self.walks += 1
        if not afresh:
            return Keys()
        forgotten = self.forget_keys()
        self._nameless, self.began, self._seen_in_all = 0, None, None
        return forgotten

    def forget_keys(self) -> Keys:
        """Forget the keys of a slice that is proven, but not how many they are; gives those that have left."""
        self._seen_in_all = self.seen
        emitted, self.emitted, self._others, self._both = self.emitted, Keys(), Keys(), Keys()
        return emitted

    def see(self, hashes: Collection[int], to_emit: Collection[int], elsewhere: Collection[int]) -> None:
        """Note rows that were seen.

        Args:
            hashes: of all keys on a page.
            to_emit: those of the rows that would leave.
            elsewhere: those of them that have left by another slice.
        """
        emitted = set(to_emit).difference(elsewhere, self.emitted.held(to_emit))
        self._both.add(self._others.held(emitted))
        self.emitted.add(emitted)
        self._others.add(set(hashes) - self._held(hashes))

    def see_changed(self, moments: Sequence[str]) -> None:
        """Note the times of change of rows that were seen, to the second."""
        self.newest = max([self.newest, *moments])

    def take(self, number: int, page: Envelope, keys: Sequence[str | None]) -> None:
        """Note a page that was asked for in its turn."""
        if self.first_total is None:
            self.first_total = page.total
        self._last_total = page.total
        if not self.pages.take(number, page):
            return
        self._heads.extend([0] * (number - len(self._heads)))
        self._heads[number - 1] = hash_of(keys[0]) if keys else 0
        self._rows += page.count
        self._nameless += keys.count(None)

    def take_again(self, number: int, page: Envelope) -> None:
        """Note a page that came short, and was asked for once more."""
        self._rows += self.pages.take_again(number, page)

    @property
    def seen(self) -> int:
        """How many rows were seen."""
        if self._seen_in_all is not None:
            return self._seen_in_all
        return len(self.emitted) + len(self._others) - len(self._both) + self._nameless

    @property
    def excess(self) -> int:
        """How many rows more the total told of than came; 0 where it was not the same in every answer."""
        wrong = self.pages.lied or self.pages.short
        return max(0, (self.first_total or 0) - self._rows) if wrong and self._same_total else 0

    def correct_totals(self, excess: int) -> None:
        """Take back what the total told too much, if it is that."""
        if excess and self.excess == excess:
            self.pages.correct(excess)
            self.first_total = self._last_total = self._rows

    @property
    def is_one_answer(self) -> bool:
        """Tell whether it is a single answer that nothing speaks against."""
        pages = self.pages
        as_told = not pages.lied or self._rows > (self.first_total or 0)
        return self.walks == 1 and pages.answered == 1 and as_told and not pages.short

    @property
    def stood_still(self) -> bool:
        """Tell whether every answer gave the same total, and as many rows were seen."""
        return self._same_total and (not self.pages.trusted or self.seen == self.first_total)

    @property
    def is_as_long_as_told(self) -> bool:
        """The test for a list that only grows: as many rows were seen as it holds now, or as it held all the time.

        A row that is shown twice may hide another one, but for a list of deletions, in which one may be twice: what
        was deleted twice.
        """
        if self._last_total is None:
            return self.walks > 1 and self.seen == self._seen_before
        may_repeat = "deleted_since" in self.params
        all_shown = self._same_total and self._rows >= (self.first_total or 0)
        return self.seen == self._last_total or (all_shown and (may_repeat or self._rows == self.seen))

    @property
    def _same_total(self) -> bool:
        totals = self.pages.totals
        return not self.pages.torn and all(total == self.first_total for total in totals if total != UNKNOWN)

    def is_untouched(self, touched: Touched) -> bool:
        """Tell whether it stood still, and no row of it was touched; without a total to trust, no row at all.

        Args:
            touched: as one answer tells it after the last page; what was known before the first is left out.
        """
        if not self.seen and self.first_total:
            return False
        nothing_new = not touched.adds_to(self.before)
        return self.stood_still and (nothing_new or (self.pages.trusted and not self.concerns(touched)))

    def concerns(self, touched: Touched) -> bool:
        """Tell whether a touched row is inside, or was seen."""
        return any(True for _ in touched.of(self.reach)) or self._seen_of(touched.keys) > 0

    def missed(self, total: int | None, touched: Touched, later: Sequence[Change]) -> int:
        """How many rows were missed, at most; `touched` and `later` together hold everything that was touched.

        Args:
            total: its total, asked for after `touched` and before `later`.
            touched: what was told first, and all that was deleted.
            later: what was told last.
        """
        if total is None or not self.pages.trusted:
            return self.seen + 1
        surely = list(touched.of(self.days))
        if self.reach != self.days:
            surely.extend(self._held(list(touched.of(self.reach))).difference(surely))
        fresh = {hash_of(one.key) for one in touched.unknown(later)}
        first_touched = fresh - touched.keys.held(fresh)
        gone = self._seen_of(touched.keys) + len(self._held(first_touched))
        # What was touched between the questions may have been outside when the total was told.
        inside = len(surely) - len(fresh.intersection(surely)) - touched.unsure
        return total - max(0, inside) - (self.seen - gone)

    def unclear(self, touched: Touched, later: Sequence[Change]) -> int:
        """How many of the rows that seem to be missed may only have been changed between the questions."""
        fresh = touched.unknown(later)
        entered = {hash_of(one.key) for one in fresh if is_inside(one.day, self.reach)}
        seen = self._held({hash_of(one.key) for one in fresh} | touched.just_deleted)
        return len(entered | seen) + touched.unsure

    def __str__(self) -> str:
        return (
            "it" if self.days == ALL_DATES else f"{self.days.start or 'the beginning'} to {self.days.end or 'the end'}"
        )

    def _held(self, hashes: Collection[int]) -> set[int]:
        return self.emitted.held(hashes) | self._others.held(hashes)

    def _seen_of(self, keys: Keys) -> int:
        return self.emitted.common(keys) + self._others.common(keys) - self._both.common(keys)

    def doubtful(self) -> Iterator[int]:
        """The pages to look at first: those that came short, and those in or beside which the total changed."""
        numbers = {*self.pages.short, *self.pages.torn}
        known = [(number, total) for number, total in enumerate(self.pages.totals, 1) if total != UNKNOWN]
        for (one, before), (other, after) in itertools.pairwise(known):
            if before != after:
                numbers |= {one, other}
        return iter(sorted(numbers))

    def is_moved(self, number: int, keys: Sequence[str | None]) -> bool:
        """Tell whether a page that is looked at again begins with another row than before."""
        return bool(keys) and number <= len(self._heads) and self._heads[number - 1] != hash_of(keys[0])
