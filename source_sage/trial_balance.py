"""The trial balance by month: a request for each month of the chosen dates, a row for each ledger account in it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import partial
from typing import Any

from source_sage.asking import Reader, Steps
from source_sage.rows import Row
from source_sage.task import Task


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
        for start, end in months(task.start_date, task.window.end, task.clock.now().date()):
            dates = {"from_date": start.isoformat(), "to_date": end.isoformat()}
            report = yield from self.answer(partial(task.get, task.facts.path, dates))
            task.hand_on(task.batch(flat_accounts(report.taken, start, end)))


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
