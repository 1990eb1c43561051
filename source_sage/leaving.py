"""What leaves of a list's records: shaped rows inside the chosen dates, and tombstones for those edited out of them."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterator, Sequence
from typing import Any

from source_sage.config import Window
from source_sage.rows import REMEMBERED_TEXTS, Row, RowShaper, currency_of, moment_or_none
from source_sage.streams import StreamFacts


class Leaving:
    """Makes rows of the records of one list of one business.

    Args:
        facts: the list.
        business_id: whose.
        window: the accounting dates wanted.
        shaper: makes rows of Sage's records.
    """

    def __init__(self, facts: StreamFacts, business_id: str, window: Window, shaper: RowShaper) -> None:
        self._facts = facts
        self._business_id = business_id
        self._window = window
        self._shaper = shaper
        self.key = facts.primary_key[-1]
        # The same dates come again and again.
        self._wanted = functools.lru_cache(REMEMBERED_TEXTS)(self._is_wanted)

    def rows(self, items: Sequence[Any], *, emitted_before: bool) -> list[Row]:
        """The rows to emit for some records.

        Args:
            items: as Sage sent them.
            emitted_before: a row outside the chosen dates may be in the destination, and leaves it as a tombstone.
        """
        if self.key == "currency_id":
            items = [{**item, "currency_id": currency_of(item)} for item in items if isinstance(item, dict)]
        rows = self._shaper.shape(items, self._business_id, key=self.key)
        if not self._facts.date_field:
            return rows
        return list(self._inside(rows, self._facts.date_field, emitted_before and self._facts.changes))

    def tombstones(self, items: Sequence[Any], now: str) -> list[Row]:
        """The tombstones of deleted records; `now` is taken where Sage does not say when, or says what is no time."""
        made = []
        for item in items:
            if isinstance(item, dict) and isinstance(item.get("id"), str) and item["id"]:
                made.append(tombstone(self._business_id, item["id"], moment_or_none(item.get("deleted_at")) or now))
        return made

    def edited_out(self, items: Sequence[Any], now: str) -> list[Row]:
        """Tombstones of changed records that are outside the chosen dates now."""
        rows = self.rows(items, emitted_before=True)
        return [row for row in rows if row.get("is_deleted")]

    def is_inside(self, item: Any) -> bool:
        """Tell whether a record is surely one of the chosen dates."""
        day = _day(item.get(self._facts.date_field))
        return day is not None and self._window.holds(day)

    def _inside(self, rows: Sequence[Row], date_field: str, emitted_before: bool) -> Iterator[Row]:
        for row in rows:
            if self._wanted(row.get(date_field)):
                yield row
            elif emitted_before:
                yield tombstone(self._business_id, row.get("id"), row.get("updated_at"))

    def _is_wanted(self, date: str | None) -> bool:
        """Tell whether a row of that date leaves; one without a date does."""
        day = _day(date)
        return day is None or self._window.holds(day)


def tombstone(business_id: str, row_id: Any, moment: Any) -> Row:
    """The row that says that a row is gone, since `moment`."""
    return {
        "business_id": business_id,
        "id": row_id,
        "is_deleted": True,
        "deleted_at": moment,
        "updated_at": moment,
    }


def _day(date: Any) -> dt.date | None:
    try:
        return dt.date.fromisoformat(str(date)[:10])
    except ValueError:
        return None
