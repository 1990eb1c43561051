"""The database that `source-sage sync` fills, through PyAirbyte: its tables, its table of states, its file formats.

PyAirbyte's own read writes rows and states when the whole read has ended, and drops all of them if a list failed. So
its parts are used instead of it: what writes a record to a file, what loads the files of a stream into its table, and
what saves a state. Nothing of it is asked for that leaves this machine: no registry, no telemetry.
"""

from __future__ import annotations

import datetime as dt
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

import orjson
from airbyte_cdk.models import (
    AirbyteMessageSerializer,
    AirbyteStateMessage,
    AirbyteStateMessageSerializer,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
)

from source_sage.errors import config_error
from source_sage.records import Records

SOURCE: Final = "source-sage"
POSTGRES: Final = ("postgres", "postgresql")
POSTGRES_PORT: Final = 5432
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


def place_of(into: str) -> Place:
    """What `--into` means: a DuckDB file, or `postgresql://user@host:port/database`.

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
            "--into takes the name of a DuckDB file, or postgresql://USER@HOST/DATABASE for PostgreSQL, with the "
            "password in the environment variable PGPASSWORD."
        )
    if address.password:
        raise config_error(
            "--into holds a password, which every user of this machine can read while the command runs. Leave it out, "
            "and put it into the environment variable PGPASSWORD."
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
        os.environ.update(SILENT)
        warnings.simplefilter("ignore", FutureWarning)  # of PyAirbyte's Google libraries, on Python 3.11
        try:
            from airbyte.progress import ProgressStyle, ProgressTracker
            from airbyte.shared.catalog_providers import CatalogProvider
            from airbyte_protocol.models import AirbyteRecordMessage
            from airbyte_protocol.models import ConfiguredAirbyteCatalog as Catalog

            from source_sage.commands import caches
        except ImportError as error:
            raise config_error(
                "`source-sage sync` needs PyAirbyte, which is an extra: pip install --require-hashes -r "
                "requirements/sync.txt, in an environment of its own.",
                repr(error),
            ) from None
        self._record = AirbyteRecordMessage
        self._schema = schema
        self._tracker = ProgressTracker(ProgressStyle.NONE, source=None, cache=None, destination=None)
        self._catalog = CatalogProvider(Catalog.model_validate(ConfiguredAirbyteCatalogSerializer.dump(catalog)))
        self._cache = caches.cache_of(place.file, place.server, os.environ.get("PGPASSWORD", ""), schema, files)
        try:
            self._states = self._cache.get_state_writer(SOURCE)
            self._processor = self._cache.get_record_processor(SOURCE, self._catalog, self._states)
            self._known = self._tables()
        except Exception as error:  # of whichever database's driver
            raise _cannot_be_opened(place, error) from None
        self._handlers = {
            one.stream.name: caches.handler(one.stream.json_schema) for one in self._catalog.configured_catalog.streams
        }
        self._empty = {name for name in self._handlers if name not in self._known or not self._count(name)}

    def close(self) -> None:
        """Let go of the database."""
        self._cache.close()

    def states(self) -> list[AirbyteStateMessage]:
        """The states that earlier syncs saved."""
        provider = self._cache.get_state_provider(SOURCE)
        return [
            AirbyteStateMessageSerializer.load(orjson.loads(one.model_dump_json(exclude_none=True)))
            for one in provider.state_message_artifacts
        ]

    def take(self, records: Records) -> None:
        """Note a page of records; it is in no table yet."""
        handler = self._handlers[records.stream]
        for line in records.lines.splitlines():
            record = self._record.model_construct(**orjson.loads(line)["record"])
            self._processor.process_record_message(record, handler, self._tracker)

    def write(self, stream: str) -> None:
        """Write the noted rows of a stream into its table, each in place of the one with its key."""
        from airbyte.strategies import WriteMethod

        # In one run no key comes twice: a table that was empty needs no search for the row to be replaced.
        method = WriteMethod.APPEND if stream in self._empty else WriteMethod.MERGE
        self._processor.write_stream_data(stream, write_method=method, progress_tracker=self._tracker)

    def forget_older(self, stream: str, began: dt.datetime) -> None:
        """Take those rows out of a table that no sync has brought since a moment."""
        moment = began.isoformat(timespec="milliseconds")
        self._cache.execute_sql(
            f"DELETE FROM {self._schema}.{stream} WHERE _airbyte_extracted_at < TIMESTAMPTZ '{moment}'"  # noqa: S608
        )

    def save(self, state: Any) -> None:
        """Save a STATE message of a stream whose rows are written."""
        from airbyte_protocol.models import AirbyteStateMessage as Saved

        dumped = AirbyteMessageSerializer.dump(state)["state"]
        self._states.write_state(Saved.model_validate(dumped))

    def clean(self) -> None:
        """Remove the files of what is written."""
        self._processor.cleanup_all()

    def run(self, script: str) -> None:
        """Run statements."""
        for statement in filter(str.strip, script.split(";\n")):
            self._cache.execute_sql(statement)

    def rows(self, query: str) -> list[Sequence[Any]]:
        """Ask; the rows of the answer."""
        with self._cache.get_sql_engine().connect() as connection:
            connection.exec_driver_sql(self._search_path)
            return list(connection.exec_driver_sql(query.replace("%", "%%") if self._is_postgres else query).fetchall())

    def tables(self) -> set[str]:
        """The tables of streams that are there."""
        return self._tables()

    @property
    def _is_postgres(self) -> bool:
        return self._cache.get_sql_engine().dialect.name == "postgresql"

    @property
    def _search_path(self) -> str:
        return f"SET search_path TO {self._schema}" if self._is_postgres else f"USE {self._schema}"

    def _tables(self) -> set[str]:
        query = f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{self._schema}'"  # noqa: S608
        with self._cache.get_sql_engine().connect() as connection:
            return {name for (name,) in connection.exec_driver_sql(query).fetchall()}

    def _count(self, stream: str) -> int:
        with self._cache.get_sql_engine().connect() as connection:
            query = f"SELECT count(*) FROM (SELECT 1 FROM {self._schema}.{stream} LIMIT 1) AS some"  # noqa: S608
            return int(connection.exec_driver_sql(query).scalar_one())


def _cannot_be_opened(place: Place, error: Exception) -> Exception:
    said = " ".join(str(error).split())
    if "Could not set lock" in said or "Conflicting lock" in said:
        return config_error(
            f"{place.title} is open in another program, perhaps another sync. DuckDB lets one at a time write: close "
            "it, then run the command again.",
            said,
        )
    return config_error(f"{place.title} cannot be opened: {said[:300]}", said)
