"""`make demo`: a made-up company, from the local Sage sandbox into DuckDB by `source-sage sync`, twice, then compared.

Nothing leaves this machine: the sandbox listens on a loopback port. What it leaves is in demo_output/ alone.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import requests
from rich.console import Console

from source_sage.config import SageConfig
from source_sage.streams import every_stream, streams_of
from source_sage.views import TABLES, VIEWS

ROOT = Path(__file__).parents[1]
OUTPUT = ROOT / "demo_output"
DATABASE = OUTPUT / "books.duckdb"
CONFIG = OUTPUT / "sage-config.json"
LIST = OUTPUT / "tables.txt"
PROGRAM = Path(sys.executable).with_name("source-sage")
SECONDS = 60
WIDTH = 110
SHOWN = Console(highlight=False, soft_wrap=True)

# The groups of the form, in words, by the toggle that is about them.
GROUPS = {
    "replicate_financial_data": "ledger, bank, purchases, taxes",
    "replicate_customer_data": "contacts, sales, receipts",
    "replicate_inventory_data": "products, stock, prices",
    "": "settings and reference lists",
}
OPEN_INVOICES = f"""
    SELECT CASE WHEN due_date >= current_date THEN 'not yet due'
                WHEN due_date >= current_date - 30 THEN '1 to 30 days late'
                WHEN due_date >= current_date - 60 THEN '31 to 60 days late'
                ELSE 'more than 60 days late' END AS age,
           count(*), sum(base_currency_outstanding_amount)
    FROM {VIEWS}.sales_invoices WHERE base_currency_outstanding_amount > 0
    GROUP BY age ORDER BY min(due_date) DESC
"""
# What stands between the open invoices and the account of trade debtors; the amounts are negative where we owe.
BESIDE_INVOICES = f"""
    SELECT 'quick entries', sum(CASE WHEN quick_entry_type_id = 'CREDIT_NOTE' THEN -1 ELSE 1 END
        * base_currency_outstanding_amount) FROM {VIEWS}.sales_quick_entries
    UNION ALL
    SELECT 'credit notes that are not used yet', -sum(base_currency_outstanding_amount) FROM {VIEWS}.sales_credit_notes
    UNION ALL
    SELECT 'paid on account, not yet set against an invoice', sum(
        CASE WHEN transaction_type_id LIKE '%REFUND' THEN 1 ELSE -1 END
        * CAST((payment_on_account ->> 'base_currency_outstanding_amount') AS DECIMAL(30, 9)))
    FROM {VIEWS}.contact_payments WHERE transaction_type_id LIKE 'CUSTOMER%'
"""
DEBTORS = f"""
    SELECT sum(coalesce(e.debit, 0) - coalesce(e.credit, 0)) FROM {VIEWS}.ledger_entries AS e
    JOIN {VIEWS}.ledger_accounts AS a ON a.business_id = e.business_id AND a.id = e.ledger_account_id
    WHERE a.control_name = 'RECEIVABLES'
"""
HAPPENED = {
    "invoice": "a sales invoice was written",
    "payment": "an invoice was paid",
    "journal": "a journal was posted",
    "edited": "a contact was edited",
    "deleted": "a bank transfer was deleted",
}


def main() -> None:
    """Run the demo from start to end; any failure is an exception and a non-zero exit."""
    OUTPUT.mkdir(exist_ok=True)
    for leftover in (DATABASE, DATABASE.with_suffix(".duckdb.wal"), CONFIG):
        leftover.unlink(missing_ok=True)
    heading("A made-up company in a local Sage. Nothing leaves this machine.")
    with sandbox() as root:
        heading("First sync: everything")
        took, first = sync(root, "first-sync.txt")
        show_rows(took, first)
        show_debtors()
        heading("A day later at the company")
        for change in day_of_business(root):
            say(f"{change}")
        took, second = sync(root, "second-sync.txt")
        changed = sum(one["rows"] or 0 for one in second if "updated_or_created_since" in json.dumps(one["params"]))
        say(f"Second sync: {len(second):,} requests instead of {len(first):,}, {took:.0f} s; of all lists that can be")
        say(f"asked for what changed, that alone: {changed:,} rows, deletions beside. The books still tie out.")
        heading("Is the warehouse equal to Sage now? (source-sage compare)")
        for line in compare():
            say(line)
    heading("What to type next")
    look = f"duckdb.connect('{DATABASE.relative_to(Path.cwd())}').sql('{{}}').show()"
    query = f"SELECT contact, due_date, outstanding_amount FROM {VIEWS}.sales_invoices"
    say(f'{python()} -c "import duckdb; {look.format(query)}"')
    say("A profit and loss account and a balance sheet, proven: make statements")
    say("docs/queries.sql: ten questions ready to ask. Your own books: README.md, from “Credentials” on.")
    say(f"All that the demo made is in {OUTPUT.relative_to(ROOT)}/; remove it when you like.")


@contextlib.contextmanager
def sandbox() -> Iterator[str]:
    """The sandbox in a process of its own; gives its address and stops it at the end."""
    command = [sys.executable, "-m", "integration_tests.sandbox", "--size", "demo", "--write-config", str(CONFIG)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("Account ID"):
                say(f"{line.split(maxsplit=3)[3].strip()}, with two years of books")
            if line.startswith("Config written"):
                break
        else:
            raise SystemExit("The sandbox did not start.")
        yield json.loads(CONFIG.read_text())["api_endpoint"].removesuffix("/v3.1")
    finally:
        process.terminate()
        process.wait(SECONDS)


def sync(root: str, report: str) -> tuple[float, list[dict[str, Any]]]:
    """One sync, as a person runs it; its report goes to a file.

    Returns:
        Seconds it took, and the requests that Sage got.
    """
    requests.delete(f"{root}/_sandbox/requests", timeout=SECONDS).raise_for_status()
    began = time.monotonic()
    command = [str(PROGRAM), "sync", "--config", str(CONFIG), "--into", str(DATABASE)]
    said = None if sys.stderr.isatty() else subprocess.PIPE  # its line that moves is for a terminal
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=said, text=True, check=False)
    (OUTPUT / report).write_text(done.stdout)
    if done.returncode or "The books tie out" not in done.stdout:
        raise SystemExit(f"The sync did not end well.\n{done.stdout[-3000:]}{done.stderr or ''}")
    log: list[dict[str, Any]] = requests.get(f"{root}/_sandbox/requests", timeout=SECONDS).json()
    return time.monotonic() - began, log


def compare() -> list[str]:
    """The verdict on the tables beside Sage, as a person gets it, in lines that fit on a screen."""
    command = [str(PROGRAM), "compare", "--config", str(CONFIG), "--database", str(DATABASE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"The warehouse is not equal to Sage.\n{done.stdout}{done.stderr}")
    return [part for line in done.stdout.splitlines() for part in textwrap.wrap(line, WIDTH)]


def ask(query: str) -> list[tuple[Any, ...]]:
    """Ask the database."""
    with duckdb.connect(str(DATABASE), read_only=True) as database:
        return database.execute(query).fetchall()


def show_rows(took: float, log: list[dict[str, Any]]) -> None:
    """How many rows came, by group; the full list goes to a file."""
    union = " UNION ALL ".join(f"SELECT '{name}', count(*) FROM {TABLES}.{name}" for name in every_stream())
    counts: dict[str, int] = dict(ask(union))
    LIST.write_text("".join(f"{name:35}{count:>10,}\n" for name, count in sorted(counts.items())))
    say(f"{sum(counts.values()):,} rows in {len(counts)} tables, {len(log):,} requests to Sage, {took:.0f} s")
    form: dict[str, Any] = {"client_id": "-", "client_secret": "-", "refresh_token": "-", "start_date": "2024-01-01"}
    form |= dict.fromkeys(filter(None, GROUPS), False)
    always = {one.name for one in streams_of(SageConfig.parse(form))}
    for toggle, words in GROUPS.items():
        names = {one.name for one in streams_of(SageConfig.parse({**form, toggle: True}))} - (
            always if toggle else set()
        )
        say(f"  {words:34}{sum(counts[name] for name in names):>9,} rows in {len(names)} tables")
    say(f"Each table: {LIST.relative_to(ROOT)}")
    say("[green]The books tie out[/green]: debits equal credits, the trial balance is the ledger's, lines are their")
    say("documents', and what customers and suppliers owe by document is what the ledger says.")


def show_debtors() -> None:
    """Who owes what, and how that becomes the account of trade debtors."""
    heading("What customers owe")
    ages = ask(OPEN_INVOICES)
    for age, count, amount in ages:
        say(f"  {age:50}{amount:>14,.2f}  {count:>4} invoices")
    total = sum((amount for _, _, amount in ages), Decimal())
    for what, amount in ask(BESIDE_INVOICES):
        total += amount or 0
        say(f"  {what:50}{amount or 0:>14,.2f}")
    ((debtors,),) = ask(DEBTORS)
    if debtors != total:
        say(f"  {'opening balances that are not settled yet':50}{debtors - total:>14,.2f}")
    say(f"  [bold]{'trade debtors, in the ledger':50}{debtors:>14,.2f}[/bold]")


def day_of_business(root: str) -> list[str]:
    """Let a day pass at the company; gives what happened, in words."""
    change = {"changes": [{"op": "day_of_business"}]}
    answer = requests.post(f"{root}/_sandbox/changes", json=change, timeout=SECONDS)
    answer.raise_for_status()
    told = answer.json()["done"][0]
    return [f"  {words}" for name, words in HAPPENED.items() if name in told]


def python() -> str:
    """This interpreter, as short as it can be typed."""
    here = Path(sys.executable)
    return str(here.relative_to(Path.cwd())) if here.is_relative_to(Path.cwd()) else str(here)


def heading(text: str) -> None:
    """A line that stands out."""
    SHOWN.print(f"\n[bold]{text}[/bold]")


def say(text: str) -> None:
    """A plain line."""
    SHOWN.print(f"  {text}")


if __name__ == "__main__":
    main()
