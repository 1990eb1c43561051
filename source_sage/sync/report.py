"""The block that closes the log of a sync: what it did, by business and stream."""

from __future__ import annotations

import datetime as dt
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from source_sage.counts import Tally

WIDTH: Final = 118
# A report with more lines than this gives one only to what took patience, or more than these requests.
LINES_AT_MOST: Final = 400
INDENT: Final = "  "
# Keeps a name and its figure on one line while a text is wrapped; leaves as a space.
TOGETHER: Final = "\N{NO-BREAK SPACE}"
# Texts that stand at the left of their column; all others are figures.
TEXTS: Final = frozenset(("business", "stream", "oldest change", "newest change", "remark"))


@dataclass
class Report:
    """All tallies of a sync, by business and stream.

    Attributes:
        tallies: by business id and stream.
        titles: how to name a business, by its id.
        before: what was asked before the first reading: which businesses there are, and what they may have.
    """

    tallies: dict[tuple[str, str], Tally] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)
    before: Tally = field(default_factory=Tally)

    def tally(self, business_id: str, stream: str) -> Tally:
        """The tally of one stream of one business."""
        return self.tallies.setdefault((business_id, stream), Tally())

    def title(self, business_id: str) -> str:
        """The business's name and id, as far as they are known."""
        return self.titles.get(business_id, business_id)

    def block(self, took: dt.timedelta, renewals: int) -> str:
        """The report as one aligned text block: what happened in each business, then the sums.

        Args:
            took: how long the sync ran.
            renewals: how often the tokens were renewed.
        """
        by_business: dict[str, dict[str, Tally]] = {}
        for (business, stream), tally in sorted(self.tallies.items(), key=lambda one: (self.title(one[0][0]), one[0])):
            by_business.setdefault(business, {})[stream] = tally
        told = [[name for name, tally in one.items() if tally.is_told] for one in by_business.values()]
        brief = sum(map(len, told)) > LINES_AT_MOST
        sections = [_Section(self.title(business), tallies, brief) for business, tallies in by_business.items()]
        tables = _aligned([line for section in sections for line in section.table], STREAM_HEADER)
        lines = ["Sync report"]
        for section in sections:
            lines += [section.title, *(INDENT + line for line in tables[: len(section.table)]), *section.folded, ""]
            tables = tables[len(section.table) :]
        sums = [(section.title, *_figures(section.tallies), section.remark) for section in sections]
        sums.append(("before the first list", *_figures([self.before]), ""))
        many = f"{len(sections)} {'business' if len(sections) == 1 else 'businesses'}"
        total = (f"all: {many}", *_figures([self.before, *self.tallies.values()]), "")
        streams = _streams(len({stream for _, stream in self.tallies}))
        last = f"{streams}, {took.total_seconds():.1f} s in all, tokens renewed {renewals} times"
        return "\n".join([*lines, *_aligned([BUSINESS_HEADER, *sums, total], BUSINESS_HEADER), last])


FIGURES: Final = ("rows", "deleted", "requests", "retries", "waited s")
STREAM_HEADER: Final = ("stream", *FIGURES, "oldest change", "newest change")
BUSINESS_HEADER: Final = ("business", *FIGURES, "remark")


class _Section:
    """What happened in one business."""

    def __init__(self, title: str, tallies: Mapping[str, Tally], brief: bool) -> None:
        self.title = title
        self.tallies = list(tallies.values())
        self._skipped = _by_text({name: tally.skipped for name, tally in tallies.items()})
        self._failed = _by_text({name: tally.failed for name, tally in tallies.items()})
        read = {name: tally for name, tally in tallies.items() if not tally.skipped}
        own = {name for name, tally in read.items() if (tally.is_long if brief else tally.is_told)}
        self.table = [
            (name, *_figures([tally]), _minute(tally.oldest), _minute(tally.newest))
            for name, tally in read.items()
            if name in own
        ]
        if self.table:
            self.table.insert(0, STREAM_HEADER)
        rest = {name: tally for name, tally in read.items() if name not in own and not tally.failed}
        unnamed = [name for name, tally in read.items() if tally.unnamed]
        self.folded = [
            *self._rest(rest, brief),
            *(_folded(f"answers that named no business: {', '.join(unnamed)}") if unnamed else []),
            *self._refusals(),
            *self._failures(len(tallies)),
        ]

    @property
    def remark(self) -> str:
        """What the business's line of sums says beside the figures."""
        counts = {"skipped": sum(map(len, self._skipped.values())), "FAILED": sum(map(len, self._failed.values()))}
        return ", ".join(f"{_streams(count)} {what}" for what, count in counts.items() if count)

    def _rest(self, rest: Mapping[str, Tally], brief: bool) -> list[str]:
        lines: list[str] = []
        if full := [f"{name}{TOGETHER}{tally.rows:,}" for name, tally in rest.items() if tally.rows]:
            oldest = min((tally.oldest for tally in rest.values() if tally.oldest), default="")
            newest = max(tally.newest for tally in rest.values())
            changed = f" (changed {_minute(oldest)} to {_minute(newest)})" if newest else ""
            lines += _folded(f"rows of others{changed}: {', '.join(full)}")
        if empty := [name for name, tally in rest.items() if not tally.rows]:
            lines += _folded(f"no rows: {_streams(len(empty)) if brief else ', '.join(empty)}")
        return lines

    def _refusals(self) -> list[str]:
        return [
            line for why, names in self._skipped.items() for line in _folded(f"skipped ({why}): {', '.join(names)}")
        ]

    def _failures(self, streams: int) -> list[str]:
        lines: list[str] = []
        for why, names in self._failed.items():
            which = f"all {streams} streams" if len(names) == streams > 1 else ", ".join(names)
            lines += _folded(f"FAILED, {which}: {why}")
        return lines


def _by_text(texts: Mapping[str, str]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for name, text in texts.items():
        if text:
            names.setdefault(text, []).append(name)
    return names


def _streams(count: int) -> str:
    return f"{count} stream{'' if count == 1 else 's'}"


def _figures(tallies: Iterable[Tally]) -> tuple[str, ...]:
    some = list(tallies)
    return (
        f"{sum(tally.rows for tally in some):,}",
        f"{sum(tally.tombstones for tally in some):,}",
        f"{sum(tally.requests for tally in some):,}",
        f"{sum(tally.retries for tally in some):,}",
        f"{sum(tally.waited for tally in some):.0f}",
    )


def _minute(moment: str) -> str:
    return moment[: len("2026-11-23T10:00")].replace("T", " ")


def _folded(text: str) -> list[str]:
    lines = textwrap.wrap(
        text,
        WIDTH,
        initial_indent=INDENT,
        subsequent_indent=INDENT * 3,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(TOGETHER, " ") for line in lines]


def _aligned(table: Sequence[tuple[str, ...]], header: tuple[str, ...]) -> list[str]:
    widths = [max((len(row[column]) for row in table), default=0) for column in range(len(header))]
    return [
        "  ".join(
            cell.ljust(width) if title in TEXTS else cell.rjust(width)
            for cell, width, title in zip(row, widths, header, strict=True)
        ).rstrip()
        for row in table
    ]
