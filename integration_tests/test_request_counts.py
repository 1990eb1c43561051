"""What quiet data costs: a request a page and two more; a list in slices, four more a slice and five."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator

import pytest

from benchmarks.targets import most_requests, slices_of
from integration_tests.pipeline import Pipeline, is_walk
from integration_tests.sandbox import Sandbox
from integration_tests.sandbox.manners.requestlog import Logged
from integration_tests.test_streams import EVERY_STREAM
from source_sage.lists import cuts

PAGE_SIZE = 200
# What tells whether a list of several pages stood still while it was read.
BESIDES = 2
SORTED = ("sales_invoices", "contact_payments")
LISTS = (*SORTED, "ledger_entries", "transactions", "journals", "addresses", "contacts", "countries")
DELETABLE = tuple(name for name in LISTS if EVERY_STREAM[name].tombstones)
EDITED = ("sales_invoices", "transactions", "contacts")
CHANGING = tuple(name for name in LISTS if EVERY_STREAM[name].changes)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """Lists of one page to one hundred."""
    with Sandbox(ledger_entries=20_000, seed=13, token_life=10**9) as sandbox:
        sandbox.clock.advance(86_400)
        yield sandbox


@pytest.fixture(scope="module")
def first_read(box: Sandbox) -> tuple[Pipeline, list[Logged]]:
    """A connection after its first read, and what that asked for."""
    connection = Pipeline(box, LISTS)
    assert connection.sync().failure is None
    return connection, list(box.requests)


@pytest.fixture
def pipeline(first_read: tuple[Pipeline, list[Logged]]) -> Pipeline:
    return first_read[0]


def pages(rows: int) -> int:
    return max(1, math.ceil(rows / PAGE_SIZE))


def besides(rows: int) -> int:
    """How many requests more than its pages a first read of so many rows may cost; one page needs no proof."""
    return most_requests(rows) - pages(rows) if rows > PAGE_SIZE else 0


def assert_cost(requests: list[Logged], name: str, rows: int, asked_for: int | None = None) -> None:
    """A first read costs its pages and little more.

    Args:
        rows: in the list, as far as they are wanted.
        asked_for: with those of the days beside, which may be asked for too.
    """
    asked = [one for one in requests if one.list == name]
    asked_for = asked_for or rows
    most = pages(asked_for) + besides(asked_for)
    assert pages(rows) <= len(asked) <= most, f"{name}: {len(asked)} requests for {pages(rows)} pages, at most {most}"
    assert not any(one.past_end or one.status != 200 for one in asked)
    walked = [str(sorted(one.params.items())) for one in asked if is_walk(one)]
    assert len(set(walked)) == len(walked), "asked twice for the same"
    questions = len(asked) - len(walked)
    assert questions <= 1 + bool(besides(asked_for)) + slices_of(asked_for)


def test_a_first_read(first_read: tuple[Pipeline, list[Logged]]) -> None:
    connection, requests = first_read
    connection.assert_equal()
    counts = {name: len(connection.truth(name)) for name in LISTS}
    assert max(counts.values()) > cuts.SHORT_LIST
    assert len([name for name in LISTS if pages(counts[name]) > 2]) >= 6
    for name, count in counts.items():
        assert_cost(requests, name, count)
    business = connection.box.businesses[0].id
    others = [one.path for one in requests if one.list not in LISTS]
    assert others == ["/v3.1/businesses", f"/v3.1/businesses/{business}"]


def a_day_more(day: str, days: int) -> str:
    return (dt.date.fromisoformat(day) + dt.timedelta(days=days)).isoformat()


@pytest.mark.parametrize(("start", "end"), [(0.3, 0.5), (0.9, 1)])
def test_a_first_read_of_some_dates(start: float, end: float, box: Sandbox) -> None:
    """A day more on either side may be asked for, since nobody knows whether Sage counts the days themselves in."""
    days = sorted(row["date"] for row in box.businesses[0].rows("transactions"))
    first, last = days[int(start * len(days))], days[int(end * len(days)) - 1]
    dated = [name for name in LISTS if EVERY_STREAM[name].dates]
    connection = Pipeline(box, dated, start_date=first, end_date=last)
    assert connection.sync().failure is None
    connection.assert_equal()
    for name in dated:
        wide = [
            row for row in box.businesses[0].rows(name) if a_day_more(first, -1) <= row["date"] <= a_day_more(last, 1)
        ]
        assert_cost(box.requests, name, len(connection.truth(name)), len(wide))


def test_a_second_read_of_quiet_lists(pipeline: Pipeline) -> None:
    assert pipeline.sync().failure is None
    assert pipeline.sync().failure is None
    for name in CHANGING:
        assert len(pipeline.asked(name)) == 1 + EVERY_STREAM[name].tombstones


def test_a_second_read_of_many_changes(box: Sandbox, pipeline: Pipeline) -> None:
    company = box.businesses[0]
    box.clock.advance(3600)
    for name in EDITED:
        for row in company.rows(name)[:405]:
            company.update(name, row["id"])
    box.clock.advance(700)  # longer ago than what is taken for late
    output = pipeline.sync()
    assert output.failure is None
    for name in EDITED:
        rows = len(output.rows(name))
        assert rows == min(405, len(company.rows(name)))
        asked = len(pipeline.asked(name)) - EVERY_STREAM[name].tombstones
        assert pages(rows) <= asked <= pages(rows) + BESIDES
    pipeline.assert_equal(*EDITED)


def test_a_second_read_of_many_deletions(box: Sandbox, pipeline: Pipeline) -> None:
    company = box.businesses[0]
    box.clock.advance(3600)
    for name in ("addresses", "contacts", "journals"):
        for row in company.rows(name)[:405]:
            company.delete(name, row["id"])
    box.clock.advance(700)  # longer ago than what is taken for late
    output = pipeline.sync()
    assert output.failure is None
    for name in ("addresses", "contacts", "journals"):
        gone = len([row for row in output.rows(name) if row.get("is_deleted")])
        assert gone >= 405
        assert len([one for one in pipeline.asked(name) if "deleted_since" in one.params]) == pages(gone)
        assert len(pipeline.asked(name)) <= pages(gone) + 1 + BESIDES
    pipeline.assert_equal("addresses", "contacts", "journals")
    box.clock.advance(600)
    assert pipeline.sync().failure is None
    for name in CHANGING:
        assert len(pipeline.asked(name)) == 1 + EVERY_STREAM[name].tombstones
