"""Request limits over real HTTP: what `limits` finds out, with threads that ask side by side (figures: unit tests)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pytest

from integration_tests.harness import run
from integration_tests.pipeline import SandboxClock
from integration_tests.sandbox import Sandbox, faults
from integration_tests.sandbox.manners.requestlog import Logged
from source_sage.api.limits import Limits
from source_sage.api.pace import Pace
from source_sage.api.transport import Transport
from source_sage.counts import Tally
from source_sage.sign_in.tokens import SageTokens
from source_sage.source import error_handler

# Time runs faster there, but for real: a busy machine may be late. `unit_tests/test_limits.py` simulates the same.
races = pytest.mark.attacks

WORKERS = 8


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(size="tiny", seed=4, token_life=10**9) as sandbox:
        yield sandbox


class FastClock(SandboxClock):
    """The sandbox's time, which runs faster than the real one, for threads that wait side by side."""

    def __init__(self, box: Sandbox, speed: float) -> None:
        super().__init__(box)
        self._speed = speed
        began = time.time()
        box.clock.now = lambda: began + (time.time() - began) * speed  # type: ignore[method-assign]

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / self._speed)


class Asked(NamedTuple):
    """What asking came to: what was learnt, and how long everybody waited, in seconds of the sandbox."""

    limits: Limits
    waited: float


def asked(box: Sandbox, times: int, meanwhile: Callable[[int], object] = lambda number: None, *, speed: float) -> Asked:
    """Ask for a row so many times, by several threads, in a time that runs so many times as fast as the real one."""
    clock = FastClock(box, speed)
    config = box.config()
    tokens = SageTokens(config, f"{box.root}/oauth/token", reading=True, clock=clock)
    pace = Pace(clock)
    transport = Transport(f"{box.root}/v3.1", tokens, error_handler(), connections=WORKERS, clock=clock, pace=pace)
    tallies = [Tally() for _ in range(times)]

    def ask(number: int) -> None:
        meanwhile(number)
        params = {"page": "1", "items_per_page": "1"}
        transport.get("/contacts", params, dict, business_id=box.businesses[0].id, tally=tallies[number])

    with ThreadPoolExecutor(WORKERS) as executor:
        list(executor.map(ask, range(times)))
    return Asked(pace._limits, sum(tally.waited for tally in tallies))


def refusals(requests: list[Logged]) -> int:
    return sum(one.status == 429 for one in requests)


@races
@pytest.mark.parametrize(
    ("limit", "window", "told", "times", "speed"),
    [
        (100, 60, "seconds", 300, 60),
        (100, 60, "absent", 300, 60),
        (100, 12, "http-date", 300, 12),
        (20, 1, "seconds", 300, 4),
        (1000, 300, "seconds", 1500, 60),
    ],
)
def test_a_window_is_learnt(limit: int, window: int, told: str, times: int, speed: float, box: Sandbox) -> None:
    box.settings.change({"rate_limit": limit, "rate_window": window, "retry_after": told})
    learnt = asked(box, times, speed=speed).limits
    # Where Sage does not say how long to wait, a wall seems longer than it is, at first.
    assert 0.5 * limit / window <= learnt.rate.good <= 1.03 * limit / window
    assert refusals(list(box.requests)[-150:]) <= 3


@races
@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
def test_scattered_refusals_hold_back_only_who_was_refused(share: float, box: Sandbox) -> None:
    chance = random.Random(1)  # noqa: S311
    box.faults.add(
        faults.status(429, [{"$dataCode": "TooManyRequests"}], {"Retry-After": "3"}),
        path="*/contacts",
        when=lambda call: chance.random() < share,
    )
    waited = asked(box, 600, speed=12).waited
    struck = refusals(list(box.requests))
    assert 300 * share < struck < 1_200 * share
    # Were everybody held each time, it would be eight times what those wait who were refused.
    assert waited <= 2.5 * 3 * struck


@races
def test_a_cap_on_requests_at_once_is_learnt(box: Sandbox) -> None:
    box.settings.change({"max_concurrent": 3, "latency": 0.01})
    asked(box, 800, speed=10)
    assert refusals(list(box.requests)[-300:]) <= 9


@races
@pytest.mark.parametrize(("before", "after"), [(40, 20), (20, 40)])
def test_a_limit_that_changes_meanwhile_is_learnt_anew(before: int, after: int, box: Sandbox) -> None:
    box.settings.change({"rate_limit": before, "rate_window": 4})
    learnt = asked(
        box, 700, lambda number: number == 200 and box.settings.change({"rate_limit": after}), speed=12
    ).limits
    assert 0.6 * after / 4 <= learnt.rate.good <= 1.25 * after / 4
    assert refusals(list(box.requests)[-200:]) <= 20  # how few in the end: test_limits.py of the unit tests


# Test Connection


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("1180", "it takes requests again at 20"),
        ("7", "it takes requests again at 20"),
        (None, "does not say when it will"),
        ("-5", "does not say when it will"),
        ("31536000", "does not say when it will"),
    ],
)
@pytest.mark.parametrize("path", ["*/businesses", "*/businesses/*", "*/journals", "/v3.1/*"])
def test_check_waits_ten_seconds_at_most_and_says_when_to_try_again(
    path: str, header: str | None, words: str, box: Sandbox
) -> None:
    headers = {"Retry-After": header} if header else None
    box.faults.add(faults.status(429, [{"$dataCode": "TooManyRequests"}], headers), path=path)
    clock = SandboxClock(box)
    status: dict[str, Any] = run("check", box.config(), clock=clock).status
    assert status["status"] == "FAILED"
    assert "takes no more requests of your app for now (HTTP 429)" in status["message"]
    assert words in status["message"] and "Test again" in status["message"]
    assert sum(clock.slept) <= 10


def test_check_bears_a_limit_that_passes(box: Sandbox) -> None:
    box.faults.add(faults.status(429, headers={"Retry-After": "4"}), path="*/businesses", times=1)
    assert run("check", box.config(), clock=SandboxClock(box)).status["status"] == "SUCCEEDED"
