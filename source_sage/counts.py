"""What is counted of the reading of one stream of one business."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

# A list of more requests is worth a line in a report, however many lines it has.
PAGES_OF_A_SHORT_ONE: Final = 2


@dataclass
class Tally:
    """Counters of one reading: one stream of one business. Seconds where time is meant.

    Attributes:
        skipped, failed: why, in a few words and in a sentence.
        unnamed: an answer did not say which business it was for.
        oldest, newest: the least and the greatest `updated_at` of its rows; empty if they have none.
        walked: how many rows of its list are behind it.
        expected: how many rows the list has; None if nobody said.
        page_size: rows a page.
        begun, ended: where it stands.
        is_list: it is read itself; False for lines, which the reading of another list brings along.
    """

    rows: int = 0
    tombstones: int = 0
    requests: int = 0
    retries: int = 0
    waited: float = 0.0
    skipped: str = ""
    failed: str = ""
    unnamed: bool = False
    oldest: str = ""
    newest: str = ""
    walked: int = 0
    expected: int | None = None
    page_size: int = 1
    begun: bool = False
    ended: bool = False
    is_list: bool = False

    def note_rows(self, count: int, changed: Iterable[Any]) -> None:
        """Count the rows of a page that leave.

        Args:
            count: how many.
            changed: their `updated_at`; what is no text is left out.
        """
        self.rows += count
        moments = [moment for moment in changed if isinstance(moment, str) and moment]
        if moments:
            oldest = min(moments)
            self.oldest = min(self.oldest, oldest) if self.oldest else oldest
            self.newest = max(self.newest, max(moments))

    def note_page(self, walked: int, expected: int | None, page_size: int) -> None:
        """Note how far the reading is in its list, in rows."""
        self.walked, self.expected, self.page_size = walked, expected, page_size

    @property
    def ahead(self) -> int:
        """How many rows of its list are still to be read, as far as is known."""
        return max(0, (self.expected or 0) - self.walked)

    @property
    def was_rough(self) -> bool:
        """Tell whether it took patience, or something was deleted: always worth a line."""
        return self.retries > 0 or self.waited >= 1 or self.tombstones > 0

    @property
    def is_told(self) -> bool:
        """Tell whether it is worth a line: not a list that comes whole each time, in one request."""
        return self.was_rough or bool(self.newest) or (self.rows > 0 and self.requests > 1)

    @property
    def is_long(self) -> bool:
        """Tell whether it is worth a line even among very many: it took patience, or several pages."""
        return self.was_rough or (self.rows > 0 and self.requests > PAGES_OF_A_SHORT_ONE)
