"""Writes a destination's rows into SQL tables of the types that Airbyte destinations and PyAirbyte give them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from integration_tests.harness import Message, Row

TIE_OUT: Final = (Path(__file__).parents[1] / "docs" / "tie-out.sql").read_text(encoding="utf-8")
_TYPES: Final = {
    ("string", ""): "VARCHAR",
    ("string", "date"): "DATE",
    ("string", "date-time"): "TIMESTAMP WITH TIME ZONE",
    ("number", ""): "DECIMAL(38, 9)",
    ("integer", ""): "BIGINT",
    ("boolean", ""): "BOOLEAN",
}


def columns_of(schema: Message, json_type: str) -> dict[str, str]:
    """The SQL type of each column of a stream.

    Args:
        schema: the stream's JSON Schema.
        json_type: what the database calls JSON.
    """
    columns = {}
    for name, field in schema["properties"].items():
        (kind,) = [one for one in _as_list(field["type"]) if one != "null"]
        columns[name] = _TYPES.get((kind, field.get("format", "")), json_type)
    return columns


def create_statement(stream: Message, json_type: str) -> str:
    """The table of a stream, keys not enforced: a destination's dedup is its own affair."""
    columns = columns_of(stream["json_schema"], json_type)
    return f'CREATE TABLE "{stream["name"]}" ({", ".join(f"{_quoted(name)} {kind}" for name, kind in columns.items())})'


def values_of(stream: Message, rows: Iterable[Row]) -> Iterator[tuple[Any, ...]]:
    """The rows as tuples in the table's order; nested values as JSON text."""
    names = list(stream["json_schema"]["properties"])
    for row in rows:
        yield tuple(_plain(row.get(name)) for name in names)


def _plain(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, dict | list) else value


def _quoted(name: str) -> str:
    return f'"{name}"'


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
