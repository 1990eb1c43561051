"""Skips what needs dbt where its environment is missing."""

from __future__ import annotations

import pytest

from integration_tests.statements import dbt


@pytest.fixture(scope="session", autouse=True)
def dbt_is_there() -> None:
    """dbt has an environment of its own."""
    if not dbt.PYTHON.exists():
        pytest.skip("dbt's environment is missing: make .venv-dbt/installed")
