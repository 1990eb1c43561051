"""Draws docs/performance.svg."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from matplotlib import rc_context
from matplotlib.figure import Figure

from benchmarks import experiments
from benchmarks.figures import Figures
from benchmarks.readers import ALL, BY_KEY, ONE_REQUEST_EACH, SAGE

STYLE: Final = {"svg.hashsalt": "source-sage", "font.size": 9, "axes.titlesize": 10}
ROOM_FOR_LEGEND: Final = 1.5
OURS_COLOUR: Final = "#00806a"
PEER_COLOUR: Final = "#9aa5b1"
LINES: Final = {
    "bare": ("#555555", "--", "o"),
    "ours": (OURS_COLOUR, "-", "D"),
    "dlt_extract": ("#4c78c8", "-", "s"),
    "singer": ("#d08a2e", "-", "^"),
    "declarative": ("#b04a7a", "-", "v"),
}


def draw(figures: Figures, path: Path) -> None:
    """Four panels: CPU a row in two shapes, wall time by latency, peak memory.

    Args:
        figures: of one bench.
        path: its suffix names the format.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(11, 7.4), layout="constrained")
        axes = figure.subplots(2, 2)
        _bars(axes[0, 0], figures, "ledger", "CPU per ledger entry (0.9 KB), µs, net of start-up")
        _bars(axes[0, 1], figures, "company", "CPU per row of a company, µs, net of start-up")
        _waiting(axes[1, 0], figures)
        _peaks(axes[1, 1], figures)
        # No date, so that the file changes only with the figures.
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def _bars(axis: Any, figures: Figures, experiment: str, title: str) -> None:
    found = [(reader, figures.cost(experiment, reader.key)) for reader in ALL]
    shown = [(reader, cost.median * 1e6) for reader, cost in found if cost]
    _horizontal(axis, [(reader.label, value, reader is SAGE) for reader, value in shown], "{:,.0f}")
    axis.set_title(title, loc="left")


def _peaks(axis: Any, figures: Figures) -> None:
    runs = [one for one in figures.runs("slow") if not one["trouble"]]
    _horizontal(
        axis, [(BY_KEY[one["reader"]].label, one["peak_mb"], one["reader"] == SAGE.key) for one in runs], "{:,.0f}"
    )
    axis.set_title("Peak MB, rows of 14 KB taken at 3 MB/s", loc="left")


def _horizontal(axis: Any, bars: list[tuple[str, float, bool]], form: str) -> None:
    labels = [label for label, _, _ in bars]
    values = [value for _, value, _ in bars]
    colours = [OURS_COLOUR if ours else PEER_COLOUR for _, _, ours in bars]
    drawn = axis.barh(labels, values, color=colours, height=min(0.8, 0.12 * len(bars)))
    axis.bar_label(drawn, labels=[form.format(value) for value in values], padding=3)
    axis.invert_yaxis()
    axis.margins(x=0.12)
    axis.spines[["top", "right"]].set_visible(False)


def _waiting(axis: Any, figures: Figures) -> None:
    for reader in ONE_REQUEST_EACH:
        walls = [
            figures.spread("latency_ledger", reader.key, str(latency), "wall") for latency in experiments.LATENCIES
        ]
        points = [
            (latency * 1000, wall.median) for latency, wall in zip(experiments.LATENCIES, walls, strict=True) if wall
        ]
        colour, line, marker = LINES[reader.key]
        width = 2.4 if reader is SAGE else 1.4
        if points:
            axis.plot(*zip(*points, strict=True), line, color=colour, marker=marker, lw=width, label=reader.label)
    axis.set_title(f"Wall time for {experiments.PAGES_FOR_LATENCY} pages of one list, s, start-up included", loc="left")
    axis.set_xlabel("ms a request")
    axis.set_xticks([latency * 1000 for latency in experiments.LATENCIES])
    axis.set_ylim(0, axis.get_ylim()[1] * ROOM_FOR_LEGEND)
    axis.spines[["top", "right"]].set_visible(False)
    if axis.lines:
        axis.legend(frameon=False, loc="upper left")
