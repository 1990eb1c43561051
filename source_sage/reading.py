"""The reading of one list of one business: which requests, in which order, and when its place moves.

A first read asks for everything inside the chosen dates. A later read asks for what changed since the watermark, by
`updated_or_created_since` (inclusive) alone: dates are then looked at row by row, so that a row that was edited out
of them leaves the destination too. What was deleted is asked for before that: a row that is there afterwards was made
or restored later, and it is emitted later.

The watermark is Sage's clock when the read began, less an overlap, never the largest `updated_at` seen: a row edited
on a page already read must come again. It moves only when the list was read to its end and `shifts` finds that nothing
was missed; otherwise the list is read again.

A first read leaves its place every few pages, and its beginning before its first row: what it has emitted is in the
destination, so that a retry asks for what was deleted since then as well.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from source_sage.asking import ListAsker, Page
from source_sage.clock import parse_utc, utc_text
from source_sage.emitted import Emitted
from source_sage.leaving import Leaving
from source_sage.pages import identity
from source_sage.records import Records
from source_sage.rows import Row
from source_sage.shifts import Changes, Item, Sightings, Stamp, Whole, extremes
from source_sage.state import Place
from source_sage.task import Batch, Task

logger = logging.getLogger("airbyte.source-sage")

# Longer than a change may take to show up, and than Sage's clocks and this machine's may be apart.
OVERLAP: Final = dt.timedelta(minutes=10)
LATE_EDITS: Final = dt.timedelta(days=90)
SECOND: Final = dt.timedelta(seconds=1)
DAY: Final = dt.timedelta(days=1)
WALKS: Final = 4
LOOKS: Final = 4
PROBES: Final = 3
PAGES_BETWEEN_PLACES: Final = 20
SECONDS_BETWEEN_PLACES: Final = 60.0
# Fields of ours that Sage does not know, and those that it sends unasked.
NOT_TO_ASK_FOR: Final = frozenset({"business_id", "is_deleted", "id", "displayed_as"})


@dataclass(frozen=True)
class Taken:
    """What is kept of a page of Sage's records.

    Attributes:
        stamps: key and `updated_at` of each.
        keys: those of the rows to emit.
        records: them, written.
    """

    stamps: list[Stamp]
    keys: list[Any]
    records: list[Records]


class ListReading:
    """Reads a list of pages."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self._facts = task.facts
        self._ask = ListAsker(task.facts, task.business.id, task.transport, task.tally, task.askers)
        self._leaving = Leaving(task.facts, task.business.id, task.window, task.shaper)
        self._left = Emitted()
        place = task.place
        self._since = self._deletions_since = self._began = None
        if place is not None and place.watermark:
            self._deletions_since = parse_utc(place.watermark)
            covers = not task.facts.date_field or place.covers(task.window)
            self._since = self._deletions_since if covers else None
        elif place is not None:
            self._began = parse_utc(place.began)
            self._deletions_since = self._began - OVERLAP
        # A read for wider dates keeps the old place until it is done: nothing is lost but the work.
        self._leaves_places = self._facts.changes and not (place and place.watermark)
        self._place_left_at = task.clock.monotonic()

    def run(self) -> Iterator[Batch]:
        """Read to the end.

        Yields:
            Rows page by page; places where a later sync may go on.
        """
        told = yield from self._tell_what_left()
        settled = yield from self._goes_on()
        for _ in range(WALKS):
            if settled:
                break
            settled = yield from self._walk()
        settled = settled and told
        if not settled:
            logger.warning(
                "%s went on changing while it was read %d times; a row may be missing. Its place is left where it "
                "was, so that the next sync asks for the same again.",
                self._name,
                WALKS,
            )
        elif self._facts.cursor_field and self._began is not None:
            watermark = utc_text(self._began - OVERLAP)
            yield Batch(place=Place.for_window(self._task.window, watermark=watermark))

    def _tell_what_left(self) -> Generator[Batch, None, bool]:
        """Emit tombstones for what left since an earlier read emitted it; False if some may be missing."""
        since = self._deletions_since
        told = True
        if self._facts.tombstones and since is not None:
            after = since - SECOND  # Sage leaves that very moment out
            earliest = self._facts.deleted_since_min
            after = max(after, parse_utc(earliest)) if earliest else after
            deletions = {"attributes": "deleted_at", "deleted_since": utc_text(after)}
            told = yield from self._tell(deletions, self._leaving.tombstones, deletions=True)
        if self._facts.date_field and self._facts.changes and since is not None and self._since is None:
            # Rows edited out of the dates are not in the list that is read now.
            changes = {**self._always(), "updated_or_created_since": utc_text(since)}
            told = (yield from self._tell(changes, self._leaving.edited_out, deletions=False)) and told
        return told

    def _tell(
        self, params: Mapping[str, str], tombstones: Callable[[Sequence[Any], str], list[Row]], *, deletions: bool
    ) -> Generator[Batch, None, bool]:
        """Emit the tombstones that a list tells of; False if it went on changing, so that some may be missing."""
        told: set[Any] = set()
        for _ in range(WALKS):
            whole = Whole()
            for page in self._ask.walk(params, list):
                self._began = self._began or page.moment
                whole.note(page.taken or (), page.sight.total)
                gone = tombstones(page.taken or (), utc_text(page.moment))
                yield self._gone([row for row in gone if row["id"] not in told], deletions=deletions)
                told.update(row["id"] for row in gone)
            if whole.is_as_long_as_told if deletions else whole.is_whole:
                return True
        return False

    @property
    def _name(self) -> str:
        return f"{self._facts.name} of {self._task.business}"

    def _goes_on(self) -> Generator[Batch, None, bool]:
        """Read the rest of a first read that was cut off; False where it has to begin again."""
        place = self._task.place
        if place is None or place.watermark or not place.rows:
            return False
        if self._facts.date_field and not place.is_for(self._task.window):
            return False
        walk_began = parse_utc(place.walk_began or place.began)
        sightings = Sightings(utc_text(walk_began - OVERLAP), place.total)
        if not self._nothing_moved_forwards(sightings, self._changes(sightings)):
            logger.info("%s changed since its first read was cut off; reading it from the beginning.", self._name)
            return False
        logger.info("%s goes on after %d of %s rows.", self._name, place.rows, place.total)
        for page in self._ask.walk(self._params(), self._take_page, place.rows):
            yield from self._note(page, sightings, walk_began)
        changes = self._changes(sightings)
        if changes is not None:
            yield self._again(changes.touched, emitted_before=True)
        return self._nothing_moved_forwards(sightings, changes)

    def _walk(self) -> Generator[Batch, None, bool]:
        """Read the list from its beginning; True if nothing was missed."""
        sightings: Sightings | None = None
        walk_began = None
        for page in self._ask.walk(self._params(), self._take_page):
            if sightings is None or walk_began is None:
                walk_began = page.moment
                self._began = self._began or walk_began
                sightings = Sightings(utc_text(walk_began - OVERLAP), page.sight.total)
                if self._leaves_places:
                    yield Batch(place=self._first_read_place(walk_began, 0, page.sight.total))
            yield from self._note(page, sightings, walk_began)
        assert sightings is not None
        return (yield from self._settle(sightings))

    def _take_page(self, items: list[Any]) -> Taken:
        return self._take(items, emitted_before=self._since is not None)

    def _take(self, items: Sequence[Any], *, emitted_before: bool) -> Taken:
        """Make records of items, and keep of the items what tells whether rows were missed."""
        stamps = [(identity(item), item.get("updated_at") if isinstance(item, dict) else None) for item in items]
        rows = self._leaving.rows(items, emitted_before=emitted_before)
        return Taken(stamps, [row[self._leaving.key] for row in rows], self._task.emit(rows))

    def _note(self, page: Page[Taken], sightings: Sightings, walk_began: dt.datetime) -> Iterator[Batch]:
        """Emit a page, and leave a place after it if it is time for one."""
        fell_before = sightings.fell
        taken = page.taken or Taken([], [], [])
        touched = sightings.note(taken.stamps, page.sight)
        self._task.tally.note_page(page.sight.rows, page.sight.total, self._facts.page_size)
        records = self._once(taken, touched)
        if sightings.fell and not fell_before and self._leaves_places:
            # Rows may have slipped past: whoever goes on from here begins again.
            yield Batch(records, self._first_read_place(walk_began, 0, sightings.first_total))
        elif self._leaves_places and page.aligned and not sightings.fell and self._place_is_due(sightings):
            yield Batch(records, self._first_read_place(walk_began, page.sight.rows, sightings.first_total))
        else:
            yield Batch(records)

    def _once(self, taken: Taken, moved: Sequence[Any]) -> list[Records]:
        """The records whose rows did not leave in this run yet.

        Args:
            taken: to emit.
            moved: the keys of those that may have been anywhere in the list before.
        """
        again = self._left.note(taken.keys, moved)
        self._task.tally.note_rows(len(taken.keys) - len(again), extremes(taken.stamps))
        return [one.without(again) for one in taken.records] if again else taken.records

    def _again(self, items: Sequence[Any], *, emitted_before: bool) -> Batch:
        """Emit records that were asked for out of turn, as far as they did not leave yet."""
        taken = self._take(items, emitted_before=emitted_before)
        return Batch(self._once(taken, taken.keys))

    def _gone(self, rows: Sequence[Row], *, deletions: bool = False) -> Batch:
        """Emit tombstones."""
        self._task.tally.tombstones += len(rows)
        return Batch(self._task.emit(rows, deletions=deletions))

    def _settle(self, sightings: Sightings) -> Generator[Batch, None, bool]:
        """Find out whether the walk missed something, and look again where it may have.

        Yields:
            What changed since it began, and the pages that were looked at again.

        Returns:
            True if nothing was missed.
        """
        if sightings.pages <= 1:
            return sightings.at_end
        if not self._facts.changes:
            return sightings.all_seen_once()
        for _ in range(LOOKS):
            changes = self._changes(sightings)
            if changes is None:
                break
            yield self._again(changes.touched, emitted_before=self._task.place is not None)
            missed = sightings.missed(changes)
            if missed is not None and missed <= 0:
                return True
            pages = self._doubtful_pages(sightings, changes)
            if missed is None or not pages or 2 * len(pages) > sightings.pages:
                break
            logger.info("%s moved while it was read; looking at %d pages again.", self._name, len(pages))
            for number in pages:
                taken = self._ask.page(self._params(), number, self._take_page)
                sightings.look_again(taken.stamps)
                yield Batch(self._once(taken, taken.keys))
        logger.info("%s moved while it was read; reading it again.", self._name)
        return False

    def _doubtful_pages(self, sightings: Sightings, changes: Changes) -> list[int]:
        """The pages on both sides of each boundary that a row may have slipped over."""
        size = self._facts.page_size
        numbers: set[int] = set()
        for rows in sightings.doubtful_rows(changes):
            numbers |= {(rows - 1) // size + 1, rows // size + 1}
        return sorted(numbers)

    def _nothing_moved_forwards(self, sightings: Sightings, changes: Changes | None) -> bool:
        return changes is not None and sightings.nothing_moved_forwards(changes, ordered=self._facts.sort)

    def _changes(self, sightings: Sightings) -> Changes | None:
        """What happened to the list since the `cut` of a walk: one request where nothing did.

        Returns:
            Answers that agree with each other; None if the list went on changing meanwhile.
        """
        since = parse_utc(sightings.cut)
        touched = self._listed({"updated_or_created_since": utc_text(since)})
        if touched == [] and sightings.pages and sightings.stood_still:
            return Changes([], [], [], sightings.first_total)
        for _ in range(PROBES):
            # In this order: what is deleted meanwhile then makes the list look too long, never too short.
            total = self._ask.length(self._params())
            deleted: list[Item] | None = [] if self._facts.keeps_deleted else None
            if self._facts.tombstones:
                deleted = self._listed({"deleted_since": utc_text(since - SECOND)})
            again = self._listed({"updated_or_created_since": utc_text(since)})
            if touched is not None and again is not None and _marks(again) == _marks(touched):
                return Changes(touched, [item for item in touched if self._in_list(item)], deleted, total)
            touched = again
        return None

    def _listed(self, params: dict[str, str]) -> list[Item] | None:
        """All records of a list of changes or deletions; None if it changed while it was read."""
        whole = Whole()
        for page in self._ask.walk({**self._always(), **params}, list):
            whole.note(page.taken or (), page.sight.total)
        return list(whole.found.values()) if whole.is_whole else None

    def _in_list(self, item: Item) -> bool:
        """Tell whether a record is surely among those that the walk asks for."""
        return not self._facts.dates or self._since is not None or self._leaving.is_inside(item)

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
        # A day more on each side: whether Sage counts these two days in is not known (API.md, 1.7).
        dates = {"from_date": start and start - DAY, "to_date": end and end + DAY}
        return {name: date.isoformat() for name, date in dates.items() if date is not None}

    def _place_is_due(self, sightings: Sightings) -> bool:
        now = self._task.clock.monotonic()
        due = sightings.pages % PAGES_BETWEEN_PLACES == 0 or now - self._place_left_at > SECONDS_BETWEEN_PLACES
        if due:
            self._place_left_at = now
        return due

    def _first_read_place(self, walk_began: dt.datetime, rows: int, total: int | None) -> Place:
        assert self._began is not None
        restarted = {"walk_began": utc_text(walk_began)} if walk_began != self._began else {}
        return Place.for_window(self._task.window, began=utc_text(self._began), rows=rows, total=total, **restarted)


def _marks(items: Iterable[Item]) -> set[tuple[Any, Any]]:
    return {(identity(item), str(item.get("updated_at"))) for item in items}


class SettingsReading:
    """Reads a resource that is one record per business: settings, the business itself, the user."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def run(self) -> Iterator[Batch]:
        """Read the record.

        Yields:
            Its one row.
        """
        path = self._task.facts.path.replace("{business_id}", self._task.business.id)
        yield self._task.batch([self._task.get(path, {}, dict)])
