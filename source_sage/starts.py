"""Where the readings of one list start, when several streams are made of what they bring. Pure.

A list and the streams of its lines share one reading, so each of them usually has the same place. They differ where a
stream was added later, refreshed alone, or where a kill fell between two state messages. Then those that can go on
from one place do so together, from the least advanced; a stream that has never been read must not take the others
back to the beginning: a first read asks for no deletions, and they would miss theirs.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from source_sage.state import Place

Stream = TypeVar("Stream")


def starts(places: Iterable[tuple[Stream, Place | None]]) -> list[tuple[Place | None, list[Stream]]]:
    """Group streams by the place that a common reading can start from.

    Args:
        places: each stream with how far it is; None if it was never read.

    Returns:
        One entry per reading: its place, and the streams that it serves, in the order given.
    """
    groups: dict[tuple[object, ...] | None, tuple[Place | None, list[Stream]]] = {}
    for stream, place in places:
        first, streams = groups.setdefault(_kind(place), (place, []))
        streams.append(stream)
        if place is not None and first is not None and _reach(place) < _reach(first):
            groups[_kind(place)] = (place, streams)
    return list(groups.values())


def _kind(place: Place | None) -> tuple[object, ...] | None:
    """Places of one kind lie on one line: the same dates, and the same first read if it has not ended."""
    if place is None:
        return None
    under_way = None if place.watermark else (place.began, place.total)
    return (place.start, place.end, under_way)


def _reach(place: Place) -> tuple[str, int]:
    return place.watermark, place.rows
