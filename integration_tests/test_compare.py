"""`source-sage compare` names each kind of difference that is planted in a table, and asks little where none is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from integration_tests.harness import Destination, catalog_of, discover, run
from integration_tests.sandbox import Sandbox, faults
from integration_tests.warehouse import columns_of, create_statement, values_of
from source_sage.commands.compare import main

STREAMS = [
    "ledger_entries",
    "transactions",
    "addresses",
    "sales_invoices",
    "contacts",
    "bank_transfers",
    "contact_payments",
    "countries",
    "journals",
    "ledger_accounts",
    "stock_movements",
    "exchange_rates",
    "trial_balance",
]
MISSING = "DELETE FROM ledger_entries WHERE id = '{}'"
ONE = 'SELECT {} FROM sage_raw."{}" WHERE {} ORDER BY id LIMIT 1'


class World:
    """A sandbox with a warehouse of two lists' lengths: some of one page, the ledger of many."""

    def __init__(self, folder: Path, box: Sandbox) -> None:
        self.folder, self.box = folder, box
        self.form = box.config(include_historical_data=True, account_id=box.businesses[0].id)
        self.sound = folder / "sound.duckdb"
        streams = [one for one in discover(self.form) if one["name"] in STREAMS]
        destination = Destination(catalog_of(streams))
        destination.begin()
        assert run("read", self.form, catalog=catalog_of(streams), seen=destination.take).failure is None
        with duckdb.connect(str(self.sound)) as database:
            database.execute("CREATE SCHEMA sage_raw; USE sage_raw; SET TimeZone = 'UTC'")
            for stream in streams:
                database.execute(create_statement(stream, "JSON"))
                rows = list(values_of(stream, destination.all_rows(stream["name"])))
                texts = [[None if value is None else str(value) for value in row] for row in rows]
                kinds = columns_of(stream["json_schema"], "JSON").values()
                values = ", ".join(f"row[{place}]::{kind}" for place, kind in enumerate(kinds, 1))
                select = f"SELECT {values} FROM (SELECT unnest(?::VARCHAR[][]) AS row)"  # noqa: S608
                database.execute(f'INSERT INTO "{stream["name"]}" {select}', [texts])

    def told(
        self, capsys: pytest.CaptureFixture[str], *statements: str, options: Sequence[str] = (), **form: Any
    ) -> tuple[int, str, int]:
        """The exit code, the verdict and the number of requests, after something was done to a copy."""
        copy = self.folder / "copy.duckdb"
        shutil.copy(self.sound, copy)
        with duckdb.connect(str(copy)) as database:
            database.execute("SET TimeZone = 'UTC'; USE sage_raw")
            for one in statements:
                database.execute(one)
        config = self.folder / "config.json"
        config.write_text(json.dumps({**self.form, **form}))
        self.box.clear_requests()
        code = main(["--config", str(config), "--database", str(copy), *options])
        said = capsys.readouterr()
        return code, said.out + said.err, len(self.box.requests)

    def value(self, stream: str, what: str, where: str = "TRUE") -> Any:
        with duckdb.connect(str(self.sound), read_only=True) as database:
            found = database.execute(ONE.format(what, stream, where)).fetchone()
        assert found
        return found[0]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with Sandbox(size="small", seed=3, token_life=10**9, businesses=2) as box:
        yield World(tmp_path_factory.mktemp("warehouse"), box)


def test_equal_in_few_requests(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, verdict, requests = world.told(capsys)
    equal, asked = verdict.splitlines()
    assert ": the warehouse is equal to Sage, " in equal and f"rows in {len(STREAMS) - 1} lists; by month and" in equal
    assert asked.startswith(f"{requests} requests. Of ") and "--every-row reads each row" in asked
    assert code == 0
    assert requests <= 3 * len(STREAMS)


def test_equal_row_by_row(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, verdict, requests = world.told(capsys, options=["--every-row"])
    equal, asked = verdict.splitlines()
    assert ": the warehouse is equal to Sage, " in equal
    assert asked == f"Every row was compared, in {requests} requests."
    assert code == 0
    assert requests > len(world.box.businesses[0].rows("ledger_entries")) / 200


PLANTED = [
    ("a row is missing", "ledger_entries", "DELETE FROM {0} WHERE id = '{1}'", "missing in the warehouse"),
    ("a row is missing, of one page", "journals", "DELETE FROM {0} WHERE id = '{1}'", "missing in the warehouse"),
    ("a row is doubled", "ledger_entries", "INSERT INTO {0} SELECT * FROM {0} WHERE id = '{1}'", "more than once"),
    (
        "a row is stale",
        "contacts",
        "UPDATE {0} SET updated_at = updated_at - INTERVAL 1 YEAR WHERE id = '{1}'",
        "stale",
    ),
    (
        "a row is stale, of many pages",
        "ledger_entries",
        "UPDATE {0} SET updated_at = updated_at - INTERVAL 9 YEAR WHERE id = '{1}'",
        "stale",
    ),
    (
        "a row is not at Sage",
        "ledger_entries",
        "INSERT INTO {0} SELECT * REPLACE ('ghost' AS id) FROM {0} WHERE id = '{1}'",
        "no longer at Sage: ghost",
    ),
    (
        "an amount is another",
        "ledger_entries",
        "UPDATE {0} SET debit = debit + 1 WHERE id = '{1}'",
        "the same version with other values (debit)",
    ),
    (
        "an amount is another, of one page",
        "bank_transfers",
        "UPDATE {0} SET amount = amount + 1 WHERE id = '{1}'",
        "the same version with other values (amount)",
    ),
    (
        "a row is in another month",
        "ledger_entries",
        'UPDATE {0} SET "date" = "date" - INTERVAL 2 MONTH WHERE id = \'{1}\'',
        "the same version with other values (date)",
    ),
    (
        "a row is missing, in a list without dates",
        "addresses",
        "DELETE FROM {0} WHERE id = '{1}'",
        "missing in the warehouse",
    ),
    (
        "a tombstone is missing",
        "addresses",
        "INSERT INTO {0} SELECT * REPLACE ('ghost' AS id, FALSE AS is_deleted) FROM {0} WHERE id = '{1}'",
        "no longer at Sage: ghost",
    ),
    (
        "a row is stale, in a list without sums",
        "transactions",
        "UPDATE {0} SET updated_at = updated_at - INTERVAL 9 YEAR WHERE id = '{1}'",
        "stale",
    ),
    (
        "a row is doubled, in a list without sums",
        "transactions",
        "INSERT INTO {0} SELECT * FROM {0} WHERE id = '{1}'",
        "more than once",
    ),
]


@pytest.mark.quick(
    "a row is missing, in a list without dates", "a row is stale", "an amount is another", "a tombstone is missing"
)
@pytest.mark.parametrize(("what", "stream", "statement", "words"), PLANTED, ids=[one[0] for one in PLANTED])
def test_what_is_planted_is_named(
    world: World, capsys: pytest.CaptureFixture[str], what: str, stream: str, statement: str, words: str
) -> None:
    where = "debit > 0 AND NOT deleted AND \"date\" > '2026-01-01'" if stream == "ledger_entries" else "TRUE"
    key = world.value(stream, "id", where)
    code, verdict, requests = world.told(capsys, statement.format(f'"{stream}"', key))
    assert words in verdict, verdict
    assert "the warehouse DIFFERS from Sage in " in verdict.splitlines()[0]
    assert "ghost" in words or key in verdict
    assert stream in verdict, what
    assert code == 3
    assert requests <= 120


# Numbers of rows and of changes stay as they were.
HIDDEN = [
    (
        "a row is missing while another is too much",
        ["UPDATE transactions SET id = 'ghost' WHERE id = '{}'"],
        ["missing in the warehouse", "no longer at Sage: ghost"],
    ),
    (
        "an amount is another here alone",
        ["UPDATE transactions SET total = total + 1 WHERE id = '{}'"],
        ["the same version with other values (total)"],
    ),
    (
        "a date is another here alone",
        ['UPDATE transactions SET "date" = "date" - INTERVAL 2 MONTH WHERE id = \'{}\''],
        ["the same version with other values (date)"],
    ),
]


@pytest.mark.quick("a row is missing while another is too much")
@pytest.mark.parametrize(("what", "statements", "words"), HIDDEN, ids=[one[0] for one in HIDDEN])
def test_what_numbers_hide_is_named_row_by_row_and_told_otherwise(
    world: World, capsys: pytest.CaptureFixture[str], what: str, statements: list[str], words: list[str]
) -> None:
    key = world.value("transactions", "id", "\"date\" > '2026-01-01'")
    planted = [one.format(key) for one in statements]
    code, verdict, _ = world.told(capsys, *planted)
    assert (code, "long lists the numbers of rows and of changes were compared" in verdict) == (0, True), what
    code, verdict, _ = world.told(capsys, *planted, options=["--every-row"])
    assert code == 3
    assert all(one in verdict for one in [*words, key]), verdict


def test_a_sum_is_told_with_the_account_s_name_and_both_sums(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    key = world.value("ledger_entries", "id", "debit > 0 AND NOT deleted AND \"date\" > '2026-01-01'")
    name = world.value("ledger_entries", "(ledger_account ->> 'displayed_as')", f"id = '{key}'")
    _, verdict, _ = world.told(capsys, MISSING.format(key))
    (line,) = [one for one in verdict.splitlines() if "whose sum is not Sage's" in one]
    assert f": {name} " in line and " at Sage, " in line and line.endswith(" here"), line


def test_other_businesses_are_told_and_are_no_difference(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a sign-in of its own, and of this one where Account ID leaves it out."""
    another = "INSERT INTO contacts SELECT * REPLACE ('{}' AS business_id) FROM contacts LIMIT 1"
    code, verdict, _ = world.told(capsys, another.format("somebody"))
    assert code == 0
    assert "Not compared: 1 row of business somebody; this sign-in does not cover it." in verdict.splitlines(), verdict
    companies = world.box.businesses
    code, verdict, _ = world.told(capsys, another.format(companies[1].id))
    assert code == 0
    assert f"1 row of business {companies[1].id}; Account ID leaves it out." in verdict, verdict


@pytest.mark.parametrize("order", ["updated:desc", "updated:asc"])
def test_a_list_that_moves_while_it_is_read_is_read_again(
    world: World, capsys: pytest.CaptureFixture[str], order: str
) -> None:
    """A row of the first page goes before the second is asked for: one slips between them, or none."""
    company, settings = world.box.businesses[0], world.box.settings
    before, settings.default_order = settings.default_order, order
    made = company.create("addresses")
    gone: list[str] = []

    def delete(*_: Any) -> None:
        gone.append(made)
        company.delete("addresses", made)

    world.box.faults.add(faults.before_page(delete), path="*/addresses", nth=3)
    try:
        code, verdict, requests = world.told(capsys, options=["--every-row", "--streams", "addresses"])
    finally:
        world.box.faults.clear()
        settings.default_order = before
    assert gone == [made]
    assert code == 0, verdict
    assert requests >= 5


def test_a_stale_trial_balance_is_not_the_ledger_s_fault(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, verdict, _ = world.told(capsys, "UPDATE trial_balance SET debit = debit + 1 WHERE from_date = '2026-05-01'")
    assert code == 3
    assert "trial_balance of 2026-05" in verdict and "the ledger agrees with Sage" in verdict, verdict
    assert not any(line.startswith("- ledger_entries") for line in verdict.splitlines()), verdict


def test_an_empty_table_is_told_as_such(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, verdict, _ = world.told(capsys, "DELETE FROM ledger_entries")
    assert "ledger_entries" in verdict and "the table has no rows of this business" in verdict
    assert code == 3


def test_a_tombstone_is_no_row(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    ghost = "INSERT INTO contacts SELECT * REPLACE ('ghost' AS id, TRUE AS is_deleted) FROM contacts LIMIT 1"
    assert world.told(capsys, ghost)[0] == 0


def test_no_document_is_asked_for_singly(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.told(capsys, "UPDATE sales_invoices SET total_amount = 0")
    assert {one.path.count("/") for one in world.box.requests if "sales_invoices" in one.path} == {2}
    assert {one.method for one in world.box.requests} <= {"GET"}


@pytest.mark.parametrize("inclusive", [True, False])
def test_the_first_day_is_counted_however_sage_does(
    world: World, capsys: pytest.CaptureFixture[str], inclusive: bool
) -> None:
    """From a Start Date on which there are entries; a row of another day is missing, or none."""
    world.box.settings.dates_inclusive = inclusive
    try:
        day = str(world.value("ledger_entries", '"date"', "\"date\" > '2026-01-01'"))
        form = {"start_date": day, "include_historical_data": False}
        code, verdict, requests = world.told(capsys, **form)
        assert code == 0, verdict
        assert requests <= 5 * len(STREAMS)
        key = world.value("ledger_entries", "id", f"\"date\" > DATE '{day}'")
        code, verdict, _ = world.told(capsys, MISSING.format(key), **form)
        assert code == 3 and "missing in the warehouse" in verdict and key in verdict, verdict
    finally:
        world.box.settings.dates_inclusive = True


def test_what_happened_at_sage_since_is_told(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """The last test: it changes the sandbox."""
    company = world.box.businesses[0]
    world.box.clock.advance(3600)
    key = company.rows("contacts")[0]["id"]
    company.update("contacts", key)
    gone = company.rows("bank_transfers")[0]["id"]
    company.delete("bank_transfers", gone)
    code, verdict, _ = world.told(capsys)
    assert code == 3
    lines = verdict.splitlines()
    assert any("contacts" in line and "stale" in line and key in line for line in lines), verdict
    assert any("bank_transfers" in line and "no longer at Sage" in line and gone in line for line in lines), verdict
