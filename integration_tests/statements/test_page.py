"""`make statements` in small: the page with the statements is opened from a file in a real browser and looked at."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from integration_tests import webdriver
from integration_tests.sandbox import Sandbox
from integration_tests.statements import dbt
from integration_tests.statements.raw import Connection

pytestmark = pytest.mark.statements

TRIAL_BALANCE = "Opening, movement and closing of each account are those of Sage's own trial balance."


class Shown(NamedTuple):
    """What a person gets.

    Attributes:
        terminal: the text.
        page: the HTML file.
        code: the exit code.
    """

    terminal: str
    page: Path
    code: int


def show(file: Path, folder: Path) -> Shown:
    """The program as `make statements` starts it."""
    page = folder / "statements.html"
    line = [str(dbt.PYTHON), "-m", "integration_tests.statements.show", str(file)]
    done = subprocess.run(
        [*line, str(folder / "target" / "run_results.json"), str(page)],
        cwd=dbt.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert page.exists(), done.stderr
    return Shown(done.stdout, page, done.returncode)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    folder = tmp_path_factory.mktemp("page")
    file = folder / "books.duckdb"
    with Sandbox(size="small", seed=4, token_life=10**9) as box:
        # Names come from people: one that a careless page would run.
        box.businesses[0].name = "<script>document.title = 'taken over'</script> & Sons"
        ahead = dt.datetime.now(dt.UTC).date() + dt.timedelta(days=40)
        box.businesses[0].create("sales_invoices", date=ahead.isoformat())
        connection = Connection(box)
        connection.sync()
        connection.write(file)
    dbt.run("build", file, folder / "target")
    yield show(file, folder)


def test_a_person_sees_the_statements_and_what_proved_them(shown: Shown) -> None:
    assert shown.code == 0
    for text in ("Profit and loss by financial year", "Gross profit", "Balance sheet", "Aged receivables by customer"):
        assert text in shown.terminal
    (check,) = [line for line in shown.terminal.splitlines() if "Check: assets less" in line]
    assert set(check.split("equity")[1].split()) == {"0.00"}
    (proof,) = [line for line in shown.terminal.splitlines() if "ledger equals trial balance" in line]
    assert " ".join(proof.split()) == f"proven ledger equals trial balance {TRIAL_BALANCE}"


def test_the_profit_of_the_year_under_way_is_the_balance_sheet_s(shown: Shown) -> None:
    """Both end on the same day; what is dated ahead is in neither, and that is said."""
    lines = shown.terminal.splitlines()
    profits = [line.split()[-1] for line in lines if line.split()[:1] == ["Profit"] and line.split()[1][-1].isdigit()]
    (result,) = [line.split()[-1] for line in lines if line.strip().startswith("Result of the year")]
    assert profits[0] == result
    until = next(line for line in lines if "is under way: its column goes to" in line).split()[-1].rstrip(".")
    assert any(line.strip().startswith(f"Dated after {until} and left out") for line in lines)


def test_customers_owe_together_what_their_ages_say(shown: Shown) -> None:
    by_age, by_customer = [
        line.split()[-1] for line in shown.terminal.splitlines() if line.strip().startswith("Owed by customers")
    ]
    assert by_age == by_customer
    assert str(shown.page) in shown.terminal


def test_a_browser_shows_the_page_from_a_file_and_asks_no_network(shown: Shown, tmp_path: Path) -> None:
    if webdriver.missing():
        pytest.skip(webdriver.missing())
    with webdriver.chromium() as browser:
        browser.open(shown.page.as_uri())
        text = browser.text()
        assert browser.title == "Statements"
        assert "<script>document.title" in text
        told = ("Total assets", "Check: assets less liabilities and equity", "proven: balance sheet balances")
        for words in (*told, "Trade debtors", TRIAL_BALANCE):
            assert words in text
        assert browser.run("return document.querySelectorAll('.js-plotly-plot .main-svg').length") >= 3
        bars = "return document.querySelectorAll('.js-plotly-plot .bars .point path').length"
        assert browser.run(bars) > 20
        assert browser.run("return performance.getEntriesByType('resource').map(one => one.name)") == []
        browser.screenshot(tmp_path / "statements.png")
        assert (tmp_path / "statements.png").stat().st_size > 20_000


def test_a_statement_that_is_not_proven_is_told(tmp_path: Path) -> None:
    results = {
        "results": [
            {"unique_id": "test.sage_accounting.balance_sheet_balances", "status": "fail"},
            {"unique_id": "test.sage_accounting.ar_aging_equals_control_account", "status": "warn"},
            {"unique_id": "model.sage_accounting.general_ledger", "status": "success"},
        ]
    }
    code = (
        "import json, sys; from integration_tests.statements.figures import proofs; "
        "print([(one.name, one.verdict) for one in proofs(json.load(sys.stdin), {'nodes': {}})])"
    )
    done = subprocess.run(
        [str(dbt.PYTHON), "-c", code],
        input=json.dumps(results),
        cwd=dbt.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == (
        "[('ar_aging_equals_control_account', 'not checked'), ('balance_sheet_balances', 'DIFFERS')]"
    )
