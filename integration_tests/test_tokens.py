"""Tokens over real HTTP: lives of seconds, lost answers, hangs, siblings, clocks that are wrong."""

from __future__ import annotations

import datetime as dt
import itertools
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from integration_tests.commands import LONG
from integration_tests.harness import Destination, Message, Output, catalog_of, run
from integration_tests.pipeline import SandboxClock
from integration_tests.sandbox import Sandbox, faults
from integration_tests.sandbox.manners.requestlog import Logged
from source_sage.clock import Clock
from source_sage.sign_in import token_call
from source_sage.sign_in import tokens as module

TOKEN_PATH = "/oauth/token"
SIGN_IN = "Sign in to Sage again"
SOME = ("ledger_entries", "contacts", "sales_invoices", "products", "countries")


class WrongClock(Clock):
    """A wall clock that is off by so much."""

    def __init__(self, minutes: float) -> None:
        self.off = dt.timedelta(minutes=minutes)

    def now(self) -> dt.datetime:
        return super().now() + self.off


@pytest.fixture
def own() -> Iterator[Sandbox]:
    """A company of the test's own; what it may not have answers 404, so that a 401 is always about the token."""
    with Sandbox(size="tiny", restricted_answer=404) as sandbox:
        yield sandbox


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAUSE_AFTER_LOST_ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(module, "WAITS_WHILE_DOWN_SECONDS", (0.01, 0.01, 0.01, 0.01))
    monkeypatch.setattr(token_call, "READ_TIMEOUT_SECONDS", 1)


@pytest.fixture
def some(streams: dict[str, Message]) -> dict[str, Any]:
    return catalog_of(streams.values(), SOME)


def slow_pages(box: Sandbox, seconds: float) -> SandboxClock:
    """Let each page take so long, of the sandbox's time alone; gives a clock that shows it to the connector."""
    box.faults.add(faults.before_page(lambda *_: box.clock.advance(seconds)))
    return SandboxClock(box)


def token_calls(box: Sandbox) -> list[Logged]:
    return [one for one in box.requests if one.path == TOKEN_PATH]


def spent(box: Sandbox, **changes: Any) -> dict[str, Any]:
    """A config whose access token died some minutes ago, at Sage and by its date."""
    past = dt.datetime.now(dt.UTC) - dt.timedelta(minutes=2)
    box.tokens.newest()
    config = box.config(token_expiry_date=past.isoformat()) | changes
    box.tokens.grants[0].access.clear()
    return config


def text(output: Output) -> str:
    assert output.failure is not None
    return str(output.failure)


def failure_type(output: Output) -> str:
    return str(getattr(output.failure, "failure_type").value)  # noqa: B009


# Keeping them alive


@pytest.mark.parametrize("command", ["check", "read"])
def test_a_good_token_is_not_renewed(own: Sandbox, some: dict[str, Any], command: str) -> None:
    output = run(command, own.config(), catalog=some if command == "read" else None)
    assert output.failure is None
    assert (token_calls(own), output.configs) == ([], [])


@pytest.mark.parametrize("command", ["check", "read"])
def test_a_dead_token_is_renewed_and_kept(own: Sandbox, some: dict[str, Any], command: str) -> None:
    config = spent(own, note="kept as it is")
    output = run(command, config, catalog=some if command == "read" else None)
    assert output.failure is None
    (kept,) = output.configs
    assert kept == config | own.tokens.newest() | {"token_expiry_date": kept["token_expiry_date"]}
    assert [one.status for one in token_calls(own)] == [200]
    places = {message["type"]: place for place, message in reversed(list(enumerate(output.messages)))}
    first_result = places["CONNECTION_STATUS" if command == "check" else "RECORD"]
    assert places["CONTROL"] < first_result


def test_a_long_read_with_a_token_of_thirty_seconds(
    streams: dict[str, Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Sandbox(size="tiny", businesses=4, token_life=30, restricted_answer=404) as box:
        clock = slow_pages(box, 0.3)
        events: list[tuple[str, str]] = []
        accepts = box.tokens.accepts

        def noted(access_token: str) -> bool:
            events.append(("used", access_token))
            return accepts(access_token)

        def seen(message: Message) -> None:
            if message["type"] == "CONTROL":
                config = message["control"]["connectorConfig"]["config"]
                events.append(("emitted", config["access_token"]))

        asked_at: list[float] = []
        post = requests.post

        def timed(*arguments: Any, **options: Any) -> requests.Response:
            asked_at.append(clock.monotonic())
            return post(*arguments, **options)

        monkeypatch.setattr(box.tokens, "accepts", noted)
        monkeypatch.setattr(requests, "post", timed)
        config = box.config(num_workers=8)
        output = run("read", config, catalog=catalog_of(streams.values()), clock=clock, seen=seen)
        calls = token_calls(box)
        statuses = {one.status for one in box.requests}

    assert output.failure is None
    assert len(output.rows("ledger_entries")) == sum(len(one.rows("ledger_entries")) for one in box.businesses)
    # No request met a dead token, and no renewal was refused.
    assert statuses <= {200, 404}
    assert {one.status for one in calls} == {200}
    # One renewal for each life: thirty seconds less the leeway lie between any two.
    assert box.tokens.refreshes == len(calls) == len(output.configs) >= 3
    assert all(later - one >= 22 for one, later in itertools.pairwise(asked_at))
    # Each pair was on stdout before the first request that used it.
    for config in output.configs:
        token = config["access_token"]
        assert ("used", token) not in events[: events.index(("emitted", token))]
    used = {token for what, token in events if what == "used"}
    assert used <= {config["access_token"] for config in output.configs}


# Sage answers 401


def test_a_401_in_the_middle_of_a_page_run_costs_one_renewal_and_no_row(own: Sandbox, some: dict[str, Any]) -> None:
    own.faults.add(faults.status(401, [{"$dataCode": "InvalidToken"}]), path="*/ledger_entries", nth=3)
    output = run("read", own.config(), catalog=some)
    assert output.failure is None
    assert own.tokens.refreshes == len(output.configs) == 1
    ids = [row["id"] for row in output.rows("ledger_entries")]
    assert sorted(ids) == sorted(row["id"] for row in own.businesses[0].rows("ledger_entries"))


def test_a_token_that_dies_early_for_all_threads_is_renewed_once(own: Sandbox, some: dict[str, Any]) -> None:
    own.settings.latency = 0.1

    def all_die(name: str, page: int, company: object) -> None:
        own.tokens.grants[0].access.clear()

    own.faults.add(faults.after_page(all_die), path="*/ledger_entries", nth=1)
    output = run("read", own.config(num_workers=8), catalog=some)
    assert output.failure is None
    assert own.tokens.refreshes == len(output.configs) == 1


@pytest.mark.parametrize("lists", [("contacts",), ("contacts", "products", "sales_invoices")])
def test_lists_that_go_on_answering_401_burn_one_refresh_token(
    own: Sandbox, some: dict[str, Any], lists: tuple[str, ...]
) -> None:
    for name in lists:
        own.faults.add(faults.status(401, [{"$dataCode": "InvalidToken"}]), path=f"*/{name}")
    output = run("read", own.config(), catalog=some)
    assert failure_type(output) == "config_error"
    assert own.tokens.refreshes == 1
    for name in SOME:
        assert output.statuses(name)[-1] == ("INCOMPLETE" if name in lists else "COMPLETE")
        assert len([one for one in own.requests if one.list == name]) <= 4


def test_a_sage_that_refuses_every_token_does_not_loop(own: Sandbox, some: dict[str, Any]) -> None:
    own.faults.add(faults.status(401), path="/v3.1/*")
    for command in ("check", "read"):
        output = run(command, own.config(), catalog=some if command == "read" else None)
        told = text(output) if output.failure else output.status["message"]
        assert "Sign in to Sage again" in told
    assert own.tokens.refreshes == 2
    assert len(own.requests) == 6


def test_authorization_failure_never_renews(streams: dict[str, Message]) -> None:
    # A plan id that is not known: what it does not include is asked for.
    unknown = {"country": "IE", "plan": "Start", "plan_id": "PARTNERS"}
    with Sandbox(size="tiny", businesses=[unknown], restricted_answer=401) as box:
        output = run("read", box.config(), catalog=catalog_of(streams.values()))
        assert 401 in {one.status for one in box.requests}
        assert (token_calls(box), output.configs) == ([], [])


# The token call goes wrong


@pytest.mark.usefixtures("short_waits")
@pytest.mark.parametrize("command", ["check", "read"])
@pytest.mark.parametrize("grace", [0, 60])
def test_an_answer_that_is_lost_after_the_rotation(
    own: Sandbox, some: dict[str, Any], command: str, grace: int
) -> None:
    own.settings.refresh_grace = grace
    config = spent(own)
    own.faults.add(faults.lost_answer(), path=TOKEN_PATH, nth=1)
    output = run(command, config, catalog=some if command == "read" else None)
    assert [one.status for one in token_calls(own)] == [0, 200 if grace else 400]
    assert any("The answer to a token renewal was lost" in line for line in output.log("WARN"))
    if grace:
        assert output.failure is None and len(output.configs) == 1
    else:
        told = output.status["message"] if command == "check" else text(output)
        assert "lost on the way" in told and SIGN_IN in told
        if command == "read":
            assert failure_type(output) == "config_error"
    if command == "check":
        assert output.status["status"] == ("SUCCEEDED" if grace else "FAILED")


@pytest.mark.usefixtures("short_waits")
def test_a_token_endpoint_that_hangs_once(own: Sandbox, some: dict[str, Any]) -> None:
    config = spent(own)
    own.faults.add(faults.hang(1.5, then_drop=True), path=TOKEN_PATH, nth=1)
    output = run("read", config, catalog=some)
    assert output.failure is None
    assert own.tokens.refreshes == len(output.configs) == 1


@pytest.mark.usefixtures("short_waits")
@pytest.mark.parametrize(
    ("fault", "calls"),
    [
        (faults.hang(1.5, then_drop=True), 2),
        (faults.drop(), 2),
        (faults.cut(), 2),
        (faults.status(500), 2),
        (faults.html(502), 2),
        (faults.html(200), 2),
        (faults.empty(), 2),
        (faults.broken_json(), 2),
        (faults.status(503), 5),
        (faults.status(429), 5),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_token_endpoint_that_stays_broken_fails_the_run_for_a_while_and_all_streams_at_once(
    own: Sandbox, streams: dict[str, Message], fault: faults.Action, calls: int
) -> None:
    own.settings.refresh_grace = 3600
    config = spent(own)
    broken = own.faults.add(fault, path=TOKEN_PATH)
    output = run("read", config, catalog=catalog_of(streams.values()))
    assert failure_type(output) == "transient_error"
    assert len(token_calls(own)) == broken.hits == calls
    assert output.configs == []
    # Later the same config works, if the token was not spent.
    own.faults.clear()
    if not own.tokens.refreshes:
        assert run("read", config, catalog=catalog_of(streams.values(), ["contacts"])).failure is None


@pytest.mark.usefixtures("short_waits")
def test_a_token_endpoint_that_breaks_in_the_middle_of_a_read_is_asked_by_one_thread_alone(
    streams: dict[str, Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(token_call, "READ_TIMEOUT_SECONDS", 10)
    with Sandbox(size="tiny", token_life=20, restricted_answer=404) as box:
        clock = slow_pages(box, 0.3)
        box.faults.add(faults.status(503), path=TOKEN_PATH, when=lambda _: box.tokens.refreshes >= 1)
        output = run("read", box.config(num_workers=8), catalog=catalog_of(streams.values()), clock=clock)
        assert failure_type(output) == "transient_error"
        assert [one.status for one in token_calls(box)] == [200, 503, 503, 503, 503, 503]
        assert output.of("RECORD")


@pytest.mark.usefixtures("short_waits")
def test_a_redirected_token_call_is_not_followed(own: Sandbox, some: dict[str, Any]) -> None:
    elsewhere = f"{own.root}/oauth/elsewhere"
    own.faults.add(faults.status(307, headers={"Location": elsewhere}), path=TOKEN_PATH)
    output = run("read", spent(own), catalog=some)
    assert failure_type(output) == "config_error" and "API Endpoint" in text(output)
    assert [one.path for one in own.requests] == [TOKEN_PATH]


def test_a_wrong_client_is_told_by_the_names_of_the_fields(own: Sandbox, some: dict[str, Any]) -> None:
    output = run("read", spent(own, client_secret="wrong"), catalog=some)
    assert failure_type(output) == "config_error"
    assert "Client ID and Client Secret" in text(output)
    assert len(own.requests) == 1


# Grants that end


@pytest.mark.parametrize("command", ["check", "read"])
def test_a_revoked_grant_asks_for_a_new_sign_in(own: Sandbox, streams: dict[str, Message], command: str) -> None:
    config = own.config()
    own.tokens.revoke(config | {"token": config["refresh_token"]})
    config["token_expiry_date"] = "2026-01-01T00:00:00Z"
    output = run(command, config, catalog=catalog_of(streams.values()) if command == "read" else None)
    told = output.status["message"] if command == "check" else text(output)
    assert SIGN_IN in told and "revoked" in told
    assert [one.status for one in own.requests] == [400]
    if command == "read":
        assert failure_type(output) == "config_error"


def test_a_grant_revoked_in_the_middle_of_a_read_is_asked_for_once(streams: dict[str, Message]) -> None:
    with Sandbox(size="tiny", token_life=20, restricted_answer=404) as box:
        clock = slow_pages(box, 0.3)
        grant = box.tokens.grants[0] if box.tokens.grants else box.tokens.new_grant()

        def revoked(name: str, page: int, company: object) -> None:
            grant.refresh_token = grant.previous = ""

        box.faults.add(faults.before_page(revoked), nth=1)
        output = run("read", box.config(), catalog=catalog_of(streams.values()), clock=clock)
        assert [one.status for one in token_calls(box) if one.status != 200] == [400]
        assert failure_type(output) == "transient_error"  # alive a moment ago: the platform may try once more
        again = run("check", output.configs[-1])
        assert again.status["status"] == "FAILED" and SIGN_IN in again.status["message"]


def test_a_sibling_that_rotates_in_the_middle_of_a_read_is_healed_by_the_platforms_retry(
    streams: dict[str, Message],
) -> None:
    with Sandbox(size="tiny", token_life=20, restricted_answer=404) as box:
        clock = slow_pages(box, 0.3)
        config = box.config()
        siblings: list[dict[str, Any]] = []

        def rotate(name: str, page: int, company: object) -> None:
            siblings.append(box.tokens.issue(box.tokens.grants[0]))

        box.faults.add(faults.after_page(rotate), nth=3)
        catalog = catalog_of(streams.values())
        destination = Destination(catalog)
        destination.begin()
        output = run("read", config, catalog=catalog, clock=clock, seen=destination.take)
        assert failure_type(output) == "transient_error" and "Another run" in text(output)
        assert [one.status for one in token_calls(box) if one.status != 200] == [400]
        assert len(siblings) == 1

        box.settings.token_life = 300
        destination.begin()
        fresh = config | {"refresh_token": siblings[0]["refresh_token"]}
        output = run("read", fresh, catalog=catalog, clock=clock, state=destination.saved(), seen=destination.take)
        assert output.failure is None
        for name in SOME[:4]:
            assert {row["id"] for row in destination.rows(name)} == {row["id"] for row in box.businesses[0].rows(name)}


def test_an_access_token_alone_works_while_it_lives_and_its_rows_and_states_stay_valid(
    streams: dict[str, Message],
) -> None:
    with Sandbox(size="tiny", token_life=20, restricted_answer=404) as box:
        clock = slow_pages(box, 0.3)
        catalog = catalog_of(streams.values())
        destination = Destination(catalog)
        destination.begin()
        output = run("read", box.config(refresh_token=""), catalog=catalog, clock=clock, seen=destination.take)
        assert failure_type(output) == "config_error"
        assert "no Refresh Token" in text(output) and SIGN_IN in text(output)
        assert (token_calls(box), output.configs) == ([], [])
        assert output.of("RECORD") and destination.saved()
        finished = [name for name in streams if output.statuses(name)[-1:] == ["COMPLETE"]]
        assert 0 < len(finished) < len(streams)

        box.settings.token_life = 300
        destination.begin()
        output = run(
            "read", box.config(), catalog=catalog, clock=clock, state=destination.saved(), seen=destination.take
        )
        assert output.failure is None
        for name in SOME[:4]:
            assert {row["id"] for row in destination.rows(name)} == {row["id"] for row in box.businesses[0].rows(name)}


# Clocks that are wrong


@pytest.mark.parametrize("minutes", [-30, -5, 5, 30])
def test_a_clock_that_is_minutes_off_costs_one_renewal_at_most(
    own: Sandbox, some: dict[str, Any], minutes: float
) -> None:
    clock = WrongClock(minutes)
    output = run("read", own.config(), catalog=some, clock=clock)
    assert output.failure is None
    assert own.tokens.refreshes == (1 if minutes > 0 else 0)
    # What this machine dated itself it reads rightly.
    kept = output.configs[-1] if output.configs else own.config()
    assert run("check", kept, clock=clock).status["status"] == "SUCCEEDED"
    assert own.tokens.refreshes == (1 if minutes > 0 else 0)


def test_a_clock_that_is_behind_learns_from_the_401(own: Sandbox, some: dict[str, Any]) -> None:
    config = own.config()
    own.clock.advance(400)
    output = run("read", config, catalog=some, clock=WrongClock(-30))
    assert output.failure is None
    assert own.tokens.refreshes == len(output.configs) == 1
    assert len([one for one in own.requests if one.status == 401]) == 1


def test_a_sign_in_that_was_unused_for_three_weeks_is_warned_of(own: Sandbox, some: dict[str, Any]) -> None:
    config = own.config()
    own.clock.advance(21 * 86_400)
    output = run("read", config, catalog=some, clock=WrongClock(21 * 1440))
    assert output.failure is None
    assert any("last renewed 21 days ago" in line or "last renewed 20 days ago" in line for line in output.log("WARN"))


# Killed


@pytest.mark.slow
def test_killed_around_its_renewals_it_starts_anew_with_what_it_emitted() -> None:
    command = [sys.executable, "-m", "integration_tests.kill_around_refreshes", "--kills", "10", "--seed", "2"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LONG, check=False)  # noqa: S603
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("10 kills") and "0 failed otherwise" in done.stdout
