"""Write one JSON Schema per stream from Sage's Swagger files.

    python scripts/make_schemas.py SWAGGER [SWAGGER ...] --streams STREAMS_JSON --out source_sage/schemas

A later Swagger file wins over an earlier one, field by field. Sage's texts are never copied: every
description comes from field_descriptions.json beside this script, keyed by field name, or by
`owner.field` where one name means two things (the owner is the stream, or the field around it).
The same input gives the same bytes. What the Swagger gets wrong is listed once, in CORRECTIONS.
Which streams are made of other streams' lines, and of which, is read from the manifest.
"""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from source_sage.rows import UNCONVERTED
from source_sage.streams import StreamFacts, every_stream

Fragment = dict[str, Any]
Properties = dict[str, Fragment]

DESCRIPTIONS = Path(__file__).with_name("field_descriptions.json")

STRING: Fragment = {"type": "string"}
BOOLEAN: Fragment = {"type": "boolean"}
INTEGER: Fragment = {"type": "integer"}
NUMBER: Fragment = {"type": "number"}
DATE: Fragment = {"type": "string", "format": "date"}
DATE_TIME: Fragment = {"type": "string", "format": "date-time"}
REFERENCE: Fragment = {"$ref": "#/definitions/Base"}
DELETION: Properties = {"is_deleted": BOOLEAN, "deleted_at": DATE_TIME}

# Where the wire differs from the Swagger, in the Swagger's own notation. None takes a field out.
CORRECTIONS: dict[str, dict[str, Fragment | None]] = {
    # Declared, but of another type on the wire.
    "AnalysisType": {
        "active_areas": {"type": "array", "items": STRING},
        "analysis_type_level": {
            "type": "object",
            "properties": {"id": INTEGER, "name": STRING, "identifier": STRING},
        },
    },
    "JournalLine": {"journal_line_foreign_currency": {"type": "object"}},
    "LedgerAccountBalanceDetails": {"from_date": DATE, "to_date": DATE},
    "PurchaseCreditNote": {"inverse_exchange_rate": NUMBER},
    "StockItem": {"cost_price_last_updated": DATE_TIME},
    "StockMovement": {"date": DATE_TIME, "movement_number": INTEGER},
    "Transaction": {"audit_trail_id": INTEGER, "number_of_attachments": INTEGER, "origin": REFERENCE},
    # Only a single GET gives these, or they would carry a whole file.
    "Attachment": {"file": None},
    "PurchaseInvoice": {"corrections": None},
    "SalesInvoice": {"corrections": None, "recurring_invoice": None},
    # On the wire, though the Swagger does not know them.
    "BankAccount": {"main_contact_person": REFERENCE},
    "BankTransfer": {"editable": BOOLEAN},
    "Business": {
        "user_roles": {"type": "array"},
        "user_permissions": {
            "type": "array",
            "items": {"type": "object", "properties": {"area": STRING, "role": STRING}},
        },
    },
    "BusinessSettings": {"smart_transaction_enabled": BOOLEAN},
    "Contact": {
        "preferred_address": REFERENCE,
        "preferred_contact_person": REFERENCE,
        "send_statements": BOOLEAN,
        "statement_run": BOOLEAN,
        "go_cardless_mandate": BOOLEAN,
        "mandate_active": BOOLEAN,
    },
    "FinancialSettings": {"exempt_from_vat": BOOLEAN},
    "LedgerAccount": {"ui_visible": BOOLEAN, "bank_attached": BOOLEAN},
    "Subscription": {"accountant_pays": BOOLEAN},
}

# Records with a list of their own come as references {id, displayed_as}; here the wire holds them whole.
INLINED = {"AnalysisType.analysis_type_categories", "StockMovement.stock_item"}

# Streams that Sage has no list for, each with the fields of its key.
OWN_STREAMS: dict[str, tuple[set[str], Properties]] = {
    "deleted_records": (
        {"stream", "id"},
        {"stream": STRING, "id": STRING, "deleted_at": DATE_TIME},
    ),
    "trial_balance": (
        {"from_date", "ledger_account_id"},
        {
            "from_date": DATE,
            "to_date": DATE,
            "ledger_account_id": STRING,
            "ledger_account_displayed_as": STRING,
            "opening_debit": NUMBER,
            "opening_credit": NUMBER,
            "debit": NUMBER,
            "credit": NUMBER,
            "closing_debit": NUMBER,
            "closing_credit": NUMBER,
        },
    ),
}


class InputError(Exception):
    """The inputs do not fit together; the message names what is missing."""


class SchemaBuilder:
    """Turns Swagger properties into the schema of a stream."""

    def __init__(self, definitions: dict[str, Properties], listed: set[str], texts: dict[str, str]) -> None:
        """`listed` names the definitions that have a list of their own."""
        self._definitions = definitions
        self._listed = listed
        self._texts = texts
        self._used: set[str] = set()
        self._undescribed: set[str] = set()

    def build(self, stream: str, definition: str | None, properties: Properties, keys: set[str]) -> Fragment:
        """The schema of one stream: its keys are plain strings, everything else may be null."""
        parents = (definition,) if definition else ()
        properties = properties | {UNCONVERTED: {"type": "object"}}
        schema = {
            "$schema": "http://json-schema.org/draft-07/schema#",
            **self._object(stream, properties, parents),
        }
        schema["type"] = "object"
        for name, field in schema["properties"].items():
            if name in keys:
                field["type"] = "string"
            if "description" not in field:
                self._undescribed.add(f"{stream}.{name}")
        return schema

    def check_descriptions(self) -> None:
        """Every top-level field has a description, and no description is left over."""
        if self._undescribed:
            raise InputError(f"no description for: {', '.join(sorted(self._undescribed))}")
        if unused := self._texts.keys() - self._used:
            raise InputError(f"descriptions of unknown fields: {', '.join(sorted(unused))}")

    def _object(self, owner: str, properties: Properties, parents: tuple[str, ...]) -> Fragment:
        fields = {
            name: self._field(owner, name, fragment, parents)
            for name, fragment in in_order(properties)
            if name != "links" and not name.startswith("$")
        }
        return {"type": ["null", "object"], "additionalProperties": True, "properties": fields}

    def _field(self, owner: str, name: str, fragment: Fragment, parents: tuple[str, ...]) -> Fragment:
        inline = bool(parents) and f"{parents[-1]}.{name}" in INLINED
        field = self._value(name, fragment, parents, inline)
        key = f"{owner}.{name}" if f"{owner}.{name}" in self._texts else name
        if key not in self._texts:
            return field
        self._used.add(key)
        return {"description": self._texts[key], **field}

    def _value(self, name: str, fragment: Fragment, parents: tuple[str, ...], inline: bool) -> Fragment:
        """Linked records become references; what the row owns is spelled out, never inside itself."""
        if "$ref" in fragment:
            target = fragment["$ref"].removeprefix("#/definitions/")
            if target in parents or (target in self._listed and not inline):
                target = "Base"
            return self._object(name, self._definitions[target], (*parents, target))
        if fragment["type"] == "array":
            array: Fragment = {"type": ["null", "array"]}
            if "items" in fragment:
                array["items"] = self._value(name, fragment["items"], parents, inline)
            return array
        if fragment["type"] == "object":
            return self._object(name, fragment.get("properties", {}), parents)
        return scalar(fragment)


def scalar(fragment: Fragment) -> Fragment:
    """A nullable string, number, integer or boolean; only dates keep their format."""
    field: Fragment = {"type": ["null", fragment["type"]]}
    if fragment.get("format") in ("date", "date-time"):
        field["format"] = fragment["format"]
    if fragment.get("format") == "date-time":
        field["airbyte_type"] = "timestamp_with_timezone"
    return field


def in_order(properties: Properties) -> Iterable[tuple[str, Fragment]]:
    """What identifies a row first, then the Swagger's order."""
    first = ("business_id", "id", "currency_id", "displayed_as")
    rank = {name: position for position, name in enumerate(first)}
    return sorted(properties.items(), key=lambda item: rank.get(item[0], len(first)))


def read_definitions(paths: Iterable[Path]) -> dict[str, Properties]:
    """The properties of every definition, corrected."""
    definitions: dict[str, Properties] = {}
    for path in paths:
        for name, definition in json.loads(path.read_text())["definitions"].items():
            definitions.setdefault(name, {}).update(definition.get("properties", {}))
    for name, fields in CORRECTIONS.items():
        for field, fragment in fields.items():
            if fragment is None:
                del definitions[name][field]
            else:
                definitions[name][field] = fragment
    return definitions


def stream_properties(facts: Fragment, properties: Properties) -> tuple[Properties, set[str]]:
    """What one stream's rows hold, and which of it is the key."""
    if unknown := set(facts["fields_seen_but_not_in_schema"]) - properties.keys() - {"links"}:
        raise InputError(f"{facts['stream']}: seen on the wire but not declared: {', '.join(sorted(unknown))}")
    added: Properties = {"business_id": STRING}
    key = facts["primary_key"] or []
    if any(name.startswith("derived") for name in key):
        added["currency_id"] = STRING
        key = ["currency_id"]
    rows = added | properties
    if facts["updated_or_created_since"] and (facts["deleted_since"] or facts["has"]["date"]):
        rows |= {name: rows.get(name, field) for name, field in DELETION.items()}
    return rows, {"business_id", *key}


def line_properties(facts: StreamFacts, definitions: dict[str, Properties], owners: dict[str, str]) -> Properties:
    """What a row of a stream of lines holds; `owners` names the definition of each stream.

    A field of the line that would hide one of ours, or one that it carries of its parent, is named `line_<field>`.
    """
    head: Properties = {"business_id": STRING, facts.parent_key: STRING, "id": STRING}
    if len(facts.parents) > 1:
        head["parent_stream"] = STRING
    own: Properties = {}
    for parent, field in facts.parents.items():
        properties = definitions[owners[parent]]
        head |= {name: properties[name] for name in facts.carried if name in properties}
        own |= definitions[properties[field]["items"]["$ref"].removeprefix("#/definitions/")]
    head |= {"updated_at": DATE_TIME, "read_at": DATE_TIME}
    renamed = {f"line_{name}" if name in head and name != "id" else name: field for name, field in own.items()}
    return head | {name: field for name, field in renamed.items() if name != "id"} | DELETION


def make_schemas(
    definitions: dict[str, Properties], facts: dict[str, list[Fragment]], texts: dict[str, str]
) -> dict[str, Fragment]:
    """The schemas of all streams, by name."""
    builder = SchemaBuilder(definitions, {entry["item_definition"] for entry in facts["lists"]}, texts)
    schemas = {}
    for entry in facts["lists"] + facts["singletons"]:
        stream, definition = entry["stream"], entry["item_definition"]
        if stream in OWN_STREAMS or not (entry["in_swagger_2025"] and entry["propose_as_stream"]):
            continue
        properties, keys = stream_properties(entry, definitions[definition])
        schemas[stream] = builder.build(stream, definition, properties, keys)
    for stream, (keys, properties) in OWN_STREAMS.items():
        schemas[stream] = builder.build(stream, None, {"business_id": STRING} | properties, {"business_id"} | keys)
    owners = {entry["stream"]: entry["item_definition"] for entry in facts["lists"]}
    for stream, line_facts in every_stream().items():
        if line_facts.parents:
            properties = line_properties(line_facts, definitions, owners)
            schemas[stream] = builder.build("lines", None, properties, set(line_facts.primary_key))
    builder.check_descriptions()
    return schemas


def main() -> None:
    """Read the command line, write the schemas."""
    parser = argparse.ArgumentParser(description="Write one JSON Schema per stream from Sage's Swagger files.")
    parser.add_argument("swagger", type=Path, nargs="+", help="Swagger 2.0 files, the newest last")
    parser.add_argument("--streams", type=Path, required=True, help="the facts about each list (streams.json)")
    parser.add_argument("--out", type=Path, required=True, help="folder for <stream>.json")
    arguments = parser.parse_args()
    definitions = read_definitions(arguments.swagger)
    facts = json.loads(arguments.streams.read_text())
    texts = json.loads(DESCRIPTIONS.read_text())
    try:
        schemas = make_schemas(definitions, facts, texts)
    except InputError as error:
        parser.error(str(error))
    for stream, schema in schemas.items():
        text = json.dumps(schema, indent=2, ensure_ascii=False)
        (arguments.out / f"{stream}.json").write_text(f"{text}\n")
    sys.stdout.write(f"{len(schemas)} schemas written to {arguments.out}\n")


if __name__ == "__main__":
    main()
