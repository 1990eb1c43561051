"""docs/tie-out.sql in PostgreSQL says what it says in DuckDB; skipped where PostgreSQL is not installed."""

from __future__ import annotations

import csv
import io
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from integration_tests.sandbox import Sandbox
from integration_tests.test_tie_out import CHECKS, Answer, Books, load, tie_out
from integration_tests.warehouse import TIE_OUT, create_statement, values_of

# Debian keeps the server's programs out of the path.
PROGRAMS = ":".join([*map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), os.environ["PATH"]])
INITDB, PG_CTL, PSQL = (shutil.which(name, path=PROGRAMS) for name in ("initdb", "pg_ctl", "psql"))
START_SECONDS = 60

pytestmark = pytest.mark.skipif(not (INITDB and PG_CTL and PSQL), reason="PostgreSQL is not installed")


class Postgres:
    """A server of its own on a socket in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._data = folder, folder / "data"
        # The server refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(folder, self._user)

    def _run(self, *command: str, text: str = "") -> str:
        done = subprocess.run(  # noqa: S603
            command, input=text, capture_output=True, text=True, check=False, user=self._user, cwd=self._folder
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self) -> None:
        self._run(str(INITDB), "-D", str(self._data), "-A", "trust", "-U", "sage", "-E", "UTF8", "--no-sync")
        options = f"-c listen_addresses='' -c fsync=off -k {self._folder}"
        log = str(self._folder / "log")
        self._run(str(PG_CTL), "-D", str(self._data), "-w", "-t", str(START_SECONDS), "-l", log, "-o", options, "start")

    def stop(self) -> None:
        self._run(str(PG_CTL), "-D", str(self._data), "-w", "-m", "immediate", "stop")

    def sql(self, text: str) -> str:
        """Run statements; the last one's rows as CSV without a header."""
        options = [
            "-X",
            "-q",
            "-t",
            "--csv",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            str(self._folder),
            "-U",
            "sage",
            "postgres",
        ]
        return self._run(str(PSQL), *options, text=text)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with tempfile.TemporaryDirectory() as folder:
        server = Postgres(Path(folder))
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="module")
def books() -> Iterator[Books]:
    with Sandbox(size="tiny", seed=2, businesses=2) as box:
        books = Books(box)
        books.sync()
        yield books


def fill(postgres: Postgres, books: Books) -> None:
    script = io.StringIO()
    script.write("CREATE SCHEMA sage_raw;\nSET search_path TO sage_raw;\n")
    for stream in books.streams:
        script.write(f'{create_statement(stream, "JSONB")};\nCOPY "{stream["name"]}" FROM STDIN WITH (FORMAT csv);\n')
        rows = values_of(stream, books.destination.all_rows(stream["name"]))
        csv.writer(script, lineterminator="\n").writerows(rows)
        script.write("\\.\n")
    postgres.sql(script.getvalue())


def answers(postgres: Postgres, before: str = "") -> list[Answer]:
    rows: list[Any] = list(
        csv.reader(io.StringIO(postgres.sql(f"SET search_path TO sage_raw;\nBEGIN;\n{before};\n{TIE_OUT}\nROLLBACK;")))
    )
    return [Answer(*row[:4], *(Decimal(one) for one in row[4:])) for row in rows]


def test_postgres_says_what_duckdb_says(postgres: Postgres, books: Books) -> None:
    fill(postgres, books)
    database = load(books.destination, books.streams)
    found = answers(postgres)
    assert {one.verdict for one in found} == {"ties out"}
    assert found == tie_out(database)
    flaws = [
        ("UPDATE ledger_entries SET debit = debit + 1 WHERE id = (SELECT min(id) FROM ledger_entries)", CHECKS[:2]),
        ("DELETE FROM trial_balance WHERE debit > 0", CHECKS[1:2]),
        ("INSERT INTO sales_invoice_lines SELECT * FROM sales_invoice_lines", CHECKS[2:3]),
        ("UPDATE sales_invoices SET base_currency_outstanding_amount = 1", CHECKS[3:4]),
        ("DELETE FROM purchase_invoices WHERE outstanding_amount > 0", CHECKS[4:]),
    ]
    for statement, checks in flaws:
        database.execute("BEGIN")
        database.execute(statement)
        expected = tie_out(database)
        database.execute("ROLLBACK")
        found = answers(postgres, statement)
        assert {one.check for one in found if one.verdict == "DIFFERS"} >= set(checks)
        assert sorted(found) == sorted(expected)
