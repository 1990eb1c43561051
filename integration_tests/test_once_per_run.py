"""No key leaves twice in one run, whatever moves under the pages.

Airbyte's append-dedup would bear it, but a full refresh with overwrite keeps every row that it is given, and PyAirbyte
merges a run's rows without looking for keys that come twice: there, a row that came twice is a row too many for ever.
What changes during a run comes with the next one, whose watermark is older than this run's beginning.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from integration_tests.harness import Message, Output
from integration_tests.pipeline import Killed, Pipeline, page_size
from integration_tests.sandbox import Company, Sandbox, faults

STREAMS = ("addresses", "contacts", "sales_invoices", "transactions")
DELETABLE = STREAMS[:-1]


def deleted(company: Company, name: str) -> None:
    company.delete(name, company.rows(name)[0]["id"])


def made(company: Company, name: str) -> None:
    company.create(name)


def edited(company: Company, name: str) -> None:
    rows = company.rows(name)
    for row in (rows[0], rows[len(rows) // 2], rows[-1]):
        company.update(name, row["id"])


MOVES: dict[str, tuple[Callable[[Company, str], None], tuple[str, ...]]] = {
    "a row of the front is deleted": (deleted, DELETABLE),
    "a row is made": (made, DELETABLE),
    "rows are edited": (edited, STREAMS),
}


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(size="small", seed=15, token_life=10**9) as sandbox, page_size(25):
        sandbox.clock.advance(86_400)
        yield sandbox


def assert_once(pipeline: Pipeline, output: Output) -> None:
    assert output.failure is None, output.failure
    for one in pipeline.catalog["streams"]:
        name = one["stream"]["name"]
        twice = [key for key, times in Counter(row["id"] for row in output.rows(name)).items() if times > 1]
        assert twice == [], f"{len(twice)} rows of {name} left twice"


@pytest.mark.parametrize("order", ["created:asc", "created:desc", "updated:desc", "updated:asc"])
@pytest.mark.parametrize("move", MOVES)
def test_no_key_leaves_twice_when_the_list_moves(move: str, order: str, box: Sandbox) -> None:
    box.settings.change({"default_order": order})
    change, names = MOVES[move]
    for name in names:

        def between(_: str, __: int, company: Company, name: str = name) -> None:
            box.clock.advance(1)
            change(company, name)

        box.faults.add(faults.before_page(between), path=f"*/{name}", when=lambda call: call.page == 3, times=1)
    pipeline = Pipeline(box, names)
    assert_once(pipeline, pipeline.sync())
    for name in names:
        for row in box.businesses[0].rows(name)[:60]:
            box.businesses[0].update(name, row["id"])
    box.clock.advance(300)
    for fault in box.faults.all:
        fault.hits = 0
    assert_once(pipeline, pipeline.sync())
    box.faults.clear()
    box.clock.advance(10)
    assert_once(pipeline, pipeline.sync())
    pipeline.assert_equal()


def test_no_key_leaves_twice_when_a_row_is_edited_and_then_deleted(box: Sandbox) -> None:
    pipeline = Pipeline(box, DELETABLE)
    assert_once(pipeline, pipeline.sync())
    box.clock.advance(600)
    company = box.businesses[0]
    for name in DELETABLE:
        gone = company.rows(name)[4]["id"]
        company.update(name, gone)

        def between(_: str, __: int, company: Company, name: str = name, gone: str = gone) -> None:
            box.clock.advance(1)
            company.delete(name, gone)

        # The list of changes has been read when the list of deletions is asked for.
        box.faults.add(
            faults.before_page(between), path=f"*/{name}", when=lambda call: "deleted_since" in call.params, times=1
        )
    assert_once(pipeline, pipeline.sync())
    box.faults.clear()
    box.clock.advance(10)
    assert_once(pipeline, pipeline.sync())
    pipeline.assert_equal()


def test_a_deletion_is_told_once_though_two_readings_of_its_list_find_it(box: Sandbox) -> None:
    """A stream of lines that was added later and killed on its first read stands elsewhere than the list's own."""

    def until_a_slice_is_saved(message: Message) -> None:
        if message["type"] == "STATE" and '"done"' in json.dumps(message):
            raise Killed

    pipeline = Pipeline(box, ["sales_invoices", "deleted_records"])
    assert_once(pipeline, pipeline.sync())
    pipeline.select(["sales_invoices", "sales_invoice_lines", "deleted_records"])
    pipeline.sync(seen=until_a_slice_is_saved)
    box.clock.advance(600)
    company = box.businesses[0]
    gone = company.rows("sales_invoices")[0]["id"]
    company.delete("sales_invoices", gone)
    output = pipeline.sync()
    assert output.failure is None, output.failure
    asked = [call.params["page"] for call in pipeline.asked("sales_invoices") if "deleted_since" in call.params]
    assert asked == ["1", "1"], "one reading found it, so nothing was tested"
    assert [row["id"] for row in output.rows("deleted_records")] == [gone]
