"""Books written by hand, one oddity a business, all in one build: the marts show the figures that a person reckons."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from integration_tests.statements import dbt
from integration_tests.statements.by_hand import EARLIER, Books, write
from integration_tests.statements.failures import red_tests

pytestmark = pytest.mark.statements

Ask = Callable[[str], list[Any]]


def leap() -> Books:
    """The year ends on 29 February."""
    books = Books("leap", "2024-02-29", "2024-01", "2025-04")
    for key, day, amount in (("a", "2024-02-29", "100"), ("b", "2024-03-01", "50"), ("c", "2025-02-28", "30")):
        books.post(key, day, bank=amount, sales=f"-{amount}")
    books.post("d", "2025-03-01", bank="20", sales="-20")
    return books


def with_year_end(business: str, year_end: str | None) -> Books:
    """The same two sales, whatever the year."""
    books = Books(business, year_end, "2025-01", "2026-01")
    books.post("a", "2025-03-31", bank="100", sales="-100")
    books.post("b", "2026-01-01", bank="40", sales="-40")
    return books


def without_ledger() -> Books:
    """A plan without a ledger: documents alone."""
    books = Books("without_ledger")
    books.document("sales_invoices", "inv", "2025-03-10", "120", "120")
    return books


def large_credit_note() -> Books:
    """A credit note of 100 against an invoice of 60."""
    books = Books("large_credit_note", first="2025-01", last="2025-02")
    books.document("sales_invoices", "inv", "2025-01-10", "60", "0")
    books.post("inv", "2025-01-10", "SALES_INVOICE", debtors="60", sales="-60")
    books.document("sales_credit_notes", "note", "2025-01-20", "100", "40")
    books.post("note", "2025-01-20", "SALES_CREDIT_NOTE", debtors="-100", sales="100")
    books.allocate("contact_allocations", "set", "2025-01-25", {"inv": "60", "note": "-60"})
    return books


def foreign() -> Books:
    """1,000.00 EUR at 0.85; 400 of it are paid at 0.90, the rest at 0.80."""
    books = Books("foreign", first="2025-01", last="2025-03")
    books.document("sales_invoices", "inv", "2025-01-10", "1000", "0", "0.85")
    books.post("inv", "2025-01-10", "SALES_INVOICE", debtors="850", sales="-850")
    books.receipt("one", "2025-02-15", "400", "360")
    books.post("one", "2025-02-15", "CUSTOMER_RECEIPT", bank="360", debtors="-340", exchange="-20")
    books.allocate("contact_payments", "one", "2025-02-15", {"inv": "400"})
    books.receipt("two", "2025-03-20", "600", "480")
    books.post("two", "2025-03-20", "CUSTOMER_RECEIPT", bank="480", debtors="-510", exchange="30")
    books.allocate("contact_payments", "two", "2025-03-20", {"inv": "600"})
    return books


def moved_back() -> Books:
    """An edit between two syncs: an invoice of March is one of February, and has another line."""
    books = Books("moved_back", first="2025-01", last="2025-03")
    books.post("before", "2025-03-10", "SALES_INVOICE", struck_out=True, debtors="70", sales="-70")
    books.document("sales_invoices", "inv", "2025-02-10", "100", "100")
    books.post("inv", "2025-02-10", "SALES_INVOICE", debtors="100", sales="-100")
    old = {"sales_invoice_id": "inv", "net_amount": "70", "total_amount": "70", "tax_amount": "0"}
    books.add("sales_invoice_lines", "old", updated_at=EARLIER, read_at=EARLIER, **old)
    return books


def taken_back() -> Books:
    """What was paid on account had been set against an invoice; that allocation was deleted."""
    books = Books("taken_back", first="2025-01", last="2025-02")
    books.document("sales_invoices", "inv", "2025-01-10", "100", "100")
    books.post("inv", "2025-01-10", "SALES_INVOICE", debtors="100", sales="-100")
    left = {"total_amount": "100", "outstanding_amount": "100"}
    left |= {f"base_currency_{name}": amount for name, amount in left.items()}
    books.receipt("paid", "2025-01-20", "100", payment_on_account={"id": "rest", "displayed_as": "rest", **left})
    books.post("paid", "2025-01-20", "CUSTOMER_RECEIPT", bank="100", debtors="-100")
    settled = {"inv": "100", "rest": "-100"}
    books.allocate("contact_allocations", "set", "2025-01-25", settled, EARLIER, gone=True)
    return books


def quick() -> Books:
    """Nobody writes invoices: all is entered quickly, and one entry names no customer."""
    books = Books("quick", first="2025-01", last="2025-01")
    for key, contact, amount in (("a", "ann", "80"), ("b", None, "15")):
        who = {"contact": contact and {"id": contact, "displayed_as": contact}}
        books.document("sales_quick_entries", key, "2025-01-05", amount, amount, **who)
        books.post(key, "2025-01-05", "SALES_QUICK_ENTRY", debtors=amount, sales=f"-{amount}")
    return books


def not_posted() -> Books:
    """A draft, a pro forma and a voided invoice beside one that counts."""
    books = Books("not_posted", first="2025-01", last="2025-01")
    for key, status in (("draft", "DRAFT"), ("pro_forma", "PRO_FORMA"), ("void", "VOID"), ("inv", "UNPAID")):
        books.document("sales_invoices", key, "2025-01-05", "10", "10", status={"id": status, "displayed_as": status})
    books.post("void", "2025-01-05", "SALES_INVOICE", struck_out=True, debtors="10", sales="-10")
    books.post("inv", "2025-01-05", "SALES_INVOICE", debtors="10", sales="-10")
    return books


def refunded() -> Books:
    """A credit note is paid out in the month after."""
    books = Books("refunded", first="2025-01", last="2025-02")
    books.document("sales_credit_notes", "note", "2025-01-20", "100", "0")
    books.post("note", "2025-01-20", "SALES_CREDIT_NOTE", debtors="-100", sales="100")
    refund = {"id": "CUSTOMER_REFUND", "displayed_as": "Refund"}
    books.receipt("refund", "2025-02-05", "100", transaction_type=refund)
    books.post("refund", "2025-02-05", "CUSTOMER_REFUND", bank="-100", debtors="100")
    books.allocate("contact_payments", "refund", "2025-02-05", {"note": "100"})
    return books


def paid_ahead() -> Books:
    """A payment of January for an invoice of February."""
    books = Books("paid_ahead", first="2025-01", last="2025-02")
    books.receipt("paid", "2025-01-15", "50")
    books.post("paid", "2025-01-15", "CUSTOMER_RECEIPT", bank="50", debtors="-50")
    books.document("sales_invoices", "inv", "2025-02-10", "50", "0")
    books.post("inv", "2025-02-10", "SALES_INVOICE", debtors="50", sales="-50")
    books.allocate("contact_payments", "paid", "2025-01-15", {"inv": "50"})
    return books


def paid_ahead_abroad() -> Books:
    """The same in euro; the invoice's total is a penny less than its rate makes of it (0.8547: 617.25)."""
    books = Books("paid_ahead_abroad", first="2025-01", last="2025-02")
    books.receipt("paid", "2025-01-15", "722.18", "617.24")
    books.post("paid", "2025-01-15", "CUSTOMER_RECEIPT", bank="617.24", debtors="-617.24")
    books.document("sales_invoices", "inv", "2025-02-10", "722.18", "0", "0.8547", "617.24")
    books.post("inv", "2025-02-10", "SALES_INVOICE", debtors="617.24", sales="-617.24")
    books.allocate("contact_payments", "paid", "2025-01-15", {"inv": "722.18"})
    return books


def reversed_() -> Books:
    """A journal of January is reversed in February."""
    books = Books("reversed", first="2025-01", last="2025-03")
    books.post("a", "2025-01-31", creditors="-100", rent="100")
    books.post("b", "2025-02-01", creditors="100", rent="-100")
    return books


def started_later() -> Books:
    """Read from February on. In January one customer owed 100 and another had paid 100 ahead: together nothing."""
    books = Books("started_later", first="2025-02", last="2025-03", starts=True)
    books.post("jan", "2025-01-10", "SALES_INVOICE", debtors="100", sales="-100")
    books.post("ahead", "2025-01-15", "CUSTOMER_RECEIPT", bank="100", debtors="-100")
    books.receipt("feb", "2025-02-20", "100")
    books.post("feb", "2025-02-20", "CUSTOMER_RECEIPT", bank="100", debtors="-100")
    books.allocate("contact_payments", "feb", "2025-02-20", {"jan": "100"})
    return books


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenarios")
    ends = {"march": "2025-03-31", "december": "2024-12-31", "no_settings": None}
    odd = (leap, without_ledger, large_credit_note, foreign, moved_back, taken_back, quick, not_posted, refunded)
    businesses = [make() for make in (*odd, paid_ahead, paid_ahead_abroad, reversed_, started_later)]
    write(folder / "books.duckdb", businesses + [with_year_end(*one) for one in ends.items()])
    options = ("--store-failures", "--exclude-resource-type", "unit_test")
    done = dbt.run("build", folder / "books.duckdb", folder / "target", *options)
    assert (folder / "target" / "run_results.json").exists(), done.stdout[-3000:]
    return folder


@pytest.fixture
def ask(built: Path) -> Iterator[Ask]:
    with duckdb.connect(str(built / "books.duckdb"), read_only=True) as database:
        database.execute(f"SET schema = '{dbt.SCHEMA}'")
        yield lambda query: [tuple(map(_plain, row)) for row in database.execute(query).fetchall()]


def _plain(value: Any) -> Any:
    return value if isinstance(value, Decimal | int | bool | None) else str(value)


def results(ask: Ask, business: str, by: str) -> list[Any]:
    """The profit by month or financial year, without those of nothing."""
    return ask(
        f"SELECT {by}, sum(amount) FROM profit_and_loss WHERE business_id = '{business}' GROUP BY 1 "
        "HAVING sum(amount) <> 0 ORDER BY 1"
    )


def owed(ask: Ask, business: str) -> list[Any]:
    """What was open at the end of each month, in its own and in base currency."""
    return ask(
        "SELECT month, item_id, outstanding, base_outstanding FROM ar_aging "
        f"WHERE business_id = '{business}' ORDER BY month, item_id"
    )


def test_nothing_differs_and_only_what_is_not_here_is_unchecked(built: Path) -> None:
    file, target = built / "books.duckdb", built / "target"
    assert red_tests(file, target) == {}
    assert set(red_tests(file, target, "not checked")) == {"without_ledger", "started_later"}


def test_a_year_that_ends_on_29_february(ask: Ask) -> None:
    assert results(ask, "leap", "fiscal_year_end") == [("2024-02-29", 100), ("2025-02-28", 80), ("2026-02-28", 20)]
    lines = (
        "SELECT month, sum(amount) FILTER (line_id = 'result_of_the_year'), "
        "sum(amount) FILTER (line_id = 'earlier_years') FROM balance_sheet WHERE business_id = 'leap' AND month IN "
        "('2024-02-01', '2024-03-01', '2025-02-01', '2025-03-01') GROUP BY 1 ORDER BY 1"
    )
    assert ask(lines) == [
        ("2024-02-01", 100, 0),
        ("2024-03-01", 50, 100),
        ("2025-02-01", 80, 100),
        ("2025-03-01", 20, 180),
    ]


def test_two_businesses_have_years_of_their_own(ask: Ask) -> None:
    assert results(ask, "march", "fiscal_year_end") == [("2025-03-31", 100), ("2026-03-31", 40)]
    assert results(ask, "december", "fiscal_year_end") == [("2025-12-31", 100), ("2026-12-31", 40)]
    january = "SELECT business_id, amount FROM balance_sheet WHERE line_id = 'result_of_the_year' AND month = '{}'"
    assert ("march", 40) in ask(january.format("2026-01-01"))
    assert ("march", 0) in ask(january.format("2025-12-01"))
    assert ("december", 100) in ask(january.format("2025-12-01"))


def test_without_settings_it_is_the_calendar_year_and_that_is_said(ask: Ask) -> None:
    assert results(ask, "no_settings", "fiscal_year_end") == [("2025-12-31", 100), ("2026-12-31", 40)]
    assert ask("SELECT business_id FROM int_sage__businesses WHERE NOT is_year_end_known") == [("no_settings",)]


def test_a_business_without_a_ledger_has_its_documents(ask: Ask) -> None:
    its = "WHERE business_id = 'without_ledger'"
    assert ask(f"SELECT month, revenue FROM revenue_by_customer {its}") == [("2025-03-01", 120)]
    for model in ("general_ledger", "profit_and_loss", "balance_sheet", "cash_flow", "ar_aging"):
        assert ask(f"SELECT count(*) FROM {model} {its}") == [(0,)]
    assert ask(f"SELECT DISTINCT is_complete FROM int_sage__sides {its}") == [(False,)]


def test_a_credit_note_larger_than_the_invoice_is_owed_to_the_customer(ask: Ask) -> None:
    assert owed(ask, "large_credit_note") == [(month, "note", -40, -40) for month in ("2025-01-01", "2025-02-01")]
    assert results(ask, "large_credit_note", "month") == [("2025-01-01", -40)]


def test_an_exchange_difference_is_earned_when_it_is_paid(ask: Ask) -> None:
    assert owed(ask, "foreign") == [("2025-01-01", "inv", 1000, 850), ("2025-02-01", "inv", 600, 510)]
    assert results(ask, "foreign", "month") == [("2025-01-01", 850), ("2025-02-01", 20), ("2025-03-01", -30)]
    flows = "SELECT month, sum(amount) FROM cash_flow WHERE business_id = 'foreign' GROUP BY 1 ORDER BY 1"
    assert ask(flows) == [("2025-01-01", 0), ("2025-02-01", 360), ("2025-03-01", 480)]


def test_an_edit_moves_a_posting_to_an_earlier_month(ask: Ask) -> None:
    assert results(ask, "moved_back", "month") == [("2025-02-01", 100)]
    assert owed(ask, "moved_back") == [(month, "inv", 100, 100) for month in ("2025-02-01", "2025-03-01")]
    assert ask("SELECT line_id, net_amount FROM invoice_lines WHERE business_id = 'moved_back'") == [("1", 100)]


def test_an_allocation_that_was_deleted_settles_nothing(ask: Ask) -> None:
    both = [("inv", 100, 100), ("rest", -100, -100)]
    assert owed(ask, "taken_back") == [(month, *one) for month in ("2025-01-01", "2025-02-01") for one in both]


def test_quick_entries_alone_have_a_control_account_too(ask: Ask) -> None:
    assert owed(ask, "quick") == [("2025-01-01", "a", 80, 80), ("2025-01-01", "b", 15, 15)]
    revenue = "SELECT contact_id, revenue FROM revenue_by_customer WHERE business_id = 'quick' ORDER BY 1"
    assert ask(revenue) == [("ann", 80), ("none", 15)]


def test_what_is_not_posted_does_not_count(ask: Ask) -> None:
    assert owed(ask, "not_posted") == [("2025-01-01", "inv", 10, 10)]
    assert ask("SELECT sum(revenue) FROM revenue_by_customer WHERE business_id = 'not_posted'") == [(10,)]


def test_a_refund_settles_a_credit_note(ask: Ask) -> None:
    assert owed(ask, "refunded") == [("2025-01-01", "note", -100, -100)]


def test_a_payment_before_its_invoice_is_a_credit_until_then(ask: Ask) -> None:
    assert owed(ask, "paid_ahead") == [("2025-01-01", "paid:0", -50, -50)]
    penny = [("2025-01-01", "paid:0", Decimal("-722.18"), Decimal("-617.24"))]
    assert owed(ask, "paid_ahead_abroad") == penny


def test_a_reversal_leaves_nothing(ask: Ask) -> None:
    assert results(ask, "reversed", "month") == [("2025-01-01", -100), ("2025-02-01", 100)]
    sheet = "SELECT sum(amount) FROM balance_sheet WHERE business_id = 'reversed' AND month = '{}' AND side = '{}'"
    assert ask(sheet.format("2025-02-01", "liabilities")) == [(0,)]


def test_a_start_date_leaves_the_aging_unproven_even_if_nothing_was_owed_then(ask: Ask) -> None:
    its = "WHERE business_id = 'started_later'"
    assert ask(f"SELECT DISTINCT is_complete FROM int_sage__sides {its}") == [(False,)]
    assert ask(f"SELECT month, opening, closing FROM general_ledger_by_period {its} AND account_name = 'bank'") == [
        ("2025-02-01", 100, 200),
        ("2025-03-01", 200, 200),
    ]
    years = f"SELECT month, amount, is_split_known FROM balance_sheet {its} AND line_id = 'earlier_years' ORDER BY 1"
    assert ask(years) == [("2025-02-01", 100, False), ("2025-03-01", 100, False)]
