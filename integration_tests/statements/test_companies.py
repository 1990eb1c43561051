"""Random companies: read, edited and read again, built by dbt, and every test of the package is green.

One example is a batch of companies, since they share tables and one dbt build judges them all. `make
statements-torture` plays more batches; a failure names the company and the batch's seed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from integration_tests.statements import dbt
from integration_tests.statements.failures import red_tests
from integration_tests.statements.raw import random_companies

pytestmark = pytest.mark.statements

COMPANIES = 25
BATCHES = int(os.environ.get("STATEMENTS_BATCHES", "1"))


@settings(
    max_examples=BATCHES,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(seed=st.integers(min_value=0, max_value=2**32))
def test_the_statements_of_random_companies_are_proven(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    folder: Path = tmp_path_factory.mktemp("companies")
    file = folder / "books.duckdb"
    companies = random_companies(file, seed, COMPANIES)
    done = dbt.run("build", file, folder / "target", "--store-failures")
    told = [
        f"{business} ({companies[business]}): {sorted(tests)}"
        for business, tests in red_tests(file, folder / "target").items()
    ]
    assert not told, f"seed {seed}:\n" + "\n".join(told)
    assert done.returncode == 0, done.stdout[-3000:]
    # The books of all but the last are here from the beginning: there is nothing that could not be checked.
    unchecked = red_tests(file, folder / "target", "not checked")
    assert set(unchecked) == {list(companies)[-1]}
    statuses = dbt.results(folder / "target")
    assert {name for name, status in statuses.items() if status == "warn"} == unchecked[list(companies)[-1]]
    assert set(statuses.values()) == {"success", "pass", "warn"}
    assert len(statuses) > 200
    file.unlink()
