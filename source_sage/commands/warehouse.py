"""The database that `source-sage sync` fills, through PyAirbyte: its tables, its table of states, its file formats.

PyAirbyte's own read writes rows and states when the whole read has ended, and drops all of them if a list failed. So
its parts are used instead of it: what writes a record to a file, what loads the files of a stream into its table, and
what saves a state. Nothing of it is asked for that leaves this machine: no registry, no telemetry.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import os
import warnings
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

import orjson
from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteMessageSerializer,
    AirbyteStateMessage,
    AirbyteStateMessageSerializer,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
)

from source_sage.commands.bites import Bite
from source_sage.errors import config_error
from source_sage.lists.records import Records
from source_sage.secrecy import keep_secret

DEFAULT_FILE: Final = "sage.duckdb"
SOURCE: Final = "source-sage"
POSTGRES: Final = ("postgres", "postgresql")
POSTGRES_PORT: Final = 5432
# Where PyAirbyte keeps states.
STATES: Final = "_airbyte_state"
# The streams whose full refresh has not come to its end, each with when it began.
FORGOTTEN: Final = "_sage_full_refresh"
STATE_COLUMNS: Final = ("source_name", "stream_name", "table_name", "state_json", "last_updated")
# PyAirbyte reads these when it is imported.
SILENT: Final = {"AIRBYTE_OFFLINE_MODE": "1", "DO_NOT_TRACK": "1", "NO_LIVE_PROGRESS": "1"}


class Place(NamedTuple):
    """Where rows go.

    Attributes:
        title: for a person.
        file: of DuckDB; None for PostgreSQL.
        server: host, port, user name and name of the database of PostgreSQL.
    """

    title: str
    file: Path | None
    server: tuple[str, int, str, str] | None


def place_of(into: str, option: str = "--into") -> Place:
    """What an option means: a DuckDB file, or `postgresql://user@host:port/database`.

    Raises:
        AirbyteTracedException: config_error; it is neither, or holds a password.
    """
    scheme, found, _ = into.partition("://")
    if not found:
        return Place(into, Path(into), None)
    address = urlsplit(into)
    database = unquote(address.path.strip("/"))
    if scheme not in POSTGRES or not address.hostname or not address.username or not database:
        raise config_error(
            f"{option} takes the name of a DuckDB file, or postgresql://USER@HOST/DATABASE for PostgreSQL, with the "
            "password in the environment variable PGPASSWORD."
        )
    if address.password:
        raise config_error(
            f"{option} holds a password, which every user of this machine can read while the command runs. Leave it "
            "out, and put it into the environment variable PGPASSWORD."
        )
    server = (address.hostname, address.port or POSTGRES_PORT, unquote(address.username), database)
    return Place(f"{database} at {address.hostname}", None, server)


class Warehouse:
    """A database while it is filled.

    Args:
        place: which.
        catalog: the streams.
        files: a folder for PyAirbyte's files, empty, and gone when the sync ends.
        schema: the schema of the tables.

    Raises:
        AirbyteTracedException: config_error; PyAirbyte is not installed, or the database cannot be opened.
    """

    def __init__(self, place: Place, catalog: ConfiguredAirbyteCatalog, files: Path, schema: str) -> None:
        os.environ.update({**SILENT, "AIRBYTE_LOGGING_ROOT": str(files)})
        warnings.simplefilter("ignore", FutureWarning)  # of PyAirbyte's Google libraries, on Python 3.11
        try:
            with contextlib.redirect_stderr(io.StringIO()):  # it tells where it logs
                from airbyte.progress import ProgressStyle, ProgressTracker
                from airbyte.shared.catalog_providers import CatalogProvider
                from airbyte_protocol.models import AirbyteRecordMessage
                from airbyte_protocol.models import ConfiguredAirbyteCatalog as Catalog

                from source_sage.commands import caches

                self._tracker = ProgressTracker(ProgressStyle.NONE, source=None, cache=None, destination=None)
        except ImportError as error:
            raise config_error(
                "`source-sage sync` needs PyAirbyte, which is an extra: install requirements/sync.txt, in an "
                "environment of its own, as README.md says.",
                repr(error),
            ) from None
        self._caches = caches
        self._record = AirbyteRecordMessage
        self._schema = schema
        provider = CatalogProvider(Catalog.model_validate(ConfiguredAirbyteCatalogSerializer.dump(catalog)))
        try:
            if place.file is not None:
                self._cache = caches.duckdb(place.file, schema, files)
            else:
                assert place.server is not None
                password = os.environ.get("PGPASSWORD", "")
                keep_secret(password)
                self._cache = caches.postgres(place.server, password, schema, files)
            self._processor = self._cache.get_record_processor(SOURCE, provider)
            self._cache.get_state_provider(SOURCE)  # which makes the table of states
            self._make_tables(catalog)
        except Exception as error:  # of whichever database's driver
            raise _cannot_be_opened(place, error) from None
        self._handlers = {one.stream.name: caches.handler(one.stream.json_schema) for one in catalog.streams}

    def close(self) -> None:
        """Let go of the database."""
        self._cache.close()

    def states(self) -> list[AirbyteStateMessage]:
        """The states that earlier syncs saved."""
        found = self.rows(f"SELECT state_json FROM {STATES} WHERE source_name = '{SOURCE}'")
        return [AirbyteStateMessageSerializer.load(orjson.loads(text)) for (text,) in found]

    def forget(self, streams: Sequence[str]) -> None:
        """Have streams read from their beginning, and what is in their tables now taken out when they have come whole.

        That holds until they have, in however many syncs.
        """
        with self._connection() as connection:
            for stream in streams:
                connection.exec_driver_sql(f"DELETE FROM {self._schema}.{STATES} WHERE table_name = '{stream}'")
                self._note_forgotten(connection, stream, dt.datetime.now(dt.UTC))

    def forgotten(self, now: dt.datetime, streams: Set[str]) -> dict[str, dt.datetime]:
        """Those of some streams that were forgotten and have not come whole since, each with when its reading began.

        Args:
            now: the beginning of those that have no place to go on from, and are read from their beginning again.
            streams: that are to be read.
        """
        placed = {one.stream.stream_descriptor.name for one in self.states() if one.stream is not None}
        found = {str(stream): began for stream, began in self.rows(f"SELECT stream_name, began FROM {FORGOTTEN}")}
        began = {stream: found[stream].replace(tzinfo=dt.UTC) for stream in streams & found.keys()}
        with self._connection() as connection:
            for stream in began.keys() - placed:
                began[stream] = now
                self._note_forgotten(connection, stream, now)
        return began

    def _note_forgotten(self, connection: Any, stream: str, now: dt.datetime) -> None:
        run, table = connection.exec_driver_sql, f"{self._schema}.{FORGOTTEN}"
        run(f"DELETE FROM {table} WHERE stream_name = '{stream}'")
        run(f"INSERT INTO {table} VALUES ('{stream}', TIMESTAMP '{_moment(now)}')")

    def take(self, records: Records) -> None:
        """Note a page of records; it is in no table yet."""
        handler = self._handlers[records.stream]
        for line in records.lines.splitlines():
            record = self._record.model_construct(**orjson.loads(line)["record"])
            self._processor.process_record_message(record, handler, self._tracker)

    def write(self, bite: Bite, began: Mapping[str, dt.datetime]) -> None:
        """Write what was noted, all of it or nothing: rows in place of those with their keys, and the states.

        Args:
            bite: what.
            began: when the reading of each stream that comes whole began: what is older is not there any more.
        """
        writer = self._processor.file_writer
        writer.flush_active_batches(self._tracker)
        batches = {stream: writer.get_pending_batches(stream) for stream in bite.streams}
        with self._connection() as connection:
            for stream, some in batches.items():
                self._load(connection, stream, [file for batch in some for file in batch.files])
            for stream in bite.ended:
                older = f"_airbyte_extracted_at < TIMESTAMP '{_moment(began[stream])}'"
                connection.exec_driver_sql(f"DELETE FROM {self._schema}.{stream} WHERE {older}")
                connection.exec_driver_sql(f"DELETE FROM {self._schema}.{FORGOTTEN} WHERE stream_name = '{stream}'")
            for stream, state in bite.states.items():
                self._save(connection, stream, state)
        for batch in (batch for some in batches.values() for batch in some):
            batch.finalized = True
        writer.cleanup_all()

    def _load(self, connection: Any, stream: str, files: list[Path]) -> None:
        if not files:
            return
        table, columns = f"{self._schema}.{stream}", self._columns[stream]
        self._caches.stage(connection, table, columns, files)
        run, staging = connection.exec_driver_sql, self._caches.STAGING
        if stream not in self._empty:  # in one run no key comes twice
            same = " AND ".join(f"old.{key} = new.{key}" for key in self._keys[stream])
            run(f"DELETE FROM {table} AS old USING {staging} AS new WHERE {same}")
        names = ", ".join(f'"{name}"' for name in columns)
        run(f"INSERT INTO {table} ({names}) SELECT {names} FROM {staging}")
        self._caches.unstage(connection)

    def _save(self, connection: Any, stream: str, state: AirbyteMessage) -> None:
        """Save a state where PyAirbyte would look for it."""
        import sqlalchemy

        table = sqlalchemy.table(STATES, *map(sqlalchemy.column, STATE_COLUMNS), schema=self._schema)
        connection.execute(table.delete().where(table.c.table_name == stream))
        text = orjson.dumps(AirbyteMessageSerializer.dump(state)["state"]).decode()
        values = (SOURCE, stream, stream, text, dt.datetime.now(dt.UTC))
        connection.execute(table.insert().values(dict(zip(STATE_COLUMNS, values, strict=True))))

    def _make_tables(self, catalog: ConfiguredAirbyteCatalog) -> None:
        """A table for each stream, though no row may come; and those columns that earlier versions did not have."""
        self._keys = {one.stream.name: [path[0] for path in one.primary_key or []] for one in catalog.streams}
        self._columns = {
            name: {column: str(kind) for column, kind in self._processor._get_sql_column_definitions(name).items()}
            for name in self._keys
        }
        there = self._columns_that_are_there()
        self._empty = set()
        with self._connection() as connection:
            run = connection.exec_driver_sql
            run(f"CREATE TABLE IF NOT EXISTS {self._schema}.{FORGOTTEN} (stream_name VARCHAR, began TIMESTAMP)")
            for name, columns in self._columns.items():
                table = f"{self._schema}.{name}"
                if name not in there:
                    run(f"CREATE TABLE {table} ({', '.join(f'{_quoted(one)} {columns[one]}' for one in columns)})")
                for one in columns.keys() - there.get(name, columns.keys()):
                    run(f"ALTER TABLE {table} ADD COLUMN {_quoted(one)} {columns[one]}")
                some = run(f"SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT 1) AS first_row").scalar_one()
                if not some:
                    self._empty.add(name)

    def run(self, script: str) -> None:
        """Run statements, all of them or none."""
        with self._connection() as connection:
            for statement in filter(str.strip, script.split(";\n")):
                connection.exec_driver_sql(statement.replace("%", "%%") if self._is_postgres else statement)

    def rows(self, query: str) -> list[Sequence[Any]]:
        """Ask; the rows of the answer."""
        with self._connection() as connection:
            connection.exec_driver_sql(f"SET {'search_path TO' if self._is_postgres else 'schema ='} {self._schema}")
            asked = query.replace("%", "%%") if self._is_postgres else query
            return list(connection.exec_driver_sql(asked).fetchall())

    def tables(self) -> set[str]:
        """The tables that are there."""
        return set(self._columns_that_are_there())

    def _columns_that_are_there(self) -> dict[str, set[str]]:
        query = f"SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = '{self._schema}'"
        found: dict[str, set[str]] = {}
        with self._connection() as connection:
            for table, column in connection.exec_driver_sql(query).fetchall():
                found.setdefault(table, set()).add(column)
        return found

    def _connection(self) -> Any:
        """A connection with one transaction: all of it or nothing."""
        return self._cache.get_sql_engine().begin()

    @property
    def _is_postgres(self) -> bool:
        return bool(self._cache.get_sql_engine().dialect.name == "postgresql")


def _quoted(name: str) -> str:
    return f'"{name}"'


def _moment(moment: dt.datetime) -> str:
    """As a TIMESTAMP, whose zone is UTC; rows are dated to the millisecond."""
    return moment.astimezone(dt.UTC).replace(tzinfo=None).isoformat(" ", "milliseconds")


def _cannot_be_opened(place: Place, error: Exception) -> Exception:
    said = " ".join(str(error).split())
    if "Could not set lock" in said or "Conflicting lock" in said:
        return config_error(
            f"{place.title} is open in another program, perhaps another sync. DuckDB lets one at a time write: close "
            "it, then run the command again.",
            said,
        )
    return config_error(f"{place.title} cannot be opened: {said[:300]}", said)
