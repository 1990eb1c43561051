"""The double-entry ledger: transactions, their entries, and what they add up to."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

from ..wire.values import Reference, day_number, hex_id, money, reference, tidy_zero
from .chart import Account, Chart, TaxRate
from .reference import coded
from .table import Table


class Leg(NamedTuple):
    """One side of a posting: pence, debit positive, credit negative."""

    account: Account
    pence: int
    tax_rate: TaxRate | None = None
    description: str | None = None


class Posting(NamedTuple):
    """What the ledger remembers of one entry."""

    entry: str
    account: str
    day: int
    pence: int


class Unbalanced(ValueError):
    """Debits and credits differ: nothing was posted."""


class Books:
    """Posts and strikes out transactions. A struck one stays visible with `deleted: true`."""

    def __init__(self, tables: dict[str, Table], chart: Chart, rng: random.Random) -> None:
        self.transactions, self.entries = tables["transactions"], tables["ledger_entries"]
        self.chart, self.rng = chart, rng
        self.postings: dict[str, list[Posting]] = {}
        # account -> day -> [debits, credits], live entries only.
        self.daily: dict[str, dict[int, list[int]]] = defaultdict(dict)
        self.on_bank: Callable[[str, float], None] = lambda account, when: None
        self._banks = {a.key for a in chart.accounts if a.kind == "BANK"}
        self._audit = 0

    def post(
        self,
        kind: str,
        date: str,
        legs: list[Leg],
        when: float,
        origin: Reference,
        *,
        name: str = "",
        contact: Reference | None = None,
        total: int = 0,
        foreign_total: int | None = None,
    ) -> Reference:
        """One transaction and its entries; Unbalanced if they do not add up. Returns its reference."""
        if sum(leg.pence for leg in legs):
            raise Unbalanced(f"{kind} {name}: {[(leg.account.nominal, leg.pence) for leg in legs]}")
        self._audit += 1
        ref = reference("/transactions", hex_id(self.rng), name or f"{kind} {self._audit}")
        self.transactions.add(
            {
                **ref,
                "date": date,
                "reference": name or None,
                "total": money(total),
                "total_in_transaction_currency": None if foreign_total is None else money(foreign_total),
                "contact": contact,
                "transaction_type": coded("transaction_types", kind),
                "origin": origin,
                "audit_trail_id": self._audit,
                "number_of_attachments": 0,
            },
            when,
        )
        self.postings[ref["id"]] = []
        self.add_entries(ref, date, legs, when, contact)
        return ref

    def add_entries(self, ref: Reference, date: str, legs: list[Leg], when: float, contact: Reference | None) -> None:
        """Entries of a transaction that exists."""
        day, kept = day_number(date), self.postings[ref["id"]]
        for account, pence, tax_rate, description in legs:
            if not pence:
                continue
            key = hex_id(self.rng)
            self.entries.add(
                {
                    "id": key,
                    "displayed_as": ref["displayed_as"],
                    "$path": f"/ledger_entries/{key}",
                    "date": date,
                    "credit": tidy_zero(max(0, -pence)),
                    "debit": tidy_zero(max(0, pence)),
                    "ledger_account": account.ref,
                    "transaction": ref,
                    "contact": contact,
                    "deleted": False,
                    "tax_rate": tax_rate.ref if tax_rate else None,
                    "description": description,
                },
                when,
            )
            kept.append(Posting(key, account.key, day, pence))
            self._count(account.key, day, pence, 1, when)

    def strike_entries(self, transaction: str, when: float) -> None:
        """Mark a transaction's live entries deleted."""
        for entry, account, day, pence in self.postings[transaction]:
            self.entries.change(entry, {"deleted": True}, when)
            self._count(account, day, pence, -1, when)
        self.postings[transaction] = []

    def strike(self, transaction: str, when: float) -> None:
        """Mark a transaction and its entries deleted."""
        self.transactions.change(transaction, {"deleted": True}, when)
        self.strike_entries(transaction, when)

    def _count(self, account: str, day: int, pence: int, times: int, when: float) -> None:
        sums = self.daily[account].setdefault(day, [0, 0])
        sums[0 if pence > 0 else 1] += times * abs(pence)
        if account in self._banks:
            self.on_bank(account, when)

    def movement(self, account: str, first: int | None = None, last: int | None = None) -> tuple[int, int]:
        """Debits and credits of an account between two days, both counted."""
        debit = credit = 0
        for day, (debits, credits) in self.daily.get(account, {}).items():
            if (first is None or day >= first) and (last is None or day <= last):
                debit, credit = debit + debits, credit + credits
        return debit, credit

    def balance(self, account: str, last: int | None = None) -> int:
        """Debits less credits up to a day."""
        debit, credit = self.movement(account, None, last)
        return debit - credit

    def control(self, name: str) -> int:
        """The balance of a control account: `RECEIVABLES`, `PAYABLES` and so on."""
        return self.balance(self.chart.controls[name].key)

    def trial_balance(self, first: str, last: str) -> dict[str, object]:
        """Sage's report: opening balance, movement and closing balance of every account."""
        begin, end = day_number(first), day_number(last)
        accounts = []
        for account in self.chart.accounts:
            opening = self.balance(account.key, begin - 1)
            debit, credit = self.movement(account.key, begin, end)
            closing = opening + debit - credit
            accounts.append(
                {
                    **account.ref,
                    "opening_balance": _sides(opening),
                    "closing_balance": _sides(closing),
                    "credit": money(credit),
                    "debit": money(debit),
                }
            )
        return {"from_date": first, "to_date": last, "ledger_accounts": accounts}


def _sides(pence: int) -> dict[str, str]:
    return {"credit": money(max(0, -pence)), "debit": money(max(0, pence))}
