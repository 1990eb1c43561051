"""`python -m benchmarks`: runs everything and writes docs/performance.md. `make bench` is the short of it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any, Final

from benchmarks import experiments, machine
from benchmarks.experiments import Bench
from benchmarks.facts import ROOT
from benchmarks.figures import Figures
from benchmarks.readers import OURS
from benchmarks.server import Server

RESULTS: Final = ROOT / "bench_output" / "results.json"
EXPERIMENTS: Final = (
    "start_up",
    "ledger",
    "company",
    "latency_ledger",
    "latency_company",
    "memory",
    "slow",
    "throughput",
    "budget",
    "adversity",
)


def main() -> int:
    """Measure, keep the raw figures, write the page and the chart; 1 if a run went wrong."""
    args = _arguments()
    if not args.report_only:
        RESULTS.parent.mkdir(exist_ok=True)
        RESULTS.write_text(json.dumps(_measured(args), indent=1))
    results = json.loads(RESULTS.read_text())
    from benchmarks import chart, report  # not before: they take memory and time

    figures = Figures(results)
    chart.draw(figures, ROOT / "docs" / "performance.svg")
    report.write(figures, ROOT / "docs" / "performance.md")
    wrong = [one for one in results["samples"] if one["trouble"]]
    sys.stdout.write(f"docs/performance.md is written; {len(wrong)} of {len(results['samples'])} runs went wrong.\n")
    return 1 if wrong else 0


def _measured(args: argparse.Namespace) -> dict[str, Any]:
    begun = time.time()
    with Server(OURS / "python") as server:
        ceiling = {name: server.rows_a_second(name, asked) for name, asked in experiments.CEILINGS.items()}
        bench = Bench(server, args.rounds, args.scale, args.beside)
        samples = [sample.as_dict() for sample in bench.samples(args.only or EXPERIMENTS)]
    return {
        "machine": machine.described(),
        "rounds": args.rounds,
        "scale": args.scale,
        "begun": begun,
        "seconds": time.time() - begun,
        "server_rows_a_second": ceiling,
        "samples": samples,
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each measurement is made")
    parser.add_argument("--scale", type=float, default=1.0, help="of the rows; 0.1 for a quick try")
    parser.add_argument("--only", nargs="+", choices=EXPERIMENTS, help="some experiments instead of all")
    parser.add_argument("--beside", type=Path, help="another checkout to compare the cost of a row with")
    parser.add_argument("--report-only", action="store_true", help="write the page anew from the last results")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
