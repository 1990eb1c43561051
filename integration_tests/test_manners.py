"""What is not known of Sage, each possibility played: under none of them a row is lost.

A first read while rows leave its front, changes right after it, an incremental read while rows leave, and a quiet one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integration_tests.pipeline import Pipeline, page_size
from integration_tests.sandbox import Company, Sandbox, faults

# In order of creation and with tombstones; without a sort; without tombstones; tiny ones of two kinds.
STREAMS = ("sales_invoices", "contacts", "addresses", "transactions", "bank_transfers", "countries")

MANNERS: dict[str, dict[str, Any]] = {
    "as documented": {},
    "$total missing": {"total_goes_missing": True},
    "$total counts no further than 100": {"total_cap": 100},
    "$next missing": {"next_goes_missing": True},
    "neither $total nor $next": {"total_goes_missing": True, "next_goes_missing": True},
    "from_date and to_date exclusive": {"dates_inclusive": False},
    "deleted_since inclusive": {"deleted_since_inclusive": True},
    "tombstones without deleted_at": {"tombstones_with_deleted_at": False},
    "no Date header": {"date_header_ahead": None},
    "Date header 5 minutes behind": {"date_header_ahead": -300},
    "Date header 5 minutes ahead": {"date_header_ahead": 300},
}
CLOCKS = {"clocks agree": 0, "our clock 5 minutes behind": -300, "our clock 5 minutes ahead": 300}


@pytest.fixture
def box() -> Iterator[Sandbox]:
    """Six pages and more of each list that is not tiny."""
    with Sandbox(size="small", seed=6, token_life=10**9) as sandbox, page_size(20):
        sandbox.clock.advance(86_400)
        yield sandbox


def connection(box: Sandbox, **form: Any) -> Pipeline:
    """Dates on whose first and last day there are invoices and transactions."""
    days = sorted(row["date"] for row in box.businesses[0].rows("sales_invoices"))
    return Pipeline(box, STREAMS, start_date=days[20], end_date=days[-20], **form)


def leave(box: Sandbox, name: str, page: int) -> None:
    """Before that page of a list is asked for, its first row is deleted."""

    def delete(_: str, __: int, company: Company) -> None:
        box.clock.advance(1)
        company.delete(name, company.rows(name)[5]["id"])

    box.faults.add(
        faults.before_page(delete),
        path=f"*/{name}",
        when=lambda call: call.page == page and call.page_size > 1,
        times=1,
    )


def edit_and_delete(company: Company) -> None:
    for name in ("sales_invoices", "contacts", "addresses", "transactions"):
        rows = company.rows(name)
        company.update(name, rows[40]["id"])
        company.update(name, rows[-40]["id"])
    for name in ("sales_invoices", "contacts", "addresses", "bank_transfers"):
        company.delete(name, company.rows(name)[5]["id"])


def converge(pipeline: Pipeline) -> None:
    """Changes between pages, right after a read, and between reads; then equality."""
    box, company = pipeline.box, pipeline.box.businesses[0]
    for name in ("sales_invoices", "contacts", "addresses"):
        leave(box, name, 2)
    assert pipeline.sync().failure is None
    box.faults.clear()
    edit_and_delete(company)
    box.clock.advance(20)
    edit_and_delete(company)
    box.clock.advance(3600)
    assert pipeline.sync().failure is None
    pipeline.assert_equal()
    edit_and_delete(company)
    box.clock.advance(100)
    assert pipeline.sync().failure is None
    pipeline.assert_equal()


@pytest.mark.parametrize("manner", MANNERS)
def test_nothing_is_lost_whatever_the_manner(manner: str, box: Sandbox) -> None:
    box.settings.change(MANNERS[manner])
    converge(connection(box))


@pytest.mark.quick("our clock 5 minutes behind-no Date header", "our clock 5 minutes ahead-no Date header")
@pytest.mark.parametrize("header", [0, None], ids=["Date header", "no Date header"])
@pytest.mark.parametrize("clock", CLOCKS)
def test_nothing_is_lost_whatever_our_own_clock_says(clock: str, header: float | None, box: Sandbox) -> None:
    box.settings.change({"date_header_ahead": header})
    converge(connection(box, ahead=CLOCKS[clock]))


@pytest.mark.quick(
    "as documented", "neither $total nor $next", "$total counts no further than 100", "from_date and to_date exclusive"
)
@pytest.mark.parametrize("manner", MANNERS)
def test_a_quiet_read_is_whole_whatever_the_manner(manner: str, box: Sandbox) -> None:
    box.settings.change(MANNERS[manner])
    pipeline = connection(box)
    output = pipeline.sync()
    assert output.failure is None
    cap = MANNERS[manner].get("total_cap")
    wrong = [name for name in STREAMS if cap and len(pipeline.truth(name)) > cap]
    # Of each list of which Sage says another length than it has, once.
    told = output.log("WARN")
    assert len(told) == len(wrong)
    assert all(any(text.startswith(f"{name} of ") and "$total" in text for text in told) for name in wrong)
    pipeline.assert_equal()
    assert not [one for one in box.requests if one.status != 200]
