"""Did a walk through numbered pages miss a row because the list moved under it? Pure: knows no sockets.

Sage's pages are counted from the front of a list that goes on changing. A row that enters before the place of reading
pushes others back: they come twice, which does no harm. A row that *leaves* before that place (deleted, edited out of
the filter, or edited to a later place in an order by name, date or change) pulls the next row over the page boundary:
it is never shown. If it was itself not changed meanwhile, no later sync would bring it: it would be lost for ever.
`$total` alone does not tell: a deletion and a new row in the same moment leave it as it was, and so does an edited row
that moves to the end.

The argument. Let `cut` be Sage's clock at the first answer, `changed` the rows whose `updated_at` is not before it
(one request more, after the last page), `total` the length of the list at the end.

1. Rows that are in `changed` cannot be lost: the next sync asks for them, since the watermark is older than `cut`.
2. All others of the list, `total` less those in `changed`, were never touched. They have been seen if as many
   different untouched rows were seen, unless one of those seen has left the list since.
3. As many rows left as `first_total` and the new ones among `changed` make more than `total`. If none left and the
   counts agree, nothing is lost, whatever order the list has and in whatever order its pages were read.

Where it cannot be decided (a row made in the very second of `cut`, a row that left) the list is read again. A read
that goes on where an earlier process stopped has not seen the first rows itself. There, nothing is lost if nothing can
have moved forwards: no row left, `$total` never fell, and either the list is in order of creation or no old row was
edited. A single page is a single answer and needs no proof.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

SECONDS: Final = len("YYYY-MM-DDThh:mm:ss")
BUCKETS: Final = 16
Item = Mapping[str, Any]


class Sightings:
    """What a walk has seen; eight bytes a row.

    Args:
        cut: Sage's clock at the first answer of the read, `YYYY-MM-DDThh:mm:ssZ`.
        first_total: `$total` of that answer; None if it had none.
        complete: the walk began at the first page; False where it goes on from an earlier process's place.
        ordered: the list is in order of creation.
        filtered: the list is itself a list of changes, which an old row enters when it is edited.
    """

    def __init__(self, cut: str, first_total: int | None, *, complete: bool, ordered: bool, filtered: bool) -> None:
        self.cut = cut
        self._cut = cut[:SECONDS]
        self.first_total = first_total
        self._complete = complete
        self._ordered = ordered
        self._filtered = filtered
        self._untouched = array("q")
        self._fell = False
        self.last_total = first_total
        self.pages = 0

    def note(self, items: Iterable[Any], total: Any) -> None:
        """Note one page: its records, and its `$total`."""
        self.pages += 1
        if isinstance(total, int):
            self._fell = self._fell or (self.last_total is not None and total < self.last_total)
            self.last_total = total
        cut = self._cut
        for item in items:
            if isinstance(item, dict) and str(item.get("updated_at") or "")[:SECONDS] < cut:
                self._untouched.append(hash(item.get("id")))

    def lost_nothing(self, changed: Sequence[Item], total: int | None, in_list: Callable[[Item], bool]) -> bool:
        """Tell whether it is certain that no row was missed that a later sync would not bring.

        Args:
            changed: the records changed at or after `cut`.
            total: the length of the list, asked for while `changed` did not change; None if Sage does not say.
            in_list: tells whether a changed record belongs to the list that was walked.
        """
        if total is None or self.first_total is None:
            return True
        inside = [item for item in changed if in_list(item)]
        new = 0
        for item in inside:
            created = str(item.get("created_at") or "")[:SECONDS]
            if created == self._cut:
                return False
            if created > self._cut:
                new += 1
            elif self._filtered and hash(item.get("id")) not in self._untouched:
                return False
        if self.first_total + new != total or self._fell:
            return False
        if self._complete:
            return self._untouched_rows(changed) >= total - len(inside)
        return self._ordered or new == len(inside)

    def all_seen_once(self) -> bool:
        """The weaker test for a list that cannot be asked for changes: `$total` stood still and all of it was seen."""
        return self.last_total is None or (
            self.last_total == self.first_total and not self._fell and self._untouched_rows(()) >= self.last_total
        )

    def _untouched_rows(self, changed: Iterable[Item]) -> int:
        """How many different rows were seen untouched and still are; in buckets, since a set takes much more room."""
        touched = {hash(item.get("id")) for item in changed}
        buckets = BUCKETS if len(self._untouched) > 100_000 else 1
        return sum(
            len({one for one in self._untouched if one % buckets == bucket} - touched) for bucket in range(buckets)
        )
