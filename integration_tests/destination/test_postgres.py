"""Two incremental append-dedup syncs into a real PostgreSQL, through PyAirbyte, judged in SQL."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from integration_tests import pyairbyte
from integration_tests.destination.postgres import Cluster, PostgresMissing, cluster
from integration_tests.sandbox import Sandbox

pytestmark = pytest.mark.destination_tests

STREAMS: Final = ["bank_transfers", "contacts", "countries", "deleted_records", "ledger_entries", "sales_invoices"]
AMOUNTS: Final = {
    "bank_transfers": "amount",
    "ledger_entries": "debit",
    "sales_invoices": "total_amount",
}


@dataclass(frozen=True)
class Synced:
    """What the tests look at.

    Attributes:
        warehouse: the database after both syncs.
        box: Sage.
        before: amounts by key after the first sync, as the database had them and as Sage had them.
        told: the ids of what happened between the syncs.
        second: how many rows of each list Sage was asked for by the second sync.
    """

    warehouse: Cluster
    box: Sandbox
    before: dict[str, tuple[dict[str, Decimal], dict[str, Decimal]]]
    told: dict[str, str]
    second: dict[str, int]


@pytest.fixture(scope="module")
def synced() -> Iterator[Synced]:
    if not pyairbyte.PYTHON.exists():
        pytest.skip("PyAirbyte's environment is missing: make .venv-demo/installed")
    try:
        with cluster() as warehouse, Sandbox(size="small", seed=5) as box:
            company = box.businesses[0]
            sync(warehouse, box)
            before = {name: (in_warehouse(warehouse, name), at_sage(box, name)) for name in AMOUNTS}
            box.clock.advance(3600)
            told = company.day_of_business()
            told["gone"] = company.rows("sales_invoices")[0]["id"]
            company.delete("sales_invoices", told["gone"])
            box.clock.advance(60)
            box.clear_requests()
            sync(warehouse, box)
            second: dict[str, int] = {}
            for one in box.requests:
                name = one.path.rsplit("/", 1)[-1]
                second[name] = second.get(name, 0) + (one.rows or 0)
            yield Synced(warehouse, box, before, told, second)
    except PostgresMissing as missing:
        pytest.skip(str(missing))


def sync(warehouse: Cluster, box: Sandbox) -> None:
    """One sync with the package's console script."""
    script = Path(sys.executable).with_name("source-sage")
    pyairbyte.sync(
        {
            "config": box.config(),
            "source": {"local_executable": str(script)},
            "streams": STREAMS,
            "database": warehouse.settings,
        }
    )


def in_warehouse(warehouse: Cluster, name: str) -> dict[str, Decimal]:
    """The amounts of the rows that are not deleted, by id; fails on a key that is there twice."""
    live = "NOT deleted" if name == "ledger_entries" else "is_deleted IS NOT TRUE"
    rows = warehouse.rows(f"SELECT id, {AMOUNTS[name]} FROM {name} WHERE {live}")
    amounts = {key: Decimal(amount) for key, amount in rows}
    assert len(amounts) == len(rows)
    return amounts


def at_sage(box: Sandbox, name: str) -> dict[str, Decimal]:
    rows: list[dict[str, Any]] = box.businesses[0].rows(name)
    return {row["id"]: Decimal(row[AMOUNTS[name]]) for row in rows if not row.get("deleted")}


@pytest.mark.parametrize("name", AMOUNTS)
def test_both_syncs_leave_exactly_sage_s_rows(synced: Synced, name: str) -> None:
    found, truth = synced.before[name]
    assert found == truth and found
    after, truth_after = in_warehouse(synced.warehouse, name), at_sage(synced.box, name)
    assert after == truth_after
    assert after != found


def test_the_ledger_balances_in_sql(synced: Synced) -> None:
    ((debit, credit),) = synced.warehouse.rows("SELECT sum(debit), sum(credit) FROM ledger_entries WHERE NOT deleted")
    assert Decimal(debit) == Decimal(credit) > 0


def test_a_key_is_there_once(synced: Synced) -> None:
    for name in STREAMS:
        key = "business_id, stream, id" if name == "deleted_records" else "business_id, id"
        query = f"SELECT count(*), count(DISTINCT ({key})) FROM {name}"
        ((rows, keys),) = synced.warehouse.rows(query)
        assert rows == keys != "0", name


def test_what_was_deleted_is_marked_and_listed(synced: Synced) -> None:
    for name, key in (("bank_transfers", synced.told["deleted"]), ("sales_invoices", synced.told["gone"])):
        query = f"SELECT is_deleted, deleted_at IS NOT NULL FROM {name} WHERE id = '{key}'"
        assert synced.warehouse.rows(query) == [["t", "t"]]
        listed = f"SELECT count(*) FROM deleted_records WHERE stream = '{name}' AND id = '{key}'"
        assert synced.warehouse.rows(listed) == [["1"]]


def test_an_edited_contact_is_there_in_its_new_form(synced: Synced) -> None:
    ((notes,),) = synced.warehouse.rows(f"SELECT notes FROM contacts WHERE id = '{synced.told['edited']}'")
    assert notes.startswith("Seen ")


def test_the_second_sync_asked_for_what_changed_alone(synced: Synced) -> None:
    for name in AMOUNTS:
        assert synced.second[name] < len(synced.before[name][0]) / 4, name
