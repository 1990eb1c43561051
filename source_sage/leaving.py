"""What leaves of a list's records: shaped rows inside the chosen dates, and tombstones for those edited out of them."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from source_sage.config import ALL_DATES, Window
from source_sage.pages import identity
from source_sage.rows import REMEMBERED_TEXTS, Row, RowShaper, currency_of, moment_or_none, second_of
from source_sage.streams import StreamFacts

END_OF_TIME: Final = "9999"


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

    def key_of(self, item: Any) -> str | None:
        """What tells a record from the others of its list; None if nothing does."""
        if self.key == "currency_id" and isinstance(item, dict):
            return currency_of(item)
        return identity(item)

    def rows(self, items: Sequence[Any], *, gone_since: str | None) -> list[Row]:
        """The rows to emit for some records.

        Args:
            items: as Sage sent them.
            gone_since: rows outside the chosen dates that were changed since (or have no time of change) may be in the
                destination, and leave it as tombstones; None if none can be there.
        """
        if self.key == "currency_id":
            items = [{**item, "currency_id": currency_of(item)} for item in items if isinstance(item, dict)]
        rows = self._shaper.shape(items, self._business_id, key=self.key)
        if not self._facts.date_field:
            return rows
        return list(self._inside(rows, self._facts.date_field, gone_since if self._facts.changes else None))

    def tombstones(self, deleted: Iterable[tuple[str, Any]], now: str) -> list[Row]:
        """The tombstones of deleted records, each with its key and when that was, as Sage says.

        `now` is taken where Sage does not say when, or says what is no time.
        """
        return [tombstone(self._business_id, key, moment_or_none(when) or now) for key, when in deleted]

    def _inside(self, rows: Sequence[Row], date_field: str, gone_since: str | None) -> Iterator[Row]:
        for row in rows:
            if self._wanted(row.get(date_field)):
                yield row
            elif gone_since is not None and (second_of(row.get("updated_at")) or END_OF_TIME) >= gone_since:
                yield tombstone(self._business_id, row.get("id"), row.get("updated_at"))

    def _is_wanted(self, date: str | None) -> bool:
        """Tell whether a row of that date leaves; one without a date is inside no dates but all."""
        day = day_of(date)
        return self._window == ALL_DATES if day is None else self._window.holds(day)


def tombstone(business_id: str, row_id: Any, moment: Any) -> Row:
    """The row that says that a row is gone, since `moment`."""
    return {
        "business_id": business_id,
        "id": row_id,
        "is_deleted": True,
        "deleted_at": moment,
        "updated_at": moment,
    }


def day_of(date: Any) -> dt.date | None:
    """The accounting date of a record or row; of a date-time, its date; None if it is none."""
    try:
        return dt.date.fromisoformat(str(date)[:10])
    except ValueError:
        return None
