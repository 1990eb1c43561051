"""`make statements`: a made-up company's books, read twice by the connector, become statements, with what proves them.

Runs in PyAirbyte's environment, which `source-sage sync` needs, and starts dbt in its own. Nothing leaves this machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import duckdb

from integration_tests.sandbox import Sandbox
from integration_tests.statements import dbt
from integration_tests.statements.life import a_busy_month
from source_sage.views import TABLES

ROOT = Path(__file__).parents[2]
OUTPUT = ROOT / "statements_output"
DATABASE = OUTPUT / "books.duckdb"
CONFIG = OUTPUT / "sage-config.json"
PAGE = OUTPUT / "statements.html"
RESULTS = OUTPUT / "target" / "run_results.json"
# What moves stock further back than 90 days, an incremental read of stock_movements does not see (docs/sage.md).
DAYS_BACK = 80
SOURCE = Path(sys.executable).with_name("source-sage")


def main() -> int:
    """Run it from start to end; the exit code is not 0 if a statement is not proven."""
    OUTPUT.mkdir(exist_ok=True)
    for leftover in (DATABASE, DATABASE.with_suffix(".duckdb.wal"), CONFIG, PAGE, RESULTS):
        leftover.unlink(missing_ok=True)
    say(
        "A local Sage with a made-up company: two financial years end in its books, "
        "and some of its customers pay in euro or dollar. Nothing leaves this machine."
    )
    with Sandbox(size="small", seed=14, token_life=10**9) as box:
        CONFIG.write_text(json.dumps(box.config()), encoding="utf-8")
        sync("First sync")
        box.clock.advance(3600)
        say("Meanwhile at the company:")
        for line in a_busy_month(box.businesses[0], seed=14, days_back=DAYS_BACK):
            say(f"  {line}")
        box.clock.advance(3600)
        sync("Second sync, of what changed")
    started = time.monotonic()
    result = dbt.run("build", DATABASE, OUTPUT / "target")
    if not RESULTS.exists():
        say(result.stdout + result.stderr)
        return 1
    say(f"dbt build: {len(dbt.results(OUTPUT / 'target'))} models, seeds and tests, {time.monotonic() - started:.0f} s")
    shown = [str(dbt.PYTHON), "-m", "integration_tests.statements.show", str(DATABASE), str(RESULTS), str(PAGE)]
    return subprocess.run(shown, cwd=ROOT, check=False).returncode


def sync(what: str) -> None:
    """One sync of the streams that the package uses, as a person runs it."""
    started = time.monotonic()
    command = [str(SOURCE), "sync", "--config", str(CONFIG), "--into", str(DATABASE)]
    done = subprocess.run(
        [*command, "--streams", ",".join(dbt.STREAMS)], capture_output=True, text=True, check=False, cwd=OUTPUT
    )
    if done.returncode:
        raise SystemExit(f"The sync did not end well.\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    with duckdb.connect(str(DATABASE), read_only=True) as database:
        rows = sum(database.execute(f"SELECT count(*) FROM {TABLES}.{name}").fetchall()[0][0] for name in dbt.STREAMS)
    say(f"{what}: {rows:,} rows in {len(dbt.STREAMS)} tables, {time.monotonic() - started:.0f} s")


def say(text: str) -> None:
    """A plain line, in its order among those of the programs that are started."""
    print(text, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
