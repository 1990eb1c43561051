"""Lines: flat rows made of a nested field of rows already read, at no request. Pure.

A destination keeps rows by key, so a line that an edit took away would stay there for ever; nothing tells of it,
and to remember all lines would make the state as large as the books. Hence the whole set of a parent's lines comes
again whenever the parent comes, and each line says of which state of its parent it is: `updated_at` is the parent's,
`read_at` tells two readings of one second apart. A parent that is gone, or has no lines left, leaves one row of its
own, `id` `*` and `is_deleted`, which is newer than all its lines. The rule for readers of the table:

    A line is live if no row of its parent in the same table is newer by (updated_at, read_at), and it is not deleted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from source_sage.rows import Row
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
        before = len(made)
        made.extend(_lines(row.get(child.parents[parent]), head))
        if len(made) == before and emitted_before:
            made.append({**head, "id": ALL_LINES, "is_deleted": True, "deleted_at": row.get("updated_at")})
    return made


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


def _lines(items: Any, head: Row) -> Iterator[Row]:
    seen: set[str] = set()
    for position, item in enumerate(items if isinstance(items, list) else (), start=1):
        if not isinstance(item, dict):
            continue
        key = _key(item.get("id"), position, seen)
        seen.add(key)
        own = {f"line_{name}": item[name] for name in head.keys() & item.keys()}
        yield {**item, **own, **head, "id": key}


def _key(line_id: Any, position: int, seen: set[str]) -> str:
    """The line's id; made unique by its position where there is none, or one twice, so that no line hides another."""
    key = "" if line_id is None else str(line_id)
    return key if key and key not in seen else f"{key}#{position}"
