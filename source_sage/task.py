"""The task of a reading: what it needs to know, how it asks, and how it hands on what it got."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from source_sage.asking import Askers
from source_sage.businesses import Business
from source_sage.clock import Clock
from source_sage.config import Window
from source_sage.records import Records
from source_sage.report import Tally
from source_sage.rows import Row, RowShaper
from source_sage.state import Place
from source_sage.streams import StreamFacts
from source_sage.transport import Answer, Transport

T = TypeVar("T")


class Emit(Protocol):
    """Makes records of the rows of a list, for every stream that is made of it."""

    def __call__(self, rows: Sequence[Row], *, deletions: bool = False) -> list[Records]:
        """Write shaped rows; `deletions` says that they are tombstones that Sage gave."""


@dataclass(frozen=True)
class Batch:
    """What one answer brought: records to emit, then perhaps a place to save.

    Attributes:
        records: to emit.
        place: how far the reading is with them.
    """

    records: list[Records] = field(default_factory=list)
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
        emit: makes records of rows.
        transport: asks Sage.
        tally: counts.
        clock: this machine's.
        askers: the threads that ask.
    """

    facts: StreamFacts
    business: Business
    window: Window
    start_date: dt.date
    place: Place | None
    shaper: RowShaper
    emit: Emit
    transport: Transport
    tally: Tally
    clock: Clock
    askers: Askers

    def get(self, path: str, params: Mapping[str, str], take: Callable[[dict[str, Any]], T]) -> T:
        """Ask for one resource that is no list."""

        def ask() -> Answer[T]:
            return self.transport.get(path, params, take, business_id=self.business.id, tally=self.tally)

        return self.askers.ask(ask).result().taken

    def batch(self, items: Sequence[Any]) -> Batch:
        """Sage's records, shaped and written as they are."""
        rows = self.shaper.shape(items, self.business.id)
        self.tally.note_rows(len(rows), (row.get("updated_at") for row in rows))
        return Batch(self.emit(rows))
