"""The connector's records in a DuckDB file, as PyAirbyte would write them, without its minute of loading."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import duckdb

from integration_tests.harness import Destination, catalog_of, discover, run
from integration_tests.sandbox import Company, Sandbox
from integration_tests.statements.dbt import STREAMS
from integration_tests.statements.life import a_busy_month
from integration_tests.warehouse import columns_of, create_statement, values_of

SCHEMA: Final = "sage_raw"
WHOLE: Final = "stock_movements"
YEAR_ENDS: Final = (
    "2025-03-31",
    "2025-04-05",
    "2024-12-31",
    "2024-02-29",
    "2025-02-28",
    "2025-06-30",
    "2024-09-15",
    "2025-01-31",
)


class Connection:
    """A connection that reads what the package needs, and an append-dedup destination.

    Args:
        box: Sage, started.
        config: fields of the form that are to differ.
    """

    def __init__(self, box: Sandbox, **config: Any) -> None:
        self._config = {**box.config(account_id="all"), **config}
        self.streams = [stream for stream in discover(self._config) if stream["name"] in STREAMS]
        self._catalog = catalog_of(self.streams)
        for one in self._catalog["streams"]:
            # Incremental, it does not see what is dated back more than 90 days (docs/sage.md).
            if one["stream"]["name"] == WHOLE:
                one["sync_mode"] = "full_refresh"
        self._destination = Destination(self._catalog)

    def sync(self) -> None:
        """One read that must end well."""
        self._destination.begin()
        # Airbyte keeps no state of a stream that comes whole each time.
        saved = [one for one in self._destination.saved() if one["stream"]["stream_descriptor"]["name"] != WHOLE]

        def keep(message: dict[str, Any]) -> bool:
            self._destination.take(message)
            return message["type"] == "TRACE"

        output = run("read", self._config, catalog=self._catalog, state=saved or None, keep=keep)
        assert output.failure is None, output.failure

    def write(self, file: Path, schema: str = SCHEMA) -> None:
        """Write the destination's tables into a schema of a DuckDB file."""
        with duckdb.connect(str(file)) as database:
            database.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
            database.execute(f"SET schema = '{schema}'")
            for stream in self.streams:
                database.execute(create_statement(stream, "JSON"))
                rows = values_of(stream, self._destination.all_rows(stream["name"]))
                insert(database, stream, rows)


def insert(database: duckdb.DuckDBPyConnection, stream: dict[str, Any], rows: Iterable[tuple[Any, ...]]) -> None:
    """Rows of a stream into its table, which is there."""
    # A table at a time, as texts: row by row takes ten times as long.
    texts = [[None if value is None else str(value) for value in row] for row in rows]
    kinds = columns_of(stream["json_schema"], "JSON").values()
    values = ", ".join(f"row[{place}]::{kind}" for place, kind in enumerate(kinds, 1))
    select = f"SELECT {values} FROM (SELECT unnest(?::VARCHAR[][]) AS row)"
    database.execute(f'INSERT INTO "{stream["name"]}" {select}', [texts])


def random_companies(file: Path, seed: int, number: int) -> dict[str, str]:
    """So many made-up companies, read twice with a busy time in between.

    Args:
        file: where their tables go.
        seed: of everything about them.
        number: of companies.

    Returns:
        What each of them is, in words, by its id.
    """
    rng = random.Random(seed)  # noqa: S311 (not for secrets)
    wishes = [{"country": rng.choice(["GB", "GB", "IE", "CA"]), "plan": "Plus"} for _ in range(number - 1)]
    # One whose plan has neither ledger nor invoices: of it almost nothing can be proven.
    wishes.append({"country": "CA", "plan": "Standard"})
    told = {}
    with Sandbox(size="tiny", seed=seed, businesses=wishes, token_life=10**9) as box:
        for company, wish in zip(box.businesses, wishes, strict=True):
            year_end = _any_day(rng) if rng.random() < 0.3 else rng.choice(YEAR_ENDS)
            set_year_end(company, year_end)
            told[company.id] = f"{wish['plan']} {wish['country']}, year end {year_end}"
        connection = Connection(box)
        connection.sync()
        box.clock.advance(3600)
        for company in box.businesses:
            life = rng.randrange(2**32)
            happened = a_busy_month(company, life, things=rng.randint(5, 45))
            told[company.id] += f", life {life}: {'; '.join(happened)}"
        box.clock.advance(3600)
        connection.sync()
        connection.write(file)
    return told


def set_year_end(company: Company, day: str) -> None:
    """Another end of the financial year."""
    company.singletons["financial_settings"]["year_end_date"] = day


def _any_day(rng: random.Random) -> str:
    return (dt.date(2024, 1, 1) + dt.timedelta(days=rng.randrange(366))).isoformat()


def clone(file: Path, business: str, copies: Sequence[str], schemas: Iterable[str] = (SCHEMA,)) -> None:
    """Copies of a business under other ids, in all tables: as many companies as one likes for the price of one."""
    with duckdb.connect(str(file)) as database:
        for schema in schemas:
            for (table,) in database.execute(
                "SELECT table_name FROM duckdb_tables() WHERE schema_name = ?", [schema]
            ).fetchall():
                replaced = "copy.id AS business_id" + (", copy.id AS id" if table == "businesses" else "")
                database.execute(
                    f'INSERT INTO {schema}."{table}" SELECT original.* REPLACE ({replaced}) FROM {schema}."{table}" '
                    "AS original CROSS JOIN (SELECT unnest(?::VARCHAR[]) AS id) AS copy WHERE original.business_id = ?",
                    [list(copies), business],
                )
