"""The warehouse: a DuckDB file or a PostgreSQL database, as a destination or PyAirbyte wrote it. Reads alone."""

from __future__ import annotations

import datetime as dt
import importlib
from collections.abc import Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from source_sage.comparing.differences import Row, Span
from source_sage.errors import config_error
from source_sage.streams import StreamFacts

POSTGRES: Final = ("postgresql://", "postgres://")
NOT_COMPARED: Final = frozenset(("business_id", "deleted_at", "is_deleted", "read_at"))
CASTS: Final = {
    "date": "CAST({} AS DATE)",
    "date-time": "CAST({} AS TIMESTAMP)",
    "number": "CAST({} AS DOUBLE PRECISION)",
    "integer": "CAST({} AS DOUBLE PRECISION)",
    "boolean": "{}",
}
NUMBER_PLACES: Final = 9

MOVEMENT: Final = "sum(CAST(coalesce(debit, 0) AS DECIMAL(38, 9)) - CAST(coalesce(credit, 0) AS DECIMAL(38, 9)))"


class Tables:
    """The tables of one schema.

    Args:
        database: the path of a DuckDB file, or an address `postgresql://…`.
        schema: where the tables are.

    Raises:
        AirbyteTracedException: config_error; it cannot be opened, or what opens it is not installed.
    """

    def __init__(self, database: str, schema: str) -> None:
        is_postgres = database.startswith(POSTGRES)
        self._schema = schema
        self._mark = "%s" if is_postgres else "?"
        self._connection = _postgres(database) if is_postgres else _duckdb(database)
        self._columns: dict[str, set[str]] = {}
        self._ask("SET TimeZone = 'UTC'", (), fetch=False)
        query = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = {}"
        for table, column in self._ask(query, [schema]):
            self._columns.setdefault(table, set()).add(column)
        if not self._columns:
            raise config_error(f"The warehouse has no tables in a schema {schema}: name theirs with --schema.")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def __contains__(self, stream: object) -> bool:
        """Tell whether there is a table of that stream."""
        return stream in self._columns

    def businesses(self, stream: str) -> dict[str, int]:
        """How many live rows each business has in a table."""
        query = f"SELECT business_id, count(*) FROM {self._table(stream)} WHERE {self._live(stream)} GROUP BY 1"
        return {str(key): int(count) for key, count in self._ask(query, ())}

    def fields(self, facts: StreamFacts) -> dict[str, str]:
        """What is compared of the rows: declared times, dates, numbers and switches, each with its kind."""
        kinds = {}
        for name, one in facts.schema_["properties"].items():
            types = one["type"] if isinstance(one["type"], list) else [one["type"]]
            kind = str(one.get("format") or next((one for one in types if one != "null"), ""))
            if kind in CASTS and name not in NOT_COMPARED and name in self._columns[facts.name]:
                kinds[name] = kind
        return kinds

    def count(self, facts: StreamFacts, business: str, span: Span) -> int:
        """How many keys are live, each once."""
        where, values = self._where(facts, business, span)
        ((count,),) = self._ask(f"SELECT count(DISTINCT {self._key(facts)}) {where}", values)
        return int(count)

    def doubled(self, facts: StreamFacts, business: str) -> list[str]:
        """Keys that are live more than once."""
        key = self._key(facts)
        where, values = self._where(facts, business, Span(None, None))
        query = f"SELECT {key} {where} GROUP BY {key} HAVING count(*) > 1 ORDER BY 1"
        return [str(one) for (one,) in self._ask(query, values)]

    def days(self, facts: StreamFacts, business: str, span: Span) -> tuple[dt.date, dt.date, dt.date] | None:
        """The first and the last accounting date, and the one with most rows; None if there are none."""
        day = CASTS["date"].format(_quoted(str(facts.date_field)))
        where, values = self._where(facts, business, span)
        query = f"SELECT {day}, count(*) {where} AND {_quoted(str(facts.date_field))} IS NOT NULL GROUP BY 1 ORDER BY 1"
        found = self._ask(query, values)
        return (found[0][0], found[-1][0], max(found, key=lambda one: one[1])[0]) if found else None

    def moments(self, facts: StreamFacts, business: str, span: Span, places: Iterable[int]) -> list[tuple[str, int]]:
        """The times of change at some places, counted from the newest; each with how many rows are as new."""
        changed = CASTS["date-time"].format("updated_at")
        where, values = self._where(facts, business, span)
        found: dict[str, int] = {}
        for place in places:
            query = f"SELECT {changed} {where} AND updated_at IS NOT NULL ORDER BY 1 DESC LIMIT 1 OFFSET {place}"
            for (moment,) in self._ask(query, values):
                since = f"SELECT count(DISTINCT {self._key(facts)}) {where} AND {changed} >= {{}}"
                ((count,),) = self._ask(since, [*values, moment])
                found[str(plain(moment))] = int(count)
        return list(found.items())

    def rows(self, facts: StreamFacts, business: str, span: Span, keys: Sequence[str] | None = None) -> dict[str, Row]:
        """Live rows by key, with the fields that are compared; of some keys alone, if they are given."""
        fields = self.fields(facts)
        where, values = self._where(facts, business, span)
        if keys is not None:
            where += f" AND {self._key(facts)} IN ({', '.join('{}' for _ in keys)})" if keys else " AND FALSE"
            values = [*values, *keys]
        columns = ", ".join([self._key(facts), *(CASTS[kind].format(_quoted(name)) for name, kind in fields.items())])
        found = self._ask(f"SELECT {columns} {where}", values)
        return {str(key): dict(zip(fields, map(plain, rest), strict=True)) for key, *rest in found}

    def movements(self, business: str, days: Span) -> dict[str, Decimal]:
        """Debits less credits of the ledger by account, as id."""
        live = f"{self._live('ledger_entries')} AND deleted IS NOT TRUE"
        query = (
            f"SELECT (ledger_account ->> 'id'), {MOVEMENT} FROM {self._table('ledger_entries')} "
            f'WHERE {live} AND business_id = {{}} AND CAST("date" AS DATE) BETWEEN {{}} AND {{}} GROUP BY 1'
        )
        return {str(key): Decimal(one) for key, one in self._ask(query, [business, days.first, days.last])}

    def reported(self, business: str, days: Span) -> dict[str, Decimal]:
        """The same as the stored trial balance says of a month; empty if it has none of these very days."""
        query = (
            f"SELECT ledger_account_id, {MOVEMENT} FROM {self._table('trial_balance')} "
            "WHERE business_id = {} AND CAST(from_date AS DATE) = {} AND CAST(to_date AS DATE) = {} GROUP BY 1"
        )
        return {str(key): Decimal(one) for key, one in self._ask(query, [business, days.first, days.last])}

    def _table(self, name: str) -> str:
        return f"{_quoted(self._schema)}.{_quoted(name)}"

    def _key(self, facts: StreamFacts) -> str:
        return _quoted(facts.primary_key[-1])

    def _live(self, stream: str) -> str:
        return "is_deleted IS NOT TRUE" if "is_deleted" in self._columns[stream] else "TRUE"

    def _where(self, facts: StreamFacts, business: str, span: Span) -> tuple[str, list[Any]]:
        where = f"FROM {self._table(facts.name)} WHERE {self._live(facts.name)} AND business_id = {{}}"
        values: list[Any] = [business]
        if facts.date_field:
            day = CASTS["date"].format(_quoted(facts.date_field))
            for sign, one in ((">=", span.first), ("<=", span.last)):
                if one is not None:
                    where += f" AND {day} {sign} {{}}"
                    values.append(one)
        return where, values

    def _ask(self, query: str, values: Sequence[Any], *, fetch: bool = True) -> list[Any]:
        """Run a query whose values stand as `{}`."""
        cursor = self._connection.cursor() if self._mark == "%s" else self._connection
        done = cursor.execute(query.format(*[self._mark] * len(values)), list(values))
        return list(done.fetchall()) if fetch else []


def plain(value: Any) -> Any:
    """A value in the form in which both sides are compared."""
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return round(float(value), NUMBER_PLACES)
    return value


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""').replace("{", "{{").replace("}", "}}") + '"'


def _duckdb(database: str) -> Any:
    if not Path(database).is_file():
        raise config_error(f"There is no file {database}: name the DuckDB file that the sync wrote, with --database.")
    module = _installed("duckdb")
    try:
        return module.connect(database, read_only=True)
    except module.Error as error:
        raise config_error(f"{database} cannot be opened: {error}. Is a sync still writing into it?") from None


def _postgres(database: str) -> Any:
    module = _installed("psycopg")
    try:
        connection = module.connect(database, autocommit=True)
        connection.read_only = True
    except module.Error as error:
        said = " ".join(str(error).split())[:300]
        raise config_error(
            f"PostgreSQL cannot be reached: {said}. Check --database, and the password in PGPASSWORD."
        ) from None
    return connection


def _installed(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        raise config_error(
            f"To look into this warehouse, {name} is needed, which is not installed here: use the environment of "
            "`source-sage sync`, with requirements/sync.txt, as README.md says."
        ) from None
