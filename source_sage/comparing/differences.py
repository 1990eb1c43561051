"""What differs between rows at Sage and rows in a warehouse, and where to look for it. Pure: knows no sockets."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from source_sage.clock import DAY

Row = Mapping[str, Any]
Account = str
IDS_TOLD: Final = 10
# A span of dates with so many rows is read; a longer one is cut in two.
ROWS_WORTH_READING: Final = 200

MISSING: Final = "missing in the warehouse"
GONE: Final = "in the warehouse, but no longer at Sage"
STALE: Final = "stale: changed at Sage since"
OTHER: Final = "the same version with other values"
DOUBLED: Final = "more than once in the warehouse"
COUNT: Final = "not looked up one by one"
SUMS: Final = "whose sum is not Sage's"


@dataclass(frozen=True)
class Difference:
    """One thing that a bookkeeper can look at.

    Attributes:
        stream: which table.
        kind: in which way it differs.
        month: of the accounting date, as YYYY-MM; empty where rows have none, or for all months.
        ids: of the rows; of sums, the accounts with both sums.
        detail: more to say, a few words.
        rows: how many rows there are, if not as many as ids.
    """

    stream: str
    kind: str
    month: str
    ids: tuple[str, ...]
    detail: str = ""
    rows: int | None = None

    def __str__(self) -> str:
        count = len(self.ids) if self.rows is None else self.rows
        what = ("account" if self.kind == SUMS else "row") + ("" if count == 1 else "s")
        month = f" of {self.month}" if self.month else ""
        told = ("; " if self.kind == SUMS else ", ").join(self.ids[:IDS_TOLD])
        more = f" and {count - IDS_TOLD} more" if count > IDS_TOLD and self.ids else ""
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.stream}{month}: {count} {what} {self.kind}{detail}" + (f": {told}{more}" if told else "")


@dataclass(frozen=True)
class Span:
    """Accounting dates, both inclusive; None is an open end."""

    first: dt.date | None
    last: dt.date | None


def differing(there: Mapping[str, Row], here: Mapping[str, Row], *, whole: bool) -> Iterator[tuple[str, str, str]]:
    """Compare rows by key.

    Args:
        there: at Sage.
        here: in the warehouse; of the same part of the list, if `whole`.
        whole: `there` is all that Sage has of that part.

    Yields:
        The kind, the key, and for other values the names of the fields.
    """
    for key, row in there.items():
        known = here.get(key)
        if known is None:
            yield MISSING, key, ""
        elif known.get("updated_at") != row.get("updated_at") and "updated_at" in known:
            yield STALE, key, ""
        elif fields := [name for name in known if known[name] != row.get(name)]:
            yield OTHER, key, ", ".join(sorted(fields))
    if whole:
        yield from ((GONE, key, "") for key in here if key not in there)


def grouped(stream: str, found: Iterable[tuple[str, str, str]], month_of: Callable[[str], str]) -> list[Difference]:
    """Rows that differ, by kind, fields and month. What is missing in one part and too much in another has moved."""
    unique = dict.fromkeys(found)
    missing, gone = ({key for kind, key, _ in unique if kind == one} for one in (MISSING, GONE))
    by_group: dict[tuple[str, str, str], list[str]] = {}
    for kind, key, fields in unique:
        if key in missing & gone:
            if kind == GONE:
                continue
            kind, fields = OTHER, "date"
        by_group.setdefault((month_of(key), kind, fields), []).append(key)
    return [
        Difference(stream, kind, month, tuple(sorted(keys)), fields)
        for (month, kind, fields), keys in sorted(by_group.items())
    ]


def narrowed(
    span: Span,
    between: tuple[dt.date, dt.date],
    counts: tuple[int, int],
    count: Callable[[Span], tuple[int, int]],
) -> Iterator[Span]:
    """Cut dates in two where the numbers of rows differ, until there are few enough to be read.

    Args:
        span: the dates.
        between: days among which to cut.
        counts: how many rows they have at Sage and here.
        count: tells the same of a part.
    """
    first, last = between
    if counts[0] == counts[1]:
        return
    if max(counts) <= ROWS_WORTH_READING or first >= last:
        yield span
        return
    middle = first + (last - first) // 2
    earlier = Span(span.first, middle)
    of_earlier = count(earlier)
    of_later = counts[0] - of_earlier[0], counts[1] - of_earlier[1]
    yield from narrowed(earlier, (first, middle), of_earlier, count)
    yield from narrowed(Span(middle + DAY, span.last), (middle + DAY, last), of_later, count)


Sums = Mapping[Account, Decimal]


def unequal_months(
    months: Sequence[int],
    there: Callable[[int, int], Sums],
    here: Callable[[int, int], Sums],
) -> Iterator[int]:
    """Cut months in two where the sums of accounts differ, down to one month.

    Args:
        months: their places, one after the other.
        there, here: the sums from one place to another, both inclusive.
    """
    if not months or not accounts_apart(there(months[0], months[-1]), here(months[0], months[-1])):
        return
    if len(months) == 1:
        yield months[0]
        return
    middle = len(months) // 2
    yield from unequal_months(months[:middle], there, here)
    yield from unequal_months(months[middle:], there, here)


def accounts_apart(there: Sums, here: Sums) -> list[Account]:
    """The accounts whose sums are not the same, to a millionth."""
    limit = Decimal("0.000001")
    return sorted(one for one in {*there, *here} if abs(there.get(one, Decimal()) - here.get(one, Decimal())) >= limit)


def sums_apart(accounts: Iterable[Account], there: Sums, here: Sums, names: Mapping[Account, str]) -> Iterator[str]:
    """Accounts by what they are called, each with both sums: debits less credits."""
    for one in accounts:
        at_sage, in_tables = there.get(one, Decimal()), here.get(one, Decimal())
        yield f"{names.get(one, one)} {at_sage:,.2f} at Sage, {in_tables:,.2f} here"
