"""The messages of a sync: what a page means for each stream, when states leave, and what is said of each ending."""

from __future__ import annotations

import datetime as dt
import logging
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from airbyte_cdk.utils.stream_status_utils import as_airbyte_message as status_message
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.api.businesses import Business
from source_sage.clock import Clock
from source_sage.errors import ListRefused, OfTheRun, stopped, system_error
from source_sage.lists.keys import Keys, hash_of
from source_sage.lists.lines import lines_of
from source_sage.lists.records import Records
from source_sage.lists.rows import Row
from source_sage.lists.task import Batch
from source_sage.sync.outcome import Admissions, sync_failure
from source_sage.sync.plan import Plan, PlannedReading, StreamRun, most_useful
from source_sage.sync.report import Report

logger = logging.getLogger("airbyte.source-sage")

# Something leaves at least so often: a state that says the same again if need be. Neither a log line nor the status of
# a stream counts for the platform.
LONGEST_SILENCE_SECONDS: Final = 600.0
# A state holds all businesses of its stream: how fast states may leave, so that many businesses do not make more of
# them than of rows.
STATE_BYTES_A_SECOND: Final = 5_000.0
LONGEST_WAIT_OF_A_STATE_SECONDS: Final = 15.0
SMALL_STATE_BYTES: Final = 1_000


class Messages:
    """Says what a sync has to say, on the thread that decides, but for `records`.

    Args:
        plan: the streams, whose standing it keeps, and their readings.
        report: gets the counts.
        clock: for record times and silence.
    """

    def __init__(self, plan: Plan, report: Report, clock: Clock) -> None:
        self._runs = plan.runs
        self._run_of = {run.facts.name: run for run in plan.runs}
        self._deletions = plan.deletions
        self._report = report
        self._clock = clock
        self._lock = threading.Lock()
        self._latest = clock.now()
        self._left_at = clock.monotonic()
        self._told: set[str] = set()
        self._deleted: defaultdict[tuple[str, Business], Keys] = defaultdict(Keys)
        self._unstartable: Mapping[str, AirbyteTracedException] = {}
        self._admissions = Admissions((reading.facts.name, reading.business) for reading in plan.readings)

    def begin(
        self, unstartable: Mapping[str, AirbyteTracedException], unreadable: Mapping[Business, AirbyteTracedException]
    ) -> Iterator[AirbyteMessage]:
        """The first words, and all there is to say of streams that cannot begin and of businesses that fail whole."""
        for run in self._runs:
            yield _status(run, AirbyteStreamStatus.STARTED)
        self._unstartable = unstartable
        for name, failure in unstartable.items():
            stream = StreamDescriptor(name=name)
            logger.warning("%s", failure.message)
            yield status_message(stream, AirbyteStreamStatus.STARTED)
            yield failure.as_sanitized_airbyte_message(stream_descriptor=stream)
            yield status_message(stream, AirbyteStreamStatus.INCOMPLETE)
        for business, failure in unreadable.items():
            yield self._note_unreadable(business, failure)
        yield from self._completed()

    def records(
        self,
        reading: PlannedReading,
        rows: Sequence[Row],
        *,
        deletions: bool = False,
        last_seen: Mapping[str, str] | None = None,
    ) -> list[Records]:
        """Write the rows of a list for each stream that is made of it; on any thread, deletions on that which decides.

        Args:
            reading: brought them.
            rows: shaped.
            deletions: they are tombstones of real deletions, which the stream of all deletions tells too.
            last_seen: when each was last seen, by its key, where nobody told that they are gone.
        """
        if not rows:
            return []
        moment = self._moment()
        key = reading.facts.primary_key[-1]
        made = [
            (
                run.facts.name,
                _rows_for(run, reading, rows, moment),
                run.facts.parent_key if run.facts.parents else key,
            )
            for run in reading.streams
        ]
        if deletions and self._deletions is not None:
            untold = self._untold(reading, rows)
            made.append((self._deletions.facts.name, _deleted(reading.facts.name, untold, last_seen), "id"))
        emitted_at = int(moment.timestamp() * 1000)
        return [Records.of(name, some, key, emitted_at) for name, some, key in made if some]

    def _untold(self, reading: PlannedReading, tombstones: Sequence[Row]) -> list[Row]:
        """Those that no other reading of the same list has told: streams that stand at different places have two."""
        told = self._deleted[reading.facts.name, reading.business]
        hashes = {hash_of(row["id"]): row for row in tombstones}
        fresh = hashes.keys() - told.held(hashes)
        told.add(fresh)
        return [hashes[one] for one in fresh]

    def _moment(self) -> dt.datetime:
        """Now, and later than ever before, so that of two sets of a parent's lines the later one is known."""
        with self._lock:
            self._latest = max(self._clock.now(), self._latest + dt.timedelta(microseconds=1))
            return self._latest

    def leave(self, reading: PlannedReading, batch: Batch) -> Iterator[AirbyteMessage | Records]:
        """What a reading has handed on: records, and the states of its streams if it has reached a checkpoint."""
        for records in batch.records:
            yield from self._leave(reading, records)
        if batch.checkpoint is not None:
            reading.reach(batch.checkpoint)
            yield from self._moved(even_if_early=False)

    def _leave(self, reading: PlannedReading, records: Records) -> Iterator[AirbyteMessage | Records]:
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

    def due(self) -> Iterator[AirbyteMessage]:
        """The states whose time has come; after a long silence one more: the platform takes who is silent for dead.

        Best of a stream that keeps checkpoints. Of the others it says only that there are none, before their end as
        well as at it: whoever goes on from there reads them whole.
        """
        yield from self._moved(even_if_early=False)
        if self._clock.monotonic() - self._left_at < LONGEST_SILENCE_SECONDS:
            return
        if unfinished := [run for run in self._runs if not run.completed]:
            yield from self._with_deletions(most_useful(unfinished))

    def _moved(self, *, even_if_early: bool) -> Iterator[AirbyteMessage]:
        """The states of streams that have reached a checkpoint."""
        now = self._clock.monotonic()
        for run in self._runs:
            if run.moved and (even_if_early or now >= run.waits_until):
                yield from self._with_deletions(run)

    def _with_deletions(self, run: StreamRun) -> Iterator[AirbyteMessage]:
        """The state of a stream, after that of its deletions: who goes on from it asks no more for these."""
        gone = self._deletions
        if gone is not None and gone is not run and gone.since_state:
            yield self._state(gone)
        yield self._state(run)

    def _state(self, run: StreamRun) -> AirbyteMessage:
        """A state; the next one has to wait, the longer the larger this one is."""
        blob, since = run.blob, run.since_state
        size = len(orjson.dumps(blob))
        wait = min(size / STATE_BYTES_A_SECOND, LONGEST_WAIT_OF_A_STATE_SECONDS) if size > SMALL_STATE_BYTES else 0.0
        self._left_at = self._clock.monotonic()
        run.moved, run.waits_until, run.since_state = False, self._left_at + wait, 0
        return state_message(run.facts.name, blob, since)

    def stop(self) -> Iterator[AirbyteMessage]:
        """The last words of a run that was asked to end.

        Raises:
            AirbyteTracedException: always.
        """
        yield from self._moved(even_if_early=True)
        for run in self._runs:
            if not run.completed:
                yield _status(run, AirbyteStreamStatus.INCOMPLETE)
        raise stopped()

    def end(self, reading: PlannedReading, error: Exception | None) -> Iterator[AirbyteMessage]:
        """A reading has come to its end, or `error` ended it: what is to be said of it, and of streams that end so."""
        self._report.tally(reading.business.id, reading.facts.name).ended = True
        if isinstance(error, ListRefused):
            self._note_refusal(reading, error)
        elif error is not None:
            yield from self._note_failure(reading, error)
        if shut := self._admissions.note(reading.facts.name, reading.business, error):
            yield self._note_unreadable(reading.business, shut)
        for run in reading.streams:
            run.pending -= 1
        yield from self._completed()

    def finish(self) -> Iterator[AirbyteMessage]:
        """The last words of the stream that the others feed."""
        if self._deletions is not None:
            yield from self._complete(self._deletions)

    def failure(self) -> AirbyteTracedException | None:
        """How the sync fails as a whole; None if nothing failed."""
        failures = [(run.facts.name, failure) for run in self._runs for _, failure in run.failures]
        failures += self._unstartable.items()
        return sync_failure(len(self._runs) + len(self._unstartable), failures, read=self._admissions.anything_read)

    def _completed(self) -> Iterator[AirbyteMessage]:
        """The last words of each stream that is read in all businesses, and of which it is sure how it ended."""
        for run in self._runs:
            if run.pending or run.completed or run.facts.fed_by_others:
                continue
            if not any(map(self._admissions.undecided, run.facts.lists)):
                run.completed = True
                yield from self._complete(run)

    def _complete(self, run: StreamRun) -> Iterator[AirbyteMessage]:
        """A stream's last words: its state, unless it failed, and how it ended."""
        if run.moved or not run.failures:
            yield from self._with_deletions(run)
        yield _status(run, AirbyteStreamStatus.INCOMPLETE if run.failures else AirbyteStreamStatus.COMPLETE)

    def _note_refusal(self, reading: PlannedReading, refusal: ListRefused) -> None:
        business = reading.business
        self._report.tally(business.id, reading.facts.name).skipped = refusal.reason
        for run in reading.streams:
            run.refusals[business.id] += 1
            if run.refusals[business.id] == run.readings[business.id]:
                self._report.tally(business.id, run.facts.name).skipped = refusal.reason
        is_skipped = "is skipped" if len(reading.streams) == 1 else "are skipped"
        logger.warning("%s of %s %s (%s). %s", reading.names, business, is_skipped, refusal.reason, refusal.message)

    def _note_unreadable(self, business: Business, failure: AirbyteTracedException) -> AirbyteMessage:
        """A business that fails as a whole: every stream is incomplete without it, and it is told once."""
        self._note(business, [run for run in self._runs if not run.facts.fed_by_others], failure)
        return failure.as_sanitized_airbyte_message()

    def _note_failure(self, reading: PlannedReading, error: Exception) -> Iterator[AirbyteMessage]:
        business, names = reading.business, reading.names
        if isinstance(error, AirbyteTracedException):
            failure = error
        else:
            logger.error("%s of %s failed unexpectedly.", names, business, exc_info=error)
            failure = system_error(
                f"{names} of {business} failed for a reason that nobody foresaw ({type(error).__name__}). "
                "Please report it with the log of this sync."
            )
        self._note(business, reading.streams, failure)
        if not isinstance(failure, OfTheRun) and failure.message not in self._told:
            self._told.add(str(failure.message))
            stream = StreamDescriptor(name=reading.streams[0].facts.name)
            yield failure.as_sanitized_airbyte_message(stream_descriptor=stream)

    def _note(self, business: Business, runs: Iterable[StreamRun], failure: AirbyteTracedException) -> None:
        for run in runs:
            run.failures.append((business, failure))
            self._report.tally(business.id, run.facts.name).failed = str(failure.message)


def state_message(stream: str, blob: Mapping[str, Any], records: int) -> AirbyteMessage:
    """A stream's state, and how many records left since the last one, by which the platform sees that none was lost."""
    state = AirbyteStreamState(
        stream_descriptor=StreamDescriptor(name=stream), stream_state=AirbyteStateBlob(dict(blob))
    )
    stats = AirbyteStateStats(recordCount=float(records))
    return AirbyteMessage(
        type=Type.STATE,
        state=AirbyteStateMessage(type=AirbyteStateType.STREAM, stream=state, sourceStats=stats),
    )


def _rows_for(run: StreamRun, reading: PlannedReading, rows: Sequence[Row], moment: dt.datetime) -> Sequence[Row]:
    """What a page of a list means for one of the streams that are made of it."""
    if not run.facts.parents:
        return rows
    read_at = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return lines_of(run.facts, reading.facts.name, rows, read_at, emitted_before=reading.checkpoint is not None)


def _deleted(stream: str, tombstones: Iterable[Row], last_seen: Mapping[str, str] | None) -> list[Row]:
    rows = [
        {"business_id": row["business_id"], "stream": stream, "id": row["id"], "deleted_at": row["deleted_at"]}
        for row in tombstones
    ]
    if last_seen is None:
        return rows
    return [{**row, "is_inferred": True, "last_seen_at": last_seen[row["id"]]} for row in rows]


def _status(run: StreamRun, status: AirbyteStreamStatus) -> AirbyteMessage:
    return status_message(StreamDescriptor(name=run.facts.name), status)
