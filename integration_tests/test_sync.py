"""`source-sage sync` into DuckDB, as a process in PyAirbyte's environment: again and again, killed, refused."""

from __future__ import annotations

import datetime as dt
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from integration_tests.pyairbyte import PYTHON
from integration_tests.sandbox import Company, Sandbox, faults
from integration_tests.test_pyairbyte import as_a_table_holds_it
from integration_tests.test_streams import unequal

pytestmark = [pytest.mark.pyairbyte, pytest.mark.timeout(900)]

COMPARED = ("contacts", "ledger_entries", "sales_invoices", "sales_quotes", "bank_transfers", "countries")
# The program, with small bites, and a list of whom it talks to.
PROGRAM = """
import socket, sys
from pathlib import Path

before, known = socket.socket.connect, Path(sys.argv[1])

def connect(self, address):
    with known.open("a") as file:
        file.write(f"{address}\\n")
    return before(self, address)

socket.socket.connect = connect
sys.argv[:] = ["source-sage", *sys.argv[2:]]
from source_sage.commands import bites
bites.ROWS_AT_MOST = 300
from source_sage.program import main
sys.exit(main())
"""


class Person:
    """Somebody with a config file in a folder of their own."""

    def __init__(self, folder: Path, box: Sandbox) -> None:
        self.folder, self.box, self.company = folder, box, box.businesses[0]
        self.config = folder / "sage-config.json"
        self.config.write_text(json.dumps(box.config()))

    def start(self, *options: str) -> subprocess.Popen[str]:
        command = [str(PYTHON), "-c", PROGRAM, str(self.folder / "talked_to"), "sync", *options]
        signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may be deaf to it
        return subprocess.Popen(  # noqa: S603
            command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
        )

    def sync(self, *options: str) -> subprocess.CompletedProcess[str]:
        self.box.clear_requests()
        process = self.start(*options)
        out, err = process.communicate(timeout=600)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def asked(self, name: str) -> int:
        """How many rows of a list the last sync was given."""
        return sum(one.rows or 0 for one in self.box.requests if one.list == name)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.folder / "sage.duckdb"), read_only=True) as database:
            return database.execute(query).fetchall()

    def rows(self, name: str) -> list[dict[str, Any]]:
        with duckdb.connect(str(self.folder / "sage.duckdb"), read_only=True) as database:
            found = database.execute(f"SELECT * FROM sage_raw.{name}")
            columns = [(column[0], str(column[1]) == "JSON") for column in found.description]
            rows = [
                {name: told(value, is_json) for (name, is_json), value in zip(columns, row, strict=True)}
                for row in found.fetchall()
            ]
        return [row for row in rows if row.get("is_deleted") is not True]

    def assert_equal(self, *names: str) -> None:
        """DuckDB's live rows are Sage's, each once."""
        for name in names or COMPARED:
            ours = {row["id"]: row for row in self.rows(name)}
            assert len(ours) == len(self.rows(name)), f"{name} holds a row twice"
            truth = [as_a_table_holds_it(row, name) for row in self.company.rows(name)]
            assert ours.keys() == {row["id"] for row in truth}, name
            assert [text for row in truth for text in unequal(row, ours[row["id"]], name)] == []


def told(value: Any, is_json: bool) -> Any:
    """A value of DuckDB's as Sage would write it."""
    if is_json and value is not None:
        return json.loads(value)
    if isinstance(value, dt.datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, dt.date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value


@pytest.fixture
def somebody(tmp_path: Path) -> Iterator[Person]:
    with Sandbox(size="tiny", seed=7) as box:
        yield Person(tmp_path, box)


def test_today_tomorrow_and_anew(somebody: Person) -> None:
    box, company = somebody.box, somebody.company
    first = somebody.sync()
    assert first.returncode == 0, first.stderr
    assert "The books tie out" in first.stdout and "Sync report" in first.stdout
    assert "must not" not in first.stdout and "Use this sign-in here alone" in first.stderr
    somebody.assert_equal()
    tables = {name for (name,) in somebody.ask("SELECT view_name FROM duckdb_views() WHERE schema_name = 'sage_views'")}
    assert len(tables) == 92

    # Tokens are kept: ten minutes later the ones of the beginning are dead.
    box.clock.advance(600)
    told = company.day_of_business()
    company.reprice(company.create("sales_invoices"))
    company.delete("sales_invoices", company.rows("sales_invoices")[0]["id"])
    ledger = len(company.rows("ledger_entries"))
    second = somebody.sync()
    assert second.returncode == 0, second.stderr
    assert "The books tie out" in second.stdout
    somebody.assert_equal()
    assert 0 < somebody.asked("ledger_entries") < ledger / 2
    assert told["edited"]

    # What Sage does not tell of, a full refresh finds.
    gone = company.rows("sales_quotes")[0]["id"]
    company.delete("sales_quotes", gone)
    third = somebody.sync("--full-refresh")
    assert third.returncode == 0, third.stderr
    assert gone not in {row["id"] for row in somebody.rows("sales_quotes")}
    somebody.assert_equal()

    # Nobody but Sage was talked to, nothing secret was said, nothing lies about.
    port = str(box.root).rsplit(":", 1)[-1]
    assert {
        line for line in (somebody.folder / "talked_to").read_text().splitlines() if f", {port})" not in line
    } == set()
    tokens = [
        value for key, value in json.loads(somebody.config.read_text()).items() if "token" in key or "secret" in key
    ]
    said = "".join(one.stdout + one.stderr for one in (first, second, third))
    assert not [token for token in tokens if str(token) in said]
    assert {path.name for path in somebody.folder.iterdir()} == {"sage-config.json", "sage.duckdb", "talked_to"}
    assert (somebody.folder / "sage.duckdb").stat().st_mode & 0o077 == 0


def test_killed_it_goes_on_from_the_last_bite(somebody: Person) -> None:
    box = somebody.box
    process: list[subprocess.Popen[str]] = []

    def kill(name: str, page: int, company: Company) -> None:
        process[0].kill()

    # The trial balance takes a request a month; the ledger is long written by then.
    streams = ("--streams", "ledger_entries,contacts,trial_balance")
    box.faults.add(faults.before_page(kill), path="*/trial_balance", nth=20)
    process.append(somebody.start(*streams))
    process[0].communicate(timeout=600)
    assert process[0].returncode != 0
    box.faults.clear()
    assert somebody.rows("ledger_entries") and len({row["from_date"] for row in somebody.rows("trial_balance")}) < 20
    again = somebody.sync(*streams)
    assert again.returncode == 0, again.stderr
    somebody.assert_equal("ledger_entries", "contacts")
    assert somebody.asked("ledger_entries") <= 2  # for the trial balance it is asked which month is the first
    assert len({row["from_date"] for row in somebody.rows("trial_balance")}) >= 24


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_it_ends_though_a_request_hangs_and_keeps_what_it_read(
    somebody: Person, number: signal.Signals
) -> None:
    box, came = somebody.box, threading.Event()
    somebody.config.write_text(json.dumps(box.config(num_workers=1)))  # so that the other two are read by then
    streams = ("--streams", "ledger_entries,contacts,trial_balance")
    months: list[object] = []

    def is_late(request: object) -> bool:
        months.append(request)
        if len(months) >= 20:
            came.set()
        return came.is_set()

    box.faults.add(faults.hang(600), path="*/trial_balance", when=is_late)
    process = somebody.start(*streams)
    assert came.wait(300)
    process.send_signal(number)
    began = time.monotonic()
    out, err = process.communicate(timeout=300)
    assert time.monotonic() - began < 100  # of the request that hangs, which is given up after that
    assert (process.returncode, out) == (128 + number, "")
    *_, read, last = err.splitlines()
    assert read.startswith("Read: ")
    assert last == "Stopped. What was read is saved. Run the same command again: it goes on from there."
    assert {path.name for path in somebody.folder.iterdir()} == {"sage-config.json", "sage.duckdb", "talked_to"}
    box.faults.clear()
    again = somebody.sync(*streams)
    assert again.returncode == 0, again.stderr
    somebody.assert_equal("ledger_entries", "contacts")
    assert somebody.asked("ledger_entries") <= 2 and somebody.asked("contacts") <= 1


def test_a_full_refresh_that_was_killed_is_brought_to_its_end_by_the_next_sync(somebody: Person) -> None:
    box, company = somebody.box, somebody.company
    streams = ("--streams", "ledger_entries,sales_quotes,sales_estimates,trial_balance")
    assert somebody.sync(*streams).returncode == 0
    box.clock.advance(3600)
    gone = {name: company.rows(name)[0]["id"] for name in ("sales_quotes", "sales_estimates")}
    for name, key in gone.items():
        company.delete(name, key)  # which Sage does not tell
    process: list[subprocess.Popen[str]] = []
    box.faults.add(faults.before_page(lambda *_: process[0].kill()), path="*/sales_estimates")
    process.append(somebody.start(*streams, "--full-refresh"))
    process[0].communicate(timeout=600)
    assert process[0].returncode != 0
    box.faults.clear()
    assert gone["sales_estimates"] in {row["id"] for row in somebody.rows("sales_estimates")}
    again = somebody.sync(*streams)
    assert again.returncode == 0, again.stderr
    somebody.assert_equal("ledger_entries", "sales_quotes", "sales_estimates")
    last = somebody.sync(*streams)
    assert last.returncode == 0, last.stderr
    # Of quotes their keys are read once, to see whether any is missing.
    assert (
        somebody.asked("ledger_entries") <= 2
        and somebody.asked("sales_quotes") <= len(company.rows("sales_quotes")) + 1
    )
    somebody.assert_equal("ledger_entries", "sales_quotes", "sales_estimates")


def test_a_list_that_fails_costs_itself_alone(somebody: Person) -> None:
    box = somebody.box
    box.faults.add(faults.html(403), path="*/contacts")
    first = somebody.sync("--streams", "sales_invoices,sales_invoice_lines,contacts,countries")
    assert first.returncode == 1
    assert "contacts" in first.stderr and "What was read is saved" in first.stderr
    somebody.assert_equal("sales_invoices", "countries")
    assert somebody.rows("contacts") == []
    box.faults.clear()
    second = somebody.sync("--streams", "sales_invoices,sales_invoice_lines,contacts,countries")
    assert second.returncode == 0, second.stderr
    somebody.assert_equal("sales_invoices", "contacts", "countries")
    assert somebody.asked("sales_invoices") == 0


def test_a_dry_run_reads_nothing_and_leaves_nothing(somebody: Person) -> None:
    done = somebody.sync("--dry-run", "--streams", "ledger_entries,sales_invoice_lines,countries")
    assert done.returncode == 0, done.stderr
    rows = len(somebody.company.rows("ledger_entries"))
    assert f"{rows} rows" in done.stdout and "sales_invoices" in done.stdout and "Nothing was read." in done.stdout
    assert all(one.rows is None or one.rows <= 1 for one in somebody.box.requests if one.list != "businesses")
    assert {path.name for path in somebody.folder.iterdir()} == {"sage-config.json", "talked_to"}


def test_a_database_that_is_open_elsewhere_is_told(somebody: Person) -> None:
    with duckdb.connect(str(somebody.folder / "sage.duckdb")):
        done = somebody.sync("--streams", "countries")
    assert done.returncode == 1
    assert done.stderr.startswith("sage.duckdb is open in another program")
    assert somebody.box.requests == []
