"""Lists of any length: `Book` can be changed while it is read, `EndlessBook` is made of arithmetic and stands still."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from integration_tests.long_lists.manners import Manners
from integration_tests.long_lists.shapes import NORMAL, Facts, Shape, facts_of, index_of, row_id, shown
from integration_tests.long_lists.times import DAY, BooksClock, ordinal, seconds

FIRST_DAY: Final = "2022-01-01"
LAST_DAY: Final = "2025-05-31"
# Orders are kept as one number for each row: the value, then the row's number to tell equals apart.
_TIE_BITS: Final = 25
_RANDOM_STEP: Final = 2_654_435_761


@dataclass(frozen=True)
class Wanted:
    """What one request asks a list for, as far as the list takes it.

    Attributes:
        since, deleted_since, updated_from, updated_to: epoch seconds.
        first, last: of the days, counted as `datetime.date` does; both in.
        sort: field and direction, `created:asc`; None for the list's own order.
    """

    since: float | None = None
    deleted_since: float | None = None
    updated_from: float | None = None
    updated_to: float | None = None
    first: int | None = None
    last: int | None = None
    sort: str | None = None


@dataclass(frozen=True)
class Truth:
    """What a row should look like in the destination."""

    shown: str
    day: int


class Dates:
    """How the accounting dates of a list's rows are spread: day numbers, 0 for a row without one."""

    @staticmethod
    def even(first: str = FIRST_DAY, last: str = LAST_DAY) -> DatesOf:
        """So many each day, later rows later."""
        low, high = ordinal(first), ordinal(last)
        return DatesOf(lambda count: low + np.arange(count, dtype=np.int64) * (high - low + 1) // max(count, 1))

    @staticmethod
    def one_day(day: str = "2024-03-31") -> DatesOf:
        """All rows on one day: a migration."""
        return DatesOf(lambda count: np.full(count, ordinal(day), dtype=np.int64))

    @staticmethod
    def skewed(first: str = FIRST_DAY, last: str = LAST_DAY, peak: float = 0.9) -> DatesOf:
        """Most rows in the last hundredth of the days, a few over all the others."""
        low, high = ordinal(first), ordinal(last)
        edge = high - max(1, (high - low) // 100)

        def spread(count: int) -> Any:
            rng = np.random.default_rng(7)
            late = rng.random(count) < peak
            return np.where(late, rng.integers(edge, high + 1, count), rng.integers(low, high + 1, count))

        return DatesOf(spread)

    @staticmethod
    def shuffled(first: str = FIRST_DAY, last: str = LAST_DAY, seed: int = 3) -> DatesOf:
        """Evenly, but in no order."""
        low, high = ordinal(first), ordinal(last)
        return DatesOf(lambda count: np.random.default_rng(seed).integers(low, high + 1, count))


class DatesOf:
    """A spread; see `Dates`."""

    def __init__(self, spread: Any, odd: dict[str, int] | None = None) -> None:
        self._spread = spread
        self._odd = odd or {}

    def but(self, **odd: int) -> DatesOf:
        """The same, but every so-many-th row has another day: `but(none=100, ancient=500, future=500)`."""
        return DatesOf(self._spread, odd)

    def days(self, count: int) -> Any:
        """The days of so many rows."""
        days = np.asarray(self._spread(count), dtype=np.int64)
        for offset, (kind, every) in enumerate(self._odd.items()):
            day = {"none": 0, "ancient": ordinal("0001-01-01"), "future": ordinal("9999-12-31")}[kind]
            days[offset + 1 :: every] = day
        return days


@dataclass
class _Order:
    """The live rows of a list in one order: their numbers, and the rank of each."""

    ids: Any
    ranks: Any
    seen: int
    changed: set[int] = field(default_factory=set)


class Book:
    """One list of one business, in memory. All methods are for one thread at a time: hooks run under the lock.

    Args:
        name: the list.
        rows: how many there are at first.
        clock: the double's.
        dates: of the rows.
        order: the list's own: `created`, `updated`, `date` or `name` with `:asc` or `:desc`, or `random`.
        size: about how many bytes a row has.
        made: the days between which the rows were made, evenly.
        manners: how the list answers.
        edited: each so-many-th row was edited once, at any time since; 0 for none.
    """

    def __init__(
        self,
        name: str,
        rows: int,
        clock: BooksClock,
        *,
        dates: DatesOf | None = None,
        order: str = "created:asc",
        size: int = NORMAL,
        made: tuple[str, str] = (FIRST_DAY, "2025-06-01"),
        manners: Manners | None = None,
        edited: int = 3,
    ) -> None:
        self.name = name
        self.order = order
        self.manners = manners or Manners()
        self.facts: Facts = facts_of(name)
        self._clock = clock
        self._shape = Shape(name, size)
        self.count = rows
        room = rows + rows // 4 + 10_000
        low, high = seconds(made[0]), seconds(made[1])
        self.created = np.zeros(room, dtype=np.int64)
        self.created[:rows] = low + np.arange(rows, dtype=np.int64) * (high - low) // max(rows, 1)
        self.updated = self.created.copy()
        if edited and rows:
            rng = np.random.default_rng(11)
            some = np.arange(0, rows, edited)
            self.updated[some] += (rng.random(len(some)) * (high - self.created[some])).astype(np.int64)
        self.day = np.zeros(room, dtype=np.int64)
        if self.facts.dated:
            self.day[:rows] = (dates or Dates.even()).days(rows)
        self.label = np.arange(room, dtype=np.int64) * _RANDOM_STEP % (1 << 31)
        self.version = np.zeros(room, dtype=np.int64)
        self.alive = np.zeros(room, dtype=bool)
        self.alive[:rows] = True
        self.gone = np.zeros(room, dtype=bool)
        self.deleted_at = np.zeros(room, dtype=np.int64)
        # The request before whose answer a row last changed; 0 for never since the double was started.
        self.touched = np.zeros(room, dtype=np.int64)
        self.request = 0
        self._orders: dict[str, _Order] = {}
        self._views: dict[Any, Any] = {}

    # What happens in the business.

    def edit(self, index: int, *, day: str | None = None, label: int | None = None, touch: bool = True) -> None:
        """A row is edited.

        Args:
            day: its new accounting date.
            label: its new place in an order by name.
            touch: whether `updated_at` moves, as it should.
        """
        self._changed(index)
        self.version[index] += 1
        if touch:
            self.updated[index] = self._now()
        if day is not None:
            self.day[index] = ordinal(day) if day else 0
        if label is not None:
            self.label[index] = label

    def delete(self, index: int) -> None:
        """A row is deleted: it leaves the list, or is marked where the list keeps it."""
        assert self.alive[index], f"{self.name} {index} is gone already"
        if self.facts.keeps_deleted:
            self.gone[index] = True
            self.edit(index)
            return
        self._changed(index)
        self.alive[index] = False
        self.deleted_at[index] = self._now()

    def restore(self, index: int) -> None:
        """A deleted row is there again, with its id."""
        self._changed(index)
        self.alive[index] = True
        if self.manners.forgets_restored:
            self.deleted_at[index] = 0
        self.edit(index)

    def insert(self, *, day: str | None = None, label: int | None = None) -> int:
        """A row is made; its number is given back."""
        index = self.count
        if index == len(self.created):
            self._grow()
        self.count += 1
        self._changed(index)
        self.created[index] = self.updated[index] = self._now()
        if self.facts.dated:
            self.day[index] = ordinal(day) if day else int(self._now()) // DAY + 719_163
        if label is not None:
            self.label[index] = label
        self.alive[index] = True
        return index

    def restamp(self, first: int = 0, last: int | None = None) -> None:
        """All rows get a new `updated_at`, as after a migration at Sage."""
        rows = slice(first, self.count if last is None else last)
        self.updated[rows] = self._now()
        self.version[rows] += 1
        self.touched[rows] = self.request
        self._orders.clear()
        self._views.clear()

    def live(self) -> list[int]:
        """The numbers of the rows that are there."""
        return [int(one) for one in np.flatnonzero(self.alive[: self.count])]

    def has(self, key: str) -> bool:
        """Tell whether a row is there."""
        index = index_of(key)
        return 0 <= index < self.count and row_id(self.name, index) == key and bool(self.alive[index])

    def any_live(self, rng: random.Random) -> int:
        """The number of any row that is there."""
        while True:
            index = rng.randrange(self.count)
            if self.alive[index]:
                return index

    def in_order(self) -> Any:
        """The numbers of the rows that are there, in the list's own order."""
        return self._ordered(self.order)

    # What a request gets.

    def select(self, wanted: Wanted) -> Any:
        """The numbers of the rows that it asks for, in order."""
        if wanted.deleted_since is not None:
            since = wanted.deleted_since - self.manners.deleted_since_inclusive
            stones = np.flatnonzero(self.deleted_at[: self.count] > max(since, 0))
            return stones[np.argsort(self.deleted_at[stones], kind="stable")]
        view = self._views.get(wanted)
        if view is None:
            ids = self._ordered(wanted.sort or self.order)
            passed = self._passes(wanted, ids)
            view = self._views[wanted] = ids if passed is None else ids[passed]
        return view

    def _passes(self, wanted: Wanted, ids: Any) -> Any:
        tests = []
        if wanted.since is not None:
            tests.append(self.updated[ids] >= wanted.since)
        if wanted.updated_from is not None:
            tests.append(self.updated[ids] >= wanted.updated_from)
        if wanted.updated_to is not None:
            tests.append(self.updated[ids] <= wanted.updated_to)
        if wanted.first is not None or wanted.last is not None:
            tests.append(self._inside(wanted, self.day[ids]))
        return np.logical_and.reduce(tests) if tests else None

    def _inside(self, wanted: Wanted, days: Any) -> Any:
        """Which of these days pass the filter of dates."""
        manners = self.manners
        edge = 0 if manners.dates_inclusive else 1
        passed = np.ones(len(days), dtype=bool)
        if wanted.first is not None:
            passed &= days >= wanted.first + edge
        if wanted.last is not None:
            # A list that takes a bare date for its midnight hides what happened later on that day.
            midnight = 1 if self.facts.timed and manners.to_date_is_midnight else 0
            passed &= days <= wanted.last - max(edge, midnight)
        return passed & (days > 0) if manners.dates_hide_undated else passed | (days == 0)

    def render(self, indices: Iterable[int], *, stones: bool) -> list[bytes]:
        """The rows of a page."""
        if stones:
            with_time = self.manners.tombstones_with_deleted_at
            return [
                self._shape.tombstone(
                    int(one), int(self.version[one]), int(self.deleted_at[one]) if with_time else None
                )
                for one in indices
            ]
        return [
            self._shape.row(
                int(one),
                int(self.created[one]),
                int(self.updated[one]),
                int(self.day[one]),
                int(self.version[one]),
                gone=bool(self.gone[one]),
            )
            for one in indices
        ]

    # What must be true.

    def truth(self, first: int | None, last: int | None, *, untouched_since: int | None = None) -> dict[str, Truth]:
        """The rows that a destination should hold, by id.

        Args:
            first, last: the chosen days; None for open. A row without a date is outside of any.
            untouched_since: only rows that did not change after so many requests.
        """
        wanted = self.alive[: self.count].copy()
        days = self.day[: self.count]
        if self.facts.dated and first is not None:
            wanted &= days >= first
        if self.facts.dated and last is not None:
            wanted &= (days <= last) & (days > 0)
        if untouched_since is not None:
            wanted &= self.touched[: self.count] <= untouched_since
        return {
            row_id(self.name, one): Truth(shown(one, int(self.version[one])), int(self.day[one]))
            for one in map(int, np.flatnonzero(wanted))
        }

    def _now(self) -> int:
        return int(self._clock.seconds())

    def _changed(self, index: int) -> None:
        self.touched[index] = self.request
        self._views.clear()
        for order in self._orders.values():
            order.changed.add(index)

    def _rank(self, by: str, ids: Any) -> Any:
        name, _, way = by.partition(":")
        values = {
            "created": self.created,
            "updated": self.updated,
            "date": self.day,
            "name": self.label,
            "random": (np.arange(len(self.created)) + 1) * _RANDOM_STEP % (1 << 31),
        }[name][ids]
        return (-values if way == "desc" else values) * (1 << _TIE_BITS) + ids

    def _ordered(self, by: str) -> Any:
        order = self._orders.get(by)
        if order is None or len(order.changed) > 2_000:
            ids = np.flatnonzero(self.alive[: self.count])
            ranks = self._rank(by, ids)
            places = np.argsort(ranks)
            order = self._orders[by] = _Order(ids[places], ranks[places], self.count)
        elif order.changed:
            # A row that changed is taken out and put where it belongs now: a sort of all for each edit is slow.
            moved = np.array(sorted(order.changed), dtype=np.int64)
            out = np.zeros(self.count, dtype=bool)
            out[moved] = True
            stay = ~out[order.ids]
            ids, ranks = order.ids[stay], order.ranks[stay]
            back = moved[self.alive[moved]]
            its = self._rank(by, back)
            places = np.argsort(its)
            at = np.searchsorted(ranks, its[places])
            order.ids, order.ranks = np.insert(ids, at, back[places]), np.insert(ranks, at, its[places])
            order.changed.clear()
        return order.ids

    def _grow(self) -> None:
        more = len(self.created)
        for name in ("created", "updated", "day", "version", "alive", "gone", "deleted_at", "touched"):
            old = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.zeros(more, dtype=old.dtype)]))
        self.label = np.concatenate([self.label, (np.arange(more) + more) * _RANDOM_STEP % (1 << 31)])


class EndlessBook:
    """A list of millions that stands still: its rows are made when asked for, evenly dated, in order of creation."""

    def __init__(
        self,
        name: str,
        rows: int,
        *,
        size: int = NORMAL,
        first: str = FIRST_DAY,
        last: str = LAST_DAY,
        manners: Manners | None = None,
    ) -> None:
        self.name = name
        self.count = rows
        self.manners = manners or Manners()
        self.facts = facts_of(name)
        self.request = 0
        self._shape = Shape(name, size)
        self._low, self._days = ordinal(first), ordinal(last) - ordinal(first) + 1
        self._made, self._done = seconds(first), seconds(last)

    def _day(self, index: int) -> int:
        return self._low + index * self._days // self.count if self.facts.dated else 0

    def _from(self, day: int) -> int:
        """The first row of that day or later."""
        return max(0, min(self.count, -(-(day - self._low) * self.count // self._days)))

    def select(self, wanted: Wanted) -> range:
        """The numbers of the rows that it asks for."""
        if wanted.deleted_since is not None:
            return range(0)
        since = max(wanted.since or 0, wanted.updated_from or 0)
        begin = 0 if since <= self._made else self.count if since > self._done else -1
        assert begin >= 0, "an endless list is not asked for a part of its changes"
        end = self.count
        if wanted.first is not None:
            begin = max(begin, self._from(wanted.first))
        if wanted.last is not None:
            end = min(end, self._from(wanted.last + 1))
        return range(begin, max(begin, end))

    def render(self, indices: Iterable[int], *, stones: bool) -> list[bytes]:
        """The rows of a page."""
        step = (self._done - self._made) / self.count
        rows = []
        for one in indices:
            made = int(self._made + one * step)
            rows.append(self._shape.row(one, made, made, self._day(one), 0, gone=False))
        return rows


__all__ = ["Book", "Dates", "DatesOf", "EndlessBook", "Truth", "Wanted", "index_of"]
