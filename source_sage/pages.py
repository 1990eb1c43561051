"""Pages: which one to ask for next, and when a list is at its end. Pure: knows no sockets.

Sage numbers its pages, and a page past the end is the last page again (API.md, 1.5), so "until empty" never ends.
`$next` and `$total` may be missing. A list is at its end when Sage gives no next page and all of `$total` was seen
(without one: when the page is not full), or when the answer is another page than the one asked for, or repeats the
page before it, or holds nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

SMALLEST_PAGE: Final = 25
MOST_PATIENCE: Final = 64


@dataclass(frozen=True)
class Envelope:
    """What Sage says of a page, beside its records.

    Attributes:
        ids: what tells its records from each other, in their order.
        number, total: `$page` and `$total`; None if Sage did not say.
        has_next: there is a `$next`.
    """

    ids: list[str | None]
    number: int | None
    total: int | None
    has_next: bool

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> Envelope:
        """The envelope of an answer whose `$items` is a list."""
        ids = [identity(item) for item in body["$items"]]
        return cls(ids, _number(body.get("$page")), _number(body.get("$total")), bool(body.get("$next")))


class PageWalk:
    """A walk through one list.

    Args:
        page_size: rows a page; after `shrink` smaller for a while, and for longer each time it happens again.
        rows: how many rows of the list were read before; a multiple of the page size.
    """

    def __init__(self, page_size: int, rows: int = 0) -> None:
        self._full_size = page_size
        self._size = page_size
        self._rows = rows
        self._last_ids: list[str | None] = []
        self._patience = 1
        self._grows_after = 0
        self.finished = False

    @property
    def params(self) -> dict[str, str]:
        """What to ask for next."""
        return {"page": str(self.page), "items_per_page": str(self._size)}

    @property
    def page(self) -> int:
        """The number of the page to ask for next."""
        return self._rows // self._size + 1

    @property
    def rows(self) -> int:
        """How many rows of the list are behind, a short page in its middle counted as a whole one."""
        return self._rows

    @property
    def aligned(self) -> bool:
        """Tell whether a walk of full pages can go on from here."""
        return self._rows % self._full_size == 0

    @property
    def at_full_size(self) -> bool:
        """Tell whether the next page is one of full size."""
        return self._size == self._full_size

    @property
    def can_shrink(self) -> bool:
        """Tell whether a page that fails can be asked for in halves."""
        return self._size // 2 >= SMALLEST_PAGE

    def ahead(self, total: int) -> range:
        """The pages to ask for next and after that in a list of `total` rows; none while pages are smaller."""
        if self.finished or not self.at_full_size:
            return range(0)
        return range(self.page, -(-total // self._full_size) + 1)

    def shrink(self) -> None:
        """Ask for half as many rows a page from here on; the place in the list is kept."""
        self._size //= 2
        self._patience = min(2 * self._patience, MOST_PATIENCE)
        self._grows_after = self._patience

    def take(self, page: Envelope) -> bool:
        """Note the answer for the page asked for; False where Sage repeated a page, whose rows were there before."""
        another_page = page.number is not None and page.number != self.page
        same_again = self._rows > 0 and page.ids == self._last_ids and any(page.ids)
        # The page asked for may hold the rows of the one before it: a page of new rows came in between.
        repeated = same_again and (page.number is None or page.total is None)
        if not page.ids or another_page or repeated:
            self.finished = True
            return False
        self._rows = self.page * self._size
        self._last_ids = page.ids
        all_seen = len(page.ids) < self._size if page.total is None else self._rows >= page.total
        self.finished = (not page.has_next and all_seen) or len(page.ids) > self._size
        self._grows_after -= 1
        if self._grows_after <= 0:
            while self._size < self._full_size and self._rows % (self._size * 2) == 0:
                self._size *= 2
        return not same_again


def identity(item: Any) -> str | None:
    """What tells a record from the others of its list; None if nothing does."""
    if not isinstance(item, dict):
        return None
    one = item.get("id") or item.get("$path") or item.get("displayed_as")
    return one if type(one) is str else str(one) if isinstance(one, int) else None


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) else None
