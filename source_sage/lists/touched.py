"""What was changed or deleted since a moment, as far as it was told; `slices` says what it proves. Pure."""

from __future__ import annotations

import datetime as dt
import itertools
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from source_sage.config import ALL_DATES, Window
from source_sage.lists.keys import Keys, hash_of

GONE: Final = "gone"
_UNTIMED: Final = itertools.count(1)


@dataclass(frozen=True)
class Change:
    """A row of a list of changes.

    Attributes:
        key: what tells it from others.
        changed: when it was changed, as it was written.
        day: its accounting date; None if it has none.
    """

    key: str
    changed: str
    day: dt.date | None

    @property
    def fingerprint(self) -> int:
        """The same for two answers that tell the same of it, and for two changes of one second."""
        return hash((hash_of(self.key), self.changed, self.day))


class Touched:
    """What was touched since a moment, as far as it was told.

    Attributes:
        just_deleted: rows that were never told as deleted before.
    """

    def __init__(self) -> None:
        self.keys = Keys()
        self._told = Keys()  # fingerprints
        self._days: dict[dt.date | None, array[int]] = {}
        self._unsure: set[int] = set()
        self._only_deleted: set[int] = set()
        self.just_deleted: set[int] = set()

    def note(self, changes: Iterable[Change]) -> None:
        """Note a page of the list of changes."""
        for one in changes:
            key = hash_of(one.key)
            if not self.keys.held([key]):
                self.keys.add([key])
                self._told.add([one.fingerprint])
                self._days.setdefault(one.day, array("q")).append(key)

    def note_keys(self, keys: Iterable[str]) -> None:
        """Note rows that are no others than those that were missed."""
        hashes = {hash_of(key) for key in keys}
        self.keys.add(hashes - self.keys.held(hashes))

    def note_deleted(self, deleted: Iterable[tuple[str, Any]], told: frozenset[int]) -> frozenset[int]:
        """Note rows that were deleted.

        Args:
            deleted: the key of each and when that was, as it was told.
            told: the same of what was told before anything was noted here; what is inside all the same was restored.

        Returns:
            All that is told now, in that form.
        """
        # Without a time, two deletions of one row look alike.
        prints = {hash((hash_of(key), when or next(_UNTIMED), GONE)): hash_of(key) for key, when in deleted}
        hashes = set(prints.values())
        told_now = self.keys.held({key for one, key in prints.items() if one not in told})
        self._unsure |= told_now - self._only_deleted
        rows = {hash((key, GONE)): key for key in hashes}
        self.just_deleted = {key for row, key in rows.items() if row not in told}
        fresh = hashes - self.keys.held(hashes)
        self._only_deleted |= fresh
        self.keys.add(fresh)
        self._told.add(prints.keys() - self._told.held(prints))
        return told.union(prints, rows)

    @property
    def unsure(self) -> int:
        """How many of the rows inside may have been deleted after they were told."""
        return len(self._unsure)

    def note_there(self, changes: Iterable[Change]) -> None:
        """Note what is told later: a row that is there as it was told before was not deleted in between."""
        self._unsure -= {hash_of(one.key) for one in changes if self._told.held([one.fingerprint])}

    def unknown(self, changes: Iterable[Change]) -> list[Change]:
        """Those of some changes that were not told before."""
        return [one for one in changes if not self._told.held([one.fingerprint])]

    def adds_to(self, other: Touched) -> bool:
        """Tell whether something was touched that another one did not tell of."""
        return self._told.common(other._told) < len(self._told)

    def of(self, days: Window) -> Iterator[int]:
        """The touched rows inside some dates."""
        for day, keys in self._days.items():
            if is_inside(day, days):
                yield from keys


def is_inside(day: dt.date | None, days: Window) -> bool:
    """Tell whether a row of that accounting date is inside some dates; without a date it is inside all alone."""
    return days == ALL_DATES or (day is not None and days.holds(day))
