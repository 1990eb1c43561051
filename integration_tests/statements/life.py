"""What happens at a company between two syncs: documents, payments, edits and deletions, by a seed."""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Callable

from integration_tests.sandbox import Company

DAYS_BACK = 500
DAYS_AHEAD = 40


def a_busy_month(company: Company, seed: int, things: int = 25, days_back: int = DAYS_BACK) -> list[str]:
    """Let things happen, some of them dated back or ahead.

    Args:
        company: to whom.
        seed: decides what.
        things: how many.
        days_back: how far something may be dated back.

    Returns:
        What happened, in words.
    """
    life = Life(company, seed, days_back)
    told: dict[str, int] = {}
    for number in range(things):
        # Each kind once, then as it comes.
        name, act = life.acts[number] if number < len(life.acts) else life.rng.choice(life.acts)
        if act():
            told[name] = told.get(name, 0) + 1
    return [f"{times} x {name}" for name, times in told.items()]


class Life:
    """The kinds of things that happen; each tells whether there was something for it to happen to.

    Args:
        company: to whom.
        seed: of the choices.
        days_back: how far something may be dated back.
    """

    def __init__(self, company: Company, seed: int, days_back: int) -> None:
        self._company = company
        self._days_back = days_back
        self.rng = random.Random(f"{seed}/{company.id}")  # noqa: S311 (not for secrets)
        self.acts: list[tuple[str, Callable[[], bool]]] = [
            ("a sales invoice was written", lambda: self._create("sales_invoices")),
            ("a purchase invoice was entered", lambda: self._create("purchase_invoices")),
            ("a credit note was given", lambda: self._create("sales_credit_notes")),
            ("a supplier's credit note was entered", lambda: self._create("purchase_credit_notes")),
            ("a quick entry was made", lambda: self._create("sales_quick_entries")),
            ("a purchase was entered quickly", lambda: self._create("purchase_quick_entries")),
            ("a quote was written", lambda: self._create("sales_quotes")),
            ("an invoice was paid", lambda: self._create("contact_payments")),
            ("a credit note was set against an invoice", lambda: self._create("contact_allocations")),
            ("money was moved between accounts", lambda: self._create("bank_transfers")),
            ("something was paid by card", lambda: self._create("other_payments")),
            ("a journal was posted", lambda: self._create("journals")),
            ("stock was counted", lambda: self._create("stock_movements")),
            ("an invoice was edited", self._reprice),
            ("an invoice was moved to another day", self._redate),
            ("an invoice was voided", self._void),
            ("a payment was taken back", lambda: self._delete("contact_payments")),
            ("an allocation was taken back", lambda: self._delete("contact_allocations")),
            ("a purchase invoice was deleted", lambda: self._delete("purchase_invoices")),
            ("a transfer was deleted", lambda: self._delete("bank_transfers")),
            ("a card payment was deleted", lambda: self._delete("other_payments")),
            ("a journal was reissued", self._reissue),
            ("a contact was deleted", lambda: self._delete("contacts")),
        ]

    def _day(self) -> str:
        """A day of the last year and a half, or soon."""
        today = dt.datetime.fromtimestamp(self._company.clock.now(), dt.UTC).date()
        return (today + dt.timedelta(days=self.rng.randint(-self._days_back, DAYS_AHEAD))).isoformat()

    def _any(self, name: str) -> str | None:
        rows = self._company.rows(name)
        return str(self.rng.choice(rows)["id"]) if rows else None

    def _create(self, name: str) -> bool:
        self._company.create(name, date=self._day())
        return True

    def _delete(self, name: str) -> bool:
        key = self._any(name)
        if key is not None:
            self._company.delete(name, key)
        return key is not None

    def _unpaid(self) -> str | None:
        """A posted sales invoice without payments."""
        rows = [row["id"] for row in self._company.rows("sales_invoices") if row["status"]["id"] == "UNPAID"]
        return str(self.rng.choice(rows)) if rows else None

    def _reprice(self) -> bool:
        key = self._unpaid()
        if key is not None:
            self._company.reprice(key)
        return key is not None

    def _redate(self) -> bool:
        """The sandbox has no edit of dates: the invoice goes, and one of another day comes."""
        key = self._unpaid()
        if key is not None:
            self._company.delete("sales_invoices", key)
            self._company.create("sales_invoices", date=self._day())
        return key is not None

    def _void(self) -> bool:
        key = self._unpaid()
        if key is not None:
            self._company.void("sales_invoices", key)
        return key is not None

    def _reissue(self) -> bool:
        key = self._any("journals")
        if key is not None:
            with self._company.lock:
                self._company.journals.reissue(key, self._company.clock.now())
        return key is not None
