"""`make demo`: a made-up company, from the local Sage sandbox through PyAirbyte into DuckDB, twice.

Nothing leaves this machine: the sandbox listens on a loopback port and PyAirbyte runs offline.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

# PyAirbyte reads these when it is imported; its Google libraries warn at every start on Python 3.11.
os.environ.update(AIRBYTE_OFFLINE_MODE="1", DO_NOT_TRACK="1", NO_LIVE_PROGRESS="1")
warnings.simplefilter("ignore", FutureWarning)

import airbyte  # noqa: E402
import requests  # noqa: E402
from airbyte.caches import DuckDBCache  # noqa: E402

ROOT = Path(__file__).parents[1]
OUTPUT = ROOT / "demo_output"
DATABASE = OUTPUT / "books.duckdb"
CONFIG = OUTPUT / "config.json"
TIE_OUT = ROOT / "docs" / "tie-out.sql"
SOURCE = Path(sys.executable).with_name("source-sage")
START_SECONDS = 60
TELL_SECONDS = 5

TABLES = "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'sage' AND table_name[1] <> '_' ORDER BY 1"
TRIAL_BALANCE = """
    SELECT json_extract_string(ledger_account, '$.displayed_as') AS account,
           sum(debit) AS debit, sum(credit) AS credit, sum(debit) - sum(credit) AS balance
    FROM ledger_entries WHERE NOT deleted
    GROUP BY account HAVING sum(debit) <> 0 OR sum(credit) <> 0 ORDER BY account
"""
AGED_RECEIVABLES = """
    SELECT CASE WHEN due_date >= current_date THEN 'not yet due'
                WHEN due_date >= current_date - 30 THEN '1 to 30 days late'
                WHEN due_date >= current_date - 60 THEN '31 to 60 days late'
                ELSE 'more than 60 days late' END AS age,
           count(*) AS invoices, sum(base_currency_outstanding_amount) AS outstanding
    FROM sales_invoices
    WHERE base_currency_outstanding_amount > 0 AND json_extract_string(status, '$.id') <> 'VOID'
      AND is_deleted IS NOT TRUE
    GROUP BY age ORDER BY min(due_date) DESC
"""


def main() -> None:
    """Run the demo from start to end; any failure is an exception and a non-zero exit."""
    OUTPUT.mkdir(exist_ok=True)
    for leftover in (DATABASE, DATABASE.with_suffix(".duckdb.wal")):
        leftover.unlink(missing_ok=True)
    with sandbox() as root:
        source = connect(json.loads(CONFIG.read_text()))
        cache = DuckDBCache(db_path=DATABASE, schema_name="sage")

        heading("First sync: everything")
        took, count = sync(source, cache, root)
        say(f"{took:.0f} s, {count:,} requests to Sage.")
        show_books(cache, counts=True)

        heading("A day later at the company: new documents, an edit, a deletion")
        for change in day_of_business(root):
            say(f"  {change}")
        heading("Second sync: only what changed")
        # Of the streams that always come whole, only the trial balance moves every day.
        source.select_streams([*(stream.name for stream in incremental(source)), "trial_balance"])
        took, count = sync(source, cache, root)
        say(f"{took:.0f} s, {count:,} requests to Sage for {len(source.get_selected_streams())} streams.")
        show_books(cache, counts=False)
    heading("Done")
    say(f"The books are in {DATABASE}")
    query = f"import duckdb; duckdb.connect('{DATABASE}').sql('FROM sage.sales_invoices LIMIT 5').show()"
    say(f'Look around:  {sys.executable} -c "{query}"')
    say("A profit and loss account and a balance sheet, proven:  make statements")


@contextlib.contextmanager
def sandbox() -> Iterator[str]:
    """The sandbox in a process of its own; gives its address and stops it at the end."""
    heading("Starting a local Sage with a company of two years in it")
    CONFIG.unlink(missing_ok=True)
    command = [sys.executable, "-m", "integration_tests.sandbox", "--size", "demo", "--write-config", str(CONFIG)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith(("Sage sandbox", "Account ID")):
                say(f"  {line.rstrip()}")
            if line.startswith("Config written"):
                break
        else:
            raise SystemExit("The sandbox did not start.")
        yield json.loads(CONFIG.read_text())["api_endpoint"].removesuffix("/v3.1")
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def connect(config: dict[str, Any]) -> airbyte.Source:
    """Check and discover, as a person would in the form."""
    heading("Test Connection")
    source = airbyte.get_source("source-sage", config=config, local_executable=SOURCE)
    # Sage's refresh token works once: PyAirbyte must use and keep the config that the source hands back.
    source._config_change_callback = lambda renewed: source.set_config(renewed, validate=False)
    source.check()
    source.select_all_streams()
    say(f"Connected. {len(source.get_available_streams())} streams.")
    return source


def sync(source: airbyte.Source, cache: DuckDBCache, root: str) -> tuple[float, int]:
    """One sync into DuckDB.

    Returns:
        Seconds it took, and requests that Sage got.
    """
    requests.delete(f"{root}/_sandbox/requests", timeout=START_SECONDS).raise_for_status()
    started = time.monotonic()
    done = threading.Event()

    def tell() -> None:
        before = 0
        while not done.wait(TELL_SECONDS):
            log = asked(root)
            rows = sum(one["rows"] or 0 for one in log)
            loading = " (read; PyAirbyte is loading them into DuckDB)" if rows == before > 0 else ""
            say(f"  {time.monotonic() - started:3.0f} s: {rows:,} rows from Sage in {len(log):,} requests{loading}")
            before = rows

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # PyAirbyte's own report names all streams three times
            source.read(cache=cache)
    finally:
        done.set()
        teller.join()
    return time.monotonic() - started, len(asked(root))


def asked(root: str) -> list[dict[str, Any]]:
    """The sandbox's log of requests."""
    log: list[dict[str, Any]] = requests.get(f"{root}/_sandbox/requests", timeout=START_SECONDS).json()
    return log


def incremental(source: airbyte.Source) -> list[Any]:
    """The streams that can be read by what changed."""
    streams = source.discovered_catalog.streams
    return [stream for stream in streams if "incremental" in [str(mode.value) for mode in stream.supported_sync_modes]]


def day_of_business(root: str) -> list[str]:
    """Let a day pass at the company; gives what happened, in words."""
    change = {"changes": [{"op": "day_of_business"}]}
    answer = requests.post(f"{root}/_sandbox/changes", json=change, timeout=START_SECONDS)
    answer.raise_for_status()
    told = answer.json()["done"][0]
    words = {
        "invoice": "a sales invoice was written",
        "payment": "an invoice was paid",
        "journal": "a journal was posted",
        "edited": "a contact was edited",
        "deleted": "a bank transfer was deleted",
    }
    return [f"{words[name]} ({told[name]})" for name in words]


def show_books(cache: DuckDBCache, *, counts: bool) -> None:
    """Show the tables and whether they tie out; if they do not, the demo ends here."""
    with cache.get_sql_engine().connect() as connection:

        def rows(query: str) -> list[Any]:
            return list(connection.exec_driver_sql(query).fetchall())

        connection.exec_driver_sql(f"SET schema = '{DATABASE.stem}.{cache.schema_name}'")
        if counts:
            heading("Rows in DuckDB")
            names = [name for (name,) in rows(TABLES)]
            table(("stream", "rows"), [(name, rows(f'SELECT count(*) FROM "{name}"')[0][0]) for name in names])
            heading("Aged receivables")
            table(("age", "invoices", "outstanding"), rows(AGED_RECEIVABLES))
        heading("Trial balance from the ledger entries")
        accounts = rows(TRIAL_BALANCE)
        debit, credit = sum(row[1] for row in accounts), sum(row[2] for row in accounts)
        table(("account", "debit", "credit", "balance"), [*accounts, ("total", debit, credit, debit - credit)])
        heading("Do the books tie out? (docs/tie-out.sql)")
        answers = [(check, verdict, *more) for check, _, verdict, *more in rows(TIE_OUT.read_text(encoding="utf-8"))]
    table(("check", "verdict", "what", "expected", "found", "difference"), answers)
    if any(verdict != "ties out" for _, verdict, *_ in answers):
        raise SystemExit("The books do not tie out.")
    say("  The books tie out to the penny.")


def heading(text: str) -> None:
    """A line that stands out."""
    print(f"\n== {text}", flush=True)


def say(text: str) -> None:
    """A plain line, whatever stdout is redirected to."""
    print(text, file=sys.__stdout__, flush=True)


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table with aligned columns."""
    lines = [list(header), *([written(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    for first, *others in lines:
        aligned = [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        say("  " + "  ".join([first.ljust(widths[0]), *aligned]))


def written(cell: Any) -> str:
    """A cell as text; amounts with two decimals."""
    if isinstance(cell, float | Decimal):
        return f"{cell:,.2f}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


if __name__ == "__main__":
    main()
