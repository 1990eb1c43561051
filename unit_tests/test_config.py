import datetime as dt
import traceback
from typing import Any, Final

import pytest
import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from hypothesis import given
from hypothesis import strategies as st
from urllib3.util import parse_url

from source_sage.config import ALLOWED_HOSTS, SAGE_API, Endpoints, SageConfig, Window
from source_sage.misspelt import misspelt
from unit_tests.form import SECRETS, a_form, a_form_without

SAGE_AUTHORIZE = "https://www.sageone.com/oauth2/auth/central"
SAGE_TOKEN = "https://oauth.accounting.sage.com/token"


def refusal_of(form: dict[str, Any]) -> AirbyteTracedException:
    with pytest.raises(AirbyteTracedException) as caught:
        SageConfig.parse(form)
    return caught.value


def message_of(form: dict[str, Any]) -> str:
    return str(refusal_of(form).message)


# What is filled in by itself


def a_form_of_defaults() -> dict[str, Any]:
    return {name: one.default for name, one in SageConfig.model_fields.items() if not one.is_required()}


def test_the_shortest_form_gets_the_defaults() -> None:
    config = SageConfig.parse(a_form_without("access_token"))
    assert config.api_endpoint == "https://api.accounting.sage.com/v3.1"
    assert (config.account_id, config.access_token, config.token_expiry_date) == ("", "", "")
    assert config.start_date == dt.date(2024, 1, 1)
    assert config.end_date is None
    assert config.replicate_financial_data is True
    assert config.replicate_inventory_data is True
    assert config.replicate_customer_data is True
    assert config.include_historical_data is False
    assert config.num_workers == 8


def test_keys_of_the_platform_are_left_alone() -> None:
    form = a_form(__injected_declarative_manifest={}, credentials={"x": 1})
    assert SageConfig.parse(form) == SageConfig.parse(a_form())


def test_spaces_around_what_was_typed_are_dropped() -> None:
    typed = {"client_id": " id ", "client_secret": " cs ", "refresh_token": " rt\n", "start_date": " 2024-03-01 "}
    config = SageConfig.parse(typed)
    assert (config.client_id, config.client_secret, config.refresh_token) == ("id", "cs", "rt")
    assert config.start_date == dt.date(2024, 3, 1)


@pytest.mark.parametrize("field", sorted(name for name in a_form_of_defaults() if name != "refresh_token"))
def test_null_in_a_field_that_may_be_left_out_means_its_default(field: str) -> None:
    assert getattr(SageConfig.parse(a_form(**{field: None})), field) == a_form_of_defaults()[field]


@pytest.mark.parametrize("nothing", [None, "", "  "])
def test_an_empty_end_date_is_an_open_end(nothing: str | None) -> None:
    assert SageConfig.parse(a_form(end_date=nothing)).end_date is None


def test_an_empty_api_endpoint_means_sage_itself() -> None:
    assert SageConfig.parse(a_form(api_endpoint="")).api_endpoint == SAGE_API


@pytest.mark.parametrize("missing", ["access_token", "refresh_token"])
def test_one_of_the_two_tokens_is_enough(missing: str) -> None:
    assert getattr(SageConfig.parse(a_form_without(missing)), missing) == ""


@pytest.mark.parametrize("days", [0, 366])
def test_the_look_back_may_be_at_its_limits(days: int) -> None:
    assert SageConfig.parse(a_form(look_back_days=days)).look_back_days == days


@pytest.mark.parametrize("workers", [1, 32])
def test_the_number_of_parallel_requests_may_be_at_its_limits(workers: int) -> None:
    assert SageConfig.parse(a_form(num_workers=workers)).num_workers == workers


def test_start_and_end_may_be_the_same_day() -> None:
    assert SageConfig.parse(a_form(end_date="2024-01-01")).end_date == dt.date(2024, 1, 1)


# What is refused, and how


@pytest.mark.parametrize(("field", "title"), [("client_id", "Client ID"), ("client_secret", "Client Secret")])
@pytest.mark.parametrize("nothing", ["", "   ", None])
def test_empty_client_credentials_are_named_as_missing(field: str, title: str, nothing: str) -> None:
    assert message_of(a_form(**{field: nothing})) == f"{title} is missing: fill it in."


@pytest.mark.parametrize(
    ("field", "title"), [("client_id", "Client ID"), ("client_secret", "Client Secret"), ("start_date", "Start Date")]
)
def test_an_absent_required_field_is_named_as_missing(field: str, title: str) -> None:
    assert message_of(a_form_without(field)) == f"{title} is missing: fill it in."


@pytest.mark.parametrize("nothing", [None, "", "  "])
def test_an_empty_start_date_is_named_as_missing(nothing: str | None) -> None:
    assert message_of(a_form(start_date=nothing)) == "Start Date is missing: fill in the first day you want to read."


@pytest.mark.parametrize(("field", "title"), [("start_date", "Start Date"), ("end_date", "End Date")])
@pytest.mark.parametrize(
    ("no_day", "quoted"),
    [
        ("2024-02-30", "2024-02-30 "),
        ("2024-13-01", "2024-13-01 "),
        (" 31/01/2024", "31/01/2024 "),
        ("2024-1-31", "2024-1-31 "),
        ("1 January 2024", "1 January 2024 "),
        ("May 5, 2024", "May 5, 2024 "),
        ("20240131", "20240131 "),
        ("2024-02-30T00:00:00Z", "2024-02-30T00:00:00Z "),
        ("soon", "soon "),
        (20240131, "20240131 "),
        (True, "True "),
        # Lengths that fit, but weeks are no days as the form asks for them.
        ("2024-W05-3", "2024-W05-3 "),
        # It may be a secret that was pasted into the wrong field.
        ("yesterday", ""),
        ("2024-01-31 and a half", ""),
        (["2024-01-31"], ""),
        ("a\nb", ""),
    ],
)
def test_what_is_no_calendar_day_is_refused_with_the_form_of_a_day(
    field: str, title: str, no_day: Any, quoted: str
) -> None:
    expected = f"{title} {quoted}is not a date of the calendar; write it as YYYY-MM-DD, such as 2024-01-31."
    assert message_of(a_form(**{field: no_day})) == expected


@pytest.mark.parametrize(("field", "title"), [("start_date", "Start Date"), ("end_date", "End Date")])
@pytest.mark.parametrize("time", ["T00:00:00Z", " 10:00", "T23:59:59.999+02:00"])
def test_a_date_with_a_time_is_told_without_it(field: str, title: str, time: str) -> None:
    told = message_of(a_form(**{field: f"2024-01-31{time}"}))
    assert told == f"{title} 2024-01-31{time} has a time; write the date alone: 2024-01-31."


def test_an_end_before_the_start_is_refused_with_both_dates() -> None:
    assert message_of(a_form(start_date="2024-05-01", end_date="2024-04-30")) == (
        "End Date (2024-04-30) is before Start Date (2024-05-01). Choose an End Date on or after the Start Date, "
        "or leave it empty to read up to today."
    )


@pytest.mark.parametrize(
    "form", [a_form_without("access_token", "refresh_token"), a_form() | {"access_token": "", "refresh_token": " "}]
)
def test_a_form_without_any_token_is_told_how_to_get_one(form: dict[str, Any]) -> None:
    message = message_of(form)
    assert message.startswith("Access Token and Refresh Token are both empty. Sign in with Sage, or paste")


@pytest.mark.parametrize("workers", [0, -1, 33, "many", 8.5, [], "8.5"])
def test_a_wrong_number_of_parallel_requests_is_refused_with_its_limits(workers: Any) -> None:
    assert message_of(a_form(num_workers=workers)) == "Parallel Requests must be a whole number from 1 to 32."


@pytest.mark.parametrize("days", [-1, 367, "many", 1.5])
def test_a_wrong_look_back_is_refused_with_its_limits(days: Any) -> None:
    message = message_of(a_form(look_back_days=days))
    assert message == "Look-back Window (days) must be a whole number from 0 to 366."


TRUTH: Final = "on or off, true or false in JSON"
GROUPS: Final = ("financial", "inventory", "customer")


@pytest.mark.parametrize(
    ("field", "title", "value", "wanted"),
    [
        ("replicate_financial_data", "Replicate Financial Data", "maybe", "on or off, true or false in JSON"),
        ("replicate_inventory_data", "Replicate Inventory Data", 7, "on or off, true or false in JSON"),
        ("replicate_customer_data", "Replicate Customer Data", [], "on or off, true or false in JSON"),
        ("include_historical_data", "Include Historical Data", "some", "on or off, true or false in JSON"),
        ("account_id", "Account ID", 5, "a text, in quotes in JSON"),
        ("client_id", "Client ID", 5, "a text, in quotes in JSON"),
        ("client_secret", "Client Secret", {}, "a text, in quotes in JSON"),
        ("access_token", "Access Token", 5, "a text, in quotes in JSON"),
        ("refresh_token", "Refresh Token", [], "a text, in quotes in JSON"),
        *[(f"replicate_{one}_data", f"Replicate {one.title()} Data", "yes", TRUTH) for one in GROUPS],
        ("include_historical_data", "Include Historical Data", "true", TRUTH),
        ("include_historical_data", "Include Historical Data", 1, TRUTH),
        ("api_endpoint", "API Endpoint", 5, "a text, in quotes in JSON"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_the_kind_wanted(
    field: str, title: str, value: Any, wanted: str
) -> None:
    assert message_of(a_form(**{field: value})) == f"{title} must be {wanted}."


def test_the_hidden_field_is_named_as_what_it_is() -> None:
    assert message_of(a_form(token_expiry_date=5)) == (
        "`token_expiry_date`, which the source itself fills in and the form does not show, must be a text: leave it "
        "out."
    )


@pytest.mark.parametrize("config", [[], 5, "text", None])
def test_a_config_that_is_no_object_is_refused(config: Any) -> None:
    assert message_of(config).startswith("The config is no object of fields")


# Misspelt keys


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("startdate", "start_date"),
        ("Start Date", "start_date"),
        ("start-date", "start_date"),
        ("startDate", "start_date"),
        ("refreshtoken", "refresh_token"),
        ("refesh_token", "refresh_token"),
        ("end_dat", "end_date"),
        ("client_ids", "client_id"),
        ("accountid", "account_id"),
        ("replicate_finance_data", "replicate_financial_data"),
        ("API_ENDPOINT", "api_endpoint"),
    ],
)
def test_a_key_that_is_nearly_ours_is_known(key: str, name: str) -> None:
    assert misspelt([key, *SageConfig.model_fields], SageConfig.model_fields) == {key: name}


@pytest.mark.parametrize(
    "key", ["credentials", "auth_type", "__injected_declarative_manifest", "start", "token", "x" * 5000, "", "\n", "€"]
)
def test_keys_of_others_are_none_of_ours(key: str) -> None:
    assert misspelt([key], SageConfig.model_fields) == {}


def test_a_missing_field_is_told_with_the_key_that_was_meant_for_it() -> None:
    form = a_form_without("start_date") | {"startdate": "2024-01-01", "clientid": "also there"}
    assert message_of(form) == (
        "Start Date is missing: fill it in. `startdate` is not a field of this source; it is called `start_date`."
    )


def test_every_wrong_field_is_named_at_once() -> None:
    message = message_of(a_form(client_id="", start_date="soon", num_workers=99))
    assert [title for title in ("Client ID", "Start Date", "Parallel Requests") if title in message] == [
        "Client ID",
        "Start Date",
        "Parallel Requests",
    ]


def test_a_wrong_form_is_not_tried_again_by_the_platform() -> None:
    assert refusal_of(a_form(start_date="soon")).failure_type is FailureType.config_error


@pytest.mark.parametrize(
    "changes",
    [
        {"start_date": "soon"},
        {"end_date": "2023-01-01"},
        {"client_secret": ["the-client-secret"]},
        {"access_token": {"value": "the-access-token"}},
        {"refresh_token": ["the-refresh-token"]},
        {"api_endpoint": "https://someone:the-client-secret@gateway.example"},
        {"api_endpoint": "https://gateway.example/?key=the-access-token"},
        {"api_endpoint": "the-access-token"},
        {"api_endpoint": "https://the-client-id:the-client-secret"},
        {"api_endpoint": "https://the-client-secret"},
        {"api_endpoint": "https://the-client-secret/v3.1"},
        {"account_id": "the-client-secret+"},
        {"account_id": "all, the-client-secret"},
        {"account_id": "the-access-token;the-refresh-token"},
        {"start_date": "the-access-token"},
        {"end_date": "the-access-token"},
        {"num_workers": "the-access-token"},
        {"replicate_financial_data": "the-access-token"},
    ],
)
def test_no_secret_leaves_with_a_refusal(changes: dict[str, Any]) -> None:
    refusal = refusal_of(a_form(**changes))
    told = "".join(traceback.format_exception(refusal)) + str(refusal.as_airbyte_message())
    assert [secret for secret in SECRETS if secret in told] == []


def test_no_secret_is_in_the_text_of_a_config() -> None:
    told = repr(SageConfig.parse(a_form()))
    assert [secret for secret in SECRETS if secret in told] == []


# Where Sage is


@pytest.mark.parametrize(
    ("typed", "api"),
    [
        ("https://api.accounting.sage.com/v3.1", "https://api.accounting.sage.com/v3.1"),
        ("https://api.accounting.sage.com", "https://api.accounting.sage.com/v3.1"),
        ("https://api.accounting.sage.com/", "https://api.accounting.sage.com/v3.1"),
        ("https://api.accounting.sage.com/v3.1/", "https://api.accounting.sage.com/v3.1"),
        ("  https://api.accounting.sage.com/v3.1  ", "https://api.accounting.sage.com/v3.1"),
        ("HTTPS://API.accounting.sage.com/v3.1", "https://api.accounting.sage.com/v3.1"),
        ("https://api.accounting.sage.com:443/v3.1", "https://api.accounting.sage.com:443/v3.1"),
        ("https://api.accounting.sage.com/v4", "https://api.accounting.sage.com/v4"),
    ],
)
def test_sages_own_host_uses_the_documented_sign_in_addresses(typed: str, api: str) -> None:
    assert Endpoints.of(typed) == Endpoints(api=api, authorize=SAGE_AUTHORIZE, token=SAGE_TOKEN)


@pytest.mark.parametrize(
    ("typed", "api", "root"),
    [
        ("https://api.sage.com", "https://api.sage.com/v3.1", "https://api.sage.com"),
        ("https://gw.example/", "https://gw.example/v3.1", "https://gw.example"),
        ("https://gw.example/sage/v3.1/", "https://gw.example/sage/v3.1", "https://gw.example"),
        ("https://gw.example:8443", "https://gw.example:8443/v3.1", "https://gw.example:8443"),
        ("https://GW.example/a_b/~c/v3.1", "https://gw.example/a_b/~c/v3.1", "https://gw.example"),
        ("https://10.1.2.3", "https://10.1.2.3/v3.1", "https://10.1.2.3"),
        ("https://[2001:db8::1]:8443/v3.1", "https://[2001:db8::1]:8443/v3.1", "https://[2001:db8::1]:8443"),
        ("https://gateway", "https://gateway/v3.1", "https://gateway"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/v3.1", "http://127.0.0.1:8080"),
        ("http://127.9.9.9", "http://127.9.9.9/v3.1", "http://127.9.9.9"),
        ("http://localhost:8080/v3.1", "http://localhost:8080/v3.1", "http://localhost:8080"),
        ("http://[::1]:8080", "http://[::1]:8080/v3.1", "http://[::1]:8080"),
    ],
)
def test_any_other_host_signs_in_on_its_own_origin(
    typed: str, api: str | None, root: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ALLOWED_HOSTS, "gateway, api.sage.com ,GW.example,,10.1.2.3,[2001:db8::1]")
    expected = Endpoints(api or f"{root}/v3.1", f"{root}/oauth/authorize", f"{root}/oauth/token")
    assert Endpoints.of(typed) == expected
    assert SageConfig.parse(a_form(api_endpoint=typed)).endpoints == expected


@pytest.mark.parametrize(
    "typed",
    [
        "http://api.accounting.sage.com/v3.1",
        "http://10.0.0.1",
        "http://[2001:db8::1]",
        "http://localhost.example",
        "http://127.0.0.1.example",
    ],
)
def test_http_is_refused_outside_this_machine(typed: str) -> None:
    assert message_of(a_form(api_endpoint=typed)).startswith(
        "API Endpoint must begin with https://: over http your token could be read on the way"
    )


@pytest.mark.parametrize(
    "typed", ["api.accounting.sage.com", "ftp://api.sage.com", "https://", "sage", "//api.sage.com"]
)
def test_what_is_no_full_address_is_refused_with_an_example(typed: str) -> None:
    assert message_of(a_form(api_endpoint=typed)) == (
        f"API Endpoint must be a full address that begins with https://, such as {SAGE_API}."
    )


@pytest.mark.parametrize(
    "typed",
    [
        "https://someone@gw.example",
        "https://someone:password@gw.example",
        "https://@gw.example",
        "https://api.accounting.sage.com@gw.example",
        "https://api.accounting.sage.com:pass@gw.example/v3.1",
        "https://gw.example/v3.1?page=1",
        "https://gw.example/v3.1#top",
        "https://gw.example?",
        "https://gw.example#",
        "https://api.accounting.sage.com%2egw.example",
        "https://gw.example/%2e%2e/v3.1",
        "https://gw.example/../v3.1",
        "https://gw.example/./v3.1",
        "https://gw.example//v3.1",
        "https://gw.example\\.api.accounting.sage.com",
        "https:///gw.example",
        "https://api.\u0430ccounting.sage.com",
        "https://api.accounting.sage\u3002com",
        "https://api.accounting.s\u00e0ge.com/v3.1",
        "https://api.accounting.sage.com/v3.\u0661",
        "https://api.accounting.sage.com.",
        "https://.api.accounting.sage.com",
        "https://api..sage.com",
        "https://-gw.example",
        "https://gw_x.example",
        "https://gw.example:",
        "https://gw.example:port",
        "https://gw.example:+443",
        "https://[::1",
        "https://[nothing]/v3.1",
        "https://[::ffff:127.0.0.1]",
        "https://[fe80::1%25eth0]",
        "https://gw .example/v3.1",
        "https://gw.example/v3.1\tx",
        "https://gw.example\n.api.accounting.sage.com",
        "https://api.accounting.sage.com/" + "x" * 33,
        "https://api.accounting.sage.com" + "/x" * 9,
        "https://" + "x" * 64 + ".example",
        "https://" + "x.example" * 40,
    ],
)
def test_what_is_not_a_plain_host_and_path_is_refused(typed: str) -> None:
    expected = f"API Endpoint must hold a plain host and path and nothing else, such as {SAGE_API}."
    assert message_of(a_form(api_endpoint=typed)) == expected


@pytest.mark.parametrize(
    "host",
    [
        "api.sage.com",
        "gw.example",
        "api.accounting.sage.com.evil.example",
        "evil-api.accounting.sage.com",
        "api.accounting.sage.com.",
        "xn--pi-7lc.accounting.sage.com",
        "169.254.169.254",
        "10.0.0.1",
        "0.0.0.0",  # noqa: S104
        "2130706433",
        "0x7f000001",
        "127.1",
        "0127.0.0.1",
        "[fd00::1]",
        "[::]",
        "localhost.example",
    ],
)
@pytest.mark.parametrize("allowed", [None, "", "example", "gw.example.evil,*,.,sage.com,*.example"])
def test_secrets_go_to_no_host_that_nobody_allowed(
    host: str, allowed: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ALLOWED_HOSTS, raising=False)
    if allowed is not None:
        monkeypatch.setenv(ALLOWED_HOSTS, allowed)
    message = message_of(a_form(api_endpoint=f"https://{host}/v3.1"))
    assert ("which is not Sage's" in message and ALLOWED_HOSTS in message) or "plain host" in message


def test_what_may_be_no_host_at_all_is_not_quoted() -> None:
    assert "s3cr3t" not in message_of(a_form(api_endpoint="https://s3cr3t"))


@pytest.mark.parametrize("port", ["0", "65536", "70000", "99999"])
def test_a_port_that_cannot_be_is_refused(port: str) -> None:
    message = message_of(a_form(api_endpoint=f"https://api.accounting.sage.com:{port}"))
    assert message == "API Endpoint has a port that cannot be: it is a number from 1 to 65535."


HOSTS = st.sampled_from(["api.accounting.sage.com", "127.0.0.1", "localhost", "[::1]", "gw.example", "evil.example"])
PIECES = st.sampled_from(
    ["@", ":", "/", "\\", "%2e", "%40", "?", "#", ".", "..", "//", " ", "\t", "\n", "\u3002", "x", "8"]
)


@given(st.sampled_from(["https://", "http://", "HTTPS://"]), st.lists(HOSTS | PIECES | st.text(max_size=5), max_size=6))
def test_whatever_is_typed_leads_to_a_known_host_or_nowhere(scheme: str, pieces: list[str]) -> None:
    """As requests understands the address, too, which is what counts."""
    try:
        endpoints = Endpoints.of(scheme + "".join(pieces))
    except ValueError:
        return
    for address in (endpoints.api, endpoints.token):
        request = requests.Request("GET", address).prepare()
        sent = parse_url(str(request.url))
        known = ("api.accounting.sage.com", "oauth.accounting.sage.com", "127.0.0.1", "localhost", "[::1]")
        assert sent.host in known and sent.auth is None and sent.query is None
        assert request.url == address


# Which businesses


@pytest.mark.parametrize("typed", ["all", "ALL", " All ", "all,all", "all, All,"])
def test_all_means_every_business(typed: str) -> None:
    config = SageConfig.parse(a_form(account_id=typed))
    assert config.wants_all_businesses
    assert config.business_ids == ()


@pytest.mark.parametrize(
    ("typed", "ids"),
    [
        ("", ()),
        ("a1", ("a1",)),
        (" a1 , b2 ", ("a1", "b2")),
        ("b2,a1", ("b2", "a1")),
        ("a1,b2,a1", ("a1", "b2")),
        ("a1,,b2,", ("a1", "b2")),
        ("allied", ("allied",)),
    ],
)
def test_business_ids_come_in_the_order_typed_without_repeats(typed: str, ids: tuple[str, ...]) -> None:
    config = SageConfig.parse(a_form(account_id=typed))
    assert config.business_ids == ids
    assert not config.wants_all_businesses


@pytest.mark.parametrize("typed", ["all, b2", "b2,ALL", "b2,all,b2", "all,b2,all"])
def test_all_beside_an_id_is_refused_since_it_cannot_mean_both(typed: str) -> None:
    assert message_of(a_form(account_id=typed)) == (
        "Account ID holds both `all` and b2. Enter either `all` for every business of your sign-in, or only the ids "
        "of those you want."
    )


@pytest.mark.parametrize(
    ("typed", "odd"),
    [
        ("a1;b2", "entry 1 of 1"),
        ("a1 b2", "entry 1 of 1"),
        ("Juniper & Pike Ltd", "entry 1 of 1"),
        ('["a1", "b2"]', "entry 1 and 2 of 2"),
        ("a1, b/2, c3", "entry 2 of 3"),
        ("*", "entry 1 of 1"),
        ("x" * 65, "entry 1 of 1"),
    ],
)
def test_what_cannot_be_an_id_is_refused_with_where_to_find_the_ids(typed: str, odd: str) -> None:
    message = message_of(a_form(account_id=typed))
    assert message.startswith(f"Account ID holds what is no business id ({odd}). Enter the id of a business")
    assert message.endswith("Test Connection names the businesses and their ids.")


@pytest.mark.parametrize("typed", [",", " , ,"])
def test_commas_alone_are_no_account_id(typed: str) -> None:
    assert message_of(a_form(account_id=typed)).startswith("Account ID holds no id.")


# Which dates

DAYS = st.dates(dt.date(2020, 1, 1), dt.date(2020, 2, 10))
WINDOWS = st.builds(Window, st.none() | DAYS, st.none() | DAYS).filter(
    lambda window: window.start is None or window.end is None or window.start <= window.end
)


def test_the_window_is_the_two_dates() -> None:
    config = SageConfig.parse(a_form(end_date="2024-06-30"))
    assert config.window == Window(dt.date(2024, 1, 1), dt.date(2024, 6, 30))


def test_historical_data_opens_the_start_and_keeps_the_end() -> None:
    config = SageConfig.parse(a_form(end_date="2024-06-30", include_historical_data=True))
    assert config.window == Window(None, dt.date(2024, 6, 30))


@pytest.mark.parametrize(
    ("day", "held"),
    [("2023-12-31", False), ("2024-01-01", True), ("2024-06-30", True), ("2024-07-01", False)],
)
def test_both_ends_of_a_window_are_inside(day: str, held: bool) -> None:
    window = Window.of_texts("2024-01-01", "2024-06-30")
    assert window.holds(dt.date.fromisoformat(day)) is held


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_text_is_an_open_end(nothing: str | None) -> None:
    assert Window.of_texts(nothing, nothing) == Window(None, None)


def test_a_text_that_is_no_date_makes_no_window() -> None:
    with pytest.raises(ValueError, match="soon"):
        Window.of_texts("soon", None)


@given(WINDOWS, WINDOWS, DAYS)
def test_a_window_that_covers_another_holds_all_its_days(wide: Window, narrow: Window, day: dt.date) -> None:
    if wide.covers(narrow) and narrow.holds(day):
        assert wide.holds(day)


@given(WINDOWS, WINDOWS)
def test_a_window_that_does_not_cover_another_lacks_one_of_its_days(wide: Window, narrow: Window) -> None:
    one = dt.timedelta(days=1)
    edges = [narrow.start, narrow.end, wide.start and wide.start - one, wide.end and wide.end + one]
    lacking = [day for day in edges if day and narrow.holds(day) and not wide.holds(day)]
    assert bool(lacking) is not wide.covers(narrow)


@given(WINDOWS)
def test_every_window_covers_itself_and_the_open_one_covers_every_window(window: Window) -> None:
    assert window.covers(window)
    assert Window(None, None).covers(window)
