"""The trial balance by month: one request and one row per ledger account for each month of the chosen dates."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from source_sage.reading import Batch, Task
from source_sage.rows import Row


class TrialBalanceReading:
    """Reads Sage's trial balance report, which takes two dates, has no pages and nests its accounts."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def run(self) -> Iterator[Batch]:
        """Read month after month, from the Start Date's month to today's or the End Date's.

        Yields:
            The accounts of one month, flat.
        """
        task = self._task
        today = dt.datetime.now(dt.UTC).date()
        for start, end in months(task.start_date, min(task.window.end or today, today)):
            dates = {"from_date": start.isoformat(), "to_date": end.isoformat()}
            yield task.batch(flat_accounts(task.get(task.facts.path, dates, dict), start, end))


def months(first: dt.date, last: dt.date) -> Iterator[tuple[dt.date, dt.date]]:
    """The first and last day of each month that `first` to `last` touches."""
    start = first.replace(day=1)
    while start <= last:
        following = (start + dt.timedelta(days=31)).replace(day=1)
        yield start, following - dt.timedelta(days=1)
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
