"""Invoices, credit notes, quotes and quick entries: made, posted, settled, edited, voided, deleted."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final, TypeVar

from ..wire.values import Reference, hex_id, money, reference
from .catalogue import Catalogue
from .chart import TaxRate
from .document_rows import RATE_ONE, Face, Line, document_row, quick_row, settlement
from .kinds import KINDS
from .ledger import Books, Leg
from .parties import Parties, Party
from .reference import coded
from .table import Table

T = TypeVar("T")

DOCUMENTS_A_CARRIAGE: Final = 7
CARRIAGE: Final = 495


def _any(rng: random.Random, things: dict[str, T]) -> T:
    """One of the values, without copying them all."""
    return next(islice(things.values(), rng.randrange(len(things)), None))


@dataclass
class Document:
    """A posted (or draft) document, as settling and editing need it."""

    face: Face
    transaction: str | None
    total: int
    base_total: int
    paid: int = 0
    base_paid: int = 0
    # What paid it: id of the payment or allocation -> the entry that `show_payments_allocations` shows.
    settled_by: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def outstanding(self) -> int:
        return self.total - self.paid

    @property
    def base_outstanding(self) -> int:
        return self.base_total - self.base_paid


class Documents:
    """All documents of a business, and which of them are open."""

    def __init__(
        self,
        tables: dict[str, Table],
        books: Books,
        parties: Parties,
        catalogue: Catalogue,
        rng: random.Random,
    ) -> None:
        self.tables, self.books, self.parties, self.catalogue = tables, books, parties, catalogue
        self.rng = rng
        self.by_id: dict[str, Document] = {}
        self.open: dict[str, None] = {}
        self.touches = True
        """Whether a payment moves the document's updated_at."""
        # Base currency for one unit of each currency, in 1e-10.
        self.inverses: dict[str, int] = {}
        self._numbers: dict[str, int] = defaultdict(int)

    def create(
        self,
        kind_name: str,
        date: str,
        when: float,
        *,
        party: Party | None = None,
        lines: list[Line] | None = None,
        draft: bool = False,
        **values: Any,
    ) -> str:
        """A new document; returns its id. `values` replace plain fields of the row."""
        kind, rng = KINDS[kind_name], self.rng
        parties = self.parties.customers if kind.customers else self.parties.vendors
        if not parties:
            self.parties.add("CUSTOMER" if kind.customers else "VENDOR", when)
        party = party or _any(rng, parties)
        inverse = self.inverses.get(party.currency, RATE_ONE)
        count = 1 if kind.quick_type else rng.choices((1, 2, 3, 5), (50, 30, 15, 5))[0]
        lines = lines or [self.any_line(kind.customers, bool(kind.quick_type)) for _ in range(count)]
        self._numbers[kind.prefix + kind.side] += 1
        if kind.lines and kind.customers and self._numbers[kind.prefix + kind.side] % DOCUMENTS_A_CARRIAGE == 2:
            lines = [*lines, self._carriage()]
        for line in lines:
            line.reckon(inverse)
        number = f"{kind.prefix}{self._numbers[kind.prefix + kind.side]}"
        ref = reference(f"/{kind.list}", hex_id(rng), number)
        status = "DRAFT" if draft else "UNPAID"
        if kind.direction == 0:
            status = "PENDING"
        face = Face(kind, ref, number, party, date, lines, party.currency, inverse, self.parties.country, status)
        row = quick_row(face) if kind.quick_type else document_row(face, rng)
        document = Document(face, None, face.total("net", "tax"), face.total("base_net", "base_tax"))
        if kind.direction and not draft:
            transaction = self._post(document, when)
            document.transaction = transaction["id"]
            row |= {
                "transaction": transaction,
                "transaction_type": coded("transaction_types", kind.transaction_type),
            }
            self._move_stock(face, when)
        self.by_id[ref["id"]] = document
        self.tables[kind.list].add(row | values, when)
        self._note_open(document)
        return str(ref["id"])

    def any_line(self, sale: bool, plain: bool) -> Line:
        """A line with an item, or (often on purchases) just a text and an account."""
        rng = self.rng
        rate: TaxRate = self.books.chart.any_tax(rng)
        quantity = rng.choice((100, 100, 200, 300, 500, 1000, 150))
        item = None
        if not plain and self.catalogue.items and (sale or rng.random() < 0.4):
            item = _any(rng, self.catalogue.items)
        if item is None:
            account = rng.choice(self.books.chart.income if sale else self.books.chart.expenses)
            text = str(account.ref["displayed_as"]).rsplit(" (", 1)[0]
            price = rng.randint(500, 60_000)
        else:
            account = item.account if sale else self.books.chart.controls["PURCHASES"]
            text, price = item.name, item.price if sale else item.price * 6 // 10
            if item.kind == "STOCK_ITEM":
                quantity = max(100, quantity // 100 * 100)
        discount = price // 10 if sale and not plain and rng.random() < 0.1 else 0
        return Line(hex_id(rng), text, quantity, price, discount, rate, account, item)

    def _carriage(self) -> Line:
        """Delivery at a flat price, taxed at the usual rate."""
        chart = self.books.chart
        rate, account = chart.tax_rates[0], chart.controls["SALES"]
        return Line("", "Carriage", 100, CARRIAGE, 0, rate, account, None, is_carriage=True)

    def _legs(self, document: Document) -> list[Leg]:
        """Control account against income or expense and tax."""
        face, chart = document.face, self.books.chart
        way = face.kind.direction
        tax = chart.controls["TAX_ON_SALES" if face.kind.customers else "TAX_ON_PURCHASES"]
        legs = [Leg(chart.controls[face.kind.control], way * document.base_total, None, face.number)]
        legs += [Leg(line.account, -way * line.base_net, line.rate, line.text) for line in face.lines]
        legs.append(Leg(tax, -way * face.total("base_tax"), None, face.number))
        return legs

    def _post(self, document: Document, when: float) -> Reference:
        face = document.face
        return self.books.post(
            face.kind.transaction_type,
            face.date,
            self._legs(document),
            when,
            face.ref,
            name=face.number,
            contact=face.party.ref,
            total=document.base_total,
            foreign_total=document.total,
        )

    def _move_stock(self, face: Face, when: float) -> None:
        """Selling takes pieces out, buying brings them in; credit notes go the other way round."""
        for line in face.lines:
            if line.item and line.item.kind == "STOCK_ITEM" and line.item.ref["id"] in self.catalogue.items:
                pieces = -face.kind.direction * line.quantity // 100
                self.catalogue.move(line.item, pieces, face.date, when, face.number)

    def _note_open(self, document: Document) -> None:
        """Keep the list of unallocated artefacts true."""
        ref = document.face.ref
        if document.transaction and document.outstanding:
            self.open[ref["id"]] = None
            self.note_unallocated(ref, True)
        else:
            self.open.pop(ref["id"], None)
            self.note_unallocated(ref, False)

    def note_unallocated(self, ref: Reference, is_open: bool) -> None:
        """One row of unallocated_artefacts: the reference of something that lies in another list."""
        table = self.tables["unallocated_artefacts"]
        if is_open and ref["id"] not in table:
            table.add({**ref, "links": []})
        elif not is_open and ref["id"] in table:
            table.remove(ref["id"], 0)

    def settle(self, key: str, by: str, amount: int, base: int, entry: dict[str, Any], when: float) -> None:
        """Part or all of a document is paid or allocated."""
        document = self.by_id[key]
        document.paid += amount
        document.base_paid += base
        document.settled_by[by] = entry
        self._settled(document, when)

    def unsettle(self, key: str, by: str, amount: int, base: int, when: float) -> None:
        """What paid it is gone."""
        document = self.by_id.get(key)
        if document is None:
            return
        document.paid -= amount
        document.base_paid -= base
        document.settled_by.pop(by, None)
        self._settled(document, when)

    def _settled(self, document: Document, when: float) -> None:
        dates = [entry["date"] for entry in document.settled_by.values()]
        unpaid_mark = None if document.face.kind.customers else ""
        last = max(dates, default=unpaid_mark)
        fields = settlement(document.total, document.base_total, document.paid, document.base_paid, last)
        table = self.tables[document.face.kind.list]
        known = {k: v for k, v in fields.items() if k in table.resource.blank}
        table.change(document.face.ref["id"], known, when if self.touches else None)
        self._note_open(document)

    def reprice(self, key: str, when: float) -> None:
        """Another quantity on the first line of an unpaid document: new totals, new entries."""
        document = self.by_id[key]
        if document.paid or not document.transaction or not document.face.lines:
            raise ValueError("only posted documents without payments can be repriced")
        face = document.face
        face.lines[0].quantity += 100
        for line in face.lines:
            line.reckon(face.inverse)
        document.total, document.base_total = face.total("net", "tax"), face.total("base_net", "base_tax")
        fresh = quick_row(face) if face.kind.quick_type else document_row(face, self.rng)
        table, old = self.tables[face.kind.list], self.tables[face.kind.list].rows[key].data
        kept = {k: old[k] for k in ("reference", "notes", "links", "vendor_reference") if k in old}
        table.change(key, fresh | kept, when)
        self.books.strike_entries(document.transaction, when)
        ref = old["transaction"]
        self.books.add_entries(ref, face.date, self._legs(document), when, face.party.ref)
        self.books.transactions.change(
            document.transaction,
            {"total": money(document.base_total), "total_in_transaction_currency": money(document.total)},
            when,
        )
        self._note_open(document)

    def void(self, key: str, when: float, reason: str = "Entered twice") -> None:
        """The document stays, marked VOID; its postings are struck out."""
        document = self.by_id[key]
        if document.paid:
            raise ValueError("a document with payments cannot be voided")
        if document.transaction:
            self.books.strike(document.transaction, when)
        document.transaction = None
        fields: dict[str, Any] = {
            "status": coded("artefact_statuses", "VOID"),
            "outstanding_amount": "0.0",
            "base_currency_outstanding_amount": "0.0",
            "editable": False,
            "void_reason": reason,
        }
        table = self.tables[document.face.kind.list]
        table.change(key, {k: v for k, v in fields.items() if k in table.resource.blank}, when)
        self._note_open(document)

    def delete(self, key: str, when: float) -> None:
        """The document is gone, its postings are struck out."""
        document = self.by_id.pop(key)
        if document.transaction:
            self.books.strike(document.transaction, when)
        document.transaction = None
        self._note_open(document)
        self.tables[document.face.kind.list].remove(key, when)
