"""Write what follows from the manifest and the schemas into docs/: the tables of streams, and how streams are related.

    python scripts/make_docs.py

`docs/sage.md` is written by hand, but for what stands between its markers. `docs/erd.dbml`, `docs/erd.md` and
`docs/views.sql` are written whole. The same package gives the same bytes; unit_tests/test_docs.py compares them.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from airbyte_cdk.utils.yaml_loader import safe_load_yaml

from source_sage.config import SageConfig
from source_sage.streams import PACKAGE, StreamFacts, every_stream, streams_of
from source_sage.views import NOT_POSTED, script

DOCS: Final = Path(__file__).parent.parent / "docs"
TOGGLES: Final = ("replicate_financial_data", "replicate_inventory_data", "replicate_customer_data")
BEGIN, END = "<!-- made by make docs -->", "<!-- end of what make docs makes -->"
HEAD: Final = "Made by `make docs` from the manifest and the schemas; do not edit."
VIEWS_HEAD: Final = f"""\
-- {HEAD}
--
-- A view for each table, of the same name, in the schema sage_views: ask these, and no sum counts too much. Plain SQL
-- that runs alike in DuckDB and PostgreSQL, as often as you like. `source-sage sync` makes them by itself. The tables
-- are taken from the schema sage_raw: if yours has another name, replace it; leave out what you do not read.
--
--   * Rows that are deleted are not there.
--   * Of lines, prices and allocations only those that their document has now: an edit sends all of them again, and the
--     earlier ones stay in the table. A line counts if no row of the same document is newer by (updated_at, read_at).
--   * Invoices, credit notes and quick entries, and their lines, are there if they are posted: {", ".join(NOT_POSTED)}
--     are not, since they are no entries in the books (a draft or pro forma invoice is none yet, a voided one none any
--     more). UNPAID, PART_PAID, PAID, DISPUTED and DECLINED are. Quotes and estimates are there in every status.
--   * A reference such as contact, in the table an object {{id, displayed_as}}, is two columns: contact and contact_id.
"""

# References whose field is not named after the stream they point at; None where no stream has what they point at,
# or where it depends on the row which one has.
ODD_REFERENCES: Final[dict[str, str | None]] = {
    "artefact": None,
    "attachment_context": None,
    "country_of_registration": "countries_of_registration",
    "insurer": "contacts",
    "invoice": "sales_invoices",
    "journal_code": None,
    "ledger_account_group": None,
    "origin": None,
    "original_quote_estimate": None,
    "status": "artefact_statuses",
    "tax_office": None,
    "usual_supplier": "contacts",
}
# Statuses of their own, which Sage has no list of.
OWN_STATUSES: Final = frozenset(
    ("bank_reconciliations", "sales_estimate_lines", "sales_estimates", "sales_quote_lines", "sales_quotes")
)
# Keys that are another stream's id.
KEY_REFERENCES: Final = {"currency_id": "currencies", "ledger_account_id": "ledger_accounts"}

# Records of other streams that rows carry whole instead of a reference.
CARRIED_WHOLE: Final = {"analysis_type_categories": "analysis_type_categories", "stock_item": "stock_items"}


class Picture(NamedTuple):
    """One diagram.

    Attributes:
        title: its heading.
        streams: what is in it.
        only_of: whose references are drawn; everybody's if it is empty.
    """

    title: str
    streams: tuple[str, ...]
    only_of: tuple[str, ...] = ()


DOCUMENTS: Final = ("sales_invoices", "purchase_invoices", "contact_payments", "other_payments", "bank_transfers")
PRICED: Final = ("products", "services", "stock_items")
PICTURES: Final = (
    Picture(
        "The ledger",
        ("ledger_accounts", "ledger_entries", "transactions", "journals", "journal_lines", "trial_balance"),
    ),
    Picture(
        "From a document to its ledger entries (the same for every other document)",
        (*DOCUMENTS, "transactions", "ledger_entries", "ledger_accounts"),
        (*DOCUMENTS, "ledger_entries"),
    ),
    Picture(
        "Sales",
        (
            "contacts",
            "sales_quotes",
            "sales_quote_lines",
            "sales_estimates",
            "sales_estimate_lines",
            "sales_invoices",
            "sales_invoice_lines",
            "sales_credit_notes",
            "sales_credit_note_lines",
            "sales_quick_entries",
        ),
    ),
    Picture(
        "Purchases",
        (
            "contacts",
            "purchase_invoices",
            "purchase_invoice_lines",
            "purchase_credit_notes",
            "purchase_credit_note_lines",
            "purchase_quick_entries",
        ),
    ),
    Picture(
        "What a line of a document points at (the same for each kind of document)",
        (
            "sales_invoice_lines",
            "ledger_accounts",
            "tax_rates",
            "products",
            "services",
            "eu_goods_services_types",
            "eu_sales_descriptions",
            "analysis_type_categories",
        ),
        ("sales_invoice_lines",),
    ),
    Picture(
        "Payments and bank",
        (
            "bank_accounts",
            "contact_payments",
            "contact_allocations",
            "payment_allocations",
            "other_payments",
            "other_payment_lines",
            "bank_transfers",
            "bank_deposits",
            "bank_reconciliations",
        ),
    ),
    Picture(
        "Contacts",
        ("contacts", "contact_persons", "addresses", "contact_types", "contact_person_types", "address_types"),
    ),
    Picture(
        "Products, services and stock",
        (
            *PRICED,
            "product_prices",
            "service_rates",
            "stock_item_prices",
            "stock_movements",
            "ledger_accounts",
            "tax_rates",
        ),
        (*PRICED, "product_prices", "service_rates", "stock_item_prices", "stock_movements"),
    ),
)


class Reference(NamedTuple):
    """One stream's field that holds the id of a row of another stream of the same business."""

    stream: str
    field: str
    target: str
    many: bool = False


def documents() -> dict[Path, str]:
    """Every file that is made, with its text."""
    user_docs = DOCS / "sage.md"
    by_hand = user_docs.read_text(encoding="utf-8")
    made = re.sub(f"{BEGIN}.*?{END}", lambda _: f"{BEGIN}\n{stream_tables()}\n{END}", by_hand, count=1, flags=re.DOTALL)
    views = f"{VIEWS_HEAD}\n{script(every_stream().values())}"
    return {user_docs: made, DOCS / "erd.dbml": dbml(), DOCS / "erd.md": pictures(), DOCS / "views.sql": views}


# The tables of streams


def stream_tables() -> str:
    """A table of streams for each toggle of the form, that of what is always read first."""
    form: dict[str, Any] = {"client_id": "-", "client_secret": "-", "refresh_token": "-", "start_date": "2024-01-01"}
    off = form | dict.fromkeys(TOGGLES, False)
    always = streams_of(SageConfig.parse(off))
    names = {facts.name for facts in always}
    tables = [_table("Always", always)]
    for toggle in TOGGLES:
        streams = [facts for facts in streams_of(SageConfig.parse(off | {toggle: True})) if facts.name not in names]
        tables.append(_table(str(SageConfig.model_fields[toggle].title), streams))
    return "\n".join(tables)


def _table(title: str, streams: list[StreamFacts]) -> str:
    lines = [
        f"\n#### {title} ({len(streams)} streams)\n",
        "| Stream | Sync modes | Cursor | Key | Deletions | Plan | Country | Role in |",
        "|:--|:--|:--|:--|:--|:--|:--|:--|",
    ]
    for facts in sorted(streams, key=lambda one: one.name):
        cells = (
            f"`{facts.name}`{_made_of(facts)}",
            "full, incremental" if facts.cursor_field else "full",
            f"`{facts.cursor_field}`" if facts.cursor_field else "",
            ", ".join(f"`{key}`" for key in facts.primary_key if key != "business_id") or "`business_id` alone",
            deletions(facts),
            *needs(facts),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _made_of(facts: StreamFacts) -> str:
    return f" (lines of {_code(facts.parents)})" if facts.parents else ""


def deletions(facts: StreamFacts) -> str:
    """How the stream shows that a row is gone at Sage."""
    if facts.fed_by_others:
        return "its rows are deletions"
    if facts.parents:
        shown = [deletions(every_stream()[parent]) for parent in facts.parents]
        return f"as its parent{', inferred' if any('inferred' in one for one in shown) else ''}"
    if facts.keeps_deleted:
        return "field `deleted`"
    if facts.tombstones:
        return "as rows"
    return "as rows, inferred" if facts.infers_deletions else "whole list each time"


def needs(facts: StreamFacts) -> tuple[str, str, str]:
    """The plans, countries and areas of roles that Sage gives a stream to; an empty text for all of them."""
    plans, countries, roles = [], [], []
    for name in facts.parents or (facts.name,):
        for entry in _rights():
            if name in entry["streams"]:
                plans += entry.get("plans", [])
                countries += entry.get("countries", [])
                if areas := entry.get("areas"):
                    roles.append(_either(areas) + (" (Full Access)" if entry.get("full_access") else ""))
    return ", ".join(dict.fromkeys(plans)), ", ".join(dict.fromkeys(countries)), "; ".join(dict.fromkeys(roles))


@functools.cache
def _rights() -> list[dict[str, Any]]:
    return list(safe_load_yaml((PACKAGE / "rights.yaml").read_text(encoding="utf-8")))


# How streams are related


def is_reference(field: dict[str, Any]) -> bool:
    """Tell whether a field is Sage's way of pointing at another record."""
    return set(field.get("properties", ())) == {"id", "displayed_as"}


def target_of(stream: str, field: str) -> str | None:
    """The stream that a reference points at: the longest end of the field's name that is a stream's name."""
    if field == "status" and stream in OWN_STATUSES:
        return None
    if field in ODD_REFERENCES:
        return ODD_REFERENCES[field]
    words = field.split("_")
    ends = (_plural("_".join(words[at:])) for at in range(len(words)))
    return next((end for end in ends if end in every_stream()), None)


def references() -> Iterator[Reference]:
    """All references between streams, in the order of streams and their fields. That every row points at its business
    goes without saying, and what nested records point at is in the streams of lines."""
    for name, facts in sorted(every_stream().items()):
        for parent in facts.parents:
            yield Reference(name, facts.parent_key, parent)
        for field, schema in facts.schema_["properties"].items():
            items = schema.get("items", {})
            target = KEY_REFERENCES.get(field) if field in facts.primary_key else None
            if is_reference(schema) or is_reference(items):
                target = target_of(name, field.removesuffix("s") if is_reference(items) else field)
            if field in CARRIED_WHOLE and name != CARRIED_WHOLE[field]:
                target = CARRIED_WHOLE[field]
            if target:
                yield Reference(name, field, target, many="items" in schema)


def unresolved() -> Iterator[tuple[str, str]]:
    """Streams and their references that point at no stream, or at one that depends on the row."""
    found = {(one.stream, one.field) for one in references()}
    for name, facts in sorted(every_stream().items()):
        for field, schema in facts.schema_["properties"].items():
            if is_reference(schema) and (name, field) not in found:
                yield name, field


def dbml() -> str:
    """Every stream with its fields and keys, and all references, in DBML."""
    blocks = [
        f"// {HEAD}\n// A reference is an object {{id, displayed_as}}; it points at the row with that id in the same "
        "business.\nProject sage {\n  database_type: 'Airbyte'\n}"
    ]
    for name, facts in sorted(every_stream().items()):
        fields = [f"  {field} {_dbml_type(schema)}" for field, schema in facts.schema_["properties"].items()]
        key = f"\n  indexes {{\n    ({', '.join(facts.primary_key)}) [pk]\n  }}"
        blocks.append(f"Table {name} {{\n" + "\n".join(fields) + f"\n{key}\n}}")
    lines = []
    for one in references():
        keys = ", ".join(every_stream()[one.target].primary_key)
        sign = "<>" if one.many else ">"
        lines.append(f"Ref: {one.stream}.(business_id, {one.field}) {sign} {one.target}.({keys})")
    return "\n\n".join([*blocks, "\n".join(lines)]) + "\n"


def _dbml_type(schema: dict[str, Any]) -> str:
    declared = schema.get("type", "string")
    kind = next(one for one in ([declared] if isinstance(declared, str) else declared) if one != "null")
    if kind == "string":
        return {"date": "date", "date-time": "timestamptz"}.get(schema.get("format", ""), "text")
    return {"number": "decimal", "integer": "bigint", "boolean": "boolean"}.get(kind, "json")


def pictures() -> str:
    """The diagrams, the table of all references, and what points at no stream."""
    parts = [
        "# How the streams are related\n",
        f"<!-- {HEAD} -->\n",
        "`business_id` is part of every key and every join, and is left out below. A reference such as `contact` is an "
        "object `{id, displayed_as}`: join on `(contact ->> 'id') = contacts.id`, with the parentheses, and on "
        "`business_id`; or use the [views](views.sql), in which it is flat. The pictures show "
        "the heart of the books; [erd.dbml](erd.dbml) has every stream with every field, for dbdiagram and its kin.\n",
    ]
    for picture in PICTURES:
        parts.append(f"## {picture.title}\n\n```mermaid\n{mermaid(picture)}\n```\n")
    parts.append("## All references\n\n| Points at | Field | In streams |\n|:--|:--|:--|")
    where: dict[tuple[str, str], list[str]] = {}
    for one in references():
        where.setdefault((one.target, one.field), []).append(one.stream)
    parts += [f"| `{target}` | `{field}` | {_code(where[target, field])} |" for target, field in sorted(where)]
    parts.append(
        "\nThese point at no stream: Sage has no list of what they name, or it depends on the row which list has it.\n"
    )
    nowhere: dict[str, list[str]] = {}
    for stream, field in unresolved():
        nowhere.setdefault(field, []).append(stream)
    parts += [f"* `{field}` in {_code(streams)}" for field, streams in sorted(nowhere.items())]
    return "\n".join(parts) + "\n"


def mermaid(picture: Picture) -> str:
    """The streams with their keys, and the references among them."""
    lines = ["erDiagram"]
    for name in picture.streams:
        facts = every_stream()[name]
        attributes = "".join(f"\n    string {field} PK" for field in facts.primary_key if field != "business_id")
        lines.append(f"  {name} {{{attributes}\n  }}")
    labels: dict[tuple[str, str, bool], list[str]] = {}
    for one in references():
        repeats_the_parents = one.field in every_stream()[one.stream].carried
        drawn = one.stream in (picture.only_of or picture.streams) and one.target in picture.streams
        if drawn and one.stream != one.target and not repeats_the_parents:
            labels.setdefault((one.target, one.stream, one.many), []).append(one.field)
    for (target, stream, many), fields in labels.items():
        sign = "}o--o{" if many else "|o--o{"
        lines.append(f'  {target} {sign} {stream} : "{", ".join(fields)}"')
    return "\n".join(lines)


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _either(names: list[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last


def _plural(word: str) -> str:
    if word.endswith("y") and not word.endswith(("ay", "ey", "oy")):
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith("s") else f"{word}s"


def main() -> None:
    """Write the files."""
    for path, text in documents().items():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
