"""Did a walk through numbered pages miss a row because the list moved under it? Pure: knows no sockets.

Sage's pages are counted from the front of a list that goes on changing. A row that enters before the place of reading
pushes others back: they come twice, which does no harm. A row that *leaves* before that place (deleted, edited out of
the filter, or edited to a later place in an order by name, date or change) pulls the next row over the page boundary:
it is never shown. If it was itself not changed meanwhile, no later sync would bring it: it would be lost for ever.
Pages asked for side by side are hurt both ways. `$total` alone does not tell: a deletion and a new row in the same
moment leave it as it was, and so does an edited row that moves to the end.

The argument. Let `cut` be Sage's clock at the first answer of the walk, less the time that a change may need to show
up. Call a row touched if it was changed at or after `cut`. After the last page Sage is asked which rows are touched
(one request; the only one where nothing moves), and, if any are or `$total` moved, which were deleted and how long
the list is, until these answers agree with each other.

1. Touched rows cannot be lost: they are emitted from that answer, and the next sync asks for them again.
2. All other rows were in the list all the time; they are `total` less the touched ones in it. Whatever the walk saw
   untouched and is neither touched nor deleted by now is one of them. So the walk missed exactly
   `total - touched in the list - seen and still untouched` rows, whatever order the list has, in whatever order its
   pages were read, and however often a row was shown.
3. Where Sage cannot tell what was deleted, nothing was if the list is as long as it was at first and all touched rows
   that could be new in it are. If that cannot be told, the walk proves nothing.

What was missed slipped over a boundary between two pages that were not answered from the same list: their `$total`
differs, or something changed between the two answers. These pages are asked for again; only if that does not help is
the whole list.

A read that goes on where an earlier process stopped has not seen the first rows itself and cannot count. There,
nothing is lost if no row can have moved forwards: none was deleted, `$total` never fell, and no row was edited
(in a list in order of creation it may have been, but not out of the dates chosen). A single page is a single answer
and needs no proof.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from source_sage.pages import identity

_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}")
SECONDS: Final = len("YYYY-MM-DDThh:mm:ss")
ROWS_IN_A_SET: Final = 100_000
Item = Mapping[str, Any]
Stamp = tuple[str | None, Any]
"""What tells a record from the others, None if nothing does; and its `updated_at`."""


@dataclass(frozen=True)
class Sight:
    """One page as it was answered.

    Attributes:
        rows: of the list read with it, from the front.
        total: `$total`; None if Sage did not say.
        asked, answered: between which moments Sage made the answer, `YYYY-MM-DDThh:mm:ssZ`.
    """

    rows: int
    total: int | None
    asked: str
    answered: str


@dataclass(frozen=True)
class Changes:
    """What happened to a list since a walk's `cut`, as one consistent answer.

    Attributes:
        touched: records changed at or after `cut`, wherever they are now.
        inside: those of them that are surely in the list.
        deleted: records deleted since; None where Sage cannot tell.
        total: the length of the list now; None if Sage does not say.
    """

    touched: Sequence[Item]
    inside: Sequence[Item]
    deleted: Sequence[Item] | None
    total: int | None

    @property
    def moments(self) -> list[str]:
        """When something changed, as far as it is known."""
        stamps = [item.get("updated_at") for item in self.touched]
        stamps += [item.get("deleted_at") for item in self.deleted or ()]
        return [stamp[:SECONDS] for stamp in stamps if isinstance(stamp, str)]


class Whole:
    """A list of changes or deletions, which is read at once: whole if it stood still meanwhile."""

    def __init__(self) -> None:
        self.found: dict[str, Item] = {}
        self._seen = 0
        self._nameless = 0
        self._totals: set[int | None] = set()

    def note(self, items: Iterable[Any], total: int | None) -> None:
        """Note one page."""
        self._totals.add(total)
        for item in items:
            self._seen += 1
            key = identity(item)
            if key is None:
                self._nameless += 1
            else:
                self.found[key] = item

    @property
    def is_whole(self) -> bool:
        """Tell whether every record was seen."""
        return self._totals in ({None}, {len(self.found) + self._nameless})

    @property
    def is_as_long_as_told(self) -> bool:
        """The weaker test for records that never move, and of which one may be there twice: what was deleted twice."""
        return self.is_whole or self._totals == {self._seen}


class Sightings:
    """What a walk has seen of a list; eight bytes a row.

    Args:
        cut: see above, `YYYY-MM-DDThh:mm:ssZ`.
        first_total: `$total` of the walk's first answer; None if it had none.
    """

    def __init__(self, cut: str, first_total: int | None) -> None:
        self.cut = cut[:SECONDS]
        self.first_total = first_total
        self.fell = False
        self._untouched = array("q")
        self._nameless = 0
        self._pages: list[Sight] = []
        self._last_total = first_total

    def note(self, stamps: Sequence[Stamp], sight: Sight) -> Sequence[str]:
        """Note one page of the walk; gives the keys of the records that were changed at or after `cut`."""
        self._pages.append(sight)
        if sight.total is not None:
            self.fell = self.fell or (self._last_total is not None and sight.total < self._last_total)
            self._last_total = sight.total
        return self.look_again(stamps)

    def look_again(self, stamps: Sequence[Stamp]) -> Sequence[str]:
        """Note records of the list that were asked for once more; gives the keys as `note` does."""
        cut = self.cut
        touched = [
            key
            for key, stamp in stamps
            # The cheap look first: nearly all rows are older.
            if isinstance(stamp, str) and stamp >= cut and key is not None and second_of(stamp)
        ]
        named = [key for key, _ in stamps if key is not None]
        self._nameless += len(stamps) - len(named)
        self._untouched.extend(map(hash, set(named).difference(touched) if touched else named))
        return touched

    @property
    def pages(self) -> int:
        """How many pages the walk took."""
        return len(self._pages)

    @property
    def stood_still(self) -> bool:
        """Tell whether every answer gave the same `$total`, and one that can be the length of the list."""
        total = self.first_total
        if total is None or any(page.total != total for page in self._pages):
            return False
        return len(self._untouched) <= total or self._distinct(frozenset()) <= total

    def missed(self, changes: Changes) -> int | None:
        """How many rows that no later sync would bring a whole walk has not seen; None if that cannot be told."""
        if changes.deleted is None and changes.total is not None and not self._none_left(changes):
            return None
        gone = {hash(identity(item)) for item in (*changes.touched, *(changes.deleted or ()))}
        missed = -1 if changes.total is None else changes.total - len(changes.inside) - self._distinct(gone)
        if missed < 0:  # no `$total`, or one that is not the length of the list
            return None if changes.touched or changes.deleted else 0
        return max(missed - self._nameless, 0)

    def _none_left(self, changes: Changes) -> bool:
        """Tell whether the lengths prove that no row was deleted: 3. above."""
        if self.first_total is None:
            return False
        inside = {hash(identity(item)) for item in changes.inside}
        entered_at_most = len(inside - {one for one in self._untouched if one in inside})
        return self.first_total + entered_at_most == changes.total

    def doubtful_rows(self, changes: Changes) -> list[int]:
        """The boundaries that a row may have slipped over, each by the rows in front of it."""
        moments = changes.moments

        def differ(one: Sight, other: Sight) -> bool:
            begin, end = min(one.asked, other.asked)[:SECONDS], max(one.answered, other.answered)[:SECONDS]
            return one.total != other.total or any(begin <= moment <= end for moment in moments)

        pairs = zip(self._pages, self._pages[1:], strict=False)
        return [one.rows for one, other in pairs if differ(one, other)]

    def nothing_moved_forwards(self, changes: Changes, *, ordered: bool) -> bool:
        """Tell whether the rows behind a place were all seen by whoever read up to it.

        Args:
            changes: since the `cut` of the walk that left the place.
            ordered: the list is in order of creation.
        """
        created = [str(item.get("created_at") or "")[:SECONDS] for item in changes.touched]
        edited = any(
            made < self.cut or made != str(item.get("updated_at") or "")[:SECONDS]
            for made, item in zip(created, changes.touched, strict=True)
        )
        some_outside = len(changes.inside) < len(changes.touched)
        if self.fell or not self.at_end or changes.deleted or some_outside or (edited and not ordered):
            return False
        if self.first_total is None or changes.total is None:
            return not changes.touched
        new = sum(made >= self.cut for made in created)
        return changes.deleted is not None or self.first_total + new == changes.total

    @property
    def at_end(self) -> bool:
        """Tell whether the walk, if it has begun, came to the end that its last answer told of."""
        last = self._pages[-1] if self._pages else None
        return last is None or last.total is None or last.rows >= last.total

    def all_seen_once(self) -> bool:
        """The weaker test for a list that cannot be asked for changes: it stood still and all of it was seen."""
        if self.first_total is None:
            return True
        return self.stood_still and self._distinct(frozenset()) + self._nameless >= self.first_total

    def _distinct(self, without: set[int] | frozenset[int]) -> int:
        """How many different rows were seen untouched; in parts, since a set takes ten times the room."""
        buckets = len(self._untouched) // ROWS_IN_A_SET + 1
        return sum(
            len({one for one in self._untouched if one % buckets == bucket} - without) for bucket in range(buckets)
        )


def second_of(stamp: Any) -> str:
    """A time of change to the second; empty if it is none."""
    return stamp[:SECONDS] if isinstance(stamp, str) and _TIME.match(stamp) else ""


def extremes(stamps: Iterable[Stamp]) -> list[str]:
    """The least and the greatest time of change, to the second; nothing if there is none."""
    moments = [moment for _, moment in stamps if isinstance(moment, str)]
    ends = [min(moments), max(moments)] if moments else []
    if all(map(second_of, ends)):
        return [second_of(end) for end in ends]
    return extremes([(None, moment) for moment in moments if second_of(moment)])
