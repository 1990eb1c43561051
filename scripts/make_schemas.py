"""Write one JSON Schema per stream into source_sage/schemas/, and who may read it into source_sage/rights.yaml.

    python scripts/make_schemas.py

It reads what is in this repository:

    docs/sage-lists.json              what Sage says of its lists: fields and their types; its head explains the form
    CORRECTIONS, below                where the wire differs from that
    source_sage/manifest.yaml         which lists are streams, and which streams are lines of others
    scripts/field_descriptions.json   our descriptions by field name, or by `owner.field` where one name means two
                                      things (the owner is the stream, or the field around it)

The same input gives the same bytes. What is missing is told, with the file to write it into.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from scripts import make_rights
from source_sage.lists.rows import UNCONVERTED
from source_sage.streams import PACKAGE, StreamFacts, every_stream

Fragment = dict[str, Any]
# Names of fields, each with its type in the form of docs/sage-lists.json.
Fields = dict[str, str]

ROOT: Final = Path(__file__).parents[1]
LISTS: Final = ROOT / "docs" / "sage-lists.json"
DESCRIPTIONS: Final = Path(__file__).with_name("field_descriptions.json")
SCHEMAS: Final = PACKAGE / "schemas"

SCALARS: Final[dict[str, Fragment]] = {
    "s": {"type": ["null", "string"]},
    "n": {"type": ["null", "number"]},
    "i": {"type": ["null", "integer"]},
    "b": {"type": ["null", "boolean"]},
    "d": {"type": ["null", "string"], "format": "date"},
    "t": {"type": ["null", "string"], "format": "date-time", "airbyte_type": "timestamp_with_timezone"},
}
REFERENCE: Final[Fields] = {"id": "s", "displayed_as": "s"}
DELETION: Final[Fields] = {"is_deleted": "b", "deleted_at": "t"}

# Where the wire differs from what Sage says, by list or shape; None takes a field out.
CORRECTIONS: Final[dict[str, dict[str, str | None]]] = {
    # Declared, but of another type on the wire.
    "analysis_types": {"active_areas": "a:s", "analysis_type_level": "o:AnalysisTypeLevel"},
    "JournalLine": {"journal_line_foreign_currency": "o"},
    "LedgerAccountBalanceDetails": {"from_date": "d", "to_date": "d"},
    "purchase_credit_notes": {"inverse_exchange_rate": "n"},
    "stock_items": {"cost_price_last_updated": "t"},
    "stock_movements": {"date": "t", "movement_number": "i"},
    "transactions": {"audit_trail_id": "i", "number_of_attachments": "i", "origin": "r"},
    # Only a single GET gives these, or they would carry a whole file.
    "attachments": {"file": None},
    "purchase_invoices": {"corrections": None},
    "sales_invoices": {"corrections": None, "recurring_invoice": None},
    # On the wire, though Sage does not tell of them.
    "AnalysisTypeLevel": {"id": "i", "name": "s", "identifier": "s"},
    "bank_accounts": {"main_contact_person": "r"},
    "bank_transfers": {"editable": "b"},
    "businesses": {"user_roles": "a", "user_permissions": "a:UserPermission"},
    "UserPermission": {"area": "s", "role": "s"},
    "business_settings": {"smart_transaction_enabled": "b"},
    "contacts": {
        "preferred_address": "r",
        "preferred_contact_person": "r",
        "send_statements": "b",
        "statement_run": "b",
        "go_cardless_mandate": "b",
        "mandate_active": "b",
    },
    "financial_settings": {"exempt_from_vat": "b"},
    "ledger_accounts": {"ui_visible": "b", "bank_attached": "b"},
    "Subscription": {"accountant_pays": "b"},
}

# Streams that are no list of Sage's.
OWN_STREAMS: Final[dict[str, Fields]] = {
    "deleted_records": {"stream": "s", "id": "s", "deleted_at": "t", "is_inferred": "b", "last_seen_at": "t"},
    "trial_balance": {
        "from_date": "d",
        "to_date": "d",
        "ledger_account_id": "s",
        "ledger_account_displayed_as": "s",
        "opening_debit": "n",
        "opening_credit": "n",
        "debit": "n",
        "credit": "n",
        "closing_debit": "n",
        "closing_credit": "n",
    },
}


class InputError(Exception):
    """Something is missing; the message names it, and where to write it."""


class SchemaBuilder:
    """Turns fields into the schema of a stream.

    Args:
        shapes: the fields of each list and of each nested record, by name.
        texts: our descriptions.
    """

    def __init__(self, shapes: dict[str, Fields], texts: dict[str, str]) -> None:
        self._shapes = shapes
        self._texts = texts
        self._used: set[str] = set()
        self._undescribed: set[str] = set()

    def build(self, owner: str, shape: str | None, fields: Fields, keys: Iterable[str]) -> Fragment:
        """The schema of one stream: its keys are plain strings, everything else may be null."""
        parents = (shape,) if shape else ()
        fields = fields | {UNCONVERTED: "o"}
        schema = {"$schema": "http://json-schema.org/draft-07/schema#", **self._object(owner, fields, parents)}
        schema["type"] = "object"
        for name, field in schema["properties"].items():
            if name in keys:
                field["type"] = "string"
            if "description" not in field:
                self._undescribed.add(f"{owner}.{name}")
        return schema

    def check_descriptions(self) -> None:
        """Every top-level field has a description, and no description is left over.

        Raises:
            InputError: one is missing or too many.
        """
        if self._undescribed:
            lines = "".join(f'\n  "{one}": "...",' for one in sorted(self._undescribed))
            raise InputError(
                f"write into scripts/field_descriptions.json, by field name if it always means the same:{lines}"
            )
        if unused := self._texts.keys() - self._used:
            raise InputError(f"take out of scripts/field_descriptions.json: {', '.join(sorted(unused))}")

    def _object(self, owner: str, fields: Fields, parents: tuple[str, ...]) -> Fragment:
        properties = {
            name: self._described(owner, name, self._value(name, code, parents))
            for name, code in in_order(fields)
            if name != "links" and not name.startswith("$")
        }
        return {"type": ["null", "object"], "additionalProperties": True, "properties": properties}

    def _described(self, owner: str, name: str, field: Fragment) -> Fragment:
        key = f"{owner}.{name}" if f"{owner}.{name}" in self._texts else name
        if key not in self._texts:
            return field
        self._used.add(key)
        return {"description": self._texts[key], **field}

    def _value(self, name: str, code: str, parents: tuple[str, ...]) -> Fragment:
        """What the row owns is spelled out, never inside itself."""
        kind, _, what = code.partition(":")
        if kind == "a":
            items = what if not what or what in SCALARS or what == "r" else f"o:{what}"
            return {"type": ["null", "array"], **({"items": self._value(name, items, parents)} if items else {})}
        if kind in SCALARS:
            return dict(SCALARS[kind])
        if kind == "r" or what in parents:
            return self._object(name, REFERENCE, parents)
        if not what:
            return self._object(name, {}, parents)
        if what not in self._shapes:
            raise InputError(f'{name}: write the shape "{what}" into docs/sage-lists.json')
        return self._object(name, self._shapes[what], (*parents, what))


def in_order(fields: Fields) -> Iterable[tuple[str, str]]:
    """What identifies a row first, then Sage's order."""
    first = ("business_id", "id", "currency_id", "displayed_as")
    rank = {name: position for position, name in enumerate(first)}
    return sorted(fields.items(), key=lambda item: rank.get(item[0], len(first)))


def corrected(known: Fragment) -> dict[str, Fields]:
    """The fields of every list and shape, as the wire shows them."""
    shapes = {name: dict(one["fields"]) for name, one in known["lists"].items()} | known["shapes"]
    for name, fields in CORRECTIONS.items():
        all_fields = shapes.setdefault(name, {}) | fields
        shapes[name] = {field: code for field, code in all_fields.items() if code is not None}
    return shapes


def row_fields(facts: StreamFacts, known: Fragment, fields: Fields) -> Fields:
    """What the rows of a list hold."""
    rows = {"business_id": "s", **({"currency_id": "s"} if "currency_id" in facts.primary_key else {}), **fields}
    if known["since"] and (known["deleted_since"] or "date" in known["fields"]):
        rows |= {name: rows.get(name, code) for name, code in DELETION.items()}
    return rows


def line_fields(facts: StreamFacts, shapes: dict[str, Fields]) -> Fields:
    """What a row of a stream of lines holds.

    A field of the line that would hide one of ours, or one that it carries of its parent, is named `line_<field>`.
    """
    head: Fields = {"business_id": "s", facts.parent_key: "s", "id": "s"}
    if len(facts.parents) > 1:
        head["parent_stream"] = "s"
    own: Fields = {}
    for parent, field in facts.parents.items():
        head |= {name: shapes[parent][name] for name in facts.carried if name in shapes[parent]}
        own |= shapes[shapes[parent][field].removeprefix("a:")]
    head |= {"updated_at": "t", "read_at": "t"}
    renamed = {f"line_{name}" if name in head and name != "id" else name: code for name, code in own.items()}
    return head | {name: code for name, code in renamed.items() if name != "id"} | DELETION


def make_schemas() -> dict[Path, str]:
    """The text of each schema file.

    Raises:
        InputError: something is missing.
    """
    known = json.loads(LISTS.read_text("utf-8"))
    shapes = corrected(known)
    builder = SchemaBuilder(shapes, json.loads(DESCRIPTIONS.read_text("utf-8")))
    made = {}
    for name, facts in every_stream().items():
        if facts.parents:
            schema = builder.build("lines", None, line_fields(facts, shapes), facts.primary_key)
        elif name in OWN_STREAMS:
            schema = builder.build(name, None, {"business_id": "s"} | OWN_STREAMS[name], facts.primary_key)
        elif name in known["lists"]:
            rows = row_fields(facts, known["lists"][name], shapes[name])
            schema = builder.build(name, name, rows, {*facts.primary_key, *LISTED_KEYS.get(name, ())})
        else:
            raise InputError(f'write what Sage says of "{name}" into docs/sage-lists.json, under "lists"')
        made[SCHEMAS / f"{name}.json"] = json.dumps(schema, indent=2, ensure_ascii=False) + "\n"
    builder.check_descriptions()
    return made


# `/businesses/{id}` is asked for by its id, so its one row always has it.
LISTED_KEYS: Final = {"businesses": ("id",)}


def main() -> None:
    """Write the schemas and the rights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    try:
        made = make_schemas() | make_rights.documents()
    except InputError as error:
        parser.error(str(error))
    for path, text in made.items():
        path.write_text(text, "utf-8")
    for path in set(SCHEMAS.glob("*.json")) - made.keys():
        path.unlink()  # of a stream that there is no more
    sys.stdout.write(f"{len(made)} files written to {PACKAGE}\n")


if __name__ == "__main__":
    main()
