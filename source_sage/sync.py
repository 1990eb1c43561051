"""One sync: readings run side by side in threads, their batches leave in order on the main thread.

The CDK's ConcurrentSource is not used here, for four reasons that its extension points do not reach: its queue holds
single records (10,000 fat ones take 600 MB) where ours holds pages; it gives every failed sync the type
`config_error`, which the platform never retries; it moves a stream's state only where a partition ends; and a
refused partition cannot be told from a failed one (CDK.md, sections 1.6 and 3; AIRBYTE.md, 3.1).
"""

from __future__ import annotations

import functools
import importlib
import logging
import queue
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

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

from source_sage.asking import Askers
from source_sage.businesses import Business
from source_sage.clock import Clock
from source_sage.config import SageConfig
from source_sage.errors import ListRefused, system_error
from source_sage.outcome import Admissions, sync_failure
from source_sage.progress import Progress
from source_sage.reading import Batch, Task
from source_sage.records import Records
from source_sage.report import Report, Tally
from source_sage.rows import Row, RowShaper
from source_sage.state import StreamState
from source_sage.streams import StreamFacts
from source_sage.transport import Transport

logger = logging.getLogger("airbyte.source-sage")

PUT_SECONDS: Final = 0.2
SECONDS_BETWEEN_LOOKS: Final = 1.0
BATCHES_THAT_WAIT: Final = 2


@dataclass
class StreamRun:
    """How one stream of the sync stands."""

    facts: StreamFacts
    state: StreamState
    shaper: RowShaper
    left: int
    running: bool = False
    since_state: int = 0
    completed: bool = False
    failures: list[tuple[Business, AirbyteTracedException]] = field(default_factory=list)


@dataclass(frozen=True)
class _Ended:
    """A reading's last word."""

    stream: StreamRun
    business: Business
    error: Exception | None


_Item = tuple[StreamRun, Business, Batch] | _Ended


class Sync:
    """Reads the chosen streams of the chosen businesses.

    Args:
        config: the form.
        businesses: to read.
        streams: the selected streams in the catalog's order, each with its saved state.
        transport: asks Sage.
        report: gets the counts.
        clock: for the report's duration and record times.
        refused: what is known beforehand to be refused, by business id and stream; it is not asked for.
        unreadable: businesses that cannot be read at all, and why; the others are read.
    """

    def __init__(
        self,
        config: SageConfig,
        businesses: Sequence[Business],
        streams: Iterable[tuple[StreamFacts, Mapping[str, Any]]],
        transport: Transport,
        report: Report,
        clock: Clock,
        *,
        refused: Mapping[tuple[str, str], ListRefused],
        unreadable: Mapping[Business, AirbyteTracedException],
    ) -> None:
        self._config = config
        self._businesses = businesses
        self._transport = transport
        self._report = report
        self._clock = clock
        self._refused = refused
        self._unreadable = unreadable
        self._progress = Progress(report, clock)
        self._stop = threading.Event()
        self._askers = Askers(config.num_workers)
        self._queue: queue.Queue[_Item] = queue.Queue(maxsize=BATCHES_THAT_WAIT)
        self._runs = [
            StreamRun(
                facts,
                StreamState(facts.name, {} if facts.fed_by_others else blob),
                RowShaper(facts.name, facts.schema_),
                left=0 if facts.fed_by_others else len(businesses),
            )
            for facts, blob in streams
        ]
        self._run_of = {run.facts.name: run for run in self._runs}
        self._deleted_records = next((run for run in self._runs if run.facts.fed_by_others), None)
        self._readings = [(run, business) for run in self._runs if run.left for business in businesses]
        self._admissions = Admissions((run.facts.name, business) for run, business in self._readings)
        for run, business in self._readings:
            report.tally(business.id, run.facts.name)

    def messages(self) -> Iterator[AirbyteMessage | Records]:
        """Read, emit, and say how each stream ended.

        Yields:
            Records, states and stream statuses.

        Raises:
            AirbyteTracedException: a stream or a business failed; its type tells the platform whether to retry.
        """
        for run in self._runs:
            yield _status(run, AirbyteStreamStatus.STARTED)
        for business, failure in self._unreadable.items():
            yield self._note_unreadable(business, failure)
        yield from self._completed()
        executor = ThreadPoolExecutor(self._config.num_workers, thread_name_prefix="sage")
        try:
            for run, business in self._readings:
                executor.submit(self._work, run, business)
            for _ in self._readings:
                yield from self._until_one_ends()
            if self._deleted_records is not None:
                yield from self._complete(self._deleted_records)
        finally:
            self._stop.set()
            executor.shutdown(wait=False, cancel_futures=True)
            self._askers.close()
        failures = [(run.facts.name, business, failure) for run in self._runs for business, failure in run.failures]
        if outcome := sync_failure(len(self._runs), failures, read=self._admissions.anything_read):
            raise outcome

    def _work(self, run: StreamRun, business: Business) -> None:
        error: Exception | None = self._refused.get((business.id, run.facts.name))
        if error is not None:
            self._put(_Ended(run, business, error))
            return
        self._report.tally(business.id, run.facts.name).begun = True
        try:
            for batch in _reading(self._task(run, business)).run():
                if not self._put((run, business, batch)):
                    return
        except Exception as caught:
            error = caught
        self._put(_Ended(run, business, error))

    def _task(self, run: StreamRun, business: Business) -> Task:
        return Task(
            facts=run.facts,
            business=business,
            window=self._config.window,
            start_date=self._config.start_date,
            place=run.state.place(business.id),
            shaper=run.shaper,
            emit=functools.partial(self._emit, run),
            transport=self._transport,
            tally=self._report.tally(business.id, run.facts.name),
            clock=self._clock,
            askers=self._askers,
        )

    def _put(self, item: _Item) -> bool:
        """Hand an item to the main thread; False when the sync was given up meanwhile."""
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=PUT_SECONDS)
            except queue.Full:
                continue
            return True
        return False

    def _until_one_ends(self) -> Iterator[AirbyteMessage | Records]:
        while not isinstance(item := self._next(), _Ended):
            run, business, batch = item
            for records in batch.records:
                yield from self._leave(records)
            if batch.place is not None:
                run.state.move(business.id, batch.place)
                yield self._state(run, run.state.blob())
        yield from self._end(item)

    def _next(self) -> _Item:
        """What the readings bring next; meanwhile says now and then how far they are."""
        while True:
            if line := self._progress.line():
                logger.info(line)
            try:
                return self._queue.get(timeout=SECONDS_BETWEEN_LOOKS)
            except queue.Empty:
                continue

    def _emit(self, run: StreamRun, rows: Sequence[Row], *, deletions: bool = False) -> list[Records]:
        """Write the rows of a list; of deletions, those of the stream of all deletions too."""
        if not rows:
            return []
        emitted_at = int(self._clock.now().timestamp() * 1000)
        records = [Records.of(run.facts.name, rows, emitted_at)]
        if deletions and self._deleted_records is not None:
            gone = _deletions(run.facts.name, rows)
            records.append(Records.of(self._deleted_records.facts.name, gone, emitted_at))
        return records

    def _leave(self, records: Records) -> Iterator[AirbyteMessage | Records]:
        run = self._run_of[records.stream]
        if not run.running:
            run.running = True
            yield _status(run, AirbyteStreamStatus.RUNNING)
        run.since_state += records.count
        yield records

    def _end(self, ended: _Ended) -> Iterator[AirbyteMessage]:
        run, business = ended.stream, ended.business
        tally = self._report.tally(business.id, run.facts.name)
        tally.ended = True
        if isinstance(ended.error, ListRefused):
            self._note_refusal(run, business, ended.error, tally)
        elif ended.error is not None:
            yield self._note_failure(run, business, ended.error, tally)
        if shut := self._admissions.note(run.facts.name, business, ended.error):
            yield self._note_unreadable(business, shut)
        run.left -= 1
        yield from self._completed()

    def _completed(self) -> Iterator[AirbyteMessage]:
        """The last words of each stream that is read in all businesses, and of which it is sure how it ended."""
        for run in self._runs:
            if not (run.left or run.completed or run.facts.fed_by_others or self._admissions.undecided(run.facts.name)):
                run.completed = True
                yield from self._complete(run)

    def _complete(self, run: StreamRun) -> Iterator[AirbyteMessage]:
        """A stream's last words: its state, unless it failed, and how it ended."""
        if not run.failures:
            keeps_places = run.facts.cursor_field and not run.facts.fed_by_others
            yield self._state(run, run.state.blob() if keeps_places else {NO_CURSOR_STATE_KEY: True})
        status = AirbyteStreamStatus.INCOMPLETE if run.failures else AirbyteStreamStatus.COMPLETE
        yield _status(run, status)

    def _state(self, run: StreamRun, blob: Mapping[str, Any]) -> AirbyteMessage:
        """A state, with the number of records since the last one, by which the platform sees that none was lost."""
        stream = AirbyteStreamState(
            stream_descriptor=StreamDescriptor(name=run.facts.name), stream_state=AirbyteStateBlob(dict(blob))
        )
        stats = AirbyteStateStats(recordCount=float(run.since_state))
        run.since_state = 0
        state = AirbyteStateMessage(type=AirbyteStateType.STREAM, stream=stream, sourceStats=stats)
        return AirbyteMessage(type=Type.STATE, state=state)

    def _note_refusal(self, run: StreamRun, business: Business, refusal: ListRefused, tally: Tally) -> None:
        tally.skipped = refusal.reason
        logger.warning("%s of %s is skipped (%s). %s", run.facts.name, business, refusal.reason, refusal.message)

    def _note_unreadable(self, business: Business, failure: AirbyteTracedException) -> AirbyteMessage:
        """A business that fails as a whole: every stream is incomplete without it, and it is told once."""
        for run in self._runs:
            if not run.facts.fed_by_others:
                run.failures.append((business, failure))
                tally = self._report.tally(business.id, run.facts.name)
                tally.failed, tally.ended = str(failure.message), True
        return failure.as_sanitized_airbyte_message()

    def _note_failure(self, run: StreamRun, business: Business, error: Exception, tally: Tally) -> AirbyteMessage:
        if isinstance(error, AirbyteTracedException):
            failure = error
        else:
            logger.error("%s of %s failed unexpectedly.", run.facts.name, business, exc_info=error)
            failure = system_error(
                f"{run.facts.name} of {business} failed for a reason that nobody foresaw ({type(error).__name__}). "
                "Please report it with the log of this sync."
            )
        run.failures.append((business, failure))
        tally.failed = str(failure.message)
        return failure.as_sanitized_airbyte_message(stream_descriptor=StreamDescriptor(name=run.facts.name))


def _reading(task: Task) -> Any:
    module, _, name = task.facts.class_name.rpartition(".")
    return getattr(importlib.import_module(module), name)(task)


def _deletions(stream: str, tombstones: Iterable[Row]) -> list[Row]:
    return [
        {"business_id": row["business_id"], "stream": stream, "id": row["id"], "deleted_at": row["deleted_at"]}
        for row in tombstones
    ]


def _status(run: StreamRun, status: AirbyteStreamStatus) -> AirbyteMessage:
    return status_message(StreamDescriptor(name=run.facts.name), status)
