"""Products, services, stock items and their movements."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Final

from ..wire.facts import filled
from ..wire.values import Reference, hex_id, instant, instant_ms, money, reference
from .chart import Account, Chart
from .reference import coded
from .table import Table

_GOODS: Final = "Oak shelf|Desk lamp|Cotton apron|Steel hinge|Ceramic mug|Canvas bag|Copper kettle|Garden fork|Ink pad"
_WORK: Final = "Installation|Bookkeeping|Consulting|Repair|Training|Survey|Delivery|Design"


@dataclass
class Item:
    """Something that is sold or bought, as document lines need it."""

    kind: str
    ref: Reference
    name: str
    price: int
    account: Account
    stock: int = 0
    """Pieces on hand."""


class Catalogue:
    """Makes items and moves stock."""

    def __init__(self, tables: dict[str, Table], chart: Chart, rng: random.Random) -> None:
        self.tables, self.chart, self.rng = tables, chart, rng
        self.items: dict[str, Item] = {}
        self._moves = 0
        self._price_type: Reference = {}
        self._rate_type: Reference = {}

    def fill_types(self, when: int) -> None:
        """Price and rate types: lists of their own that items point at."""
        for name, shown in (("product_sales_price_types", "Sales Price"), ("service_rate_types", "Rate")):
            made = []
            for label in (shown, "Trade", "Wholesale"):
                ref = reference(f"/{name}", hex_id(self.rng), label)
                self.tables[name].add({**ref, "name": label, "active": True}, when)
                made.append(ref)
            if name == "service_rate_types":
                self._rate_type = made[0]
            else:
                self._price_type = made[0]

    def add(self, kind: str, when: float, **values: Any) -> Item:
        """A new PRODUCT, SERVICE or STOCK_ITEM."""
        rng = self.rng
        list_name = {"PRODUCT": "products", "SERVICE": "services", "STOCK_ITEM": "stock_items"}[kind]
        number = len(self.tables["products"]) + len(self.tables["services"]) + 1
        name = rng.choice((_WORK if kind == "SERVICE" else _GOODS).split("|"))
        code = f"{kind[:2]}-{number:04d}"
        ref = reference(f"/{list_name}", hex_id(rng), f"{name} ({code})")
        price = rng.randint(199, 25_000)
        account = self.chart.controls["SALES_SERVICES" if kind == "SERVICE" else "SALES"]
        item = Item(kind, ref, name, price, account)
        self.items[ref["id"]] = item
        row: dict[str, Any] = {
            **ref,
            "deletable": True,
            "deactivatable": True,
            "item_code": code,
            "description": name,
            "sales_ledger_account": account.ref,
            "purchase_ledger_account": self.chart.controls["PURCHASES"].ref,
            "sales_tax_rate": self.chart.tax_rates[0].ref,
            "purchase_tax_rate": self.chart.tax_rates[0].ref,
            "cost_price": money(price * 6 // 10),
            # Sage leaves this null on some old products.
            "active": None if number % 23 == 0 else True,
            "links": [{"href": None, "rel": "alternate", "type": "text/html"}],
        }
        if kind == "SERVICE":
            row["sales_rates"] = [self._rate(price, when)]
        else:
            row["sales_prices"] = [self._price(price, when)]
        if kind == "STOCK_ITEM":
            row |= {
                "reorder_level": "5.0",
                "reorder_quantity": "20.0",
                "location": f"Bay {number % 9}",
                "barcode": "",
                # The one amount that is a real JSON number.
                "weight": 0,
                "measurement_unit": "kg",
                "last_cost_price": money(price * 6 // 10),
                "average_cost_price": money(price * 6 // 10),
                "cost_price_last_updated": instant_ms(when),
            }
        self.tables[list_name].add({**row, **values}, when)
        if kind != "SERVICE":
            self._into_products(item, row | values, when)
        return item

    def _into_products(self, item: Item, row: dict[str, Any], when: float) -> None:
        """Stock items are products as well, without their stock figures."""
        products = self.tables["products"]
        kept = {k: v for k, v in row.items() if k in products.resource.blank or k == "links"}
        kept["catalog_item_type"] = coded("catalog_item_types", item.kind)
        kept["$path"] = f"/products/{item.ref['id']}"
        if item.ref["id"] in products:
            products.change(item.ref["id"], kept, when)
        else:
            products.add(kept, when)

    def _price(self, price: int, when: float) -> dict[str, Any]:
        return filled(
            "SalesPrice",
            id=hex_id(self.rng),
            displayed_as="Sales Price",
            created_at=instant(when),
            updated_at=instant(when),
            price_name="Sales Price",
            price=money(price),
            product_sales_price_type=self._price_type,
        )

    def _rate(self, price: int, when: float) -> dict[str, Any]:
        return filled(
            "Rate",
            id=hex_id(self.rng),
            displayed_as="Rate",
            created_at=instant(when),
            updated_at=instant(when),
            rate_name="Rate",
            rate=money(price),
            service_rate_type=self._rate_type,
        )

    def move(self, item: Item, pieces: int, date: str, when: float, why: str) -> str:
        """Stock comes in or goes out: the item's figures, and a movement that carries the item whole."""
        self._moves += 1
        item.stock += pieces
        cost = item.price * 6 // 10
        stock = self.tables["stock_items"]
        row = stock.change(
            item.ref["id"],
            {
                "quantity_in_stock": f"{item.stock}.0",
                "last_cost_price_stock_value": money(cost * item.stock),
                "average_cost_price_stock_value": money(cost * item.stock),
            },
            when,
        )
        ref = reference("/stock_movements", hex_id(self.rng), f"Movement {self._moves}")
        self.tables["stock_movements"].add(
            {
                **ref,
                "links": [],
                "movement_number": self._moves,
                "date": f"{date}T00:00:00.000Z",
                "cost_price": money(cost),
                "quantity": f"{pieces}.0",
                "details": why,
                "reference": None,
                "stock_item": dict(row.data),
            },
            when,
        )
        return str(ref["id"])
