"""Writes the generated part of docs/performance.md."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from benchmarks import adversity, experiments
from benchmarks.facts import PAGE_SIZE
from benchmarks.figures import Figures, told
from benchmarks.readers import ALL, BARE, BESIDE, BY_KEY, COMMANDS, IMPORT_CDK, ONE_REQUEST_EACH, PLAIN, SAGE
from benchmarks.targets import targets

BEGIN: Final = "<!-- figures: written by `make bench` -->"
END: Final = "<!-- end of figures -->"
COST_TITLES: Final = {
    "ledger": "One huge narrow list: ledger entries of 0.9 KB, 15 fields",
    "company": "A company: 30 lists, among them sales invoices of 14 KB with their lines",
}
LATENCY_TITLES: Final = {
    "latency_ledger": "One list of 20 pages",
    "latency_company": "A small company",
}


def write(figures: Figures, page: Path) -> None:
    """Replace what stands between the marks; the rest of the page is kept.

    Raises:
        SystemExit: the marks are not there.
    """
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise SystemExit(f"{page} has no {BEGIN} and {END}.")
    page.write_text(f"{before}{BEGIN}\n{_generated(figures)}\n{END}{after}", encoding="utf-8")


def _generated(figures: Figures) -> str:
    parts: Iterable[Iterable[str]] = (
        _head(figures),
        _targets(figures),
        *(_cost(figures, name) for name in COST_TITLES),
        *(_latency(figures, name) for name in LATENCY_TITLES),
        _adversity(figures),
        _memory(figures),
        _start_up(figures),
    )
    return "\n".join(itertools.chain.from_iterable(parts))


def _head(figures: Figures) -> list[str]:
    machine = figures.machine
    begun = dt.datetime.fromtimestamp(figures.begun, dt.UTC)
    packages = ", ".join(
        f"{name} {machine[name]}" for name in ("airbyte-cdk", "dlt", "singer-sdk", "requests", "orjson")
    )
    ceiling = figures.server_rows_a_second
    scale = "" if figures.scale == 1 else f" **A quick try: {figures.scale:g} of the rows.**"
    rounds = f"{figures.rounds} round{'s' if figures.rounds > 1 else ''}"
    return [
        "",
        f"{begun:%Y-%m-%d %H:%M} UTC, {figures.seconds / 60:.0f} minutes, {rounds}.{scale} "
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory']}, {machine['system']}, "
        f"Python {machine['Python']}; {packages}. Over loopback the server alone gives "
        f"{ceiling['ledger_entries'] / 1e6:.1f} M ledger entries or {ceiling['sales_invoices'] / 1e6:.2f} M invoices "
        "a second.",
        "",
    ]


def _targets(figures: Figures) -> list[str]:
    rows = [
        [one.name, one.wanted, one.measured, {True: "yes", False: "**no**", None: ""}[one.met]]
        for one in targets(figures)
    ]
    return ["### Targets", "", *_table(["", "target", "measured", "met"], rows), ""]


def _cost(figures: Figures, name: str) -> list[str]:
    if not figures.runs(name):
        return []
    rows = [
        [
            _label(figures, name, reader.key),
            _whole(figures, name, reader.key, "rows"),
            told(figures.speed(name, reader.key), lambda v: f"{v:,.0f}", extremes=False),
            told(figures.cost(name, reader.key), lambda v: f"{v * 1e5:.2f}"),
            told(figures.ratio(name, reader.key, BARE.key), lambda v: f"{v:.2f}"),
            told(figures.ratio(name, reader.key, SAGE.key), lambda v: f"{v:.2f}"),
            told(figures.spread(name, reader.key, "empty", "cpu"), lambda v: f"{v:.2f}", extremes=False),
            told(figures.spread(name, reader.key, "empty", "wall"), lambda v: f"{v:.2f}", extremes=False),
            told(figures.spread(name, reader.key, "full", "peak_mb"), lambda v: f"{v:.0f}", extremes=False),
            _whole(figures, name, reader.key, "requests"),
        ]
        for reader in (*ALL, BY_KEY[BESIDE])
        if reader in ALL or figures.runs(name, reader.key)
    ]
    header = [
        "reader",
        "rows",
        "rows/s",
        "CPU s for 100,000 rows",
        "× bare loop",
        "× source-sage",
        "start-up, CPU s",
        "start-up, s",
        "peak MB for those rows",
        "requests",
    ]
    return [f"### {COST_TITLES[name]}", "", *_table(header, rows), ""]


def _latency(figures: Figures, name: str) -> list[str]:
    if not figures.runs(name):
        return []
    rows = []
    for reader in ONE_REQUEST_EACH:
        slowest = str(experiments.LATENCIES[-1])
        cells = [
            told(figures.spread(name, reader.key, str(latency), "wall"), lambda v: f"{v:.1f}", extremes=False)
            for latency in experiments.LATENCIES
        ]
        speed = told(figures.spread(name, reader.key, slowest, "per_second"), lambda v: f"{v:.1f}", extremes=False)
        at_once = told(figures.spread(name, reader.key, slowest, "most_at_once"), lambda v: f"{v:.0f}", extremes=False)
        count = [_whole(figures, name, reader.key, field, slowest) for field in ("rows", "requests")]
        rows.append([_label(figures, name, reader.key), *cells, speed, at_once, *count])
    titles = [f"{latency * 1000:.0f} ms, s" for latency in experiments.LATENCIES]
    header = ["reader", *titles, "requests/s at 300 ms", "at once", "rows", "requests"]
    runs = max(one["round"] for one in figures.runs(name)) + 1
    wall = (
        f"Wall time with start-up, median of {runs}; {experiments.MANY_WORKERS} workers where a reader takes a number."
    )
    return [f"### {LATENCY_TITLES[name]}, waiting for every answer", "", wall, "", *_table(header, rows), ""]


def _adversity(figures: Figures) -> list[str]:
    if not figures.runs("adversity"):
        return []
    rows = adversity.lengths(figures.scale)
    table = []
    for case in adversity.CASES:
        cells = [case.name, f"{case.requests(rows):,}", f"{case.seconds(rows):.0f}"]
        for reader in (SAGE, PLAIN):
            run = next(iter(figures.runs("adversity", reader.key, case.name)), None)
            if run is None:
                cells += ["–", "–", "–"]
                continue
            missing = case.expected(rows) - run["rows"]
            came = "all" if not missing else f"**{missing:,} missing**" if missing > 0 else f"**{-missing:,} twice**"
            took = f"more than {run['wall']:.0f}" if run["cut"] else f"{run['wall']:.0f}"
            cells += [f"{run['requests']:,} ({run['refused']:,})", took, came]
        table.append(cells)
    header = ["what goes wrong", "ideal requests", "ideal s"]
    header += [f"{SAGE.label}: requests (429)", "s", "rows", f"{PLAIN.label}: requests (429)", "s", "rows"]
    pages = sum(-(-length // PAGE_SIZE) for length in rows.values())
    said = (
        f"{len(rows)} lists of together {pages:,} pages, {adversity.LATENCY * 1000:.0f} ms a request, "
        f"{adversity.WORKERS} at once; one run each, wall time with start-up. *Ideal* is a reader that knew everything "
        "beforehand and started at once."
    )
    return ["### What adversity costs", "", said, "", *_table(header, table), ""]


def _memory(figures: Figures) -> list[str]:
    rows = [
        [
            _label(figures, "memory", one["reader"]),
            f"{one['rows']:,} ledger entries",
            "as fast as they come",
            _peak(one),
        ]
        for one in figures.runs("memory")
    ]
    rows += [
        [
            _label(figures, "slow", one["reader"]),
            f"{one['rows']:,} invoices of 14 KB",
            f"3 MB/s for {float(one['setting']):.0f} s, then at once",
            _peak(one),
        ]
        for one in figures.runs("slow")
    ]
    if not rows:
        return []
    return ["### Peak memory", "", *_table(["reader", "rows", "stdout is taken", "peak MB"], rows), ""]


def _start_up(figures: Figures) -> list[str]:
    if not figures.runs("start_up"):
        return []
    number: Callable[[float], str] = lambda v: f"{v:.2f}"  # noqa: E731
    rows = [
        [
            reader.label,
            told(figures.spread("start_up", reader.key, None, "cpu"), number),
            told(figures.spread("start_up", reader.key, None, "wall"), number),
            told(figures.spread("start_up", reader.key, None, "peak_mb"), lambda v: f"{v:.0f}", extremes=False),
        ]
        for reader in (IMPORT_CDK, *COMMANDS)
    ]
    return ["### Commands", "", *_table(["", "CPU s", "wall s", "peak MB"], rows), ""]


def _peak(run: dict[str, object]) -> str:
    return f"failed: {run['trouble']}" if run["trouble"] else f"{run['peak_mb']:.0f}"


def _whole(figures: Figures, experiment: str, reader: str, field: str, setting: str = "full") -> str:
    return told(figures.spread(experiment, reader, setting, field), lambda v: f"{v:,.0f}", extremes=False)


def _label(figures: Figures, experiment: str, reader: str) -> str:
    label = BY_KEY[reader].label
    name = f"**{label}**" if reader == SAGE.key else label
    trouble = figures.trouble(experiment, reader)
    return f"{name} (failed: {trouble})" if trouble else name


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    rule = ["---", *["---:" for _ in header[1:]]]
    return [f"| {' | '.join(cells)} |" for cells in (header, rule, *rows)]
