"""The trial balance by month: a request for each month of the chosen dates, a row for each ledger account in it.

The table is overwritten, so every month comes at every sync; but those before the first entry of the books, which are
found by halving: how many ledger entries there are up to a day only grows with that day.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

from source_sage.asking import Reader, Steps
from source_sage.errors import ListRefused
from source_sage.pages import Envelope
from source_sage.rows import Row
from source_sage.task import Task
from source_sage.transport import NoGoodAnswer

LEDGER_ENTRIES: Final = "/ledger_entries"
DAY: Final = dt.timedelta(days=1)
# Of fewer months none is worth a question of its own.
MONTHS_WORTH_A_QUESTION: Final = 3


class TrialBalanceReading(Reader):
    """Reads Sage's trial balance report, which takes two dates, has no pages and nests its accounts."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self._task = task

    def run(self) -> Steps[None]:
        """Read month after month, from the Start Date to today's month or the End Date.

        The first month begins with the Start Date and the last ends with the End Date, as all activity does, so that
        the rows equal the ledger entries that are read. Historical data adds no months: nobody can tell where the
        books begin, and the opening balances of the first month hold all that was before.
        """
        task = self._task
        every = list(months(task.start_date, task.window.end, task.clock.now().date()))
        first = yield from self._first_with_entries(every)
        for start, end in every[first:]:
            dates = {"from_date": start.isoformat(), "to_date": end.isoformat()}
            report = yield from self.answer(partial(task.get, task.facts.path, dates))
            task.hand_on(task.batch(flat_accounts(report.taken, start, end)))

    def _first_with_entries(self, every: Sequence[tuple[dt.date, dt.date]]) -> Steps[int]:
        """The place of the first month up to whose end there are entries; the last one's if there are none at all.

        The first month is asked about first: most connections begin when the books were there already.
        """
        low, high = 0, len(every) - 1
        middle = 0
        while low < high and len(every) >= MONTHS_WORTH_A_QUESTION:
            has_entries = yield from self._has_entries(every[middle][1])
            if has_entries is None:
                return 0
            low, high = (low, middle) if has_entries else (middle + 1, high)
            middle = (low + high) // 2
        return low

    def _has_entries(self, day: dt.date) -> Steps[bool | None]:
        """Tell whether there are ledger entries up to a day; None if this business may not know.

        A day more is asked for: whether Sage counts it in is not known.
        """
        task = self._task
        until = min(day, dt.date.max - DAY) + DAY
        ask = partial(task.get, LEDGER_ENTRIES, {"to_date": until.isoformat(), "page": "1", "items_per_page": "1"})
        try:
            answer = yield from self.answer(ask)
        except (ListRefused, NoGoodAnswer):
            return None
        finally:
            self.was_given = False  # of the report itself
        items = answer.taken.get("$items")
        total = Envelope.of(answer.taken).total if isinstance(items, list) else None
        return None if total is None else total > 0 or bool(items)


def months(first: dt.date, last: dt.date | None, today: dt.date) -> Iterator[tuple[dt.date, dt.date]]:
    """The first and last day of each month to ask for.

    Args:
        first: where the first month begins.
        last: where the last month ends; None for an open end.
        today: no month after this day's is asked for; this month's end is, since entries can be dated ahead.
    """
    start = first
    while start <= min(last or today, today):
        following = (start.replace(day=1) + dt.timedelta(days=31)).replace(day=1)
        end = following - dt.timedelta(days=1)
        yield start, min(end, last or end)
        start = following


def flat_accounts(body: dict[str, Any], start: dt.date, end: dt.date) -> list[Row]:
    """One record per account of the report.

    Args:
        body: the answer. Sage's description nests it in `trial_balance`, its sample does not; both are read.
        start, end: the month asked for.
    """
    report = body.get("trial_balance") or body
    return [
        {
            "from_date": start.isoformat(),
            "to_date": end.isoformat(),
            "ledger_account_id": account.get("id"),
            "ledger_account_displayed_as": account.get("displayed_as"),
            "opening_debit": (account.get("opening_balance") or {}).get("debit"),
            "opening_credit": (account.get("opening_balance") or {}).get("credit"),
            "debit": account.get("debit"),
            "credit": account.get("credit"),
            "closing_debit": (account.get("closing_balance") or {}).get("debit"),
            "closing_credit": (account.get("closing_balance") or {}).get("credit"),
        }
        for account in report.get("ledger_accounts") or []
        if isinstance(account, dict)
    ]
