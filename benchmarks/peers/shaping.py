"""The floor of row shaping: what has to happen to a record and nothing else, compiled from its schema.

It trusts Sage to send what the schema says, warns of nothing, checks nothing, and shapes the record in place. It is
what a careful person would write for a script that is used once; it shares no code with the connector.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

SCHEMAS: Final = Path(__file__).parents[2] / "source_sage" / "schemas"
Shape = Callable[[dict[str, Any]], None]


def schema_of(stream: str) -> dict[str, Any]:
    """The JSON Schema of a stream; every reader uses the same."""
    schema: dict[str, Any] = json.loads((SCHEMAS / f"{stream}.json").read_text())
    return schema


def compiled(schema: Mapping[str, Any]) -> Shape:
    """A function that shapes one record in place: decimals to numbers, `""` of a date or number to null, no `$path`,
    no links."""
    numbers, dates, objects, arrays = [], [], [], []
    for name, declared in schema.get("properties", {}).items():
        kinds = declared.get("type")
        kind = next(one for one in ([kinds] if isinstance(kinds, str) else kinds) if one != "null")
        if kind in ("number", "integer"):
            numbers.append(name)
        elif declared.get("format"):
            dates.append(name)
        elif kind == "object" and declared.get("properties"):
            objects.append((name, compiled(declared)))
        elif kind == "array" and declared.get("items", {}).get("properties"):
            arrays.append((name, compiled(declared["items"])))

    def shape(record: dict[str, Any]) -> None:
        record.pop("$path", None)
        record.pop("links", None)
        for name in numbers:
            value = record.get(name)
            if type(value) is str:
                record[name] = float(value) if value else None
        for name in dates:
            if record.get(name) == "":
                record[name] = None
        for name, inner in objects:
            if value := record.get(name):
                inner(value)
        for name, inner in arrays:
            for value in record.get(name) or ():
                inner(value)

    return shape
