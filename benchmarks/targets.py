"""What the connector is meant to reach, beside what it reached."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from benchmarks import experiments
from benchmarks.facts import PAGE_SIZE
from benchmarks.figures import Figures, Sample, told
from benchmarks.readers import (
    BARE,
    BESIDE,
    BY_KEY,
    COMMANDS,
    DECLARATIVE_SHAPED,
    DLT_EXTRACT,
    DLT_NORMALIZE,
    IMPORT_CDK,
    ONE_REQUEST_EACH,
    SAGE,
    SINGER_SDK,
    Reader,
)

MOST_TIMES_BARE: Final[Mapping[str, float]] = {"ledger": 2.0, "company": 1.3}
MOST_TIMES_DECLARATIVE: Final = 0.5
MOST_TIMES_BESIDE: Final = 1.1
LATENCY: Final = 0.3
LEAST_OF_IDEAL: Final = 0.88
LEAST_TIMES_PEER: Final = 10.0
LEAST_OF_BUDGET: Final = 0.95
MOST_REFUSED: Final = 0.01
MOST_MB: Final = 160.0
MOST_BYTES_A_ROW: Final = 9
MOST_GROWTH: Final = 1.25
MOST_START_UP_SECONDS: Final = 0.4
# A longer list is read in slices of accounting date; they grow with what is read, from the first to the longest.
SHORT_LIST: Final = 5_000
FIRST_SLICE: Final = 2_000
GROWTH: Final = 0.25
LONGEST_SLICE: Final = 20_000
VERY_LONG_LIST: Final = 200_000
MOST_TIMES_PAGES: Final = 1.06
# The businesses that the sign-in covers, and what Sage says of the one that is read.
BEFORE_THE_LISTS: Final = 2


@dataclass(frozen=True)
class Target:
    """One line of the table; `met` is None where nothing was measured, or nothing is asked for."""

    name: str
    wanted: str
    measured: str
    met: bool | None


def targets(figures: Figures) -> Iterator[Target]:
    """All targets of issues 7 and 13 of the project, and those of its design."""
    for shape in ("ledger", "company"):
        yield _cost(figures, shape, BARE, MOST_TIMES_BARE[shape])
        yield _cost(figures, shape, DECLARATIVE_SHAPED, MOST_TIMES_DECLARATIVE)
        yield _cost(figures, shape, SINGER_SDK, 1.0)
        yield _cost(figures, shape, DLT_NORMALIZE, 1.0)
        yield _cost(figures, shape, DLT_EXTRACT, None)
        if figures.runs(shape, BESIDE):
            yield _cost(figures, shape, BY_KEY[BESIDE], MOST_TIMES_BESIDE)
    yield from _throughput(figures)
    yield from _budget(figures)
    yield from _memory(figures)
    yield from _requests(figures)
    yield from _start_up(figures)


def _cost(figures: Figures, shape: str, other: Reader, most: float | None) -> Target:
    ratio = figures.ratio(shape, SAGE.key, other.key)
    wanted = "shown only" if most is None else f"at most {most:g}"
    met = None if most is None or ratio is None else ratio.median <= most
    return Target(f"CPU a row, {shape}, by that of {other.label}", wanted, told(ratio, lambda v: f"{v:.2f}"), met)


def _throughput(figures: Figures) -> Iterator[Target]:
    ideal = experiments.MANY_WORKERS / LATENCY
    (run,) = figures.runs("throughput") or (None,)
    name = f"{run['setting'] if run else ''} pages of one list at 300 ms, {experiments.MANY_WORKERS} workers"
    speed: float | None = run["per_second"] if run else None
    measured = "–" if run is None or speed is None else f"{speed:.1f} requests/s, {speed / ideal:.0%}{_remark(run)}"
    met = None if speed is None else speed >= LEAST_OF_IDEAL * ideal
    yield Target(name, f"{LEAST_OF_IDEAL:.0%} of {ideal:.1f} requests/s", measured, met)
    for reader in ONE_REQUEST_EACH:
        if reader is SAGE:
            continue
        theirs = figures.spread("latency_ledger", reader.key, str(LATENCY), "per_second")
        times = speed / theirs.median if speed is not None and theirs and theirs.median else None
        yield Target(
            f"the same, beside {reader.label}",
            f"at least {LEAST_TIMES_PEER:g} ×",
            "–" if times is None else f"{times:.1f} ×",
            None if times is None else times >= LEAST_TIMES_PEER,
        )


def _budget(figures: Figures) -> Iterator[Target]:
    (run,) = figures.runs("budget") or (None,)
    window = float(run["setting"]) if run else experiments.BUDGET_WINDOW_SECONDS
    name = f"{experiments.BUDGET} requests in {window:.0f} s enforced by 429"
    used: float | None = run["budget_used"] if run else None
    refused = run["refused"] / max(1, run["requests"]) if run else None
    lost = run["expected"] - run["ids"] if run else None
    yield Target(
        f"{name}: budget used",
        f"at least {LEAST_OF_BUDGET:.0%}",
        "–" if used is None else f"{used:.1%}",
        None if used is None else used >= LEAST_OF_BUDGET,
    )
    yield Target(
        f"{name}: refused",
        f"at most {MOST_REFUSED:.0%}",
        "–" if refused is None or run is None else f"{refused:.1%} ({run['refused']} of {run['requests']})",
        None if refused is None else refused <= MOST_REFUSED,
    )
    yield Target(f"{name}: rows lost", "0", "–" if lost is None else str(lost), None if lost is None else lost == 0)


def _memory(figures: Figures) -> Iterator[Target]:
    runs = figures.runs("memory", SAGE.key)
    if runs:
        small, large = min(runs, key=_rows), max(runs, key=_rows)
        peak, growth = large["peak_mb"], large["peak_mb"] / small["peak_mb"]
        name = f"peak memory, {large['rows']:,} rows"
        most = MOST_MB + MOST_BYTES_A_ROW * large["rows"] / 1e6
        yield Target(name, f"at most {most:.0f} MB", f"{peak:.0f} MB{_remark(large)}", peak <= most)
        yield Target(
            f"{name}, beside {small['rows']:,} rows",
            f"at most {MOST_GROWTH:g} ×",
            f"{growth:.2f} × ({small['peak_mb']:.0f} MB)",
            growth <= MOST_GROWTH,
        )
    for run in figures.runs("slow", SAGE.key):
        peak = run["peak_mb"]
        name = "peak memory, invoices of 14 KB, stdout taken at 3 MB/s"
        yield Target(name, f"at most {MOST_MB:.0f} MB", f"{peak:.0f} MB{_remark(run)}", peak <= MOST_MB)


def _rows(run: Sample) -> int:
    return int(run["rows"])


def _requests(figures: Figures) -> Iterator[Target]:
    for shape, lists in (("ledger", experiments.LEDGER), ("company", experiments.COMPANY)):
        requests = figures.spread(shape, SAGE.key, "full", "requests")
        lengths = experiments.scaled(lists, figures.scale * SAGE.share).values()
        most = sum(map(most_requests, lengths)) + BEFORE_THE_LISTS
        yield Target(
            f"requests, {shape}",
            f"at most {most:,} for {sum(map(pages_of, lengths)):,} pages",
            told(requests, lambda v: f"{v:,.0f}", extremes=False),
            None if requests is None else requests.high <= most,
        )


def pages_of(rows: int) -> int:
    """How many pages a list of so many rows has, at least one."""
    return max(1, math.ceil(rows / PAGE_SIZE))


def slices_of(rows: int) -> int:
    """How many slices a list of so many rows is read in, each two thirds full; none if it is short."""
    read, count = 0.0, 0
    while rows > SHORT_LIST and read < rows:
        read, count = read + min(FIRST_SLICE + GROWTH * read, LONGEST_SLICE) * 2 / 3, count + 1
    return count


def most_requests(rows: int) -> int:
    """How many requests the first read of a quiet list may take."""
    pages, slices = pages_of(rows), slices_of(rows)
    most = pages + (4 * slices + 5 if slices else 2)
    return min(most, int(MOST_TIMES_PAGES * pages)) if rows >= VERY_LONG_LIST else most


def _start_up(figures: Figures) -> Iterator[Target]:
    for reader in COMMANDS:
        more = figures.more("start_up", reader.key, IMPORT_CDK.key, "cpu")
        yield Target(
            f"{reader.label}, CPU beyond importing the CDK, s",
            f"at most {MOST_START_UP_SECONDS}",
            told(more, lambda v: f"{v:.2f}"),
            None if more is None else more.median <= MOST_START_UP_SECONDS,
        )


def _remark(run: Sample) -> str:
    if run["cut"]:
        return f" (ended after {run['wall']:.0f} s and {run['rows']:,} of {run['expected']:,} rows)"
    return f" ({run['trouble']})" if run["trouble"] else ""
