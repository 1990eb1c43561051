"""The reading of one list of one business: which requests, in which order, and when its place moves.

A first read asks for everything inside the chosen dates. A later read asks for what changed since the watermark, by
`updated_or_created_since` (inclusive) alone: dates are then looked at row by row, so that a row that was edited out
of them leaves the destination too. Deletions are asked for last, so that a tombstone is the latest word on its row.

The watermark is Sage's clock when the read began, less an overlap, never the largest `updated_at` seen: a row edited
on a page already read must come again. It moves only when the list was read to its end.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from source_sage.businesses import Business
from source_sage.clock import parse_utc, utc_text
from source_sage.config import Window
from source_sage.pages import PageWalk
from source_sage.report import Tally
from source_sage.rows import Row, RowShaper, currency_of
from source_sage.state import Place
from source_sage.streams import StreamFacts
from source_sage.transport import Answer, NoGoodAnswer, Transport

OVERLAP: Final = dt.timedelta(minutes=2)
LATE_EDITS: Final = dt.timedelta(days=90)
TRIES_BEFORE_SHRINKING: Final = 3


@dataclass(frozen=True)
class Batch:
    """What one answer brought: rows to emit, then perhaps a place to save."""

    rows: list[Row] = field(default_factory=list)
    place: Place | None = None


@dataclass(frozen=True)
class Task:
    """What a reading needs to know.

    Attributes:
        facts: the stream.
        business: whose.
        window: the accounting dates wanted.
        start_date: as typed; the window opens earlier where historical data is wanted.
        place: how far earlier syncs came; None for a first read.
        shaper: makes rows of Sage's records.
        transport: asks Sage.
        tally: counts.
    """

    facts: StreamFacts
    business: Business
    window: Window
    start_date: dt.date
    place: Place | None
    shaper: RowShaper
    transport: Transport
    tally: Tally


class ListReading:
    """Reads a list of pages."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._facts = task.facts
        self._began: dt.datetime | None = None

    def run(self) -> Iterator[Batch]:
        """Read to the end.

        Yields:
            Rows page by page; places where a later sync may go on.
        """
        place, window = self._task.place, self._task.window
        since = deletions_since = None
        if place is not None:
            deletions_since = parse_utc(place.watermark or place.began)
            if place.watermark and place.covers(window):
                since = deletions_since

        announced = place is not None or not self._facts.changes
        for rows in self._pages(since):
            yield Batch(rows)
            if not announced:
                yield Batch(place=Place.for_window(window, began=utc_text(self._start_of_read())))
                announced = True
        if self._facts.tombstones and deletions_since is not None:
            for rows in self._tombstones(deletions_since):
                yield Batch(rows)
        if self._facts.cursor_field:
            watermark = utc_text(self._start_of_read())
            yield Batch(place=Place.for_window(self._task.window, watermark=watermark))

    def _start_of_read(self) -> dt.datetime:
        assert self._began is not None
        return self._began - OVERLAP

    def _pages(self, since: dt.datetime | None) -> Iterator[list[Row]]:
        facts = self._facts
        params = {"attributes": self._attributes(), **facts.query}
        if facts.sort:
            params["sort"] = "created_at:asc"
        if since is not None and facts.changes:
            params["updated_or_created_since"] = utc_text(since)
        elif facts.dates:
            params.update(self._date_params(since))
        wanted_before = since is not None and facts.changes
        for items in self._walk(params):
            rows = self._task.shaper.shape(items, self._task.business.id)
            if "currency_id" in facts.primary_key:
                for row, item in zip(rows, items, strict=False):
                    row["currency_id"] = currency_of(item)
            if facts.date_field:
                rows = [kept for row in rows if (kept := self._inside_window(row, wanted_before)) is not None]
            self._task.tally.rows += len(rows)
            yield rows

    def _walk(self, params: dict[str, str]) -> Iterator[list[Any]]:
        walk = PageWalk(self._facts.page_size)
        while not walk.finished:
            answer = self._ask(walk, params)
            if answer is None:
                walk.shrink()
                continue
            if self._began is None:
                self._began = answer.moment
            yield walk.take(answer.body)

    def _ask(self, walk: PageWalk, params: dict[str, str]) -> Answer | None:
        """One page; None where it kept failing and is to be asked for in halves."""
        tries = {"tries": TRIES_BEFORE_SHRINKING} if walk.can_shrink else {}
        try:
            return self._task.transport.get(
                self._facts.path,
                {**params, **walk.params},
                business_id=self._task.business.id,
                tally=self._task.tally,
                list_expected=True,
                **tries,
            )
        except NoGoodAnswer:
            if walk.can_shrink:
                return None
            raise

    def _attributes(self) -> str:
        if self._facts.attributes == "all":
            return "all"
        return ",".join(name for name in self._facts.schema_["properties"] if name not in _OURS)

    def _date_params(self, since: dt.datetime | None) -> dict[str, str]:
        start, end = self._task.window.start, self._task.window.end
        if since is not None:
            late = (since - LATE_EDITS).date()
            start = late if start is None else max(start, late)
        dates = {"from_date": start, "to_date": end}
        return {name: date.isoformat() for name, date in dates.items() if date is not None}

    def _inside_window(self, row: Row, wanted_before: bool) -> Row | None:
        """The row, if its date is wanted; else its tombstone, if an earlier sync may have emitted it."""
        text = row.get(str(self._facts.date_field))
        if not text or self._task.window.holds(dt.date.fromisoformat(text[:10])):
            return row
        if not wanted_before:
            return None
        return _tombstone(row["business_id"], row.get("id"), row.get("updated_at"))

    def _tombstones(self, since: dt.datetime) -> Iterator[list[Row]]:
        earliest = self._facts.deleted_since_min
        since = max(since, parse_utc(earliest)) if earliest else since
        params = {"attributes": "deleted_at", "deleted_since": utc_text(since - dt.timedelta(seconds=1))}
        noticed = utc_text(self._began) if self._began else None
        for items in self._walk(params):
            rows = [
                _tombstone(self._task.business.id, item["id"], item.get("deleted_at") or noticed)
                for item in items
                if isinstance(item, dict) and item.get("id")
            ]
            self._task.tally.tombstones += len(rows)
            yield rows


_OURS: Final = frozenset({"business_id", "is_deleted", "id", "displayed_as"})


def _tombstone(business_id: str, row_id: Any, moment: Any) -> Row:
    return {
        "business_id": business_id,
        "id": row_id,
        "is_deleted": True,
        "deleted_at": moment,
        "updated_at": moment,
    }


class SettingsReading:
    """Reads a resource that is one record per business: settings, the business itself, the user."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def run(self) -> Iterator[Batch]:
        """Read the record.

        Yields:
            Its one row.
        """
        task = self._task
        path = task.facts.path.replace("{business_id}", task.business.id)
        answer = task.transport.get(path, {}, business_id=task.business.id, tally=task.tally)
        rows = task.shaper.shape([answer.body], task.business.id)
        task.tally.rows += len(rows)
        yield Batch(rows)
