"""Single things that go wrong with the connector's tables, and the tests that must notice each.

A mutation is SQL on one business's rows; `{b}` is its id. `before` holds the tables as they were after the first sync.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Mutation(NamedTuple):
    """One thing that goes wrong.

    Attributes:
        what: in words.
        sql: statements; each must change something.
        tests: those that must be red; others may be too.
    """

    what: str
    sql: tuple[str, ...]
    tests: tuple[str, ...]


_ENTRY: Final = (
    "rowid = (SELECT min(rowid) FROM ledger_entries WHERE business_id = '{b}' AND NOT deleted AND debit > 0)"
)
_TRANSACTION: Final = (
    "business_id = '{b}' AND (\"transaction\" ->> 'id') = (SELECT min(\"transaction\" ->> 'id') FROM ledger_entries "
    "WHERE business_id = '{b}' AND NOT deleted AND debit > 0)"
)
_POSTED: Final = "is_deleted IS NOT TRUE AND (status ->> 'id') NOT IN ('DRAFT', 'VOID')"
_TRIAL_BALANCE: Final = "rowid = (SELECT min(rowid) FROM trial_balance WHERE business_id = '{b}' AND debit <> credit)"


def _one(table: str, where: str) -> str:
    return f"rowid = (SELECT min(rowid) FROM {table} WHERE business_id = '{{b}}' AND {where})"


_OPEN_SALE: Final = _one("sales_invoices", f"{_POSTED} AND outstanding_amount = total_amount AND total_amount > 0")


def _live(table: str, parent: str) -> str:
    """Of a parent that is not gone: what is left in the table of one that is, counts for nothing."""
    return f"{parent} NOT IN (SELECT {parent} FROM {table} WHERE business_id = '{{b}}' AND is_deleted)"


_PAID: Final = _one(
    "payment_allocations",
    f"{_live('payment_allocations', 'parent_id')} AND parent_stream = 'contact_payments' AND (artefact ->> 'id') IN "
    f"(SELECT id FROM sales_invoices WHERE business_id = '{{b}}' AND {_POSTED})",
)
_LINE: Final = _one(
    "sales_invoice_lines",
    f"{_live('sales_invoice_lines', 'sales_invoice_id')} AND tax_amount > 0 AND sales_invoice_id IN "
    f"(SELECT id FROM sales_invoices WHERE business_id = '{{b}}' AND {_POSTED})",
)
_STOCK: Final = _one("stock_movements", "quantity <> 0")
_ON_ACCOUNT: Final = _one(
    "contact_payments", "is_deleted IS NOT TRUE AND (payment_on_account ->> 'outstanding_amount') IS NOT NULL"
)

MUTATIONS: Final = (
    Mutation(
        "A posting is lost",
        (f"DELETE FROM ledger_entries WHERE {_ENTRY}",),
        ("debits_equal_credits", "ledger_equals_trial_balance", "ledger_by_period_equals_trial_balance"),
    ),
    Mutation(
        "A posting is doubled",
        (f"INSERT INTO ledger_entries SELECT * FROM ledger_entries WHERE {_ENTRY}",),
        ("key stg_sage__ledger_entries_business_id__ledger_entry_id", "debits_equal_credits"),
    ),
    Mutation(
        "A posting is moved a month",
        (f"UPDATE ledger_entries SET date = date + INTERVAL 1 MONTH WHERE {_ENTRY}",),
        ("ledger_equals_trial_balance", "balance_sheet_balances"),
    ),
    Mutation(
        "A posting's sign is turned",
        (f"UPDATE ledger_entries SET debit = credit, credit = debit WHERE {_ENTRY}",),
        ("debits_equal_credits", "ledger_equals_trial_balance", "balance_sheet_balances"),
    ),
    Mutation(
        "A posting is a penny off",
        (f"UPDATE ledger_entries SET debit = debit + 0.01 WHERE {_ENTRY}",),
        ("debits_equal_credits", "ledger_equals_trial_balance", "balance_sheet_balances"),
    ),
    Mutation(
        "A posting is on another account",
        (
            "UPDATE ledger_entries SET ledger_account = (SELECT any_value(ledger_account) FROM ledger_entries AS other "
            "WHERE other.business_id = '{b}' AND (other.ledger_account ->> 'id') <> "
            "(ledger_entries.ledger_account ->> 'id')) WHERE " + _ENTRY,
        ),
        ("ledger_equals_trial_balance",),
    ),
    Mutation(
        "A whole transaction is lost",
        (f"DELETE FROM ledger_entries WHERE {_TRANSACTION}",),
        ("ledger_equals_trial_balance", "ledger_by_period_equals_trial_balance"),
    ),
    Mutation(
        "A whole transaction is moved a month",
        (f"UPDATE ledger_entries SET date = date + INTERVAL 1 MONTH WHERE {_TRANSACTION}",),
        ("ledger_equals_trial_balance",),
    ),
    Mutation(
        "Entries that Sage struck out count",
        ("UPDATE ledger_entries SET deleted = false WHERE business_id = '{b}' AND deleted",),
        ("ledger_equals_trial_balance",),
    ),
    Mutation(
        "A row of the trial balance is lost",
        (f"DELETE FROM trial_balance WHERE {_TRIAL_BALANCE}",),
        ("ledger_equals_trial_balance",),
    ),
    Mutation(
        "An opening balance is a penny off",
        (
            "UPDATE trial_balance SET opening_debit = opening_debit + 0.01 WHERE "
            + _one("trial_balance", "opening_debit <> 0"),
        ),
        ("ledger_equals_trial_balance",),
    ),
    Mutation(
        "A closing balance is a penny off",
        (f"UPDATE trial_balance SET closing_debit = closing_debit + 0.01 WHERE {_TRIAL_BALANCE}",),
        ("ledger_equals_trial_balance",),
    ),
    Mutation(
        "A ledger account is lost",
        ("DELETE FROM ledger_accounts WHERE business_id = '{b}' AND control_name = 'SALES'",),
        ("one_of dim_account_statement__profit_and_loss__balance_sheet", "balance_sheet_is_of_the_whole_ledger"),
    ),
    Mutation(
        "An allocation is lost",
        (f"DELETE FROM payment_allocations WHERE {_PAID}",),
        ("settlements_equal_outstanding", "ar_aging_equals_control_account"),
    ),
    Mutation(
        "An allocation is doubled",
        (f"INSERT INTO payment_allocations SELECT * FROM payment_allocations WHERE {_PAID}",),
        (
            "key stg_sage__payment_allocations_business_id__parent_stream__parent_id__allocation_id",
            "settlements_equal_outstanding",
            "ar_aging_equals_control_account",
        ),
    ),
    Mutation(
        "An allocation is moved two months",
        (f"UPDATE payment_allocations SET date = date + INTERVAL 2 MONTH WHERE {_PAID}",),
        ("ar_aging_equals_control_account",),
    ),
    Mutation(
        "A sales invoice is lost",
        (f"DELETE FROM sales_invoices WHERE {_OPEN_SALE}",),
        ("lines_equal_documents", "receivables_equal_open_items", "ar_aging_equals_control_account"),
    ),
    Mutation(
        "A purchase invoice is lost",
        ("DELETE FROM purchase_invoices WHERE " + _one("purchase_invoices", f"{_POSTED} AND outstanding_amount > 0"),),
        ("lines_equal_documents", "payables_equal_open_items", "ap_aging_equals_control_account"),
    ),
    Mutation(
        "A sales invoice is doubled",
        (f"INSERT INTO sales_invoices SELECT * FROM sales_invoices WHERE {_OPEN_SALE}",),
        ("key stg_sage__sales_invoices_business_id__sales_invoice_id", "receivables_equal_open_items"),
    ),
    Mutation(
        "A sales invoice is dated two months later",
        (f"UPDATE sales_invoices SET date = date + INTERVAL 2 MONTH WHERE {_OPEN_SALE}",),
        ("ar_aging_equals_control_account",),
    ),
    Mutation(
        "An amount outstanding is a penny off",
        (
            f"UPDATE sales_invoices SET base_currency_outstanding_amount = base_currency_outstanding_amount + 0.01 "
            f"WHERE {_OPEN_SALE}",
        ),
        ("receivables_equal_open_items",),
    ),
    Mutation(
        "A document's net amount is a penny off",
        (
            f"UPDATE sales_invoices SET net_amount = net_amount + 0.01, "
            f"base_currency_net_amount = base_currency_net_amount + 0.01 WHERE {_OPEN_SALE}",
        ),
        ("lines_equal_documents", "tax_equals_documents", "revenue_equals_documents"),
    ),
    Mutation(
        "A void invoice counts",
        (
            'UPDATE sales_invoices SET status = \'{{"id": "UNPAID"}}\', outstanding_amount = total_amount, '
            "base_currency_outstanding_amount = base_currency_total_amount WHERE "
            + _one("sales_invoices", "is_deleted IS NOT TRUE AND (status ->> 'id') = 'VOID'"),
        ),
        ("receivables_equal_open_items", "ar_aging_equals_control_account"),
    ),
    Mutation(
        "A payment's rest on account is lost",
        (f"DELETE FROM contact_payments WHERE {_ON_ACCOUNT}",),
        ("receivables_equal_open_items", "ar_aging_equals_control_account"),
    ),
    Mutation(
        "A tombstone is ignored: a deleted invoice is still there",
        (
            "DELETE FROM sales_invoices WHERE business_id = '{b}' AND is_deleted AND id IN (SELECT id FROM "
            "before.sales_invoices WHERE business_id = '{b}' AND " + _POSTED + ")",
            "INSERT INTO sales_invoices BY NAME SELECT * FROM before.sales_invoices WHERE business_id = '{b}' AND "
            + _POSTED
            + " AND id NOT IN (SELECT id FROM sales_invoices WHERE business_id = '{b}')",
        ),
        ("lines_equal_documents", "ar_aging_equals_control_account", "receivables_equal_open_items"),
    ),
    Mutation(
        "A tombstone is ignored: a payment that was taken back still settles",
        (
            "DELETE FROM payment_allocations WHERE business_id = '{b}' AND is_deleted AND parent_id IN "
            "(SELECT parent_id FROM before.payment_allocations WHERE business_id = '{b}')",
        ),
        ("settlements_equal_outstanding",),
    ),
    Mutation(
        "A line of an old version is kept",
        (
            f"INSERT INTO sales_invoice_lines SELECT * REPLACE ('of an old version' AS id) FROM sales_invoice_lines "
            f"WHERE {_LINE}",
        ),
        ("lines_equal_documents", "tax_equals_documents", "revenue_equals_documents"),
    ),
    Mutation(
        "A line's tax is a penny off",
        (
            f"UPDATE sales_invoice_lines SET tax_amount = tax_amount + 0.01, "
            f"base_currency_tax_amount = base_currency_tax_amount + 0.01 WHERE {_LINE}",
        ),
        ("lines_equal_documents", "tax_equals_documents"),
    ),
    Mutation(
        "A journal line is lost",
        (
            "DELETE FROM journal_lines WHERE "
            + _one("journal_lines", _live("journal_lines", "journal_id") + " AND debit > 0"),
        ),
        ("lines_equal_documents",),
    ),
    Mutation(
        "A line of another payment is lost",
        (
            "DELETE FROM other_payment_lines WHERE "
            + _one("other_payment_lines", _live("other_payment_lines", "other_payment_id")),
        ),
        ("lines_equal_documents", "tax_equals_documents"),
    ),
    Mutation(
        "A stock movement is lost",
        (f"DELETE FROM stock_movements WHERE {_STOCK}",),
        ("stock_equals_movements",),
    ),
    Mutation(
        "An entry loses its transaction",
        (f'UPDATE ledger_entries SET "transaction" = NULL WHERE {_ENTRY}',),
        ("not_null general_ledger_transaction_id", "debits_equal_credits"),
    ),
)
