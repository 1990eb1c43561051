"""What a business has, on its first day: its lists, its chart of accounts, and those who write into them."""

from __future__ import annotations

import random
from typing import Final

from ..wire.facts import resources
from ..wire.values import day_text
from .banking import Banking
from .catalogue import Catalogue
from .chart import Chart, fill_chart
from .documents import Documents
from .journals import Journals
from .ledger import Books
from .paperwork import Paperwork, fill_rates
from .parties import Parties
from .payments import Payments
from .reference import coded_lists
from .singletons import settings_objects
from .table import Table

BASE_CURRENCY: Final = {"GB": "GBP", "IE": "EUR", "CA": "CAD"}
DAY: Final = 86_400


class Affairs:
    """The affairs of one business.

    Args:
        rng: the same seed makes the same business.
        plan, country: as Sage sells it.
        first_day: days since 1970.
    """

    def __init__(self, rng: random.Random, plan: str, country: str, first_day: int) -> None:
        self.rng, self.plan, self.country = rng, plan, country
        self.base = BASE_CURRENCY[country]
        self.tables = {name: Table(r) for name, r in resources().items() if r.is_list and name != "businesses"}
        for name, rows in coded_lists().items():
            for row in rows:
                self.tables[name].add(row)
        self.first_date = day_text(first_day)
        self.made = first_day * DAY
        self.chart = Chart(country, rng)
        fill_chart(self.chart, self.tables, country, rng, self.made)
        fill_rates(self.tables, self.base, self.made)
        self.books = Books(self.tables, self.chart, rng)
        self.parties = Parties(self.tables, self.chart, country, self.base, rng)
        self.catalogue = Catalogue(self.tables, self.chart, rng)
        self.documents = Documents(self.tables, self.books, self.parties, self.catalogue, rng)
        self.banking = Banking(self.tables, self.books, rng)
        self.banking.open_accounts(self.made)
        self.payments = Payments(self.tables, self.documents, self.banking.accounts, rng)
        self.journals = Journals(self.tables, self.books, rng)
        self.paperwork = Paperwork(self.tables, self.books, rng)
        bank = self.banking.accounts[0][1]
        self.singletons = settings_objects(self.chart, country, self.base, bank, self.first_date, self.made)
