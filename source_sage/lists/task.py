"""The task of a reading: what it needs to know, how it asks, and how it hands on what it got."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from source_sage.api.businesses import Business
from source_sage.api.transport import Answer, Transport
from source_sage.clock import Clock
from source_sage.config import Window
from source_sage.counts import Tally
from source_sage.lists.records import Records
from source_sage.lists.rows import Row, RowShaper
from source_sage.lists.state import Checkpoint
from source_sage.streams import StreamFacts


class Emit(Protocol):
    """Makes records of the rows of a list, for every stream that is made of it."""

    def __call__(
        self, rows: Sequence[Row], *, deletions: bool = False, last_seen: Mapping[str, str] | None = None
    ) -> list[Records]:
        """Write shaped rows.

        Args:
            rows: of the list.
            deletions: they are tombstones of real deletions.
            last_seen: when each was last seen, by its key, where nobody told that they are gone.
        """


@dataclass(frozen=True)
class Batch:
    """What one answer brought: records to emit, then perhaps a checkpoint to save.

    Attributes:
        records: to emit.
        checkpoint: how far the reading is with them.
    """

    records: list[Records] = field(default_factory=list)
    checkpoint: Checkpoint | None = None


@dataclass(frozen=True)
class Task:
    """What a reading needs to know.

    Attributes:
        facts: the stream.
        business: whose.
        window: the accounting dates wanted.
        start_date: as typed; the window opens earlier where historical data is wanted.
        checkpoint: how far earlier syncs came; None for a first read.
        shaper: makes rows of records.
        emit: makes records of rows; on any thread.
        hand_on: takes what is to leave; on the thread that decides.
        transport: asks for what a list has.
        tally: counts.
        clock: this machine's.
        room_for_keys: tells how many bytes of the streams' states its known keys may take.
        look_back_days: what is dated within so many days is read again.
    """

    facts: StreamFacts
    business: Business
    window: Window
    start_date: dt.date
    checkpoint: Checkpoint | None
    shaper: RowShaper
    emit: Emit
    hand_on: Callable[[Batch], None]
    transport: Transport
    tally: Tally
    clock: Clock
    room_for_keys: Callable[[], int]
    look_back_days: int = 0

    def get(self, path: str, params: Mapping[str, str]) -> Answer[dict[str, Any]]:
        """Ask for one resource that is no list; on any thread."""
        return self.transport.get(path, params, dict, business_id=self.business.id, tally=self.tally)

    def batch(self, items: Sequence[Any]) -> Batch:
        """Records, shaped and written as they are."""
        key = self.facts.primary_key[-1]
        rows = self.shaper.shape(items, self.business.id, key=None if key == "business_id" else key)
        self.tally.note_rows(len(rows), (row.get("updated_at") for row in rows))
        return Batch(self.emit(rows))
