"""Customers and vendors with their addresses and persons."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Final

from ..wire.facts import filled
from ..wire.values import Reference, hex_id, reference
from .chart import Chart
from .reference import coded, country, currency
from .table import Table

_TRADES: Final = "Bakery|Joinery|Motors|Textiles|Software|Garden Centre|Print|Catering|Electrical|Books|Dairy|Optics"
_PLACES: Final = "Ashdown|Brookfield|Carrick|Dunmore|Elmswood|Fairhaven|Glenview|Harrow|Inverleith|Kilbride|Larkhill"
_FIRST: Final = "Aoife|Ben|Chloe|Dilip|Ewa|Fraser|Grace|Hamid|Isla|Jonas|Keira|Liam|Mei|Niamh|Omar|Priya|Ravi|Sian"
_LAST: Final = "Adair|Byrne|Chen|Doyle|Evans|Flynn|Gallagher|Hughes|Iqbal|Jones|Kaur|Lewis|Murphy|Nowak|Owens|Patel"
_STREETS: Final = "High Street|Mill Lane|Station Road|Church Row|Quay Street|Orchard Way|Market Square"
_CITIES: Final = {
    "GB": "Leeds|Bristol|Cardiff|Glasgow|York|Norwich",
    "IE": "Dublin|Cork|Galway|Sligo|Waterford",
    "CA": "Toronto|Ottawa|Halifax|Calgary|Vancouver",
}
_COUNTRY_OF: Final = {"EUR": "FR", "USD": "US", "GBP": "GB", "CAD": "CA"}


@dataclass(frozen=True)
class Party:
    """A contact, as documents need it."""

    ref: Reference
    name: str
    code: str
    currency: str
    address: Reference
    city: str


def _one(rng: random.Random, text: str) -> str:
    return rng.choice(text.split("|"))


class Parties:
    """Makes contacts, whole: the contact, its main and delivery address, its person."""

    def __init__(
        self, tables: dict[str, Table], chart: Chart, country_code: str, base: str, rng: random.Random
    ) -> None:
        self.tables, self.chart, self.country, self.base, self.rng = tables, chart, country_code, base, rng
        self.customers: dict[str, Party] = {}
        self.vendors: dict[str, Party] = {}

    def add(self, kind: str, when: float, money_code: str | None = None, **values: Any) -> Party:
        """A new CUSTOMER or VENDOR."""
        rng, code = self.rng, money_code or self.base
        key = hex_id(rng)
        number = len(self.tables["contacts"]) + 1
        # Names repeat and some carry what breaks careless code: quotes, commas, accents.
        name = f"{_one(rng, _PLACES)} {_one(rng, _TRADES)} {rng.choice(['Ltd', 'LLP', '& Sons', 'plc'])}"
        if number % 17 == 0:
            name = f"O'Brien, Müller \u201cMáirtín\u201d {number} Ltd"
        name = str(values.get("name", name))
        account = f"{'C' if kind == 'CUSTOMER' else 'V'}{number:05d}"
        ref = reference("/contacts", key, f"{name} ({account})")
        main = self._address(ref, kind, "Main Address", True, code, when)
        delivery = self._address(ref, kind, "Delivery Address", False, code, when)
        person = self._person(main, kind, when)
        customer = kind == "CUSTOMER"
        self.tables["contacts"].add(
            {
                **ref,
                "links": [{"href": None, "rel": "alternate", "type": "text/html"}],
                "contact_types": [coded("contact_types", kind)],
                "name": name,
                "reference": account,
                "default_sales_ledger_account": self.chart.controls["SALES"].ref if customer else None,
                "default_sales_tax_rate": self.chart.tax_rates[0].ref if customer else None,
                "default_purchase_ledger_account": None if customer else self.chart.controls["PURCHASES"].ref,
                "notes": rng.choice([None, "", "Rings before delivery"]),
                "locale": "en-GB",
                "main_address": main,
                "delivery_address": delivery,
                "main_contact_person": person,
                "bank_account_details": filled("BankAccountDetails", account_name=name),
                "credit_limit": rng.choice(["1000.0", "5000.0", "250.5"]),
                "credit_days": 30,
                "credit_terms": "month_end_invoice",
                "currency": currency(code),
                "deletable": False,
                "tax_treatment": filled("ContactTaxTreatment", home_tax=code == self.base),
                "email": f"accounts{number}@example.com",
                "is_active": True,
                "gb_based": self.country == "GB" and code == "GBP",
                "cis_settings": filled("ContactCisSettings"),
                # Not in the Swagger, yet on the wire.
                "preferred_address": main,
                "preferred_contact_person": person,
                "send_statements": True,
                "statement_run": None,
                "go_cardless_mandate": None,
                "mandate_active": False,
                **values,
            },
            when,
        )
        party = Party(ref, name, account, code, main, self.tables["addresses"].rows[main["id"]].data["city"] or "")
        (self.customers if customer else self.vendors)[key] = party
        return party

    def add_system(self, when: float) -> None:
        """The tax office: a contact that nobody made."""
        name = {"GB": "HMRC Payments", "IE": "Revenue Commissioners", "CA": "Receiver General"}[self.country]
        party = self.add("VENDOR", when, name=name, system=True, email=None, credit_limit=None)
        del self.vendors[party.ref["id"]]

    def _address(self, contact: Reference, kind: str, name: str, main: bool, code: str, when: float) -> Reference:
        rng = self.rng
        home = code == self.base
        ref = reference("/addresses", hex_id(rng), name)
        self.tables["addresses"].add(
            {
                **ref,
                "address_line_1": f"{rng.randint(1, 120)} {_one(rng, _STREETS)}",
                "address_line_2": rng.choice([None, "", "Unit 4"]),
                "city": _one(rng, _CITIES[self.country]) if home else "Overseas",
                "postal_code": f"AB{rng.randint(1, 30)} {rng.randint(1, 9)}CD",
                "country": country(self.country if home else _COUNTRY_OF[code]),
                "contact": contact,
                "address_type": coded(
                    "address_types", ("SALES" if kind == "CUSTOMER" else "PURCHASING") if main else "DELIVERY"
                ),
                "name": name,
                "country_group": coded("country_groups", "ALL"),
                "is_main_address": main,
            },
            when,
        )
        return ref

    def _person(self, address: Reference, kind: str, when: float) -> Reference:
        rng = self.rng
        name = f"{_one(rng, _FIRST)} {_one(rng, _LAST)}"
        ref = reference("/contact_persons", hex_id(rng), name)
        self.tables["contact_persons"].add(
            {
                **ref,
                "contact_person_types": [coded("contact_person_types", "SALES" if kind == "VENDOR" else "ACCOUNTS")],
                "name": name,
                "job_title": rng.choice(["", "Owner", "Book-keeper"]),
                "telephone": f"01632 960{rng.randint(100, 999)}",
                "email": f"{name.split()[0].lower()}@example.com",
                "is_main_contact": True,
                "address": address,
                "is_preferred_contact": True,
            },
            when,
        )
        return ref
