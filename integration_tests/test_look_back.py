"""Look-back: what is dated lately is read again, for changes that leave `updated_at` alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any, Final

import pytest

from integration_tests.pipeline import Pipeline, is_walk, page_size
from integration_tests.sandbox import Company, Sandbox, faults
from integration_tests.test_streams import EVERY_STREAM

LISTS: Final = (
    "sales_invoices",
    "sales_quotes",
    "ledger_entries",
    "transactions",
    "bank_transfers",
    "contact_payments",
)
DAYS: Final = 60


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(size="small", seed=7, token_life=10**9) as sandbox:
        sandbox.clock.advance(86_400)
        yield sandbox


def connection(box: Sandbox, *names: str, **config: Any) -> Pipeline:
    pipeline = Pipeline(box, names, include_historical_data=True, **config)
    assert pipeline.sync().failure is None
    assert pipeline.sync().failure is None
    box.clock.advance(3600)
    return pipeline


def first_day(box: Sandbox) -> str:
    return (dt.datetime.fromtimestamp(box.clock.now(), dt.UTC).date() - dt.timedelta(DAYS)).isoformat()


def a_day_before(day: str) -> str:
    return (dt.date.fromisoformat(day) - dt.timedelta(1)).isoformat()


def in_silence(company: Company, name: str, key: str) -> None:
    """A change of which nothing tells."""
    company.tables[name].change(key, {"displayed_as": "changed in silence"}, None)


def by_date(company: Company, name: str) -> list[str]:
    return [row["id"] for row in sorted(company.rows(name), key=lambda row: str(row["date"]))]


def test_silent_changes_of_the_last_days_arrive_with_it_and_older_ones_do_not(box: Sandbox, company: Company) -> None:
    pipeline = connection(box, *LISTS, look_back_days=DAYS)
    old = {name: by_date(company, name)[0] for name in LISTS}
    new = {name: by_date(company, name)[-1] for name in LISTS}
    for name in LISTS:
        assert old[name] != new[name]
        in_silence(company, name, old[name])
        in_silence(company, name, new[name])
    output = pipeline.sync()
    assert output.failure is None
    for name in LISTS:
        assert {row["date"] >= first_day(box) for row in output.rows(name)} == {True}
        assert {text.split(".")[0].split(":")[0] for text in pipeline.differences(name)} == {name}
        ours = {row["id"]: row["displayed_as"] for row in pipeline.destination.rows(name)}
        assert ours[new[name]] == "changed in silence"
        assert ours[old[name]] != "changed in silence"


def test_without_it_they_do_not_arrive_and_nothing_is_asked_for_it(box: Sandbox, company: Company) -> None:
    pipeline = connection(box, "ledger_entries")
    in_silence(company, "ledger_entries", by_date(company, "ledger_entries")[-1])
    output = pipeline.sync()
    assert output.rows("ledger_entries") == []
    assert len(pipeline.asked("ledger_entries")) == 1


def test_lists_without_dates_are_not_read_again(box: Sandbox) -> None:
    pipeline = connection(box, "contacts", "journals", "contact_allocations", look_back_days=DAYS)
    assert pipeline.sync().failure is None
    assert not any(
        is_walk(one) for name in ("contacts", "journals", "contact_allocations") for one in pipeline.asked(name)
    )


def test_it_is_read_by_slices_and_each_row_leaves_once_with_what_changed(box: Sandbox, company: Company) -> None:
    name = "ledger_entries"
    with page_size(4):
        pipeline = connection(box, name, look_back_days=DAYS)
        recent = [row["id"] for row in company.rows(name) if row["date"] >= first_day(box)]
        assert len(recent) > 100
        in_silence(company, name, recent[0])
        day = by_date(company, name)[0]
        company.update(name, day)
        company.update(name, recent[1])
        output = pipeline.sync()
        assert output.failure is None
        assert sorted(row["id"] for row in output.rows(name)) == sorted([*recent, day])
        windows = {
            (one.params.get("from_date"), one.params.get("to_date")) for one in pipeline.asked(name) if is_walk(one)
        }
        assert len(windows) > 2
        pipeline.assert_equal(name)


def test_rows_that_are_edited_and_deleted_meanwhile_are_right_in_the_end(box: Sandbox, company: Company) -> None:
    name = "bank_transfers"
    with page_size(4):
        for _ in range(20):
            company.create(name)
        box.clock.advance(3600)  # or the next sync brings them as changes
        pipeline = connection(box, name, look_back_days=DAYS)
        for key in by_date(company, name):
            in_silence(company, name, key)

        def change(_: str, page: int, company: Company) -> None:
            keys = [row["id"] for row in company.rows(name) if row["date"] >= first_day(box)]
            company.delete(name, keys[0])
            company.update(name, keys[-1])

        box.faults.add(
            faults.before_page(change), path=f"*/{name}", when=lambda call: call.page > 1 and "from_date" in call.params
        )
        assert pipeline.sync().failure is None
        box.faults.clear()
        box.clock.advance(60)
        pipeline.config["look_back_days"] = 0
        assert pipeline.sync().failure is None
        truth = {row["id"] for row in company.rows(name) if row["date"] >= first_day(box)}
        ours = {row["id"]: row["displayed_as"] for row in pipeline.destination.rows(name)}
        assert truth <= ours.keys()
        assert {ours[key] for key in truth} == {"changed in silence"}


def test_only_what_is_inside_the_chosen_dates_is_read_again(box: Sandbox, company: Company) -> None:
    name = "transactions"
    days = sorted(row["date"] for row in company.rows(name))
    end = days[-1]
    start = next(day for day in reversed(days[:-20]) if a_day_before(day) in days)
    pipeline = Pipeline(box, [name], start_date=start, end_date=end, look_back_days=366)
    for _ in range(2):
        output = pipeline.sync()
        assert output.failure is None
        assert not any(row.get("is_deleted") for row in output.rows(name))
        assert {start <= row["date"] <= end for row in output.rows(name)} == {True}
    (since,) = {one.params["from_date"] for one in pipeline.asked(name) if is_walk(one)}
    assert since == a_day_before(start)
    pipeline.assert_equal(name)
    pipeline.config["end_date"] = start
    pipeline.config["look_back_days"] = 1
    assert pipeline.sync().failure is None
    assert not any(is_walk(one) for one in pipeline.asked(name)), "all that is wanted is longer ago"


def test_stock_movements_are_read_again_for_longer(box: Sandbox) -> None:
    pipeline = connection(box, "stock_movements", look_back_days=300)
    assert pipeline.sync().failure is None
    since = next(dt.date.fromisoformat(one.params["from_date"]) for one in pipeline.asked("stock_movements"))
    today = dt.datetime.fromtimestamp(box.clock.now(), dt.UTC).date()
    assert 299 <= (today - since).days <= 303
    assert EVERY_STREAM["stock_movements"].by_date
