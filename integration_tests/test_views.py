"""docs/views.sql and docs/queries.sql: the same answers in DuckDB and PostgreSQL, and the ones that Sage would give."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import duckdb
import pytest

from integration_tests.sandbox import Sandbox
from integration_tests.test_tie_out import Books, load
from integration_tests.test_tie_out_postgres import INITDB, PG_CTL, PSQL, Postgres, fill
from source_sage.streams import every_stream
from source_sage.views import NOT_POSTED, VIEWS

DOCS: Final = Path(__file__).parents[1] / "docs"
VIEWS_SQL: Final = (DOCS / "views.sql").read_text(encoding="utf-8")
QUERIES: Final = dict(
    re.findall(r"^-- (\d+)\. .*?\n((?:(?!^-- \d+\.).*\n)+)", (DOCS / "queries.sql").read_text(encoding="utf-8"), re.M)
)


@pytest.fixture(scope="module")
def books() -> Iterator[Books]:
    """A company in which everything happened that a careless sum counts twice."""
    with Sandbox(size="tiny", seed=2, token_life=10**9) as box:
        company, books = box.businesses[0], Books(box)
        books.sync()
        box.clock.advance(600)
        company.reprice(company.create("sales_invoices"))
        for name in ("sales_invoices", "purchase_invoices"):
            company.void(name, company.rows(name)[1]["id"])
            company.delete(name, company.rows(name)[0]["id"])
        company.day_of_business()
        box.clock.advance(600)
        books.sync()
        yield books


@pytest.fixture(scope="module")
def database(books: Books) -> duckdb.DuckDBPyConnection:
    database = load(books.destination, books.streams)
    database.execute("USE memory.main")
    for _ in range(2):  # as often as you like
        database.execute(VIEWS_SQL)
    return database


def posted(books: Books, name: str) -> list[dict[str, Any]]:
    return [row for row in books.box.businesses[0].rows(name) if row["status"]["id"] not in NOT_POSTED]


def total(rows: list[dict[str, Any]], field: str) -> Decimal:
    return sum((Decimal(row[field] or 0) for row in rows), Decimal())


def test_there_is_a_view_for_each_table_and_it_can_be_asked(database: duckdb.DuckDBPyConnection) -> None:
    names = {
        name
        for (name,) in database.execute(
            f"SELECT view_name FROM duckdb_views() WHERE schema_name = '{VIEWS}'"
        ).fetchall()
    }
    assert names == every_stream().keys()
    for name in names:
        database.execute(f"FROM {VIEWS}.{name}").fetchall()


@pytest.mark.parametrize("name", ["sales_invoices", "purchase_invoices", "sales_quick_entries", "sales_credit_notes"])
def test_documents_are_those_that_are_posted(name: str, books: Books, database: duckdb.DuckDBPyConnection) -> None:
    truth = posted(books, name)
    ids = {key for (key,) in database.execute(f"SELECT id FROM {VIEWS}.{name}").fetchall()}
    assert ids == {row["id"] for row in truth} and truth
    if name.endswith("invoices"):  # else it was no test
        ((raw,),) = database.execute(f"SELECT count(*) FROM sage_raw.{name}").fetchall()
        assert raw >= len(ids) + 2


@pytest.mark.parametrize("side", ["sales_invoice", "purchase_invoice", "sales_credit_note", "purchase_credit_note"])
def test_lines_are_those_of_posted_documents_as_they_are_now(
    side: str, books: Books, database: duckdb.DuckDBPyConnection
) -> None:
    truth = posted(books, f"{side}s")
    ((net,),) = database.execute(f"SELECT sum(net_amount) FROM {VIEWS}.{side}_lines").fetchall()
    carriage = total(truth, "shipping_net_amount") if side.startswith("sales") else 0
    assert net == total(truth, "net_amount") - carriage
    ((raw,),) = database.execute(f"SELECT sum(net_amount) FROM sage_raw.{side}_lines").fetchall()
    assert raw != net or side.endswith("note")


def test_the_ledger_balances_and_references_are_flat(database: duckdb.DuckDBPyConnection) -> None:
    query = f"SELECT sum(debit), sum(credit), count(ledger_account), count(ledger_account_id), count(*) FROM {VIEWS}.ledger_entries"  # noqa: E501
    ((debit, credit, named, known, rows),) = database.execute(query).fetchall()
    assert debit == credit > 0 and named == known == rows


# The questions


def asked(database: duckdb.DuckDBPyConnection, number: str) -> list[tuple[Any, ...]]:
    return database.execute(QUERIES[number]).fetchall()


def column(rows: list[tuple[Any, ...]], place: int) -> Decimal:
    return sum((Decimal(row[place] or 0) for row in rows), Decimal())


def test_there_are_ten_questions_and_each_has_an_answer(database: duckdb.DuckDBPyConnection) -> None:
    assert list(QUERIES) == [str(number) for number in range(1, 11)]
    assert [number for number in QUERIES if not asked(database, number)] == []


def test_the_answers_are_sage_s(books: Books, database: duckdb.DuckDBPyConnection) -> None:
    company = books.box.businesses[0]
    today = dt.datetime.now(dt.UTC).date().isoformat()
    sales, credited, quick = (posted(books, f"sales_{what}") for what in ("invoices", "credit_notes", "quick_entries"))
    net = "base_currency_net_amount"
    turned = [row for row in quick if row["quick_entry_type"]["id"] == "CREDIT_NOTE"]
    revenue = total(sales, net) - total(credited, net) + total(quick, net) - 2 * total(turned, net)
    assert column(asked(database, "1"), 2) == revenue

    owed = "base_currency_outstanding_amount"
    late = [row for row in sales if row["due_date"] < today]
    assert column(asked(database, "2"), 6) == total(late, owed) > 0
    assert column(asked(database, "2"), 6) == sum(column(asked(database, "2"), place) for place in range(2, 6))

    ledger = {row["id"]: row for row in company.rows("ledger_accounts")}
    entries = [row for row in company.rows("ledger_entries") if not row["deleted"]]

    def balance(*controls: str, kinds: tuple[str, ...] = ()) -> Decimal:
        chosen = {
            key
            for key, one in ledger.items()
            if one["control_name"] in controls or one["ledger_account_type"]["id"] in kinds
        }
        some = [row for row in entries if row["ledger_account"]["id"] in chosen]
        return total(some, "debit") - total(some, "credit")

    cash = {row[1]: row[4] for row in asked(database, "3")}
    assert sum(cash.values()) == balance(kinds=("BANK",))
    assert column(asked(database, "4"), 4) == -balance("TAX_ON_SALES", "TAX_ON_PURCHASES") != 0
    assert column(asked(database, "4"), 2) - column(asked(database, "4"), 3) == column(asked(database, "4"), 4)

    lines = [line for row in sales for line in row["invoice_lines"] if line["product"]]
    back = [line for row in credited for line in row["credit_note_lines"] if line["product"]]
    margins = asked(database, "5")
    assert column(margins, 3) == total(lines, net) - total(back, net)
    assert column(margins, 3) - column(margins, 4) == column(margins, 5) != 0

    bills = posted(books, "purchase_invoices")
    assert column(asked(database, "6"), 5) == total(bills, owed)
    profit = balance(kinds=("SALES", "OTHER_INCOME", "DIRECT_EXPENSES", "OVERHEADS", "DEPRECIATION"))
    assert column(asked(database, "8"), 3) == -profit
    spent = [line for row in bills for line in row["invoice_lines"]]
    assert column(asked(database, "9"), 4) == total(spent, net)
    assert len(asked(database, "10")) == len([row for row in company.rows("stock_items") if row["active"] is not False])


# In PostgreSQL


@pytest.mark.skipif(not (INITDB and PG_CTL and PSQL), reason="PostgreSQL is not installed")
def test_postgres_answers_as_duckdb_does(books: Books, database: duckdb.DuckDBPyConnection) -> None:
    with tempfile.TemporaryDirectory() as folder:
        postgres = Postgres(Path(folder))
        postgres.start()
        try:
            fill(postgres, books)
            postgres.sql(VIEWS_SQL)
            postgres.sql(VIEWS_SQL)
            counts = " UNION ALL ".join(
                f"SELECT '{name}' AS name, count(*) FROM {VIEWS}.{name}" for name in every_stream()
            )
            counted = dict(database.execute(counts).fetchall())
            assert dict(csv.reader(io.StringIO(postgres.sql(counts)))) == {
                name: str(count) for name, count in counted.items()
            }
            for number, query in QUERIES.items():
                rows = list(csv.reader(io.StringIO(postgres.sql(query))))
                assert [list(map(plain, row)) for row in rows] == [
                    [plain(told(value)) for value in row] for row in asked(database, number)
                ], number
        finally:
            postgres.stop()


def told(value: Any) -> str:
    if isinstance(value, bool):
        return "t" if value else "f"
    return "" if value is None else str(value)


def plain(text: str) -> str:
    """A number without the zeros at its end, which the two engines write or leave out."""
    return f"{Decimal(text):.4f}" if re.fullmatch(r"-?\d+(\.\d+)?(E-\d+)?", text) else text
