"""`python -m benchmarks.trend`: adds the last run's figures as one line to bench_output/trend.jsonl.

A line holds the commit, the machine and, for each experiment, reader and setting, the medians of the rounds that went
well: wall time (seconds), peak memory (MB), requests. Figures of different machines are not to be compared.
"""

from __future__ import annotations

import json
import subprocess
from typing import Any, Final

from benchmarks.__main__ import RESULTS
from benchmarks.facts import ROOT
from benchmarks.figures import Figures

TREND: Final = RESULTS.with_name("trend.jsonl")
FIELDS: Final = ("wall", "peak_mb", "requests")


def line_of(results: dict[str, Any], commit: str) -> dict[str, Any]:
    """What is worth keeping of one run."""
    figures = Figures(results)
    medians: dict[str, dict[str, float]] = {}
    for experiment, reader, setting in sorted({(s["experiment"], s["reader"], s["setting"]) for s in figures.samples}):
        spreads = {field: figures.spread(experiment, reader, setting, field) for field in FIELDS}
        medians[f"{experiment} {reader} {setting}".strip()] = {
            field: round(spread.median, 3) for field, spread in spreads.items() if spread
        }
    return {"commit": commit, "begun": figures.begun, "machine": figures.machine, "scale": figures.scale} | {
        "medians": medians
    }


def main() -> None:
    """Append the line."""
    git = ["git", "rev-parse", "HEAD"]
    commit = subprocess.run(git, cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
    with TREND.open("a", encoding="utf-8") as trend:
        trend.write(json.dumps(line_of(json.loads(RESULTS.read_text()), commit)) + "\n")


if __name__ == "__main__":
    main()
