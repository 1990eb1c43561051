"""One sync: readings go on side by side, one answer at a time, and what they hand on leaves at once.

A reading is of one list of one business, and serves all streams that are made of it: the list's own stream, and those
of its lines, whether or not the list's own is selected. Whatever befalls it, befalls all of them.

The CDK's ConcurrentSource is not used here, for four reasons that its extension points do not reach: its queue holds
single records (10,000 fat ones take 600 MB) where ours holds pages; it gives every failed sync the type
`config_error`, which the platform never retries; it moves a stream's state only where a partition ends; and a
refused partition cannot be told from a failed one (docs/design.md#decisions).
"""

from __future__ import annotations

import datetime as dt
import functools
import importlib
import logging
import math
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteStateBlob,
    AirbyteStateMessage,
    AirbyteStateStats,
    AirbyteStateType,
    AirbyteStreamState,
    AirbyteStreamStatus,
    StreamDescriptor,
    Type,
)
from airbyte_cdk.sources.streams import NO_CURSOR_STATE_KEY
from airbyte_cdk.utils.stream_status_utils import as_airbyte_message as status_message
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.api.businesses import Business
from source_sage.api.transport import Transport
from source_sage.clock import Clock
from source_sage.config import SageConfig
from source_sage.errors import ListRefused, OfTheRun, stopped, system_error
from source_sage.lists.asking import ASKED_PER_WORKER, Desk, Reader, Steps, ThreadPool, Threads
from source_sage.lists.lines import lines_of
from source_sage.lists.records import Records
from source_sage.lists.rows import Row, RowShaper
from source_sage.lists.shared_start import starts
from source_sage.lists.state import Checkpoint, StreamState
from source_sage.lists.task import Batch, Task
from source_sage.streams import StreamFacts, every_stream
from source_sage.sync.outcome import Admissions, sync_failure
from source_sage.sync.progress import Progress
from source_sage.sync.report import Report
from source_sage.sync.stopping import Stop

logger = logging.getLogger("airbyte.source-sage")

SECONDS_BETWEEN_LOOKS: Final = 1.0
# Something leaves at least so often: a state that says the same again if need be. Neither a log line nor the status of
# a stream counts for the platform.
LONGEST_SILENCE_SECONDS: Final = 600.0
# A state holds all businesses of its stream: how fast states may leave, so that many businesses do not make more of
# them than of rows.
STATE_BYTES_A_SECOND: Final = 5_000.0
LONGEST_WAIT_OF_A_STATE_SECONDS: Final = 15.0
SMALL_STATE_BYTES: Final = 1_000


@dataclass
class StreamRun:
    """How one stream of the sync stands.

    Attributes:
        moved: a checkpoint was reached that no state has told of.
        waits_until: not before then another state leaves on the way.
        readings, refusals: how many there are by business id, and how many of them Sage refused.
    """

    facts: StreamFacts
    state: StreamState
    running: bool = False
    completed: bool = False
    left: int = 0
    since_state: int = 0
    moved: bool = False
    waits_until: float = -math.inf
    readings: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[Business, AirbyteTracedException]] = field(default_factory=list)

    @property
    def blob(self) -> Mapping[str, Any]:
        """What the platform is to keep of it now."""
        return blob_of(self.facts, self.state)


@dataclass(frozen=True)
class Reading:
    """One list of one business, read once from one place for all streams that are made of it."""

    facts: StreamFacts
    business: Business
    checkpoint: Checkpoint | None
    streams: list[StreamRun]


@dataclass(eq=False)
class _Running:
    """A reading under way: what it wants to ask for, and where its steps are."""

    reading: Reading
    reader: Reader
    steps: Steps[None]


class Sync:
    """Reads the chosen streams of the chosen businesses.

    Args:
        config: the form.
        businesses: to read.
        streams: the selected streams in the catalog's order, each with its saved state.
        transport: asks Sage.
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
        self._stop = stop or Stop()
        self._told: set[str] = set()
        self._config = config
        self._businesses = businesses
        self._transport = transport
        self._report = report
        self._clock = clock
        self._refused = refused
        self._unreadable = unreadable
        self._unstartable = unstartable
        self._progress = Progress(report, clock)
        self._lock = threading.Lock()
        self._threads = threads
        self._handed_on: deque[tuple[Reading, Batch]] = deque()
        self._left_at = clock.monotonic()
        self._runs = [StreamRun(facts, state) for facts, state in streams]
        self._run_of = {run.facts.name: run for run in self._runs}
        self._deleted_records = next((run for run in self._runs if run.facts.fed_by_others), None)
        self._readings = list(self._planned())
        self._shapers = {
            facts.name: RowShaper(facts.name, facts.schema_)
            for facts in {reading.facts.name: reading.facts for reading in self._readings}.values()
        }
        self._latest = clock.now()
        self._admissions = Admissions((reading.facts.name, reading.business) for reading in self._readings)
        for reading in self._readings:
            report.tally(reading.business.id, reading.facts.name).is_list = True

    def _planned(self) -> Iterator[Reading]:
        """Every reading of the sync, the lists in the catalog's order."""
        known = every_stream()
        lists: dict[str, list[StreamRun]] = {}
        for run in self._runs:
            for name in run.facts.lists:
                lists.setdefault(name, []).append(run)
        for name, runs in lists.items():
            for business in self._businesses:
                reached = [(run, run.state.checkpoint(_state_key(run, name, business))) for run in runs]
                for checkpoint, served in starts(reached):
                    for run in served:
                        run.left += 1
                        run.readings[business.id] += 1
                    yield Reading(known[name], business, checkpoint, served)

    def messages(self) -> Iterator[AirbyteMessage | Records]:
        """Read, emit, and say how each stream ended.

        Yields:
            Records, states and stream statuses.

        Raises:
            AirbyteTracedException: a stream or a business failed; its type tells the platform whether to retry.
        """
        for run in self._runs:
            yield _status(run, AirbyteStreamStatus.STARTED)
        for name, failure in self._unstartable.items():
            stream = StreamDescriptor(name=name)
            logger.warning("%s", failure.message)
            yield status_message(stream, AirbyteStreamStatus.STARTED)
            yield failure.as_sanitized_airbyte_message(stream_descriptor=stream)
            yield status_message(stream, AirbyteStreamStatus.INCOMPLETE)
        for business, failure in self._unreadable.items():
            yield self._note_unreadable(business, failure)
        yield from self._completed()
        desk = Desk(self._config.num_workers, self._threads(self._config.num_workers))
        try:
            yield from self._read(desk)
            if self._deleted_records is not None:
                yield from self._complete(self._deleted_records)
        finally:
            desk.close()
        failures = [(run.facts.name, failure) for run in self._runs for _, failure in run.failures]
        failures += self._unstartable.items()
        streams = len(self._runs) + len(self._unstartable)
        if outcome := sync_failure(streams, failures, read=self._admissions.anything_read):
            raise outcome

    def _read(self, desk: Desk) -> Iterator[AirbyteMessage | Records]:
        """Open readings as there is room for them, and have each go on when an answer of its own has come."""
        waiting = deque(self._readings)
        running: dict[Reader, _Running] = {}
        while waiting or running:
            if self._stop.asked:
                yield from self._stopped()
            while waiting and len(running) < ASKED_PER_WORKER * self._config.num_workers:
                reading = waiting.popleft()
                refused = self._refused.get((reading.business.id, reading.facts.name))
                if refused is not None:
                    yield from self._end(reading, refused)
                    continue
                self._report.tally(reading.business.id, reading.facts.name).begun = True
                reader = _reader(self._task(reading))
                running[reader] = one = _Running(reading, reader, reader.run())
                yield from self._go_on(one, running)
            desk.send(list(running))
            assert desk.waits or not running, "a reading waits for nothing"
            came = desk.take(SECONDS_BETWEEN_LOOKS) if running else None
            if came is not None and came in running:
                yield from self._go_on(running[came], running)
            if line := self._progress.line():
                logger.info(line)
            yield from self._moved(even_if_early=False)
            yield from self._say_something()

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
            reading, batch = self._handed_on.popleft()
            for records in batch.records:
                yield from self._leave(reading, records)
            if batch.checkpoint is not None:
                yield from self._save(reading, batch.checkpoint)
        if ended:
            del running[one.reader]
            yield from self._end(one.reading, error)

    def _save(self, reading: Reading, checkpoint: Checkpoint) -> Iterator[AirbyteMessage]:
        """A reading has reached a checkpoint: the states of its streams leave, or will."""
        for run in reading.streams:
            run.state.move(_state_key(run, reading.facts.name, reading.business), checkpoint)
            run.moved = True
        yield from self._moved(even_if_early=False)

    def _moved(self, *, even_if_early: bool) -> Iterator[AirbyteMessage]:
        """The states of streams that have reached a checkpoint."""
        now = self._clock.monotonic()
        for run in self._runs:
            if run.moved and (even_if_early or now >= run.waits_until):
                yield from self._with_deletions(run)

    def _with_deletions(self, run: StreamRun) -> Iterator[AirbyteMessage]:
        """The state of a stream, after that of its deletions: who goes on from it asks no more for these."""
        gone = self._deleted_records
        if gone is not None and gone is not run and gone.since_state:
            yield self._state(gone)
        yield self._state(run)

    def _stopped(self) -> Iterator[AirbyteMessage]:
        """The last words of a run that was asked to end.

        Raises:
            AirbyteTracedException: always.
        """
        yield from self._moved(even_if_early=True)
        for run in self._runs:
            if not run.completed:
                yield _status(run, AirbyteStreamStatus.INCOMPLETE)
        raise stopped()

    def _say_something(self) -> Iterator[AirbyteMessage]:
        """After a long silence, a state once more: the platform takes who says nothing for dead.

        Best of a stream that keeps its places. Of the others it says only that there are none, before their end as well
        as at it: whoever goes on from there reads them whole.
        """
        if self._clock.monotonic() - self._left_at < LONGEST_SILENCE_SECONDS:
            return
        left = sorted((run for run in self._runs if not run.completed), key=_keeps_no_places)
        if left:
            yield from self._with_deletions(left[0])

    def _task(self, reading: Reading) -> Task:
        return Task(
            facts=reading.facts,
            business=reading.business,
            window=self._config.window,
            start_date=self._config.start_date,
            checkpoint=reading.checkpoint,
            shaper=self._shapers[reading.facts.name],
            emit=functools.partial(self._emit, reading),
            hand_on=lambda batch: self._handed_on.append((reading, batch)),
            transport=self._transport,
            tally=self._report.tally(reading.business.id, reading.facts.name),
            clock=self._clock,
        )

    def _emit(self, reading: Reading, rows: Sequence[Row], *, deletions: bool = False) -> list[Records]:
        """Write the rows of a list for each stream that is made of it; of deletions, those of all streams too."""
        if not rows:
            return []
        moment = self._moment()
        key = reading.facts.primary_key[-1]
        made = [
            (
                run.facts.name,
                self._rows_for(run, reading, rows, moment),
                run.facts.parent_key if run.facts.parents else key,
            )
            for run in reading.streams
        ]
        if deletions and self._deleted_records is not None:
            made.append((self._deleted_records.facts.name, _deletions(reading.facts.name, rows), "id"))
        emitted_at = int(moment.timestamp() * 1000)
        return [Records.of(name, some, key, emitted_at) for name, some, key in made if some]

    def _moment(self) -> dt.datetime:
        """Now, and later than ever before, so that of two sets of a parent's lines the later one is known."""
        with self._lock:
            self._latest = max(self._clock.now(), self._latest + dt.timedelta(microseconds=1))
            return self._latest

    def _rows_for(self, run: StreamRun, reading: Reading, rows: Sequence[Row], moment: dt.datetime) -> Sequence[Row]:
        """What a page of a list means for one of the streams that are made of it."""
        if not run.facts.parents:
            return rows
        read_at = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        emitted_before = reading.checkpoint is not None
        return lines_of(run.facts, reading.facts.name, rows, read_at, emitted_before=emitted_before)

    def _leave(self, reading: Reading, records: Records) -> Iterator[AirbyteMessage | Records]:
        if not records.count:  # all of them have left before
            return
        run = self._run_of[records.stream]
        if run.facts.parents:
            tally = self._report.tally(reading.business.id, run.facts.name)
            tally.tombstones += records.deleted
            tally.rows += records.count - records.deleted
        self._left_at = self._clock.monotonic()
        if not run.running:
            run.running = True
            yield _status(run, AirbyteStreamStatus.RUNNING)
        run.since_state += records.count
        yield records

    def _end(self, reading: Reading, error: Exception | None) -> Iterator[AirbyteMessage]:
        self._report.tally(reading.business.id, reading.facts.name).ended = True
        if isinstance(error, ListRefused):
            self._note_refusal(reading, error)
        elif error is not None:
            yield from self._note_failure(reading, error)
        if shut := self._admissions.note(reading.facts.name, reading.business, error):
            yield self._note_unreadable(reading.business, shut)
        for run in reading.streams:
            run.left -= 1
        yield from self._completed()

    def _completed(self) -> Iterator[AirbyteMessage]:
        """The last words of each stream that is read in all businesses, and of which it is sure how it ended."""
        for run in self._runs:
            if run.left or run.completed or run.facts.fed_by_others:
                continue
            if not any(map(self._admissions.undecided, run.facts.lists)):
                run.completed = True
                yield from self._complete(run)

    def _complete(self, run: StreamRun) -> Iterator[AirbyteMessage]:
        """A stream's last words: its state, unless it failed, and how it ended."""
        if run.moved or not run.failures:
            yield from self._with_deletions(run)
        status = AirbyteStreamStatus.INCOMPLETE if run.failures else AirbyteStreamStatus.COMPLETE
        yield _status(run, status)

    def _state(self, run: StreamRun) -> AirbyteMessage:
        """A state, with the number of records since the last one, by which the platform sees that none was lost."""
        blob = run.blob
        size = len(orjson.dumps(blob))
        wait = min(size / STATE_BYTES_A_SECOND, LONGEST_WAIT_OF_A_STATE_SECONDS) if size > SMALL_STATE_BYTES else 0.0
        self._left_at = self._clock.monotonic()
        run.moved, run.waits_until = False, self._left_at + wait
        since, run.since_state = run.since_state, 0
        return state_message(run.facts, blob, since)

    def _note_refusal(self, reading: Reading, refusal: ListRefused) -> None:
        business, names = reading.business, _names(reading)
        self._report.tally(business.id, reading.facts.name).skipped = refusal.reason
        for run in reading.streams:
            run.refusals[business.id] += 1
            if run.refusals[business.id] == run.readings[business.id]:
                self._report.tally(business.id, run.facts.name).skipped = refusal.reason
        is_skipped = "is skipped" if len(reading.streams) == 1 else "are skipped"
        logger.warning("%s of %s %s (%s). %s", names, business, is_skipped, refusal.reason, refusal.message)

    def _note_unreadable(self, business: Business, failure: AirbyteTracedException) -> AirbyteMessage:
        """A business that fails as a whole: every stream is incomplete without it, and it is told once."""
        for run in self._runs:
            if not run.facts.fed_by_others:
                run.failures.append((business, failure))
                self._report.tally(business.id, run.facts.name).failed = str(failure.message)
        return failure.as_sanitized_airbyte_message()

    def _note_failure(self, reading: Reading, error: Exception) -> Iterator[AirbyteMessage]:
        business, names = reading.business, _names(reading)
        if isinstance(error, AirbyteTracedException):
            failure = error
        else:
            logger.error("%s of %s failed unexpectedly.", names, business, exc_info=error)
            failure = system_error(
                f"{names} of {business} failed for a reason that nobody foresaw ({type(error).__name__}). "
                "Please report it with the log of this sync."
            )
        for run in reading.streams:
            run.failures.append((business, failure))
            self._report.tally(business.id, run.facts.name).failed = str(failure.message)
        if not isinstance(failure, OfTheRun) and failure.message not in self._told:
            self._told.add(str(failure.message))
            stream = StreamDescriptor(name=reading.streams[0].facts.name)
            yield failure.as_sanitized_airbyte_message(stream_descriptor=stream)


def state_message(facts: StreamFacts, blob: Mapping[str, Any], records: int) -> AirbyteMessage:
    """A STATE message of a stream, after so many records since the last one."""
    state = AirbyteStreamState(
        stream_descriptor=StreamDescriptor(name=facts.name), stream_state=AirbyteStateBlob(dict(blob))
    )
    stats = AirbyteStateStats(recordCount=float(records))
    return AirbyteMessage(
        type=Type.STATE,
        state=AirbyteStateMessage(type=AirbyteStateType.STREAM, stream=state, sourceStats=stats),
    )


def blob_of(facts: StreamFacts, state: StreamState) -> Mapping[str, Any]:
    """What the platform is to keep of a stream; a stream without places says that it has none."""
    return state.blob() if facts.cursor_field and not facts.fed_by_others else {NO_CURSOR_STATE_KEY: True}


def _keeps_no_places(run: StreamRun) -> bool:
    return NO_CURSOR_STATE_KEY in run.blob


def _state_key(run: StreamRun, list_name: str, business: Business) -> str:
    """Under which key a stream keeps its checkpoint: by business, and by list where it is made of several."""
    return f"{business.id}/{list_name}" if len(run.facts.parents) > 1 else business.id


def _names(reading: Reading) -> str:
    """The streams that a reading serves, for messages; and the list where its own stream is not among them."""
    names = [run.facts.name for run in reading.streams]
    known = ", ".join(names)
    return known if reading.facts.name in names else f"{known} (lines of {reading.facts.name})"


def _reader(task: Task) -> Reader:
    module, _, name = task.facts.class_name.rpartition(".")
    reader: Reader = getattr(importlib.import_module(module), name)(task)
    return reader


def _deletions(stream: str, tombstones: Iterable[Row]) -> list[Row]:
    return [
        {"business_id": row["business_id"], "stream": stream, "id": row["id"], "deleted_at": row["deleted_at"]}
        for row in tombstones
    ]


def _status(run: StreamRun, status: AirbyteStreamStatus) -> AirbyteMessage:
    return status_message(StreamDescriptor(name=run.facts.name), status)
