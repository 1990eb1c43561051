"""What surrounds the books: attachments, tax returns, analysis types, exchange rates."""

from __future__ import annotations

import random
from typing import Any, Final

from ..wire.values import Reference, day_number, guid, hex_id, instant, money, reference
from .document_rows import inverse_of, rate_text
from .ledger import Books
from .reference import coded, currency
from .table import Table

# Units of each currency for one pound, in 1e-10. Not today's rates: any will do, if they do not change.
_PER_POUND: Final = {
    "GBP": 10_000_000_000,
    "EUR": 11_700_000_000,
    "USD": 12_650_000_000,
    "CAD": 17_243_500_000,
    "AUD": 19_437_263_272,
    "CHF": 11_312_000_000,
    "SEK": 133_471_120_000,
    "JPY": 1_894_500_000_000,
}


def rates_from(base: str) -> dict[str, int]:
    """Units of each other currency for one unit of the base, in 1e-10."""
    return {code: per * 10**10 // _PER_POUND[base] for code, per in _PER_POUND.items() if code != base}


def fill_rates(tables: dict[str, Table], base: str, when: int) -> None:
    """The three lists of exchange rates. Their rows have no id."""
    for code, rate in rates_from(base).items():
        for name in ("exchange_rates", "business_exchange_rates", "live_exchange_rates"):
            row: dict[str, Any] = {
                "displayed_as": f"{base} -> {code}",
                "$path": f"/{name}/{code}",
                "rate": rate_text(rate),
                "inverse_rate": rate_text(inverse_of(rate)),
                "base_currency": currency(base),
                "currency": currency(code),
            }
            if name == "live_exchange_rates":
                row["retrieved_at"] = instant(when)
            tables[name].add(row, when)


class Paperwork:
    """Makes attachments, tax returns and analysis types."""

    def __init__(self, tables: dict[str, Table], books: Books, rng: random.Random) -> None:
        self.tables, self.books, self.rng = tables, books, rng

    def attach(self, list_name: str, key: str, when: float, **values: Any) -> str:
        """A scanned paper beside a document or journal."""
        row = self.tables[list_name].rows[key].data
        context = {"sales_invoices": "SALES_INVOICE", "purchase_invoices": "PURCHASE_INVOICE"}
        name = f"scan-{len(self.tables['attachments']) + 1}.pdf"
        number = guid(self.rng)
        ref = reference("/attachments", number, name)
        self.tables["attachments"].add(
            {
                **ref,
                "mime_type": "application/pdf",
                "description": None,
                "file_extension": ".pdf",
                "transaction": row.get("transaction"),
                "file_size": self.rng.randint(10_000, 900_000),
                "file_name": name,
                "$file_path": f"/attachments/{number}/file",
                "attachment_context_type": coded("attachment_context_types", context.get(list_name, "JOURNAL")),
                "attachment_context": {k: row[k] for k in ("id", "displayed_as", "$path")},
                "is_public": False,
                **values,
            },
            when,
        )
        self._count(row.get("transaction"), 1, when)
        return number

    def detach(self, key: str, when: float) -> None:
        """Throw an attachment away."""
        row = self.tables["attachments"].rows[key].data
        self._count(row.get("transaction"), -1, when)
        self.tables["attachments"].remove(key, when)

    def _count(self, transaction: Reference | None, step: int, when: float) -> None:
        if transaction:
            table = self.tables["transactions"]
            old = table.rows[transaction["id"]].data["number_of_attachments"]
            table.change(transaction["id"], {"number_of_attachments": old + step}, when)

    def tax_return(self, first: str, last: str, when: float, draft: bool = False) -> None:
        """A quarter's tax, as the tax accounts have it."""
        total = 0
        for control in ("TAX_ON_SALES", "TAX_ON_PURCHASES"):
            debit, credit = self.books.movement(
                self.books.chart.controls[control].key, day_number(first), day_number(last)
            )
            total += credit - debit
        name = "draft_tax_returns" if draft else "tax_returns"
        number = f"TR-{len(self.tables['tax_returns']) + 1}"
        ref = reference(f"/{name}", hex_id(self.rng), number)
        row: dict[str, Any] = {
            **ref,
            "tax_return_number": number,
            "period_start_date": first,
            "period_end_date": last,
            "total_amount": money(total),
            "paid": not draft,
            "status": {"id": "DRAFT" if draft else "SUBMITTED", "name": "Draft" if draft else "Submitted"},
            "tax_return_type": {"id": "VAT_RETURN", "name": "VAT return"},
        }
        if draft:
            row["tax_return_id"] = 1
        self.tables[name].add(row, when)

    def fill_analysis(self, when: int) -> None:
        """Two analysis types with their categories."""
        for level, (name, parts) in enumerate(
            {"Department": ("Shop", "Workshop", "Office"), "Project": ("Alpha", "Beta")}.items(), 1
        ):
            owner = reference("/analysis_types", hex_id(self.rng), name)
            made = []
            for number, part in enumerate(parts, 1):
                ref = reference("/analysis_type_categories", hex_id(self.rng), part)
                code = f"{part[:3].upper()}{number}"
                row = {"code": code, "name": part, "combined_id": f"{level}-{number}", "analysis_type": owner}
                self.tables["analysis_type_categories"].add({**ref, **row}, when)
                made.append(ref)
            self.tables["analysis_types"].add(
                {
                    **owner,
                    "active_areas": ["sales", "purchases"],
                    "analysis_type_level": {"id": level, "name": "Transaction", "identifier": "transaction"},
                    "analysis_type_categories": made,
                    "name": name,
                },
                when,
            )

    def fill_payment_settings(self) -> None:
        """Whether the pay button shows on some documents."""
        for row in list(self.tables["sales_invoices"])[:5]:
            ref = reference("/hosted_artefact_payment_settings", hex_id(self.rng), "Payment setting")
            self.tables["hosted_artefact_payment_settings"].add(
                {**ref, "object_guid": row.key, "disable_payment": False}
            )
