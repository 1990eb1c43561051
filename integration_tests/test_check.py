"""Test Connection over real HTTP: what it says when it works, and for each way it can fail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integration_tests.forty_businesses import forty_businesses
from integration_tests.harness import catalog_of, discover, run
from integration_tests.pipeline import SandboxClock
from integration_tests.ports import free_port
from integration_tests.sandbox import Sandbox, faults
from source_sage.config import ALLOWED_HOSTS


@pytest.fixture
def own() -> Iterator[Sandbox]:
    """A sandbox that the test may break."""
    with Sandbox(size="tiny", seed=2) as sandbox:
        yield sandbox


def failed(config: dict[str, Any]) -> str:
    """The message of a check that must fail, as one plain text."""
    output = run("check", config)
    assert output.failure is None
    assert output.status["status"] == "FAILED"
    message = str(output.status["message"])
    assert "Traceback" not in message and "Error(" not in message
    assert message.endswith(".")
    return message


def test_it_names_the_business_it_found(box: Sandbox) -> None:
    status = run("check", box.config()).status
    assert status["status"] == "SUCCEEDED"
    assert box.businesses[0].name in status["message"] and box.businesses[0].id in status["message"]


def test_it_is_a_handful_of_requests_and_never_renews_a_good_token(own: Sandbox) -> None:
    output = run("check", own.config())
    assert len(own.requests) <= 5
    assert own.tokens.refreshes == 0
    assert output.configs == []


@pytest.mark.parametrize(("wishes", "requests"), [([{}], 5), (forty_businesses(), 8)])
def test_it_takes_less_than_five_seconds_though_each_request_takes_a_third_of_one(
    wishes: list[dict[str, Any]], requests: int
) -> None:
    with Sandbox(size="tiny", businesses=wishes) as box:
        clock = SandboxClock(box)
        assert run("check", box.config(), clock=clock).status["status"] == "SUCCEEDED"
        assert len(box.requests) / 3 + sum(clock.slept) < 5, "one after the other, and the pauses"
        assert len(box.requests) <= requests
        assert box.tokens.refreshes == 0


def test_the_account_id_may_be_left_empty_with_one_business(box: Sandbox) -> None:
    assert run("check", box.config(account_id="")).status["status"] == "SUCCEEDED"


def test_an_unreachable_endpoint_is_told_with_its_address() -> None:
    address = f"http://127.0.0.1:{free_port()}"
    config = {
        "client_id": "c",
        "client_secret": "s",
        "access_token": "t",
        "api_endpoint": address,
        "start_date": "2024-01-01",
    }
    message = failed(config)
    assert f"{address}/v3.1" in message and "API Endpoint" in message and "the connection failed" in message


def test_an_unknown_host_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ALLOWED_HOSTS, "sage.invalid")
    config = {
        "client_id": "c",
        "client_secret": "s",
        "access_token": "t",
        "api_endpoint": "https://sage.invalid",
        "start_date": "2024-01-01",
    }
    message = failed(config)
    assert "sage.invalid" in message and "API Endpoint" in message


def test_a_path_that_is_not_sages_is_told(box: Sandbox) -> None:
    message = failed(box.config(api_endpoint=f"{box.root}/v2"))
    assert f"{box.root}/v2" in message and "API Endpoint" in message


def test_an_unknown_business_lists_the_ones_there_are(box: Sandbox) -> None:
    message = failed(box.config(account_id="0d40342d0287cd6b13555c54afca6c90"))
    assert "0d40342d0287cd6b13555c54afca6c90" in message
    assert box.businesses[0].name in message and box.businesses[0].id in message


def test_several_businesses_need_a_choice() -> None:
    with Sandbox(size="tiny", businesses=2) as two:
        message = failed(two.config(account_id=""))
        assert all(company.id in message and company.name in message for company in two.businesses)


@pytest.mark.parametrize("token", ["used up", "nonsense"])
def test_a_dead_refresh_token_says_how_to_sign_in_again(box: Sandbox, token: str) -> None:
    message = failed(box.config(access_token="", refresh_token=token))
    assert "Sign in to Sage again" in message and token not in message


def test_a_wrong_client_names_the_two_fields(box: Sandbox) -> None:
    message = failed(box.config(client_secret="wrong secret", access_token=""))
    assert "Client ID" in message and "Client Secret" in message and "wrong secret" not in message


@pytest.mark.parametrize(
    ("wrong", "title"),
    [
        ({"start_date": "2024-02-30"}, "Start Date"),
        ({"start_date": "31/01/2024"}, "Start Date"),
        ({"end_date": "2001-01-01"}, "End Date"),
        ({"api_endpoint": "http://api.accounting.sage.com"}, "API Endpoint"),
        ({"access_token": "", "refresh_token": ""}, "Refresh Token"),
        ({"client_id": ""}, "Client ID"),
        ({"num_workers": 0}, "Parallel Requests"),
    ],
)
def test_a_wrong_field_is_named_by_its_title(box: Sandbox, wrong: dict[str, Any], title: str) -> None:
    assert title in failed(box.config(**wrong))


def test_an_expired_subscription_is_told(own: Sandbox) -> None:
    own.businesses[0].subscription_active = False
    message = failed(own.config())
    assert "subscription" in message and own.businesses[0].name in message


def test_a_missing_role_names_the_toggle(own: Sandbox) -> None:
    own.businesses[0].roles.update(dict.fromkeys(("Contacts", "Sales"), "No Access"))
    message = failed(own.config())
    assert "Replicate Customer Data" in message and "Sales" in message
    assert run("check", own.config(replicate_customer_data=False)).status["status"] == "SUCCEEDED"


@pytest.mark.parametrize("fault", [faults.html(502), faults.empty(), faults.broken_json(), faults.drop()])
def test_a_fault_that_passes_is_not_noticed(own: Sandbox, fault: Any) -> None:
    own.faults.add(fault, path="*/businesses", times=1)
    assert run("check", own.config(), clock=SandboxClock(own)).status["status"] == "SUCCEEDED"


def test_discover_makes_no_request_and_needs_no_working_token(own: Sandbox) -> None:
    own.clear_requests()
    output = run("discover", own.config(account_id="all", access_token="nonsense", refresh_token=""))
    (catalog,) = output.of("CATALOG")
    assert len(catalog["catalog"]["streams"]) > 70
    assert catalog["catalog"]["streams"] == discover(own.config())
    assert own.requests == []


def test_a_stream_that_a_toggle_took_away_fails_the_read_with_the_remedy(own: Sandbox) -> None:
    catalog = catalog_of(discover(own.config()), ["contacts"])
    output = run("read", own.config(replicate_customer_data=False), catalog=catalog)
    assert output.failure is not None
    error, last = output.errors  # the stream's own, and how the run ended
    assert error["failure_type"] == last["failure_type"] == "config_error"
    assert "contacts" in error["message"] and "Data replication options" in error["message"]
