"""The package's SQL for the warehouses that it cannot be run on here: compiled by their own adapters, and parsed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from integration_tests.statements import dbt

pytestmark = pytest.mark.statements

PYTHON = dbt.ROOT / ".venv-dialects" / "bin" / "python"
MODELS = {path.stem for path in dbt.PACKAGE.glob("models/**/*.sql")}
TESTS = {path.stem for path in dbt.PACKAGE.glob("tests/*.sql")}


@pytest.fixture(autouse=True)
def adapters_are_there() -> None:
    """They have an environment of their own."""
    if not PYTHON.exists():
        pytest.skip("the other warehouses' adapters are missing: make .venv-dialects/installed")


@pytest.mark.parametrize("dialect", ["bigquery", "databricks", "redshift", "snowflake"])
def test_a_warehouse_s_own_adapter_makes_sql_that_its_grammar_knows(dialect: str, tmp_path: Path) -> None:
    line = [str(PYTHON), "-m", "integration_tests.statements.dialects", dialect, str(tmp_path)]
    done = subprocess.run(line, cwd=dbt.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    answer = json.loads((tmp_path / "answer.json").read_text(encoding="utf-8"))
    assert set(answer["files"]) >= MODELS | TESTS | {"inline_query"}
    assert answer["wrong"] == {}


def test_what_a_grammar_does_not_know_is_told() -> None:
    """And a WHERE without a FROM, which BigQuery refuses."""
    code = (
        "from integration_tests.statements.dialects import check; "
        "print(sorted(check({'sound': 'select 1 as one', 'odd': 'select distinct from where', "
        "'stub': 'select 1 as one where 1 = 0'}, 'bigquery')['wrong']))"
    )
    done = subprocess.run([str(PYTHON), "-c", code], cwd=dbt.ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "['odd', 'stub']", done.stderr
