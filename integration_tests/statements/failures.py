"""Which tests failed for which business, from the rows that dbt stored (`--store-failures`)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import duckdb

from integration_tests.statements.dbt import name_of


def red_tests(file: Path, target: Path, verdict: str = "differs") -> dict[str, set[str]]:
    """The tests that are red, by business.

    Args:
        file: the DuckDB file that was tested.
        target: dbt's folder of that run.
        verdict: `not checked` for those that could not be checked instead.

    Raises:
        AssertionError: a test could not run at all.
    """
    nodes = json.loads((target / "manifest.json").read_text(encoding="utf-8"))["nodes"]
    results = json.loads((target / "run_results.json").read_text(encoding="utf-8"))["results"]
    found: dict[str, set[str]] = {}
    with duckdb.connect(str(file), read_only=True) as database:
        for one in results:
            assert one["status"] != "error", f"{one['unique_id']}: {one['message']}"
            if not one["unique_id"].startswith("test.") or not one["failures"]:
                continue
            for business in _businesses(database, nodes[one["unique_id"]]["relation_name"], verdict):
                found.setdefault(business, set()).add(short_name(one["unique_id"]))
    return found


def _businesses(database: duckdb.DuckDBPyConnection, relation: str, verdict: str) -> Iterable[str]:
    """The businesses with rows of this verdict; a test without verdicts knows only differences."""
    columns = [row[0] for row in database.execute(f"DESCRIBE {relation}").fetchall()]
    if "verdict" not in columns:
        where = "" if verdict == "differs" else "WHERE false"
    else:
        where = f"WHERE verdict = '{verdict}'"
    return [row[0] for row in database.execute(f"SELECT DISTINCT business_id FROM {relation} {where}").fetchall()]


def short_name(unique_id: str) -> str:
    """A test's name as people say it: `key_general_ledger_business_id__ledger_entry_id` is `key of general_ledger`."""
    name = name_of(unique_id)
    for kind in ("key", "refers_to", "one_of", "not_null"):
        if name.startswith(f"{kind}_") or name.startswith(f"sage_accounting_{kind}_"):
            return f"{kind} {name.removeprefix('sage_accounting_').removeprefix(kind + '_')}"
    return name
