"""`make statements`: a made-up company's books, read twice by the connector, become statements, with what proves them.

Runs in PyAirbyte's environment and starts dbt in its own. Nothing leaves this machine.
"""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

# PyAirbyte reads these when it is imported; its Google libraries warn at every start on Python 3.11.
os.environ.update(AIRBYTE_OFFLINE_MODE="1", DO_NOT_TRACK="1", NO_LIVE_PROGRESS="1")
warnings.simplefilter("ignore", FutureWarning)

import airbyte  # noqa: E402
from airbyte.caches import DuckDBCache  # noqa: E402

from integration_tests.sandbox import Sandbox  # noqa: E402
from integration_tests.statements import dbt  # noqa: E402
from integration_tests.statements.life import a_busy_month  # noqa: E402

ROOT = Path(__file__).parents[2]
OUTPUT = ROOT / "statements_output"
DATABASE = OUTPUT / "books.duckdb"
PAGE = OUTPUT / "statements.html"
# What moves stock further back than 90 days, an incremental read of stock_movements does not see (docs/sage.md).
DAYS_BACK = 80
SOURCE = Path(sys.executable).with_name("source-sage")


def main() -> int:
    """Run it from start to end; the exit code is not 0 if a statement is not proven."""
    OUTPUT.mkdir(exist_ok=True)
    for leftover in (DATABASE, DATABASE.with_suffix(".duckdb.wal"), PAGE):
        leftover.unlink(missing_ok=True)
    say(
        "A local Sage with a made-up company: two financial years end in its books, "
        "and some of its customers pay in euro or dollar."
    )
    with Sandbox(size="small", seed=14, token_life=10**9) as box:
        source = airbyte.get_source("source-sage", config=box.config(), local_executable=SOURCE)
        source.select_streams(dbt.STREAMS)
        cache = DuckDBCache(db_path=DATABASE, schema_name="sage")
        read(source, cache, "First sync")
        box.clock.advance(3600)
        for line in a_busy_month(box.businesses[0], seed=14, days_back=DAYS_BACK):
            say(f"  {line}")
        box.clock.advance(3600)
        read(source, cache, "Second sync, of what changed")
        cache.get_sql_engine().dispose()
    started = time.monotonic()
    result = dbt.run("build", DATABASE, OUTPUT / "target")
    say(f"dbt build: {time.monotonic() - started:.0f} s")
    if not (OUTPUT / "target" / "run_results.json").exists():
        say(result.stdout + result.stderr)
        return 1
    shown = [str(dbt.PYTHON), "-m", "integration_tests.statements.show", str(DATABASE)]
    return subprocess.run(
        [*shown, str(OUTPUT / "target" / "run_results.json"), str(PAGE)], cwd=ROOT, check=False
    ).returncode


def read(source: airbyte.Source, cache: DuckDBCache, what: str) -> None:
    """One sync into DuckDB."""
    started = time.monotonic()
    # PyAirbyte's own report names all streams three times.
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        result = source.read(cache=cache)
    say(f"{what}: {result.processed_records:,} rows of {len(dbt.STREAMS)} streams, {time.monotonic() - started:.0f} s")


def say(text: str) -> None:
    """A plain line, whatever stdout is redirected to."""
    print(text, file=sys.__stdout__, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
