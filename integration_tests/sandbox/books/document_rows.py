"""What a document looks like on the wire: its lines, its totals, its whole row."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from ..wire.facts import filled
from ..wire.values import Reference, day_number, day_text, divided, hex_id, money
from .catalogue import Item
from .chart import Account, TaxRate
from .kinds import Kind
from .parties import Party
from .reference import coded, country, currency

RATE_ONE = 10**10
"""Exchange rates are whole numbers of 1e-10, so that sums stay exact."""


@dataclass
class Line:
    """One line of a document; amounts in pence, quantities in hundredths."""

    key: str
    text: str
    quantity: int
    price: int
    discount: int
    rate: TaxRate
    account: Account
    item: Item | None
    is_carriage: bool = False
    """Part of the totals and the ledger, but shown in fields of the document's own."""
    net: int = 0
    tax: int = 0
    base_net: int = 0
    base_tax: int = 0

    def reckon(self, inverse: int) -> None:
        """Work out the amounts, and the same in base currency."""
        self.net = divided(self.quantity * self.price, 100) - self.discount
        self.tax = self.rate.tax_on(self.net)
        self.base_net = divided(self.net * inverse, RATE_ONE)
        self.base_tax = divided(self.tax * inverse, RATE_ONE)


@dataclass
class Face:
    """All that a document's row is made of."""

    kind: Kind
    ref: Reference
    number: str
    party: Party
    date: str
    lines: list[Line]
    currency: str
    inverse: int
    """Base currency for one unit of the document's, in 1e-10."""
    home: str
    status: str

    def total(self, *fields: str) -> int:
        """The sum over the lines of some of their amounts."""
        return sum(getattr(line, name) for line in self.lines for name in fields)


def rate_text(rate: int) -> str:
    """An exchange rate as the wire has it: up to ten decimals."""
    whole, rest = divmod(rate, RATE_ONE)
    return f"{whole}.{f'{rest:010d}'.rstrip('0') or '0'}"


def inverse_of(rate: int) -> int:
    """1/rate, rounded to ten decimals."""
    return divided(RATE_ONE * RATE_ONE, rate)


def line_row(line: Line, kind: Kind, inverse: int) -> dict[str, Any]:
    """One line in full."""
    total, base_total = line.net + line.tax, line.base_net + line.base_tax
    item = line.item
    row = filled(
        kind.line_shape,
        id=line.key,
        displayed_as=line.text,
        description=line.text,
        product=item.ref if item and item.kind != "SERVICE" else None,
        service=item.ref if item and item.kind == "SERVICE" else None,
        ledger_account=line.account.ref,
        quantity=money(line.quantity),
        unit_price=money(line.price),
        net_amount=money(line.net),
        tax_rate=line.rate.ref,
        tax_amount=money(line.tax),
        tax_breakdown=_breakdown(line.rate, line.tax),
        total_amount=money(total),
        base_currency_unit_price=money(divided(line.price * inverse, RATE_ONE)),
        base_currency_net_amount=money(line.base_net),
        base_currency_tax_amount=money(line.base_tax),
        base_currency_tax_breakdown=_breakdown(line.rate, line.base_tax),
        base_currency_total_amount=money(base_total),
    )
    if kind.customers:
        row["discount_amount"] = money(line.discount)
        row["base_currency_discount_amount"] = money(divided(line.discount * inverse, RATE_ONE))
    return row


def _breakdown(rate: TaxRate, tax: int) -> list[dict[str, Any]]:
    return [{"tax_rate": rate.ref, "percentage": rate.percentage, "amount": money(tax)}]


def settlement(total: int, base_total: int, paid: int, base_paid: int, last: str | None) -> dict[str, Any]:
    """The fields of a document that a payment changes."""
    status = "UNPAID" if paid == 0 else "PAID" if paid == total else "PART_PAID"
    return {
        "payments_allocations_total_amount": money(paid),
        "total_paid": money(paid),
        "outstanding_amount": money(total - paid),
        "base_currency_outstanding_amount": money(base_total - base_paid),
        "status": coded("artefact_statuses", status),
        "last_paid": last,
    }


def _amounts(face: Face) -> dict[str, Any]:
    """Totals in both currencies, and the tax by rate."""
    net, tax = face.total("net"), face.total("tax")
    base_net, base_tax = face.total("base_net"), face.total("base_tax")
    rate = RATE_ONE if face.inverse == RATE_ONE else inverse_of(face.inverse)
    return {
        "currency": currency(face.currency),
        "exchange_rate": rate_text(rate),
        "inverse_exchange_rate": rate_text(face.inverse),
        "net_amount": money(net),
        "tax_amount": money(tax),
        "total_amount": money(net + tax),
        "base_currency_net_amount": money(base_net),
        "base_currency_tax_amount": money(base_tax),
        "base_currency_total_amount": money(base_net + base_tax),
        **_outstanding(face.kind, money(net + tax), money(base_net + base_tax)),
    }


def _outstanding(kind: Kind, total: str, base_total: str) -> dict[str, Any]:
    """Nothing is owed on a quote or an estimate."""
    return {"outstanding_amount": total, "base_currency_outstanding_amount": base_total} if kind.direction else {}


def _tax_analysis(face: Face) -> dict[str, Any]:
    by_rate: dict[str, list[Line]] = {}
    for line in face.lines:
        by_rate.setdefault(line.rate.code, []).append(line)
    analysis = []
    for lines in by_rate.values():
        net, tax = sum(line.net for line in lines), sum(line.tax for line in lines)
        work = sum(line.net for line in lines if line.item and line.item.kind == "SERVICE")
        analysis.append(
            {
                "tax_rate": lines[0].rate.ref,
                "net_amount": money(net),
                "tax_amount": money(tax),
                "total_amount": money(net + tax),
                "goods_amount": money(net - work),
                "service_amount": money(work),
            }
        )
    net, tax = face.total("net"), face.total("tax")
    base_net, base_tax = face.total("base_net"), face.total("base_tax")
    services = [line for line in face.lines if line.item and line.item.kind == "SERVICE"]
    services_net = sum(line.net for line in services)
    base_services = sum(line.base_net for line in services)
    detailed = filled(
        "ArtefactDetailedTaxAnalysis",
        total_net=money(net),
        total_tax=money(tax),
        total=money(net + tax),
        total_goods_amount=money(net - services_net),
        total_services_amount=money(services_net),
        base_currency_total_goods_amount=money(base_net - base_services),
        base_currency_total_services_amount=money(base_services),
        base_currency_total_net=money(base_net),
        base_currency_total_tax=money(base_tax),
        base_currency_total=money(base_net + base_tax),
    )
    return {"tax_analysis": analysis, "detailed_tax_analysis": detailed}


def document_row(face: Face, rng: random.Random) -> dict[str, Any]:
    """The row of any document that has lines."""
    kind, party = face.kind, face.party
    row: dict[str, Any] = {
        **face.ref,
        "links": [{"href": None, "rel": "alternate", "type": "text/html"}],
        "editable": True,
        "contact": party.ref,
        "contact_name": party.name,
        "contact_reference": party.code,
        "date": face.date,
        "reference": rng.choice([None, "", f"PO {rng.randint(1000, 9999)}"]),
        "notes": rng.choice([None, "", "Thank you for your business", "Line one\nline two, \u201cquoted\u201d"]),
        "total_quantity": money(sum(line.quantity for line in face.lines if not line.is_carriage)),
        **_amounts(face),
        kind.lines: [line_row(line, kind, face.inverse) for line in face.lines if not line.is_carriage],
        **_tax_analysis(face),
    }
    later = day_text(day_number(face.date) + 30)
    if kind.customers:
        address = _address(party, face.home)
        row |= {
            f"{kind.number}_prefix": kind.prefix,
            kind.number: face.number.removeprefix(kind.prefix),
            "tax_calculation_method": "invoice",
            "main_address_free_form": f"{party.address['displayed_as']}\n{party.city}",
            "main_address": address,
            "delivery_address": address,
            "terms_and_conditions": None,
            "total_discount_amount": money(face.total("discount")),
            "sent": True,
            **_carriage(face),
        }
        secret = f"https://pay.example/invoice/{hex_id(rng)}"
        row["links"].append({"href": secret, "rel": "bookmark", "type": "text/html"})
    else:
        row["vendor_reference"] = f"V{rng.randint(10_000, 99_999)}"
        # An empty text where a date should be null.
        row["last_paid"] = ""
    if kind.direction == 0:
        row["expiry_date"] = later
        row["status"] = {"id": face.status, "displayed_as": face.status.capitalize()}
    else:
        row["status"] = coded("artefact_statuses", face.status)
        row["due_date" if kind.increases else "original_invoice_date"] = later if kind.increases else face.date
    return row


def _carriage(face: Face) -> dict[str, Any]:
    """What is asked for delivery: in the totals, yet no line."""
    line = next((line for line in face.lines if line.is_carriage), None)
    if line is None:
        return {}
    return {
        "shipping_net_amount": money(line.net),
        "shipping_tax_rate": line.rate.ref,
        "shipping_tax_amount": money(line.tax),
        "shipping_tax_breakdown": _breakdown(line.rate, line.tax),
        "shipping_total_amount": money(line.net + line.tax),
        "base_currency_shipping_net_amount": money(line.base_net),
        "base_currency_shipping_tax_amount": money(line.base_tax),
        "base_currency_shipping_tax_breakdown": _breakdown(line.rate, line.base_tax),
        "base_currency_shipping_total_amount": money(line.base_net + line.base_tax),
    }


def _address(party: Party, home: str) -> dict[str, Any]:
    """The address as printed on the document: a copy, not a link."""
    return filled(
        "SalesArtefactAddress",
        **party.address,
        city=party.city,
        country=country(home),
        address_type=coded("address_types", "SALES"),
    )


def quick_row(face: Face) -> dict[str, Any]:
    """The row of a quick entry: one line, flattened."""
    (line,) = face.lines
    return {
        **face.ref,
        "quick_entry_type": coded("quick_entry_types", face.kind.quick_type),
        "contact_name": face.party.name,
        "contact_reference": face.party.code,
        "contact": face.party.ref,
        "date": face.date,
        "due_date": day_text(day_number(face.date) + 30),
        "reference": face.number,
        "ledger_account": line.account.ref,
        "details": line.text,
        "tax_rate": line.rate.ref,
        **_amounts(face),
        "tax_breakdown": _breakdown(line.rate, line.tax),
        "base_currency_tax_breakdown": _breakdown(line.rate, line.base_tax),
        "status": coded("artefact_statuses", face.status),
    }
