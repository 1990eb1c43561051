"""The loop of a sync: readings go on side by side, one answer at a time, and what they hand on leaves at once.

The CDK's ConcurrentSource is not used here, for four reasons that its extension points do not reach: its queue holds
single records (10,000 fat ones take 600 MB) where ours holds pages; it gives every failed sync the type
`config_error`, which the platform never retries; it moves a stream's state only where a partition ends; and a
refused partition cannot be told from a failed one (docs/design.md#decisions).
"""

from __future__ import annotations

import functools
import importlib
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from airbyte_cdk.models import AirbyteMessage
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.api.businesses import Business
from source_sage.api.transport import Transport
from source_sage.clock import Clock
from source_sage.config import SageConfig
from source_sage.errors import ListRefused
from source_sage.lists.asking import ASKED_PER_WORKER, Desk, Reader, Steps, ThreadPool, Threads
from source_sage.lists.records import Records
from source_sage.lists.rows import RowShaper
from source_sage.lists.state import StreamState
from source_sage.lists.task import Batch, Task
from source_sage.streams import StreamFacts
from source_sage.sync.messages import Messages
from source_sage.sync.plan import Plan, PlannedReading, StreamRun
from source_sage.sync.progress import Progress
from source_sage.sync.report import Report
from source_sage.sync.stopping import Stop

logger = logging.getLogger("airbyte.source-sage")

SECONDS_BETWEEN_LOOKS: Final = 1.0


@dataclass(eq=False)
class _Running:
    """A reading under way: what it wants to ask for, and where its steps are."""

    reading: PlannedReading
    reader: Reader
    steps: Steps[None]


class Sync:
    """Reads the chosen streams of the chosen businesses.

    Args:
        config: the form.
        businesses: to read.
        streams: the selected streams in the catalog's order, each with its saved state.
        transport: asks the API.
        report: gets the counts.
        clock: for the report's duration and record times.
        refused: what is known beforehand to be refused, by business id and list; it is not asked for.
        unreadable: businesses that cannot be read at all, and why; the others are read.
        unstartable: selected streams that cannot be begun with, and why; they fail, the others are read.
        threads: makes those who carry the requests out, given how many at the same time.
        stop: a wish that it should end.
    """

    def __init__(
        self,
        config: SageConfig,
        businesses: Sequence[Business],
        streams: Iterable[tuple[StreamFacts, StreamState]],
        transport: Transport,
        report: Report,
        clock: Clock,
        *,
        refused: Mapping[tuple[str, str], ListRefused],
        unreadable: Mapping[Business, AirbyteTracedException],
        unstartable: Mapping[str, AirbyteTracedException],
        threads: Callable[[int], Threads] = ThreadPool,
        stop: Stop | None = None,
    ) -> None:
        self._config = config
        self._transport = transport
        self._report = report
        self._clock = clock
        self._refused = refused
        self._unreadable = unreadable
        self._unstartable = unstartable
        self._threads = threads
        self._stop = stop or Stop()
        plan = Plan(businesses, (StreamRun(facts, state) for facts, state in streams))
        self._readings = plan.readings
        self._messages = Messages(plan, report, clock)
        self._progress = Progress(report, clock)
        self._handed_on: deque[tuple[PlannedReading, Batch]] = deque()
        lists = {reading.facts.name: reading.facts for reading in plan.readings}
        self._shapers = {name: RowShaper(name, facts.schema_) for name, facts in lists.items()}
        for reading in plan.readings:
            report.tally(reading.business.id, reading.facts.name).is_list = True

    def messages(self) -> Iterator[AirbyteMessage | Records]:
        """Read, emit, and say how each stream ended.

        Yields:
            Records, states and stream statuses.

        Raises:
            AirbyteTracedException: a stream or a business failed; its type tells the platform whether to retry.
        """
        yield from self._messages.begin(self._unstartable, self._unreadable)
        desk = Desk(self._config.num_workers, self._threads(self._config.num_workers))
        try:
            yield from self._read(desk)
            yield from self._messages.finish()
        finally:
            desk.close()
        if failure := self._messages.failure():
            raise failure

    def _read(self, desk: Desk) -> Iterator[AirbyteMessage | Records]:
        """Open readings as there is room for them, and have each go on when an answer of its own has come."""
        waiting = deque(self._readings)
        running: dict[Reader, _Running] = {}
        while waiting or running:
            if self._stop.asked:
                yield from self._messages.stop()
            while waiting and len(running) < ASKED_PER_WORKER * self._config.num_workers:
                reading = waiting.popleft()
                refused = self._refused.get((reading.business.id, reading.facts.name))
                if refused is not None:
                    yield from self._messages.end(reading, refused)
                    continue
                task = self._task(reading)
                task.tally.begun = True
                reader = _reader(task)
                running[reader] = one = _Running(reading, reader, reader.run())
                yield from self._go_on(one, running)
            desk.send(list(running))
            assert desk.waits or not running, "a reading waits for nothing"
            came = desk.take(SECONDS_BETWEEN_LOOKS) if running else None
            if came is not None and came in running:
                yield from self._go_on(running[came], running)
            if line := self._progress.line():
                logger.info(line)
            yield from self._messages.due()

    def _go_on(self, one: _Running, running: dict[Reader, _Running]) -> Iterator[AirbyteMessage | Records]:
        """Have a reading go on to where it waits for an answer; what it handed on leaves."""
        ended, error = False, None
        try:
            next(one.steps)
        except StopIteration:
            ended = True
        except Exception as caught:
            ended, error = True, caught
        while self._handed_on:
            yield from self._messages.leave(*self._handed_on.popleft())
        if ended:
            del running[one.reader]
            yield from self._messages.end(one.reading, error)

    def _task(self, reading: PlannedReading) -> Task:
        return Task(
            facts=reading.facts,
            business=reading.business,
            window=self._config.window,
            start_date=self._config.start_date,
            checkpoint=reading.checkpoint,
            shaper=self._shapers[reading.facts.name],
            emit=functools.partial(self._messages.records, reading),
            hand_on=lambda batch: self._handed_on.append((reading, batch)),
            transport=self._transport,
            tally=self._report.tally(reading.business.id, reading.facts.name),
            clock=self._clock,
            room_for_keys=reading.room_for_keys,
            look_back_days=self._config.look_back_days,
        )


def _reader(task: Task) -> Reader:
    module, _, name = task.facts.class_name.rpartition(".")
    reader: Reader = getattr(importlib.import_module(module), name)(task)
    return reader
