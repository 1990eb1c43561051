"""PyAirbyte's caches as they are used here; the one module that imports PyAirbyte as it is imported."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any, Final

import orjson
import sqlalchemy
from airbyte._processors.sql.postgres import PostgresSqlProcessor
from airbyte.caches import DuckDBCache, PostgresCache
from airbyte.caches.base import CacheBase
from airbyte.records import StreamRecordHandler
from airbyte.secrets.base import SecretString

ROWS_A_COPY: Final = 5_000
# What ends a value or a line of COPY's text format, and what begins an escape.
ESCAPES: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


class ExactPostgres(PostgresSqlProcessor):
    """PyAirbyte's, but rows are copied as they are.

    PyAirbyte goes through pandas, which guesses what a text means: an invoice number 0012 would arrive as 12.
    """

    def _write_files_to_new_table(self, files: list[Path], stream_name: str, batch_id: str) -> str:
        table = self._create_table_for_loading(stream_name, batch_id)
        columns = list(self._get_sql_column_definitions(stream_name))
        names = ", ".join(self._quote_identifier(one) for one in columns)
        copy = f"COPY {self._fully_qualified(table)} ({names}) FROM STDIN"
        with self.get_sql_connection() as connection:
            cursor = connection.connection.cursor()
            for file in files:
                with gzip.open(file, "rb") as lines:
                    rows = (orjson.loads(line) for line in lines)
                    while some := [row for row, _ in zip(rows, range(ROWS_A_COPY), strict=False)]:
                        cursor.copy_expert(copy, _as_text(some, columns))
        return table


class ExactPostgresCache(PostgresCache):
    """PyAirbyte's, with the processor above, and a password that may hold any sign."""

    _sql_processor_class = ExactPostgres

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


def cache_of(
    file: Path | None, server: tuple[str, int, str, str] | None, password: str, schema: str, files: Path
) -> CacheBase:
    """The cache of a DuckDB file, or of a PostgreSQL database."""
    if file is not None:
        return DuckDBCache(db_path=file, schema_name=schema, cache_dir=files)
    assert server is not None
    host, port, username, database = server
    return ExactPostgresCache(
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


def _as_text(rows: list[dict[str, Any]], columns: list[str]) -> io.StringIO:
    """Rows as PostgreSQL's COPY takes them in its text format; what is nested is JSON."""
    return io.StringIO("".join("\t".join(_told(row.get(name)) for name in columns) + "\n" for row in rows))


def _told(value: Any) -> str:
    if value is None:
        return "\\N"
    text = orjson.dumps(value).decode() if isinstance(value, dict | list) else str(value)
    return text.translate(ESCAPES)
