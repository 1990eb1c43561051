"""What was found out, and how it is told: on a terminal, as Markdown and as JSON. Never a value of the business."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from source_sage.errors import some_of

UNSETTLED: Final = "not settled"
NAMED_AT_MOST: Final = 12


@dataclass(frozen=True)
class Finding:
    """One unknown, and what this business shows of it.

    Attributes:
        unknown: what nobody has written down, a few words.
        asked: what Sage was asked for.
        seen: what came: counts, shapes, names of fields, headers, times.
        answer: which of the possibilities it is; `UNSETTLED` if this business does not show it.
        means: what the source does about it; of what is not settled, what data it would take.
        doubt: why a sync of this business cannot be trusted in this respect; empty if it can.
    """

    unknown: str
    asked: str
    seen: str
    answer: str
    means: str
    doubt: str = ""

    @property
    def settled(self) -> bool:
        """Tell whether the business shows which it is."""
        return self.answer != UNSETTLED


@dataclass(frozen=True)
class Report:
    """All findings of one probe.

    Attributes:
        version: of the source.
        day: of the probe, UTC, as text.
        requests: how many it took.
        findings: in the order of the questions.
    """

    version: str
    day: str
    requests: int
    findings: Sequence[Finding]

    @property
    def doubts(self) -> list[str]:
        """What speaks against trusting a sync of this business."""
        return [one.doubt for one in self.findings if one.doubt]

    @property
    def verdict(self) -> str:
        """Whether a sync of this business can be trusted, and what could not be known: one paragraph."""
        open_ones = [one.unknown for one in self.findings if not one.settled]
        said = (
            "Sage answers as the source expects in all that could be looked at: a sync of this business can be trusted."
            if not self.doubts
            else "A sync of this business can be trusted but for this: " + " ".join(self.doubts)
        )
        if open_ones:
            said += f" Not settled here: {'; '.join(open_ones)}."
        return said

    def as_json(self) -> dict[str, Any]:
        """For a program."""
        return {
            "source_sage": self.version,
            "day": self.day,
            "requests": self.requests,
            "findings": [asdict(one) for one in self.findings],
            "verdict": self.verdict,
        }

    def as_markdown(self) -> str:
        """For an issue: a table that can be sent in."""
        lines = [
            f"source-sage {self.version} probe, {self.day}, {self.requests} requests",
            "",
            "| Unknown | Asked | Seen | It is | What follows |",
            "|:--|:--|:--|:--|:--|",
        ]
        for one in self.findings:
            cells = (one.unknown, one.asked, one.seen, one.answer, one.means)
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        return "\n".join([*lines, "", self.verdict, ""])

    def as_text(self, width: int) -> str:
        """For a terminal: an entry of a few lines for each unknown."""
        name = max(len(one.unknown) for one in self.findings)
        lines = []
        for one in self.findings:
            mark = "!" if one.doubt else "?" if not one.settled else " "
            lines.append(f"{mark} {one.unknown:{name}}  {one.answer}")
            lines.extend(_wrapped(f"{one.seen}. {one.means}", width, name + 4))
        return "\n".join([*lines, "", *_wrapped(self.verdict, width, 0)])


def _wrapped(text: str, width: int, indent: int) -> list[str]:
    blank = " " * indent
    return textwrap.wrap(text, max(width, indent + 40), initial_indent=blank, subsequent_indent=blank)


def either(
    unknown: str, asked: str, results: Mapping[str, Sequence[str]], means: str, needs: str, doubt: str = ""
) -> Finding:
    """The finding of a question that was put to several lists, each with an answer of its own.

    Args:
        results: the lists that gave each answer.
        needs: what would show it, where no list did.
    """
    if not results:
        return Finding(unknown, asked, f"there is no {needs.removeprefix('a ')}", UNSETTLED, f"It would take {needs}.")
    words = "; ".join(f"{answer}: {named(names)}" for answer, names in results.items())
    return Finding(unknown, asked, words, " / ".join(sorted(results)), means, doubt)


def named(names: Sequence[str]) -> str:
    """Names, and of very many only the first."""
    return some_of(names, NAMED_AT_MOST)
