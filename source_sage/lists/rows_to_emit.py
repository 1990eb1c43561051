"""What leaves of a list's records: shaped rows inside the chosen dates, and tombstones for those edited out of them."""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterable, Sequence
from typing import Any, Final

from source_sage.api.pages import identity
from source_sage.config import ALL_DATES, Window
from source_sage.lists.rows import REMEMBERED_TEXTS, Row, RowShaper, currency_of, moment_or_none, second_of
from source_sage.streams import StreamFacts

AFTER_EVERY_MOMENT: Final = "9999"


class RowsToEmit:
    """Makes rows of the records of one list of one business.

    Args:
        facts: the list.
        business_id: whose.
        window: the accounting dates wanted.
        shaper: makes rows of records.
    """

    def __init__(self, facts: StreamFacts, business_id: str, window: Window, shaper: RowShaper) -> None:
        self._facts = facts
        self._business_id = business_id
        self._window = window
        self._shaper = shaper
        self.key = facts.primary_key[-1]
        # The same dates come again and again.
        self._wanted_text = functools.lru_cache(REMEMBERED_TEXTS)(self._is_wanted)

    def key_of(self, item: Any) -> str | None:
        """What tells a record from the others of its list; None if nothing does."""
        if self.key == "currency_id" and isinstance(item, dict):
            return currency_of(item)
        return identity(item)

    def rows(self, items: Sequence[Any], *, gone_since: str | None) -> list[Row]:
        """The rows to emit for some records.

        Args:
            items: as they were sent.
            gone_since: rows outside the chosen dates that were changed since (or have no time of change) may be in the
                destination, and leave it as tombstones; None if none can be there.
        """
        if self.key == "currency_id":
            items = [{**item, "currency_id": currency_of(item)} for item in items if isinstance(item, dict)]
        gone: list[Row] = []
        if date_field := self._facts.date_field:
            inside = []
            for item in items:
                if identity(item) is None or self._wanted(item.get(date_field)):
                    inside.append(item)
                elif self._facts.changes and gone_since is not None and _changed(item) >= gone_since:
                    gone.append(tombstone(self._business_id, identity(item), moment_or_none(item.get("updated_at"))))
            items = inside
        return [*self._shaper.shape(items, self._business_id, key=self.key), *gone]

    def tombstones(self, deleted: Iterable[tuple[str, Any]], now: str) -> list[Row]:
        """The tombstones of deleted records, each with its key and when that was, as they say.

        `now` is taken where they do not say when, or say what is no time.
        """
        return [tombstone(self._business_id, key, moment_or_none(when) or now) for key, when in deleted]

    def _wanted(self, date: Any) -> bool:
        return self._wanted_text(date) if type(date) is str else self._is_wanted(date)

    def _is_wanted(self, date: Any) -> bool:
        """Tell whether a row of that date leaves. One without a date is inside no dates; one that is none stays."""
        day = day_of(date)
        return self._window == ALL_DATES or (self._window.holds(day) if day else bool(date))


def _changed(item: Any) -> str:
    return second_of(item.get("updated_at")) or AFTER_EVERY_MOMENT


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
