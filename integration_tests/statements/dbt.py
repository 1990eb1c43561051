"""Runs the package in `dbt/` on a warehouse, in dbt's own environment."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
PACKAGE: Final = ROOT / "dbt"
PYTHON: Final = ROOT / ".venv-dbt" / "bin" / "python"
PROFILES: Final = Path(__file__).parent
SCHEMA: Final = "statements"
_SOURCES: Final = yaml.safe_load((PACKAGE / "models" / "staging" / "_sources.yml").read_text(encoding="utf-8"))
STREAMS: Final[list[str]] = [table["name"] for table in _SOURCES["sources"][0]["tables"]]
"""The streams that the package uses."""
MODELS_ALONE: Final = ("--resource-type", "model", "--resource-type", "seed")
"""For `build`: no tests."""


def run(
    command: str,
    database: Path | Mapping[str, Any],
    target: Path,
    *arguments: str,
    variables: Mapping[str, Any] | None = None,
    project: Path = PACKAGE,
) -> subprocess.CompletedProcess[str]:
    """Run one dbt command on the package; what it made is in `target`.

    Args:
        command: build, run, test, parse ...
        database: a DuckDB file, or the settings of a PostgreSQL as PyAirbyte's cache takes them.
        target: dbt's folder for artefacts and logs.
        arguments: further ones of the command line.
        variables: dbt's vars.
        project: of a user, who has the package among others.
    """
    chosen = "duckdb" if isinstance(database, Path) else "postgres"
    settings = {"file": str(database)} if isinstance(database, Path) else dict(database)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("DBT_")},
        **{f"STATEMENTS_{name.upper()}": str(value) for name, value in settings.items()},
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "0",
        "DBT_VERSION_CHECK": "0",
        "DO_NOT_TRACK": "1",
    }
    paths = ["--profiles-dir", PROFILES, "--project-dir", project, "--log-path", target]
    line = [PYTHON.with_name("dbt"), "--no-use-colors", command, "--target", chosen, *paths, *arguments]
    if command != "deps":
        line += ["--target-path", target]
    if variables:
        line += ["--vars", json.dumps(variables)]
    return subprocess.run(
        [str(part) for part in line], env=environment, cwd=project, capture_output=True, text=True, check=False
    )


def results(target: Path) -> dict[str, str]:
    """How each node of the last command ended: name to status, e.g. pass, warn, fail, error, success."""
    answers = json.loads((target / "run_results.json").read_text(encoding="utf-8"))["results"]
    return {name_of(one["unique_id"]): one["status"] for one in answers}


def name_of(unique_id: str) -> str:
    """A node's name: `model.package.name`, `test.package.name.hash`, `unit_test.package.model.name`."""
    parts = unique_id.split(".")
    return parts[3] if parts[0] == "unit_test" else parts[2]
