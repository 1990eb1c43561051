"""One page of a list, asked for in parts where it is too heavy as a whole. Pure.

Pages are numbered in the size that is asked for: page 3 of 200 rows is pages 5 and 6 of 100, so that a place is kept
however often the size changes. What failed is halved; what has come is not asked for again. Of the parts behind the
end of the list none is asked for once an answer shows where that is; they would all repeat its last page.
"""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

from source_sage.api.pages import Envelope
from source_sage.lists.page_sizes import PageSizes

T = TypeVar("T")


class Part(NamedTuple):
    """A page, numbered from 1 in its own size."""

    number: int
    rows: int

    @property
    def first(self) -> int:
        """How many rows of the list are before it."""
        return (self.number - 1) * self.rows

    @property
    def halves(self) -> tuple[Part, Part]:
        """The same rows."""
        half = self.rows // 2
        return Part(2 * self.number - 1, half), Part(2 * self.number, half)


class Parts(Generic[T]):
    """The parts of one page.

    Args:
        whole: the page.
        sizes: say how large a part may be.
    """

    def __init__(self, whole: Part, sizes: PageSizes) -> None:
        self._whole = whole
        self._sizes = sizes
        self._to_ask = [whole]
        self._under_way = 0
        self._came: dict[Part, tuple[Envelope, T]] = {}

    def next(self) -> Part | None:
        """The next part to ask for, which is then under way; None if none is before an answer comes."""
        if not self._to_ask or (self._under_way and self._to_ask[0].first >= self._surely_there()):
            return None
        rows = self._sizes.next(self._to_ask[0].rows)
        if rows is None:
            return None
        part = self._to_ask.pop(0)
        while part.rows > rows:
            part, behind = part.halves
            self._to_ask.insert(0, behind)
        self._under_way += 1
        return part

    def failed(self, part: Part) -> bool:
        """A part did not work. Tells whether it is asked for in smaller ones; if not, the page has failed."""
        self._under_way -= 1
        if not self._sizes.can_shrink(part.rows):
            return False
        self._sizes.failed(part.rows)
        self._to_ask = sorted([*self._to_ask, *part.halves], key=lambda one: one.first)
        return True

    def worked(self, part: Part, envelope: Envelope, answer: T) -> bool:
        """A part was answered. Tells whether the page is complete."""
        self._under_way -= 1
        self._sizes.worked(part.rows, envelope.count)
        self._came[part] = envelope, answer
        if self._ends(part):
            self._to_ask = [one for one in self._to_ask if one.first < part.first]
        return not self._to_ask and not self._under_way

    def joined(self) -> tuple[Envelope, list[T]]:
        """The page as if it had come at once: its envelope, and the answers of the parts that are in the list."""
        parts = sorted(self._came, key=lambda one: one.first)
        if parts == [self._whole]:
            envelope, answer = self._came[self._whole]
            return envelope, [answer]
        there = [one for one in parts if self._is_there(one)]
        envelopes = [self._came[one][0] for one in there]
        last = self._came[(there or parts)[-1]][0]
        number = None if last.number is None else self._whole.number if there else 0
        signature = hash(tuple(one.signature for one in envelopes))
        rows = sum(one.count for one in envelopes)
        # The answer behind the end too: it tells that a row has gone.
        is_torn = len({self._came[one][0].total for one in parts}) > 1
        joined = Envelope(rows, signature, number, last.total, last.has_next, len(parts), is_torn)
        return joined, [self._came[one][1] for one in there or parts[:1]]

    def _surely_there(self) -> int:
        """Up to which row of the list parts may be asked for side by side."""
        if not self._came:
            return 0
        part = max(self._came, key=lambda one: one.first)
        envelope = self._came[part][0]
        if envelope.total is not None:
            return envelope.total
        return part.first + part.rows + 1 if envelope.has_next else 0

    def _ends(self, part: Part) -> bool:
        """Tell whether the list ends with this part or before it, by all signs that there are."""
        envelope = self._came[part][0]
        if not self._is_there(part) or not envelope.count:
            return True
        if envelope.has_next:
            return False
        if envelope.total is None:
            return envelope.count < part.rows
        return envelope.total == part.first + envelope.count

    def _is_there(self, part: Part) -> bool:
        """Tell whether an answer is none of the end of the list, repeated."""
        envelope = self._came[part][0]
        before = [one for one in self._came if one.first < part.first]
        if envelope.number is not None and envelope.number != part.number:
            return False
        if not before:
            return True
        last = max(before, key=lambda one: one.first)
        repeats = envelope.number is None and envelope.signature == self._came[last][0].signature
        return bool(envelope.count) and not repeats
