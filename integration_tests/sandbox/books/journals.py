"""Journals and opening balances."""

from __future__ import annotations

import random
from typing import Any

from ..wire.facts import filled
from ..wire.values import Reference, hex_id, money, reference
from .banking import Banking
from .ledger import Books, Leg
from .parties import Party
from .reference import coded, currency
from .table import Table


class Journals:
    """Makes what is posted by hand."""

    def __init__(self, tables: dict[str, Table], books: Books, rng: random.Random) -> None:
        self.tables, self.books, self.rng = tables, books, rng
        self.transactions: dict[str, str] = {}

    def wages(self, date: str, when: float, **values: Any) -> str:
        """A month's wages: five lines."""
        gross = self.rng.randint(300_000, 900_000)
        taxes, extra = gross // 5, gross // 8
        by_code = {a.nominal: a for a in self.books.chart.accounts}
        legs = [
            Leg(by_code[7000], gross, None, "Gross wages"),
            Leg(by_code[7006], extra, None, "Employer's contributions"),
            Leg(by_code[2210], -taxes, None, "Payroll taxes"),
            Leg(by_code[2210], -extra, None, "Employer's contributions"),
            Leg(by_code[2220], taxes - gross, None, "Net wages"),
        ]
        return self.add("Wages", legs, date, when, **values)

    def accrual(self, date: str, when: float, **values: Any) -> str:
        """An expense that belongs to the month, without an invoice yet."""
        amount = self.rng.randint(1_000, 90_000)
        by_code = {a.nominal: a for a in self.books.chart.accounts}
        target = self.rng.choice(self.books.chart.expenses)
        legs = [Leg(target, amount, None, "Accrual"), Leg(by_code[2109], -amount, None, "Accrual")]
        return self.add("Accrual", legs, date, when, **values)

    def filler(self, entries: int, date: str, when: float) -> str:
        """A reclassification with exactly so many lines (2 or more), for sandboxes of an exact size."""
        chosen = self.rng.choices(self.books.chart.expenses, k=entries - 1)
        amounts = [self.rng.randint(1, 9_999) for _ in chosen]
        legs = [Leg(a, p, None, "Reclassified") for a, p in zip(chosen, amounts, strict=True)]
        legs.append(Leg(self.books.chart.expenses[0], -sum(amounts), None, "Reclassified"))
        return self.add("Reclassification", legs, date, when)

    def add(self, text: str, legs: list[Leg], date: str, when: float, **values: Any) -> str:
        """A journal with these lines."""
        number = f"J{len(self.transactions) + 1:05d}"
        ref = reference("/journals", hex_id(self.rng), number)
        total = sum(leg.pence for leg in legs if leg.pence > 0)
        transaction = self.books.post("JOURNAL", date, legs, when, ref, name=number, total=total, foreign_total=total)
        self.transactions[ref["id"]] = transaction["id"]
        self.tables["journals"].add(
            {
                **ref,
                "transaction": transaction,
                "transaction_type": coded("transaction_types", "JOURNAL"),
                "date": date,
                "reference": number,
                "description": text,
                "total": money(total),
                "journal_lines": [self._line(leg) for leg in legs],
                **values,
            },
            when,
        )
        return str(ref["id"])

    def _line(self, leg: Leg) -> dict[str, Any]:
        return filled(
            "JournalLine",
            id=hex_id(self.rng),
            ledger_account=leg.account.ref,
            details=leg.description,
            debit=money(max(0, leg.pence)),
            credit=money(max(0, -leg.pence)),
            # The Swagger says text; the wire has an object.
            journal_line_foreign_currency={"amount": None, "currency": None, "exchange_rate": None},
        )

    def delete(self, key: str, when: float) -> None:
        """Take a journal back."""
        self.books.strike(self.transactions.pop(key), when)
        self.tables["journals"].remove(key, when)

    def reissue(self, key: str, when: float) -> str:
        """Sage's way to edit a journal: the old one goes, a new one with a new id comes."""
        old = self.tables["journals"].rows[key].data
        postings = self.books.postings[self.transactions[key]]
        by_key = {a.key: a for a in self.books.chart.accounts}
        legs = [Leg(by_key[p.account], p.pence, None, "Reissued") for p in postings]
        self.delete(key, when)
        return self.add(f"{old['description']} (reissued)", legs, old["date"], when)

    def open_books(self, date: str, when: float, banking: Banking, party: Party) -> int:
        """Opening balances of every kind; returns what the customer owed, which is to be paid soon."""
        chart, against = self.books.chart, self.books.chart.controls["OPENING"]
        for account, bank_ref in banking.accounts[:2]:
            amount = self.rng.randint(1_000_000, 3_000_000)
            ref = reference("/bank_opening_balances", hex_id(self.rng), str(bank_ref["displayed_as"]))
            posted = self._opening("BANK_OPENING_BALANCE", ref, [Leg(account, amount)], date, when)
            row = {**ref, **posted, "bank_account": bank_ref, "debit": money(amount)}
            self.tables["bank_opening_balances"].add(row, when)
        legs = []
        for nominal, amount in ((30, 1_250_000), (31, -430_050), (2300, -900_000), (3000, -100)):
            account = next(a for a in chart.accounts if a.nominal == nominal)
            ref = reference("/ledger_account_opening_balances", hex_id(self.rng), str(account.ref["displayed_as"]))
            self._opening("LEDGER_OPENING_BALANCE", ref, [Leg(account, amount)], date, when)
            sides = {"debit": money(max(0, amount)), "credit": money(max(0, -amount))}
            row = {**ref, "ledger_account": account.ref, "details": "Opening balance", **sides}
            self.tables["ledger_account_opening_balances"].add(row, when)
            legs.append(Leg(account, amount))
        self._opening_journal([Leg(chart.controls["RETAINED"], -50_000), Leg(against, 50_000)], date, when)
        owed = self.rng.randint(20_000, 90_000)
        self._contact_opening(party, owed, date, when)
        return owed

    def _opening(self, kind: str, ref: Reference, legs: list[Leg], date: str, when: float) -> dict[str, Any]:
        """Post against the opening balances control account."""
        total = sum(leg.pence for leg in legs)
        against = self.books.chart.controls["OPENING"]
        shown = f"Opening {ref['displayed_as']}"
        transaction = self.books.post(
            kind, date, [*legs, Leg(against, -total)], when, ref, name=shown, total=abs(total)
        )
        return {"transaction": transaction, "transaction_type": coded("transaction_types", kind), "date": date}

    def _opening_journal(self, legs: list[Leg], date: str, when: float) -> None:
        ref = reference("/opening_balance_journals", hex_id(self.rng), "Opening balances")
        posted = self._opening("OPENING_BALANCE_JOURNAL", ref, legs, date, when)
        lines = [
            {
                "id": hex_id(self.rng),
                "ledger_account": leg.account.ref,
                "details": "Opening balance",
                "debit": money(max(0, leg.pence)),
                "credit": money(max(0, -leg.pence)),
            }
            for leg in legs
        ]
        row = {**ref, **posted, "reference": "O/Bal", "journal_lines": lines}
        self.tables["opening_balance_journals"].add(row, when)

    def _contact_opening(self, party: Party, owed: int, date: str, when: float) -> None:
        """What a customer owed when the books began."""
        ref = reference("/contact_opening_balances", hex_id(self.rng), f"{party.name} O/Bal")
        legs = [Leg(self.books.chart.controls["RECEIVABLES"], owed)]
        posted = self._opening("CONTACT_OPENING_BALANCE", ref, legs, date, when)
        self.tables["contact_opening_balances"].add(
            {
                **ref,
                **posted,
                "contact_opening_balance_type": coded("contact_opening_balance_types", "CUSTOMER_INVOICE"),
                "contact": party.ref,
                "reference": "O/Bal",
                "net_amount": money(owed),
                "total_amount": money(owed),
                "tax_rate": self.books.chart.no_tax.ref,
                "currency": currency(party.currency),
                "exchange_rate": "1.0",
                "base_currency_net_amount": money(owed),
                "base_currency_total_amount": money(owed),
            },
            when,
        )
