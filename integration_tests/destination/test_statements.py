"""The dbt package on PostgreSQL: the same build as on DuckDB, after two syncs, with the same figures."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pytest

from integration_tests import pyairbyte
from integration_tests.destination.postgres import Cluster, PostgresMissing, cluster
from integration_tests.sandbox import Sandbox
from integration_tests.statements import dbt
from integration_tests.statements.life import a_busy_month

pytestmark = pytest.mark.destination_tests


class Built(NamedTuple):
    """What the tests look at.

    Attributes:
        warehouse: the database after two syncs and a build.
        box: Sage.
        statuses: how each model and test ended.
    """

    warehouse: Cluster
    box: Sandbox
    statuses: dict[str, str]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    for python, name in ((pyairbyte.PYTHON, ".venv-demo"), (dbt.PYTHON, ".venv-dbt")):
        if not python.exists():
            pytest.skip(f"an environment is missing: make {name}/installed")
    target = tmp_path_factory.mktemp("target")
    job = {
        "source": {"local_executable": str(Path(sys.executable).with_name("source-sage"))},
        "streams": dbt.STREAMS,
    }
    try:
        with cluster() as warehouse, Sandbox(size="tiny", seed=8) as box:
            pyairbyte.sync({**job, "config": box.config(), "database": warehouse.settings})
            box.clock.advance(3600)
            a_busy_month(box.businesses[0], seed=8, days_back=80)
            box.clock.advance(3600)
            pyairbyte.sync({**job, "config": box.config(), "database": warehouse.settings})
            done = dbt.run(
                "build", warehouse.settings, target, variables={"sage_schema": warehouse.settings["schema_name"]}
            )
            assert done.returncode == 0, done.stdout[-4000:]
            yield Built(warehouse, box, dbt.results(target))
    except PostgresMissing as missing:
        pytest.skip(str(missing))


def test_every_test_of_the_package_passes(built: Built) -> None:
    assert set(built.statuses.values()) == {"success", "pass"}
    assert len(built.statuses) > 200


def test_the_balance_sheet_is_that_of_the_books(built: Built) -> None:
    books = built.box.businesses[0].books
    kinds = {account.key: account.kind for account in books.chart.accounts}
    for section, kind in (("Bank", "BANK"), ("Fixed assets", "FIXED_ASSETS")):
        truth = sum(books.balance(key) for key, its in kinds.items() if its == kind)
        query = (
            "SELECT sum(amount) FROM statements.balance_sheet "
            f"WHERE section = '{section}' AND month = (SELECT max(month) FROM statements.balance_sheet)"
        )
        ((found,),) = built.warehouse.rows(query)
        assert Decimal(found) * 100 == truth
    earned = -sum(books.balance(key) for key, kind in kinds.items() if not _is_in_the_sheet(kind))
    ((result,),) = built.warehouse.rows("SELECT sum(amount) FROM statements.profit_and_loss")
    assert Decimal(result) * 100 == earned != 0


def _is_in_the_sheet(kind: str) -> bool:
    return kind == "BANK" or kind == "EQUITY" or kind.endswith(("_ASSETS", "_LIABILITIES"))
