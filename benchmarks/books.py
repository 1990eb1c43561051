"""What the fake Sage serves: lists of any length, made of a thousand different records of the sandbox's company.

A record is kept as bytes with marks in it, for the page it stands on, its date and the time it was made; a page is a
join and three replacements. So a list of a million rows, each with an id of its own, needs no memory.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from typing import Any, Final

import orjson

from benchmarks.facts import PAGE_SIZE, id_tag
from integration_tests.sandbox import Sandbox

RECORDS_KEPT: Final = 1_000
CACHED_BYTES: Final = 600_000_000
INVOICE_BYTES: Final = 13_000
FIRST_MADE: Final = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
SECONDS_BETWEEN_PAGES: Final = 600
# Accounting dates grow with the pages, a day each, so that a list can be asked for by date.
FIRST_DAY: Final = dt.date(2012, 1, 1)

_PAGE_MARK: Final = b"@@page@@"
_MADE_MARK: Final = b"@@@@when@made@@@@@@@"
_DAY_MARK: Final = b"@@@@@day@@"
_HEX_ID: Final = re.compile(r"[0-9a-f]{32}")
_LINES: Final = ("invoice_lines", "credit_note_lines", "journal_lines", "payment_lines")


class Books:
    """The pages of all lists."""

    def __init__(self) -> None:
        company = Sandbox(size="small", seed=1, until="2026-01-31").businesses[0]
        self._records = {
            name: _prepared(name, [row.data for row in table]) for name, table in company.tables.items() if len(table)
        }
        self._cache: dict[tuple[str, int, int], bytes] = {}
        self._cached = 0

    def length(self, name: str, wanted: int) -> int:
        """How long a list can be made: any length, but a list of codes has one record for each code."""
        records = self._records[name]
        return wanted if len(records) == RECORDS_KEPT else min(wanted, len(records))

    def rows(self, name: str, first: int, count: int) -> bytes:
        """The records from index `first` on, `count` of them, as the inside of a JSON array; all on one full page."""
        key = (name, first, count)
        rendered = self._cache.get(key)
        if rendered is None:
            rendered = self._rendered(name, first, count)
            if self._cached + len(rendered) <= CACHED_BYTES:
                self._cache[key] = rendered
                self._cached += len(rendered)
        return rendered

    def render_ahead(self, name: str, length: int) -> None:
        """Render the pages of a list before anybody asks, as far as the memory set aside for them goes."""
        for first in range(0, length, PAGE_SIZE):
            if self._cached >= CACHED_BYTES - INVOICE_BYTES * PAGE_SIZE:
                break
            self.rows(name, first, min(PAGE_SIZE, length - first))

    def _rendered(self, name: str, first: int, count: int) -> bytes:
        records = self._records[name]
        page = first // PAGE_SIZE
        begin = first % len(records)
        made = FIRST_MADE + dt.timedelta(seconds=SECONDS_BETWEEN_PAGES * page)
        joined = b",".join(records[begin : begin + count])
        day = FIRST_DAY + dt.timedelta(days=page)
        return (
            joined.replace(_PAGE_MARK, b"%08x" % page)
            .replace(_MADE_MARK, made.strftime("%Y-%m-%dT%H:%M:%SZ").encode())
            .replace(_DAY_MARK, day.isoformat().encode())
        )


def dated(length: int, from_date: str | None, to_date: str | None) -> range:
    """Which rows of a list of that length have an accounting date in this range, its ends included."""
    first = (dt.date.fromisoformat(from_date) - FIRST_DAY).days * PAGE_SIZE if from_date else 0
    end = ((dt.date.fromisoformat(to_date) - FIRST_DAY).days + 1) * PAGE_SIZE if to_date else length
    return range(min(max(first, 0), length), min(max(end, 0), length))


def _prepared(name: str, rows: list[dict[str, Any]]) -> list[bytes]:
    if not all(_HEX_ID.fullmatch(str(row.get("id"))) for row in rows):
        return [orjson.dumps(row) for row in rows]
    kept = [rows[index % len(rows)] for index in range(RECORDS_KEPT)]
    return [_marked(name, index, _filled_up(name, row, kept)) for index, row in enumerate(kept)]


def _filled_up(name: str, row: dict[str, Any], others: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """A ledger entry of about 1 KB with all its references; a sales invoice of about 13 KB with its lines."""
    row = dict(row)
    if name == "ledger_entries":
        for field in ("contact", "tax_rate"):
            row[field] = row[field] or _filler(field)
        row["description"] = f"{row['displayed_as']}, posted from the day book and matched with its bank line"
    elif name == "sales_invoices":
        lines, size = list(row["invoice_lines"]), len(orjson.dumps(row))
        for other in others:
            if size >= INVOICE_BYTES:
                break
            lines += other["invoice_lines"]
            size += len(orjson.dumps(other["invoice_lines"]))
        row["invoice_lines"] = lines
    return row


def _filler(field: str) -> dict[str, str]:
    if field == "tax_rate":
        return {"id": "GB_STANDARD", "displayed_as": "Standard 20.00%", "$path": "/tax_rates/GB_STANDARD"}
    key = "f7f61c1768b4b0d7f3b9bcd65c3f516a"
    return {"id": key, "displayed_as": "Brookfield Books plc (C00016)", "$path": f"/contacts/{key}"}


def _marked(name: str, index: int, row: dict[str, Any]) -> bytes:
    """The record as bytes: its id and those of its lines differ by page, as does the time it was made."""
    for field in _LINES:
        if row.get(field):
            row[field] = [{**line, "id": _id(f"{name}.{field}", index, n)} for n, line in enumerate(row[field])]
    marks: dict[str, str] = {field: _MADE_MARK.decode() for field in ("created_at", "updated_at") if field in row}
    if "date" in row:
        marks["date"] = _DAY_MARK.decode()
    text = orjson.dumps({**row, **marks})
    return text.replace(row["id"].encode(), _id(name, index).encode())


def _id(kind: str, index: int, line: int = 0) -> str:
    return f"{_PAGE_MARK.decode()}{index % PAGE_SIZE:04x}{line:04x}{id_tag(kind)}"
