"""Lines over real HTTP: one reading for a list and its lines, through edits, deletions, refusals and late choices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from integration_tests.harness import Destination, Message, Output, catalog_of, discover, run
from integration_tests.pipeline import SandboxClock
from integration_tests.sandbox import Company, Sandbox, faults
from source_sage.streams import every_stream

STREAMS = every_stream()
LINES = [name for name, facts in STREAMS.items() if facts.parents]


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(size="tiny", seed=3, token_life=10**9) as sandbox:
        sandbox.clock.advance(86_400)
        yield sandbox


class Warehouse:
    """A destination and the syncs that fill it."""

    def __init__(self, box: Sandbox, names: list[str]) -> None:
        self.box = box
        self.streams: list[Message] = discover(box.config())
        self.choose(names)
        self.destination = Destination(self.catalog)

    def choose(self, names: list[str]) -> None:
        self.catalog = catalog_of(self.streams, names)

    def sync(self, seen: Callable[[Message], None] | None = None) -> Output:
        self.box.clear_requests()
        self.destination.begin()

        def take(message: Message) -> None:
            if seen is not None:
                seen(message)
            self.destination.take(message)

        chosen = {one["stream"]["name"] for one in self.catalog["streams"]}
        state = [one for one in self.destination.saved() if one["stream"]["stream_descriptor"]["name"] in chosen]
        clock = SandboxClock(self.box)
        return run("read", self.box.config(), catalog=self.catalog, state=state or None, clock=clock, seen=take)

    def keys(self, name: str) -> set[tuple[str, str]]:
        parent_key = STREAMS[name].parent_key
        return {(row[parent_key], row["id"]) for row in self.destination.lines(name)}


def truth(company: Company, name: str) -> set[tuple[str, str]]:
    return {
        (item["id"], line["id"])
        for parent, field in STREAMS[name].parents.items()
        for item in company.rows(parent)
        for line in item[field]
    }


@pytest.mark.quick("sales_invoice_lines", "payment_allocations", "service_rates")
@pytest.mark.parametrize("name", LINES)
def test_lines_alone_cost_what_their_parents_cost(name: str, box: Sandbox) -> None:
    parents = Warehouse(box, list(STREAMS[name].parents))
    parents.sync()
    expected = sorted((one.list, tuple(sorted(one.params.items()))) for one in box.requests)
    lines = Warehouse(box, [name])
    output = lines.sync()
    assert sorted((one.list, tuple(sorted(one.params.items()))) for one in box.requests) == expected
    assert {one["record"]["stream"] for one in output.of("RECORD")} == {name}
    assert output.statuses(name) == ["STARTED", "RUNNING", "COMPLETE"]
    assert lines.keys(name) == truth(box.businesses[0], name)
    box.clock.advance(3600)
    again = lines.sync()
    assert again.rows(name) == []
    asked = [one.params for one in box.requests if one.list not in ("businesses", "user")]
    # Whether a key is missing is seen by what has neither filter nor fields: a row for its count, or all keys.
    if any(STREAMS[parent].infers_deletions for parent in STREAMS[name].parents):
        asked = [params for params in asked if "attributes" in params]
    assert asked and all("updated_or_created_since" in params or "deleted_since" in params for params in asked)


@pytest.mark.quick("sales_invoice_lines", "payment_allocations", "service_rates")
@pytest.mark.parametrize("name", LINES)
def test_lines_beside_their_parents_cost_nothing(name: str, box: Sandbox) -> None:
    parents = list(STREAMS[name].parents)
    Warehouse(box, parents).sync()
    expected = len(box.requests)
    both = Warehouse(box, [*parents, name])
    both.sync()
    assert len(box.requests) == expected
    box.clock.advance(3600)
    both.sync()
    # Where deletions are inferred: who asks, how many rows there are, and, once for chosen dates, all keys.
    inferring = [parent for parent in parents if STREAMS[parent].infers_deletions]
    assert len(box.requests) == 2 + sum(2 if STREAMS[parent].tombstones else 1 for parent in parents) + 3 * len(
        inferring
    )


@pytest.mark.quick(
    "sales_invoice_lines", "purchase_credit_note_lines", "stock_item_prices", "payment_allocations", "journal_lines"
)
@pytest.mark.parametrize("name", LINES)
def test_lines_follow_their_parents_through_edits_and_deletions(name: str, box: Sandbox) -> None:
    company = box.businesses[0]
    parent, field = next(iter(STREAMS[name].parents.items()))
    warehouse = Warehouse(box, [parent, name])
    warehouse.sync()

    def edit(key: str, lines: list[Any]) -> None:
        company.update(parent, key, **{field: lines})

    rows = company.rows(parent)
    shrunk = next(row for row in rows if len(row[field]) >= 1)
    pattern = shrunk[field][0]
    grown, emptied, twice, gone = [row for row in rows if row["id"] != shrunk["id"]][:4]
    box.clock.advance(3600)
    edit(shrunk["id"], [*shrunk[field][1:], {**pattern, "id": "new"}])
    edit(grown["id"], [*grown[field], {**pattern, "id": "more"}])
    edit(emptied["id"], [])
    edit(twice["id"], [{**pattern, "id": "one"}, {**pattern, "id": "two"}])
    warehouse.sync()
    assert warehouse.keys(name) == truth(company, name)

    # In the very second of the edit that the sync above has read: fewer lines, and lines again where there were none.
    edit(twice["id"], [{**pattern, "id": "two"}])
    edit(emptied["id"], [{**pattern, "id": "back"}])
    warehouse.sync()
    assert warehouse.keys(name) == truth(company, name)
    assert {key for key in warehouse.keys(name) if key[0] == twice["id"]} == {(twice["id"], "two")}

    if STREAMS[parent].tombstones:
        # Likewise: deleted in the second of its last edit.
        edit(gone["id"], [{**pattern, "id": "last"}])
        warehouse.sync()
        assert (gone["id"], "last") in warehouse.keys(name)
        company.delete(parent, gone["id"])
        output = warehouse.sync()
        assert warehouse.keys(name) == truth(company, name)
        (stone,) = [row for row in output.rows(parent) if row.get("is_deleted")]
        markers = [row for row in output.rows(name) if row.get("is_deleted")]
        expected = (gone["id"], "*", stone["deleted_at"], stone["deleted_at"])
        parent_key = STREAMS[name].parent_key
        assert [(row[parent_key], row["id"], row["deleted_at"], row["updated_at"]) for row in markers] == [expected]
    # What was read close to its edit comes once more, and then no more.
    box.clock.advance(3600)
    warehouse.sync()
    assert warehouse.sync().rows(name) == []
    assert warehouse.keys(name) == truth(company, name)


def test_only_the_parents_are_in_the_list_of_deletions(box: Sandbox) -> None:
    company = box.businesses[0]
    warehouse = Warehouse(box, ["sales_invoices", "sales_invoice_lines", "deleted_records"])
    warehouse.sync()
    box.clock.advance(3600)
    key = company.rows("sales_invoices")[-1]["id"]
    company.delete("sales_invoices", key)
    records = warehouse.sync().rows("deleted_records")
    assert [(row["stream"], row["id"]) for row in records] == [("sales_invoices", key)]


def test_lines_chosen_later_start_from_the_beginning_and_take_nothing_from_their_parents(box: Sandbox) -> None:
    company = box.businesses[0]
    warehouse = Warehouse(box, ["sales_invoices", "sales_invoice_lines"])
    warehouse.choose(["sales_invoices"])
    warehouse.sync()
    box.clock.advance(3600)
    gone, kept = (row["id"] for row in company.rows("sales_invoices")[:2])
    company.delete("sales_invoices", gone)
    company.update("sales_invoices", kept)
    warehouse.choose(["sales_invoices", "sales_invoice_lines"])
    output = warehouse.sync()
    assert {row["id"] for row in output.rows("sales_invoices")} >= {gone, kept}
    assert len(output.rows("sales_invoices")) < len(company.rows("sales_invoices"))
    invoices = {row["id"] for row in warehouse.destination.rows("sales_invoices")}
    assert invoices == {row["id"] for row in company.rows("sales_invoices")}
    assert warehouse.keys("sales_invoice_lines") == truth(company, "sales_invoice_lines")
    # From then on together.
    box.clock.advance(3600)
    output = warehouse.sync()
    assert [one.list for one in box.requests] == ["businesses"] * 2 + ["sales_invoices"] * 2
    assert output.place("sales_invoices") == output.place("sales_invoice_lines")


def test_a_kill_between_the_states_of_a_list_and_of_its_lines_loses_nothing(box: Sandbox) -> None:
    company = box.businesses[0]
    names = ["sales_invoices", "sales_invoice_lines"]
    warehouse = Warehouse(box, names)
    warehouse.sync()
    box.clock.advance(3600)
    key = next(row["id"] for row in company.rows("sales_invoices") if row["invoice_lines"])
    company.update("sales_invoices", key, invoice_lines=[])

    class Killed(BaseException):
        pass

    def kill(message: Message) -> None:
        if message["type"] == "STATE" and message["state"]["stream"]["stream_descriptor"]["name"] == names[1]:
            raise Killed

    with pytest.raises(Killed):
        warehouse.sync(kill)
    places = [one["stream"]["stream_state"]["businesses"][company.id] for one in warehouse.destination.saved()]
    assert places[0] != places[1]
    warehouse.sync()
    assert warehouse.keys(names[1]) == truth(company, names[1])


def test_a_refused_list_takes_its_lines_along_with_one_warning(box: Sandbox) -> None:
    box.faults.add(faults.refused(403), path="*/sales_invoices")
    names = ["sales_invoices", "sales_invoice_lines", "contacts"]
    output = Warehouse(box, names).sync()
    assert output.failure is None
    (warning,) = [one for one in output.log("WARN") if "skipped" in one]
    assert warning.startswith(f"sales_invoices, sales_invoice_lines of {box.businesses[0].name}")
    assert [output.statuses(name)[-1] for name in names] == ["COMPLETE"] * 3
    (report,) = [one for one in output.log("INFO") if one.startswith("Sync report")]
    assert "skipped (HTTP 403 MultiUserAccessDenied): sales_invoice_lines, sales_invoices" in report


def test_allocations_go_on_without_the_list_that_is_refused(box: Sandbox) -> None:
    box.faults.add(faults.refused(403), path="*/contact_allocations")
    output = Warehouse(box, ["payment_allocations"]).sync()
    assert output.failure is None
    assert {row["parent_stream"] for row in output.rows("payment_allocations")} == {"contact_payments"}
    (warning,) = [one for one in output.log("WARN") if "skipped" in one]
    assert warning.startswith("payment_allocations (lines of contact_allocations) of ")


def test_a_list_that_fails_leaves_it_and_its_lines_incomplete_and_where_they_were(box: Sandbox) -> None:
    names = ["sales_invoices", "sales_invoice_lines", "contacts"]
    warehouse = Warehouse(box, names)
    first = warehouse.sync()
    box.clock.advance(3600)
    box.faults.add(faults.status(422), path="*/sales_invoices")
    output = warehouse.sync()
    assert output.failure is not None
    assert [output.statuses(name)[-1] for name in names] == ["INCOMPLETE", "INCOMPLETE", "COMPLETE"]
    failed = [one["stream_descriptor"]["name"] for one in output.errors if one.get("stream_descriptor")]
    assert failed == names[:1], "one cause is told once"
    moved = {one["stream"]["stream_descriptor"]["name"] for one in output.state}
    assert moved == {"contacts"}
    assert first.place("sales_invoices") == first.place("sales_invoice_lines")
