"""A used-up request budget: the run ends soon and in good order, says when to go on, and the next one goes on."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from integration_tests.pipeline import Pipeline, SandboxClock, page_size
from integration_tests.sandbox import Sandbox, faults
from integration_tests.sandbox.manners.faults import Action, Call
from integration_tests.sandbox.wire.values import http_date

LEDGER = "ledger_entries"
STREAMS = (LEDGER, "transactions", "addresses", "contacts", "sales_invoices")
PAGE_SIZE = 10
HOURS = 5
# The pages of the slices that were under way, and what is asked for at the beginning and the end.
REPEATED_PAGES = 60
WORKERS = 8
# The longest silence that we tell Airbyte to expect; it ends a source that is silent for longer.
METADATA = yaml.safe_load((Path(__file__).parents[1] / "metadata.yaml").read_text())["data"]
LONGEST_SILENCE_SECONDS = METADATA["maxSecondsBetweenMessages"]


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(size="small", seed=12, token_life=10**9) as sandbox, page_size(PAGE_SIZE):
        sandbox.clock.advance(86_400)
        yield sandbox


def refusal(box: Sandbox, kind: str, seconds: float) -> Action:
    told = {"seconds": str(int(seconds)), "HTTP date": http_date(box.clock.now() + seconds), "absent": ""}[kind]
    return faults.status(429, [{"$dataCode": "TooManyRequests"}], {"Retry-After": told} if told else None)


def spend(box: Sandbox, after: int, action: Action) -> None:
    """All requests after so many from now on are refused."""
    left = after

    def spent(call: Call) -> bool:
        nonlocal left
        left -= call.path.startswith("/v3.1/")
        return left < 0

    box.faults.add(action, path="/v3.1/*", when=spent)


@pytest.mark.quick("30-HTTP date", "120-seconds")
@pytest.mark.parametrize("kind", ["seconds", "HTTP date"])
@pytest.mark.parametrize("after", [1, 30, 120])
def test_the_run_ends_and_the_next_goes_on_after_the_time_it_named(after: int, kind: str, box: Sandbox) -> None:
    pipeline = Pipeline(box, STREAMS)
    began = box.clock.now()
    spend(box, after, refusal(box, kind, HOURS * 3600))
    output = pipeline.sync()

    assert {error["failure_type"] for error in output.errors} == {"transient_error"}
    again = dt.datetime.fromtimestamp(began + HOURS * 3600, dt.UTC)
    said = [again + dt.timedelta(minutes=minutes) for minutes in (0, 1, 2)]
    for error in output.errors:
        assert any(moment.strftime("%Y-%m-%dT%H:%M") in error["message"] for moment in said), error["message"]
        assert "saved" in error["message"]
    assert box.clock.now() - began < 60
    assert output.statuses(LEDGER)[-1:] == (["INCOMPLETE"] if after > 1 else [])  # 1: before the first stream

    # Too early: the same again, and nothing is lost.
    early = pipeline.sync()
    assert {error["failure_type"] for error in early.errors} == {"transient_error"}

    box.faults.clear()
    box.clock.advance(HOURS * 3600)
    company = box.businesses[0]
    company.update("contacts", company.rows("contacts")[3]["id"])
    company.delete("addresses", company.rows("addresses")[2]["id"])
    company.create("contacts")
    box.clock.advance(10)
    there = len(pipeline.destination.rows(LEDGER))
    assert pipeline.sync().failure is None
    left = math.ceil((len(company.rows(LEDGER)) - there) / PAGE_SIZE)
    assert len(pipeline.asked(LEDGER)) <= left + REPEATED_PAGES
    pipeline.assert_equal()


def test_an_incremental_run_whose_budget_is_used_up_moves_nothing_that_is_not_done(box: Sandbox) -> None:
    pipeline = Pipeline(box, STREAMS)
    company = box.businesses[0]
    assert pipeline.sync().failure is None
    box.clock.advance(3600)
    for name in STREAMS:
        for row in company.rows(name)[:35]:
            company.update(name, row["id"])
    for row in company.rows("addresses")[40:60]:
        company.delete("addresses", row["id"])
    for after in (3, 7, 12):
        box.clock.advance(600)
        spend(box, after, refusal(box, "seconds", HOURS * 3600))
        assert {error["failure_type"] for error in pipeline.sync().errors} == {"transient_error"}
        box.faults.clear()
        company.update("contacts", company.rows("contacts")[50]["id"])
    box.clock.advance(HOURS * 3600)
    assert pipeline.sync().failure is None
    pipeline.assert_equal()


def test_no_stream_asks_on_when_one_has_learnt_that_the_budget_is_used_up(box: Sandbox) -> None:
    pipeline = Pipeline(box, None)
    spend(box, 20, refusal(box, "seconds", HOURS * 3600))
    output = pipeline.sync()
    refused = [one for one in box.requests if one.status == 429]
    assert 1 <= len(refused) <= WORKERS
    assert output.failure is not None
    left = [one["stream"]["name"] for one in pipeline.catalog["streams"]]
    assert all(output.statuses(name)[-1] in ("INCOMPLETE", "COMPLETE") for name in left)


@pytest.mark.parametrize("kind", ["absent", "seconds"])
def test_a_sage_that_refuses_for_ever_does_not_hold_the_run_for_ever(kind: str, box: Sandbox) -> None:
    pipeline = Pipeline(box, STREAMS)
    began = box.clock.now()

    def woken() -> None:
        if box.clock.now() - began > 8 * LONGEST_SILENCE_SECONDS:
            raise TimeoutError("still waiting")

    pipeline.clock = SandboxClock(box, woken=woken)
    spend(box, 40, refusal(box, kind, 300))
    output = pipeline.sync()
    assert {error["failure_type"] for error in output.errors} == {"transient_error"}
    assert box.clock.now() - began <= LONGEST_SILENCE_SECONDS
    box.faults.clear()
    assert pipeline.sync().failure is None
    pipeline.assert_equal()
