"""Deletions that Sage does not tell are inferred, and never wrongly: rows that leave, are hidden, or come back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from integration_tests.harness import Output, Row
from integration_tests.pipeline import Pipeline, page_size
from integration_tests.sandbox import Company, Sandbox, faults
from integration_tests.sandbox.manners.requestlog import Logged
from integration_tests.test_streams import EVERY_STREAM
from source_sage.lists import known_keys

LISTS: Final = (
    "ledger_accounts",
    "tax_rates",
    "sales_quotes",
    "sales_estimates",
    "analysis_types",
    "coa_accounts",
    "stock_movements",
)
LINES: Final = ("sales_quote_lines", "sales_estimate_lines")
NAME: Final = "sales_estimates"
WEEK_SECONDS: Final = 7 * 86_400
HOUR: Final = 3_600


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(size="small", seed=7, token_life=10**9) as sandbox:
        sandbox.clock.advance(86_400)
        yield sandbox


def connection(box: Sandbox, *names: str, **config: Any) -> Pipeline:
    """A connection that has read all there is, and knows all keys."""
    pipeline = Pipeline(box, [*(names or (NAME,)), "deleted_records"], include_historical_data=True, **config)
    assert pipeline.sync().failure is None
    box.clock.advance(HOUR)
    return pipeline


def delete(company: Company, name: str = NAME, rows: int = 2) -> list[str]:
    """Delete the last rows of a list; tells their keys."""
    keys = [row["id"] for row in company.rows(name)[-rows:]]
    for key in keys:
        company.delete(name, key)
    return keys


def tombstones(output: Output, name: str = NAME) -> dict[str, Row]:
    return {row["id"]: row for row in output.rows(name) if row.get("is_deleted")}


def singles(box: Sandbox, name: str = NAME) -> list[Logged]:
    """The last sync's questions for single rows."""
    return [one for one in box.requests if one.path.startswith(f"/v3.1/{name}/")]


def kept(pipeline: Pipeline, name: str = NAME) -> dict[str, Any]:
    """The keys that the state has of a list."""
    (place,) = pipeline.destination.state[name]["stream"]["stream_state"]["businesses"].values()
    keys: dict[str, Any] = place.get("keys", {})
    return keys


def sync(pipeline: Pipeline) -> Output:
    output = pipeline.sync()
    assert output.failure is None
    pipeline.box.clock.advance(HOUR)
    return output


def test_two_rows_deleted_in_each_of_seven_lists_leave_with_the_next_sync(box: Sandbox, company: Company) -> None:
    company.create("analysis_types")
    pipeline = connection(box, *LISTS, *LINES)
    between = int(box.clock.now())
    gone = {name: delete(company, name) for name in LISTS}
    output = sync(pipeline)
    for name, keys in gone.items():
        stones = tombstones(output, name)
        assert sorted(stones) == sorted(keys), name
        for stone in stones.values():
            assert stone.keys() == {"business_id", "id", "is_deleted", "deleted_at", "updated_at"}
            assert stone["deleted_at"] == stone["updated_at"]
    pipeline.assert_equal(*LISTS)
    records = {(row["stream"], row["id"]): row for row in output.rows("deleted_records")}
    assert sorted(records) == sorted((name, key) for name, keys in gone.items() for key in keys)
    for row in records.values():
        assert row["is_inferred"] is True
        last_seen = dt.datetime.fromisoformat(row["last_seen_at"])
        assert last_seen.timestamp() < between <= dt.datetime.fromisoformat(row["deleted_at"]).timestamp()
    for lines, parent, key in (
        ("sales_quote_lines", "sales_quotes", "sales_quote_id"),
        ("sales_estimate_lines", NAME, "sales_estimate_id"),
    ):
        assert not {row[key] for row in pipeline.destination.lines(lines)} & set(gone[parent])
        assert {row[key] for row in output.rows(lines) if row["id"] == "*"} == set(gone[parent])
    again = sync(pipeline)
    assert not any(tombstones(again, name) for name in LISTS)
    assert again.rows("deleted_records") == []


def test_deletions_that_sage_tells_have_no_mark(box: Sandbox, company: Company) -> None:
    pipeline = connection(box, "contacts")
    (key,) = delete(company, "contacts", 1)
    (row,) = sync(pipeline).rows("deleted_records")
    assert row["id"] == key
    assert not row.keys() & {"is_inferred", "last_seen_at"}


def test_a_quiet_list_costs_one_request_more_and_its_keys_once_a_week(box: Sandbox, company: Company) -> None:
    with page_size(4):
        pipeline = connection(box)
        pages = -(-len(company.rows(NAME)) // 4)
        assert pages > 2
        for _ in range(3):
            sync(pipeline)
            assert [one.params.get("items_per_page") for one in pipeline.asked(NAME)] == ["4", "1"]
            assert singles(box) == []
        box.clock.advance(WEEK_SECONDS)
        sync(pipeline)
        assert len(pipeline.asked(NAME)) == 2 + pages
        assert all("attributes" not in one.params for one in pipeline.asked(NAME)[1:])
        assert singles(box) == []


def test_a_row_made_for_each_that_is_deleted_does_not_hide_it(box: Sandbox, company: Company) -> None:
    pipeline = connection(box)
    gone = delete(company)
    for _ in gone:
        company.create(NAME)
    assert sorted(tombstones(sync(pipeline))) == sorted(gone)
    pipeline.assert_equal(NAME)


def test_the_keys_of_a_list_with_other_dates_are_learnt_by_the_second_sync(box: Sandbox, company: Company) -> None:
    days = sorted(row["date"] for row in company.rows(NAME))
    pipeline = Pipeline(box, [NAME, "deleted_records"], start_date=days[len(days) // 2])
    sync(pipeline)
    sync(pipeline)
    outside = min(company.rows(NAME), key=lambda row: row["date"])["id"]
    inside = max(company.rows(NAME), key=lambda row: row["date"])["id"]
    for key in (outside, inside):
        company.delete(NAME, key)
    assert inside in tombstones(sync(pipeline))
    pipeline.assert_equal(NAME)
    pipeline.config["start_date"] = days[0]
    company.delete(NAME, (again := max(company.rows(NAME), key=lambda row: row["date"])["id"]))
    assert again in tombstones(sync(pipeline))
    pipeline.assert_equal(NAME)


def test_a_list_that_is_empty_by_now_shows_its_deletions_once_there_is_a_row(box: Sandbox, company: Company) -> None:
    """Without a row that is there, nobody knows whether any would be."""
    pipeline = connection(box)
    gone = delete(company, rows=len(company.rows(NAME)))
    for _ in range(2):
        assert tombstones(sync(pipeline)) == {}
        assert singles(box) == []
    company.create(NAME)
    assert sorted(tombstones(sync(pipeline))) == sorted(gone)
    pipeline.assert_equal(NAME)


# What infers nothing.


def assert_waits_until(undone: Callable[[], object], pipeline: Pipeline, gone: list[str]) -> None:
    """This sync infers nothing; once what stands in the way is undone, the next one does."""
    assert tombstones(pipeline.sync()) == {}
    undone()
    pipeline.box.clock.advance(HOUR)
    assert sorted(tombstones(sync(pipeline))) == sorted(gone)
    pipeline.assert_equal(NAME)


def single(call: faults.Call) -> bool:
    return call.path.count("/") == 3


@pytest.mark.parametrize(
    "action",
    [
        faults.html(404),
        faults.status(404, {"error": "not found"}),
        faults.status(404, ""),
        faults.refused(403),
        faults.status(410, [{"$dataCode": "Gone"}]),
        faults.status(503),
        faults.drop(),
        faults.wrong_business(),
    ],
    ids=lambda action: action.name,
)
def test_only_sages_own_404_is_gone(action: faults.Action, box: Sandbox, company: Company) -> None:
    pipeline = connection(box)
    gone = delete(company)
    box.faults.add(action, path=f"/v3.1/{NAME}/*", when=lambda call: call.path.rpartition("/")[2] in gone)
    assert_waits_until(box.faults.clear, pipeline, gone)


@pytest.mark.parametrize("action", [faults.refused(404), faults.refused(403), faults.html(200), faults.status(503)])
@pytest.mark.parametrize("nth", [1, 4])
def test_nothing_is_gone_unless_other_rows_are_there_before_and_after(
    nth: int, action: faults.Action, box: Sandbox, company: Company
) -> None:
    pipeline = connection(box)
    gone = delete(company)
    box.faults.add(action, path=f"/v3.1/{NAME}/*", nth=nth)
    assert_waits_until(lambda: None, pipeline, gone)


def test_another_row_in_place_of_the_one_that_must_be_there_proves_nothing(box: Sandbox, company: Company) -> None:
    pipeline = connection(box)
    gone = delete(company)
    box.faults.add(faults.status(200, {"id": "another"}), path=f"/v3.1/{NAME}/*", nth=1)
    assert_waits_until(lambda: None, pipeline, gone)


def test_rows_asked_for_too_slowly_prove_nothing(box: Sandbox, company: Company) -> None:
    pipeline = connection(box)
    gone = delete(company)
    slow = faults.before_page(lambda _, __, ___: box.clock.advance(35))
    fault = box.faults.add(slow, path=f"/v3.1/{NAME}/*", when=single)
    assert_waits_until(lambda: box.faults.all.remove(fault), pipeline, gone)


def test_a_list_that_is_refused_infers_nothing(box: Sandbox, company: Company) -> None:
    pipeline = connection(box, NAME, "contacts")
    known = kept(pipeline)
    gone = delete(company)
    box.faults.add(faults.refused(403), path=f"/v3.1/{NAME}")
    assert tombstones(pipeline.sync()) == {}
    assert kept(pipeline) == known
    box.faults.clear()
    assert sorted(tombstones(sync(pipeline))) == sorted(gone)


@pytest.mark.parametrize("more", [1, -1])
def test_a_length_that_is_not_that_of_the_list_infers_nothing(more: int, box: Sandbox, company: Company) -> None:
    pipeline = connection(box)
    gone = delete(company)
    box.faults.add(faults.wrong_total(more), path=f"/v3.1/{NAME}")
    assert_waits_until(box.faults.clear, pipeline, gone)


def test_keys_that_go_on_moving_infer_nothing(box: Sandbox, company: Company) -> None:
    with page_size(4):
        pipeline = connection(box)
        gone = delete(company)
        box.faults.add(
            faults.before_page(lambda _, __, company: gone.extend(delete(company, rows=1))),
            path=f"/v3.1/{NAME}",
            when=lambda call: call.page == 2 and "attributes" not in call.params,
        )
        assert_waits_until(box.faults.clear, pipeline, gone)


def restricted(company: Company) -> None:
    company.wish(roles={"Contacts": "Restricted Access"})


def of_a_plan(company: Company) -> None:
    company.wish(plan_id="ACCOUNTS")


def without_roles(company: Company) -> None:
    company.wish(tells_roles=False)


@pytest.mark.parametrize("changed", [restricted, of_a_plan, without_roles])
def test_other_rights_infer_nothing_and_the_keys_are_learnt_anew(
    changed: Callable[[Company], None], box: Sandbox, company: Company
) -> None:
    pipeline = connection(box)
    hidden = [row["id"] for row in company.rows(NAME)[:3]]
    changed(company)
    company.hide(NAME, hidden)
    for _ in range(2):
        assert tombstones(sync(pipeline)) == {}
        assert singles(box) == []
    company.wish(roles={"Contacts": "Full Access"}, plan_id=None)
    company.hide(NAME)
    sync(pipeline)
    gone = delete(company)
    assert tombstones(sync(pipeline)).keys() in ({*gone}, set())
    later = delete(company)
    assert set(later) <= tombstones(sync(pipeline)).keys()
    pipeline.assert_equal(NAME)


def test_another_user_infers_nothing(box: Sandbox, company: Company) -> None:
    pipeline = connection(box)
    delete(company)
    box.faults.add(faults.status(200, {"id": "somebody-else"}), path="/v3.1/user")
    assert tombstones(sync(pipeline)) == {}
    assert singles(box) == []


@pytest.mark.parametrize("path", ["user", "businesses/*"])
def test_without_knowing_the_rights_nothing_is_inferred(path: str, box: Sandbox, company: Company) -> None:
    pipeline = connection(box)
    delete(company)
    box.faults.add(faults.status(503), path=f"/v3.1/{path}")
    assert tombstones(sync(pipeline)) == {}
    assert singles(box) == []
    assert kept(pipeline) == {}


def test_rights_that_change_while_rows_are_asked_for_infer_nothing(box: Sandbox, company: Company) -> None:
    """The rows are hidden in this very minute, while all others are there."""
    pipeline = connection(box)
    hidden = [row["id"] for row in company.rows(NAME)[1:4]]

    def hide(_: str, __: int, company: Company) -> None:
        restricted(company)
        company.hide(NAME, hidden)

    box.faults.add(faults.before_page(hide), path=f"/v3.1/{NAME}", nth=2)
    assert tombstones(sync(pipeline)) == {}
    assert len(singles(box)) == 2 + len(hidden)


# More than can be asked for, or kept.


def test_of_more_than_twenty_the_rest_leaves_with_the_next_syncs(box: Sandbox, company: Company) -> None:
    for _ in range(50):
        company.create(NAME)
    pipeline = connection(box)
    gone = delete(company, rows=45)
    left: list[str] = []
    for expected in (20, 20, 5, 0):
        stones = tombstones(sync(pipeline))
        assert len(stones) == expected
        assert len(singles(box)) == (expected and expected + 2)
        left += stones
    assert sorted(left) == sorted(gone)
    pipeline.assert_equal(NAME)


def told(output: Output) -> int:
    return sum("is not shown" in line for line in output.log("INFO"))


def test_a_list_of_too_many_rows_stays_not_shown_and_says_so_once_a_sync(
    box: Sandbox, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = len(company.rows(NAME)) - 1
    for module in ("known_keys", "inferred"):
        monkeypatch.setattr(f"source_sage.lists.{module}.KEYS_AT_MOST", few)
    pipeline = Pipeline(box, [NAME, "deleted_records"], include_historical_data=True)
    assert told(sync(pipeline)) == 1
    assert kept(pipeline) == {}
    company.update(NAME, company.rows(NAME)[0]["id"])
    output = sync(pipeline)
    assert told(output) == 1
    assert len(pipeline.asked(NAME)) == 2
    delete(company)
    assert told(sync(pipeline)) == 0, "it is short enough by now"
    assert sum(map(len, kept(pipeline)["seen"].values())) == few - 1
    gone = delete(company)
    assert sorted(tombstones(sync(pipeline))) == sorted(gone)


def test_a_state_holds_the_keys_of_as_many_businesses_as_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    with Sandbox(size="small", seed=7, businesses=3, token_life=10**9) as box:
        box.clock.advance(86_400)
        longest = max(len(company.rows(NAME)) for company in box.businesses)
        monkeypatch.setattr("source_sage.lists.state.STATE_BYTES", 2 * longest * known_keys.BYTES_OF_A_KEY + 200)
        pipeline = Pipeline(box, [NAME], account_id="all", include_historical_data=True, num_workers=1)
        for _ in range(2):
            assert told(sync(pipeline)) == 1
            places = pipeline.destination.state[NAME]["stream"]["stream_state"]["businesses"].values()
            assert sum("keys" in place for place in places) == 2
        assert len(pipeline.asked(NAME)) == 6


# Rows that come back, and runs that do not end.


def test_a_row_that_is_hidden_stays_and_is_asked_for_once_a_week(box: Sandbox, company: Company) -> None:
    """It is not in the list, and is there: the list may leave out what is archived."""
    pipeline = connection(box)
    table = company.tables[NAME]
    (key,) = [row["id"] for row in company.rows(NAME)[:1]]
    box.faults.add(faults.status(200, {"id": key}), path=f"/v3.1/{NAME}/{key}")
    company.hide(NAME, [key])
    for asked in (2, 0, 0):
        assert tombstones(sync(pipeline)) == {}
        assert len(singles(box)) == asked
    box.clock.advance(WEEK_SECONDS)
    assert tombstones(sync(pipeline)) == {}
    assert len(singles(box)) == 2
    box.faults.clear()
    del table.rows[key]
    table.forget_answers()
    box.clock.advance(WEEK_SECONDS)
    assert tombstones(sync(pipeline)).keys() == {key}
    pipeline.assert_equal(NAME)


@pytest.mark.parametrize("synced_between", [True, False])
@pytest.mark.parametrize("seconds", [0, 1, 3600])
def test_a_row_that_is_there_again_wins_over_its_tombstone(
    seconds: int, synced_between: bool, box: Sandbox, company: Company
) -> None:
    name = "ledger_accounts"
    pipeline = connection(box, name)
    row = company.rows(name)[-1]
    company.delete(name, row["id"])
    if synced_between:
        assert pipeline.sync().failure is None
        assert row["id"] not in {one["id"] for one in pipeline.destination.rows(name)}
    box.clock.advance(seconds)
    company.restore(name, row)
    for _ in range(2):
        assert tombstones(sync(pipeline), name) == {}
        pipeline.assert_equal(name)
    company.delete(name, row["id"])
    assert tombstones(sync(pipeline), name).keys() == {row["id"]}


def test_a_row_restored_before_it_is_asked_for_gets_no_tombstone(box: Sandbox, company: Company) -> None:
    name = "ledger_accounts"
    pipeline = connection(box, name)
    row = company.rows(name)[-1]
    company.delete(name, row["id"])
    box.faults.add(faults.before_page(lambda _, __, company: company.restore(name, row)), path=f"/v3.1/{name}/*", nth=1)
    assert tombstones(sync(pipeline), name) == {}
    assert row["id"] in {one["id"] for one in pipeline.destination.rows(name)}
    sync(pipeline)
    pipeline.assert_equal(name)
    assert kept(pipeline, name).get("hidden") is None


def test_a_row_that_left_in_this_run_and_is_deleted_then_waits_for_the_next(box: Sandbox, company: Company) -> None:
    pipeline = connection(box)
    key = company.rows(NAME)[0]["id"]
    company.update(NAME, key)
    box.faults.add(
        faults.before_page(lambda _, __, company: company.delete(NAME, key)), path=f"/v3.1/{NAME}", nth=2, times=1
    )
    output = sync(pipeline)
    assert [row.get("is_deleted") for row in output.rows(NAME) if row["id"] == key] == [None]
    assert tombstones(sync(pipeline)).keys() == {key}
    pipeline.assert_equal(NAME)


@pytest.mark.parametrize("kill_after", [1, 2, 3, 4])
def test_what_a_killed_run_has_not_told_the_next_one_tells(kill_after: int, box: Sandbox, company: Company) -> None:
    pipeline = connection(box)
    gone = delete(company)
    pipeline.sync(kill_after=kill_after)
    box.clock.advance(HOUR)
    sync(pipeline)
    assert not {row["id"] for row in pipeline.destination.rows(NAME)} & set(gone)
    pipeline.assert_equal(NAME)


def test_a_first_read_that_was_killed_learns_with_the_next_sync(box: Sandbox, company: Company) -> None:
    with page_size(4):
        pipeline = Pipeline(box, [NAME], include_historical_data=True)
        pipeline.sync(kill_after=9)
        assert pipeline.destination.rows(NAME)
        box.clock.advance(HOUR)
        assert tombstones(sync(pipeline)) == {}
        gone = delete(company)
        assert sorted(tombstones(sync(pipeline))) == sorted(gone)
        pipeline.assert_equal(NAME)


def test_keys_seen_while_rights_changed_are_not_those_of_either(box: Sandbox, company: Company) -> None:
    """Rows are shown for a while, to a run that began without the right to see them."""
    shown = [row["id"] for row in company.rows(NAME)[1:3]]
    restricted(company)
    company.hide(NAME, shown)

    def show(_: str, __: int, company: Company) -> None:
        company.wish(roles={"Contacts": "Full Access"})
        company.hide(NAME)

    box.faults.add(faults.before_page(show), path=f"/v3.1/{NAME}", nth=1)
    pipeline = Pipeline(box, [NAME, "deleted_records"], include_historical_data=True)
    assert set(shown) <= {row["id"] for row in sync(pipeline).rows(NAME)}
    assert kept(pipeline) == {}
    restricted(company)
    company.hide(NAME, shown)
    for _ in range(2):
        assert tombstones(sync(pipeline)) == {}


def test_a_state_of_before_keys_were_kept_is_gone_on_from(box: Sandbox, company: Company) -> None:
    pipeline = connection(box)
    (place,) = pipeline.destination.state[NAME]["stream"]["stream_state"]["businesses"].values()
    del place["keys"]
    assert tombstones(sync(pipeline)) == {}
    gone = delete(company)
    assert sorted(tombstones(sync(pipeline))) == sorted(gone)


def test_what_changes_by_being_read_is_never_asked_for_singly() -> None:
    inferring = {name for name, facts in EVERY_STREAM.items() if facts.infers_deletions}
    assert set(LISTS) < inferring
    assert not inferring & {"sales_invoices", "sales_credit_notes", "sales_corrective_invoices"}
