"""The asking of one page of a list: by one question, or by several smaller ones where it is too heavy.

Sage answers some pages of 200 rows with 504. What is asked for then is decided by `page_sizes` and `parts`; whoever
asked gets one answer all the same, so that pages keep their places.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple

from source_sage.api.pages import Envelope
from source_sage.api.transport import TRIES, Answer, NoGoodAnswer, NotSagesWord
from source_sage.lists.asking import Ask, Reader
from source_sage.lists.page_sizes import PageSizes
from source_sage.lists.parts import Part, Parts
from source_sage.lists.records import Records
from source_sage.lists.rows import UNCONVERTED
from source_sage.lists.rows_to_emit import RowsToEmit
from source_sage.lists.task import Task
from source_sage.streams import StreamFacts

logger = logging.getLogger("airbyte.source-sage")

TRIES_BEFORE_SHRINKING: Final = 3
SMALLEST_PAGE: Final = 25
# Fields of ours that Sage does not know, and those that it sends unasked.
NOT_TO_ASK_FOR: Final = frozenset({"business_id", "is_deleted", "id", "displayed_as", UNCONVERTED})


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
        to_emit: keys of the rows that would leave.
        records: them, written.
    """

    items: list[Item]
    to_emit: list[Any]
    records: list[Records]


class Page(NamedTuple):
    """One page: what Sage says of it, and what is kept of its records."""

    envelope: Envelope
    kept: Taken


Then = Callable[[Answer[Page]], None]


@dataclass(eq=False)
class _Wanted:
    """A page that somebody waits for."""

    params: Mapping[str, str]
    parts: Parts[Answer[Page]]
    then: Then
    gone_since: str | None


class Paging:
    """Asks for the pages of one list.

    Args:
        task: the list.
        reader: whose questions they are.
        to_emit: makes rows of records.

    Attributes:
        sizes: how many rows a page may have.
        gone_since: rows outside the chosen dates that were changed since leave as tombstones; None for none.
        excess: by how much `$total` is known to be too high.
    """

    def __init__(self, task: Task, reader: Reader, to_emit: RowsToEmit) -> None:
        self._task, self._reader, self._to_emit = task, reader, to_emit
        self._full = task.facts.page_size
        self.sizes = PageSizes(self._full, SMALLEST_PAGE, task.checkpoint.pages if task.checkpoint else None)
        self._wanted: list[_Wanted] = []
        self._bytes = 0
        self.gone_since: str | None = None
        self.excess = 0

    def ask(self, params: Mapping[str, str], number: int, then: Then) -> None:
        """Ask for a page; `then` gets its answer."""
        parts: Parts[Answer[Page]] = Parts(Part(number, self._full), self.sizes)
        self._wanted.append(_Wanted(params, parts, then, self.gone_since))

    def wanted(self) -> Ask[Page] | None:
        """The next question of the pages that are asked for; None if none is to be put before an answer comes."""
        for one in self._wanted:
            part = one.parts.next()
            if part is not None:
                get = partial(self._get, one.params, part, self._tries(part), one.gone_since)
                return Ask(get, self._bytes * part.rows // self._full, partial(self._came, one, part))
        return None

    def first_row(self, params: Mapping[str, str]) -> Answer[Page]:
        """Ask for a page of one row, on another thread."""
        return self._get(params, Part(1, 1), TRIES, None)

    def _tries(self, part: Part) -> int:
        if not self.sizes.can_shrink(part.rows):
            return TRIES
        return 1 if self.sizes.is_trial(part.rows) else TRIES_BEFORE_SHRINKING

    def _came(self, one: _Wanted, part: Part, ask: Ask[Page]) -> None:
        """Note what came of a part: the page may be complete, or the part has to be asked for in its halves."""
        error = ask.error
        is_heavy = isinstance(error, NoGoodAnswer) and not isinstance(error, NotSagesWord)
        if is_heavy and one.parts.failed(part):
            name = f"{self._task.facts.name} of {self._task.business}"
            logger.info("%s: no good answer for %d rows; asking for %d at a time.", name, part.rows, part.rows // 2)
            return
        answer = self._reader.result(ask)
        if one.parts.worked(part, answer.taken.envelope, answer):
            self._wanted.remove(one)
            page = _joined(*one.parts.joined())
            self._bytes = page.size
            one.then(page)

    def _get(self, params: Mapping[str, str], part: Part, tries: int, gone_since: str | None) -> Answer[Page]:
        """Ask for one page, on another thread."""
        task = self._task

        def take(body: dict[str, Any]) -> Page:
            return Page(Envelope.of(body, self.excess), self._taken(body["$items"], gone_since))

        return task.transport.get(
            task.facts.path,
            {**params, "page": str(part.number), "items_per_page": str(part.rows)},
            take,
            business_id=task.business.id,
            tally=task.tally,
            list_expected=True,
            tries=tries,
            can_be_smaller=self.sizes.can_shrink(part.rows),
        )

    def _taken(self, records: Sequence[Any], gone_since: str | None) -> Taken:
        """Make records of items, and keep of the items what tells whether rows were missed."""
        date_field = self._task.facts.date_field or "date"
        items, distinct, keys = [], [], set()
        for record in records:
            key = self._to_emit.key_of(record)
            if isinstance(record, dict):
                items.append(Item(key, record.get("updated_at"), record.get(date_field), record.get("deleted_at")))
            else:
                items.append(Item(None))
            if key is None or key not in keys:
                keys.add(key)
                distinct.append(record)
        rows = self._to_emit.rows(distinct, gone_since=gone_since)
        return Taken(items, [row[self._to_emit.key] for row in rows], self._task.emit(rows))


def _joined(envelope: Envelope, parts: Sequence[Answer[Page]]) -> Answer[Page]:
    """The answer of a whole page from those of its parts."""
    if len(parts) == 1:
        (one,) = parts
        return one.of(Page(envelope, one.taken.kept))
    # A row that moved from one part to the next while they were asked for leaves once.
    to_emit: dict[Any, None] = {}
    records: list[Records] = []
    for one in parts:
        again = {key for key in one.taken.kept.to_emit if key in to_emit}
        records += [some.without(again) for some in one.taken.kept.records] if again else one.taken.kept.records
        to_emit.update(dict.fromkeys(one.taken.kept.to_emit))
    kept = Taken([item for one in parts for item in one.taken.kept.items], list(to_emit), records)
    # As if it had been under way all the time: what was changed between two parts was changed while it was read.
    moment = max(one.moment for one in parts)
    began = min(one.began for one in parts)
    size, date = sum(one.size for one in parts), max((one.date for one in parts if one.date), default=None)
    return Answer(Page(envelope, kept), moment, (moment - began).total_seconds(), size, date)


def attributes_of(facts: StreamFacts) -> str:
    """What is asked for of a list's fields: all, or those that are declared where `all` would bring too much."""
    if facts.attributes == "all":
        return "all"
    return ",".join(name for name in facts.schema_["properties"] if name not in NOT_TO_ASK_FOR)
