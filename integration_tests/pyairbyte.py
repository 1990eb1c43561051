"""One sync through PyAirbyte, as a program: it lives in an environment of its own (.venv-demo).

    python -m integration_tests.pyairbyte < job.json

The job: `config`; `source`, what `airbyte.get_source` takes to find the connector; `streams`; and `database`, a DuckDB
file or the settings of a PostgreSQL database. The answer, one JSON object: `streams` that were offered, `rows` written
per stream, and `config` as the source handed it back, if it did.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

PYTHON = Path(__file__).parents[1] / ".venv-demo" / "bin" / "python"


def sync(job: dict[str, Any], **environment: str) -> dict[str, Any]:
    """Run the program on a job; gives its answer.

    Raises:
        AssertionError: it failed; carries what it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        # The image's user reads the config from there.
        Path(folder).chmod(0o755)
        places = dict.fromkeys(("AIRBYTE_LOGGING_ROOT", "AIRBYTE_TEMP_DIR", "AIRBYTE_PROJECT_DIR"), folder)
        done = subprocess.run(
            [str(PYTHON), "-m", "integration_tests.pyairbyte"],
            input=json.dumps(job),
            env={**os.environ, **places, **environment},
            cwd=Path(__file__).parents[1],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, f"{done.stdout[-3000:]}{done.stderr[-6000:]}"
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def main() -> None:
    """Read the job, sync, write the answer."""
    # PyAirbyte reads these when it is imported.
    os.environ.update(AIRBYTE_OFFLINE_MODE="1", DO_NOT_TRACK="1", NO_LIVE_PROGRESS="1")
    job = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):
        answer = _sync(job)
    json.dump(answer, sys.stdout)


def _sync(job: dict[str, Any]) -> dict[str, Any]:
    import airbyte
    from airbyte.caches import DuckDBCache, PostgresCache

    kept: list[dict[str, Any]] = []

    def keep(renewed: dict[str, Any]) -> None:
        source.set_config(renewed, validate=False)
        kept.append(renewed)

    source = airbyte.get_source("source-sage", config=job["config"], config_change_callback=keep, **job["source"])
    source.check()
    source.select_streams(job["streams"])
    database = job["database"]
    cache = DuckDBCache(db_path=database) if isinstance(database, str) else PostgresCache(**database)
    result = source.read(cache=cache)
    return {
        "streams": source.get_available_streams(),
        "rows": {name: len(list(result[name])) for name in job["streams"]},
        "config": kept[-1] if kept else None,
    }


if __name__ == "__main__":
    main()
