"""Fields that a row shows only when a flag asks for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..books.company import Company
from ..books.table import RowData
from ..wire.values import day_number, money

Adder = Callable[[RowData], RowData]


def asked_for(company: Company, name: str, params: dict[str, str]) -> Adder | None:
    """What to add to each row for these params; None if nothing. Only with `attributes=all`."""
    if "all" not in params.get("attributes", "").split(","):
        return None
    if name == "contacts" and params.get("show_balance") == "true":
        balances = _balances(company)
        return lambda row: {"balance": money(balances.get(row["id"], 0))}
    if name == "ledger_accounts" and params.get("show_balance_details") == "true":
        first, last = params.get("from_date"), params.get("to_date")
        if first and last:
            return lambda row: {"balance_details": _details(company, row["id"], first, last)}
    if params.get("show_payments_allocations") == "true" and name in _WITH_ALLOCATIONS:
        documents = company.documents.by_id
        return lambda row: {
            "payments_allocations": list(documents[row["id"]].settled_by.values()) if row["id"] in documents else []
        }
    return None


_WITH_ALLOCATIONS = {
    "sales_invoices",
    "sales_credit_notes",
    "sales_quick_entries",
    "purchase_invoices",
    "purchase_credit_notes",
    "purchase_quick_entries",
}


def _balances(company: Company) -> dict[str, int]:
    """What each contact owes (or is owed), in base currency."""
    sums: dict[str, int] = {}
    for key in company.documents.open:
        document = company.documents.by_id[key]
        contact = document.face.party.ref["id"]
        way = 1 if document.face.kind.increases else -1
        sums[contact] = sums.get(contact, 0) + way * document.base_outstanding
    return sums


def _details(company: Company, account: str, first: str, last: str) -> dict[str, Any]:
    debit, credit = company.books.movement(account, day_number(first), day_number(last))
    return {
        "balance": money(abs(debit - credit)),
        "credit_or_debit": "debit" if debit >= credit else "credit",
        "credits": money(credit),
        "debits": money(debit),
        "from_date": first,
        "to_date": last,
    }
