"""Pages: which ones of a list to ask for, and when all are there. Pure: knows no sockets.

Sage numbers its pages from 1, and a page past the end is the last page again (docs/sage-api.md#pages), so "until empty"
never ends. The first answer tells how many pages there are; the others may be answered in any order. Where `$next`,
`$total` and the length of a page disagree about the end, one page more is asked for: new rows mean that the list goes
on, and a repetition that this was its end, whatever `$total` says.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

# So many pages one after the other that hold what another page held are a repetition, however they are numbered.
REPEATED_AT_MOST: Final = 10
UNKNOWN: Final = -1
# A `$total` beyond this counts no rows: it is as good as none.
MOST_ROWS: Final = 2**63 - 1


@dataclass(frozen=True)
class Envelope:
    """What Sage says of a page, beside its records.

    Attributes:
        count: how many records it holds.
        signature: the same for a page of the same records.
        number, total: `$page` and `$total`; None if Sage did not say.
        has_next: there is a `$next`.
        answers: how many answers it came in; more than one where it was too heavy as a whole.
        is_torn: they told different `$total`.
    """

    count: int
    signature: int
    number: int | None
    total: int | None
    has_next: bool
    answers: int = 1
    is_torn: bool = False

    @classmethod
    def of(cls, body: Mapping[str, Any], excess: int = 0) -> Envelope:
        """The envelope of an answer whose `$items` is a list; `$total` is known to be too high by `excess`."""
        items = body["$items"]
        signature = hash(frozenset(map(identity, items)))
        total = _number(body.get("$total"))
        told = None if total is None else max(0, total - excess)
        return cls(len(items), signature, _number(body.get("$page")), told, bool(body.get("$next")))


class Pages:
    """The pages of one list: those to ask for, and what their answers said.

    Args:
        size: rows a page, as asked for.

    Attributes:
        count: the last page that is known to be in the list.
        answered: how many answers were in the list.
        told: `$total` was in every answer.
        totals: the `$total` that came with each page, from the first on; `UNKNOWN` for pages that are not there.
        short: pages that held fewer rows than their own `$total` says, and how many.
        torn: pages that came in several answers of different `$total`, or came short before the end told another one.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._next = 1
        self._under_way = 0
        self._ended = False
        self._repeated = 0
        self._signatures: set[int] = set()
        self._last: tuple[int, Envelope] | None = None
        self.count = 1
        self.answered = 0
        self.told, self._lied = True, False
        self._ended_after = 0
        self.totals = array("q")
        self.short: dict[int, int] = {}
        self.torn: list[int] = []

    @property
    def lied(self) -> bool:
        """Tell whether `$total` was wrong in an answer."""
        return self._lied or self._ended_after in self.short

    @property
    def trusted(self) -> bool:
        """Tell whether `$total` can prove anything."""
        return self.told and not self.lied

    @property
    def finished(self) -> bool:
        """Tell whether all pages were answered."""
        return not self._under_way and (self._ended or self._next > self.count)

    def wanted(self) -> int | None:
        """The number of the next page to ask for, which is then under way; None if no other is wanted now."""
        if self._ended or self._next > self.count:
            return None
        self._next += 1
        self._under_way += 1
        return self._next - 1

    def take(self, number: int, page: Envelope) -> bool:
        """Note an answer: the page that was asked for, and what came. Tells whether that is in the list."""
        self._under_way -= 1
        self._repeated = self._repeated + 1 if page.signature in self._signatures else 0
        self._signatures.add(page.signature)
        if number == 1 and page.count and page.answers == 1 and self._is_no_full_page(page):
            self._size = page.count  # what Sage really gives
        due = self._due(number, page.total)
        if self._is_past_the_end(number, page, due):
            self._ended = True
            if number - 1 in self.short and page.total not in (None, self.totals[number - 2]):
                self.torn.append(number - 1)  # a row went while the list was read, and that is no wrong total
            else:
                self._ended_after = number - 1
                self._lied = self._lied or bool(due)
            return False
        self.answered += page.answers
        if page.is_torn:
            self.torn.append(number)
        self.totals.extend([UNKNOWN] * (number - len(self.totals)))
        self.totals[number - 1] = UNKNOWN if page.total is None else page.total
        self.told = self.told and page.total is not None
        self._lied = self._lied or (due is not None and page.count > due)
        if page.count < (due or 0):
            self.short[number] = page.count
        if self._last is None or number > self._last[0]:
            self._last = number, page
        if page.total is not None:
            self.count = max(self.count, -(-page.total // self._size))
        if not self._under_way and self._next > self.count and not self._agree():
            self.count = self._next
        return True

    def take_again(self, number: int, page: Envelope) -> int:
        """Note what came when a short page was asked for once more; tells how many rows more that are."""
        if self._is_past_the_end(number, page, self._due(number, page.total)):
            return 0
        more = page.count - self.short[number]
        if page.total != self.totals[number - 1]:
            self.torn.append(number)
        if page.count < (self._due(number, page.total) or 0):
            self.short[number] = page.count
        else:
            del self.short[number]
        return more

    def correct(self, excess: int) -> None:
        """Take `excess` off each `$total`, all of which were too high by that, and nothing else was wrong."""
        self._lied, self.short = False, {}
        self.totals = array("q", [max(0, one - excess) if one != UNKNOWN else one for one in self.totals])

    def _is_no_full_page(self, page: Envelope) -> bool:
        due = self._due(1, page.total) or 0
        return page.count > self._size or (page.count < self._size and (page.has_next or page.count < due))

    def _is_past_the_end(self, number: int, page: Envelope, due: int | None) -> bool:
        """Tell whether an answer is none of the page asked for, but of the end of the list."""
        if page.number is not None and page.number != number:
            return True
        if (not page.count and not due and number > 1) or self._repeated >= REPEATED_AT_MOST:
            return True
        last = self._last
        same = last is not None and last[0] == number - 1 and last[1].signature == page.signature
        # Where Sage says that this is another page, and how long the list is, it may hold the rows of the one before:
        # a page of new rows came in between.
        return same and (page.number is None or page.total is None)

    def _due(self, number: int, total: int | None) -> int | None:
        """How many rows a page should hold in a list of `total` rows; None if nobody said."""
        return None if total is None else min(max(total - (number - 1) * self._size, 0), self._size)

    def _agree(self) -> bool:
        """Tell whether all signs say that the last page is the last."""
        if self._last is None:
            return True
        number, page = self._last
        due = self._due(number, page.total)
        if due is None:
            return not page.has_next and page.count < self._size
        return not page.has_next and page.count == due and not self.short


def identity(item: Any) -> str | None:
    """What tells a record from the others of its list; None if nothing does."""
    if not isinstance(item, dict):
        return None
    one = item.get("id") or item.get("$path") or item.get("displayed_as")
    return one if type(one) is str else str(one) if isinstance(one, int) else None


def _number(value: Any) -> int | None:
    return value if type(value) is int and 0 <= value <= MOST_ROWS else None
