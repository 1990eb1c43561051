"""Nothing lost, through PyAirbyte into DuckDB: after each scenario its live rows are Sage's, in full."""

from __future__ import annotations

import json
import subprocess
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from integration_tests.test_streams import EVERY_STREAM, unequal

ROOT = Path(__file__).parents[1]
# PyAirbyte pins some of the connector's dependencies otherwise, hence an environment of its own.
PYTHON = ROOT / ".venv-demo" / "bin" / "python"
ENDINGS = {
    "edits between syncs": [True, True],
    "deletions": [True, True],
    "kill and resume": [False, True],
    "faults": [True],
    "a shift between two pages": [True, True],
}

# Played once, by whichever worker: all scenarios take minutes.
pytestmark = [pytest.mark.pyairbyte, pytest.mark.timeout(900), pytest.mark.xdist_group("played")]


@pytest.fixture(scope="module")
def played() -> dict[str, dict[str, Any]]:
    """What each scenario left in DuckDB, and Sage's truth."""
    command = [str(PYTHON), "-m", "integration_tests.pyairbyte_scenarios"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=840, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr[-4_000:]
    return {told["scenario"]: told for told in map(json.loads, done.stdout.splitlines())}


def as_a_table_holds_it(row: dict[str, Any], name: str) -> dict[str, Any]:
    """Sage's row with the numbers of its columns in nine decimals: PyAirbyte makes them DECIMAL(38, 9)."""
    columns = EVERY_STREAM[name].schema_["properties"]
    numbers = [field for field in row.keys() & columns.keys() if "number" in columns[field]["type"] and row[field]]
    return {**row, **{field: round(Decimal(row[field]), 9) for field in numbers}}


@pytest.mark.parametrize("scenario", ENDINGS)
def test_duckdb_equals_sage(scenario: str, played: dict[str, dict[str, Any]]) -> None:
    told = played[scenario]
    assert told["ended"] == ENDINGS[scenario]
    for name, table in told["tables"].items():
        ours = {row["id"]: row for row in table["ours"]}
        assert len(ours) == len(table["ours"]), f"{name} holds a row twice"
        truth = [as_a_table_holds_it(row, name) for row in table["truth"]]
        assert ours.keys() == {row["id"] for row in truth}, name
        assert [text for row in truth for text in unequal(row, ours[row["id"]], name)] == []
