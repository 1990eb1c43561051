"""The token component, alone: a held clock, a token endpoint made of canned answers."""

import base64
import datetime as dt
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
import requests_mock as mocking
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets, update_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.clock import Clock, utc_text
from source_sage.sign_in import tokens as module
from source_sage.sign_in.token_call import CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS
from source_sage.sign_in.tokens import SageTokens
from unit_tests.form import a_form

NOW = dt.datetime(2026, 11, 23, 10, 0, tzinfo=dt.UTC)
ADDRESS = "https://oauth.accounting.sage.com/token"
SIGN_IN = "Sign in to Sage again"


class HeldClock(Clock):
    """Time that moves only by sleeping and by `pass_time`; the wall clock can be moved by itself."""

    def __init__(self) -> None:
        self.passed = 0.0
        self.wall_jump = dt.timedelta(0)
        self.sleeps: list[float] = []

    def now(self) -> dt.datetime:
        return NOW + dt.timedelta(seconds=self.passed) + self.wall_jump

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.passed += seconds

    def pass_time(self, seconds: float) -> None:
        self.passed += seconds


@pytest.fixture(autouse=True)
def no_secrets_left_behind() -> Iterator[None]:
    update_secrets([])
    yield
    update_secrets([])


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def sage() -> Iterator[mocking.Mocker]:
    with mocking.Mocker() as mocker:
        yield mocker


def pair(number: int = 1, **changes: Any) -> dict[str, Any]:
    """Sage's answer to the nth renewal."""
    return {
        "access_token": f"access-{number}",
        "refresh_token": f"refresh-{number}",
        "token_type": "bearer",
        "expires_in": 300,
    } | changes


def refused(error: str = "invalid_grant", status: int = 400) -> dict[str, Any]:
    return {"status_code": status, "json": {"error": error}}


def jwt(**claims: Any) -> str:
    def part(content: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    return f"{part({'alg': 'RS256'})}.{part(claims)}.{part('signature')}"


def in_seconds(seconds: float) -> str:
    return utc_text(NOW + dt.timedelta(seconds=seconds))


def a_config(expires_in: float | None = 200, **changes: Any) -> dict[str, Any]:
    """A form whose access token lives that long, or whose end is unknown."""
    expiry = {} if expires_in is None else {"token_expiry_date": in_seconds(expires_in)}
    return a_form() | expiry | changes


def make(clock: Clock, config: dict[str, Any] | None = None, *, reading: bool = True) -> SageTokens:
    return SageTokens(a_config() if config is None else config, ADDRESS, reading=reading, clock=clock)


def dead(**changes: Any) -> dict[str, Any]:
    """A form whose access token has died a minute ago."""
    return a_config(-60, **changes)


def emitted(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    messages = [json.loads(line) for line in capsys.readouterr().out.split("\n") if line]
    assert all(message["type"] == "CONTROL" for message in messages)
    return [message["control"]["connectorConfig"]["config"] for message in messages]


def failure_of(call: Callable[[], Any]) -> AirbyteTracedException:
    with pytest.raises(AirbyteTracedException) as caught:
        call()
    return caught.value


# When a token is renewed


def test_a_token_that_is_still_good_is_never_renewed(clock: HeldClock, sage: mocking.Mocker) -> None:
    tokens = make(clock)
    clock.pass_time(169)
    assert tokens.get_access_token() == "the-access-token"
    assert (sage.call_count, tokens.renewals) == (0, 0)


@pytest.mark.parametrize("left", [-10_000, -1, 0, 29.9])
def test_a_token_that_is_dead_or_dying_is_renewed(clock: HeldClock, sage: mocking.Mocker, left: float) -> None:
    sage.post(ADDRESS, json=pair())
    tokens = make(clock, a_config(left))
    assert tokens.get_access_token() == "access-1"
    assert tokens.get_access_token() == "access-1"
    assert (sage.call_count, tokens.renewals) == (1, 1)


def test_each_token_is_renewed_thirty_seconds_before_it_dies(clock: HeldClock, sage: mocking.Mocker) -> None:
    sage.post(ADDRESS, [{"json": pair(n)} for n in (1, 2, 3)])
    tokens = make(clock, dead())
    assert tokens.get_access_token() == "access-1"
    clock.pass_time(269)
    assert tokens.get_access_token() == "access-1"
    clock.pass_time(1)
    assert tokens.get_access_token() == "access-2"
    clock.pass_time(270)
    assert tokens.get_access_token() == "access-3"


def test_the_leeway_of_a_short_token_is_a_fifth_of_its_life(clock: HeldClock, sage: mocking.Mocker) -> None:
    sage.post(ADDRESS, [{"json": pair(1, expires_in=2)}, {"json": pair(2, expires_in=2)}])
    tokens = make(clock, dead())
    assert tokens.get_access_token() == "access-1"
    clock.pass_time(1.5)
    assert tokens.get_access_token() == "access-1"
    clock.pass_time(0.1)
    assert tokens.get_access_token() == "access-2"


def test_a_life_counts_from_the_question_not_from_a_late_answer(clock: HeldClock, sage: mocking.Mocker) -> None:
    def late(*_: Any) -> dict[str, Any]:
        clock.pass_time(25)
        return pair()

    sage.post(ADDRESS, json=late)
    tokens = make(clock, dead())
    tokens.get_access_token()
    clock.pass_time(244)
    assert not tokens.token_has_expired()
    clock.pass_time(1)
    assert tokens.token_has_expired()


@pytest.mark.parametrize(
    "date",
    [
        None,
        "",
        "soon",
        "2026-13-45T99:99:99Z",
        "9999-12-31T23:59:59-14:00",
        "0001-01-01T00:00:00+14:00",
        1_700_000_000_000,
        ["x"],
    ],
)
def test_a_token_whose_end_is_unknown_counts_as_good(clock: HeldClock, sage: mocking.Mocker, date: Any) -> None:
    tokens = make(clock, a_config(None, token_expiry_date=date))
    clock.pass_time(10_000)
    assert tokens.get_access_token() == "the-access-token"
    assert sage.call_count == 0


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23T10:01:00Z",
        "2026-11-23T10:01:00.123456789Z",
        "2026-11-23T10:01:00+00:00",
        "2026-11-23T12:01:00+02:00",
        "2026-11-23 10:01:00",
        "  2026-11-23T10:01:00Z\n",
    ],
)
def test_dates_of_the_platform_and_of_people_are_read(clock: HeldClock, sage: mocking.Mocker, text: str) -> None:
    tokens = make(clock, a_config(None, token_expiry_date=text))
    clock.pass_time(29)
    assert not tokens.token_has_expired()
    clock.pass_time(2)
    assert tokens.token_has_expired()


def test_a_fresh_token_pasted_over_an_old_date_is_judged_by_itself(clock: HeldClock, sage: mocking.Mocker) -> None:
    pasted = jwt(exp=(NOW + dt.timedelta(seconds=200)).timestamp())
    tokens = make(clock, a_config(-90_000, access_token=pasted))
    assert tokens.get_access_token() == pasted
    clock.pass_time(171)
    assert tokens.token_has_expired()


@pytest.mark.parametrize("exp", [None, "soon", float("nan"), 1e400, -1e400, [], {}])
def test_a_senseless_claim_is_passed_over(clock: HeldClock, exp: Any) -> None:
    assert make(clock, a_config(-60, access_token=jwt(exp=exp))).token_has_expired()


@pytest.mark.parametrize("token", ["a.b.c", "a.W10.c", "e30.W10.e30", "e30.e.e30", "....", "a.!!!.c"])
def test_a_token_that_only_looks_like_a_jwt_is_judged_by_the_date(clock: HeldClock, token: str) -> None:
    assert make(clock, a_config(-60, access_token=token)).token_has_expired()
    assert not make(clock, a_config(60, access_token=token)).token_has_expired()


@pytest.mark.parametrize("jump", [dt.timedelta(hours=-5), dt.timedelta(minutes=-3), dt.timedelta(days=2)])
def test_a_jump_of_the_wall_clock_changes_nothing(clock: HeldClock, sage: mocking.Mocker, jump: dt.timedelta) -> None:
    sage.post(ADDRESS, [{"json": pair(1)}, {"json": pair(2)}])
    tokens = make(clock, dead())
    tokens.get_access_token()
    clock.wall_jump = jump
    clock.pass_time(269)
    assert tokens.get_access_token() == "access-1"
    clock.pass_time(1)
    assert tokens.get_access_token() == "access-2"


def test_a_clock_ahead_of_sages_does_not_renew_what_it_dated_itself(clock: HeldClock, sage: mocking.Mocker) -> None:
    sage_says = (NOW - dt.timedelta(minutes=4)).timestamp()
    assert not make(clock, a_config(200, access_token=jwt(exp=sage_says))).token_has_expired()


# What is sent and what is emitted


def test_the_request_is_sages(clock: HeldClock, sage: mocking.Mocker) -> None:
    sage.post(ADDRESS, json=pair())
    make(clock, dead()).get_access_token()
    (request,) = sage.request_history
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    assert request.headers["Accept"] == "application/json"
    assert "Authorization" not in request.headers
    assert dict(part.split("=") for part in request.text.split("&")) == {
        "grant_type": "refresh_token",
        "client_id": "the-client-id",
        "client_secret": "the-client-secret",
        "refresh_token": "the-refresh-token",
    }
    assert request.timeout == (CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS)


def test_only_the_token_keys_of_the_config_change(
    clock: HeldClock, sage: mocking.Mocker, capsys: pytest.CaptureFixture[str]
) -> None:
    sage.post(ADDRESS, json=pair())
    extras: dict[str, Any] = {
        "": 1,
        "credentials": {"client_id": "not this", "access_token": "nor this"},
        "__injected": [{"a": None}],
        "a/b.c": "\u00e9\u2028",
        "api_endpoint": " https://api.accounting.sage.com/v3.1 ",
        "client_secret": " the-client-secret\n",
    }
    config = dead(**extras)
    before = json.loads(json.dumps(config))
    make(clock, config).get_access_token()
    expected = before | {
        "access_token": "access-1",
        "refresh_token": "refresh-1",
        "token_expiry_date": in_seconds(300),
    }
    assert emitted(capsys) == [expected]
    assert config == expected
    assert "client_id=the-client-id&client_secret=the-client-secret&" in sage.request_history[0].text


def test_a_pasted_token_may_be_wrapped_over_lines(clock: HeldClock, sage: mocking.Mocker) -> None:
    sage.post(ADDRESS, json=pair())
    tokens = make(clock, a_config(access_token=" the-access-\r\n token ", refresh_token="the-refresh\n-token "))
    assert tokens.get_access_token() == "the-access-token"
    tokens.renew_refused("the-access-token")
    assert "refresh_token=the-refresh-token" in sage.request_history[0].text


def test_an_access_token_that_no_header_can_carry_is_as_good_as_none(clock: HeldClock, sage: mocking.Mocker) -> None:
    sage.post(ADDRESS, json=pair())
    assert make(clock, a_config(access_token="acc\u2019ess")).get_access_token() == "access-1"
    alone = make(clock, a_config(access_token="acc\u2019ess", refresh_token=""))
    assert "not the right one" in str(failure_of(alone.get_access_token))


def test_a_config_without_token_keys_gets_them(
    clock: HeldClock, sage: mocking.Mocker, capsys: pytest.CaptureFixture[str]
) -> None:
    sage.post(ADDRESS, json=pair())
    config = a_form()
    del config["access_token"]
    assert make(clock, config).get_access_token() == "access-1"
    (config_kept,) = emitted(capsys)
    assert config_kept == config and config["token_expiry_date"] == in_seconds(300)


def test_the_pair_is_emitted_before_anybody_can_use_it(
    clock: HeldClock, sage: mocking.Mocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    sage.post(ADDRESS, json=pair())
    tokens = make(clock, dead())
    seen: list[tuple[str, str]] = []
    monkeypatch.setattr(
        module,
        "emit_configuration_as_airbyte_control_message",
        lambda config: seen.append((config["access_token"], tokens.access_token)),
    )
    assert tokens.get_access_token() == "access-1"
    assert seen == [("access-1", "the-access-token")]


def test_a_pair_that_could_not_be_emitted_is_not_used_and_not_renewed_again(
    clock: HeldClock, sage: mocking.Mocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Any) -> None:
        raise BrokenPipeError("the platform is gone")

    sage.post(ADDRESS, json=pair())
    monkeypatch.setattr(module, "emit_configuration_as_airbyte_control_message", broken)
    config = dead()
    tokens = make(clock, config)
    for _ in range(2):
        assert failure_of(tokens.get_access_token).failure_type is FailureType.system_error
    assert tokens.access_token == config["access_token"] == "the-access-token"
    assert sage.call_count == 1


def test_a_config_that_cannot_be_emitted_fails_before_the_refresh_token_is_spent(
    clock: HeldClock, sage: mocking.Mocker
) -> None:
    sage.post(ADDRESS, json=pair())
    tokens = make(clock, dead(note=2**70))
    assert failure_of(tokens.get_access_token).failure_type is FailureType.system_error
    assert sage.call_count == 0


def test_what_is_learnt_is_masked_in_logs(clock: HeldClock, sage: mocking.Mocker) -> None:
    sage.post(ADDRESS, json=pair())
    make(clock, dead(client_secret=" padded-secret ")).get_access_token()
    assert filter_secrets("access-1 refresh-1 the-access-token padded-secret") == "**** **** **** ****"


# Strange good answers


@pytest.mark.parametrize(
    ("stated", "life"),
    [
        (600, 600),
        ("600", 600),
        (600.5, 600),
        (None, 300),
        ("", 300),
        (0, 300),
        (-5, 300),
        ("soon", 300),
        (float("nan"), 300),
        (1e400, 300),
        (10**12, 300),
        (True, 300),
        ([300], 300),
    ],
)
def test_a_stated_life_that_makes_no_sense_is_the_usual_one(
    clock: HeldClock, sage: mocking.Mocker, capsys: pytest.CaptureFixture[str], stated: Any, life: int
) -> None:
    sage.post(ADDRESS, json=pair(expires_in=stated))
    make(clock, dead()).get_access_token()
    assert emitted(capsys)[0]["token_expiry_date"] == in_seconds(life)


def test_a_missing_life_is_the_usual_one(
    clock: HeldClock, sage: mocking.Mocker, capsys: pytest.CaptureFixture[str]
) -> None:
    sage.post(ADDRESS, json={"access_token": "a", "refresh_token": "r"})
    make(clock, dead()).get_access_token()
    assert emitted(capsys)[0]["token_expiry_date"] == in_seconds(300)


@pytest.mark.parametrize("absent", [{}, {"refresh_token": None}, {"refresh_token": ""}])
def test_without_a_new_refresh_token_the_old_one_stays(
    clock: HeldClock, sage: mocking.Mocker, capsys: pytest.CaptureFixture[str], absent: dict[str, Any]
) -> None:
    sage.post(ADDRESS, json={"access_token": "access-1", "expires_in": 300} | absent)
    make(clock, dead()).get_access_token()
    assert emitted(capsys)[0]["refresh_token"] == "the-refresh-token"


# No clear answer: once more after a pause, then never


UNCLEAR: list[dict[str, Any]] = [
    {"exc": requests.exceptions.ReadTimeout("read timed out")},
    {"exc": requests.exceptions.ConnectionError("Connection aborted.", ConnectionResetError(104, "reset by peer"))},
    {"exc": requests.exceptions.ChunkedEncodingError("IncompleteRead")},
    {"exc": requests.exceptions.SSLError("EOF occurred in violation of protocol")},
    {"status_code": 500},
    {"status_code": 502, "text": "<html>Bad Gateway</html>"},
    {"status_code": 408},
    {"status_code": 200, "text": "<html>Please log in to the Wi-Fi</html>"},
    {"status_code": 200, "text": ""},
    {"status_code": 204},
    {"status_code": 200, "json": ["access_token"]},
    {"status_code": 200, "json": {"access_token": ""}},
    {"status_code": 200, "json": {"access_token": {"value": "x"}}},
    {"status_code": 200, "json": {"access_token": "acc\u2019ess"}},
]


@pytest.mark.parametrize("answer", UNCLEAR)
def test_after_a_lost_answer_the_old_token_is_tried_once_more(
    clock: HeldClock, sage: mocking.Mocker, caplog: pytest.LogCaptureFixture, answer: dict[str, Any]
) -> None:
    sage.post(ADDRESS, [answer, {"json": pair()}])
    with caplog.at_level(logging.WARNING):
        assert make(clock, dead()).get_access_token() == "access-1"
    assert (sage.call_count, clock.sleeps) == (2, [module.PAUSE_AFTER_LOST_ANSWER_SECONDS])
    assert "The answer to a token renewal was lost" in caplog.text


@pytest.mark.parametrize("answer", UNCLEAR)
def test_two_lost_answers_end_it_for_this_run(clock: HeldClock, sage: mocking.Mocker, answer: dict[str, Any]) -> None:
    sage.post(ADDRESS, [answer])
    tokens = make(clock, dead())
    for _ in range(3):
        failure = failure_of(tokens.get_access_token)
        assert failure.failure_type is FailureType.transient_error
        assert "no clear answer to a token renewal, twice" in str(failure)
    assert sage.call_count == 2


@pytest.mark.parametrize("reading", [True, False])
def test_a_lost_answer_that_had_spent_the_token_is_said_plainly(
    clock: HeldClock, sage: mocking.Mocker, reading: bool
) -> None:
    sage.post(ADDRESS, [{"exc": requests.exceptions.ReadTimeout}, refused()])
    failure = failure_of(make(clock, dead(), reading=reading).get_access_token)
    assert failure.failure_type is FailureType.config_error
    assert "lost on the way" in str(failure) and SIGN_IN in str(failure)
    assert sage.call_count == 2


# Sage's sign-in service is down: bounded retries, in total


DOWN: list[dict[str, Any]] = [
    {"exc": requests.exceptions.ConnectTimeout("ConnectTimeoutError(...)")},
    {"exc": requests.exceptions.ConnectionError("NewConnectionError('Connection refused')")},
    {"exc": requests.exceptions.ConnectionError("NameResolutionError(...)")},
    {"exc": requests.exceptions.ProxyError("ProxyError('Tunnel connection failed: 407')")},
    {"exc": requests.exceptions.SSLError("[SSL: CERTIFICATE_VERIFY_FAILED]")},
    {"status_code": 503},
    {"status_code": 429, "json": {"error": "slow_down"}},
]


@pytest.mark.parametrize("answer", DOWN)
def test_a_service_that_is_down_is_asked_a_few_times(
    clock: HeldClock, sage: mocking.Mocker, answer: dict[str, Any]
) -> None:
    sage.post(ADDRESS, [answer, answer, {"json": pair()}])
    assert make(clock, dead()).get_access_token() == "access-1"
    assert clock.sleeps == [1, 2]


@pytest.mark.parametrize("answer", DOWN)
def test_a_service_that_stays_down_is_a_passing_failure_of_all_threads(
    clock: HeldClock, sage: mocking.Mocker, answer: dict[str, Any]
) -> None:
    sage.post(ADDRESS, [answer])
    tokens = make(clock, dead())
    for _ in range(10):
        failure = failure_of(tokens.get_access_token)
        assert failure.failure_type is FailureType.transient_error
        assert ADDRESS in str(failure)
    assert sage.call_count == 5
    assert clock.sleeps == [1, 2, 4, 8]


def test_check_does_not_wait_long_for_a_service_that_is_down(clock: HeldClock, sage: mocking.Mocker) -> None:
    sage.post(ADDRESS, status_code=503)
    failure_of(make(clock, dead(), reading=False).get_access_token)
    assert clock.sleeps == [1]


def test_lost_answers_among_outages_are_counted_as_well(clock: HeldClock, sage: mocking.Mocker) -> None:
    lost = {"exc": requests.exceptions.ReadTimeout}
    sage.post(ADDRESS, [{"status_code": 503}, lost, {"status_code": 503}, lost, {"json": pair()}])
    assert "twice" in str(failure_of(make(clock, dead()).get_access_token))
    assert sage.call_count == 4


# Refusals


@pytest.mark.parametrize("error", ["invalid_client", "unauthorized_client"])
@pytest.mark.parametrize("status", [400, 401])
def test_a_wrong_app_names_the_two_fields(clock: HeldClock, sage: mocking.Mocker, error: str, status: int) -> None:
    sage.post(ADDRESS, [refused(error, status)])
    failure = failure_of(make(clock, dead()).get_access_token)
    assert failure.failure_type is FailureType.config_error
    assert "Client ID and Client Secret" in str(failure) and error in str(failure)


@pytest.mark.parametrize(
    "answer",
    [
        {"status_code": 400, "json": {"error": "invalid_request"}},
        {"status_code": 400, "text": "<html>"},
        {"status_code": 403, "text": "<html>blocked</html>"},
        {"status_code": 404},
        {"status_code": 302, "headers": {"Location": "https://elsewhere.example/token"}},
        {"status_code": 307, "headers": {"Location": "https://elsewhere.example/token"}},
    ],
)
def test_other_refusals_and_redirects_name_what_to_check(
    clock: HeldClock, sage: mocking.Mocker, answer: dict[str, Any]
) -> None:
    sage.post(ADDRESS, [answer])
    tokens = make(clock, dead())
    for _ in range(2):
        failure = failure_of(tokens.get_access_token)
        assert failure.failure_type is FailureType.config_error
        assert "Client ID" in str(failure) and "API Endpoint" in str(failure)
    assert [request.url for request in sage.request_history] == [ADDRESS]


@pytest.mark.parametrize("error", ["the-client-secret is wrong", {"echo": "the-refresh-token"}, ["the-refresh-token"]])
def test_texts_of_the_server_are_not_repeated(clock: HeldClock, sage: mocking.Mocker, error: Any) -> None:
    sage.post(ADDRESS, status_code=400, json={"error": error, "error_description": "the-refresh-token"})
    failure = failure_of(make(clock, dead()).get_access_token)
    told = f"{failure.message} {failure.internal_message}"
    assert "HTTP 400" in told
    assert not any(secret in told for secret in ("the-client-secret", "the-refresh-token"))


def test_a_dead_grant_is_told_with_the_way_out(clock: HeldClock, sage: mocking.Mocker) -> None:
    sage.post(ADDRESS, [refused()])
    failure = failure_of(make(clock, a_config(-7200)).get_access_token)
    assert failure.failure_type is FailureType.config_error
    assert SIGN_IN in str(failure) and "source-sage authorize" in str(failure)


@pytest.mark.parametrize("config", [a_config(-3500), a_config(29)])
def test_a_refusal_soon_after_the_tokens_were_alive_is_a_siblings_doing(
    clock: HeldClock, sage: mocking.Mocker, config: dict[str, Any]
) -> None:
    sage.post(ADDRESS, [refused()])
    failure = failure_of(make(clock, config).get_access_token)
    assert failure.failure_type is FailureType.transient_error
    assert "Another run" in str(failure)


def test_a_refusal_after_own_renewals_is_a_siblings_doing(clock: HeldClock, sage: mocking.Mocker) -> None:
    sage.post(ADDRESS, [{"json": pair()}, refused()])
    tokens = make(clock, a_config(None, access_token=""))
    tokens.get_access_token()
    clock.pass_time(280)
    assert failure_of(tokens.get_access_token).failure_type is FailureType.transient_error


@pytest.mark.parametrize(
    ("config", "reading"),
    [
        (a_config(-60), False),
        (a_config(-3700), True),
        (a_config(None, access_token=""), True),
        (a_config(None, access_token="", token_expiry_date=in_seconds(90_000)), True),
    ],
)
def test_in_check_or_without_a_recent_life_a_refusal_is_final(
    clock: HeldClock, sage: mocking.Mocker, config: dict[str, Any], reading: bool
) -> None:
    sage.post(ADDRESS, [refused()])
    assert failure_of(make(clock, config, reading=reading).get_access_token).failure_type is FailureType.config_error


def test_after_the_first_refusal_nobody_asks_again(clock: HeldClock, sage: mocking.Mocker) -> None:
    sage.post(ADDRESS, [refused()])
    tokens = make(clock, dead())
    calls: list[Callable[[], Any]] = [
        tokens.get_access_token,
        tokens.renew,
        lambda: tokens.renew_refused("the-access-token"),
        lambda: tokens.renew_refused("another"),
    ]
    assert len({str(failure_of(call)) for call in calls * 2}) == 1
    assert sage.call_count == 1


# An access token alone


def test_an_access_token_alone_is_good_until_sage_refuses_it(clock: HeldClock, sage: mocking.Mocker) -> None:
    tokens = make(clock, a_config(-60, refresh_token=""))
    assert tokens.get_access_token() == "the-access-token"
    failure = failure_of(lambda: tokens.renew_refused("the-access-token"))
    assert failure.failure_type is FailureType.config_error
    assert "no Refresh Token" in str(failure) and SIGN_IN in str(failure)
    assert str(failure_of(tokens.get_access_token)) == str(failure)
    assert sage.call_count == 0


# Sage answers 401


def test_a_refused_token_is_renewed_once_whoever_reports_it(clock: HeldClock, sage: mocking.Mocker) -> None:
    sage.post(ADDRESS, [{"json": pair(1)}, {"json": pair(2)}])
    tokens = make(clock)
    tokens.renew_refused("the-access-token")
    tokens.renew_refused("the-access-token")
    assert tokens.get_access_token() == "access-1"
    assert sage.call_count == 1


def test_a_token_got_because_of_a_401_is_not_renewed_for_another_within_a_minute(
    clock: HeldClock, sage: mocking.Mocker
) -> None:
    sage.post(ADDRESS, [{"json": pair(1)}, {"json": pair(2)}])
    tokens = make(clock)
    tokens.renew_refused("the-access-token")
    clock.pass_time(59)
    tokens.renew_refused("access-1")
    assert (tokens.get_access_token(), sage.call_count) == ("access-1", 1)
    clock.pass_time(1)
    tokens.renew_refused("access-1")
    assert (tokens.get_access_token(), sage.call_count) == ("access-2", 2)


def test_a_short_token_got_because_of_a_401_is_renewed_when_its_time_has_come(
    clock: HeldClock, sage: mocking.Mocker
) -> None:
    sage.post(ADDRESS, [{"json": pair(n, expires_in=2)} for n in (1, 2)])
    tokens = make(clock)
    tokens.renew_refused("the-access-token")
    clock.pass_time(1.9)
    tokens.renew_refused("access-1")
    assert tokens.get_access_token() == "access-2"


def test_a_token_that_was_renewed_on_time_may_be_renewed_once_for_a_401(clock: HeldClock, sage: mocking.Mocker) -> None:
    sage.post(ADDRESS, [{"json": pair(1)}, {"json": pair(2)}])
    tokens = make(clock, dead())
    tokens.renew_refused(tokens.get_access_token())
    tokens.renew_refused("access-2")
    assert (tokens.get_access_token(), sage.call_count) == ("access-2", 2)


# Many threads


def at_once(calls: list[Callable[[], Any]]) -> list[Any]:
    """Run all calls side by side; gives results, or the failures."""
    barrier = threading.Barrier(len(calls))

    def one(call: Callable[[], Any]) -> Any:
        barrier.wait(10)
        try:
            return call()
        except AirbyteTracedException as failure:
            return failure

    with ThreadPoolExecutor(len(calls)) as executor:
        return list(executor.map(one, calls))


class SlowSage:
    """Single-use refresh tokens, behind a request that takes a moment; counts who comes at the same time."""

    def __init__(self, sage: mocking.Mocker, *, dead: bool = False) -> None:
        self.valid = "" if dead else "the-refresh-token"
        self.count = self.most = self.inside = 0
        self.lock = threading.Lock()
        sage.post(ADDRESS, json=self.answer)

    def answer(self, request: Any, context: Any) -> dict[str, Any]:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.count += 1
        time.sleep(0.02)
        with self.lock:
            self.inside -= 1
            if f"refresh_token={self.valid}" not in request.text or not self.valid:
                context.status_code = 400
                return {"error": "invalid_grant"}
            self.valid = f"refresh-{self.count}"
            return pair(self.count)


def test_many_threads_with_a_dead_token_renew_it_once(clock: HeldClock, sage: mocking.Mocker) -> None:
    slow = SlowSage(sage)
    tokens = make(clock, dead())
    assert at_once([tokens.get_access_token] * 32) == ["access-1"] * 32
    assert (slow.count, slow.most) == (1, 1)


def test_many_threads_with_a_refused_token_renew_it_once(clock: HeldClock, sage: mocking.Mocker) -> None:
    slow = SlowSage(sage)
    tokens = make(clock)
    assert at_once([lambda: tokens.renew_refused("the-access-token")] * 32) == [None] * 32
    assert (slow.count, tokens.get_access_token()) == (1, "access-1")


def test_timely_and_forced_renewals_side_by_side_never_collide(clock: HeldClock, sage: mocking.Mocker) -> None:
    slow = SlowSage(sage)
    config = dead()
    del config["token_expiry_date"]  # the first renewal adds the key while others read
    tokens = make(clock, config)

    def work() -> None:
        for _ in range(8):
            token = tokens.get_access_token()
            if token.endswith(("token", "1", "3")):
                tokens.renew_refused(token)
            clock.pass_time(45)

    assert at_once([work] * 16) == [None] * 16
    assert slow.most == 1
    assert slow.count == tokens.renewals


def test_many_threads_meet_one_refusal(clock: HeldClock, sage: mocking.Mocker) -> None:
    slow = SlowSage(sage, dead=True)
    tokens = make(clock, dead())
    failures = at_once([tokens.get_access_token] * 32)
    assert slow.count == 1
    assert len({str(failure) for failure in failures}) == 1
    assert len({id(failure) for failure in failures}) == 32  # each its own, with a traceback of its own


def test_two_components_of_one_process_take_turns(clock: HeldClock, sage: mocking.Mocker) -> None:
    slow = SlowSage(sage)
    config = dead()
    first = make(clock, config)
    first.get_access_token()
    second = make(clock, config)
    assert second.get_access_token() == "access-1"
    assert slow.count == 1


# The age of the sign-in


@pytest.mark.parametrize(
    ("config", "days"),
    [
        (a_config(-21 * 86_400), 21),
        (a_config(None, refresh_token=jwt(iat=(NOW - dt.timedelta(days=25)).timestamp())), 25),
        (a_config(-3 * 86_400), None),
        (a_config(None), None),
        (a_config(-21 * 86_400, refresh_token=jwt(iat=NOW.timestamp())), None),
        (a_config(-21 * 86_400, refresh_token=""), None),
    ],
)
def test_a_sign_in_that_was_long_unused_is_warned_of(
    clock: HeldClock, caplog: pytest.LogCaptureFixture, config: dict[str, Any], days: int | None
) -> None:
    with caplog.at_level(logging.WARNING):
        make(clock, config)
    warnings = [record.getMessage() for record in caplog.records]
    if days is None:
        assert warnings == []
    else:
        assert len(warnings) == 1
        assert f"last renewed {days} days ago" in warnings[0] and "31 days" in warnings[0]
