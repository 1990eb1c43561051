"""The last page of a slice may be answered after the question what was changed, and taken before its answer.

What was changed between the two is in no answer that counts for that slice, so it has to wait for the next question.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import pytest

from source_sage.api.transport import Answer
from source_sage.lists.paging import Page
from unit_tests.listed import PAGE, Listed, Read

ROWS = 7_000
ELSEWHERE = dt.date(2025, 6, 1)


class Swapped(Listed):
    """A ledger in which two rows change places once.

    When the last page of a slice is answered after a question for changes, a row of its first page is edited out of its
    dates, and another one is edited into them, to its end: its total stays, as many rows are seen, and the row that
    stood first on the last page has slipped to the page before.
    """

    def __init__(self) -> None:
        super().__init__("ledger_entries", ROWS, "created:asc")
        self._was_asked = self.is_swapped = False

    def answer(self, params: Mapping[str, str], number: int, size: int) -> Answer[Page]:
        if "updated_or_created_since" in params:
            self._was_asked = True
        elif self._was_asked and size == PAGE and number > 1 and "to_date" in params and not self.is_swapped:
            rows = self._selected(params)
            if number == -(-len(rows) // size):
                self._swap(rows)
        return super().answer(params, number, size)

    def _swap(self, rows: list[int]) -> None:
        self.is_swapped = True
        out, into = rows[5], ROWS - 50
        self._days[out], self._days[into] = ELSEWHERE, self._days[rows[-1]] - dt.timedelta(2)
        self.edit(out)
        self.edit(into)


@pytest.mark.quick("32", "65")
@pytest.mark.parametrize("seed", range(100))
def test_no_row_is_lost_between_them(seed: int) -> None:
    listed = Swapped()
    read = Read(listed, seed)
    assert not set(listed.keys) - listed.touched - read.keys.keys()
    assert max(read.keys.values()) == 1
