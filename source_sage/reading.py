"""The reading of one list of one business: which requests, in which order, and when its place moves.

A first read asks for everything inside the chosen dates. A later read asks for what changed since the watermark, by
`updated_or_created_since` (inclusive) alone: dates are then looked at row by row, so that a row that was edited out
of them leaves the destination too. Deletions are asked for last, so that a tombstone is the latest word on its row.

The watermark is Sage's clock when the read began, less an overlap, never the largest `updated_at` seen: a row edited
on a page already read must come again. It moves only when the list was read to its end and `shifts` finds that nothing
was missed; otherwise the list is read again.

A first read leaves its place every few pages, and its beginning before its first row: what it has emitted is in the
destination, so that a retry asks for what was deleted since then as well.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from source_sage.asking import ListAsker, Page
from source_sage.businesses import Business
from source_sage.clock import Clock, parse_utc, utc_text
from source_sage.config import Window
from source_sage.report import Tally
from source_sage.rows import Row, RowShaper, currency_of
from source_sage.shifts import Item, Sightings
from source_sage.state import Place
from source_sage.streams import StreamFacts
from source_sage.transport import Transport

logger = logging.getLogger("airbyte.source-sage")

OVERLAP: Final = dt.timedelta(minutes=2)
LATE_EDITS: Final = dt.timedelta(days=90)
WALKS: Final = 4
PROBES: Final = 3
PAGES_BETWEEN_PLACES: Final = 20
SECONDS_BETWEEN_PLACES: Final = 60.0
# Fields of ours that Sage does not know, and those that it sends unasked.
NOT_TO_ASK_FOR: Final = frozenset({"business_id", "is_deleted", "id", "displayed_as"})


@dataclass(frozen=True)
class Batch:
    """What one answer brought: rows to emit, then perhaps a place to save.

    Attributes:
        rows: shaped.
        place: how far the reading is with them.
        deletions: the rows are tombstones that Sage gave, for the stream of all deletions too.
    """

    rows: list[Row] = field(default_factory=list)
    place: Place | None = None
    deletions: bool = False


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
        clock: this machine's.
    """

    facts: StreamFacts
    business: Business
    window: Window
    start_date: dt.date
    place: Place | None
    shaper: RowShaper
    transport: Transport
    tally: Tally
    clock: Clock


class ListReading:
    """Reads a list of pages."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._facts = task.facts
        self._ask = ListAsker(task.facts, task.business.id, task.transport, task.tally)
        place = task.place
        self._since = self._deletions_since = self._began = None
        if place is not None and place.watermark:
            self._deletions_since = parse_utc(place.watermark)
            self._since = self._deletions_since if place.covers(task.window) else None
        elif place is not None:
            self._began = parse_utc(place.began)
            self._deletions_since = self._began - OVERLAP
        # A read for wider dates keeps the old place until it is done: nothing is lost but the work.
        self._leaves_places = self._facts.changes and not (place and place.watermark)
        self._left_at = task.clock.monotonic()

    def run(self) -> Iterator[Batch]:
        """Read to the end.

        Yields:
            Rows page by page; places where a later sync may go on.
        """
        rows = self._rows_behind()
        for _ in range(WALKS):
            sightings = None
            for page in self._ask.walk(self._params(), rows):
                if sightings is None:
                    sightings = self._sightings(page, complete=rows == 0)
                    if self._began is None:
                        self._began = page.moment
                        if self._leaves_places:
                            yield Batch(place=self._first_read_place(0, page.total))
                sightings.note(page.items, page.total)
                self._task.tally.note_page(page.rows, page.total, self._facts.page_size)
                yield Batch(self._shaped(page.items, self._since is not None), self._place_due(page, sightings))
            assert sightings is not None
            changed, settled = self._settle(sightings, complete=rows == 0)
            yield Batch(self._shaped(changed, self._task.place is not None))
            if settled:
                break
            rows = 0
            logger.info("%s moved while it was read; reading it again.", self._name)
        else:
            logger.warning(
                "%s went on changing while it was read %d times; a row may be missing. Its place is left where it "
                "was, so that the next sync asks for the same again.",
                self._name,
                WALKS,
            )
        if self._facts.tombstones and self._deletions_since is not None:
            yield from self._tombstones(self._deletions_since)
        if self._facts.cursor_field and settled and self._began is not None:
            watermark = utc_text(self._began - OVERLAP)
            yield Batch(place=Place.for_window(self._task.window, watermark=watermark))

    @property
    def _name(self) -> str:
        return f"{self._facts.name} of {self._task.business}"

    def _rows_behind(self) -> int:
        """Where an unfinished first read can go on; 0 where it has to begin again."""
        place = self._task.place
        if place is None or place.watermark or not place.rows or place.total is None:
            return 0
        if not place.is_for(self._task.window):
            return 0
        changed, total = self._changed_and_total(parse_utc(place.began), None)
        behind = Sightings(place.began, place.total, complete=False, ordered=self._facts.sort, filtered=False)
        if changed is None or not behind.lost_nothing(changed, total, self._in_list):
            logger.info("%s changed since its first read was cut off; reading it from the beginning.", self._name)
            return 0
        logger.info("%s goes on after %d of %d rows.", self._name, place.rows, place.total)
        return place.rows

    def _sightings(self, page: Page, *, complete: bool) -> Sightings:
        place = self._task.place
        cut, total = utc_text(page.moment), page.total
        if not complete and place is not None:
            cut, total = place.began, place.total
        ordered, filtered = self._facts.sort, self._since is not None
        return Sightings(cut, total, complete=complete, ordered=ordered, filtered=filtered)

    def _settle(self, sightings: Sightings, *, complete: bool) -> tuple[Sequence[Any], bool]:
        """Find out whether the walk missed something.

        Returns:
            What changed since it began, to be emitted too; and whether nothing was missed.
        """
        if complete and sightings.pages <= 1:
            return (), True
        if not self._facts.changes:
            return (), sightings.all_seen_once()
        changed, total = self._changed_and_total(parse_utc(sightings.cut), sightings.last_total)
        if changed is None:
            return (), False
        return changed, sightings.lost_nothing(changed, total, self._in_list)

    def _changed_and_total(
        self, since: dt.datetime, total_if_quiet: int | None
    ) -> tuple[Sequence[Item] | None, int | None]:
        """What changed since a moment, and how long the list was while that did not change.

        Args:
            since: inclusive, whole seconds.
            total_if_quiet: taken for the length if nothing changed; None to ask in any case.

        Returns:
            The changed records, None if they went on changing; and `$total`.
        """
        changed = self._changed(since)
        if not changed and changed is not None and total_if_quiet is not None:
            return changed, total_if_quiet
        for _ in range(PROBES):
            total = self._ask.length(self._params())
            again = self._changed(since)
            if changed is not None and again is not None and _marks(again) == _marks(changed):
                return changed, total
            changed = again
        return None, None

    def _changed(self, since: dt.datetime) -> Sequence[Item] | None:
        params = {**self._always(), "updated_or_created_since": utc_text(since)}
        found: dict[Any, Item] = {}
        totals = set()
        for page in self._ask.walk(params):
            found.update((item.get("id"), item) for item in page.items if isinstance(item, dict))
            totals.add(page.total)
        whole = totals in ({None}, {len(found)})
        return list(found.values()) if whole else None

    def _in_list(self, item: Item) -> bool:
        if not self._facts.dates or self._since is not None:
            return True
        return self._is_wanted(item.get(str(self._facts.date_field)))

    def _always(self) -> dict[str, str]:
        attributes = self._facts.attributes
        if attributes != "all":
            attributes = ",".join(name for name in self._facts.schema_["properties"] if name not in NOT_TO_ASK_FOR)
        sort = {"sort": "created_at:asc"} if self._facts.sort else {}
        return {"attributes": attributes, **sort, **self._facts.query}

    def _params(self) -> dict[str, str]:
        if self._since is not None and self._facts.changes:
            return {**self._always(), "updated_or_created_since": utc_text(self._since)}
        return {**self._always(), **(self._date_params() if self._facts.dates else {})}

    def _date_params(self) -> dict[str, str]:
        start, end = self._task.window.start, self._task.window.end
        if self._since is not None:
            late = (self._since - LATE_EDITS).date()
            start = late if start is None else max(start, late)
        dates = {"from_date": start, "to_date": end}
        return {name: date.isoformat() for name, date in dates.items() if date is not None}

    def _shaped(self, items: Sequence[Any], emitted_before: bool) -> list[Row]:
        """The rows to emit for some records.

        Args:
            items: as Sage sent them.
            emitted_before: a row outside the chosen dates may be in the destination, and leaves it as a tombstone.
        """
        if "currency_id" in self._facts.primary_key:
            items = [{**item, "currency_id": currency_of(item)} for item in items if isinstance(item, dict)]
        rows = self._task.shaper.shape(items, self._task.business.id)
        if self._facts.date_field:
            rows = list(self._inside_window(rows, emitted_before and self._facts.changes))
        self._task.tally.note_rows(rows)
        return rows

    def _inside_window(self, rows: Iterable[Row], emitted_before: bool) -> Iterator[Row]:
        for row in rows:
            if self._is_wanted(row.get(str(self._facts.date_field))):
                yield row
            elif emitted_before:
                yield _tombstone(row["business_id"], row.get("id"), row.get("updated_at"))

    def _is_wanted(self, date: Any) -> bool:
        try:
            return self._task.window.holds(dt.date.fromisoformat(str(date)[:10]))
        except ValueError:
            return True

    def _place_due(self, page: Page, sightings: Sightings) -> Place | None:
        """The place after this page, if it is time to leave one."""
        if not self._leaves_places or not page.aligned:
            return None
        now = self._task.clock.monotonic()
        due = sightings.pages % PAGES_BETWEEN_PLACES == 0 or now - self._left_at > SECONDS_BETWEEN_PLACES
        if not due:
            return None
        self._left_at = now
        return self._first_read_place(page.rows, sightings.first_total)

    def _first_read_place(self, rows: int, total: int | None) -> Place:
        assert self._began is not None
        return Place.for_window(self._task.window, began=utc_text(self._began), rows=rows, total=total)

    def _tombstones(self, since: dt.datetime) -> Iterator[Batch]:
        earliest = self._facts.deleted_since_min
        since = max(since, parse_utc(earliest)) if earliest else since
        # Exclusive at Sage, hence a second earlier.
        params = {"attributes": "deleted_at", "deleted_since": utc_text(since - dt.timedelta(seconds=1))}
        for page in self._ask.walk(params):
            rows = [
                _tombstone(self._task.business.id, item["id"], item.get("deleted_at") or utc_text(page.moment))
                for item in page.items
                if isinstance(item, dict) and item.get("id")
            ]
            self._task.tally.tombstones += len(rows)
            yield Batch(rows, deletions=True)


def _marks(items: Iterable[Item]) -> set[tuple[Any, Any]]:
    return {(item.get("id"), item.get("updated_at")) for item in items}


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
        task.tally.note_rows(rows)
        yield Batch(rows)
