"""What a sync did, counted, and the block that closes its log."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass
class Tally:
    """Counters of one reading: one stream of one business. Seconds where time is meant."""

    rows: int = 0
    tombstones: int = 0
    requests: int = 0
    retries: int = 0
    waited: float = 0.0
    skipped: str = ""
    failed: str = ""


@dataclass
class Report:
    """All tallies of a sync, by business and stream."""

    tallies: dict[tuple[str, str], Tally] = field(default_factory=dict)

    def tally(self, business_id: str, stream: str) -> Tally:
        """The tally of one stream of one business."""
        return self.tallies.setdefault((business_id, stream), Tally())

    def block(self, took: dt.timedelta, renewals: int) -> str:
        """The report as one aligned text block.

        Args:
            took: how long the sync ran.
            renewals: how often the tokens were renewed.
        """
        header = ("business", "stream", "rows", "deleted", "requests", "retries", "waited s", "remark")
        lines = [
            (
                business,
                stream,
                f"{tally.rows:,}",
                f"{tally.tombstones:,}",
                f"{tally.requests:,}",
                f"{tally.retries:,}",
                f"{tally.waited:.0f}",
                _remark(tally),
            )
            for (business, stream), tally in sorted(self.tallies.items())
        ]
        every = list(self.tallies.values())
        total = (
            "all",
            f"{len({stream for _, stream in self.tallies})} streams",
            f"{sum(tally.rows for tally in every):,}",
            f"{sum(tally.tombstones for tally in every):,}",
            f"{sum(tally.requests for tally in every):,}",
            f"{sum(tally.retries for tally in every):,}",
            f"{sum(tally.waited for tally in every):.0f}",
            f"{took.total_seconds():.1f} s in all, tokens renewed {renewals} times",
        )
        return "Sync report\n" + "\n".join(_aligned([header, *lines, total]))


def _remark(tally: Tally) -> str:
    if tally.failed:
        return f"FAILED: {tally.failed}"
    return f"skipped: {tally.skipped}" if tally.skipped else ""


def _aligned(table: Iterable[tuple[str, ...]]) -> list[str]:
    rows = list(table)
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column in (0, 1, 7) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
