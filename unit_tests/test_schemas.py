import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from jsonschema import Draft7Validator

from scripts import make_rights, make_schemas
from source_sage.config import SageConfig
from source_sage.lists.rows import UNCONVERTED
from source_sage.streams import PACKAGE, streams_of
from unit_tests.form import a_form

Path_ = tuple[str, ...]

SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted((PACKAGE / "schemas").iterdir())
}
STREAMS: Final = {facts.name: facts for facts in streams_of(SageConfig.parse(a_form()))}
KEYS: Final = {name: set(facts.primary_key) for name, facts in STREAMS.items()}
# `/businesses/{id}` is asked for by its id, so the record always has it.
NEVER_NULL: Final = KEYS | {"businesses": {"business_id", "id"}}

# Fields whose names promise a date, an amount or a moment that they are not.
NO_DATES: Final = {
    # German documents: a text of up to 40 characters, such as "May 2024".
    ("sales_invoices", "delivery_performance_date"),
    # Whether the due date is printed.
    ("invoice_settings", "print_contact_details", "due_date"),
}
NO_AMOUNTS: Final = {
    # What the columns of a printed invoice are called.
    ("invoice_settings", "line_item_titles", "unit_price"),
    ("invoice_settings", "line_item_titles", "quantity"),
    ("invoice_settings", "line_item_titles", "discount"),
    # Whether the tax rate may be changed.
    ("coa_accounts", "fixed_tax_rate"),
    ("ledger_accounts", "fixed_tax_rate"),
    # Whether it is the sum of several rates.
    ("tax_rates", "is_combined_rate"),
    ("tax_rates", "component_tax_rates", "[]", "is_combined_rate"),
    # Which of the two it is.
    ("ledger_accounts", "balance_details", "credit_or_debit"),
}
MOMENTS_NAMED_DATE: Final = {("stock_movements", "date")}
AMOUNT_WORDS: Final = {
    "amount",
    "balance",
    "capital",
    "cost",
    "credit",
    "credits",
    "debit",
    "debits",
    "difference",
    "discount",
    "limit",
    "percentage",
    "price",
    "profit",
    "quantity",
    "rate",
    "total",
    "value",
    "weight",
}
COUNTERS: Final = {
    "audit_trail_id",
    "credit_days",
    "customer_credit_days",
    "estimate_default_days_to_expiry",
    "file_size",
    "gifi_code",
    "id",
    "movement_number",
    "next_credit_note_number",
    "next_invoice_number",
    "next_quote_number",
    "next_sales_corrective_invoice_number",
    "nominal_code",
    "number_of_attachments",
    "quote_default_days_to_expiry",
    "tax_return_id",
    "vendor_credit_days",
}


def nodes(schema: dict[str, Any], path: Path_) -> Iterator[tuple[Path_, dict[str, Any]]]:
    """The schema and everything in it, each with the names that lead to it."""
    yield path, schema
    for name, field in schema.get("properties", {}).items():
        yield from nodes(field, (*path, name))
    if "items" in schema:
        yield from nodes(schema["items"], (*path, "[]"))


ALL_NODES: Final = [node for name, schema in SCHEMAS.items() for node in nodes(schema, (name,))]
FIELDS: Final = [(path, field) for path, field in ALL_NODES if len(path) > 1]


def kinds(field: dict[str, Any]) -> set[str]:
    declared = field["type"]
    return {declared} if isinstance(declared, str) else set(declared)


def is_scalar(field: dict[str, Any]) -> bool:
    return not kinds(field) & {"object", "array"}


def test_what_is_made_is_up_to_date() -> None:
    made = make_schemas.make_schemas() | make_rights.documents()
    old = [path.name for path, text in made.items() if not path.exists() or path.read_text("utf-8") != text]
    assert old == [], "run `make docs`"


def test_a_list_that_nobody_described_is_asked_for_by_file(monkeypatch: pytest.MonkeyPatch) -> None:
    odd = STREAMS["contacts"].model_copy(update={"name": "gadgets"})
    monkeypatch.setattr(make_schemas, "every_stream", lambda: {"gadgets": odd})
    with pytest.raises(make_schemas.InputError, match=r'what Sage says of "gadgets" into docs/sage-lists\.json'):
        make_schemas.make_schemas()


def test_a_field_without_a_description_is_asked_for_by_file_and_line() -> None:
    builder = make_schemas.SchemaBuilder({}, {"id": "The id."})
    builder.build("gadgets", "gadgets", {"id": "s", "colour": "s"}, ["id"])
    with pytest.raises(
        make_schemas.InputError, match=r'scripts/field_descriptions\.json(.|\n)*"gadgets.colour": "...",'
    ):
        builder.check_descriptions()


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_valid_draft_07(name: str) -> None:
    assert SCHEMAS[name]["$schema"] == "http://json-schema.org/draft-07/schema#"
    Draft7Validator.check_schema(SCHEMAS[name])


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_row_names_its_business(name: str) -> None:
    assert SCHEMAS[name]["properties"]["business_id"]["type"] == "string"


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_stream_has_the_same_field_for_what_does_not_fit(name: str) -> None:
    assert SCHEMAS[name]["properties"][UNCONVERTED] == SCHEMAS["countries"]["properties"][UNCONVERTED]
    assert kinds(SCHEMAS[name]["properties"][UNCONVERTED]) == {"null", "object"}


def test_every_object_at_every_depth_may_hold_more_fields() -> None:
    objects = [(path, node) for path, node in ALL_NODES if "object" in kinds(node)]
    assert len(objects) > len(SCHEMAS)
    assert [path for path, node in objects if node.get("additionalProperties") is not True] == []


@pytest.mark.parametrize("name", SCHEMAS)
def test_only_what_identifies_a_row_is_never_null(name: str) -> None:
    fields = SCHEMAS[name]["properties"]
    assert {field for field in fields if "null" not in kinds(fields[field])} == NEVER_NULL[name]


def test_everything_below_the_top_may_be_null() -> None:
    assert [path for path, field in FIELDS if len(path) > 2 and "null" not in kinds(field)] == []


def test_every_field_has_one_kind_besides_null() -> None:
    assert [path for path, field in FIELDS if len(kinds(field) - {"null"}) != 1] == []


def test_every_top_level_field_is_described() -> None:
    assert [path for path, field in FIELDS if len(path) == 2 and not field.get("description")] == []


def test_every_moment_has_its_format_and_its_zone() -> None:
    moments = [(path, field) for path, field in FIELDS if path[-1].endswith("_at")]
    assert moments
    assert [
        path
        for path, field in moments
        if (field.get("format"), field.get("airbyte_type")) != ("date-time", "timestamp_with_timezone")
    ] == []


def test_every_date_has_its_format() -> None:
    dates = {path: field.get("format") for path, field in FIELDS if path[-1].split("_")[-1] == "date"}
    where = "unit_tests/test_schemas.py: a date has type d in docs/sage-lists.json; else write it into"
    assert {path for path, declared in dates.items() if declared is None} == NO_DATES, f"{where} NO_DATES"
    moments = {path for path, declared in dates.items() if declared == "date-time"}
    assert moments == MOMENTS_NAMED_DATE, f"{where} MOMENTS_NAMED_DATE"
    assert set(dates.values()) == {None, "date", "date-time"}


def test_every_date_time_is_one_with_a_zone_and_no_other_format_is_used() -> None:
    assert {field["format"] for _, field in FIELDS if "format" in field} == {"date", "date-time"}
    zoned = [path for path, field in FIELDS if field.get("airbyte_type") == "timestamp_with_timezone"]
    assert zoned == [path for path, field in FIELDS if field.get("format") == "date-time"]


def test_every_amount_rate_and_quantity_is_a_number() -> None:
    amounts = [(path, field) for path, field in FIELDS if path[-1].split("_")[-1] in AMOUNT_WORDS and is_scalar(field)]
    assert len(amounts) > 100
    odd = {path for path, field in amounts if "number" not in kinds(field)}
    assert odd == NO_AMOUNTS, "an amount has type n in docs/sage-lists.json; else write it into NO_AMOUNTS here"


def test_every_scalar_total_is_a_number() -> None:
    totals = [(path, field) for path, field in FIELDS if "total" in path[-1].split("_") and is_scalar(field)]
    assert totals
    assert [path for path, field in totals if "number" not in kinds(field)] == []


def test_only_true_counters_are_integers() -> None:
    counters = {path[-1] for path, field in FIELDS if "integer" in kinds(field)}
    assert counters == COUNTERS, "only what counts has type i in docs/sage-lists.json; write it into COUNTERS here"


def test_the_only_id_that_is_an_integer_is_that_of_an_analysis_type_level() -> None:
    assert [path for path, field in FIELDS if path[-1] == "id" and "integer" in kinds(field)] == [
        ("analysis_types", "analysis_type_level", "id")
    ]


def test_no_dollar_name_and_no_payment_link_is_declared() -> None:
    assert [path for path, _ in FIELDS if path[-1].startswith("$") or path[-1] == "links"] == []


def test_no_schema_points_elsewhere() -> None:
    assert [path for path, node in ALL_NODES if "$ref" in node] == []


@pytest.mark.parametrize(
    "name", [name for name, facts in STREAMS.items() if facts.tombstones or (facts.changes and facts.date_field)]
)
def test_a_stream_that_tells_of_deletions_declares_all_of_a_tombstone(name: str) -> None:
    fields = SCHEMAS[name]["properties"]
    assert fields["is_deleted"]["type"] == ["null", "boolean"]
    assert fields["deleted_at"]["format"] == "date-time"
    assert fields["updated_at"]["format"] == "date-time"
