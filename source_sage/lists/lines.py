"""Lines: flat rows made of a nested field of rows already read, at no request. Pure.

A destination keeps rows by key, so a line that an edit took away would stay there for ever; nothing tells of it,
and to remember all lines would make the state as large as the books. Hence the whole set of a parent's lines comes
again whenever the parent comes, and each line says of which state of its parent it is: `updated_at` is the parent's,
`read_at` tells two readings of one second apart. A parent that is gone, or has no lines left, leaves one row of its
own, `id` `*` and `is_deleted`, which is newer than all its lines. The rule for readers of the table:

    A line is live if no row of its parent in the same table is newer by (updated_at, read_at), and it is not deleted.

What did not fit of a line, or of what it carries, is in its own `unconverted_values`. Where a line was expected and
something else came, a line known by its position holds it; where something else came in place of all lines, the row
with id `*` does.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from typing import Any, Final

from source_sage.lists.rows import UNCONVERTED, Row
from source_sage.streams import StreamFacts

ALL_LINES: Final = "*"


def lines_of(child: StreamFacts, parent: str, rows: Iterable[Row], read_at: str, *, emitted_before: bool) -> list[Row]:
    """The line rows of a page of parents.

    Args:
        child: the stream of lines; names its parents' field and which of their fields each line carries.
        parent: the stream that the rows are of, one of the child's parents.
        rows: shaped, tombstones included.
        read_at: when they were read, ISO 8601; later for a later page.
        emitted_before: lines of these parents may be in the destination, so that a parent without lines says so.

    Returns:
        The lines in their parents' order; a field of a line that would hide a carried one is named `line_<field>`.
    """
    made: list[Row] = []
    for row in rows:
        head = _head(child, parent, row, read_at)
        if row.get("is_deleted"):
            made.append({**head, "id": ALL_LINES, "is_deleted": True, "deleted_at": row.get("deleted_at")})
            continue
        head.update((name, row.get(name)) for name in child.carried)
        field, before = child.parents[parent], len(made)
        unconverted = row.get(UNCONVERTED)
        odd = _Unconverted(unconverted, field, child.carried) if unconverted else None
        made.extend(_lines(row.get(field), head, odd))
        if len(made) == before and (emitted_before or (odd and odd.instead)):
            gone = {**head, "id": ALL_LINES, "is_deleted": True, "deleted_at": row.get("updated_at")}
            made.append({**gone, UNCONVERTED: odd.instead | odd.carried} if odd and odd.instead else gone)
    return made


class _Unconverted:
    """What did not fit of a row, as far as its lines are concerned.

    Args:
        values: by their places in the row.
        field: where the row has its lines.
        carried: which fields each line carries.

    Attributes:
        instead: what came in place of all lines.
        carried: what did not fit of the carried fields.
        of_lines: the same of lines, by their positions; where there is no line, what came in place of it.
    """

    def __init__(self, values: Row, field: str, carried: Iterable[str]) -> None:
        self.instead: Row = {}
        self.carried: Row = {}
        self.of_lines: dict[int, Row] = {}
        names = {"updated_at", *carried}
        for place, value in values.items():
            name = re.split(r"[.\[]", place, maxsplit=1)[0]
            if place == field:
                self.instead[place] = value
            elif name in names:
                self.carried[place] = value
            elif in_line := re.fullmatch(rf"{re.escape(field)}\[(\d+)\](?:\.(.*))?", place, re.DOTALL):
                self.of_lines.setdefault(int(in_line[1]), {})[in_line[2] or place] = value

    def of_line(self, at: int, renamed: Container[str]) -> Row:
        """What did not fit of one line; `renamed` are those of its fields that leave as `line_<field>`."""
        own = self.of_lines.get(at, {})
        places = {f"line_{place}" if re.split(r"[.\[]", place)[0] in renamed else place: place for place in own}
        return self.carried | {new: own[place] for new, place in places.items()}


def _head(child: StreamFacts, parent: str, row: Row, read_at: str) -> Row:
    head = {
        "business_id": row["business_id"],
        child.parent_key: row.get("id"),
        "updated_at": row.get("updated_at"),
        "read_at": read_at,
    }
    if len(child.parents) > 1:
        head["parent_stream"] = parent
    return head


def _lines(items: Any, head: Row, odd: _Unconverted | None) -> Iterator[Row]:
    seen: set[str] = set()
    for position, item in enumerate(items if isinstance(items, list) else (), start=1):
        if not isinstance(item, dict):
            if odd is None or position - 1 not in odd.of_lines:
                continue
            item = {}
        key = _key(item.get("id"), position, seen)
        seen.add(key)
        renamed = head.keys() & item.keys()
        line = {**item, **{f"line_{name}": item[name] for name in renamed}, **head, "id": key}
        if UNCONVERTED in item:
            line[f"line_{UNCONVERTED}"] = line.pop(UNCONVERTED)
        if odd is not None and (unconverted := odd.of_line(position - 1, renamed)):
            line[UNCONVERTED] = unconverted
        yield line


def _key(line_id: Any, position: int, seen: set[str]) -> str:
    """The line's id; made unique by its position where there is none, or one twice, so that no line hides another."""
    key = "" if line_id is None else str(line_id)
    return key if key and key not in seen else f"{key}#{position}"
