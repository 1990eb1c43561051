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
from source_sage.commands.bites import Bites, whole_streams
from source_sage.commands.live import Live
from source_sage.commands.warehouse import Place, Warehouse, place_of
from source_sage.config import SageConfig
from source_sage.errors import config_error
from source_sage.forecast import told
from source_sage.lists.records import Records
from source_sage.selection import configured, selected
from source_sage.sign_in.config_file import ConfigFile
from source_sage.source import SourceSage
from source_sage.streams import PACKAGE, StreamFacts, every_stream
from source_sage.sync.report import Report
from source_sage.views import TABLES, VIEWS, view

DEFAULT_FILE: Final = "sage.duckdb"
TIE_OUT: Final = PACKAGE / "tie-out.sql"
DIFFERENCES_AT_MOST: Final = 10
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
    return person.run(_sync, parser.parse_args(arguments))


def _sync(options: argparse.Namespace) -> int:
    os.umask(0o077)  # somebody's books are for their owner
    form = person.config_of(options.config)
    config = SageConfig.parse(form)
    streams = selected(config, options.streams)
    place = place_of(options.into)
    if options.dry_run and place.file is not None and not place.file.exists():
        with person.stdout_to_oneself() as say:
            return _plan(options, form, streams, [], say)
    with _files(place) as folder, person.stdout_to_oneself() as say:
        warehouse = Warehouse(place, configured(streams), folder, TABLES)
        try:
            return _job(options, form, streams, warehouse, place, say)
        finally:
            warehouse.close()


def _job(
    options: argparse.Namespace,
    form: dict[str, Any],
    streams: Sequence[StreamFacts],
    warehouse: Warehouse,
    place: Place,
    say: Callable[[str], None],
) -> int:
    ConfigFile(options.config).require_replaceable()
    states = [] if options.full_refresh else warehouse.states()
    if options.dry_run:
        return _plan(options, form, streams, states, say)
    person.say(f"{WARNING}\n")
    job = Job(form, options.config, streams, states, warehouse, options.full_refresh)
    failure = job.read()
    say(job.told)
    for trouble in job.make_views():
        say(trouble)
    say(verdict(warehouse))
    say(where_to_look(place))
    if failure:
        person.say(f"\n{failure}\nWhat was read is saved. Run the command again: it goes on from there.")
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
        states: from where.
        warehouse: into which.
        full_refresh: all streams come whole, and what Sage has no more is taken out.

    Attributes:
        told: the sync report.
    """

    def __init__(
        self,
        form: dict[str, Any],
        config_file: Path,
        streams: Sequence[StreamFacts],
        states: list[AirbyteStateMessage],
        warehouse: Warehouse,
        full_refresh: bool,
    ) -> None:
        self._form, self._config_file, self._streams, self._states = form, config_file, streams, states
        self._warehouse = warehouse
        self._whole = whole_streams(
            ((one.name, one.cursor_field is not None) for one in streams if not one.fed_by_others), full_refresh
        )
        self._began = dt.datetime.now(dt.UTC)
        self.told = ""

    def read(self) -> str:
        """Read and write, a bite at a time.

        Returns:
            What went wrong; empty if nothing did.
        """
        bites = Bites(self._whole, time.monotonic())
        report, failure = Report(), ""
        source = SourceSage(config_file=ConfigFile(self._config_file))
        with Live(report) as live, _log_to(live) as log:
            try:
                pages = source.read_pages(log.logger, self._form, configured(self._streams), self._states, report)
                for one in pages:
                    self._note(bites, one)
                    if bite := bites.due(time.monotonic()):
                        self._warehouse.write(bite, self._began)
            except AirbyteTracedException as error:
                failure = filter_secrets(str(error.message))
            finally:
                live.say_writing()
                self._warehouse.write(bites.rest(time.monotonic()), self._began)
        self.told = log.report
        return failure

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
