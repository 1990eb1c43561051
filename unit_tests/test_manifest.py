import importlib
import json
import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from airbyte_cdk.models import FailureType, SyncMode
from airbyte_cdk.sources.declarative.concurrent_declarative_source import (
    get_declarative_component_schema,
    validate_manifest,
)
from airbyte_cdk.sources.streams.http.error_handlers import ResponseAction
from airbyte_cdk.sources.streams.http.error_handlers.response_models import ErrorResolution
from airbyte_cdk.utils.yaml_loader import safe_load_yaml
from pydantic import ValidationError

from source_sage.api.answers import seen
from source_sage.bodies import data_code
from source_sage.config import SageConfig
from source_sage.source import error_handler
from source_sage.streams import PACKAGE, StreamFacts, _facts, manifest, streams_of
from unit_tests.form import a_form

ALWAYS: Final = {
    "address_regions",
    "artefact_statuses",
    "attachment_context_types",
    "attachments",
    "deleted_records",
    "business_activity_types",
    "business_settings",
    "business_types",
    "businesses",
    "cis_settings",
    "countries",
    "countries_of_registration",
    "country_groups",
    "currencies",
    "eu_goods_services_types",
    "financial_settings",
    "invoice_settings",
    "legal_form_types",
    "payment_methods",
    "quick_entry_types",
    "transaction_types",
    "user",
}
FINANCIAL: Final = {
    "analysis_type_categories",
    "analysis_types",
    "bank_account_types",
    "bank_accounts",
    "bank_deposits",
    "bank_opening_balances",
    "bank_reconciliations",
    "bank_transfers",
    "business_exchange_rates",
    "coa_accounts",
    "coa_templates",
    "contact_opening_balance_types",
    "contact_opening_balances",
    "draft_tax_returns",
    "exchange_rates",
    "journal_lines",
    "journals",
    "ledger_account_classifications",
    "ledger_account_opening_balances",
    "ledger_account_types",
    "ledger_accounts",
    "ledger_entries",
    "live_exchange_rates",
    "opening_balance_journals",
    "other_payment_lines",
    "other_payments",
    "purchase_credit_note_lines",
    "purchase_credit_notes",
    "purchase_invoice_lines",
    "purchase_invoices",
    "purchase_quick_entries",
    "tax_profiles",
    "tax_rates",
    "tax_return_frequencies",
    "tax_returns",
    "tax_schemes",
    "tax_types",
    "transactions",
    "trial_balance",
}
INVENTORY: Final = {
    "catalog_item_types",
    "product_prices",
    "product_sales_price_types",
    "products",
    "service_rate_types",
    "service_rates",
    "services",
    "stock_item_prices",
    "stock_items",
    "stock_movements",
}
CUSTOMER: Final = {
    "address_types",
    "addresses",
    "contact_allocations",
    "contact_payments",
    "contact_person_types",
    "contact_persons",
    "contact_types",
    "contacts",
    "eu_sales_descriptions",
    "hosted_artefact_payment_settings",
    "payment_allocations",
    "sales_credit_note_lines",
    "sales_credit_notes",
    "sales_estimate_lines",
    "sales_estimates",
    "sales_invoice_lines",
    "sales_invoices",
    "sales_quick_entries",
    "sales_quote_lines",
    "sales_quotes",
    "unallocated_artefacts",
}

STREAMS: Final = {facts.name: facts for facts in streams_of(SageConfig.parse(a_form()))}


def names_with(**toggles: bool) -> list[str]:
    return [facts.name for facts in streams_of(SageConfig.parse(a_form(**toggles)))]


def entries() -> Iterator[dict[str, Any]]:
    for entry in manifest()["streams"]:
        yield from entry["streams"] if entry["type"] == "ConditionalStreams" else [entry]


# The manifest as a whole


def test_the_manifest_is_one_that_the_cdk_understands() -> None:
    validate_manifest(manifest(), get_declarative_component_schema())


def test_no_two_streams_share_a_name() -> None:
    names = [entry["retriever"]["name"] for entry in entries()]
    assert sorted(names) == sorted(set(names))


# What the manifest holds beside the facts of streams: what `source` reads, and what the CDK's schema wants.
KEYS: Final = {
    "manifest": {"type", "version", "check", "definitions", "streams", "spec"},
    "group": {"type", "condition", "streams"},
    "stream": {"type", "primary_key", "retriever"},
    "filter": {"type", "http_codes", "predicate", "action", "failure_type", "error_message"},
}


def test_the_manifest_holds_what_is_read_and_nothing_else() -> None:
    raw = safe_load_yaml((PACKAGE / "manifest.yaml").read_text("utf-8"))
    groups = [entry for entry in manifest()["streams"] if entry["type"] == "ConditionalStreams"]
    handler = manifest()["definitions"]["error_handler"]
    streams = [{**entry, **dict.fromkeys(entry.get("$parameters", {}))} for entry in entries()]
    handed_down = {name for entry in entries() for name in entry.get("$parameters", {})} | {"$parameters"}
    told = {
        "manifest": set(raw),
        "group": {name for entry in groups for name in entry},
        "stream": {name for entry in streams for name in entry} - handed_down,
        "filter": {name for one in handler["response_filters"] for name in one},
    }
    assert told == KEYS, "source_sage/manifest.yaml: a key that nobody reads, or one that is not here"
    assert set(handler) == {"type", "response_filters"}
    facts = {name for entry in entries() for name in entry["retriever"]} - {"type", "$parameters"}
    assert facts <= StreamFacts.model_fields.keys(), "source_sage/manifest.yaml: a fact that nobody reads"
    assert StreamFacts.model_fields.keys() - facts == {"primary_key"}, "a fact that no stream has"


def test_every_definition_is_used() -> None:
    text = (PACKAGE / "manifest.yaml").read_text("utf-8")
    unused = [name for name in manifest()["definitions"] if f'"#/definitions/{name}' not in text]
    assert unused == ["error_handler"], "source_sage/manifest.yaml: error_handler is what `source` reads"


@pytest.mark.parametrize("fact", StreamFacts.model_fields)
def test_every_fact_is_explained_and_read(fact: str) -> None:
    head = (PACKAGE / "manifest.yaml").read_text("utf-8").partition("version:")[0]
    assert re.search(rf"^#   {fact} ", head, re.MULTILINE), f"source_sage/manifest.yaml, its head: explain {fact}"
    read = [one for one in PACKAGE.rglob("*.py") if re.search(rf"\.{fact}\b", one.read_text("utf-8"))]
    assert read, f"nobody reads {fact}"


def test_a_fact_that_is_none_is_refused() -> None:
    odd = {"retriever": {"type": "x", "name": "x", "class_name": "x", "page_size": 1, "tombstone": True}}
    with pytest.raises(ValidationError, match="tombstone"):
        _facts({**odd, "primary_key": ["business_id"]})


LINES: Final = {name: facts for name, facts in STREAMS.items() if facts.parents}


@pytest.mark.parametrize("name", sorted(STREAMS.keys() - LINES.keys() - {"deleted_records"}))
def test_every_stream_is_read_by_a_class_that_exists(name: str) -> None:
    module, _, class_name = STREAMS[name].class_name.rpartition(".")
    assert callable(getattr(importlib.import_module(module), class_name).run)


def test_a_list_is_read_as_it_can_be_asked() -> None:
    lists = {name: facts for name, facts in STREAMS.items() if not (facts.parents or facts.fed_by_others)}
    classes = {name: facts.class_name.rpartition(".")[2] for name, facts in lists.items()}
    assert {name for name, one in classes.items() if one == "ChangingReading"} == {
        name for name, facts in lists.items() if facts.changes
    }
    assert {name for name, one in classes.items() if one == "MovementsReading"} == {"stock_movements"}
    assert {name for name, facts in lists.items() if facts.by_date} == {"stock_movements"}


def test_a_page_is_as_large_as_sage_gives() -> None:
    assert {facts.page_size for facts in STREAMS.values()} == {200}


def test_only_the_business_itself_is_read_from_an_address_of_its_own() -> None:
    own = {name: facts.path for name, facts in STREAMS.items() if facts.path != f"/{name}"}
    assert own == {"businesses": "/businesses/{business_id}"}


# Toggles


def test_all_groups_are_read_unless_switched_off() -> None:
    listed = ALWAYS | FINANCIAL | INVENTORY | CUSTOMER
    for name in sorted(set(names_with()) ^ listed):
        what = "take it out of" if name in listed else "write it into"
        pytest.fail(f'unit_tests/test_manifest.py: "{name}", {what} ALWAYS, FINANCIAL, INVENTORY or CUSTOMER')


@pytest.mark.parametrize(
    ("toggle", "group"),
    [
        ("replicate_financial_data", FINANCIAL),
        ("replicate_inventory_data", INVENTORY),
        ("replicate_customer_data", CUSTOMER),
    ],
)
def test_a_toggle_that_is_off_takes_away_exactly_its_group(toggle: str, group: set[str]) -> None:
    found = set(names_with()) - set(names_with(**{toggle: False}))
    assert found == group, (
        f"unit_tests/test_manifest.py: the set of {toggle} and the manifest differ by {found ^ group}"
    )


def test_what_several_groups_need_stays_with_all_toggles_off() -> None:
    off = names_with(replicate_financial_data=False, replicate_inventory_data=False, replicate_customer_data=False)
    assert set(off) == ALWAYS


def test_historical_data_changes_no_stream() -> None:
    assert names_with(include_historical_data=True) == names_with()


# Keys, cursors, schemas


def test_every_stream_has_a_schema_file_and_every_schema_file_a_stream() -> None:
    files = {path.stem for path in (PACKAGE / "schemas").iterdir()}
    assert files == set(STREAMS), "run `make docs`, which makes the schemas of docs/sage-lists.json"


@pytest.mark.parametrize("name", STREAMS)
def test_every_key_starts_with_the_business_and_its_fields_are_never_null(name: str) -> None:
    facts = STREAMS[name]
    assert facts.primary_key[0] == "business_id"
    assert len(facts.primary_key) == len(set(facts.primary_key))
    assert {facts.schema_["properties"][key]["type"] for key in facts.primary_key} == {"string"}


def test_these_streams_have_a_key_other_than_the_id() -> None:
    assert {name: keys.primary_key for name, keys in STREAMS.items() if keys.primary_key != ("business_id", "id")} == {
        "business_exchange_rates": ("business_id", "currency_id"),
        "business_settings": ("business_id",),
        "businesses": ("business_id",),
        "cis_settings": ("business_id",),
        "exchange_rates": ("business_id", "currency_id"),
        "financial_settings": ("business_id",),
        "invoice_settings": ("business_id",),
        "live_exchange_rates": ("business_id", "currency_id"),
        "trial_balance": ("business_id", "from_date", "ledger_account_id"),
        "deleted_records": ("business_id", "stream", "id"),
        "journal_lines": ("business_id", "journal_id", "id"),
        "other_payment_lines": ("business_id", "other_payment_id", "id"),
        "payment_allocations": ("business_id", "parent_id", "id"),
        "product_prices": ("business_id", "product_id", "id"),
        "purchase_credit_note_lines": ("business_id", "purchase_credit_note_id", "id"),
        "purchase_invoice_lines": ("business_id", "purchase_invoice_id", "id"),
        "sales_credit_note_lines": ("business_id", "sales_credit_note_id", "id"),
        "sales_estimate_lines": ("business_id", "sales_estimate_id", "id"),
        "sales_invoice_lines": ("business_id", "sales_invoice_id", "id"),
        "sales_quote_lines": ("business_id", "sales_quote_id", "id"),
        "service_rates": ("business_id", "service_id", "id"),
        "stock_item_prices": ("business_id", "stock_item_id", "id"),
    }


@pytest.mark.parametrize("name", [name for name, facts in STREAMS.items() if facts.cursor_field])
def test_every_cursor_field_is_a_moment_in_the_schema(name: str) -> None:
    facts = STREAMS[name]
    assert facts.schema_["properties"][str(facts.cursor_field)]["format"] == "date-time"


@pytest.mark.parametrize("name", [name for name, facts in STREAMS.items() if facts.date_field])
def test_every_date_that_bounds_a_stream_is_in_the_schema(name: str) -> None:
    facts = STREAMS[name]
    assert facts.schema_["properties"][str(facts.date_field)]["format"] in ("date", "date-time")


def test_a_list_that_takes_dates_is_also_checked_row_by_row() -> None:
    assert [name for name, facts in STREAMS.items() if facts.dates and not facts.date_field] == []


def test_deletions_are_asked_for_only_where_changes_are() -> None:
    assert [name for name, facts in STREAMS.items() if facts.tombstones and not facts.changes] == []


def test_only_attachments_are_asked_for_field_by_field() -> None:
    assert [name for name, facts in STREAMS.items() if facts.attributes != "all"] == ["attachments"]
    assert "file" not in STREAMS["attachments"].schema_["properties"]


def test_an_incremental_stream_is_offered_as_such() -> None:
    stream = STREAMS["sales_invoices"].as_airbyte_stream()
    assert stream.supported_sync_modes == [SyncMode.full_refresh, SyncMode.incremental]
    assert stream.source_defined_cursor is True
    assert stream.default_cursor_field == ["updated_at"]
    assert stream.source_defined_primary_key == [["business_id"], ["id"]]
    assert stream.is_resumable is True


def test_a_list_that_always_comes_whole_is_offered_as_such() -> None:
    stream = STREAMS["currencies"].as_airbyte_stream()
    assert stream.supported_sync_modes == [SyncMode.full_refresh]
    assert not stream.source_defined_cursor
    assert not stream.default_cursor_field
    assert stream.is_resumable is False


def test_a_list_without_a_filter_for_changes_is_incremental_all_the_same() -> None:
    by_date: dict[str, StreamFacts] = {name: facts for name, facts in STREAMS.items() if facts.by_date}
    assert {name: facts.cursor_field for name, facts in by_date.items()} == {"stock_movements": "updated_at"}


# Lines


@pytest.mark.parametrize("name", LINES)
def test_lines_stand_in_a_field_of_their_parents_and_are_incremental_as_these_are(name: str) -> None:
    facts = LINES[name]
    for parent, field in facts.parents.items():
        assert STREAMS[parent].schema_["properties"][field]["type"] == ["null", "array"]
        assert STREAMS[parent].cursor_field == facts.cursor_field == "updated_at"


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("toggle", ["replicate_financial_data", "replicate_inventory_data", "replicate_customer_data"])
def test_lines_are_in_their_parents_group(name: str, toggle: str) -> None:
    on = names_with(**{toggle: False})
    assert all((parent in on) == (name in on) for parent in LINES[name].parents)


@pytest.mark.parametrize("name", LINES)
def test_what_lines_carry_is_in_a_parent_and_in_their_schema(name: str) -> None:
    facts = LINES[name]
    of_parents = {field for parent in facts.parents for field in STREAMS[parent].schema_["properties"]}
    assert of_parents >= set(facts.carried)
    expected = {"updated_at", "read_at", "is_deleted", "deleted_at", *facts.carried, *facts.primary_key}
    assert facts.schema_["properties"].keys() >= expected


# What an answer means

NO_SUBSCRIPTION: Final = [
    {
        "$severity": "error",
        "$dataCode": "AuthorizationFailure",
        "$message": "No active subscription. (MSE)",
        "$source": "",
    }
]
NO_ROLE: Final = [
    {
        "$severity": "error",
        "$dataCode": "MultiUserAccessDenied",
        "$message": "You do not have access to this area.",
        "$source": "",
    }
]
NO_RECORD: Final = [
    {"$severity": "error", "$dataCode": "RecordNotFound", "$message": "Record not found.", "$source": ""}
]
NO_TOKEN: Final = [
    {"$severity": "error", "$dataCode": "InvalidAccessToken", "$message": "The token is no good.", "$source": ""}
]
BROKEN: Final = [
    {"$severity": "error", "$dataCode": "UnexpectedError", "$message": "An unexpected error occurred.", "$source": ""}
]
HTML: Final = "<html><body><h1>It did not work</h1></body></html>"


def meaning_of(status: int, body: Any = "") -> ErrorResolution:
    content = (body if isinstance(body, str) else json.dumps(body)).encode()
    return error_handler().interpret_response(seen(status, data_code(content)))


@pytest.mark.parametrize("body", [{"$items": []}, ""])
def test_a_good_answer_is_a_success(body: Any) -> None:
    assert meaning_of(200, body).response_action is ResponseAction.SUCCESS


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, NO_SUBSCRIPTION, "subscription"),
        (403, NO_SUBSCRIPTION, "subscription"),
        (403, NO_ROLE, "role"),
        (403, HTML, "role"),
        (403, "", "role"),
        (403, {"message": "Forbidden"}, "role"),
        (404, NO_RECORD, "no such list"),
        (404, HTML, "no such list"),
        (404, "", "no such list"),
    ],
)
def test_a_refused_list_is_left_out_with_a_remedy(status: int, body: Any, words: str) -> None:
    meaning = meaning_of(status, body)
    assert meaning.response_action is ResponseAction.IGNORE
    assert words in str(meaning.error_message)


@pytest.mark.parametrize(
    "body", [NO_TOKEN, [], [None], ["no"], None, {"error": "invalid_token"}, HTML, "", ["AuthorizationFailure"]]
)
def test_a_refused_token_is_renewed(body: Any) -> None:
    meaning = meaning_of(401, body)
    assert meaning.response_action is ResponseAction.REFRESH_TOKEN_THEN_RETRY
    assert meaning.failure_type is FailureType.config_error
    assert str(meaning.error_message).startswith("Sage refuses the sign-in even with a fresh token. Sign in to Sage")


@pytest.mark.parametrize("body", [[], {"message": "Too many"}, NO_SUBSCRIPTION, HTML, ""])
def test_too_many_requests_are_slowed_down(body: Any) -> None:
    assert meaning_of(429, body).response_action is ResponseAction.RATE_LIMITED


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527])
@pytest.mark.parametrize("body", [BROKEN, {"message": "Internal server error"}, NO_SUBSCRIPTION, HTML, ""])
def test_what_passes_by_itself_is_tried_again(status: int, body: Any) -> None:
    assert meaning_of(status, body).response_action is ResponseAction.RETRY


@pytest.mark.parametrize("status", [400, 405, 406, 415, 422])
@pytest.mark.parametrize("body", [BROKEN, {"error": "bad"}, NO_SUBSCRIPTION, HTML, ""])
def test_a_request_that_sage_does_not_understand_is_not_repeated(status: int, body: Any) -> None:
    meaning = meaning_of(status, body)
    assert meaning.response_action is ResponseAction.FAIL
    assert meaning.failure_type is FailureType.system_error
    assert "Please report it" in str(meaning.error_message)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_an_endpoint_that_sends_elsewhere_is_to_be_corrected(status: int) -> None:
    meaning = meaning_of(status, HTML)
    assert meaning.response_action is ResponseAction.FAIL
    assert meaning.failure_type is FailureType.config_error
    assert str(meaning.error_message).startswith("The API Endpoint sends requests on to another address. Enter")
