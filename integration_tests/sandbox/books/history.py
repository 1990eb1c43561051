"""Two years of business, made up but balancing: what happened, when, and how often."""

from __future__ import annotations

import functools
import heapq
from collections.abc import Callable
from typing import Final

from ..wire.values import day_text
from .affairs import Affairs
from .document_rows import RATE_ONE, Face, inverse_of
from .documents import Document
from .kinds import KINDS, Kind
from .paperwork import rates_from

DAY: Final = 86_400
YEARS: Final = 2 * 365
INVOICES: Final = {"tiny": 10, "small": 120, "demo": 1_500}
ENTRIES_PER_INVOICE: Final = 40
"""In a ledger of a given size. An invoice and its surroundings make a dozen; journals fill up the rest, for speed."""

# How many of each for one sales invoice; there are always a few.
_SHARES: Final = {
    "sales_credit_note": 0.1,
    "sales_quote": 0.15,
    "sales_estimate": 0.1,
    "purchase_invoice": 0.45,
    "purchase_credit_note": 0.08,
    "sales_quick_invoice": 0.1,
    "sales_quick_credit_note": 0.03,
    "purchase_quick_invoice": 0.1,
    "purchase_quick_credit_note": 0.03,
    "other_payment": 0.2,
    "transfer": 0.08,
    "deposit": 0.08,
    "accrual": 0.1,
}
_OPENING_KIND: Final = Kind("contact_opening_balances", "sales", 1, "CONTACT_OPENING_BALANCE", "OB-")


def first_day(end: int) -> int:
    """The day on which a history begins that ends at that moment (seconds)."""
    return end // DAY - YEARS


class History:
    """Plays two years of events in order of time."""

    def __init__(self, affairs: Affairs, invoices: int, end: int, sparse: bool) -> None:
        self.affairs, self.invoices, self.sparse = affairs, invoices, sparse
        self.rng = affairs.rng
        self.last_day = end // DAY
        self.first_day = first_day(end)
        self.end = end
        self._queue: list[tuple[int, int, Callable[[str, int], object]]] = []
        self._count = 0

    def play(self, entries: int | None = None) -> None:
        """Make everything; `entries` fills the ledger up to exactly that many."""
        self._found()
        self._plan()
        self._showcase()
        while self._queue:
            when, _, act = heapq.heappop(self._queue)
            act(day_text(when // DAY), when)
        if entries is not None:
            self._fill_up(entries)
        self.affairs.paperwork.fill_payment_settings()
        self.affairs.banking.settle_balances()
        for table in self.affairs.tables.values():
            table.seal()

    def at(self, when: int, act: Callable[[str, int], object]) -> None:
        """Let something happen, unless it lies after the end."""
        if when <= self.end:
            self._count += 1
            heapq.heappush(self._queue, (when, self._count, act))

    def _found(self) -> None:
        """The state of the business on its first day."""
        c, made = self.affairs, self.first_day * DAY + 30_000
        many = self.invoices
        c.catalogue.fill_types(made)
        for kind, count in (("PRODUCT", 8), ("SERVICE", 6), ("STOCK_ITEM", 6)):
            for _ in range(count + min(many, 1_500) // 8):
                c.catalogue.add(kind, made)
        c.documents.inverses = {code: inverse_of(rate) for code, rate in rates_from(c.base).items()}
        foreign = [code for code in ("EUR", "USD", "GBP") if code != c.base] if c.plan == "Plus" else []
        for kind in ("CUSTOMER", "VENDOR"):
            for n in range(8 + min(many, 3_000) // 2):
                c.parties.add(kind, made, foreign[n % len(foreign)] if foreign and n % 9 == 4 else None)
        c.parties.add_system(made)
        c.paperwork.fill_analysis(made)
        self._open(day_text(self.first_day), made)

    def _open(self, date: str, when: int) -> None:
        """Opening balances; what the customer owed is paid within the month."""
        c = self.affairs
        party = next(p for p in c.parties.customers.values() if p.currency == c.base)
        owed = c.journals.open_books(date, when, c.banking, party)
        row = next(iter(c.tables["contact_opening_balances"])).data
        ref = {k: row[k] for k in ("id", "displayed_as", "$path")}
        face = Face(_OPENING_KIND, ref, "O/Bal", party, date, [], c.base, RATE_ONE, c.country, "UNPAID")
        c.documents.by_id[ref["id"]] = Document(face, row["transaction"]["id"], owed, owed)
        self.at(when + 20 * DAY, lambda day, at: c.payments.pay(ref["id"], owed, day, at))

    def _moments(self, share: float) -> list[int]:
        """Working hours of random days; a few at least."""
        count = max(7 if self.sparse else 10, round(self.invoices * share))
        spread = [
            (self.first_day + 1 + self.rng.randrange(YEARS - 1)) * DAY + self.rng.randint(30_000, 60_000)
            for _ in range(count)
        ]
        return sorted(spread)

    def _plan(self) -> None:
        """Put everything that has a fixed time into the queue."""
        c = self.affairs
        for kind, share in {"sales_invoice": 1.0, **_SHARES}.items():
            for when in self._moments(share):
                if kind in KINDS:
                    self.at(when, functools.partial(self._document, kind))
                elif kind == "accrual":
                    self.at(when, c.journals.accrual)
                else:
                    make = {
                        "other_payment": c.banking.other_payment,
                        "transfer": c.banking.transfer,
                        "deposit": c.banking.deposit,
                    }[kind]
                    self.at(when, make)
        for month in range(1, 24):
            first, last = self.first_day + (month - 1) * 30, self.first_day + month * 30 - 1
            when = last * DAY + 61_000
            if not self.sparse or month % 3 == 0:
                self.at(when, c.journals.wages)
                self._periodic(c.banking.reconcile, first, last, when + 100)
            if month % 3 == 0:
                self._periodic(c.paperwork.tax_return, last - 89, last, when + 200)
        draft = self.last_day - 30
        self.at(
            draft * DAY,
            lambda date, at: c.paperwork.tax_return(day_text(draft - 60), date, at, draft=True),
        )

    def _showcase(self) -> None:
        """One of each rare thing, so that no company lacks it by chance."""
        c, when = self.affairs, (self.last_day - 40) * DAY + 40_000

        def show(date: str, at: int) -> None:
            party = next(p for p in c.parties.customers.values() if p.currency == c.base)
            first, second, third, fourth = (
                c.documents.create("sales_invoice", date, at, party=party) for _ in range(4)
            )
            c.paperwork.attach("sales_invoices", first, at + 60)
            c.payments.pay(first, c.documents.by_id[first].total // 2, date, at + 120)
            c.payments.pay(second, c.documents.by_id[second].total, date, at + 120, extra=2_550)
            c.documents.void(third, at + 180)
            c.documents.delete(fourth, at + 240)
            note = c.documents.create("sales_credit_note", date, at, party=party)
            c.payments.allocate(c.documents.create("sales_invoice", date, at, party=party), note, date, at + 300)
            c.documents.create("sales_invoice", date, at, draft=True)

        self.at(when, show)

    def _periodic(self, make: Callable[[str, str, float], object], first: int, last: int, when: int) -> None:
        self.at(when, lambda date, at: make(day_text(first), day_text(last), at))

    def _document(self, kind_name: str, date: str, when: int) -> None:
        """A document, and what becomes of it."""
        c, rng, kind = self.affairs, self.rng, KINDS[kind_name]
        draft = kind_name == "sales_invoice" and rng.random() < 0.02
        key = c.documents.create(kind_name, date, when, draft=draft)
        if draft or not kind.direction:
            return
        if kind_name in {"sales_invoice", "purchase_invoice"} and rng.random() < 0.12:
            self.at(when + 600, lambda _, at: self._while_there(key, c.paperwork.attach, kind.list, key, at))
        fate, later = rng.random(), when + rng.randint(1, 60) * DAY
        if fate < 0.03 and kind.customers and not kind.quick_type:
            self.at(later, lambda _, at: self._while_there(key, c.documents.void, key, at))
        elif fate < 0.05:
            self.at(later, lambda _, at: self._while_there(key, c.documents.delete, key, at))
        elif fate < 0.08:
            self.at(later, lambda _, at: self._while_there(key, c.documents.reprice, key, at))
        elif fate < 0.80 and kind.increases:
            part = rng.random() < 0.15
            self.at(later, lambda date, at: self._pay(key, date, at, part))
        elif fate < 0.80:
            self.at(later, lambda date, at: self._give_back(key, date, at))

    def _while_there(self, key: str, act: Callable[..., object], *args: object) -> None:
        if key in self.affairs.documents.by_id:
            act(*args)

    def _pay(self, key: str, date: str, when: int, part: bool) -> None:
        """Pay it, or half of it; now and then too much; now and then the payment was a mistake."""
        c = self.affairs
        document = c.documents.by_id.get(key)
        if document is None or document.outstanding <= 0:
            return
        amount = max(1, document.outstanding // 2) if part else document.outstanding
        # Only who pays an invoice pays too much: a refund leaves nothing on account.
        generous = document.face.kind.increases and self.rng.random() < 0.03
        extra = self.rng.choice((1_000, 5_025)) if generous else 0
        payment = c.payments.pay(key, amount, date, when, extra=extra)
        if self.rng.random() < 0.02:
            self.at(when + 2 * DAY, lambda _, at: c.payments.undo(payment, at))
        elif part and self.rng.random() < 0.5:
            self.at(when + 20 * DAY, lambda date, at: self._pay(key, date, at, False))

    def _give_back(self, key: str, date: str, when: int) -> None:
        """A credit note: set against an invoice of the same contact, or paid out."""
        c = self.affairs
        note = c.documents.by_id.get(key)
        if note is None or note.outstanding <= 0:
            return
        face = note.face
        if face.inverse == RATE_ONE and self.rng.random() < 0.8:
            kind = "sales_invoice" if face.kind.customers else "purchase_invoice"
            invoice = c.documents.create(kind, date, when, party=face.party)
            c.payments.allocate(invoice, key, date, when)
        else:
            self._pay(key, date, when, False)

    def _fill_up(self, entries: int) -> None:
        """Journals until the ledger has exactly so many entries."""
        ledger, c = self.affairs.tables["ledger_entries"], self.affairs
        while (missing := entries - len(ledger)) > 0:
            size = min(20, missing)
            if missing - size == 1:
                size -= 1
            day = self.first_day + self.rng.randrange(YEARS)
            c.journals.filler(max(2, size), day_text(day), day * DAY + self.rng.randint(30_000, 60_000))
