"""Books that are written by hand, a posting at a time, into the connector's tables: a test knows their figures itself.

Nothing of the sandbox is used, and no figure of the package: the trial balance is added up here from the postings.
"""

from __future__ import annotations

import calendar
import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import duckdb

from integration_tests.harness import Row
from integration_tests.statements.dbt import STREAMS
from integration_tests.statements.raw import SCHEMA, insert
from integration_tests.warehouse import create_statement, values_of
from source_sage.streams import every_stream

ACCOUNTS: Final = {
    "bank": (1200, "BANK", None),
    "debtors": (1100, "CURRENT_ASSETS", "RECEIVABLES"),
    "creditors": (2100, "CURRENT_LIABILITIES", "PAYABLES"),
    "vat": (2200, "CURRENT_LIABILITIES", "TAX_ON_SALES"),
    "capital": (3000, "EQUITY", None),
    "sales": (4000, "SALES", None),
    "rent": (7100, "OVERHEADS", None),
    "exchange": (7906, "OVERHEADS", None),
}
READ: Final = "2026-06-01T00:00:00Z"
EARLIER: Final = "2026-05-01T00:00:00Z"
NOTHING: Final = Decimal(0)


def reference(key: str | None) -> dict[str, str] | None:
    """Sage's way of naming another record."""
    return None if key is None else {"id": key, "displayed_as": key.capitalize()}


class Books:
    """One business.

    Args:
        business: its id.
        year_end: as the settings have it; None for a business without settings.
        first, last: the months of its trial balance, like `2025-01`; none at all if empty.
        starts: whether the first of them is the Start Date: then earlier postings did not come.
    """

    def __init__(
        self,
        business: str,
        year_end: str | None = "2025-12-31",
        first: str = "",
        last: str = "",
        *,
        starts: bool = False,
    ) -> None:
        self.business = business
        self._start = f"{first}-01" if starts else ""
        self._months = _months(first, last) if first else []
        self._posted: list[tuple[str, str, Decimal]] = []
        self.rows: dict[str, list[Row]] = defaultdict(list)
        self.add("businesses", business, name=business)
        if year_end:
            self.add("financial_settings", business, year_end_date=year_end, base_currency=reference("GBP"))
        for key, (code, kind, control) in ACCOUNTS.items():
            facts = {"nominal_code": code, "ledger_account_type": reference(kind), "control_name": control}
            self.add("ledger_accounts", key, name=key, displayed_as=key, **facts)
        self.add("bank_accounts", "current", displayed_as="Current", ledger_account=reference("bank"))
        self.add("contacts", "ann", name="Ann", displayed_as="Ann")

    def add(self, stream: str, key: str, **fields: Any) -> None:
        """A row of a stream, as it is in the table."""
        row = {"business_id": self.business, "id": key, "updated_at": READ, "read_at": READ, "is_deleted": False}
        self.rows[stream].append({**row, **fields})

    def post(self, key: str, day: str, kind: str = "JOURNAL", *, struck_out: bool = False, **amounts: str) -> None:
        """A transaction: amounts by account, debits positive; they must add up to nothing."""
        assert sum(map(Decimal, amounts.values())) == 0
        self.add("transactions", key, date=day, transaction_type=reference(kind), deleted=struck_out)
        for account, text in amounts.items():
            amount = Decimal(text)
            sides = {"debit": str(max(amount, NOTHING)), "credit": str(max(-amount, NOTHING))}
            names = {"ledger_account": reference(account), "transaction": reference(key)}
            self.add("ledger_entries", f"{key}/{account}", date=day, deleted=struck_out, **names, **sides)
            if not struck_out:
                self._posted.append((day, account, amount))

    def document(
        self,
        stream: str,
        key: str,
        day: str,
        total: str,
        outstanding: str,
        rate: str = "1",
        base: str | None = None,
        **fields: Any,
    ) -> None:
        """An invoice, credit note or quick entry without tax; invoices and notes have one line.

        Its total in base currency is what the rate makes of it, unless it is given.
        """
        whole, left = (str(Decimal(text) * Decimal(rate)) for text in (total, outstanding))
        sums = {"net_amount": total, "tax_amount": "0", "total_amount": total}
        sums |= {f"base_currency_{name}": base or whole for name in ("net_amount", "total_amount")}
        sums |= {"base_currency_tax_amount": "0"}
        account = {"ledger_account": reference("sales")}
        owed = {"outstanding_amount": outstanding, "base_currency_outstanding_amount": left}
        facts = {
            "date": day,
            "updated_at": f"{day}T12:00:00Z",
            "due_date": day,
            "displayed_as": key,
            "contact": reference("ann"),
            "status": reference("UNPAID"),
            "currency": reference("GBP" if rate == "1" else "EUR"),
            "inverse_exchange_rate": rate,
            "transaction": reference(key),
        }
        self.add(stream, key, **{**facts, **sums, **owed, **account, **fields})
        if "quick" not in stream:
            lines = stream.removesuffix("s") + "_lines"
            self.add(lines, "1", **{f"{stream.removesuffix('s')}_id": key}, **account, quantity="1", **sums)

    def receipt(self, key: str, day: str, total: str, base: str | None = None, **fields: Any) -> None:
        """Money of a customer."""
        facts = {
            "date": day,
            "updated_at": f"{day}T12:00:00Z",
            "transaction_type": reference("CUSTOMER_RECEIPT"),
            "transaction": reference(key),
            "contact": reference("ann"),
            "total_amount": total,
            "base_currency_total_amount": base or total,
        }
        self.add("contact_payments", key, **{**facts, **fields})

    def allocate(
        self, stream: str, parent: str, day: str, settled: dict[str, str], read_at: str = READ, *, gone: bool = False
    ) -> None:
        """What a payment or an allocation settles; `gone` adds the row that says that there is nothing of it left."""
        parents = {"parent_stream": stream, "parent_id": parent, "updated_at": read_at, "read_at": read_at}
        for place, (item, amount) in enumerate(settled.items()):
            self.add("payment_allocations", str(place), date=day, artefact=reference(item), amount=amount, **parents)
        if gone:
            self.add("payment_allocations", "*", **{**parents, "updated_at": READ, "read_at": READ, "is_deleted": True})

    def finish(self) -> None:
        """Sage's trial balance, of the postings, and what did not come taken away."""
        for stream in ("ledger_entries", "transactions"):
            self.rows[stream] = [row for row in self.rows[stream] if row["date"] >= self._start]
        for first, last in self._months:
            for account in ACCOUNTS:
                mine = [(day, amount) for day, its, amount in self._posted if its == account and day <= last]
                opening = sum((amount for day, amount in mine if day < first), NOTHING)
                moved = [amount for day, amount in mine if day >= first]
                debit = sum((amount for amount in moved if amount > 0), NOTHING)
                credit = -sum((amount for amount in moved if amount < 0), NOTHING)
                closing = opening + debit - credit
                self.rows["trial_balance"].append(
                    {
                        "business_id": self.business,
                        "from_date": first,
                        "to_date": last,
                        "ledger_account_id": account,
                        "ledger_account_displayed_as": account,
                        "opening_debit": str(max(opening, NOTHING)),
                        "opening_credit": str(max(-opening, NOTHING)),
                        "debit": str(debit),
                        "credit": str(credit),
                        "closing_debit": str(max(closing, NOTHING)),
                        "closing_credit": str(max(-closing, NOTHING)),
                    }
                )


def _months(first: str, last: str) -> list[tuple[str, str]]:
    """First and last day of each month."""
    found, day, end = [], dt.date.fromisoformat(f"{first}-01"), dt.date.fromisoformat(f"{last}-01")
    while day <= end:
        length = calendar.monthrange(day.year, day.month)[1]
        found.append((day.isoformat(), day.replace(day=length).isoformat()))
        day += dt.timedelta(days=length)
    return found


def write(file: Path, businesses: Iterable[Books]) -> None:
    """All tables that the package reads, with the rows of these businesses."""
    rows: dict[str, list[Row]] = defaultdict(list)
    for one in businesses:
        one.finish()
        for stream, its in one.rows.items():
            rows[stream] += its
    facts = every_stream()
    with duckdb.connect(str(file)) as database:
        database.execute(f"CREATE SCHEMA {SCHEMA}")
        database.execute(f"SET schema = '{SCHEMA}'")
        for name in STREAMS:
            stream = {"name": name, "json_schema": facts[name].schema_}
            database.execute(create_statement(stream, "JSON"))
            if rows[name]:
                insert(database, stream, values_of(stream, rows[name]))
