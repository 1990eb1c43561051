"""Answers one request for a list: filters, order, page, envelope."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from ..books.company import Company
from ..books.table import Row, RowData, Table, Tombstone
from ..settings import Settings
from ..wire.errors import bad_request
from ..wire.facts import Resource
from ..wire.values import parse_instant
from . import extras

Params = dict[str, str]
ATTACHMENT_DELETIONS_SINCE: Final = "2019-06-12T00:00:00Z"
_ALWAYS: Final[tuple[str, ...]] = ("id", "displayed_as", "$path")


@dataclass
class Page:
    """One page, and what the log wants to know about it."""

    body: bytes
    rows: int
    past_end: bool


def _instant(params: Params, name: str) -> float | None:
    if name not in params:
        return None
    try:
        return parse_instant(params[name])
    except ValueError:
        raise bad_request(f"{name} is not a valid date") from None


def _whole_number(params: Params, name: str, default: int) -> int:
    try:
        return int(params.get(name, default))
    except ValueError:
        raise bad_request(f"{name} is not a number") from None


def _conditions(resource: Resource, params: Params, dates_inclusive: bool) -> list[Callable[[Row], bool]]:
    """What a row must be to pass the filters this list has; params it does not have are ignored."""
    tests: list[Callable[[Row], bool]] = []
    if resource.since and (since := _instant(params, "updated_or_created_since")) is not None:
        tests.append(lambda row: row.updated >= since)
    if "updated_from_date" in resource.params:
        if (begin := _instant(params, "updated_from_date")) is not None:
            tests.append(lambda row: row.updated >= begin)
        if (end := _instant(params, "updated_to_date")) is not None:
            tests.append(lambda row: row.updated <= end)
    if resource.dates:
        for name in ("from_date", "to_date"):
            _instant(params, name)
        not_after = operator.le if dates_inclusive else operator.lt
        if first := params.get("from_date", "")[:10]:
            tests.append(lambda row: not_after(first, row.date))
        if last := params.get("to_date", "")[:10]:
            tests.append(lambda row: not_after(row.date, last))
    for name in sorted(resource.params & params.keys()):
        field = name.removesuffix("_id")
        for known in (field, f"{field}s"):
            if name.endswith("_id") and known in resource.fields:
                tests.append(_points_at(known, params[name]))
    if "active" in resource.params & params.keys():
        wanted = params["active"] == "true"
        tests.append(lambda row: bool(row.data.get("active")) == wanted)
    if "exclude_system" in resource.params and params.get("exclude_system") == "true":
        tests.append(lambda row: not row.data.get("system"))
    return tests


def _points_at(field: str, key: str) -> Callable[[Row], bool]:
    """Whether a reference (or one of a list of them) is to a certain row."""

    def test(row: Row) -> bool:
        value = row.data.get(field)
        refs = value if isinstance(value, list) else [value or {}]
        return any(ref.get("id") == key for ref in refs)

    return test


def _order(table: Table, params: Params, default: str) -> str:
    """The order asked for, where the list can be sorted; else the sandbox's."""
    asked = params.get("sort", "")
    return asked if asked.partition(":")[0] in table.resource.sort else default


def _selected(table: Table, params: Params, settings: Settings) -> list[Row]:
    """All rows that pass, in order; kept until the list changes."""
    known = {k: v for k, v in params.items() if k in table.resource.params}
    for name in ("page", "items_per_page", "attributes"):
        known.pop(name, None)
    order = _order(table, params, settings.default_order)

    def select() -> list[Row]:
        tests = _conditions(table.resource, known, settings.dates_inclusive)
        rows = [row for row in table if row.key not in table.hidden and all(test(row) for test in tests)]
        return table.ordered(rows, order)

    result: list[Row] = table.kept((order, settings.dates_inclusive, *sorted(known.items())), select)
    return result


def _deleted(table: Table, params: Params, inclusive: bool) -> list[Tombstone]:
    """The tombstones after an instant; whether it counts itself is a setting."""
    since = _instant(params, "deleted_since") or 0
    if table.resource.name == "attachments" and since < parse_instant(ATTACHMENT_DELETIONS_SINCE):
        raise bad_request("deleted_since must not be before 2019-06-12")
    return [stone for stone in table.tombstones.values() if stone.deleted > since - inclusive]


def _brief(data: RowData, attributes: list[str]) -> bytes:
    """The fields asked for; the first three always come."""
    kept = {k: data[k] for k in _ALWAYS if k in data}
    kept.update({k: data[k] for k in attributes if k in data})
    return orjson.dumps(kept)


def list_page(company: Company, name: str, params: Params) -> Page:
    """A page of a list."""
    table = company.tables[name]
    settings = company.settings
    attributes = [a for a in params.get("attributes", "").split(",") if a]
    render: Callable[[Any], bytes]
    rows: list[Any]
    if table.resource.deleted_since and "deleted_since" in params:
        rows = _deleted(table, params, settings.deleted_since_inclusive)
        timed = settings.tombstones_with_deleted_at and bool({"all", "deleted_at"} & set(attributes))
        render = lambda stone: orjson.dumps(stone.wire(timed))  # noqa: E731
    else:
        rows = _selected(table, params, settings)
        added = extras.asked_for(company, name, params)
        if added:
            render = lambda row: orjson.dumps({**row.data, **added(row.data)})  # noqa: E731
        elif "all" in attributes:
            render = lambda row: row.body  # noqa: E731
        else:
            render = lambda row: _brief(row.data, attributes)  # noqa: E731
    size = _whole_number(params, "items_per_page", 20)
    if not 1 <= size <= 200:
        raise bad_request("items_per_page must be between 1 and 200")
    return _envelope(table.resource.path, params, rows, render, size, "$itemsPerPage", settings)


def _envelope(
    path: str,
    params: Params,
    rows: list[Any],
    render: Callable[[Any], bytes],
    size: int,
    size_key: str,
    settings: Settings,
) -> Page:
    """Rows in Sage's envelope. A page past the end is the last page again."""
    asked = max(1, _whole_number(params, "page", 1))
    pages = max(1, -(-len(rows) // size))
    page = min(asked, pages)
    shown = rows[(page - 1) * size : page * size]
    echoed = {k: v for k, v in params.items() if k not in {"page", "items_per_page"}}

    def link(number: int) -> str:
        # Relative to the base address, with its /v3.1.
        return f"{path}?{urlencode({'page': number, 'items_per_page': size, **echoed})}"

    total = len(rows) if settings.total_cap is None else min(len(rows), settings.total_cap)
    head = {
        **({} if settings.total_goes_missing else {"$total": total}),
        "$page": page,
        "$next": link(page + 1) if page < pages and not settings.next_goes_missing else None,
        "$back": link(page - 1) if page > 1 else None,
        size_key: size,
    }
    body = orjson.dumps(head)[:-1] + b',"$items":[' + b",".join([render(row) for row in shown]) + b"]}"
    return Page(body, len(shown), asked > pages)


def empty_page(resource: Resource) -> Page:
    """A list without rows."""
    return _envelope(resource.path, {}, [], lambda row: b"", 20, "$itemsPerPage", Settings())


def businesses_page(companies: list[Company], params: Params) -> Page:
    """`/businesses`: an envelope of its own, references only."""
    size = _whole_number(params, "items_per_page", 25)
    if not 25 <= size <= 500:
        raise bad_request("items_per_page must be between 25 and 500")
    rows = [c.row for c in companies if params.get("name", "").lower() in c.name.lower()]
    if params.get("active_only") == "true":
        rows = [row for row in rows if row["subscriptions"][0]["active"]]
    return _envelope("/businesses", params, rows, lambda row: _brief(row, []), size, "$items_per_page", Settings())


def single_row(company: Company, name: str, key: str, params: Params) -> bytes | None:
    """One row in full, or None."""
    row = company.tables[name].rows.get(key)
    if row is None or key in company.tables[name].hidden:
        return None
    added = extras.asked_for(company, name, {**params, "attributes": "all"})
    return orjson.dumps({**row.data, **added(row.data)}) if added else row.body
