"""`source-sage sync`: the whole job on one machine, into DuckDB or PostgreSQL, again and again."""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from airbyte_cdk.models import AirbyteMessage, AirbyteStateMessage, AirbyteStreamStatus
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.commands import person
from source_sage.commands.bites import Bite, Bites
from source_sage.commands.live import Live
from source_sage.commands.warehouse import DEFAULT_FILE, Place, Warehouse, place_of
from source_sage.config import SageConfig
from source_sage.errors import config_error
from source_sage.forecast import told
from source_sage.lists.records import Records
from source_sage.selection import configured, selected
from source_sage.sign_in.config_file import ConfigFile
from source_sage.source import SourceSage
from source_sage.streams import PACKAGE, StreamFacts, every_stream
from source_sage.sync.report import Report
from source_sage.sync.stopping import SECONDS_TO_END, Stop
from source_sage.views import TABLES, VIEWS, view

TIE_OUT: Final = PACKAGE / "tie-out.sql"
DIFFERENCES_AT_MOST: Final = 10
# By whether it was asked to read everything anew.
GO_ON: Final = {
    False: "Run the same command again: it goes on from there.",
    True: "Run the same command again without --full-refresh: it goes on from there, and takes out what is left to "
    "take out.",
}
SAVED: Final = "What was read is saved."
WARNING: Final = (
    "Use this sign-in here alone: if Airbyte, or another copy of this program, has the same tokens, each ends the "
    "other's. Sign in once more for each of them."
)


def main(arguments: Sequence[str]) -> int:
    """Run the command; gives its exit code: 1 if a list could not be read."""
    parser = person.parser(
        "sync",
        "Reads your books into DuckDB or PostgreSQL, at the next time what changed since. Tokens are kept in the "
        f"config file, rows in the schema {TABLES}, views of what counts in {VIEWS}, and how far it is beside the "
        "rows. "
        f"{WARNING}",
        "source-sage sync --config sage-config.json",
    )
    add = parser.add_argument
    into = "DuckDB file, or postgresql://USER@HOST/DATABASE with the password in PGPASSWORD (%(default)s)"
    add("--into", default=DEFAULT_FILE, metavar="WHERE", help=into)
    add("--streams", type=person.names, default=[], metavar="NAME,NAME", help="these alone (all)")
    again = "read everything anew, and take out what Sage has no more, also where Sage does not tell of deletions"
    add("--full-refresh", action="store_true", help=again)
    add("--dry-run", action="store_true", help="tell what would be asked for, and in about how many requests")
    options = parser.parse_args(arguments)
    ending = Ending("Stopped." if options.dry_run else f"Stopped. {SAVED} {GO_ON[options.full_refresh]}")
    return person.run(lambda options: _sync(options, ending), options, ending.stop, SECONDS_TO_END)


class Ending:
    """How a sync is asked to end, and what is to be done then.

    Args:
        words: the last ones, if it is ended before it is done.

    Attributes:
        stop: the wish.
        last_deeds: what is to be done where the process is ended from outside.
        uncut: what a first signal must not cut off, from the last bite on until it is told.
    """

    def __init__(self, words: str) -> None:
        self.last_deeds = contextlib.ExitStack()
        self.last_deeds.callback(person.say, words)
        self.stop = Stop(self.last_deeds.close)
        self.uncut = contextlib.ExitStack()


def _sync(options: argparse.Namespace, ending: Ending) -> int:
    os.umask(0o077)  # somebody's books are for their owner
    form = person.config_of(options.config)
    config = SageConfig.parse(form)
    streams = selected(config, options.streams)
    place = place_of(options.into)
    if options.dry_run and place.file is not None and not place.file.exists():
        with person.unheard() as say:
            return _plan(options, form, streams, [], say)
    with ending.uncut, _files(place) as folder, person.unheard() as say:
        ending.last_deeds.callback(shutil.rmtree, folder, ignore_errors=True)
        warehouse = Warehouse(place, configured(streams), folder, TABLES)
        try:
            code = _job(options, form, streams, warehouse, place, say, ending)
        finally:
            warehouse.close()
    if ending.stop.asked:
        ending.stop.end()
    return code


def _job(
    options: argparse.Namespace,
    form: dict[str, Any],
    streams: Sequence[StreamFacts],
    warehouse: Warehouse,
    place: Place,
    say: Callable[[str], None],
    ending: Ending,
) -> int:
    ConfigFile(options.config).require_replaceable()
    if options.dry_run:
        return _plan(options, form, streams, [] if options.full_refresh else warehouse.states(), say)
    person.say(f"{WARNING}\n")
    if options.full_refresh:
        warehouse.forget([one.name for one in streams if one.cursor_field is not None and not one.fed_by_others])
    job = Job(form, options.config, streams, warehouse, ending)
    failure = job.read()
    if ending.stop.asked:
        return 1
    ending.uncut.close()
    say(job.told)
    for trouble in job.make_views():
        say(trouble)
    say(verdict(warehouse))
    say(where_to_look(place))
    if failure:
        person.say(f"\n{failure}\n{SAVED} {GO_ON[options.full_refresh]}")
    return 1 if failure else 0


def _plan(
    options: argparse.Namespace,
    form: dict[str, Any],
    streams: Sequence[StreamFacts],
    states: list[AirbyteStateMessage],
    say: Callable[[str], None],
) -> int:
    report = Report()
    source = SourceSage(config_file=ConfigFile(options.config))
    say(told(source.plan(form, streams, states, report), report.titles))
    return 0


class Job:
    """One sync.

    Args:
        form: the config.
        config_file: where it is from; renewed tokens are kept in it.
        streams: to read.
        warehouse: into which, and from where on.
        ending: how it is asked to end.

    Attributes:
        told: the sync report.
    """

    def __init__(
        self,
        form: dict[str, Any],
        config_file: Path,
        streams: Sequence[StreamFacts],
        warehouse: Warehouse,
        ending: Ending,
    ) -> None:
        self._form, self._config_file, self._streams = form, config_file, streams
        self._warehouse, self._ending = warehouse, ending
        now = dt.datetime.now(dt.UTC)
        self._states = warehouse.states()
        # Of the streams that come whole: when their reading began, in this sync or in an earlier one.
        self._began = {one.name: now for one in streams if one.cursor_field is None}
        self._began |= warehouse.forgotten(now, {one.name for one in streams})
        self.told = ""

    def read(self) -> str:
        """Read and write, a bite at a time.

        Returns:
            What went wrong; empty if nothing did.
        """
        bites = Bites(frozenset(self._began), time.monotonic())
        report, failure = Report(), ""
        source = SourceSage(config_file=ConfigFile(self._config_file), stop=self._ending.stop)
        with Live(report) as live, _log_to(live) as log:
            self._ending.last_deeds.callback(live.stop)
            try:
                pages = source.read_pages(log.logger, self._form, configured(self._streams), self._states, report)
                for one in pages:
                    self._note(bites, one)
                    if bite := bites.due(time.monotonic()):
                        self._write(bite)
            except AirbyteTracedException as error:
                failure = filter_secrets(str(error.message))
            finally:
                live.say_writing()
                self._ending.uncut.enter_context(self._ending.stop.closing())
                self._write(bites.rest(time.monotonic()))
        self.told = log.report
        return failure

    def _write(self, bite: Bite) -> None:
        with self._ending.stop.closing():
            self._warehouse.write(bite, self._began)

    def _note(self, bites: Bites, one: AirbyteMessage | Records) -> None:
        if isinstance(one, Records):
            self._warehouse.take(one)
            bites.rows(one.stream, one.count)
        elif one.state is not None and one.state.stream is not None:
            bites.state(one.state.stream.stream_descriptor.name, one)
        elif one.trace is not None and one.trace.stream_status is not None:
            status = one.trace.stream_status
            if status.status is AirbyteStreamStatus.COMPLETE:
                bites.ended(status.stream_descriptor.name)

    def make_views(self) -> Iterator[str]:
        """Make the views of what is in the database anew.

        Yields:
            What went wrong with one.
        """
        tables = self._warehouse.tables()
        self._warehouse.run(f"CREATE SCHEMA IF NOT EXISTS {VIEWS}")
        for name, facts in every_stream().items():
            if name not in tables:
                continue
            try:
                self._warehouse.run(view(facts))
            except Exception as error:  # of whichever database's driver; somebody's own view may be made of it
                yield f"The view {VIEWS}.{name} stays as it was: {' '.join(str(error).split())[:200]}"


def verdict(warehouse: Warehouse) -> str:
    """Whether the books tie out, in a line, and what differs in a few."""
    try:
        rows = warehouse.rows(TIE_OUT.read_text(encoding="utf-8"))
    except Exception:  # a table that the statement is about is not there
        return "Do the books tie out? Not checked: that needs all streams of Financial and Customer Data."
    verdicts = [row for row in rows if row[2] != "differs"]
    wrong = [row for row in rows if row[2] in ("DIFFERS", "differs")]
    if not wrong:
        held = sorted({str(row[0]) for row in verdicts if row[2] == "ties out"})
        skipped = [f"{row[0]}: {row[3]}" for row in verdicts if row[2] != "ties out"]
        more = f" Not checked: {'; '.join(dict.fromkeys(skipped))}." if skipped else ""
        return f"The books tie out: {', '.join(held)}.{more}" if held else f"Do the books tie out?{more}"
    some = [f"  {row[0]}, {row[3]}: expected {row[4]}, found {row[5]}" for row in wrong[:DIFFERENCES_AT_MOST]]
    rest = [f"  and {len(wrong) - len(some)} more"] if len(wrong) > len(some) else []
    return "\n".join(["The books DIFFER (docs/tie-out.sql says what may be behind it):", *some, *rest])


def where_to_look(place: Place) -> str:
    """Three lines on where the books are now."""
    if place.file is not None:
        ask = f"duckdb.connect('{place.file}').sql('SELECT contact, total_amount FROM {VIEWS}.sales_invoices').show()"
        look = f'python -c "import duckdb; {ask}"'
    else:
        assert place.server is not None
        host, port, user, database = place.server
        look = f"psql -h {host} -p {port} -U {user} {database} -c 'SELECT * FROM {VIEWS}.sales_invoices'"
    return (
        f"\nWhat counts is in {VIEWS}, all rows as they came in {TABLES}, of {place.title}.\n"
        f"Look:      {look}\n"
        "Ten questions ready to ask: docs/queries.sql. Tomorrow run the same command: it reads what changed."
    )


@contextlib.contextmanager
def _files(place: Place) -> Iterator[Path]:
    """A folder for files on their way: beside DuckDB's file, whose disk has room for them; gone in the end."""
    parent = place.file.parent if place.file is not None else None
    try:
        folder = Path(tempfile.mkdtemp(prefix=".sage-sync-", dir=parent))
    except OSError as error:
        raise config_error(f"Nothing can be written to {parent}: {error.strerror}.") from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Log(logging.Handler):
    """What the source says: warnings to the person, the report for the end."""

    def __init__(self, live: Live) -> None:
        super().__init__()
        self._live = live
        self.logger = logging.getLogger("airbyte.source-sage")
        self.report = ""

    def emit(self, record: logging.LogRecord) -> None:
        text = filter_secrets(record.getMessage())
        if text.startswith("Sync report"):
            self.report = text
        elif record.levelno >= logging.WARNING:
            self._live.say(text)


@contextlib.contextmanager
def _log_to(live: Live) -> Iterator[_Log]:
    log = _Log(live)
    before = log.logger.propagate, log.logger.level
    log.logger.propagate = False
    log.logger.setLevel(logging.INFO)
    log.logger.addHandler(log)
    try:
        yield log
    finally:
        log.logger.removeHandler(log)
        log.logger.propagate = before[0]
        log.logger.setLevel(before[1])
