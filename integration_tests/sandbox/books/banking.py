"""Bank accounts and what moves money without a customer or vendor: transfers, deposits, other payments."""

from __future__ import annotations

import random
from typing import Any, Final

from ..wire.facts import filled
from ..wire.values import Reference, day_number, hex_id, money, reference
from .chart import Account
from .ledger import Books, Leg
from .reference import coded
from .table import Table

_KINDS: Final = {
    "BANK_CURRENT": ("CURRENT", "Current account"),
    "BANK_SAVINGS": ("SAVINGS", "Savings account"),
    "BANK_CASH": ("CASH_IN_HAND", "Cash in hand"),
    "BANK_CARD": ("CREDIT_CARD", "Company credit card"),
}


class Banking:
    """The bank accounts of a business and their own kinds of transactions."""

    def __init__(self, tables: dict[str, Table], books: Books, rng: random.Random) -> None:
        self.tables, self.books, self.rng = tables, books, rng
        self.accounts: list[tuple[Account, Reference]] = []
        self.transactions: dict[str, str] = {}
        """Row id -> transaction, for everything made here."""
        self._moved: dict[str, float] = {}
        books.on_bank = self._note

    def _note(self, account: str, when: float) -> None:
        self._moved[account] = max(when, self._moved.get(account, 0))

    def open_accounts(self, when: int) -> None:
        """The four accounts every business here has."""
        for control, (kind, name) in _KINDS.items():
            account = self.books.chart.controls[control]
            ref = reference("/bank_accounts", hex_id(self.rng), f"{name} ({account.nominal})")
            self.tables["bank_accounts"].add(
                {
                    **ref,
                    "bank_account_details": filled(
                        "BankAccountDetails",
                        account_name=name,
                        account_number=f"{self.rng.randint(10**7, 10**8 - 1)}",
                        sort_code="200000",
                    ),
                    "ledger_account": account.ref,
                    "bank_account_type": coded("bank_account_types", kind),
                    "main_contact_person": reference("/contact_persons", hex_id(self.rng), "Main contact"),
                    "nominal_code": account.nominal,
                    "editable": True,
                    "default_payment_method": coded("payment_methods", "ELECTRONIC"),
                    "is_active": True,
                    # null: the base currency.
                    "currency": None,
                    "links": [],
                },
                when,
            )
            self.accounts.append((account, ref))

    def settle_balances(self) -> None:
        """Bring the balances of the accounts that moved up to date."""
        for account, ref in self.accounts:
            when = self._moved.pop(account.key, None)
            if when is not None and ref["id"] in self.tables["bank_accounts"]:
                balance = money(self.books.balance(account.key))
                self.tables["bank_accounts"].change(ref["id"], {"balance": balance}, when)

    def _post(self, kind: str, ref: Reference, legs: list[Leg], date: str, when: float) -> dict[str, Any]:
        total = sum(leg.pence for leg in legs if leg.pence > 0)
        shown = str(ref["displayed_as"])
        transaction = self.books.post(kind, date, legs, when, ref, name=shown, total=total, foreign_total=total)
        self.transactions[ref["id"]] = transaction["id"]
        return {"transaction": transaction, "transaction_type": coded("transaction_types", kind), "date": date}

    def transfer(self, date: str, when: float, **values: Any) -> str:
        """Between two of the accounts."""
        (a, a_ref), (b, b_ref) = self.rng.sample(self.accounts[:2] + self.accounts[3:], 2)
        amount = self.rng.randint(1000, 200_000)
        ref = reference("/bank_transfers", hex_id(self.rng), f"Transfer {len(self.transactions) + 1}")
        posted = self._post("BANK_TRANSFER", ref, [Leg(b, amount), Leg(a, -amount)], date, when)
        self.tables["bank_transfers"].add(
            {
                **ref,
                **posted,
                "from_bank_account": a_ref,
                "to_bank_account": b_ref,
                "reference": None,
                "amount": money(amount),
                "description": "Between accounts",
                "editable": True,
                **values,
            },
            when,
        )
        return str(ref["id"])

    def deposit(self, date: str, when: float, **values: Any) -> str:
        """Cash and cheques paid in."""
        (bank, bank_ref), (cash, cash_ref) = self.accounts[0], self.accounts[2]
        coins, cheques = self.rng.randint(500, 30_000), self.rng.choice((0, 12_550, 9_999))
        ref = reference("/bank_deposits", hex_id(self.rng), f"Deposit {len(self.transactions) + 1}")
        legs = [Leg(bank, coins + cheques), Leg(cash, -coins - cheques)]
        posted = self._post("BANK_DEPOSIT", ref, legs, date, when)
        self.tables["bank_deposits"].add(
            {
                **ref,
                **posted,
                "from_bank_account": cash_ref,
                "to_bank_account": bank_ref,
                "reference": "Paying-in slip",
                "cash_amount": money(coins),
                "cheque_amount": money(cheques),
                "total_amount": money(coins + cheques),
                **values,
            },
            when,
        )
        return str(ref["id"])

    def other_payment(self, date: str, when: float, **values: Any) -> str:
        """Money out (or now and then in) without a document."""
        rng, chart = self.rng, self.books.chart
        out = rng.random() < 0.8
        account, bank_ref = rng.choice(self.accounts)
        lines, legs, net_total, tax_total = [], [], 0, 0
        for _ in range(rng.choice((1, 1, 2, 3))):
            target = rng.choice(chart.expenses) if out else chart.controls["OTHER_INCOME"]
            rate, net = chart.any_tax(rng), rng.randint(150, 40_000)
            tax = rate.tax_on(net)
            net_total, tax_total = net_total + net, tax_total + tax
            text = str(target.ref["displayed_as"]).rsplit(" (", 1)[0]
            legs.append(Leg(target, net if out else -net, rate, text))
            lines.append(
                filled(
                    "OtherPaymentLineItem",
                    id=hex_id(rng),
                    displayed_as=text,
                    ledger_account=target.ref,
                    details=text,
                    tax_rate=rate.ref,
                    net_amount=money(net),
                    tax_amount=money(tax),
                    total_amount=money(net + tax),
                    tax_breakdown=[{"tax_rate": rate.ref, "percentage": rate.percentage, "amount": money(tax)}],
                )
            )
        total = net_total + tax_total
        side = chart.controls["TAX_ON_PURCHASES" if out else "TAX_ON_SALES"]
        legs += [Leg(side, tax_total if out else -tax_total), Leg(account, -total if out else total)]
        kind = "OTHER_PAYMENT" if out else "OTHER_RECEIPT"
        shown = f"{'Payment' if out else 'Receipt'} {len(self.transactions) + 1}"
        ref = reference("/other_payments", hex_id(rng), shown)
        posted = self._post(kind, ref, legs, date, when)
        self.tables["other_payments"].add(
            {
                **ref,
                **posted,
                "payment_method": coded("payment_methods", "CREDIT_DEBIT"),
                "bank_account": bank_ref,
                "net_amount": money(net_total),
                "tax_amount": money(tax_total),
                "total_amount": money(total),
                "reference": rng.choice(["", None, "Card"]),
                "payment_lines": lines,
                "editable": True,
                "deletable": True,
                **values,
            },
            when,
        )
        return str(ref["id"])

    def reconcile(self, first: str, last: str, when: float) -> str:
        """A bank statement agreed with the current account."""
        account, bank_ref = self.accounts[0]
        opening = self.books.balance(account.key, day_number(first) - 1)
        received, paid = self.books.movement(account.key, day_number(first), day_number(last))
        closing = opening + received - paid
        ref = reference("/bank_reconciliations", hex_id(self.rng), f"Statement {last}")
        self.tables["bank_reconciliations"].add(
            {
                **ref,
                "bank_account": bank_ref,
                "statement_date": last,
                "statement_end_balance": money(closing),
                "reference": f"Statement {last}",
                "total_received": money(received),
                "total_paid": money(paid),
                "starting_balance": money(opening),
                "closing_balance": money(closing),
                "reconciled_balance": money(closing),
                "balance_difference": "0.0",
                "status": {"id": "RECONCILED", "displayed_as": "Reconciled"},
            },
            when,
        )
        return str(ref["id"])

    def delete(self, list_name: str, key: str, when: float) -> None:
        """Take a transfer, deposit or other payment back."""
        self.books.strike(self.transactions.pop(key), when)
        self.tables[list_name].remove(key, when)
