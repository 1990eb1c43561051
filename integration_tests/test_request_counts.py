"""What quiet data costs: a request a page, and at most one more for a list of several pages."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator

import pytest

from integration_tests.pipeline import Pipeline
from integration_tests.sandbox import Sandbox
from integration_tests.sandbox.requestlog import Logged
from integration_tests.test_streams import EVERY_STREAM

PAGE_SIZE = 200
# One request tells whether a list of several pages stood still while it was read.
STATED_CONSTANT = 1
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


def assert_cost(requests: list[Logged], name: str, least: int, most: int | None = None) -> None:
    """A list costs its pages, and the stated constant if there are several."""
    asked = [one for one in requests if one.list == name]
    most = most or least
    most += STATED_CONSTANT if most > 1 and EVERY_STREAM[name].changes else 0
    assert least <= len(asked) <= most, f"{name}: {len(asked)} requests for {least} pages"
    assert not any(one.past_end or one.status != 200 for one in asked)
    assert len({str(sorted(one.params.items())) for one in asked}) == len(asked), "asked twice for the same"


def test_a_first_read(first_read: tuple[Pipeline, list[Logged]]) -> None:
    connection, requests = first_read
    connection.assert_equal()
    counts = {name: pages(len(connection.truth(name))) for name in LISTS}
    assert max(counts.values()) >= 100
    assert len([name for name in LISTS if counts[name] > 2]) >= 6
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
        assert_cost(box.requests, name, pages(len(connection.truth(name))), pages(len(wide)))


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
        assert pages(rows) <= asked <= pages(rows) + STATED_CONSTANT
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
        assert len(pipeline.asked(name)) <= pages(gone) + 1 + STATED_CONSTANT
    pipeline.assert_equal("addresses", "contacts", "journals")
    box.clock.advance(600)
    assert pipeline.sync().failure is None
    for name in CHANGING:
        assert len(pipeline.asked(name)) == 1 + EVERY_STREAM[name].tombstones
