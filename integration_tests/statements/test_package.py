"""The package as its user finds it: it parses quietly, takes its vars, and does without what was not selected."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from integration_tests.sandbox import Sandbox
from integration_tests.statements import dbt
from integration_tests.statements.raw import SCHEMA, Connection, set_year_end

pytestmark = pytest.mark.statements

ASK_FOR_THE_BEGINNING = {
    "receivables_equal_open_items",
    "payables_equal_open_items",
    "ar_aging_equals_control_account",
    "ap_aging_equals_control_account",
    "settlements_equal_outstanding",
    "stock_equals_movements",
}


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(size="tiny", seed=6, businesses=2, until="2026-06-15", token_life=10**9) as sandbox:
        set_year_end(sandbox.businesses[1], "2025-09-15")
        yield sandbox


@pytest.fixture(scope="module")
def whole(box: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything of two businesses, not yet built."""
    return read(box, tmp_path_factory.mktemp("whole") / "books.duckdb")


def read(box: Sandbox, file: Path, **config: Any) -> Path:
    connection = Connection(box, **config)
    connection.sync()
    connection.write(file)
    return file


def ask(file: Path, query: str) -> list[Any]:
    with duckdb.connect(str(file), read_only=True) as database:
        database.execute(f"SET schema = '{dbt.SCHEMA}'")
        return database.execute(query).fetchall()


def test_it_parses_without_a_warning_and_sends_nothing_home(tmp_path: Path) -> None:
    done = dbt.run("parse", tmp_path / "none.duckdb", tmp_path, "--warn-error", "--no-partial-parse")
    assert done.returncode == 0, done.stdout
    assert "send_anonymous_usage_stats: false" in (dbt.PACKAGE / "dbt_project.yml").read_text(encoding="utf-8")


def test_a_ledger_from_the_start_date_on_is_right_and_says_what_it_cannot_prove(box: Sandbox, tmp_path: Path) -> None:
    """In the middle of a month and of a year; opening balances come from Sage's trial balance."""
    file = read(box, tmp_path / "books.duckdb", start_date="2026-02-10")
    done = dbt.run("build", file, tmp_path / "target")
    assert done.returncode == 0, done.stdout[-3000:]
    statuses = dbt.results(tmp_path / "target")
    assert {name for name, status in statuses.items() if status == "warn"} == ASK_FOR_THE_BEGINNING
    assert set(statuses.values()) == {"success", "pass", "warn"}
    for company in box.businesses:
        truth = sum(company.books.balance(account.key) for account in company.chart.accounts if account.kind == "BANK")
        sheet = f"SELECT sum(amount) FROM balance_sheet WHERE business_id = '{company.id}' AND section = 'Bank'"
        assert ask(file, f"{sheet} AND month = '2026-06-01'") == [(Decimal(truth) / 100,)]
    incomplete = "SELECT DISTINCT is_complete, why_incomplete FROM ar_aging"
    assert ask(file, incomplete) == [(False, "documents before the Start Date are not here: Include Historical Data")]
    assert ask(file, "SELECT count(*) FROM balance_sheet WHERE NOT is_split_known AND month = '2026-03-01'") != [(0,)]
    split = "SELECT DISTINCT is_split_known FROM balance_sheet WHERE month > '2026-04-01' AND business_id = '{}'"
    assert ask(file, split.format(box.businesses[0].id)) == [(True,)]


def test_historical_data_makes_all_of_it_provable(box: Sandbox, tmp_path: Path) -> None:
    file = read(box, tmp_path / "books.duckdb", start_date="2026-02-10", include_historical_data=True)
    done = dbt.run("build", file, tmp_path / "target")
    assert done.returncode == 0, done.stdout[-3000:]
    assert set(dbt.results(tmp_path / "target").values()) == {"success", "pass"}


def test_what_was_not_selected_is_empty_and_not_broken(box: Sandbox, tmp_path: Path) -> None:
    """Only financial data: no documents of customers."""
    off = {"replicate_customer_data": False, "replicate_inventory_data": False}
    file = read(box, tmp_path / "books.duckdb", **off)
    done = dbt.run("build", file, tmp_path / "target")
    assert done.returncode == 0, done.stdout[-3000:]
    statuses = dbt.results(tmp_path / "target")
    assert statuses["ledger_equals_trial_balance"] == statuses["balance_sheet_balances"] == "pass"
    assert statuses["ar_aging_equals_control_account"] == statuses["receivables_equal_open_items"] == "warn"
    assert ask(file, "SELECT count(*) FROM stock_on_hand") == [(0,)]
    # These come with the financial data.
    assert ask(file, "SELECT DISTINCT item_type, is_complete FROM ar_aging") == [("opening_balance", False)]
    assert ask(file, "SELECT count(*) FROM int_sage__sides WHERE is_complete") == [(0,)]


def test_an_empty_schema_gives_empty_models(tmp_path: Path) -> None:
    file = tmp_path / "books.duckdb"
    with duckdb.connect(str(file)) as database:
        database.execute(f"CREATE SCHEMA {SCHEMA}")
    done = dbt.run("build", file, tmp_path / "target", *dbt.MODELS_ALONE)
    assert done.returncode == 0, done.stdout[-3000:]
    assert ask(file, "SELECT count(*) FROM balance_sheet") == [(0,)]


def test_the_vars_do_what_they_say(whole: Path, box: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "books.duckdb"
    shutil.copy(whole, file)
    with duckdb.connect(str(file)) as database:
        names = database.execute("SELECT table_name FROM duckdb_tables() WHERE schema_name = ?", [SCHEMA]).fetchall()
        database.execute("CREATE SCHEMA raw")
        for (name,) in names:
            database.execute(f'CREATE TABLE raw."books_{name}" AS FROM {SCHEMA}."{name}"')
        database.execute(f"DROP SCHEMA {SCHEMA} CASCADE")
    chosen = box.businesses[1].id
    variables = {
        "sage_schema": "raw",
        "sage_table_prefix": "books_",
        "sage_businesses": [chosen],
        "sage_first_month": "2026-01-01",
    }
    done = dbt.run("build", file, tmp_path / "target", variables=variables)
    assert done.returncode == 0, done.stdout[-3000:]
    assert set(dbt.results(tmp_path / "target").values()) == {"success", "pass"}
    for model in ("general_ledger_by_period", "profit_and_loss", "balance_sheet", "cash_flow"):
        assert ask(file, f"SELECT DISTINCT business_id, min(month)::VARCHAR FROM {model} GROUP BY 1") == [
            (chosen, "2026-01-01")
        ]


def test_a_user_s_own_seed_takes_the_place_of_the_package_s(whole: Path, tmp_path: Path) -> None:
    """As docs/statements.md tells: a project that uses the package, and classifies otherwise."""
    file = tmp_path / "books.duckdb"
    shutil.copy(whole, file)
    project = tmp_path / "project"
    (project / "seeds").mkdir(parents=True)
    (project / "dbt_project.yml").write_text(
        "name: mine\nversion: 1.0.0\nprofile: sage_accounting\n"
        "seeds:\n  sage_accounting:\n    sage_cash_flow_sections:\n      +enabled: false\n"
    )
    (project / "packages.yml").write_text(f"packages:\n  - local: {dbt.PACKAGE}\n")
    seed = dbt.PACKAGE / "seeds" / "sage_cash_flow_sections.csv"
    rows = list(csv.reader(seed.read_text(encoding="utf-8").splitlines()))
    with (project / "seeds" / seed.name).open("w", newline="") as out:
        csv.writer(out).writerows(
            [key, "financing" if key == "CURRENT_LIABILITIES" else section, caption] for key, section, caption in rows
        )
    for command, options in (("deps", ()), ("build", dbt.MODELS_ALONE)):
        done = dbt.run(command, file, tmp_path / "target", *options, project=project)
        assert done.returncode == 0, done.stdout[-3000:]
    moved = "SELECT DISTINCT section FROM cash_flow WHERE caption = 'Change in current liabilities'"
    assert ask(file, moved) == [("financing",)]
