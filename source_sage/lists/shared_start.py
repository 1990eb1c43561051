"""Where the readings of one list start, when several streams are made of what they bring. Pure.

A list and the streams of its lines share one reading, so each of them usually has the same place. They differ where a
stream was added later, refreshed alone, or where a kill fell between two state messages. Then those that can go on
from one place do so together, from the least advanced; a stream that has never been read must not take the others
back to the beginning: a first read asks for no deletions, and they would miss theirs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from source_sage.lists.cuts import days_in
from source_sage.lists.state import Checkpoint

Stream = TypeVar("Stream")


def shared_starts(
    checkpoints: Iterable[tuple[Stream, Checkpoint | None]],
) -> list[tuple[Checkpoint | None, list[Stream]]]:
    """Group streams by the checkpoint that a common reading can start from.

    Args:
        checkpoints: each stream with how far it is; None if it was never read.

    Returns:
        One entry per reading: its checkpoint, and the streams that it serves, in the order given.
    """
    groups: dict[tuple[object, ...] | None, tuple[Checkpoint | None, list[Stream]]] = {}
    for stream, checkpoint in checkpoints:
        first, streams = groups.setdefault(_kind(checkpoint), (checkpoint, []))
        streams.append(stream)
        if checkpoint is not None and first is not None and checkpoint is not first:
            least, other = sorted((first, checkpoint), key=_reach)
            groups[_kind(checkpoint)] = (_knowing_all(least, other), streams)
    return list(groups.values())


def _kind(checkpoint: Checkpoint | None) -> tuple[object, ...] | None:
    """Checkpoints of one kind lie on one line: the same dates, and the same whole reading if one is under way."""
    if checkpoint is None:
        return None
    whole = checkpoint.whole
    under_way = (checkpoint.watermark, whole.began, whole.of_changes, whole.start, whole.end) if whole else None
    return (checkpoint.start, checkpoint.end, under_way)


def _knowing_all(checkpoint: Checkpoint, other: Checkpoint) -> Checkpoint:
    """A checkpoint with the keys that another one knows: of a row that only one stream was given, too."""
    return checkpoint.knowing(checkpoint.keys.with_those_of(other.keys) if checkpoint.keys else other.keys)


def _reach(checkpoint: Checkpoint) -> tuple[str, int]:
    """How far it is. Of one whole reading the ranges only grow, so that fewer days are less far."""
    whole = checkpoint.whole
    return checkpoint.watermark, days_in(whole.ranges) if whole else 0
