"""Deletions that are inferred, where Sage, something on the way or somebody with a text editor does what it should not.

The scenarios were written from what docs/sage.md promises, before the code was read. In every sync it is looked at
whether a row is told as deleted that is at Sage all the time.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any, Final

import orjson
import pytest
from starlette.responses import Response

from integration_tests.harness import Destination, Output
from integration_tests.pipeline import Pipeline, page_size
from integration_tests.sandbox import Company, Sandbox, faults
from integration_tests.sandbox.books.singletons import USER
from integration_tests.sandbox.manners.faults import Action, Call, Spoiled
from integration_tests.test_streams import EVERY_STREAM

LISTS: Final = tuple(name for name, facts in EVERY_STREAM.items() if facts.infers_deletions and not facts.parents)
LINES: Final = {"sales_quotes": "sales_quote_lines", "sales_estimates": "sales_estimate_lines"}
NAME: Final = "tax_rates"
SELECTED: Final = (NAME, "deleted_records")
DAY: Final = 86_400


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(size="tiny", seed=18, token_life=10**9) as sandbox:
        sandbox.clock.advance(DAY)
        yield sandbox


def fill(company: Company, rows: int, name: str = NAME, mark: str = "0") -> list[str]:
    """Make a list so long with rows that are as old as the business; tells their ids."""
    table = company.tables[name]
    pattern = next(iter(table)).data
    made = [f"{mark}{number:031x}" for number in range(len(table), rows)]
    for key in made:
        table.add({**pattern, "id": key, "displayed_as": key, "$path": f"/{name}/{key}"}, company.made)
    return made


def told(output: Output, name: str = NAME) -> list[str]:
    return [row["id"] for row in output.rows(name) if row.get("is_deleted")]


def sync(pipeline: Pipeline) -> Output:
    """One sync that ends well, and tells no row as deleted that is there."""
    output = pipeline.sync()
    assert output.failure is None, output.failure
    assert_none_is_wrong(pipeline, output)
    pipeline.box.clock.advance(3_600)
    return output


def assert_none_is_wrong(pipeline: Pipeline, output: Output) -> None:
    there = {
        (company.id, name, key)
        for company in pipeline.box.businesses
        for name in LISTS
        for key in company.tables[name].rows
    }
    said = {
        (row["business_id"], name, row["id"]) for name in LISTS for row in output.rows(name) if row.get("is_deleted")
    }
    said |= {(row["business_id"], row["stream"], row["id"]) for row in output.rows("deleted_records")}
    assert said & there == set()


def connection(box: Sandbox, *names: str, **config: Any) -> Pipeline:
    """A connection that knows all keys, also of lists with dates."""
    pipeline = Pipeline(box, names or SELECTED, **config)
    sync(pipeline)
    box.clock.advance(DAY)
    sync(pipeline)
    box.clock.advance(DAY)
    return pipeline


def test_in_every_list_a_row_is_told_once_and_again_if_it_came_back(box: Sandbox, company: Company) -> None:
    for name in LISTS:
        if not EVERY_STREAM[name].date_field:
            fill(company, 6, name)
    pipeline = connection(box, *LISTS, *LINES.values(), "deleted_records")
    gone = {name: company.rows(name)[-1] for name in LISTS}
    for name, row in gone.items():
        company.delete(name, row["id"])
    first = {row["stream"]: row for row in sync(pipeline).rows("deleted_records")}
    assert {name: row["id"] for name, row in first.items()} == {name: row["id"] for name, row in gone.items()}
    pipeline.assert_equal(*LISTS)
    for days in (1, 8):
        box.clock.advance(days * DAY)
        output = sync(pipeline)
        assert output.rows("deleted_records") == []
        assert not any(told(output, name) for name in LISTS)
    for name, row in gone.items():
        company.restore(name, row)
    assert sync(pipeline).rows("deleted_records") == []
    pipeline.assert_equal(*LISTS)
    for name, row in gone.items():
        company.tables[name].remove(row["id"], box.clock.now())
    again = {row["stream"]: row for row in sync(pipeline).rows("deleted_records")}
    assert again.keys() == first.keys()
    assert all(again[name]["deleted_at"] > first[name]["deleted_at"] for name in first)
    pipeline.assert_equal(*LISTS)


def changed(change: Callable[[dict[str, Any]], object]) -> Action:
    """Pages of lists that somebody has changed on the way."""

    def spoil(answer: Response) -> Response:
        body = orjson.loads(bytes(answer.body))
        change(body)
        raw = orjson.dumps(body)
        return Response(raw, 200, dict(answer.headers) | {"content-length": str(len(raw))})

    return Spoiled("changed", spoil)


def without(key: str) -> Action:
    """A list that leaves a row out, and counts without it."""

    def change(body: dict[str, Any]) -> None:
        body["$items"] = [row for row in body["$items"] if row["id"] != key]
        body["$total"] -= 1

    return changed(change)


def sages(code: str) -> list[dict[str, str]]:
    return [{"$severity": "error", "$dataCode": code, "$message": "", "$source": ""}]


DOUBTFUL: Final = {
    "404 that is about rights": faults.status(404, sages("MultiUserAccessDenied")),
    "404 that is about the plan": faults.status(404, sages("AuthorizationFailure")),
    "404 of a gateway": faults.html(404),
    "404 for another business": faults.status(404, sages("RecordNotFound"), {"X-Business": "0" * 32}),
    "410": faults.status(410, sages("RecordNotFound")),
    "401 without Sage's words": faults.status(401),
    "401 with other words": faults.status(401, sages("Unauthorized")),
    "403": faults.refused(403),
    "a redirect": faults.status(302, headers={"Location": "/v3.1/tax_rates"}),
    "500": faults.status(500, sages("UnexpectedError")),
    "429 for a while": faults.status(429, headers={"Retry-After": "1"}),
    "another row": faults.status(200, {"id": "another"}),
    "an empty object": faults.status(200, {}),
    "a list": faults.status(200, []),
    "nothing": faults.empty(200),
    "a cut connection": faults.drop(),
}


@pytest.mark.quick(
    "404 that is about rights",
    "404 of a gateway",
    "401 with other words",
    "a redirect",
    "another row",
    "an empty object",
)
@pytest.mark.parametrize("answer", DOUBTFUL)
def test_a_row_that_its_list_leaves_out_stays_and_nothing_fails(answer: str, box: Sandbox, company: Company) -> None:
    pipeline = connection(box)
    key = list(company.tables[NAME].rows)[1]
    box.faults.add(without(key), path=f"*/{NAME}")
    box.faults.add(DOUBTFUL[answer], path=f"*/{NAME}/{key}", times=3 if "a while" in answer else None)
    assert told(sync(pipeline)) == []
    assert any(one.path.endswith(key) for one in box.requests), "it was not asked for, so nothing was tested"
    box.faults.clear()
    sync(pipeline)
    pipeline.assert_equal(NAME)
    company.delete(NAME, key)
    assert told(sync(pipeline)) == [key]


@pytest.mark.quick("401 without Sage's words")
@pytest.mark.parametrize("answer", ["401 without Sage's words", "a redirect", "404 that is about rights"])
def test_a_row_that_is_gone_waits_while_no_other_one_is_there(answer: str, box: Sandbox, company: Company) -> None:
    pipeline = connection(box)
    key = list(company.tables[NAME].rows)[1]
    company.delete(NAME, key)
    box.faults.add(DOUBTFUL[answer], path=f"*/{NAME}/*", when=lambda call: not call.path.endswith(key))
    assert told(sync(pipeline)) == []
    box.faults.clear()
    assert told(sync(pipeline)) == [key]


def test_another_person_in_the_middle_of_a_sync_infers_nothing(
    box: Sandbox, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processes that share a config file take over the sign-in that one of them finds in it."""
    fill(company, 30)
    pipeline = connection(box)
    hidden = set(list(company.tables[NAME].rows)[3:6])

    def other(_: str, __: int, company: Company) -> None:
        monkeypatch.setitem(USER, "id", "another")
        company.hide(NAME, hidden)

    box.faults.add(faults.before_page(other), path=f"*/{NAME}", times=1)
    assert told(sync(pipeline)) == []
    assert any(one.path.endswith(tuple(hidden)) for one in box.requests)
    box.faults.clear()
    assert told(sync(pipeline)) == []


@pytest.mark.parametrize("path", ["*/user", "*/businesses/*"])
def test_rights_that_nobody_can_tell_for_a_moment_put_a_deletion_off(path: str, box: Sandbox, company: Company) -> None:
    pipeline = connection(box)
    key = list(company.tables[NAME].rows)[1]
    company.delete(NAME, key)
    asked = []

    def after_the_row(call: Call) -> bool:
        asked.append(call.path)
        return any(one.endswith(key) for one in asked)

    box.faults.add(faults.drop(), path=f"*/{NAME}/*", when=lambda call: after_the_row(call) and False)
    box.faults.add(faults.status(503), path=path, when=lambda _: bool(asked), times=1)
    assert told(sync(pipeline)) == []
    assert told(sync(pipeline)) == [key]
    pipeline.assert_equal(NAME)


def test_rights_that_nobody_can_tell_for_a_moment_leave_new_rows_to_the_next_sync(
    box: Sandbox, company: Company
) -> None:
    pipeline = connection(box)
    old = next(iter(company.tables[NAME].rows))
    new = company.create(NAME)
    times = iter(range(9))
    box.faults.add(faults.status(503), path="*/businesses/*", when=lambda _: next(times) == 1)
    sync(pipeline)
    company.delete(NAME, old)
    assert told(sync(pipeline)) == [old]
    company.delete(NAME, new)
    assert told(sync(pipeline)) == [new]
    pipeline.assert_equal(NAME)


@pytest.mark.parametrize("name", [NAME, "contacts"], ids=["inferred", "told without a time"])
def test_a_row_changed_shortly_before_is_gone_also_where_our_clock_is_slow(
    name: str, box: Sandbox, company: Company
) -> None:
    """Of row and tombstone the later one wins; both must go by Sage's clock."""
    box.settings.change({"tombstones_with_deleted_at": False})
    pipeline = Pipeline(box, [name, "deleted_records"], ahead=-7_200)
    sync(pipeline)
    box.clock.advance(DAY)
    key = company.rows(name)[1]["id"]
    company.update(name, key)
    box.clock.advance(60)
    assert pipeline.sync().failure is None
    company.delete(name, key)
    box.clock.advance(60)
    assert told(sync(pipeline), name) == [key]
    pipeline.assert_equal(name)


def keys_of_it(call: Call) -> bool:
    return "attributes" not in call.params and call.page_size > 1


def no_ids(body: dict[str, Any]) -> None:
    for row in body["$items"][:3]:
        del row["id"]


LIES: Final[dict[str, tuple[Action, Callable[[Call], bool]]]] = {
    "one row less, once": (faults.wrong_total(-1), lambda call: call.page_size == 1),
    "an empty page in the middle": (changed(lambda body: body.update({"$items": []})), lambda call: call.page == 2),
    "an early end": (
        changed(lambda body: body.update({"$items": [], "$total": 40, "$next": None})),
        lambda call: keys_of_it(call) and call.page > 2,
    ),
    "the first page again": (changed(lambda body: body.update({"$page": 1})), lambda call: call.page == 2),
    "rows without ids": (changed(no_ids), keys_of_it),
    "refused in the middle": (faults.refused(404), lambda call: call.page == 2),
    "another business's": (faults.wrong_business(), keys_of_it),
    "no length": (changed(lambda body: body.pop("$total")), lambda call: True),
}


@pytest.mark.quick("an empty page in the middle", "rows without ids", "refused in the middle")
@pytest.mark.parametrize("lie", LIES)
def test_keys_that_are_read_from_bad_answers_take_no_row_away(lie: str, box: Sandbox, company: Company) -> None:
    with page_size(20):
        keys = fill(company, 65)
        pipeline = connection(box, *SELECTED, "ledger_accounts")
        company.delete(NAME, keys[33])
        action, when = LIES[lie]
        box.faults.add(action, path=f"*/{NAME}", when=when)
        output = pipeline.sync()
        assert_none_is_wrong(pipeline, output)
        box.faults.clear()
        box.clock.advance(3_600)
        assert sorted([*told(output), *told(sync(pipeline))]) == [keys[33]]
        pipeline.assert_equal(NAME)


def test_a_page_of_keys_shown_twice_in_place_of_the_next_takes_no_row_away(box: Sandbox, company: Company) -> None:
    with page_size(20):
        fill(company, 65)
        pipeline = connection(box)
        first: list[Any] = []

        def twice(body: dict[str, Any]) -> None:
            if body["$page"] == 1:
                first[:] = body["$items"]
            elif body["$page"] == 2:
                body["$items"] = first

        box.faults.add(changed(twice), path=f"*/{NAME}", when=keys_of_it)
        box.clock.advance(8 * DAY)
        assert told(sync(pipeline)) == []
        assert sum(one.list == NAME for one in box.requests) > 4, "no keys were read, so nothing was tested"


def test_a_row_that_is_suddenly_there_hides_a_deletion_for_a_week_at_most(box: Sandbox, company: Company) -> None:
    keys = fill(company, 20)
    pipeline = connection(box)
    company.delete(NAME, keys[5])
    fill(company, 20, mark="f")
    found = []
    for day in range(8):
        found += [(day, key) for key in told(sync(pipeline))]
        box.clock.advance(DAY - 3_600)
    ((day, key),) = found
    assert key == keys[5]
    assert 0 < day <= 7


@pytest.mark.quick("2")
@pytest.mark.parametrize("step", [1, 2, 3, 5])
def test_a_row_restored_between_the_questions_for_it_stays_in_the_end(
    step: int, box: Sandbox, company: Company
) -> None:
    keys = fill(company, 20)
    pipeline = connection(box)
    rows = [company.row_of(NAME, key) for key in keys[:3]]
    for key in keys[:3]:
        company.delete(NAME, key)

    def restore(_: str, __: int, company: Company) -> None:
        for row in rows:
            company.restore(NAME, row)

    box.faults.add(faults.before_page(restore), path=f"*/{NAME}/*", nth=step)
    assert pipeline.sync().failure is None
    box.faults.clear()
    sync(pipeline)
    pipeline.assert_equal(NAME)
    for key in keys[:3]:
        company.delete(NAME, key)
    assert sorted(told(sync(pipeline))) == keys[:3]


def test_dates_that_change_from_sync_to_sync_take_no_row_away(box: Sandbox, company: Company) -> None:
    pipeline = connection(box, "sales_quotes", "sales_quote_lines", "stock_movements", "deleted_records")
    days = sorted(row["date"] for row in company.rows("sales_quotes"))
    first = pipeline.config["start_date"]
    for dates in (
        {"start_date": days[2]},
        {"start_date": first, "end_date": days[-2]},
        {"start_date": days[1], "end_date": days[-3]},
        {"start_date": days[3], "include_historical_data": True},
        {"start_date": first},
    ):
        kept = {k: v for k, v in pipeline.config.items() if k not in ("end_date", "include_historical_data")}
        pipeline.config = kept | dates
        box.clock.advance(8 * DAY)  # or the keys are not read
        output = sync(pipeline)
        assert output.rows("deleted_records") == []
        assert not any(told(output, name) for name in ("sales_quotes", "stock_movements"))
    pipeline.assert_equal("sales_quotes")


def test_a_toggle_that_was_off_and_streams_added_later_tell_what_went_meanwhile(box: Sandbox, company: Company) -> None:
    keys = fill(company, 20)
    pipeline = connection(box, NAME, "sales_quotes")
    pipeline.config["replicate_financial_data"] = False
    pipeline.select(["sales_quotes", "deleted_records"])
    company.delete(NAME, keys[1])
    assert sync(pipeline).rows(NAME) == []
    pipeline.config["replicate_financial_data"] = True
    pipeline.select([*SELECTED, "sales_quotes", "sales_quote_lines"])
    quote = company.rows("sales_quotes")[0]["id"]
    company.delete("sales_quotes", quote)
    output = sync(pipeline)
    assert {(row["stream"], row["id"]) for row in output.rows("deleted_records")} == {
        (NAME, keys[1]),
        ("sales_quotes", quote),
    }
    pipeline.assert_equal(NAME, "sales_quotes")
    assert quote not in {row["sales_quote_id"] for row in pipeline.destination.lines("sales_quote_lines")}


def test_each_business_tells_its_own_also_after_it_was_refused_or_left_out() -> None:
    with Sandbox(size="tiny", seed=18, token_life=10**9, businesses=3) as box:
        box.clock.advance(DAY)
        for company in box.businesses:
            fill(company, 20)
        one, two, three = box.businesses
        pipeline = connection(box, *SELECTED, "ledger_accounts", account_id="all")
        same = list(one.tables[NAME].rows)[-1]
        for company in box.businesses:
            company.delete(NAME, same)
        pipeline.config["account_id"] = f"{one.id},{two.id}"
        box.faults.add(faults.refused(403), path=f"*/{NAME}*", when=lambda call: call.company is two)
        assert [row["business_id"] for row in sync(pipeline).rows(NAME)] == [one.id]
        box.faults.clear()
        pipeline.config["account_id"] = "all"
        assert {row["business_id"] for row in sync(pipeline).rows(NAME)} == {two.id, three.id}
        assert sync(pipeline).rows(NAME) == []
        pipeline.assert_equal(NAME)


def with_ids(change: Callable[[list[Any]], Any]) -> Callable[[dict[str, Any]], object]:
    return lambda keys: keys.update(seen={moment: change(ids) for moment, ids in keys["seen"].items()})


DAMAGE: Final[dict[str, Callable[[dict[str, Any]], object]]] = {
    "half of the ids": with_ids(lambda ids: ids[::2]),
    "ids twice": with_ids(lambda ids: [*ids, *ids]),
    "an id that leads elsewhere": with_ids(lambda ids: [*ids, "../contacts", "x?y=1", ""]),
    "a moment to come": lambda keys: keys.update(read_at="9999-12-31T23:59:59Z"),
    "other rights": lambda keys: keys.update(rights="0"),
    "numbers for ids": with_ids(lambda ids: list(range(len(ids)))),
}


@pytest.mark.quick("half of the ids", "a moment to come", "numbers for ids")
@pytest.mark.parametrize("damage", DAMAGE)
def test_keys_that_somebody_edited_take_no_row_away(damage: str, box: Sandbox, company: Company) -> None:
    keys = fill(company, 20)
    pipeline = connection(box)
    (place,) = pipeline.destination.state[NAME]["stream"]["stream_state"]["businesses"].values()
    DAMAGE[damage](place["keys"])
    output = pipeline.sync()
    assert_none_is_wrong(pipeline, output)
    if output.failure is not None:
        assert "The saved state of stream tax_rates cannot be read" in str(output.failure)
        return
    box.clock.advance(DAY)
    sync(pipeline)
    company.delete(NAME, keys[2])
    fill(company, 20, mark="f")  # the length of the list tells nothing: it is the week that does
    box.clock.advance(8 * DAY)
    assert keys[2] in told(sync(pipeline))


@pytest.mark.slow
@pytest.mark.parametrize("by_state", [False, True])
def test_a_run_killed_anywhere_leaves_nothing_untold(by_state: bool, box: Sandbox, company: Company) -> None:
    """Also where the destination forgets what no state came after."""
    keys = fill(company, 40)
    pipeline = Pipeline(box, [NAME, "sales_quotes", "sales_quote_lines", "deleted_records"])
    pipeline.destination = Destination(pipeline.catalog, by_state=by_state)

    def well() -> Output:
        output = sync(pipeline)
        pipeline.destination.end()
        return output

    for _ in range(2):
        well()
        box.clock.advance(DAY)
    quote = company.rows("sales_quotes")[0]["id"]
    company.delete("sales_quotes", quote)
    for key in keys[:23]:
        company.delete(NAME, key)
    before = copy.deepcopy(pipeline.destination)
    whole = well()
    for at in range(len(whole.of("RECORD")) + len(whole.of("STATE")) + 1):
        pipeline.destination = copy.deepcopy(before)
        pipeline.sync(kill_after=at)
        box.clock.advance(60)
        for _ in range(2):
            well()
        pipeline.assert_equal(NAME, "sales_quotes")
        records = {(row["stream"], row["id"]) for row in pipeline.destination.rows("deleted_records")}
        assert records == {("sales_quotes", quote), *((NAME, key) for key in keys[:23])}, at
        assert quote not in {row["sales_quote_id"] for row in pipeline.destination.lines("sales_quote_lines")}


@pytest.mark.slow
@pytest.mark.parametrize("rows", [4_999, 5_000, 5_001])
def test_five_thousand_rows_are_remembered_and_no_more(rows: int, box: Sandbox, company: Company) -> None:
    keys = fill(company, rows)
    pipeline = connection(box)
    company.delete(NAME, keys[7])
    assert told(sync(pipeline)) == ([keys[7]] if rows <= 5_000 else [])
    sync(pipeline)
    company.delete(NAME, keys[8])
    assert told(sync(pipeline)) == [keys[8]], "the list is short enough by now, and was learnt"


@pytest.mark.slow
def test_a_state_takes_a_megabyte_of_ids_and_no_more() -> None:
    with Sandbox(size="tiny", seed=18, token_life=10**9, businesses=8) as box:
        box.clock.advance(DAY)
        keys = {company.id: fill(company, 4_500) for company in box.businesses}
        pipeline = connection(box, *SELECTED, account_id="all")
        shown = []
        for turn in range(2):
            for company in box.businesses:
                company.delete(NAME, keys[company.id][turn])
            output = sync(pipeline)
            shown.append({row["business_id"] for row in output.rows(NAME)})
            assert len(json.dumps(pipeline.destination.state[NAME])) < 1_050_000
            silent = [line for line in output.log("INFO") if "is not shown" in line and "Sync report" not in line]
            assert len(silent) == 8 - len(shown[-1]) > 0
        assert shown[0] == shown[1]
        assert len(shown[0]) >= 6
