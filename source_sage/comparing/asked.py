"""What a business holds at Sage: counts, rows and sums, by whole lists and parts of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from source_sage.api.pages import Envelope, Pages
from source_sage.api.transport import Transport
from source_sage.clock import DAY
from source_sage.comparing.differences import Row, Span
from source_sage.comparing.tables import plain
from source_sage.config import ALL_DATES, Window
from source_sage.counts import Tally
from source_sage.errors import transient_error
from source_sage.lists.rows import RowShaper
from source_sage.lists.rows_to_emit import RowsToEmit, day_of
from source_sage.lists.trial_balance import flat_accounts
from source_sage.streams import StreamFacts

ROWS_A_PAGE: Final = 200
# A part of a list of more pages is told by its number of rows alone, unless every row is wanted.
PAGES_AT_MOST: Final = 50
# A list that is changed while it is read may show a row twice and hide another.
READINGS_AT_MOST: Final = 3


@dataclass(frozen=True)
class Part:
    """Rows of a part of a list.

    Attributes:
        rows: by key, with the fields that are compared.
        total: how many rows there are, as Sage says; None if it does not.
        whole: these are all.
    """

    rows: Mapping[str, Row]
    total: int | None
    whole: bool


class Asked:
    """Asks for one list of one business.

    Args:
        transport: asks Sage.
        business_id: whose.
        facts: the list.
        fields: what is compared of the rows.
        tally: counts the requests.
        pages_at_most: of what is read row by row.
    """

    def __init__(
        self,
        transport: Transport,
        business_id: str,
        facts: StreamFacts,
        fields: Iterable[str],
        tally: Tally,
        pages_at_most: float = PAGES_AT_MOST,
    ) -> None:
        self._transport, self._business_id, self._facts, self._tally = transport, business_id, facts, tally
        self._fields, self._pages_at_most = list(fields), pages_at_most
        shaper = RowShaper(facts.name, facts.schema_)
        self._to_emit = RowsToEmit(facts, business_id, ALL_DATES, shaper)
        # How many days more must be asked for, so that the first and the last day are in.
        self._before = self._after = dt.timedelta()

    def learn_edges(self, day: dt.date) -> bool:
        """Find out whether Sage counts in the very days of a span, by one that has rows; tells whether it does."""
        first = self._page(self._params(Span(day, day + DAY)), 1)[0]
        last = self._page(self._params(Span(day - DAY, day)), 1)[0]
        self._before, self._after = (
            dt.timedelta() if self._is_in(rows, day) or not (self._is_in(first, day) or self._is_in(last, day)) else DAY
            for rows in (first, last)
        )
        return not (self._before or self._after)

    def count(self, span: Span) -> int:
        """How many rows there are of these dates."""
        margins = Span(span.first and span.first - self._before, span.last and span.last + self._after)
        return self._page(self._params(margins), 1)[1].total or 0

    def first(self, span: Span) -> Part:
        """One page of these dates."""
        return self._part(self._params(span), span, 1)

    def all(self, span: Span) -> Part:
        """The rows of these dates; a day more is asked for on each side, and left aside."""
        wider = Span(span.first and span.first - DAY, span.last and span.last + DAY)
        return self._part(self._params(wider), span, self._pages_at_most)

    def since(self, moment: str, span: Span, pages: float = PAGES_AT_MOST) -> Part:
        """The rows of these dates that were changed since a moment; `total` counts all dates."""
        return self._part({"updated_or_created_since": moment}, span, pages)

    def _part(self, params: Mapping[str, str], span: Span, pages_at_most: float) -> Part:
        for _ in range(READINGS_AT_MOST):
            part, stood_still = self._read(params, span, pages_at_most)
            if stood_still or not part.whole:
                return part
        raise transient_error(
            f"{self._facts.name} was changed each of the {READINGS_AT_MOST} times while it was read. Compare it in a "
            "quieter hour."
        )

    def _read(self, params: Mapping[str, str], span: Span, pages_at_most: float) -> tuple[Part, bool]:
        """Read pages; tells whether nothing moved meanwhile, as far as Sage's own counts tell."""
        pages, totals = Pages(ROWS_A_PAGE), list[int | None]()
        rows: dict[str, Row] = {}
        keys: set[str] = set()
        keyed = counted = 0
        window = Window(span.first, span.last)
        while len(totals) < pages_at_most and (number := pages.wanted()) is not None:
            found, envelope = self._page(params, number)
            if pages.take(number, envelope):
                totals.append(envelope.total)
                counted, keyed = counted + envelope.count, keyed + len(found)
                keys |= found.keys()
                rows |= {key: row for key, row in found.items() if self._is_inside(row, window)}
        told = totals[0] if totals else None
        stood_still = not pages.trusted or (set(totals) == {counted} and keyed == len(keys))
        return Part(rows, told, pages.finished), stood_still

    def _is_inside(self, row: Row, window: Window) -> bool:
        if not self._facts.date_field or window == ALL_DATES:
            return True
        day = day_of(row.get(self._facts.date_field))
        return day is not None and window.holds(day)

    def _is_in(self, rows: Mapping[str, Row], day: dt.date) -> bool:
        return any(day_of(row.get(str(self._facts.date_field))) == day for row in rows.values())

    def _params(self, span: Span) -> dict[str, str]:
        if not self._facts.dates:
            return {}
        ends = {"from_date": span.first, "to_date": span.last}
        return {name: one.isoformat() for name, one in ends.items() if one is not None}

    def _page(self, params: Mapping[str, str], number: int) -> tuple[dict[str, Row], Envelope]:
        asked = {
            **self._facts.query,
            **params,
            "attributes": ",".join([*self._fields, "currency" if self._to_emit.key == "currency_id" else "id"]),
            "page": str(number),
            "items_per_page": str(ROWS_A_PAGE),
        }
        answer = self._transport.get(
            self._facts.path, asked, dict, business_id=self._business_id, tally=self._tally, list_expected=True
        )
        rows = self._to_emit.rows(answer.taken["$items"], gone_since=None)
        found: dict[str, Row] = {
            str(row[self._to_emit.key]): {name: _same(row.get(name)) for name in self._fields} for row in rows
        }
        return found, Envelope.of(answer.taken)


def movements(
    transport: Transport, business_id: str, days: Span, tally: Tally, names: dict[str, str]
) -> dict[str, Decimal]:
    """Debits less credits by account, as Sage's trial balance tells them; `names` gets what the accounts are called."""
    assert days.first and days.last
    dates = {"from_date": days.first.isoformat(), "to_date": days.last.isoformat()}
    body = transport.get("/trial_balance", dates, dict, business_id=business_id, tally=tally).taken
    accounts = flat_accounts(body, days.first, days.last)
    names |= {
        str(one["ledger_account_id"]): str(one.get("ledger_account_displayed_as") or one["ledger_account_id"])
        for one in accounts
    }
    return {
        str(one["ledger_account_id"]): Decimal(str(one.get("debit") or 0)) - Decimal(str(one.get("credit") or 0))
        for one in accounts
    }


def _same(value: object) -> object:
    """A shaped value as the warehouse's is compared."""
    if isinstance(value, str) and len(value) > len("YYYY-MM-DD") and value[4:5] == "-" and value[10:11] == "T":
        return f"{value[:19]}Z"
    return plain(value)
