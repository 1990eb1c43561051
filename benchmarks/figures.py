"""Medians and ratios from the single runs."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Sample = dict[str, Any]


@dataclass(frozen=True)
class Spread:
    """The median of some runs with its extremes."""

    median: float
    low: float
    high: float
    runs: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread | None:
        """None if there are no values."""
        return cls(statistics.median(values), min(values), max(values), len(values)) if values else None


class Figures:
    """The figures of one bench.

    Args:
        results: as `python -m benchmarks` keeps them.
    """

    def __init__(self, results: dict[str, Any]) -> None:
        self.machine: dict[str, str] = results["machine"]
        self.rounds: int = results["rounds"]
        self.scale: float = results["scale"]
        self.begun: float = results["begun"]
        self.seconds: float = results["seconds"]
        self.server_rows_a_second: dict[str, float] = results["server_rows_a_second"]
        self.samples: list[Sample] = results["samples"]

    def runs(self, experiment: str, reader: str = "", setting: str | None = None) -> list[Sample]:
        """The runs of an experiment, in order of their round; of one reader and setting, where given."""
        return sorted(
            (
                one
                for one in self.samples
                if one["experiment"] == experiment
                and reader in ("", one["reader"])
                and setting in (None, one["setting"])
            ),
            key=lambda one: int(one["round"]),
        )

    def spread(self, experiment: str, reader: str, setting: str | None, field: str) -> Spread | None:
        """A field over the runs that went well."""
        runs = self.runs(experiment, reader, setting)
        return Spread.of([one[field] for one in runs if not one["trouble"]])

    def trouble(self, experiment: str, reader: str) -> str:
        """Why a reader has no figures, or fewer than it should."""
        return next((one["trouble"] for one in self.runs(experiment, reader) if one["trouble"]), "")

    def cost(self, experiment: str, reader: str) -> Spread | None:
        """Seconds of processor a row, net of the same round's run over empty lists."""
        return Spread.of(list(self._costs(experiment, reader).values()))

    def ratio(self, experiment: str, reader: str, other: str) -> Spread | None:
        """The cost of a reader by that of another, round by round."""
        mine, theirs = self._costs(experiment, reader), self._costs(experiment, other)
        return Spread.of([mine[number] / theirs[number] for number in mine if theirs.get(number, 0) > 0])

    def more(self, experiment: str, reader: str, other: str, field: str) -> Spread | None:
        """How much more of a field one reader takes than another, round by round."""
        theirs = {one["round"]: one[field] for one in self.runs(experiment, other)}
        mine = [one for one in self.runs(experiment, reader) if one["round"] in theirs]
        return Spread.of([one[field] - theirs[one["round"]] for one in mine])

    def speed(self, experiment: str, reader: str) -> Spread | None:
        """Rows a second, net of the same round's run over empty lists."""
        return Spread.of([rows / took for rows, took in self._net(experiment, reader, "wall").values() if took > 0])

    def _costs(self, experiment: str, reader: str) -> dict[int, float]:
        return {number: took / rows for number, (rows, took) in self._net(experiment, reader, "cpu").items()}

    def _net(self, experiment: str, reader: str, field: str) -> dict[int, tuple[int, float]]:
        """Rows, and seconds beyond start-up, by round."""
        started: dict[int, float] = {
            one["round"]: one[field] for one in self.runs(experiment, reader, "empty") if not one["trouble"]
        }
        return {
            one["round"]: (one["rows"], one[field] - started[one["round"]])
            for one in self.runs(experiment, reader, "full")
            if not one["trouble"] and one["round"] in started
        }


def told(spread: Spread | None, form: Callable[[float], str], *, extremes: bool = True) -> str:
    """A spread in a table's cell: the median, and the extremes where there were several runs."""
    if spread is None:
        return "–"
    if not extremes or spread.runs < 2:
        return form(spread.median)
    return f"{form(spread.median)} ({form(spread.low)}–{form(spread.high)})"
