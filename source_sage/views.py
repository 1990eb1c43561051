"""SQL views without traps over the tables that a destination writes: live rows, posted documents, flat references.

A sum over a raw table counts rows that are deleted, versions of lines that an edit replaced, drafts, and voided
documents. A view of the same name in a schema of its own (VIEWS) does not. The SQL is plain: DuckDB and PostgreSQL run
it alike. docs/views.sql is made of all of them; `source-sage sync` creates those whose table is there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from source_sage.streams import StreamFacts

TABLES: Final = "sage_raw"
VIEWS: Final = "sage_views"
# What is no entry in the books: not yet (a draft, a pro forma invoice), or not any more (a voided one). The statuses
# that count are all others: UNPAID, PART_PAID, PAID, DISPUTED, DECLINED (Sage's list `artefact_statuses`).
NOT_POSTED: Final = ("DRAFT", "PRO_FORMA", "VOID")
DOCUMENTS: Final = (
    "purchase_credit_notes",
    "purchase_invoices",
    "purchase_quick_entries",
    "sales_credit_notes",
    "sales_invoices",
    "sales_quick_entries",
)
# Columns whose names a database keeps for itself.
RESERVED: Final = frozenset(("date", "default", "desc", "end", "from", "group", "order", "to", "transaction", "user"))
REFERENCE: Final = {"id", "displayed_as"}
# They say that a row is not live.
MARKS: Final = ("deleted", "deleted_at", "is_deleted")


def view(facts: StreamFacts) -> str:
    """The statements that make the view of one stream anew."""
    name = f"{VIEWS}.{facts.name}"
    columns = ",\n    ".join(column for field, schema in _fields(facts) for column in _columns(facts, field, schema))
    conditions = [f"{field} IS NOT TRUE" for field in ("deleted", "is_deleted") if field in _properties(facts)]
    if {facts.name, *facts.parents} & set(DOCUMENTS):
        conditions.append(f"coalesce((status ->> 'id'), '') NOT IN ({', '.join(map(_text, NOT_POSTED))})")
    source = f"{TABLES}.{facts.name}"
    if facts.parents:
        whose = (
            "business_id, parent_stream, parent_id" if len(facts.parents) > 1 else f"business_id, {facts.parent_key}"
        )
        source = (
            f"(\n    SELECT *, rank() OVER (PARTITION BY {whose} ORDER BY updated_at DESC, read_at DESC) AS age\n"
            f"    FROM {source}\n) AS aged"
        )
        conditions.insert(0, "age = 1")
    where = f"\nWHERE {' AND '.join(conditions)}" if conditions else ""
    return f"DROP VIEW IF EXISTS {name};\nCREATE VIEW {name} AS\nSELECT\n    {columns}\nFROM {source}{where};\n"


def script(streams: Iterable[StreamFacts]) -> str:
    """All views, with the schema that they are in."""
    return "\n".join([f"CREATE SCHEMA IF NOT EXISTS {VIEWS};\n", *map(view, streams)])


def _properties(facts: StreamFacts) -> dict[str, Any]:
    properties: dict[str, Any] = facts.schema_["properties"]
    return properties


def _fields(facts: StreamFacts) -> Iterable[tuple[str, Any]]:
    """The columns that still say something where all rows are live."""
    said = MARKS if "is_deleted" in _properties(facts) else ()
    return ((name, one) for name, one in _properties(facts).items() if name not in said)


def _columns(facts: StreamFacts, field: str, schema: Any) -> list[str]:
    """A reference becomes two columns: its text under its own name, its id under `…_id`, unless that is there."""
    quoted = f'"{field}"' if field in RESERVED else field
    if set(schema.get("properties", ())) != REFERENCE:
        return [quoted]
    own = f"{field}_id"
    text = f"({quoted} ->> 'displayed_as') AS {quoted}"
    return [text] if own in _properties(facts) else [text, f"({quoted} ->> 'id') AS {own}"]


def _text(value: str) -> str:
    return f"'{value}'"
