"""Whatever single thing goes wrong with the connector's tables, a test of the package says so, by name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest

from integration_tests.sandbox import Sandbox
from integration_tests.statements import dbt
from integration_tests.statements.failures import red_tests
from integration_tests.statements.life import a_busy_month
from integration_tests.statements.mutations import MUTATIONS, Mutation
from integration_tests.statements.raw import SCHEMA, Connection, clone

pytestmark = pytest.mark.statements

DOCUMENT = dbt.ROOT / "docs" / "statements.md"


class Judged(NamedTuple):
    """What dbt said of the mutated businesses.

    Attributes:
        sound: the business that nothing was done to.
        red: red tests by business.
    """

    sound: str
    red: dict[str, set[str]]


def place(number: int) -> str:
    """The id of the business with which the mutation of that number is made."""
    return f"mutation-{number}"


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    folder = tmp_path_factory.mktemp("mutations")
    file = folder / "books.duckdb"
    with Sandbox(size="small", seed=3, token_life=10**9) as box:
        (company,) = box.businesses
        connection = Connection(box)
        connection.sync()
        connection.write(file, "before")
        box.clock.advance(3600)
        a_busy_month(company, seed=3, things=30)
        # One invoice that nobody paid goes for good: what is lost of it is not hidden by something else.
        unpaid = next(row for row in company.rows("sales_invoices") if row["status"]["id"] == "UNPAID")
        company.delete("sales_invoices", unpaid["id"])
        payment = next(row for row in company.rows("contact_payments") if not row["payment_on_account"])
        company.delete("contact_payments", payment["id"])
        box.clock.advance(3600)
        connection.sync()
        connection.write(file)
    clone(file, company.id, [place(number) for number in range(len(MUTATIONS))], (SCHEMA, "before"))
    mutate(file)
    done = dbt.run("build", file, folder / "target", *dbt.MODELS_ALONE)
    assert done.returncode == 0, done.stdout[-3000:]
    done = dbt.run("test", file, folder / "target", "--store-failures", "--exclude", "test_type:unit")
    assert done.returncode == 1, done.stdout[-3000:] + done.stderr
    yield Judged(company.id, red_tests(file, folder / "target"))
    file.unlink()


def mutate(file: Path) -> None:
    """Do every mutation, each to its own business."""
    with duckdb.connect(str(file)) as database:
        database.execute(f"SET schema = '{SCHEMA}'")
        for number, mutation in enumerate(MUTATIONS):
            for statement in mutation.sql:
                sql = statement.replace("{b}", place(number)).replace("{{", "{").replace("}}", "}")
                ((changed,),) = database.execute(sql).fetchall()
                assert changed > 0, f"{mutation.what}: nothing to change"


@pytest.mark.parametrize(("number", "mutation"), list(enumerate(MUTATIONS)), ids=[one.what for one in MUTATIONS])
def test_a_mutation_turns_its_tests_red(judged: Judged, number: int, mutation: Mutation) -> None:
    assert judged.red.get(place(number), set()) >= set(mutation.tests)


def test_nothing_is_red_where_nothing_is_wrong(judged: Judged) -> None:
    assert judged.sound not in judged.red


def test_the_document_shows_which_test_catches_which() -> None:
    begin, end = "<!-- made from integration_tests/statements/mutations.py -->\n", "<!-- end of it -->"
    rows = "".join(f"| {one.what} | {', '.join(f'`{name}`' for name in one.tests)} |\n" for one in MUTATIONS)
    text = DOCUMENT.read_text(encoding="utf-8")
    found = text.split(begin)[1].split(end)[0]
    assert found.strip() == f"| What goes wrong | Red |\n|:--|:--|\n{rows}".strip()


def test_every_statement_s_test_has_a_mutation_that_it_catches() -> None:
    caught = {name for one in MUTATIONS for name in one.tests}
    tests = {path.stem for path in (dbt.PACKAGE / "tests").glob("*.sql")}
    # What these compare is made by the package alone: only a mistake in a model can part it.
    own = {
        "ledger_by_period_equals_ledger",
        "profit_and_loss_equals_change_of_result",
        "cash_flow_equals_bank_movement",
    }
    assert tests - own <= caught, json.dumps(sorted(tests - own - caught))
