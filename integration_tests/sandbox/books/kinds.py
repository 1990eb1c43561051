"""The kinds of documents: what each list calls its things, and which way it moves the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Kind:
    """One kind of document."""

    list: str
    side: str
    """`sales` or `purchases`."""
    direction: int
    """+1 debits the control account (sales invoice, purchase credit note), -1 credits it, 0 posts nothing."""
    transaction_type: str
    prefix: str
    lines: str = ""
    """The field with the lines; none for quick entries."""
    line_shape: str = ""
    number: str = ""
    """The field with the number, beside its `_prefix`."""
    quick_type: str = ""

    @property
    def customers(self) -> bool:
        return self.side == "sales"

    @property
    def increases(self) -> bool:
        """Whether it raises what is owed (an invoice) rather than lowering it (a credit note)."""
        return (self.direction == 1) == self.customers

    @property
    def control(self) -> str:
        return "RECEIVABLES" if self.customers else "PAYABLES"


def _sales(name: str, direction: int, kind: str, prefix: str, stem: str, shape: str) -> Kind:
    return Kind(name, "sales", direction, kind, prefix, f"{stem}_lines", shape, f"{stem}_number")


KINDS: Final = {
    "sales_invoice": _sales("sales_invoices", 1, "SALES_INVOICE", "SI-", "invoice", "SalesInvoiceLineItem"),
    "sales_credit_note": _sales(
        "sales_credit_notes", -1, "SALES_CREDIT_NOTE", "SCN-", "credit_note", "SalesCreditNoteLineItem"
    ),
    "sales_quote": _sales("sales_quotes", 0, "", "SQ-", "quote", "SalesQuoteLineItem"),
    "sales_estimate": _sales("sales_estimates", 0, "", "SE-", "estimate", "SalesQuoteLineItem"),
    "purchase_invoice": Kind(
        "purchase_invoices",
        "purchases",
        -1,
        "PURCHASE_INVOICE",
        "PI-",
        "invoice_lines",
        "PurchaseInvoiceLineItem",
    ),
    "purchase_credit_note": Kind(
        "purchase_credit_notes",
        "purchases",
        1,
        "PURCHASE_CREDIT_NOTE",
        "PCN-",
        "credit_note_lines",
        "PurchaseCreditNoteLineItem",
    ),
    "sales_quick_invoice": Kind("sales_quick_entries", "sales", 1, "SALES_QUICK_INVOICE", "QE-", quick_type="INVOICE"),
    "sales_quick_credit_note": Kind(
        "sales_quick_entries", "sales", -1, "SALES_QUICK_CREDIT_NOTE", "QC-", quick_type="CREDIT_NOTE"
    ),
    "purchase_quick_invoice": Kind(
        "purchase_quick_entries", "purchases", -1, "PURCHASE_QUICK_INVOICE", "QE-", quick_type="INVOICE"
    ),
    "purchase_quick_credit_note": Kind(
        "purchase_quick_entries", "purchases", 1, "PURCHASE_QUICK_CREDIT_NOTE", "QC-", quick_type="CREDIT_NOTE"
    ),
}
# The kind that `create(list)` makes.
KIND_OF_LIST: Final = {kind.list: name for name, kind in reversed(KINDS.items())}
