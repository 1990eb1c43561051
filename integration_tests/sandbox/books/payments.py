"""Money from customers and to vendors, and credit notes set against invoices."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from ..wire.facts import filled
from ..wire.values import Reference, divided, hex_id, instant, money, reference
from .chart import Account
from .document_rows import RATE_ONE, inverse_of, rate_text
from .documents import Document, Documents
from .ledger import Leg
from .reference import coded, currency
from .table import Table


@dataclass
class Settlement:
    """A payment or an allocation, as undoing it needs it."""

    list: str
    transaction: str
    parts: tuple[tuple[str, int, int], ...]
    """(document, amount, base amount)"""
    on_account: Reference | None = None
    on_account_base: int = 0


class Payments:
    """Makes contact_payments and contact_allocations, and takes them back."""

    def __init__(
        self,
        tables: dict[str, Table],
        documents: Documents,
        banks: list[tuple[Account, Reference]],
        rng: random.Random,
    ) -> None:
        self.tables, self.documents, self.books, self.rng = tables, documents, documents.books, rng
        self.banks = banks
        self.by_id: dict[str, Settlement] = {}

    def pay(self, key: str, amount: int, date: str, when: float, *, extra: int = 0, **values: Any) -> str:
        """Pay part or all of a document, and `extra` on account. Returns the payment's id."""
        rng, document = self.rng, self.documents.by_id[key]
        face = document.face
        base = (
            document.base_outstanding
            if amount == document.outstanding
            else min(document.base_outstanding, divided(amount * face.inverse, RATE_ONE))
        )
        base_extra = divided(extra * face.inverse, RATE_ONE)
        customer, incoming = face.kind.customers, face.kind.direction == 1
        kind = (
            ("CUSTOMER_RECEIPT" if incoming else "CUSTOMER_REFUND")
            if customer
            else ("VENDOR_REFUND" if incoming else "VENDOR_PAYMENT")
        )
        account, bank = self.banks[0] if rng.random() < 0.8 else rng.choice(self.banks)
        total, base_total = amount + extra, base + base_extra
        way = 1 if incoming else -1
        label = f"{'Receipt' if incoming else 'Payment'} {len(self.by_id) + 1}"
        ref = reference("/contact_payments", hex_id(rng), label)
        control = self.books.chart.controls[face.kind.control]
        transaction = self.books.post(
            kind,
            date,
            [Leg(account, way * base_total, None, label), Leg(control, -way * base_total, None, label)],
            when,
            ref,
            name=label,
            contact=face.party.ref,
            total=base_total,
            foreign_total=total,
        )
        made = Settlement("contact_payments", transaction["id"], ((key, amount, base),))
        if extra:
            shown = reference("/contact_payments", hex_id(rng), f"{label} (on account)")
            made.on_account, made.on_account_base = shown, base_extra
            self.documents.note_unallocated({**shown, "$path": ref["$path"]}, True)
        rate = rate_text(RATE_ONE if face.inverse == RATE_ONE else inverse_of(face.inverse))
        self.tables["contact_payments"].add(
            {
                **ref,
                "links": [{"href": None, "rel": "alternate", "type": "text/html"}],
                "transaction": transaction,
                "transaction_type": coded("transaction_types", kind),
                "payment_method": coded("payment_methods", rng.choice(["ELECTRONIC", "CHEQUE", "CASH"])),
                "contact": face.party.ref,
                "bank_account": bank,
                "date": date,
                "net_amount": money(total),
                "total_amount": money(total),
                "currency": currency(face.currency),
                "exchange_rate": rate,
                "base_currency_net_amount": money(base_total),
                "base_currency_total_amount": money(base_total),
                "reference": label,
                "allocated_artefacts": [
                    filled(
                        "AllocatedPaymentArtefact",
                        id=hex_id(rng),
                        artefact=face.ref,
                        amount=money(amount),
                    )
                ],
                "tax_rate": self.books.chart.no_tax.ref,
                "payment_on_account": self._on_account(document, made, extra, date, when, rate),
                "editable": True,
                **values,
            },
            when,
        )
        self.by_id[ref["id"]] = made
        entry = self._entry(date, kind, label, amount, contact_payment=ref)
        self.documents.settle(key, ref["id"], amount, base, entry, when)
        return str(ref["id"])

    def _entry(self, date: str, kind: str, label: str, amount: int, **who: Any) -> dict[str, Any]:
        """What `show_payments_allocations` tells of it on the document."""
        return filled(
            "PaymentAllocation",
            date=date,
            type=kind,
            reference=label,
            amount=money(amount),
            displayed_as=label,
            **who,
        )

    def _on_account(
        self, document: Document, made: Settlement, extra: int, date: str, when: float, rate: str
    ) -> dict[str, Any] | None:
        """The unallocated rest of a payment: in full, and with a $path that is not its own id's."""
        if made.on_account is None:
            return None
        face, base = document.face, money(made.on_account_base)
        return filled(
            "PaymentOnAccount",
            **{**made.on_account, "$path": f"/contact_payments/{hex_id(self.rng)}"},
            created_at=instant(when),
            updated_at=instant(when),
            contact_name=face.party.name,
            contact_reference=face.party.code,
            contact=face.party.ref,
            date=date,
            net_amount=money(extra),
            total_amount=money(extra),
            outstanding_amount=money(extra),
            currency=currency(face.currency),
            exchange_rate=rate,
            base_currency_net_amount=base,
            base_currency_total_amount=base,
            base_currency_outstanding_amount=base,
            status=coded("artefact_statuses", "UNPAID"),
        )

    def allocate(self, invoice: str, credit_note: str, date: str, when: float) -> str:
        """Set a credit note against an invoice of the same contact and currency. The ledger stands still."""
        one, other = self.documents.by_id[invoice], self.documents.by_id[credit_note]
        if one.face.inverse != RATE_ONE or other.face.inverse != RATE_ONE:
            raise ValueError("only documents in base currency are allocated against each other")
        amount = min(one.outstanding, other.outstanding)
        kind = "CUSTOMER_ALLOCATION" if one.face.kind.customers else "VENDOR_ALLOCATION"
        label = f"Allocation {len(self.by_id) + 1}"
        ref = reference("/contact_allocations", hex_id(self.rng), label)
        transaction = self.books.post(kind, date, [], when, ref, name=label, contact=one.face.party.ref, total=0)
        parts = [(invoice, amount), (credit_note, amount)]
        self.tables["contact_allocations"].add(
            {
                **ref,
                "links": [],
                "transaction": transaction,
                "transaction_type": coded("transaction_types", kind),
                "date": date,
                "contact": one.face.party.ref,
                "allocated_artefacts": [
                    {
                        "id": hex_id(self.rng),
                        "artefact": self.documents.by_id[key].face.ref,
                        # Signed, so that they sum to zero.
                        "amount": money(part if key == invoice else -part),
                    }
                    for key, part in parts
                ],
            },
            when,
        )
        self.by_id[ref["id"]] = Settlement(
            "contact_allocations", transaction["id"], tuple((key, part, part) for key, part in parts)
        )
        for key, part in parts:
            entry = self._entry(date, kind, label, part, contact_allocation=ref)
            self.documents.settle(key, ref["id"], part, part, entry, when)
        return str(ref["id"])

    def undo(self, key: str, when: float) -> None:
        """Delete a payment or an allocation: what it paid is open again."""
        made = self.by_id.pop(key)
        for document, amount, base in made.parts:
            self.documents.unsettle(document, key, amount, base, when)
        if made.on_account:
            self.documents.note_unallocated(made.on_account, False)
        self.books.strike(made.transaction, when)
        self.tables[made.list].remove(key, when)
