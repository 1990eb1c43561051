"""A list in memory and a reading of it, without HTTP or rows: what a long list costs in a fraction of a second.

`integration_tests/long_lists` says what is true over HTTP; here the order of answers is decided by a seed, and requests
are counted exactly.
"""

from __future__ import annotations

import datetime as dt
import importlib
import random
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from integration_tests.seeded import SeededThreads
from source_sage.api.businesses import Business
from source_sage.api.pages import Envelope
from source_sage.api.transport import Answer
from source_sage.clock import Clock, parse_utc, utc_text
from source_sage.config import Window
from source_sage.counts import Tally
from source_sage.lists.asking import Desk, Reader
from source_sage.lists.paging import Item, Page, Paging, Taken
from source_sage.lists.parts import Part
from source_sage.lists.records import Records
from source_sage.lists.rows_to_emit import RowsToEmit
from source_sage.lists.state import Checkpoint
from source_sage.lists.task import Batch, Task
from source_sage.streams import every_stream

PAGE: Final = 200
FIRST_DAY: Final = dt.date(2020, 1, 1)
DAYS: Final = 1_990
SECONDS_A_REQUEST: Final = 0.25
YEAR: Final = 365 * 86_400


class Died(BaseException):
    """The process is gone."""


class Ticking(Clock):
    """A clock that stands still between requests."""

    def __init__(self) -> None:
        self.seconds = 1_750_000_000.0

    def now(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self.seconds, dt.UTC)

    def monotonic(self) -> float:
        return self.seconds


class Listed:
    """A list at Sage.

    Args:
        name: the stream, for its facts.
        rows: how many, dated evenly.
        order: by `created`, `updated` or `random`, and `asc` or `desc`.
    """

    def __init__(self, name: str, rows: int, order: str) -> None:
        self.facts = every_stream()[name]
        self.clock = Ticking()
        self.requests = self.nth = 0
        self.before: Callable[[Listed], object] = lambda _: None
        self.touched: set[str] = set()
        self.keys = [f"{number:032x}" for number in range(rows)]
        first = int(self.clock.seconds) - 5 * YEAR
        self._updated = [first + number * (4 * YEAR // rows) for number in range(rows)]
        self._days = [FIRST_DAY + dt.timedelta(number * DAYS // rows) for number in range(rows)]
        by, self._way = order.split(":")
        chance = random.Random(3)  # noqa: S311
        ranks: dict[str, list[Any]] = {
            "created": list(range(rows)),
            "updated": self._updated,
            "random": [chance.random() for _ in range(rows)],
        }
        self._rank = ranks[by]
        self._known: dict[Any, list[int]] = {}

    def edit(self, index: int) -> None:
        """A row is edited now."""
        self._updated[index] = int(self.clock.seconds)
        self.touched.add(self.keys[index])
        self._known.clear()

    def in_order(self) -> list[int]:
        """All rows as the list shows them."""
        if None not in self._known:
            ranked = sorted(range(len(self.keys)), key=self._rank.__getitem__, reverse=self._way == "desc")
            self._known[None] = ranked
        return self._known[None]

    def answer(self, params: Mapping[str, str], number: int, size: int) -> Answer[Page]:
        """One page; one past the end is the last again."""
        self.clock.seconds += SECONDS_A_REQUEST
        self.requests, self.nth = self.requests + 1, self.nth + 1
        self.before(self)
        rows = self._selected(params)
        last = max(1, -(-len(rows) // size))
        shown = min(number, last)
        some = rows[(shown - 1) * size : shown * size]
        keys = [self.keys[one] for one in some]
        envelope = Envelope(len(keys), hash(frozenset(keys)), shown, len(rows), shown < last)
        moments = [utc_text(dt.datetime.fromtimestamp(self._updated[one], dt.UTC)) for one in some]
        items = [Item(key, at, self._days[one].isoformat()) for key, at, one in zip(keys, moments, some, strict=True)]
        records = [Records(self.facts.name, list(keys), [False] * len(keys), b"\n" * len(keys))] if keys else []
        now = dt.datetime.fromtimestamp(int(self.clock.seconds), dt.UTC)
        return Answer(Page(envelope, Taken(items, keys, records)), now, SECONDS_A_REQUEST, 1_000 * len(keys))

    def _selected(self, params: Mapping[str, str]) -> list[int]:
        if "deleted_since" in params:
            return []
        since, first, last = (params.get(name) for name in ("updated_or_created_since", "from_date", "to_date"))
        known = (since, first, last)
        if known not in self._known:
            rows = self.in_order()
            if since:
                moment = parse_utc(since).timestamp()
                rows = [one for one in rows if self._updated[one] >= moment]
            if first:
                rows = [one for one in rows if self._days[one] >= dt.date.fromisoformat(first)]
            if last:
                rows = [one for one in rows if self._days[one] <= dt.date.fromisoformat(last)]
            self._known[known] = rows
        return self._known[known]


class _Paging(Paging):
    """Asks a list in memory; dies where it is told to."""

    def __init__(self, task: Task, reader: Reader, to_emit: RowsToEmit, listed: Listed, die_after: int | None) -> None:
        super().__init__(task, reader, to_emit)
        self._listed, self._left = listed, die_after

    def _get(self, params: Mapping[str, str], part: Part, tries: int, gone_since: str | None) -> Answer[Page]:
        if self._left is not None:
            if not self._left:
                raise Died
            self._left -= 1
        return self._listed.answer(params, part.number, part.rows)


class Read:
    """One run that reads a list.

    Attributes:
        keys: what left, how often.
        checkpoint: the last one that left.
        killed: the process died.
        requests: how many it took.
        tally: what was counted of it.
    """

    def __init__(
        self,
        listed: Listed,
        seed: object,
        *,
        workers: int = 8,
        checkpoint: Checkpoint | None = None,
        die_after: int | None = None,
        tally: Tally | None = None,
    ) -> None:
        self.keys: Counter[str] = Counter()
        self.tally = tally or Tally()
        self.checkpoint, self.killed = checkpoint, False
        before, listed.nth = listed.requests, 0
        nothing: Any = None
        task = Task(
            listed.facts,
            Business("b", "B"),
            Window(FIRST_DAY, None),
            FIRST_DAY,
            checkpoint,
            nothing,
            lambda rows, *, deletions=False, last_seen=None: [],
            self._take,
            nothing,
            self.tally,
            listed.clock,
            lambda: 0,
        )
        module, _, name = listed.facts.class_name.rpartition(".")
        reader = getattr(importlib.import_module(module), name)(task)
        reader._paging = _Paging(task, reader, reader._to_emit, listed, die_after)
        desk, steps = Desk(workers, SeededThreads(workers, seed)), reader.run()
        try:
            next(steps)
            while True:
                desk.send([reader])
                desk.take(1.0)
                next(steps)
        except StopIteration:
            pass
        except Died:
            self.killed = True
        self.requests = listed.requests - before

    def _take(self, batch: Batch) -> None:
        for records in batch.records:
            self.keys.update(records.keys)
        self.checkpoint = batch.checkpoint or self.checkpoint
