"""docs/tie-out.sql: the books of a sound sync tie out, and each check finds a missing, a doubled and a wrong row."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

import duckdb
import pytest

from integration_tests.harness import Destination, catalog_of, discover, run
from integration_tests.sandbox import Sandbox
from integration_tests.warehouse import TIE_OUT, columns_of, create_statement, values_of

CHECKS = [
    "debits equal credits",
    "ledger = trial balance",
    "lines = documents",
    "receivables = open items",
    "payables = open items",
]


class Answer(NamedTuple):
    check: str
    business: str
    verdict: str
    key: str
    expected: Decimal
    found: Decimal
    difference: Decimal


def load(destination: Destination, streams: list[dict[str, Any]]) -> duckdb.DuckDBPyConnection:
    database = duckdb.connect()
    database.execute("CREATE SCHEMA sage_raw")
    database.execute("USE sage_raw")
    for stream in streams:
        database.execute(create_statement(stream, "JSON"))
        rows = values_of(stream, destination.all_rows(stream["name"]))
        # A table at a time, as texts: row by row takes ten times as long.
        texts = [[None if value is None else str(value) for value in row] for row in rows]
        kinds = columns_of(stream["json_schema"], "JSON").values()
        values = ", ".join(f"row[{place}]::{kind}" for place, kind in enumerate(kinds, 1))
        select = f"SELECT {values} FROM (SELECT unnest(?::VARCHAR[][]) AS row)"
        database.execute(f'INSERT INTO "{stream["name"]}" {select}', [texts])
    return database


def tie_out(database: duckdb.DuckDBPyConnection) -> list[Answer]:
    return [Answer(*row) for row in database.execute(TIE_OUT).fetchall()]


def verdicts(answers: list[Answer]) -> dict[tuple[str, str], str]:
    return {(one.business, one.check): one.verdict for one in answers if one.verdict != "differs"}


class Books:
    """A sandbox, and what syncs of it brought."""

    def __init__(self, box: Sandbox, **config: Any) -> None:
        self.box, self.config = box, {**box.config(account_id="all"), **config}
        self.streams = discover(self.config)
        self.destination = Destination(catalog_of(self.streams))

    def sync(self) -> None:
        self.destination.begin()
        output = run(
            "read",
            self.config,
            catalog=catalog_of(self.streams),
            state=self.destination.saved() or None,
            seen=self.destination.take,
        )
        assert output.failure is None

    def answers(self) -> list[Answer]:
        return tie_out(load(self.destination, self.streams))


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(size="tiny", seed=2, businesses=[{}, {"country": "IE"}], token_life=10**9) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def database(box: Sandbox) -> duckdb.DuckDBPyConnection:
    books = Books(box)
    books.sync()
    return load(books.destination, books.streams)


def test_the_books_of_every_business_tie_out(box: Sandbox, database: duckdb.DuckDBPyConnection) -> None:
    answers = tie_out(database)
    assert {one.verdict for one in answers} == {"ties out"}
    assert [(one.business, one.check) for one in answers] == [
        (key, check) for key in sorted(company.id for company in box.businesses) for check in CHECKS
    ]
    for company in box.businesses:
        (owed,) = [one for one in answers if one.business == company.id and one.check == CHECKS[3]]
        assert owed.expected == owed.found == Decimal(company.books.control("RECEIVABLES")) / 100 != 0


MISSING = 'DELETE FROM "{table}" WHERE rowid = (SELECT min(rowid) FROM "{table}" WHERE {which})'
DOUBLED = 'INSERT INTO "{table}" SELECT * FROM "{table}" WHERE rowid = (SELECT min(rowid) FROM "{table}" WHERE {which})'
WRONG = 'UPDATE "{table}" SET {amount} = {amount} + 0.01 WHERE rowid = (SELECT min(rowid) FROM "{table}" WHERE {which})'
NAMED = "(status ->> 'id') NOT IN ('DRAFT', 'VOID')"
# In which table something goes wrong, in which of its rows, with which amount, and who has to notice.
FLAWS = [
    ("ledger_entries", "debit > 0 AND NOT deleted", "debit", {CHECKS[0], CHECKS[1]}),
    ("ledger_entries", "credit > 0 AND NOT deleted", "credit", {CHECKS[0], CHECKS[1]}),
    ("trial_balance", "debit <> credit", "credit", {CHECKS[1]}),
    ("sales_invoice_lines", "net_amount > 0", "net_amount", {CHECKS[2]}),
    ("sales_invoice_lines", "total_amount > 0", "total_amount", {CHECKS[2]}),
    ("sales_credit_note_lines", "net_amount > 0", "net_amount", {CHECKS[2]}),
    ("sales_quote_lines", "net_amount > 0", "net_amount", {CHECKS[2]}),
    ("sales_estimate_lines", "net_amount > 0", "net_amount", {CHECKS[2]}),
    ("purchase_invoice_lines", "tax_amount > 0", "tax_amount", {CHECKS[2]}),
    ("purchase_credit_note_lines", "net_amount > 0", "net_amount", {CHECKS[2]}),
    ("other_payment_lines", "net_amount > 0", "net_amount", {CHECKS[2]}),
    ("journal_lines", "debit > 0", "debit", {CHECKS[2]}),
    ("journal_lines", "credit > 0", "credit", {CHECKS[2]}),
    ("sales_invoices", f"net_amount > 0 AND {NAMED}", "net_amount", {CHECKS[2]}),
    ("purchase_invoices", f"tax_amount > 0 AND {NAMED}", "tax_amount", {CHECKS[2]}),
    ("journals", "total > 0", "total", {CHECKS[2]}),
    ("sales_invoices", f"outstanding_amount > 0 AND {NAMED}", "base_currency_outstanding_amount", {CHECKS[3]}),
    ("sales_quick_entries", "outstanding_amount > 0", "base_currency_outstanding_amount", {CHECKS[3]}),
    ("sales_credit_notes", f"outstanding_amount > 0 AND {NAMED}", "base_currency_outstanding_amount", {CHECKS[3]}),
    ("purchase_invoices", f"outstanding_amount > 0 AND {NAMED}", "base_currency_outstanding_amount", {CHECKS[4]}),
    ("purchase_quick_entries", "outstanding_amount > 0", "base_currency_outstanding_amount", {CHECKS[4]}),
]
CONTROL = (
    "(ledger_account ->> 'id') = (SELECT id FROM ledger_accounts WHERE control_name = '{control}' "
    "AND business_id = ledger_entries.business_id) AND NOT deleted"
)


@pytest.mark.parametrize("how", [MISSING, DOUBLED, WRONG], ids=["missing", "doubled", "wrong"])
@pytest.mark.parametrize(("table", "which", "amount", "checks"), FLAWS)
def test_a_flaw_is_found(
    how: str, table: str, which: str, amount: str, checks: set[str], database: duckdb.DuckDBPyConnection
) -> None:
    database.execute("BEGIN")
    try:
        statement = how.format(table=table, which=which, amount=amount)
        assert database.execute(statement).fetchall() == [(1,)]
        answers = tie_out(database)
    finally:
        database.execute("ROLLBACK")
    noticed = {check for (_, check), verdict in verdicts(answers).items() if verdict == "DIFFERS"}
    assert noticed >= checks
    assert len({business for (business, _), verdict in verdicts(answers).items() if verdict == "DIFFERS"}) == 1
    for check in noticed:
        details = [one for one in answers if one.check == check and one.verdict == "differs"]
        assert details
        assert all(one.key and one.difference == one.found - one.expected != 0 for one in details)


@pytest.mark.parametrize(("control", "check"), [("RECEIVABLES", CHECKS[3]), ("PAYABLES", CHECKS[4])])
@pytest.mark.parametrize("how", [MISSING, DOUBLED, WRONG], ids=["missing", "doubled", "wrong"])
def test_a_flaw_in_the_account_of_what_is_owed_is_found(
    how: str, control: str, check: str, database: duckdb.DuckDBPyConnection
) -> None:
    database.execute("BEGIN")
    try:
        which = CONTROL.format(control=control)
        database.execute(how.format(table="ledger_entries", which=which, amount="debit"))
        noticed = {one.check for one in tie_out(database) if one.verdict == "DIFFERS"}
    finally:
        database.execute("ROLLBACK")
    assert noticed == {CHECKS[0], CHECKS[1], check}


def test_what_was_open_before_and_adds_up_to_nothing_is_no_difference(database: duckdb.DuckDBPyConnection) -> None:
    """An invoice and a credit note of the same amount are open since before the first month, and not here."""
    database.execute("BEGIN")
    database.execute(
        "UPDATE trial_balance SET opening_debit = 5 WHERE rowid = (SELECT min(rowid) FROM trial_balance AS t WHERE "
        "from_date = (SELECT min(from_date) FROM trial_balance) AND NOT EXISTS (SELECT 1 FROM ledger_accounts AS a "
        "WHERE a.id = t.ledger_account_id AND a.control_name IN ('RECEIVABLES', 'PAYABLES')))"
    )
    database.execute(
        "DELETE FROM sales_invoices WHERE rowid = (SELECT min(rowid) FROM sales_invoices WHERE "
        f"outstanding_amount > 0 AND {NAMED} AND business_id = (SELECT business_id FROM trial_balance "
        "WHERE opening_debit = 5))"
    )
    answers = tie_out(database)
    database.execute("ROLLBACK")
    told = {one.verdict for one in answers if one.check in CHECKS[3:]}
    assert told == {"not checked", "ties out"}


def test_a_penny_is_found_and_less_is_not(database: duckdb.DuckDBPyConnection) -> None:
    for amount, expected in (("0.01", True), ("0.004", False)):
        database.execute("BEGIN")
        database.execute(
            f"UPDATE ledger_entries SET debit = debit + {amount} "
            "WHERE rowid = (SELECT min(rowid) FROM ledger_entries WHERE debit > 0 AND NOT deleted)"
        )
        found = "DIFFERS" in verdicts(tie_out(database)).values()
        database.execute("ROLLBACK")
        assert found == expected


@pytest.mark.parametrize("table", ["trial_balance", "ledger_entries"])
def test_a_table_that_came_empty_does_not_pass(table: str, database: duckdb.DuckDBPyConnection) -> None:
    database.execute("BEGIN")
    database.execute(f'DELETE FROM "{table}"')
    found = set(verdicts(tie_out(database)).values())
    database.execute("ROLLBACK")
    assert found & {"DIFFERS", "nothing to check"}


def test_the_books_tie_out_after_each_day_of_business() -> None:
    with Sandbox(size="tiny", seed=5, token_life=10**9) as box:
        company = box.businesses[0]
        books = Books(box)
        books.sync()
        for _ in range(3):
            box.clock.advance(600)
            company.day_of_business()
            company.create("contact_allocations")
            invoice = company.create("sales_invoices")
            company.reprice(invoice)
            for name in ("sales_invoices", "purchase_invoices", "journals", "contact_payments"):
                company.delete(name, company.rows(name)[0]["id"])
            company.void("sales_invoices", company.rows("sales_invoices")[1]["id"])
            box.clock.advance(600)
            books.sync()
            answers = books.answers()
            assert {one.verdict for one in answers} == {"ties out"}, answers
            owed = company.books.control("RECEIVABLES")
            assert [one.found for one in answers if one.check == CHECKS[3]] == [Decimal(owed) / 100]


@pytest.mark.quick("config1-unchecked1", "config3-unchecked3")
@pytest.mark.parametrize(
    ("config", "unchecked"),
    [
        # From the middle of a month and of the books: what was open before is not there.
        ({"start_date": "2026-02-10"}, CHECKS[3:]),
        ({"start_date": "2026-02-10", "include_historical_data": True}, []),
        ({"start_date": "2020-01-01", "end_date": "2026-02-10"}, CHECKS[3:]),
        ({"start_date": "2026-01-10", "end_date": "2026-02-10"}, CHECKS[3:]),
    ],
)
def test_what_the_chosen_dates_do_not_allow_is_not_checked(config: dict[str, Any], unchecked: list[str]) -> None:
    with Sandbox(size="small", seed=5, until="2026-06-15") as box:
        books = Books(box, **config)
        books.sync()
        found = {check: verdict for (_, check), verdict in verdicts(books.answers()).items()}
    assert found == {check: "not checked" if check in unchecked else "ties out" for check in CHECKS}
