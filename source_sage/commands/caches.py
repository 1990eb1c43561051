"""PyAirbyte's caches as they are used here; the one module that imports PyAirbyte as it is imported."""

from __future__ import annotations

import gzip
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import orjson
import sqlalchemy
from airbyte.caches import DuckDBCache, PostgresCache
from airbyte.caches.base import CacheBase
from airbyte.records import StreamRecordHandler
from airbyte.secrets.base import SecretString

ROWS_A_COPY: Final = 5_000
STAGING: Final = "just_read"
# What ends a value or a line of COPY's text format, and what begins an escape.
ESCAPES: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


class AnyPasswordPostgresCache(PostgresCache):
    """PyAirbyte's, with a password that may hold any sign, or none."""

    def get_sql_alchemy_url(self) -> SecretString:
        """The address of the database."""
        url = sqlalchemy.URL.create(
            "postgresql",
            username=self.username,
            password=str(self.password) or None,
            host=self.host,
            port=self.port,
            database=self.database,
        )
        return SecretString(url.render_as_string(hide_password=False))


def duckdb(file: Path, schema: str, files: Path) -> CacheBase:
    """The cache of a DuckDB file."""
    return DuckDBCache(db_path=file, schema_name=schema, cache_dir=files)


def postgres(server: tuple[str, int, str, str], password: str, schema: str, files: Path) -> CacheBase:
    """The cache of a PostgreSQL database."""
    host, port, username, database = server
    return AnyPasswordPostgresCache(
        host=host,
        port=port,
        username=username,
        password=password,
        database=database,
        schema_name=schema,
        cache_dir=files,
    )


def handler(schema: dict[str, Any]) -> StreamRecordHandler:
    """What makes rows of a stream's records."""
    return StreamRecordHandler(json_schema=schema, normalize_keys=True, prune_extra_fields=True)


def stage(connection: sqlalchemy.Connection, table: str, columns: Mapping[str, str], files: Sequence[Path]) -> None:
    """Load files of rows into STAGING, a temporary table like the one that they are for.

    PyAirbyte loads PostgreSQL through pandas, which guesses what a text means: an invoice number 0012 would arrive as
    12. Here texts are copied as they are.
    """
    run = connection.exec_driver_sql
    if connection.dialect.name != "postgresql":
        kinds = ", ".join(f"\"{name}\": '{kind}'" for name, kind in columns.items())
        names = ", ".join(f"'{file}'" for file in files)
        source = f"read_json([{names}], format = 'newline_delimited', columns = {{{kinds}}})"
        run(f"CREATE OR REPLACE TEMP TABLE {STAGING} AS SELECT * FROM {source}")
        return
    run(f"CREATE TEMP TABLE {STAGING} (LIKE {table}) ON COMMIT DROP")
    cursor = connection.connection.cursor()
    quoted = ", ".join(f'"{name}"' for name in columns)
    copy = f"COPY {STAGING} ({quoted}) FROM STDIN"
    for file in files:
        with gzip.open(file, "rb") as lines:
            rows = map(orjson.loads, lines)
            while some := [row for _, row in zip(range(ROWS_A_COPY), rows, strict=False)]:
                cursor.copy_expert(copy, _as_text(some, list(columns)))


def unstage(connection: sqlalchemy.Connection) -> None:
    """Drop STAGING."""
    connection.exec_driver_sql(f"DROP TABLE {STAGING}")


def _as_text(rows: list[dict[str, Any]], columns: list[str]) -> io.StringIO:
    """Rows as PostgreSQL's COPY takes them in its text format; what is nested is JSON."""
    return io.StringIO("".join("\t".join(_told(row.get(name)) for name in columns) + "\n" for row in rows))


def _told(value: Any) -> str:
    if value is None:
        return "\\N"
    text = orjson.dumps(value).decode() if isinstance(value, dict | list) else str(value)
    return text.translate(ESCAPES)
