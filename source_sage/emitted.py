"""Which rows of a list have left in this run, so that each leaves once. Pure; eight bytes a row.

A row comes twice when the list moves under its pages, is read again, or is looked at again. Airbyte's append-dedup
would bear that; a full refresh with overwrite keeps every row it is given, and PyAirbyte merges a run's rows without
looking for keys that come twice. What changed after it left is left to the next sync, whose watermark is older.

A row that moved a little is found among the last ones. A row that was changed lately may have moved from anywhere, and
so may all of a page that is asked for out of turn: these are looked for everywhere.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable
from typing import Any, Final

RECENT: Final = 10_000
SEARCHES_BEFORE_A_SET: Final = 20


class Emitted:
    """The keys of the rows that left."""

    def __init__(self) -> None:
        self._all = array("q")
        self._older: set[int] = set()
        self._recent: set[int] = set()
        self._searches = 0
        self._set_holds_all = False

    def note(self, keys: Collection[Any], moved: Iterable[Any]) -> set[Any]:
        """Note rows that are about to leave.

        Args:
            keys: theirs.
            moved: those of them that may have been anywhere in the list before.

        Returns:
            The keys that left before: these rows must not leave again.
        """
        hashes = {hash(key): key for key in keys}
        before = hashes.keys() & self._recent | hashes.keys() & self._older
        if not self._set_holds_all:
            before |= self._searched({hash(key) for key in moved} - before)
        new = hashes.keys() - before
        self._all.extend(new)
        self._recent |= new
        if len(self._recent) >= RECENT and not self._set_holds_all:
            self._older, self._recent = self._recent, set()
        return {hashes[one] for one in before}

    def _searched(self, wanted: set[int]) -> set[int]:
        """Those that left at any time. After many searches a set is made, which takes ten times the room."""
        if not wanted or len(self._all) <= RECENT:
            return set()
        self._searches += 1
        if self._searches > SEARCHES_BEFORE_A_SET:
            self._recent, self._older, self._set_holds_all = set(self._all), set(), True
            return wanted & self._recent
        return {one for one in self._all if one in wanted}
