"""One list of one business: its live rows, its tombstones, and answers kept until something changes."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Container, Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from ..wire.facts import Resource
from ..wire.values import instant

RowData = dict[str, Any]


class Row:
    """A live row. It is kept as JSON bytes once it has been served: small, and free to serve again."""

    __slots__ = ("_body", "_data", "created", "date", "key", "seq", "updated")

    def __init__(self, key: str, seq: int, data: RowData, created: int, updated: int) -> None:
        self.key, self.seq, self.created, self.updated = key, seq, created, updated
        self.set(data)

    def set(self, data: RowData) -> None:
        self._data: RowData | None = data
        self._body: bytes | None = None
        self.date = (data.get("date") or "")[:10]

    @property
    def data(self) -> RowData:
        """The whole row. Not to be changed in place: see `Table.change`."""
        return self._data if self._data is not None else orjson.loads(self._body or b"{}")

    @property
    def body(self) -> bytes:
        """The whole row as JSON."""
        if self._body is None:
            # Copied, because orjson's own bytes keep the large buffer they were written in.
            self._body = bytes(memoryview(orjson.dumps(self._data)))
            self._data = None
        return self._body


@dataclass(frozen=True)
class Tombstone:
    """What is left of a deleted row."""

    data: RowData
    deleted: int

    def wire(self, with_time: bool) -> RowData:
        return {**self.data, "deleted_at": instant(self.deleted)} if with_time else self.data


class Table:
    """Rows by id in order of arrival."""

    def __init__(self, resource: Resource) -> None:
        self.resource = resource
        self.rows: dict[str, Row] = {}
        self.tombstones: dict[str, Tombstone] = {}
        self.pattern: RowData = {}
        """The last row of a list that became empty, so that it can grow again."""
        self.hidden: Container[str] = ()
        """Ids of live rows that whoever signed in is not shown."""
        self._seq = 0
        self._kept: dict[Hashable, Any] = {}

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows.values())

    def __contains__(self, key: object) -> bool:
        return key in self.rows

    def add(self, values: RowData, created: float = 0, updated: float = 0) -> Row:
        """A new row: the declared fields, filled with these values, and whatever else they hold."""
        data = {**self.resource.blank, **values}
        created, updated = int(created), int(max(created, updated))
        if "created_at" in data:
            data["created_at"] = stamp = instant(created)
        if "updated_at" in data:
            data["updated_at"] = stamp if updated == created and "created_at" in data else instant(updated)
        self._seq += 1
        # Exchange rates have no id; their $path is the only name they have.
        row = Row(data.get("id") or data["$path"], self._seq, data, created, updated)
        self.rows[row.key] = row
        self._kept.clear()
        return row

    def change(self, key: str, values: RowData, when: float | None) -> Row:
        """Other values for some fields; `when` moves updated_at (None: silently)."""
        row = self.rows[key]
        data = {**row.data, **values}
        if when is not None:
            row.updated = max(row.updated, int(when))
            if "updated_at" in data:
                data["updated_at"] = instant(row.updated)
        row.set(data)
        self._kept.clear()
        return row

    def remove(self, key: str, when: float) -> None:
        """The row leaves the list; lists that can tell of deletions keep a tombstone."""
        row = self.rows.pop(key)
        if self.resource.deleted_since:
            known = {k: row.data.get(k) for k in ("id", "displayed_as", "$path")}
            self.tombstones[key] = Tombstone(known, int(when))
        if not self.rows:
            self.pattern = row.data
        self._kept.clear()

    def forget_answers(self) -> None:
        """What was answered before may be another answer now."""
        self._kept.clear()

    def kept(self, question: Hashable, answer: Callable[[], Any]) -> Any:
        """The answer to a question about this list, worked out again only after a change."""
        if question not in self._kept:
            self._kept[question] = answer()
        return self._kept[question]

    def seal(self) -> None:
        """Keep every row as bytes from now on: a big company is half as big so."""
        for row in self:
            _ = row.body

    def ordered(self, rows: list[Row], order: str) -> list[Row]:
        """Rows in the order asked for; ties in order of arrival, as a database would give them."""
        attribute, _, direction = order.partition(":")
        keys: dict[str, Callable[[Row], Any]] = {
            "created": lambda row: row.created,
            "updated": lambda row: row.updated,
            "date": lambda row: row.date,
            "random": lambda row: zlib.crc32(row.key.encode()),
        }
        key = keys.get(attribute.removesuffix("_at"))
        if key is None:
            field = "displayed_as" if attribute == "name" else attribute
            key = lambda row: row.data.get(field) or ""  # noqa: E731
        return sorted(rows, key=key, reverse=direction == "desc")
