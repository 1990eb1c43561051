"""`source-sage sync` into a real PostgreSQL: twice, exact texts, views, the books tie out."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from integration_tests.destination.postgres import PASSWORD, USER, PostgresMissing, cluster
from integration_tests.pyairbyte import PYTHON
from integration_tests.sandbox import Sandbox

pytestmark = [pytest.mark.destination_tests, pytest.mark.timeout(900)]


def test_two_syncs(tmp_path: Path) -> None:
    if not PYTHON.exists():
        pytest.skip("PyAirbyte's environment is missing: make .venv-demo/installed")
    try:
        with cluster() as warehouse, Sandbox(size="tiny", seed=5) as box:
            company = box.businesses[0]
            odd = company.create("contacts", reference="0012", notes="a\ttab,\na line, a \\ and \\N")
            config = tmp_path / "sage-config.json"
            config.write_text(json.dumps(box.config()))
            into = f"postgresql://{USER}@127.0.0.1:{warehouse.port}/warehouse"
            command = [str(PYTHON.with_name("source-sage")), "sync", "--config", str(config), "--into", into]
            for day in range(2):
                done = subprocess.run(
                    command,
                    cwd=tmp_path,
                    env={**os.environ, "PGPASSWORD": PASSWORD},
                    capture_output=True,
                    text=True,
                    check=False,
                )
                assert done.returncode == 0, done.stderr[-3000:]
                assert "The books tie out" in done.stdout
                rows = warehouse.rows(f"SELECT reference, notes FROM sage_raw.contacts WHERE id = '{odd}'")
                assert rows[0][0] == "0012"
                live = [row for row in company.rows("contacts") if row]
                ((count,),) = warehouse.rows("SELECT count(*) FROM sage_views.contacts")
                assert int(count) == len(live)
                ((debit, credit),) = warehouse.rows("SELECT sum(debit), sum(credit) FROM sage_views.ledger_entries")
                assert debit == credit
                if day == 0:
                    box.clock.advance(600)
                    company.day_of_business()
                    company.delete("contacts", company.create("contacts"))
            assert PASSWORD not in done.stdout + done.stderr
            assert [path.name for path in tmp_path.iterdir()] == ["sage-config.json"]
    except PostgresMissing as missing:
        pytest.skip(str(missing))
