"""Sets of keys that stay exact at any size: eight bytes a key. Pure.

A key is kept as the 64 bits of Python's own hash of its text, which is another one in each process. Two of 20 million
keys share one with a probability of 1 in 100,000.

The latest keys are in a set, all others in sorted arrays of which each is a few times as long as the next, so that a
page is looked up in a handful of binary searches and a key is moved a few times in all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LATEST: Final = 16_384
TIMES_THE_NEXT: Final = 4


class Keys:
    """A set of hashes of keys that only grows."""

    def __init__(self) -> None:
        self._latest: set[int] = set()
        self._sorted: list[NDArray[np.int64]] = []

    def __len__(self) -> int:
        return len(self._latest) + sum(one.size for one in self._sorted)

    def add(self, hashes: Collection[int]) -> None:
        """Add hashes of which it holds none."""
        self._latest.update(hashes)
        if len(self._latest) >= LATEST:
            self._sort()

    def held(self, hashes: Collection[int]) -> set[int]:
        """Those of some hashes that it holds."""
        found = self._latest.intersection(hashes)
        if self._sorted and hashes:
            import numpy as np

            wanted = np.fromiter(hashes, np.int64, len(hashes))
            for one in self._sorted:
                found.update(wanted[_is_in(wanted, one)].tolist())
        return found

    def common(self, other: Keys) -> int:
        """How many hashes both hold."""
        return sum(len(self.held(some)) for some in other._parts())

    def absorb(self, other: Keys) -> None:
        """Take over all that another one holds, of which this one holds nothing; the other one is empty then."""
        self.add(other._latest)
        for one in other._sorted:
            self._keep(one)
        other._latest, other._sorted = set(), []

    def _parts(self) -> Iterator[Collection[int]]:
        yield self._latest
        for one in self._sorted:
            for first in range(0, one.size, LATEST):
                yield one[first : first + LATEST].tolist()

    def _sort(self) -> None:
        # Loaded here: most companies never have that many rows in a list.
        import numpy as np

        self._keep(np.sort(np.fromiter(self._latest, np.int64, len(self._latest))))
        self._latest = set()

    def _keep(self, one: NDArray[np.int64]) -> None:
        arrays = self._sorted
        arrays.append(one)
        arrays.sort(key=len, reverse=True)
        at = len(arrays) - 1
        while at > 0:
            large, small = arrays[at - 1], arrays[at]
            if large.size < TIMES_THE_NEXT * small.size:
                before = large.size
                # In place, and a stable sort merges two sorted runs with room for the smaller one: no second copy.
                large.resize(before + small.size, refcheck=False)
                large[before:] = small
                large.sort(kind="stable")
                del arrays[at]
                arrays.sort(key=len, reverse=True)
                at = len(arrays)
            at -= 1


def hash_of(key: Any) -> int:
    """What is kept of a key."""
    return hash(str(key))


def _is_in(wanted: NDArray[np.int64], one: NDArray[np.int64]) -> NDArray[np.bool_]:
    at = one.searchsorted(wanted)
    at[at == one.size] = 0
    found: NDArray[np.bool_] = one[at] == wanted
    return found
