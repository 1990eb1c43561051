"""The asking of one page of a list: by one question, or by several smaller ones while the full size is too heavy.

Sage answers some pages of 200 rows with 504. A page that keeps failing is asked for in halves, quarters or eighths, and
whoever asked gets one answer all the same, so that pages keep their places. After enough small ones a larger size is
tried again, ever more seldom.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

from source_sage.asking import Ask, Reader
from source_sage.leaving import Leaving
from source_sage.pages import Envelope
from source_sage.records import Records
from source_sage.task import Task
from source_sage.transport import TRIES, Answer, NoGoodAnswer, NotSagesWord

TRIES_BEFORE_SHRINKING: Final = 3
SMALLEST_PAGE: Final = 25
MOST_PATIENCE: Final = 64


class Item(NamedTuple):
    """What is kept of one of Sage's records: what tells it from others, and the rest as Sage wrote it."""

    key: str | None
    changed: Any = None
    date: Any = None
    gone: Any = None


@dataclass(frozen=True)
class Taken:
    """What is kept of a page of Sage's records.

    Attributes:
        items: all of them.
        leaving: keys of the rows that would leave.
        records: them, written.
    """

    items: list[Item]
    leaving: list[Any]
    records: list[Records]


Page = tuple[Envelope, Taken]
Then = Callable[[Answer[Page]], None]


class Paging:
    """Asks for the pages of one list.

    Args:
        task: the list.
        reader: whose questions they are.
        leaving: makes rows of records.

    Attributes:
        gone_since: rows outside the chosen dates that were changed since leave as tombstones; None for none.
        excess: by how much `$total` is known to be too high.
    """

    def __init__(self, task: Task, reader: Reader, leaving: Leaving) -> None:
        self._task, self._reader, self._leaving = task, reader, leaving
        self._full = self._size = task.facts.page_size
        self._patience, self._grows_after = 1, 0
        self._bytes = 0
        self.gone_since: str | None = None
        self.excess = 0

    def ask(self, params: Mapping[str, str], number: int, then: Then, size: int | None = None) -> None:
        """Ask for a page; `then` gets its answer."""
        size = size or self._size
        parts = self._full // size
        came: dict[int, Answer[Page]] = {}
        given_up = False

        def part_came(part: int, ask: Ask[Page]) -> None:
            nonlocal given_up
            if given_up:
                return
            too_heavy = isinstance(ask.error, NoGoodAnswer) and not isinstance(ask.error, NotSagesWord)
            if too_heavy and size // 2 >= SMALLEST_PAGE:
                given_up = True
                self._shrink(size // 2)
                self.ask(params, number, then, size // 2)
                return
            came[part] = self._reader.result(ask)
            if len(came) == parts:
                self._grow()
                page = _joined(number, [came[one] for one in range(parts)], parts)
                self._bytes = page.size
                then(page)

        tries = TRIES_BEFORE_SHRINKING if size // 2 >= SMALLEST_PAGE else TRIES
        gone_since = self.gone_since
        for part in range(parts):
            get = partial(self._get, params, (number - 1) * parts + part + 1, size, tries, gone_since)
            self._reader.put(Ask(get, self._bytes // parts, partial(part_came, part)))

    def first_row(self, params: Mapping[str, str]) -> Answer[Page]:
        """Ask for a page of one row, on another thread."""
        return self._get(params, 1, 1, TRIES, None)

    def _shrink(self, size: int) -> None:
        if size < self._size:
            self._size = size
            self._patience = min(2 * self._patience, MOST_PATIENCE)
            self._grows_after = self._patience

    def _grow(self) -> None:
        if self._size < self._full:
            self._grows_after -= 1
            if self._grows_after < 0:
                self._size *= 2
                self._grows_after = self._patience

    def _get(
        self, params: Mapping[str, str], number: int, size: int, tries: int, gone_since: str | None
    ) -> Answer[Page]:
        """Ask for one page, on another thread."""
        task = self._task

        def take(body: dict[str, Any]) -> Page:
            return Envelope.of(body, self.excess), self._taken(body["$items"], gone_since)

        return task.transport.get(
            task.facts.path,
            {**params, "page": str(number), "items_per_page": str(size)},
            take,
            business_id=task.business.id,
            tally=task.tally,
            list_expected=True,
            tries=tries,
        )

    def _taken(self, records: Sequence[Any], gone_since: str | None) -> Taken:
        """Make records of items, and keep of the items what tells whether rows were missed."""
        date_field = self._task.facts.date_field or "date"
        items, distinct, keys = [], [], set()
        for record in records:
            key = self._leaving.key_of(record)
            if isinstance(record, dict):
                items.append(Item(key, record.get("updated_at"), record.get(date_field), record.get("deleted_at")))
            else:
                items.append(Item(None))
            if key is None or key not in keys:
                keys.add(key)
                distinct.append(record)
        rows = self._leaving.rows(distinct, gone_since=gone_since)
        return Taken(items, [row[self._leaving.key] for row in rows], self._task.emit(rows))


def _joined(number: int, parts: Sequence[Answer[Page]], of: int) -> Answer[Page]:
    """The answer of a whole page from those of its parts, of which the last may be past the end of the list."""
    if of == 1:
        return parts[0]
    first = (number - 1) * of + 1
    there = [
        one
        for place, one in enumerate(parts)
        if one.taken[0].number in (None, first + place) and (place == 0 or one.taken[0].count)
    ]
    last = (there or parts)[-1]
    envelopes = [one.taken[0] for one in there]
    envelope = Envelope(
        sum(one.count for one in envelopes),
        hash(tuple(one.signature for one in envelopes)),
        number if there else 0,
        last.taken[0].total,
        last.taken[0].has_next,
    )
    taken = Taken(
        [item for one in there for item in one.taken[1].items],
        [key for one in there for key in one.taken[1].leaving],
        [records for one in there for records in one.taken[1].records],
    )
    return Answer((envelope, taken), last.moment, max(one.took for one in parts), sum(one.size for one in parts))
