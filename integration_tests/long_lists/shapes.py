"""What a row looks like on the wire: a record of each list that is used, cut once at the places that differ by row."""

from __future__ import annotations

import functools
import json
import re
from dataclasses import dataclass
from typing import Any, Final

import orjson

from integration_tests.long_lists.times import DAY, day_text, instant
from integration_tests.sandbox.wire.facts import resources
from source_sage.streams import PACKAGE

THIN: Final = 300
NORMAL: Final = 1_000
FAT: Final = 11_500

_SCHEMAS: Final = PACKAGE / "schemas"
_WORDS: Final = "posted from the day book and matched with its bank line; "
_MARK: Final = re.compile(rb'@(id|tail|created|updated|shown|amount)@|"@(date|gone)@"')
_GUID_STEP: Final = 0x9E3779B97F4A7C15
_DATED: Final = ("journals", "contact_allocations")
_WITH_TIMES: Final = ("stock_movements",)
_PADDED: Final = ("notes", "description", "details", "reference")


@dataclass(frozen=True)
class Facts:
    """What Sage's description says of one list.

    Attributes:
        since, deleted_since, dates: it takes these filters.
        sort: the fields it can be sorted by.
        dated: its rows have an accounting date, whether it can be asked by it or not.
        timed: that date is a date-time.
        keeps_deleted: rows never leave; they are marked.
    """

    name: str
    since: bool
    deleted_since: bool
    dates: bool
    sort: tuple[str, ...]
    dated: bool
    timed: bool
    keeps_deleted: bool


@functools.cache
def facts_of(name: str) -> Facts:
    """The facts of a list."""
    known = resources()[name]
    return Facts(
        name,
        known.since,
        known.deleted_since,
        known.dates,
        known.sort,
        dated=known.dates or name in _DATED,
        timed=name in _WITH_TIMES,
        keeps_deleted=name in ("ledger_entries", "transactions"),
    )


def row_id(name: str, index: int) -> str:
    """32 hex digits; the last eight are the row's number, which is how tests find their way back.

    The same in every business, as ids of reference lists are.
    """
    tag = sum(name.encode()) * 7919 & 0xFFFFFFFF
    return f"{tag:08x}{(index + 1) * _GUID_STEP & (1 << 64) - 1:016x}{index:08x}"


def index_of(key: str) -> int:
    """The number of a row, by its id."""
    return int(key[-8:], 16)


def shown(index: int, version: int) -> str:
    """What a row is displayed as: it tells how often the row was changed."""
    return f"No. {index} v{version}"


def moment_of(day: int, index: int) -> str:
    """The date-time of a row whose date is one: any second of its day."""
    second = index * 7_919 % DAY
    return f"{day_text(day)}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}.000Z"


class Shape:
    """Serialises the rows of one list.

    Args:
        name: the list.
        size: about how many bytes a row has.
    """

    def __init__(self, name: str, size: int) -> None:
        self.facts = facts_of(name)
        pieces = _MARK.split(orjson.dumps(_record(name, size)))
        # Two groups: each mark leaves one name and one None between two pieces of text.
        self._texts = pieces[::3]
        self._marks = [(one or other or b"").decode() for one, other in zip(pieces[1::3], pieces[2::3], strict=True)]

    def row(self, index: int, created: int, updated: int, day: int, version: int, *, gone: bool) -> bytes:
        """One row.

        Args:
            created, updated: epoch seconds.
            day: of its date, 0 for none.
            gone: marked as deleted.
        """
        key = row_id(self.facts.name, index).encode()
        if not day:
            date = b"null"
        elif self.facts.timed:
            date = f'"{moment_of(day, index)}"'.encode()
        else:
            date = f'"{day_text(day)}"'.encode()
        values = {
            "id": key,
            "tail": key[8:],
            "created": instant(created).encode(),
            "updated": instant(updated).encode(),
            "shown": shown(index, version).encode(),
            "amount": b"%d.%02d" % (index % 1_000, version % 100),
            "date": date,
            "gone": b"true" if gone else b"false",
        }
        parts = [self._texts[0]]
        for mark, text in zip(self._marks, self._texts[1:], strict=True):
            parts += (values[mark], text)
        return b"".join(parts)

    def tombstone(self, index: int, version: int, deleted_at: int | None) -> bytes:
        """A deleted row as `deleted_since` shows it.

        Args:
            deleted_at: epoch seconds; None if Sage does not say.
        """
        key = row_id(self.facts.name, index)
        row = {"id": key, "displayed_as": shown(index, version), "$path": f"/{self.facts.name}/{key}"}
        if deleted_at is not None:
            row["deleted_at"] = instant(deleted_at)
        return orjson.dumps(row)


def _reference(path: str, key: str, text: str) -> dict[str, str]:
    return {"id": key, "displayed_as": text, "$path": f"/{path}/{key}"}


def _line(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"@tail@{number:08x}", "displayed_as": f"Line {number} of @shown@", **more}


def _invoice_line(number: int) -> dict[str, Any]:
    return _line(
        number,
        description=_WORDS * 3,
        quantity="1.0",
        unit_price="@amount@",
        net_amount="@amount@",
        tax_amount="0.0",
        total_amount="@amount@",
        ledger_account=_reference("ledger_accounts", "a" * 32, "Sales (4000)"),
        tax_rate=_reference("tax_rates", "GB_STANDARD", "Standard 20.00%"),
    )


_CONTACT: Final = _reference("contacts", "c" * 32, "Brookfield Books plc (C00016)")
_POUND: Final = _reference("currencies", "GBP", "Pound Sterling (GBP)")


def _own(name: str) -> dict[str, Any]:
    """What rows of this list have beside the fields that all have."""
    if name == "ledger_entries":
        return {
            "credit": "0.0",
            "debit": "@amount@",
            "ledger_account": _reference("ledger_accounts", "a" * 32, "Sales (4000)"),
            "transaction": _reference("transactions", "b" * 32, "Invoice"),
            "contact": _CONTACT,
            "deleted": "@gone@",
        }
    if name == "transactions":
        return {"total": "@amount@", "contact": _CONTACT, "audit_trail_id": "17", "deleted": "@gone@"}
    if name == "stock_movements":
        return {
            "movement_number": "17",
            "quantity": "@amount@",
            "cost_price": "1.5",
            "stock_item": _reference("stock_items", "d" * 32, "Widget"),
        }
    if name in ("sales_invoices", "purchase_invoices"):
        return {
            "contact": _CONTACT,
            "currency": _POUND,
            "status": _reference("artefact_statuses", "UNPAID", "Unpaid"),
            "total_amount": "@amount@",
            "invoice_lines": [_invoice_line(1)],
        }
    if name == "contact_payments":
        return {"contact": _CONTACT, "currency": _POUND, "total_amount": "@amount@", "allocated_artefacts": []}
    if name == "contact_allocations":
        return {"contact": _CONTACT, "allocated_artefacts": [_line(1, amount="@amount@"), _line(2, amount="0.0")]}
    if name == "journals":
        return {"journal_lines": [_line(1, debit="@amount@", credit="0.0"), _line(2, debit="0.0", credit="@amount@")]}
    if name == "contacts":
        return {"name": "@shown@", "contact_types": [_reference("contact_types", "CUSTOMER", "Customer")]}
    return {}


def _record(name: str, size: int) -> dict[str, Any]:
    declared = json.loads((_SCHEMAS / f"{name}.json").read_text("utf-8"))["properties"]
    record: dict[str, Any] = {"id": "@id@", "displayed_as": "@shown@", "$path": f"/{name}/@id@"}
    for field, mark in (("created_at", "@created@"), ("updated_at", "@updated@")):
        if field in declared:
            record[field] = mark
    if facts_of(name).dated:
        record["date"] = "@date@"
    record |= _own(name)
    if "invoice_lines" in record:
        while len(orjson.dumps(record)) < size - NORMAL:
            record["invoice_lines"].append(_invoice_line(len(record["invoice_lines"]) + 1))
    padded = next((field for field in _PADDED if field in declared), None)
    if padded:
        missing = size - len(orjson.dumps(record)) - len(padded) - 6
        if missing > 0:
            record[padded] = (_WORDS * (missing // len(_WORDS) + 1))[:missing]
    return record
