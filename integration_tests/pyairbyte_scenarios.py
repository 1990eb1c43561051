"""Scenarios through PyAirbyte into DuckDB, for test_pyairbyte.py; runs in PyAirbyte's own environment.

Each line on stdout is one scenario: `{"scenario": name, "tables": {stream: {"truth": [...], "ours": [...]}}, ...}`.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import json
import os
import signal
import sys
import tempfile
import warnings
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

# PyAirbyte reads these when it is imported; its Google libraries warn at every start on Python 3.11.
os.environ.update(AIRBYTE_OFFLINE_MODE="1", DO_NOT_TRACK="1", NO_LIVE_PROGRESS="1")
warnings.simplefilter("ignore", FutureWarning)

import airbyte  # noqa: E402
from airbyte.caches import DuckDBCache  # noqa: E402
from airbyte.exceptions import AirbyteConnectorFailedError  # noqa: E402

from integration_tests.sandbox import Company, Sandbox, faults  # noqa: E402

SOURCE = Path(sys.executable).with_name("source-sage")
DELETABLE = ("sales_invoices", "addresses", "contacts", "bank_transfers")
STREAMS = (*DELETABLE, "ledger_entries", "countries")


class Connection:
    """The connector as PyAirbyte starts it, on one sandbox."""

    def __init__(self, folder: Path, box: Sandbox) -> None:
        self.box, self.company = box, box.businesses[0]
        self._pid = folder / "pid"
        starter = folder / "source-sage"
        starter.write_text(f'#!/bin/sh\necho $$ > "{self._pid}"\nexec "{SOURCE}" "$@"\n')
        starter.chmod(0o700)
        self.source = airbyte.get_source("source-sage", config=box.config(), local_executable=starter)
        self.source.select_streams(list(STREAMS))

    def kill(self) -> None:
        """End the connector as a machine would that runs out of memory."""
        os.kill(int(self._pid.read_text()), signal.SIGKILL)


class Warehouse:
    """A DuckDB file of its own, to sync into."""

    def __init__(self, folder: Path, connection: Connection) -> None:
        self.box, self.company, self.kill = connection.box, connection.company, connection.kill
        self._source = connection.source
        self._cache = DuckDBCache(db_path=folder / "books.duckdb", schema_name="sage", cache_dir=folder / "files")

    def sync(self) -> bool:
        """One sync; tells whether it ended well."""
        with contextlib.redirect_stdout(io.StringIO()):
            try:
                self._source.read(cache=self._cache, skip_validation=True)
            except AirbyteConnectorFailedError:
                return False
        return True

    def tables(self) -> dict[str, Any]:
        """Sage's rows and DuckDB's live ones."""
        return {name: {"truth": self.company.rows(name), "ours": self._rows(name)} for name in STREAMS}

    def _rows(self, name: str) -> list[dict[str, Any]]:
        with self._cache.get_sql_engine().connect() as connection:
            found = connection.exec_driver_sql(f'SELECT * FROM sage."{name}"')
            columns = [column[0] for column in found.cursor.description]
            rows = [dict(zip(columns, map(_plain, row), strict=True)) for row in found.fetchall()]
        return [row for row in rows if row.get("is_deleted") is not True]


def _plain(value: Any) -> Any:
    """A value of DuckDB's as Sage would write it."""
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return value


def changes(company: Company, first: int) -> None:
    """Edits, a day of business, deletions."""
    for name in STREAMS[:-1]:
        rows = company.rows(name)
        company.update(name, rows[first % len(rows)]["id"])
    company.day_of_business()


def edits_between_syncs(warehouse: Warehouse) -> list[bool]:
    ended = [warehouse.sync()]
    warehouse.box.clock.advance(3600)
    changes(warehouse.company, 40)
    warehouse.box.clock.advance(60)
    return [*ended, warehouse.sync()]


def deletions(warehouse: Warehouse) -> list[bool]:
    ended = [warehouse.sync()]
    company = warehouse.company
    warehouse.box.clock.advance(3600)
    for name in DELETABLE:
        rows = company.rows(name)
        company.update(name, rows[0]["id"])  # a row edited, then deleted
        company.delete(name, rows[0]["id"])
        company.delete(name, rows[-1]["id"])
        company.create(name)
    warehouse.box.clock.advance(60)
    return [*ended, warehouse.sync()]


def kill_and_resume(warehouse: Warehouse) -> list[bool]:
    box = warehouse.box
    kill = faults.before_page(lambda *_: warehouse.kill())
    box.faults.add(kill, path="*/ledger_entries", when=lambda call: call.page == 4, times=1)
    ended = [warehouse.sync()]
    warehouse.company.delete("addresses", warehouse.company.rows("addresses")[5]["id"])
    changes(warehouse.company, 3)
    box.clock.advance(600)
    return [*ended, warehouse.sync()]


def faults_on_the_way(warehouse: Warehouse) -> list[bool]:
    box = warehouse.box
    for action, name, nth in (
        (faults.status(503), "ledger_entries", 2),
        (faults.cut(0.5), "ledger_entries", 5),
        (faults.html(200), "sales_invoices", 1),
        (faults.truncated_json(), "addresses", 2),
        (faults.status(429, "", {"Retry-After": "1"}), "contacts", 1),
    ):
        box.faults.add(action, path=f"*/{name}", nth=nth)
    return [warehouse.sync()]


def a_shift_between_two_pages(warehouse: Warehouse) -> list[bool]:
    box = warehouse.box

    def leave(name: str, _: int, company: Company) -> None:
        box.clock.advance(1)
        company.delete(name, company.rows(name)[0]["id"])

    for name in ("addresses", "sales_invoices"):
        box.faults.add(faults.before_page(leave), path=f"*/{name}", when=lambda call: call.page == 2, times=1)
    ended = [warehouse.sync()]
    box.faults.clear()
    box.clock.advance(60)
    return [*ended, warehouse.sync()]


SCENARIOS: dict[str, Callable[[Warehouse], list[bool]]] = {
    "edits between syncs": edits_between_syncs,
    "deletions": deletions,
    "kill and resume": kill_and_resume,
    "faults": faults_on_the_way,
    "a shift between two pages": a_shift_between_two_pages,
}


def main() -> None:
    """Play all scenarios, each into a new warehouse."""
    with tempfile.TemporaryDirectory() as name, Sandbox(size="small", seed=14, token_life=10**9) as box:
        folder = Path(name)
        connection = Connection(folder, box)
        for number, (scenario, play) in enumerate(SCENARIOS.items()):
            box.clock.advance(86_400)
            warehouse = Warehouse(folder / str(number), connection)
            ended = play(warehouse)
            box.faults.clear()
            told = {"scenario": scenario, "ended": ended, "tables": warehouse.tables()}
            sys.stdout.write(json.dumps(told) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
