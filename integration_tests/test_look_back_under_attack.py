"""Look-back at the edges of its window, and where something goes wrong in the middle of it.

The scenarios were written from what docs/sage.md promises, before the code was read.
"""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Iterator
from typing import Any, Final

import pytest

from integration_tests.harness import Destination, Output
from integration_tests.pipeline import Pipeline, page_size
from integration_tests.sandbox import Company, Sandbox, faults
from integration_tests.test_streams import EVERY_STREAM, unequal

DATED: Final = tuple(name for name, facts in EVERY_STREAM.items() if facts.dates and not facts.parents)
DAY: Final = 86_400


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(size="tiny", seed=19, token_life=10**9) as sandbox:
        sandbox.clock.advance(DAY)
        yield sandbox


def day(box: Sandbox, ago: int = 0) -> str:
    return (dt.datetime.fromtimestamp(box.clock.now(), dt.UTC).date() - dt.timedelta(ago)).isoformat()


def in_silence(company: Company, name: str, key: str, **values: Any) -> None:
    """A change of which nothing tells."""
    company.tables[name].change(key, values or {"displayed_as": f"In silence {company.rng.random()}"}, None)


def copies(company: Company, name: str, dates: list[str]) -> list[str]:
    """Rows of these dates, as old as the business; tells their ids."""
    table = company.tables[name]
    pattern = next(iter(table)).data
    made = []
    for number, date in enumerate(dates):
        key = f"{number:032x}"
        table.add({**pattern, "id": key, "date": date + pattern["date"][10:]}, company.made)
        made.append(key)
    return made


def stale(pipeline: Pipeline, name: str, since: str) -> list[str]:
    """The rows of a list, dated since then, that are not as Sage shows them."""
    ours = {row["id"]: row for row in pipeline.destination.rows(name)}
    truth = [row for row in pipeline.truth(name) if row["date"][:10] >= since]
    return [row["id"] for row in truth if row["id"] not in ours or any(unequal(row, ours[row["id"]], name))]


def sync(pipeline: Pipeline) -> Output:
    output = pipeline.sync()
    assert output.failure is None, output.failure
    pipeline.box.clock.advance(3_600)
    return output


def connection(box: Sandbox, *names: str, **config: Any) -> Pipeline:
    pipeline = Pipeline(box, names, **config)
    for _ in range(2):
        sync(pipeline)
    return pipeline


@pytest.mark.quick("30-False")
@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("days", [1, 30, 366])
def test_every_list_with_dates_is_as_sage_shows_it_from_the_first_day_on(
    days: int, inclusive: bool, box: Sandbox, company: Company
) -> None:
    """Also what is dated ahead; and whether Sage counts the days of a question in or not."""
    box.settings.change({"dates_inclusive": inclusive})
    keys = {name: copies(company, name, [day(box, ago) for ago in (-40, 0, days, days + 3)]) for name in DATED}
    pipeline = connection(box, *DATED, look_back_days=days)
    for name in DATED:
        for key in keys[name]:
            in_silence(company, name, key)
    output = sync(pipeline)
    for name in DATED:
        assert stale(pipeline, name, day(box, days)) == [], name
        if name != "stock_movements":
            assert keys[name][-1] not in {row["id"] for row in output.rows(name)}


def test_a_sync_over_midnight_looks_back_from_the_day_on_which_it_began(box: Sandbox, company: Company) -> None:
    keys = copies(company, "sales_quotes", [day(box, ago) for ago in range(6)])
    pipeline = connection(box, "sales_quotes", look_back_days=3)
    box.clock.advance(DAY - box.clock.now() % DAY - 1)
    first = day(box, 3)
    for key in keys:
        in_silence(company, "sales_quotes", key)
    box.faults.add(faults.before_page(lambda *_: box.clock.advance(5)), path="*/sales_quotes", times=1)
    sync(pipeline)
    assert first < day(box, 3), "it did not take place over midnight"
    assert stale(pipeline, "sales_quotes", first) == []


def test_lines_that_go_without_a_trace_are_gone(box: Sandbox, company: Company) -> None:
    name, lines = "sales_invoices", "sales_invoice_lines"
    key = company.create(name, date=day(box, 3))
    (line, *_) = company.row_of(name, key)["invoice_lines"]
    in_silence(company, name, key, invoice_lines=[line, {**line, "id": "f" * 32}])
    box.clock.advance(DAY)
    pipeline = connection(box, lines, look_back_days=10)

    def live() -> list[tuple[str, str]]:
        rows = pipeline.destination.lines(lines)
        return [(row["id"], row["description"]) for row in rows if row["sales_invoice_id"] == key]

    assert len(live()) == 2
    in_silence(company, name, key, invoice_lines=[{**line, "description": "other"}])
    sync(pipeline)
    assert live() == [(line["id"], "other")]
    in_silence(company, name, key, invoice_lines=[])
    sync(pipeline)
    assert live() == []


def test_rows_that_appear_and_go_in_the_window_are_told_as_ever(box: Sandbox, company: Company) -> None:
    """They come with an old time of change, as after a restored backup, and are deletions like others then."""
    names = ("sales_quotes", "bank_transfers")
    pipeline = connection(box, *names, "sales_quote_lines", "deleted_records", look_back_days=30)
    keys = {name: copies(company, name, [day(box, 2)]) for name in names}
    sync(pipeline)
    pipeline.assert_equal(*names)
    box.clock.advance(DAY)
    for name in names:
        company.tables[name].remove(keys[name][0], box.clock.now())
    records = sync(pipeline).rows("deleted_records")
    assert sorted(row["stream"] for row in records) == sorted(names)
    assert {bool(row.get("is_inferred")) for row in records if row["stream"] == "sales_quotes"} == {True}
    pipeline.assert_equal(*names)


@pytest.mark.quick("403-2", "500-1")
@pytest.mark.parametrize("page", [1, 2])
@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_look_back_that_fails_is_told_and_made_up_for(status: int, page: int, box: Sandbox, company: Company) -> None:
    name = "sales_quotes"
    keys = copies(company, name, [day(box, ago) for ago in range(14)])
    with page_size(5):
        pipeline = connection(box, name, "contacts", look_back_days=30)
        in_silence(company, name, keys[7])
        company.update(name, next(row["id"] for row in company.rows(name) if row["date"] < day(box, 40)))
        action = faults.status(500) if status == 500 else faults.refused(status)
        box.faults.add(action, path=f"*/{name}", when=lambda call: "from_date" in call.params and call.page >= page)
        output = pipeline.sync()
        assert output.statuses(name)[-1] == "INCOMPLETE"
        assert output.statuses("contacts")[-1] == "COMPLETE"
        box.faults.clear()
        box.clock.advance(3_600)
        sync(pipeline)
        pipeline.assert_equal()


def test_a_window_switched_on_with_wider_dates_and_off_again(box: Sandbox, company: Company) -> None:
    name = "sales_quotes"
    (key, *_) = copies(company, name, [day(box, ago) for ago in (3, 300, 500)])
    pipeline = connection(box, name, "sales_quote_lines", start_date=day(box, 10))
    pipeline.config |= {"look_back_days": 366, "start_date": day(box, 400)}
    in_silence(company, name, key)
    sync(pipeline)
    pipeline.assert_equal(name)
    pipeline.config["look_back_days"] = 0
    in_silence(company, name, key)
    assert sync(pipeline).rows(name) == []
    pipeline.config["look_back_days"] = 3
    sync(pipeline)
    pipeline.assert_equal(name)


def test_a_change_outside_the_window_while_it_is_read_comes_with_the_next_sync(box: Sandbox, company: Company) -> None:
    name = "sales_quotes"
    (key,) = copies(company, name, [day(box, 400)])
    pipeline = connection(box, name, look_back_days=30, start_date=day(box, 700))
    fault = box.faults.add(
        faults.before_page(lambda *_: company.update(name, key)),
        path=f"*/{name}",
        when=lambda call: "from_date" in call.params,
        times=1,
    )
    sync(pipeline)
    assert fault.hits == 1
    sync(pipeline)
    pipeline.assert_equal()


def test_one_business_whose_look_back_fails_keeps_none_of_the_others_back() -> None:
    name = "sales_quotes"
    with Sandbox(size="tiny", seed=19, token_life=10**9, businesses=2) as box:
        box.clock.advance(DAY)
        one, two = box.businesses
        for company in box.businesses:
            copies(company, name, [day(box, 3)])
        pipeline = connection(box, name, look_back_days=30, account_id="all")
        for company in box.businesses:
            in_silence(company, name, f"{0:032x}", notes=company.id)
        box.faults.add(
            faults.status(500), path="*", when=lambda call: call.company is one and "from_date" in call.params
        )
        assert pipeline.sync().failure is not None
        notes = {
            row["business_id"]: row["notes"] for row in pipeline.destination.rows(name) if row["id"] == f"{0:032x}"
        }
        assert notes[two.id] == two.id
        assert notes[one.id] != one.id
        box.faults.clear()
        sync(pipeline)
        pipeline.assert_equal()


@pytest.mark.slow
@pytest.mark.parametrize("order", ["created:asc", "created:desc", "updated:desc"])
@pytest.mark.parametrize("what", ["delete", "edit", "redate", "create"])
def test_what_happens_while_the_window_is_read_is_right_in_the_end(
    what: str, order: str, box: Sandbox, company: Company
) -> None:
    box.settings.change({"default_order": order})
    names = ("sales_quick_entries", "sales_quotes", "bank_transfers")
    for name in names:
        for ago in range(14):
            company.create(name, date=day(box, ago))
    with page_size(5):
        pipeline = connection(box, *names, "transactions", "deleted_records", look_back_days=30)
        for name in names:
            for row in company.rows(name)[-9:]:
                in_silence(company, name, row["id"])

        def happen(name: str, _: int, company: Company) -> None:
            box.clock.advance(1)
            rows = [row for row in company.rows(name) if row["date"] > day(box, 20)]
            for row in (rows[0], rows[len(rows) // 2], rows[-1]):
                if what == "delete":
                    company.delete(name, row["id"])
                elif what == "create":
                    company.create(name, date=day(box, 1))
                else:
                    company.update(name, row["id"], **({"date": day(box, 50)} if what == "redate" else {}))

        for name in names:
            box.faults.add(
                faults.before_page(happen),
                path=f"*/{name}",
                when=lambda call: "from_date" in call.params and call.page_size == 5,
                times=2,
            )
        sync(pipeline)
        assert {fault.hits for fault in box.faults.all} == {2}
        box.faults.clear()
        for days in (0, 1, 8):
            box.clock.advance(days * DAY)
            sync(pipeline)
            pipeline.assert_equal(*names)


@pytest.mark.slow
@pytest.mark.parametrize("by_state", [False, True])
def test_a_look_back_killed_anywhere_is_made_up_for(by_state: bool, box: Sandbox, company: Company) -> None:
    names = ("sales_quick_entries", "transactions", "sales_quotes")
    for name in ("sales_quick_entries", "sales_quotes"):
        for ago in range(14):
            company.create(name, date=day(box, ago))
    with page_size(5):
        pipeline = Pipeline(box, [*names, "sales_quote_lines"], look_back_days=30)
        pipeline.destination = Destination(pipeline.catalog, by_state=by_state)
        for _ in range(2):
            sync(pipeline)
            pipeline.destination.end()
            box.clock.advance(DAY)
        for name in names:
            for row in company.rows(name)[-5:]:
                in_silence(company, name, row["id"])
        company.update("sales_quotes", company.rows("sales_quotes")[0]["id"])
        before = copy.deepcopy(pipeline.destination)
        whole = sync(pipeline)
        for at in range(0, len(whole.of("RECORD")) + len(whole.of("STATE")), 7):
            pipeline.destination = copy.deepcopy(before)
            pipeline.sync(kill_after=at)
            box.clock.advance(60)
            sync(pipeline)
            pipeline.destination.end()
            pipeline.assert_equal(*names)


@pytest.mark.slow
def test_a_window_of_many_rows_is_read_by_slices(box: Sandbox, company: Company) -> None:
    name = "sales_quick_entries"
    copies(company, name, [day(box, number % 200) for number in range(12_000)])
    pipeline = connection(box, name, look_back_days=100)
    rows = company.rows(name)
    for row in rows[::500]:
        in_silence(company, name, row["id"])
    output = sync(pipeline)
    inside = {row["id"] for row in rows if row["date"] >= day(box, 100)}
    assert len(inside) > 5_000
    assert inside <= {row["id"] for row in output.rows(name)}
    assert stale(pipeline, name, day(box, 100)) == []
    assert len(box.requests) < 1.3 * len(inside) / 200 + 25
