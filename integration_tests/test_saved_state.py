"""The saved state between runs: refused when damaged, kept when streams, businesses, toggles or dates change."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest

from integration_tests.harness import Message, run
from integration_tests.pipeline import Pipeline, page_size
from integration_tests.sandbox import Company, Sandbox, faults
from source_sage.clock import utc_text

DATED = ("sales_invoices", "transactions", "journals")
STREAMS = (*DATED, "contacts")
DAYS = ("2024-06-01", "2025-03-01", "2025-09-01", "2026-03-01")


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(size="tiny", seed=11, businesses=2, until="2026-06-30", token_life=10**9) as sandbox, page_size(10):
        sandbox.clock.advance(86_400)
        yield sandbox


@pytest.fixture
def lead(box: Sandbox) -> Company:
    return box.businesses[0]


MOMENT = "2026-11-23T10:00:00Z"
GOOD = {"watermark": MOMENT, "start": "2024-06-01"}
WHOLE = {"began": MOMENT, "start": "2024-06-01"}


def blob(place: Any = GOOD, **differing: Any) -> dict[str, Any]:
    """A state of today's version, whose fields may be others; HOST stands for the one that is read."""
    return {"version": 2, "endpoint": "HOST", "businesses": {"b": place}, **differing}


def of_before(place: Any = GOOD) -> dict[str, Any]:
    """A state of version 1, of before the first release."""
    return {"version": 1, "businesses": {"b": place}}


DAMAGED: dict[str, Any] = {
    "a version to come": blob(version=3),
    "a version that is a text": blob(version="2"),
    "no version": {"endpoint": "HOST", "businesses": {"b": GOOD}},
    "no endpoint": {"version": 2, "businesses": {"b": GOOD}},
    "no businesses": {"version": 2, "endpoint": "HOST"},
    "businesses that are a list": blob(businesses=["b"]),
    "a place that is a text": blob(MOMENT),
    "a place that is null": blob(None),
    "an empty place": blob({}),
    "a watermark that is no time": blob({**GOOD, "watermark": "yesterday"}),
    "a watermark that is a number": blob({**GOOD, "watermark": 1764000000}),
    "a date that is none": blob({**GOOD, "start": "2024-13-01"}),
    "an unknown field": blob({**GOOD, "page": 7}),
    "a field of version 1": blob({"began": MOMENT, "rows": 200}),
    "a reading that never began": blob({"whole": {"start": "2024-06-01"}}),
    "a reading that began at no time": blob({"whole": {**WHOLE, "began": "soon"}}),
    "a done date that is none": blob({"whole": {**WHOLE, "done": [["2024-06-01", "2024-06-31"]]}}),
    "a done range of one date": blob({"whole": {**WHOLE, "done": [["2024-06-01"]]}}),
    "an unknown field of a reading": blob({"whole": {**WHOLE, "rows": 200}}),
    "version 1 without businesses": {"version": 1},
    "version 1, a watermark that is no time": of_before({**GOOD, "watermark": "yesterday"}),
    "version 1, an unknown field": of_before({**GOOD, "page": 7}),
    "version 1, neither watermark nor beginning": of_before({"rows": 200}),
    "another connector's cursor": {"updated_at": MOMENT},
    "another connector's partitions": {"states": [{"partition": {"id": "b"}, "cursor": {"updated_at": "x"}}]},
}


@pytest.mark.parametrize("what", DAMAGED)
def test_state_that_cannot_be_read_is_a_clear_error_and_no_silent_full_read(
    what: str, box: Sandbox, lead: Company
) -> None:
    pipeline = Pipeline(box, STREAMS, account_id=lead.id)
    box.clear_requests()
    text = json.dumps(DAMAGED[what]).replace('"b"', f'"{lead.id}"').replace("HOST", "127.0.0.1")
    stream = {"stream_descriptor": {"name": "contacts"}, "stream_state": json.loads(text)}
    output = run("read", pipeline.config, catalog=pipeline.catalog, state=[{"type": "STREAM", "stream": stream}])
    first, last = output.errors
    assert {first["failure_type"], last["failure_type"]} == {"config_error"}
    assert first["message"].startswith("The saved state of stream contacts cannot be read")
    assert "Refresh or clear" in first["message"]
    assert last["message"].startswith("1 of 4 streams did not finish (contacts).")
    assert output.statuses("contacts") == ["STARTED", "INCOMPLETE"]
    assert output.rows("contacts") == []
    assert not [one for one in box.requests if one.list == "contacts"]
    assert not [one for one in output.of("STATE") if "contacts" in str(one)]
    assert all(output.rows(name) and output.statuses(name)[-1] == "COMPLETE" for name in DATED)


def test_a_watermark_of_version_1_is_gone_on_from(box: Sandbox, lead: Company) -> None:
    pipeline = Pipeline(box, STREAMS, account_id=lead.id)
    assert pipeline.sync().failure is None
    for name in STREAMS:
        place = state_of(pipeline, name)[lead.id]
        pipeline.destination.state[name]["stream"]["stream_state"] = {"version": 1, "businesses": {lead.id: place}}
    a_little_business(lead)
    box.clock.advance(60)
    assert pipeline.sync().failure is None
    for name in STREAMS:
        assert_asked_for_changes_only(pipeline, name, lead)
    pipeline.assert_equal()
    assert all(one["stream"]["stream_state"]["version"] == 2 for one in pipeline.destination.saved())


def test_a_reading_that_version_1_left_unfinished_begins_again_and_asks_for_what_was_deleted_since(
    box: Sandbox, lead: Company
) -> None:
    pipeline = Pipeline(box, STREAMS, account_id=lead.id)
    began = box.clock.now()
    pipeline.sync(kill_after=60)
    moment = utc_text(dt.datetime.fromtimestamp(began, dt.UTC))
    for name in STREAMS:
        place = {"began": moment, "rows": 20, "total": 40, "start": pipeline.config["start_date"]}
        state = {"version": 1, "businesses": {lead.id: place}}
        stream = {"stream_descriptor": {"name": name}, "stream_state": state}
        pipeline.destination.state[name] = {"type": "STREAM", "stream": stream}
    a_little_business(lead)
    for name in ("sales_invoices", "contacts"):
        if rows := pipeline.destination.rows(name):
            lead.delete(name, rows[0]["id"])
    box.clock.advance(60)
    assert pipeline.sync().failure is None
    assert all("deleted_since" in str(pipeline.asked(name)) for name in ("sales_invoices", "contacts"))
    pipeline.assert_equal()


def test_state_that_was_reached_at_another_endpoint_is_refused(box: Sandbox, lead: Company) -> None:
    pipeline = Pipeline(box, ["contacts"], account_id=lead.id)
    assert pipeline.sync().failure is None
    before = pipeline.destination.state["contacts"]
    before["stream"]["stream_state"]["endpoint"] = "api.accounting.sage.com"
    output = pipeline.sync()
    assert {one["failure_type"] for one in output.errors} == {"config_error"}
    assert all("API Endpoint" in one["message"] for one in output.errors)
    assert not pipeline.asked("contacts")
    assert pipeline.destination.state["contacts"] == before


def state_of(pipeline: Pipeline, name: str) -> dict[str, Any]:
    blob: dict[str, Any] = pipeline.destination.state[name]["stream"]["stream_state"]["businesses"]
    return blob


def assert_asked_for_changes_only(pipeline: Pipeline, name: str, company: Company) -> None:
    asked = [one for one in pipeline.asked(name) if one.business == company.id]
    assert asked
    assert all(one.params.keys() & {"updated_or_created_since", "deleted_since"} for one in asked)


def a_little_business(company: Company) -> None:
    company.day_of_business()
    company.update("contacts", company.rows("contacts")[2]["id"])
    company.update("transactions", company.rows("transactions")[2]["id"])
    company.delete("sales_invoices", company.rows("sales_invoices")[1]["id"])


def test_a_stream_added_later_leaves_the_others_where_they_were(box: Sandbox, lead: Company) -> None:
    pipeline = Pipeline(box, ["contacts"], account_id=lead.id)
    assert pipeline.sync().failure is None
    a_little_business(lead)
    pipeline.select(STREAMS)
    assert pipeline.sync().failure is None
    assert_asked_for_changes_only(pipeline, "contacts", lead)
    pipeline.assert_equal()


def test_a_stream_left_out_for_a_while_goes_on_from_its_place(box: Sandbox, lead: Company) -> None:
    pipeline = Pipeline(box, STREAMS, account_id=lead.id)
    assert pipeline.sync().failure is None
    pipeline.select(["contacts"])
    a_little_business(lead)
    box.clock.advance(3600)
    assert pipeline.sync().failure is None
    pipeline.select(STREAMS)
    assert pipeline.sync().failure is None
    assert_asked_for_changes_only(pipeline, "sales_invoices", lead)
    pipeline.assert_equal()


def test_a_business_added_later_is_read_whole_and_the_first_goes_on(box: Sandbox, lead: Company) -> None:
    pipeline = Pipeline(box, STREAMS, account_id=lead.id)
    assert pipeline.sync().failure is None
    for company in box.businesses:
        a_little_business(company)
    pipeline.config["account_id"] = "all"
    assert pipeline.sync().failure is None
    for name in STREAMS:
        assert_asked_for_changes_only(pipeline, name, lead)
        assert state_of(pipeline, name).keys() == {company.id for company in box.businesses}
    pipeline.assert_equal()


def test_a_business_left_out_for_a_while_goes_on_from_its_place(box: Sandbox, lead: Company) -> None:
    pipeline = Pipeline(box, STREAMS, account_id="all")
    assert pipeline.sync().failure is None
    pipeline.config["account_id"] = lead.id
    box.clock.advance(600)
    for company in box.businesses:
        a_little_business(company)
    assert pipeline.sync().failure is None
    pipeline.config["account_id"] = "all"
    assert pipeline.sync().failure is None
    for name in STREAMS:
        assert_asked_for_changes_only(pipeline, name, box.businesses[1])
    pipeline.assert_equal()


def test_one_failing_business_keeps_its_place_and_the_other_moves_on(box: Sandbox, lead: Company) -> None:
    pipeline = Pipeline(box, STREAMS, account_id="all")
    assert pipeline.sync().failure is None
    before = state_of(pipeline, "contacts")[lead.id]
    box.clock.advance(3600)
    for company in box.businesses:
        a_little_business(company)
    box.faults.add(faults.status(503), when=lambda call: call.company is lead and call.list in STREAMS)
    failed = pipeline.sync()
    assert {error["failure_type"] for error in failed.errors} == {"transient_error"}
    assert all(failed.statuses(name)[-1] == "INCOMPLETE" for name in STREAMS)
    places = state_of(pipeline, "contacts")
    assert places[lead.id] == before
    assert places[box.businesses[1].id]["watermark"] > before["watermark"]
    box.faults.clear()
    assert pipeline.sync().failure is None
    for name in STREAMS:
        for company in box.businesses:
            assert_asked_for_changes_only(pipeline, name, company)
    pipeline.assert_equal()


def test_a_toggle_switched_on_later_leaves_the_other_streams_where_they_were(box: Sandbox, lead: Company) -> None:
    off = ["contacts", "sales_invoices"]
    pipeline = Pipeline(box, off, account_id=lead.id, replicate_inventory_data=False, replicate_financial_data=False)
    assert pipeline.sync().failure is None
    a_little_business(lead)
    pipeline.config.update(replicate_inventory_data=True, replicate_financial_data=True)
    pipeline.select([*off, "products", "stock_items", "ledger_entries"])
    assert pipeline.sync().failure is None
    for name in off:
        assert_asked_for_changes_only(pipeline, name, lead)
    pipeline.assert_equal()


WIDER: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "an earlier start": ({"start_date": DAYS[2]}, {"start_date": DAYS[0]}),
    "historical data": ({"start_date": DAYS[1]}, {"start_date": DAYS[1], "include_historical_data": True}),
    "a later end": (
        {"start_date": DAYS[0], "end_date": DAYS[1]},
        {"start_date": DAYS[0], "end_date": DAYS[2]},
    ),
    "no end any more": ({"start_date": DAYS[0], "end_date": DAYS[1]}, {"start_date": DAYS[0]}),
    "both": (
        {"start_date": DAYS[1], "end_date": DAYS[2]},
        {"start_date": DAYS[0], "end_date": DAYS[3]},
    ),
}


@pytest.mark.quick("an earlier start-end", "both-are killed", "historical data-are killed", "no end any more-end")
@pytest.mark.parametrize("reads", ["end", "are killed"])
@pytest.mark.parametrize("what", WIDER)
def test_wider_dates_read_again(what: str, reads: str, box: Sandbox, lead: Company) -> None:
    before, after = WIDER[what]
    pipeline = Pipeline(box, STREAMS, account_id=lead.id, **before)
    assert pipeline.sync(kill_after=60 if reads == "are killed" else None).failure is None
    few = len(pipeline.destination.rows("transactions"))
    a_little_business(lead)
    box.clock.advance(3600)
    pipeline.config = box.config(account_id=lead.id, **after)
    if reads == "are killed":
        pipeline.sync(kill_after=90)
        a_little_business(lead)
        box.clock.advance(60)
    assert pipeline.sync().failure is None
    pipeline.assert_equal()
    assert len(pipeline.destination.rows("transactions")) > few
    if reads == "end":  # contacts have no dates
        assert_asked_for_changes_only(pipeline, "contacts", lead)
    a_little_business(lead)
    box.clock.advance(60)
    assert pipeline.sync().failure is None
    for name in STREAMS:
        assert_asked_for_changes_only(pipeline, name, lead)
    pipeline.assert_equal()


def test_narrower_dates_keep_the_place(box: Sandbox, lead: Company) -> None:
    pipeline = Pipeline(box, STREAMS, account_id=lead.id, start_date=DAYS[0])
    assert pipeline.sync().failure is None
    known = {row["id"] for row in pipeline.destination.rows("transactions")}
    pipeline.config["start_date"] = DAYS[1]
    a_little_business(lead)
    box.clock.advance(3600)
    rows: list[Message] = []
    assert pipeline.sync(seen=rows.append).failure is None
    for name in STREAMS:
        assert_asked_for_changes_only(pipeline, name, lead)
    assert {row["id"] for row in pipeline.truth("transactions")} <= {
        row["id"] for row in pipeline.destination.rows("transactions")
    }
    # Dates that were narrowed and widened again: what changed meanwhile outside of them is not forgotten.
    old = next(row for row in lead.rows("transactions") if DAYS[0] <= row["date"] < DAYS[1] and row["id"] in known)
    lead.update("transactions", old["id"])
    box.clock.advance(600)
    assert pipeline.sync().failure is None
    pipeline.config["start_date"] = DAYS[0]
    assert pipeline.sync().failure is None
    pipeline.assert_equal()


def edit_out(box: Sandbox, company: Company, key: str) -> None:
    """Give an estimate a date before all that are chosen."""
    box.clock.advance(3600)
    company.update("sales_estimates", key, date="2001-01-01")
    box.clock.advance(3600)


@pytest.mark.parametrize("start", DAYS[:2])
def test_a_row_edited_out_of_the_dates_leaves_though_they_were_widened(start: str, box: Sandbox, lead: Company) -> None:
    pipeline = Pipeline(box, ["sales_estimates"], account_id=lead.id, start_date=DAYS[1], end_date=DAYS[2])
    assert pipeline.sync().failure is None
    key = str(pipeline.truth("sales_estimates", lead)[0]["id"])
    edit_out(box, lead, key)
    pipeline.config.update(start_date=start, end_date="2026-06-30")
    assert pipeline.sync().failure is None
    assert key not in {row["id"] for row in pipeline.destination.rows("sales_estimates")}
    pipeline.assert_equal()


def test_a_row_edited_out_of_the_dates_leaves_though_its_first_read_was_cut_off(box: Sandbox, lead: Company) -> None:
    pipeline = Pipeline(box, ["sales_estimates"], account_id=lead.id, start_date=DAYS[1])
    pipeline.sync(kill_after=5)
    edit_out(box, lead, pipeline.destination.rows("sales_estimates")[0]["id"])
    assert pipeline.sync().failure is None
    pipeline.assert_equal()
