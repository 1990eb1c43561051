"""Write what the sandbox must know about Sage's lists: `integration_tests/sandbox/resources.json`.

    python scripts/make_sandbox_facts.py SWAGGER_2024 SWAGGER_2025 STREAMS_JSON

Only facts are taken over (names, types, parameters, plans, roles), never descriptions.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parent.parent / "integration_tests" / "sandbox" / "resources.json"
PLAIN = {"string": "s", "number": "n", "integer": "i", "boolean": "b", "object": "o"}
# A calculation that needs arguments, not a table.
NOT_A_TABLE = {"tax_determinations"}


def definition_of(reference: dict[str, Any]) -> str | None:
    """The definition a `$ref` points at, if it is one."""
    return reference["$ref"].rsplit("/", 1)[-1] if "$ref" in reference else None


class Shapes:
    """Field types of definitions; collects the nested ones that rows carry in full."""

    def __init__(self, definitions: dict[str, Any], rows: set[str]) -> None:
        self.definitions, self.rows = definitions, rows
        self.nested: dict[str, dict[str, str]] = {}

    def fields(self, definition: str) -> dict[str, str]:
        properties = self.definitions[definition].get("properties", {})
        return {name: self.type_code(schema) for name, schema in properties.items()}

    def type_code(self, schema: dict[str, Any]) -> str:
        """One letter for a plain type, `r` for a reference, `o:`/`a:` and a name for what is nested."""
        if name := definition_of(schema):
            return "r" if self.is_reference(name) else "o:" + self.keep(name)
        if schema.get("type") == "array":
            name = definition_of(schema.get("items", {}))
            return "a" if name is None or self.is_reference(name) else "a:" + self.keep(name)
        if schema.get("type") == "string":
            return {"date": "d", "date-time": "t"}.get(schema.get("format", ""), "s")
        return PLAIN[schema.get("type", "object")]

    def is_reference(self, name: str) -> bool:
        """Rows of other lists arrive as {id, displayed_as, $path}, whatever the Swagger says."""
        return name in self.rows or set(self.definitions[name].get("properties", {})) <= {
            "id",
            "displayed_as",
            "$path",
        }

    def keep(self, name: str) -> str:
        if name not in self.nested:
            self.nested[name] = {}
            self.nested[name] = self.fields(name)
        return name


def roles_of(text: str | None) -> dict[str, Any] | None:
    """Which role is needed where, out of the sentence: `need` one of the areas, or all of them."""
    if not text:
        return None
    ladder = ("Full Access", "Restricted Access", "Read Only")
    each = re.findall(r"Area: `([^`]+)`: ([^*]+)", text)
    if each:
        return {"need": "any", "areas": {area: [r for r in ladder if r in tail] for area, tail in each}}
    areas, levels = text.rsplit(":", 1)
    names = re.findall(r"`([^`]+)`", areas)
    return {"need": "all", "areas": {area: [r for r in ladder if r in levels] for area in names}}


def main(swagger_2024: str, swagger_2025: str, streams_json: str) -> None:
    """Read the three files, write the facts."""
    definitions: dict[str, Any] = {}
    for path in (swagger_2024, swagger_2025):
        definitions |= json.loads(Path(path).read_text("utf-8"))["definitions"]
    streams = json.loads(Path(streams_json).read_text("utf-8"))
    wanted = [
        s for s in streams["lists"] + streams["singletons"] if s["in_swagger_2025"] and s["stream"] not in NOT_A_TABLE
    ]
    shapes = Shapes(definitions, {s["item_definition"] for s in wanted})
    resources = {
        s["stream"]: {
            "path": s["path"],
            "kind": s["kind"],
            "params": s["query_params"],
            "sort": s.get("sort_attributes") or [],
            "since": s["updated_or_created_since"],
            "deleted_since": s["deleted_since"],
            "dates": s["from_to_date_filters_rows"] and s["kind"] == "list",
            "plans": s["availability_2025"],
            "roles": roles_of(s["roles"]),
            "static": s["sage_says_static"],
            "fields": shapes.fields(s["item_definition"]),
        }
        for s in wanted
    }
    lines = [f"{json.dumps(name)}:{json.dumps(facts, separators=(',', ':'))}" for name, facts in resources.items()]
    nested = [
        f"{json.dumps(name)}:{json.dumps(fields, separators=(',', ':'))}"
        for name, fields in sorted(shapes.nested.items())
    ]
    text = '{"resources":{\n' + ",\n".join(lines) + '\n},\n"shapes":{\n' + ",\n".join(nested) + "\n}}\n"
    json.loads(text)
    TARGET.write_text(text, "utf-8")
    sys.stdout.write(f"{TARGET}: {len(resources)} resources, {len(nested)} nested shapes, {len(text)} bytes\n")


if __name__ == "__main__":
    main(*sys.argv[1:4])
