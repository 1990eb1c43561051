"""The plan of a sync: how its streams stand, and which list of which business is read from where.

A reading is of one list of one business, and serves all streams that are made of it: the list's own stream, and those
of its lines, whether or not the list's own is selected. Whatever befalls it, befalls all of them.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from airbyte_cdk.sources.streams import NO_CURSOR_STATE_KEY
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.api.businesses import Business
from source_sage.lists.shared_start import shared_starts
from source_sage.lists.state import Checkpoint, StreamState
from source_sage.streams import StreamFacts, every_stream


@dataclass
class StreamRun:
    """How one stream of the sync stands.

    Attributes:
        pending: how many of its readings have not ended.
        moved: a checkpoint was reached that no state has told of.
        waits_until: not before then another state leaves on the way.
        readings, refusals: how many there are by business id, and how many of them were refused.
    """

    facts: StreamFacts
    state: StreamState
    running: bool = False
    completed: bool = False
    pending: int = 0
    since_state: int = 0
    moved: bool = False
    waits_until: float = -math.inf
    readings: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[Business, AirbyteTracedException]] = field(default_factory=list)

    @property
    def keeps_checkpoints(self) -> bool:
        """Tell whether a later sync goes on from where this one came."""
        return bool(self.facts.cursor_field) and not self.facts.fed_by_others

    @property
    def blob(self) -> Mapping[str, Any]:
        """What the platform is to keep of it now; a stream without checkpoints says that it has none."""
        return self.state.blob() if self.keeps_checkpoints else {NO_CURSOR_STATE_KEY: True}


@dataclass(frozen=True)
class PlannedReading:
    """One list of one business, to be read once from one place for all streams that are made of it."""

    facts: StreamFacts
    business: Business
    checkpoint: Checkpoint | None
    streams: list[StreamRun]

    @property
    def names(self) -> str:
        """The streams it serves, for messages; and the list where its own stream is not among them."""
        names = [run.facts.name for run in self.streams]
        known = ", ".join(names)
        return known if self.facts.name in names else f"{known} (lines of {self.facts.name})"

    def room_for_keys(self) -> int:
        """How many bytes the known keys of the list may take in the states of its streams."""
        return min(run.state.room_for_keys(_state_key(run, self.facts.name, self.business)) for run in self.streams)

    def reach(self, checkpoint: Checkpoint) -> None:
        """Note for each of its streams how far it is."""
        for run in self.streams:
            run.state.move(_state_key(run, self.facts.name, self.business), checkpoint)
            run.moved = True


class Plan:
    """What is to be read for the selected streams.

    Args:
        businesses: to read.
        runs: the selected streams in the catalog's order.

    Attributes:
        runs: the same.
        deletions: the one among them that tells what was deleted in the others; None if it is not selected.
        readings: in the order in which they begin.
    """

    def __init__(self, businesses: Sequence[Business], runs: Iterable[StreamRun]) -> None:
        self.runs = list(runs)
        self.deletions = next((run for run in self.runs if run.facts.fed_by_others), None)
        self.readings = list(self._readings(businesses))

    def _readings(self, businesses: Sequence[Business]) -> Iterator[PlannedReading]:
        known = every_stream()
        lists: dict[str, list[StreamRun]] = {}
        for run in self.runs:
            for name in run.facts.lists:
                lists.setdefault(name, []).append(run)
        for name, runs in lists.items():
            for business in businesses:
                reached = [(run, run.state.checkpoint(_state_key(run, name, business))) for run in runs]
                for checkpoint, served in shared_starts(reached):
                    for run in served:
                        run.pending += 1
                        run.readings[business.id] += 1
                    yield PlannedReading(known[name], business, checkpoint, served)


def most_useful(runs: Iterable[StreamRun]) -> StreamRun:
    """The stream whose state is worth most if something has to leave: one that keeps checkpoints, if there is one."""
    return min(runs, key=lambda run: not run.keeps_checkpoints)


def _state_key(run: StreamRun, list_name: str, business: Business) -> str:
    """Under which key a stream keeps its checkpoint: by business, and by list where it is made of several."""
    return f"{business.id}/{list_name}" if len(run.facts.parents) > 1 else business.id
