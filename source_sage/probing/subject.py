"""The business that is probed: its details, and the first page of each of its lists, where most questions start."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from source_sage.lists.paging import attributes_of
from source_sage.probing.looker import Looker, Seen
from source_sage.streams import StreamFacts

Record = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """What the questions are asked of.

    Attributes:
        looker: asks Sage.
        details: what `/businesses/{id}` answered.
        lists: the facts of every list, by name.
        first: the first page of each, with all fields.
    """

    looker: Looker
    details: Seen
    lists: Mapping[str, StreamFacts]
    first: Mapping[str, Seen]

    @classmethod
    def read(cls, looker: Looker, streams: Mapping[str, StreamFacts], told: Callable[[str], object]) -> Subject:
        """Look at the business and at one page of each list.

        Args:
            looker: asks Sage.
            streams: all streams; those that are no list of pages are left aside.
            told: is told what is looked at.

        Raises:
            NoRequestsLeft, AirbyteTracedException: as the looker says.
        """
        details = looker.ask(f"/businesses/{looker.business_id}", {})
        lists = {name: facts for name, facts in streams.items() if facts.is_list}
        first = {}
        for name, facts in lists.items():
            told(name)
            first[name] = looker.page(name, **{**facts.query, "attributes": attributes_of(facts)})
        return cls(looker, details, lists, first)

    def pages(self, **wanted: bool) -> Iterator[tuple[StreamFacts, Seen]]:
        """The lists with rows that have these facts, the fullest first, each with its first page."""
        fitting = [
            (facts, self.first[name])
            for name, facts in self.lists.items()
            if self.first[name].items and all(bool(getattr(facts, fact)) == value for fact, value in wanted.items())
        ]
        yield from sorted(fitting, key=lambda one: -(one[1].total or len(one[1].items)))

    def holds(self, facts: StreamFacts, row: Record, **params: str) -> bool:
        """Tell whether a row comes with a query."""
        seen = self.looker.page(facts.name, **{**facts.query, **params})
        return any(one.get("id") == row.get("id") for one in seen.items)


def moment_of(value: object) -> dt.datetime | None:
    """A time as Sage writes it, UTC; None if it is none."""
    try:
        return dt.datetime.fromisoformat(str(value)).astimezone(dt.UTC) if value else None
    except ValueError:
        return None
