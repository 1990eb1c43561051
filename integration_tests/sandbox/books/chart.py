"""The chart of accounts and the tax rates of a business."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Final

from ..wire.values import Reference, hex_id, reference
from .reference import coded, country
from .table import Table

# nominal code, type, control name (or -), name. The classification follows from the type.
_ACCOUNTS: Final = """
30 FIXED_ASSETS - Office equipment - Cost
31 FIXED_ASSETS - Office equipment - Depreciation
40 FIXED_ASSETS - Motor vehicles - Cost
41 FIXED_ASSETS - Motor vehicles - Depreciation
1001 CURRENT_ASSETS STOCK Stock
1100 CURRENT_ASSETS RECEIVABLES Trade debtors
1103 CURRENT_ASSETS - Prepayments
1200 BANK BANK_CURRENT Current account
1210 BANK BANK_SAVINGS Savings account
1230 BANK BANK_CASH Cash in hand
1240 BANK BANK_CARD Company credit card
2100 CURRENT_LIABILITIES PAYABLES Trade creditors
2109 CURRENT_LIABILITIES - Accruals
2200 CURRENT_LIABILITIES TAX_ON_SALES Tax on sales
2201 CURRENT_LIABILITIES TAX_ON_PURCHASES Tax on purchases
2210 CURRENT_LIABILITIES - Payroll taxes
2220 CURRENT_LIABILITIES - Net wages
2300 FUTURE_LIABILITIES - Bank loan
3000 EQUITY - Share capital
3200 EQUITY RETAINED Retained earnings
4000 SALES SALES Sales - Products
4010 SALES SALES_SERVICES Sales - Services
4900 OTHER_INCOME OTHER_INCOME Other income
4910 OTHER_INCOME BANK_INTEREST Bank interest received
5000 DIRECT_EXPENSES PURCHASES Cost of sales - Goods
5010 DIRECT_EXPENSES - Cost of sales - Materials
5020 DIRECT_EXPENSES - Subcontractors
6200 OVERHEADS - Marketing
7000 OVERHEADS WAGES Gross wages
7006 OVERHEADS - Employer's contributions
7100 OVERHEADS - Rent
7103 OVERHEADS - Rates and insurance
7200 OVERHEADS - Electricity
7300 OVERHEADS - Vehicle running costs
7400 OVERHEADS - Travel
7500 OVERHEADS - Office supplies
7502 OVERHEADS - Telephone and internet
7600 OVERHEADS - Legal and professional fees
7800 OVERHEADS - Repairs
7901 OVERHEADS BANK_CHARGES Bank charges
8000 DEPRECIATION DEPRECIATION Depreciation
8200 OVERHEADS - General expenses
9998 EQUITY OPENING Opening balances control
"""
_CLASSIFICATION: Final = {
    "CURRENT_ASSETS": "ASSETS",
    "FIXED_ASSETS": "ASSETS",
    "BANK": "ASSETS",
    "CURRENT_LIABILITIES": "LIABILITIES",
    "FUTURE_LIABILITIES": "LIABILITIES",
    "EQUITY": "EQUITY",
    "SALES": "INCOME",
    "OTHER_INCOME": "INCOME",
}

# code, name, percentage in hundredths, how often a line has it.
_TAX_RATES: Final = {
    "GB": (
        ("GB_STANDARD", "Standard", 2000, 75),
        ("GB_LOWER", "Lower rate", 500, 8),
        ("GB_ZERO", "Zero rated", 0, 12),
        ("GB_EXEMPT", "Exempt", 0, 5),
        ("GB_NO_TAX", "No tax", 0, 0),
    ),
    "IE": (
        ("IE_STANDARD", "Standard", 2300, 70),
        ("IE_REDUCED", "Reduced rate", 1350, 15),
        ("IE_ZERO", "Zero rated", 0, 10),
        ("IE_EXEMPT", "Exempt", 0, 5),
        ("IE_NO_TAX", "No tax", 0, 0),
    ),
    "CA": (
        ("CA_GST", "GST", 500, 40),
        ("CA_HST_ON", "HST Ontario", 1300, 45),
        ("CA_ZERO", "Zero rated", 0, 10),
        ("CA_EXEMPT", "Exempt", 0, 5),
        ("CA_NO_TAX", "No tax", 0, 0),
    ),
}


@dataclass(frozen=True)
class Account:
    """One ledger account, as postings and documents need it."""

    nominal: int
    kind: str
    control: str | None
    ref: Reference

    @property
    def key(self) -> str:
        return str(self.ref["id"])


@dataclass(frozen=True)
class TaxRate:
    """One tax rate."""

    code: str
    hundredths: int
    weight: int
    ref: Reference

    def tax_on(self, net: int) -> int:
        """Tax on an amount in pence, rounded half up."""
        return (net * self.hundredths * 2 + 10_000) // 20_000

    @property
    def percentage(self) -> str:
        return str(self.hundredths / 100)


class Chart:
    """All accounts of a business; by control name, and grouped by what they are good for."""

    def __init__(self, country_code: str, rng: random.Random) -> None:
        self.accounts: list[Account] = []
        self.controls: dict[str, Account] = {}
        for line in _ACCOUNTS.strip().splitlines():
            nominal, kind, control, name = line.split(" ", 3)
            ref = reference("/ledger_accounts", hex_id(rng), f"{name} ({nominal})")
            account = Account(int(nominal), kind, None if control == "-" else control, ref)
            self.accounts.append(account)
            if account.control:
                self.controls[account.control] = account
        self.income = [self.controls["SALES"], self.controls["SALES_SERVICES"]]
        self.expenses = [a for a in self.accounts if a.kind in {"DIRECT_EXPENSES", "OVERHEADS"} and not a.control]
        self.tax_rates = [
            TaxRate(code, hundredths, weight, reference("/tax_rates", code, f"{name} {hundredths / 100:.2f}%"))
            for code, name, hundredths, weight in _TAX_RATES[country_code]
        ]
        self.no_tax = self.tax_rates[-1]
        self._weights = [rate.weight for rate in self.tax_rates]

    def any_tax(self, rng: random.Random) -> TaxRate:
        """A tax rate, the common ones more often."""
        return rng.choices(self.tax_rates, self._weights)[0]


def fill_chart(chart: Chart, tables: dict[str, Table], country_code: str, rng: random.Random, at: int) -> None:
    """The rows of everything that belongs to the chart and to tax."""
    template = reference("/coa_templates", f"{country_code}_DEFAULT", "Small business")
    tables["coa_templates"].add({**template, "name": "Small business", "country": country(country_code)}, at)
    for account in chart.accounts:
        _account_rows(account, chart, tables, rng, at)
    for rate in chart.tax_rates:
        name = rate.ref["displayed_as"].rsplit(" ", 1)[0]
        tables["tax_rates"].add(
            {
                **rate.ref,
                "name": name,
                "agency": "HMRC" if country_code == "GB" else None,
                "percentage": rate.percentage,
                "percentages": [{"percentage": rate.percentage, "from_date": "2011-01-04", "to_date": None}],
                "is_visible": True,
            },
            at,
        )
    kind = {"GB": "VAT", "IE": "VAT", "CA": "GST"}[country_code]
    tax_type = reference("/tax_types", f"{country_code}_{kind}", kind)
    rates = [rate.ref for rate in chart.tax_rates]
    tables["tax_types"].add(
        {**tax_type, "federal_tax": country_code == "CA", "country": country(country_code), "tax_rates": rates}
    )
    profile = reference("/tax_profiles", hex_id(rng), kind)
    tables["tax_profiles"].add(
        {
            **profile,
            "tax_type": tax_type,
            "tax_number": "123456789",
            "collect_tax": True,
            "tax_return_frequency": coded("tax_return_frequencies", "QUARTERLY"),
        },
        at,
    )


def _account_rows(account: Account, chart: Chart, tables: dict[str, Table], rng: random.Random, at: int) -> None:
    """The ledger account and its twin in the template chart."""
    shown = str(account.ref["displayed_as"])
    name = shown.rsplit(" (", 1)[0]
    classification = _CLASSIFICATION.get(account.kind, "EXPENSES")
    trades = classification in {"INCOME", "EXPENSES"}
    common: dict[str, Any] = {
        "name": name,
        "nominal_code": account.nominal,
        "control_name": account.control,
        "ledger_account_group": {"id": classification, "displayed_as": classification.capitalize()},
        "ledger_account_type": coded("ledger_account_types", account.kind),
        "ledger_account_classification": coded("ledger_account_classifications", classification),
        "tax_rate": (chart.tax_rates[0] if trades else chart.no_tax).ref,
    }
    tables["coa_accounts"].add({**reference("/coa_accounts", hex_id(rng), shown), **common}, at)
    tables["ledger_accounts"].add(
        {
            **account.ref,
            **common,
            "display_name": name,
            "display_formatted": f"{name} ({account.nominal})",
            "visible_scopes": ["journals", "reporting", *(["sales"] if classification == "INCOME" else [])],
            "included_in_chart": True,
            "visible_in_banking": account.kind == "BANK",
            "visible_in_expenses": classification == "EXPENSES",
            "visible_in_journals": True,
            "visible_in_other_payments": classification == "EXPENSES",
            "visible_in_other_receipts": classification == "INCOME",
            "visible_in_reporting": True,
            "visible_in_sales": classification == "INCOME",
            "is_control_account": account.control in {"RECEIVABLES", "PAYABLES", "OPENING"},
            "tax_recoverable": False,
            "recoverable_percentage": "0.0",
            "gifi_code": None,
            # Not in the Swagger, yet on the wire.
            "ui_visible": True,
            "bank_attached": account.kind == "BANK",
        },
        at,
    )
