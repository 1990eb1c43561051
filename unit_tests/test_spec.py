import logging
import re
from typing import Any, Final

import pytest
from airbyte_cdk.models import ConnectorSpecificationSerializer
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from jsonschema import Draft7Validator

from source_sage.config import SageConfig
from source_sage.source import SourceSage
from unit_tests.form import a_form, a_form_without

SPEC: Final[dict[str, Any]] = ConnectorSpecificationSerializer.dump(SourceSage().spec(logging.getLogger("spec")))
FORM: Final[dict[str, Any]] = SPEC["connectionSpecification"]
FIELDS: Final[dict[str, dict[str, Any]]] = FORM["properties"]
OAUTH: Final[dict[str, Any]] = SPEC["advanced_auth"]["oauth_config_specification"]

GROUPS: Final = {
    "basic": [
        "account_id",
        "client_id",
        "client_secret",
        "api_endpoint",
        "access_token",
        "refresh_token",
        "token_expiry_date",
    ],
    "dates": ["start_date", "end_date"],
    "replication": [
        "replicate_financial_data",
        "replicate_inventory_data",
        "replicate_customer_data",
        "include_historical_data",
    ],
    "advanced": ["num_workers", "look_back_days"],
}


def schema_takes(form: dict[str, Any]) -> bool:
    return bool(Draft7Validator(FORM).is_valid(form))


def connector_takes(form: dict[str, Any]) -> bool:
    try:
        SageConfig.parse(form)
    except AirbyteTracedException:
        return False
    return True


def test_the_form_is_a_valid_json_schema() -> None:
    Draft7Validator.check_schema(FORM)


def test_the_form_has_the_agreed_fields_in_their_groups_and_order() -> None:
    by_group: dict[str, list[str]] = {}
    for name, field in sorted(FIELDS.items(), key=lambda item: item[1]["order"]):
        by_group.setdefault(field["group"], []).append(name)
    assert by_group == GROUPS


def test_the_groups_are_titled_and_in_order() -> None:
    assert [(group["id"], group["title"]) for group in FORM["groups"]] == [
        ("basic", "Basic configuration"),
        ("dates", "Additional configuration"),
        ("replication", "Data replication options"),
        ("advanced", "Advanced"),
    ]


@pytest.mark.parametrize("group", GROUPS)
def test_no_two_fields_of_a_group_share_a_place(group: str) -> None:
    orders = [field["order"] for field in FIELDS.values() if field["group"] == group]
    assert len(orders) == len(set(orders))


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_has_a_title_and_a_description_of_its_own(name: str) -> None:
    field = FIELDS[name]
    assert field["title"]
    assert field["description"].endswith(".")
    assert [other for other in FIELDS if FIELDS[other]["description"] == field["description"]] == [name]


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_has_the_same_title_in_the_form_and_in_messages(name: str) -> None:
    assert FIELDS[name]["title"] == SageConfig.model_fields[name].title


def test_the_connector_reads_exactly_the_fields_of_the_form() -> None:
    assert set(SageConfig.model_fields) == set(FIELDS)


@pytest.mark.parametrize("name", [name for name, field in FIELDS.items() if "pattern" in field])
def test_every_pattern_is_described_and_takes_its_own_examples(name: str) -> None:
    field = FIELDS[name]
    assert field["pattern_descriptor"]
    assert field["examples"]
    assert [example for example in field["examples"] if not re.search(field["pattern"], example)] == []


@pytest.mark.parametrize(
    ("name", "example"), [(name, one) for name, field in FIELDS.items() for one in field.get("examples", [])]
)
def test_every_example_is_accepted_by_the_connector(name: str, example: Any) -> None:
    assert connector_takes(a_form(**{name: example}))


def test_exactly_the_secrets_are_hidden_from_view() -> None:
    secret = {name for name, field in FIELDS.items() if field.get("airbyte_secret")}
    assert secret == {"client_id", "client_secret", "access_token", "refresh_token"}


def test_only_the_token_expiry_date_is_not_shown() -> None:
    assert [name for name, field in FIELDS.items() if field.get("airbyte_hidden")] == ["token_expiry_date"]


def test_client_credentials_and_the_start_date_are_required() -> None:
    assert set(FORM["required"]) == {"client_id", "client_secret", "start_date"}
    assert set(FORM["required"]) == {name for name, field in SageConfig.model_fields.items() if field.is_required()}


def test_the_defaults_of_the_form_are_those_of_the_connector() -> None:
    in_form = {name: field["default"] for name, field in FIELDS.items() if "default" in field}
    assert in_form == {
        name: field.default
        for name, field in SageConfig.model_fields.items()
        if not field.is_required() and field.default not in ("", None)
    }


def test_fields_of_the_platform_are_allowed() -> None:
    assert FORM["additionalProperties"] is True


# The sign-in button


def test_sign_in_is_oauth_2() -> None:
    assert SPEC["advanced_auth"]["auth_flow_type"] == "oauth2.0"
    assert set(OAUTH) == {
        "oauth_connector_input_specification",
        "complete_oauth_output_specification",
        "complete_oauth_server_input_specification",
        "complete_oauth_server_output_specification",
    }


def test_sign_in_asks_for_reading_alone() -> None:
    assert OAUTH["oauth_connector_input_specification"]["scope"] == "readonly"


@pytest.mark.parametrize(
    "part",
    [
        "https://www.sageone.com/oauth2/auth/central?",
        "filter=apiv3.1",
        "response_type=code",
        "{{client_id_param}}",
        "{{redirect_uri_param}}",
        "{{scope_param}}",
        "{{state_param}}",
    ],
)
def test_the_consent_address_holds_what_sage_asks_for(part: str) -> None:
    assert part in OAUTH["oauth_connector_input_specification"]["consent_url"]


def test_the_code_is_changed_for_tokens_as_sage_documents_it() -> None:
    asked = OAUTH["oauth_connector_input_specification"]
    assert asked["access_token_url"] == "https://oauth.accounting.sage.com/token"
    assert asked["access_token_headers"]["Content-Type"] == "application/x-www-form-urlencoded"
    assert asked["access_token_params"] == {
        "{{ client_id_key }}": "{{ client_id_value }}",
        "{{ client_secret_key }}": "{{ client_secret_value }}",
        "{{ auth_code_key }}": "{{ auth_code_value }}",
        "{{ redirect_uri_key }}": "{{ redirect_uri_value }}",
        "grant_type": "authorization_code",
    }


@pytest.mark.parametrize("part", ["complete_oauth_output_specification", "complete_oauth_server_output_specification"])
def test_what_the_sign_in_yields_lands_in_fields_of_the_form(part: str) -> None:
    outputs = OAUTH[part]["properties"]
    assert outputs
    for name, output in outputs.items():
        assert output["path_in_connector_config"] == [name]
        assert name in FIELDS


def test_everything_the_sign_in_extracts_is_kept() -> None:
    asked = OAUTH["oauth_connector_input_specification"]
    assert asked["extract_output"] == ["access_token", "refresh_token", "expires_in"]
    assert asked["token_expiry_key"] == "expires_in"
    kept = OAUTH["complete_oauth_output_specification"]["properties"]
    # The platform turns the seconds into a date.
    assert set(kept) == {"access_token", "refresh_token", "token_expiry_date"}


def test_the_platform_supplies_the_client_credentials() -> None:
    assert set(OAUTH["complete_oauth_server_input_specification"]["properties"]) == {"client_id", "client_secret"}


# The form and the connector agree


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"account_id": ""},
        {"account_id": "all"},
        {"account_id": "0d40342d0287cd6b13555c54afca6c90, 1d40342d0287cd6b13555c54afca6c90"},
        {"api_endpoint": "https://api.accounting.sage.com"},
        {"api_endpoint": "http://127.0.0.1:8080/v3.1"},
        {"access_token": ""},
        {"end_date": ""},
        {"end_date": "2024-01-01"},
        {"include_historical_data": True},
        {"replicate_financial_data": False},
        {"num_workers": 1},
        {"num_workers": 32},
        {"look_back_days": 0},
        {"look_back_days": 366},
        {"something_of_the_platform": 1},
    ],
)
def test_form_and_connector_both_take(changes: dict[str, Any]) -> None:
    form = a_form(**changes)
    assert (schema_takes(form), connector_takes(form)) == (True, True)


@pytest.mark.parametrize(
    "form",
    [
        *(a_form_without(name) for name in ("client_id", "client_secret", "start_date")),
        a_form(account_id=5),
        a_form(client_id=""),
        a_form(client_id=None),
        a_form(client_secret=""),
        a_form(client_secret=5),
        a_form(api_endpoint="api.sage.com"),
        a_form(api_endpoint="ftp://api.sage.com"),
        a_form(access_token=5),
        a_form(refresh_token=5),
        a_form(start_date=""),
        a_form(start_date=None),
        a_form(start_date="2024-1-1"),
        a_form(start_date="2024-01-01T00:00:00Z"),
        a_form(end_date="31/12/2024"),
        a_form(replicate_financial_data="maybe"),
        a_form(num_workers=0),
        a_form(num_workers=33),
        a_form(num_workers=1.5),
        a_form(look_back_days=-1),
        a_form(look_back_days=367),
        a_form(look_back_days="soon"),
    ],
)
def test_form_and_connector_both_refuse(form: dict[str, Any]) -> None:
    assert (schema_takes(form), connector_takes(form)) == (False, False)


@pytest.mark.parametrize("name", ["api_endpoint", "include_historical_data", "num_workers", "account_id", "end_date"])
def test_the_connector_takes_null_for_what_was_left_out_which_the_form_never_sends(name: str) -> None:
    assert connector_takes(a_form(**{name: None}))


@pytest.mark.parametrize(
    "form",
    [
        a_form_without("access_token", "refresh_token"),
        a_form(client_id="  "),
        a_form(api_endpoint="http://api.sage.com"),
        a_form(api_endpoint="https://api.sage.com"),
        a_form(api_endpoint="https://user:password@api.sage.com"),
        a_form(start_date="2024-02-30"),
        a_form(start_date="2024-02-01", end_date="2024-01-31"),
    ],
)
def test_the_connector_refuses_what_a_schema_cannot_say(form: dict[str, Any]) -> None:
    assert (schema_takes(form), connector_takes(form)) == (True, False)


@pytest.mark.parametrize(
    ("field", "typed", "same_as"),
    [
        ("api_endpoint", "", "https://api.accounting.sage.com/v3.1"),
        ("account_id", None, ""),
        ("access_token", None, ""),
        ("end_date", None, ""),
        ("start_date", " 2024-01-01 ", "2024-01-01"),
        ("num_workers", "8", 8),
    ],
)
def test_a_config_written_by_hand_may_be_a_little_looser_than_the_form(field: str, typed: Any, same_as: Any) -> None:
    form = a_form(**{field: typed})
    assert not schema_takes(form)
    assert SageConfig.parse(form) == SageConfig.parse(a_form(**{field: same_as}))
