"""Where a long list is cut into slices of accounting date. Pure: knows no sockets.

Slices are cut from the oldest date on, each by the first page of what it might be: its total tells whether it fits,
and if so it is the slice's first page. How many days hold as many rows as are wanted is reckoned from those before.
What remains of a list whose counts cannot be is one slice.
A first slice open at its beginning and a last one open at its end hold what is dated long ago or far ahead.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Final

from source_sage.config import Window

SHORT_LIST: Final = 5_000
FIRST_SLICE: Final = 2_000
LONGEST_SLICE: Final = 20_000
# Part of what may be in a slice that is aimed at, so that few guesses are too long.
AIM: Final = 0.85
MOST_TIMES_AS_MANY_DAYS: Final = 8
# Slices ask for a day more on each side, so that a day full of rows is counted three times. Slices that hold more rows
# than this many times the whole list, or so many long days in turn that each hold as much as all later dates, show that
# a list's counts mean nothing, or that it takes no heed of dates.
MOST_TIMES_ALL: Final = 4
MOST_DAYS_ALIKE: Final = 3
RECKONED_AT_MOST: Final = 3
# Where slices overlap for ever, a long day would be read by its own slice and by both beside it. One slice around it
# has quiet days at its ends.
DAYS_AROUND_A_LONG_ONE: Final = 5
# Nothing is dated before the first day of the calendar or after its last: these are open ends.
BEFORE_ALL: Final = dt.date.min.toordinal()
AFTER_ALL: Final = dt.date.max.toordinal()


def _first(window: Window) -> int:
    return window.start.toordinal() if window.start else BEFORE_ALL


def _last(window: Window) -> int:
    return window.end.toordinal() if window.end else AFTER_ALL


def _window(first: int, last: int) -> Window:
    return Window(
        dt.date.fromordinal(first) if first > BEFORE_ALL else None,
        dt.date.fromordinal(last) if last < AFTER_ALL else None,
    )


def merged(windows: Iterable[Window]) -> list[Window]:
    """The same dates in as few ranges as will do, from the oldest on."""
    made: list[Window] = []
    for one in sorted(windows, key=_first):
        if made and _first(one) <= _last(made[-1]) + 1:
            made[-1] = _window(_first(made[-1]), max(_last(made[-1]), _last(one)))
        else:
            made.append(one)
    return made


def last_days(wanted: Window, days: int, today: dt.date) -> Window | None:
    """Those of some dates that are no longer ago than so many days; None if there are none, or no days."""
    first = today - dt.timedelta(days=days)
    if wanted.start is not None:
        first = max(first, wanted.start)
    return Window(first, wanted.end) if days and (wanted.end is None or first <= wanted.end) else None


def remaining(wanted: Window, done: Iterable[Window]) -> list[Window]:
    """The dates of `wanted` that are in none of `done`, from the oldest on."""
    found = []
    first = _first(wanted)
    for one in merged(done):
        if _first(one) > first:
            found.append(_window(first, min(_first(one) - 1, _last(wanted))))
        first = max(first, _last(one) + 1)
        if first > _last(wanted):
            break
    else:
        found.append(_window(first, _last(wanted)))
    return [one for one in found if _first(one) <= _last(wanted)]


def days_in(windows: Iterable[Window]) -> int:
    """How many days some ranges hold, an open end counted to the end of the calendar."""
    return sum(_last(one) - _first(one) + 1 for one in windows)


class Cutter:
    """Cuts one range of dates.

    Args:
        window: the range.
        rows: how many rows it holds, by its first page.
        days: dates of some of them.
        today: where most lists end.
        overlap: whether each slice brings the rows of the days beside it too, for ever.

    Attributes:
        asked: what was proposed last.
    """

    def __init__(
        self, window: Window, rows: int, days: Iterable[dt.date], today: dt.date, *, overlap: bool = False
    ) -> None:
        self._at, self._end = _first(window), _last(window)
        self._rows = rows
        self._all = rows
        seen = [day.toordinal() for day in days]
        self._oldest = max(min(seen, default=today.toordinal()), BEFORE_ALL + 2)
        self._newest = max([today.toordinal(), *seen])
        self._days = self._aim(self._length(self._at, min(self._end, self._newest)), rows, FIRST_SLICE)
        self._too_long: int | None = None
        self._tries = 0
        self._is_believed = True
        self._rest: int | None = None
        self._alike = 0
        self._overlap, self._around_a_day = overlap, False
        self.asked = window

    @property
    def more(self) -> bool:
        """Tell whether dates remain."""
        return self._at <= self._end

    def propose(self, limit: int) -> Window:
        """The next slice, if it holds no more than `limit` rows: its first page is to be asked for."""
        last = self._end
        if not self._is_believed:
            self.asked = _window(self._at, last)
            return self.asked
        if self._around_a_day:
            last = min(self._at + DAYS_AROUND_A_LONG_ONE - 1, self._end)
            self.asked = _window(self._at, last)
            return self.asked
        if self._at == BEFORE_ALL:
            last = min(self._oldest - (2 if self._overlap else 1), self._end)
        elif self._too_long is not None or self._rows > limit:
            last = min(self._at + max(1, round(self._days)) - 1, self._end)
        if self._too_long is not None:
            last = min(last, self._too_long - 1)
        self.asked = _window(self._at, max(last, self._at, min(BEFORE_ALL + 1, self._end)))
        return self.asked

    def fits(self, rows: int, days: Iterable[dt.date], limit: int) -> bool:
        """Note the first page of what was proposed; tells whether it is a slice. One day is one, however long; where
        slices overlap, the days around a long one are.

        Args:
            rows: its total.
            days: the dates on it.
            limit: how many rows a slice may hold.
        """
        first, last = _first(self.asked), _last(self.asked)
        seen = [day.toordinal() for day in days]
        self._newest = max([self._newest, *seen])
        length = self._length(first, last)
        is_too_long = self._is_believed and rows > limit and last > BEFORE_ALL + 1 and not self._around_a_day
        if is_too_long and self._overlap and first == last < self._end:
            self._around_a_day = True
            return False
        if is_too_long and first < last:
            self._too_long = last
            self._rest = rows if self._rest is None else self._rest
            self._tries += 1
            if first == BEFORE_ALL:
                # So many rows are older than any that was seen; as dense as the later ones they begin here.
                back = rows / max(self._all - rows, 1) * max(self._newest - last, 1)
                self._oldest = max(BEFORE_ALL + 2, last - max(1, round(back)) * 2 ** max(0, self._tries - 3))
            # Often there is nothing before the oldest row that was seen. Where dates are uneven, reckoning goes wrong
            # again and again: then half of what was too long.
            empty = min((day for day in seen if day >= first), default=first) - first
            aimed = empty + self._aim(max(1, length - empty), rows, limit)
            self._days = aimed if self._tries <= RECKONED_AT_MOST else length / 2
            return False
        if first > BEFORE_ALL:
            self._days = min(self._aim(length, rows, limit), MOST_TIMES_AS_MANY_DAYS * length)
        else:
            self._days = self._aim(self._newest - last, self._all, limit)
        self._rows -= rows
        is_as_long_as_the_rest = rows > limit and rows == self._rest
        self._alike = self._alike + 1 if is_as_long_as_the_rest else 0
        is_in_bounds = self._rows > (1 - MOST_TIMES_ALL) * self._all and self._alike <= MOST_DAYS_ALIKE
        self._is_believed = self._is_believed and is_in_bounds
        self._rest = None
        self._at = last + 1
        self._too_long, self._tries, self._around_a_day = None, 0, False
        return True

    def _length(self, first: int, last: int) -> int:
        """How many days of a range may hold rows, as far as is known; at least one."""
        begin = self._oldest if first == BEFORE_ALL else first
        return max(1, (last if last < AFTER_ALL else max(self._newest, begin)) - begin + 1)

    @staticmethod
    def _aim(days: int, rows: int, limit: int) -> float:
        return days * limit * AIM / max(rows, 1)
