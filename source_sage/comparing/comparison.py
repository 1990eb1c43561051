"""How one business is compared: the whole list first, then only what differs. A few requests where all is equal.

Or every row of every list, if that is wanted: a request for each page.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from source_sage.api.transport import Transport
from source_sage.comparing.asked import PAGES_AT_MOST, Asked, Part, movements
from source_sage.comparing.differences import (
    COUNT,
    DOUBLED,
    MISSING,
    SUMS,
    Difference,
    Row,
    Span,
    accounts_apart,
    differing,
    grouped,
    narrowed,
    sums_apart,
    unequal_months,
)
from source_sage.comparing.tables import Tables
from source_sage.config import SageConfig
from source_sage.counts import Tally
from source_sage.lists.trial_balance import months
from source_sage.streams import StreamFacts

# Counted from the newest change: since which rows Sage is asked how many were changed.
PLACES: Final = (0, 200, 400, 800, 1_600, 3_200, 6_400, 9_000)
# Where dates are left out, Sage's number of changes is not that of the warehouse; then so many rows are read at once.
ROWS_READ_BY_CHANGE: Final = 1_000
MONTHS_LOOKED_UP: Final = 12
TRIAL_BALANCE: Final = "trial_balance"
LEDGER: Final = "ledger_entries"
Found = tuple[str, str, str]


@dataclass
class Comparison:
    """One business.

    Attributes:
        transport: asks Sage.
        tables: the warehouse.
        config: whose dates are compared.
        business_id: which one.
        today: the last month of the trial balance is this day's.
        every_row: long lists are read, too.
        tally: counts the requests.
        rows: how many rows the lists that were compared have here.
        by_numbers: the long lists of which numbers alone were compared.
    """

    transport: Transport
    tables: Tables
    config: SageConfig
    business_id: str
    today: dt.date
    every_row: bool = False
    tally: Tally = field(default_factory=Tally)
    rows: int = 0
    by_numbers: list[str] = field(default_factory=list)

    def of_list(self, facts: StreamFacts) -> list[Difference]:
        """Compare a list.

        Raises:
            ListRefused: Sage does not open it.
            AirbyteTracedException: Sage gave no good answer.
        """
        tables, business = self.tables, self.business_id
        window = Span(self.config.window.start, self.config.window.end) if facts.date_field else Span(None, None)
        doubled = tables.doubled(facts, business)
        told = [Difference(facts.name, DOUBLED, "", tuple(doubled))] if doubled else []
        pages = math.inf if self.every_row else PAGES_AT_MOST
        asked = Asked(self.transport, business, facts, tables.fields(facts), self.tally, pages)
        here = tables.count(facts, business, window)
        self.rows += here
        first = asked.first(window)
        total = first.total
        if not here and (total or first.rows):
            ids = tuple(first.rows)
            return [*told, Difference(facts.name, MISSING, "", ids, "the table has no rows of this business", total)]
        if first.whole or total is None or self.every_row:
            # One page may hold a day too few: whether Sage counts in the very days that are asked for is not known.
            part = first if first.whole and len(first.rows) == here else asked.all(window)
            return [*told, *self._rows(facts, part, window)]
        self.by_numbers.append(facts.name)
        if facts.date_field and not facts.dates and window != Span(None, None):
            return [*told, *self._rows(facts, asked.all(window), window)] if total != here else told
        if total == here:
            return [*told, *self._by_change(facts, asked, window)]
        if facts.dates and not facts.by_date:
            return [*told, *self._by_date(facts, asked, window, total, here)]
        return [*told, *self._rows(facts, asked.all(window), window)]

    def of_sums(self, ledger: StreamFacts) -> list[Difference]:
        """Compare the ledger with Sage's trial balance: all months at once, then those that differ.

        A month in which the warehouse's own trial balance does not agree with its ledger is asked for as well: an entry
        that stands in another month leaves the sums of all months as they are.
        """
        every = list(months(self.config.start_date, self.config.window.end, self.today))
        if not every:
            return []

        def days(first: int, last: int) -> Span:
            return Span(every[first][0], every[last][1])

        names: dict[str, str] = {}

        def there(first: int, last: int) -> Mapping[str, Decimal]:
            return movements(self.transport, self.business_id, days(first, last), self.tally, names)

        def here(first: int, last: int) -> Mapping[str, Decimal]:
            return self.tables.movements(self.business_id, days(first, last))

        doubtful = {*unequal_months(range(len(every)), there, here)}

        def wrong(place: int) -> list[str]:
            return accounts_apart(reported[place], here(place, place))

        reported: list[Mapping[str, Decimal]] = []
        if TRIAL_BALANCE in self.tables:
            reported = [self.tables.reported(self.business_id, days(place, place)) for place in range(len(every))]
            doubtful |= {place for place in range(len(reported)) if wrong(place)}
        told: list[Difference] = []
        found: list[Found] = []
        dates: dict[str, str] = {}
        for place in sorted(doubtful)[:MONTHS_LOOKED_UP]:
            at_sage, in_tables = there(place, place), here(place, place)
            accounts = accounts_apart(at_sage, in_tables)
            month = every[place][0].isoformat()[:7]
            if not accounts:
                if reported and reported[place]:  # otherwise it was stored for other days
                    detail = "the ledger agrees with Sage"
                    named = tuple(sums_apart(wrong(place), at_sage, reported[place], names))
                    told.append(Difference(TRIAL_BALANCE, SUMS, month, named, detail))
                continue
            told.append(Difference(LEDGER, SUMS, month, tuple(sums_apart(accounts, at_sage, in_tables, names))))
            fields = self.tables.fields(ledger)
            part = Asked(self.transport, self.business_id, ledger, fields, self.tally).all(days(place, place))
            found.extend(self._apart(ledger, part, days(place, place), dates))
        return [*told, *grouped(LEDGER, found, lambda key: dates.get(key, ""))]

    def _rows(self, facts: StreamFacts, part: Part, span: Span) -> list[Difference]:
        dates: dict[str, str] = {}
        told = grouped(facts.name, self._apart(facts, part, span, dates), lambda key: dates.get(key, ""))
        if not part.whole:
            told.append(Difference(facts.name, COUNT, "", (), f"Sage says {part.total}", part.total))
        return told

    def _apart(self, facts: StreamFacts, part: Part, span: Span, dates: dict[str, str]) -> Iterator[Found]:
        here = self.tables.rows(facts, self.business_id, span)
        elsewhere = [key for key in part.rows if key not in here]
        # A row of these dates may stand under another date here.
        moved = self.tables.rows(facts, self.business_id, Span(None, None), elsewhere) if facts.date_field else {}
        if facts.date_field:
            for rows in (moved, here, part.rows):
                dates |= _months_of(facts, rows)
        yield from differing(part.rows, {**here, **moved}, whole=part.whole)

    def _by_change(self, facts: StreamFacts, asked: Asked, span: Span) -> list[Difference]:
        """Look for rows that were changed at Sage and not here: equal numbers do not show them."""
        if not facts.changes:
            return []
        rows = self.tables.count(facts, self.business_id, span)
        oldest = [rows - 2] if PLACES[0] < rows - 2 < PLACES[-1] else []
        moments = self.tables.moments(facts, self.business_id, span, sorted({*PLACES, *oldest}))
        if span != Span(None, None):
            moments = [one for one in moments if one[1] <= ROWS_READ_BY_CHANGE][-1:]
        for moment, here in moments:
            page = asked.since(moment, span, 1)
            if page.total == here:
                continue
            part = page if page.whole else asked.since(moment, span)
            known = self.tables.rows(facts, self.business_id, Span(None, None), list(part.rows))
            found = list(differing(part.rows, known, whole=False))
            if found:
                return grouped(facts.name, found, _months_of(facts, part.rows).__getitem__)
            if not part.whole and span == Span(None, None):
                detail = f"{part.total} were changed at Sage since {moment}, here {here}"
                return [Difference(facts.name, COUNT, "", (), detail, part.total)]
        return []

    def _by_date(self, facts: StreamFacts, asked: Asked, span: Span, total: int, here: int) -> list[Difference]:
        days = self.tables.days(facts, self.business_id, span)
        if days is None:
            return self._rows(facts, asked.all(span), span)
        first, last, fullest = days
        if not asked.learn_edges(fullest):
            total = asked.count(span)
            if total == here:
                return self._by_change(facts, asked, span)

        def count(part: Span) -> tuple[int, int]:
            return asked.count(part), self.tables.count(facts, self.business_id, part)

        found: list[Found] = []
        dates: dict[str, str] = {}
        told: list[Difference] = []
        for part in narrowed(span, (first, last), (total, here), count):
            rows = asked.all(part)
            if not rows.whole:
                told.append(Difference(facts.name, COUNT, _month(part), (), f"Sage says {rows.total}", rows.total))
            found.extend(self._apart(facts, rows, part, dates))
        told.extend(grouped(facts.name, found, lambda key: dates.get(key, "")))
        if not told:
            told.append(Difference(facts.name, COUNT, "", (), f"Sage counts {total} rows, here are {here}", total))
        return told


def _months_of(facts: StreamFacts, rows: Mapping[str, Row]) -> dict[str, str]:
    return {key: str(row.get(facts.date_field or "") or "")[:7] for key, row in rows.items()}


def _month(span: Span) -> str:
    day = span.last or span.first
    return day.isoformat()[:7] if day else ""
