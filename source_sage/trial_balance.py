"""The trial balance by month: a request for each month of the chosen dates, a row for each ledger account in it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import partial
from typing import Any, Final

from source_sage.asking import Reader, Steps
from source_sage.rows import Row
from source_sage.task import Task

# Stands for no account, so that what came in place of accounts has a row to be in.
NO_ACCOUNT: Final = "*"


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

    Returns:
        What an account has beside what is known of it, or in another form, stands under its own name: the shaper tells
        of it and passes it on. So does, in a record whose account is `*`, what is no account or no list of accounts.
    """
    dates = {"from_date": start.isoformat(), "to_date": end.isoformat()}
    report = body.get("trial_balance") or body
    if not isinstance(report, dict):
        return [{**dates, "ledger_account_id": NO_ACCOUNT, "trial_balance": report}]
    accounts = report.get("ledger_accounts") or []
    known = [one for one in accounts if _is_account(one)] if isinstance(accounts, list) else []
    records = [_flat(account, dates) for account in known]
    odd = [one for one in accounts if not _is_account(one)] if isinstance(accounts, list) else accounts
    return [*records, {**dates, "ledger_account_id": NO_ACCOUNT, "ledger_accounts": odd}] if odd else records


def _is_account(one: Any) -> bool:
    return isinstance(one, dict) and type(one.get("id")) in (str, int) and one["id"] != ""


def _flat(account: dict[str, Any], dates: Row) -> Row:
    rest = {name: value for name, value in account.items() if not name.startswith("$")}
    record = {
        **dates,
        "ledger_account_id": rest.pop("id"),
        "ledger_account_displayed_as": rest.pop("displayed_as", None),
        "debit": rest.pop("debit", None),
        "credit": rest.pop("credit", None),
    }
    for when in ("opening", "closing"):
        field = f"{when}_balance"
        balance = rest.pop(field, None)
        sides = dict(balance) if isinstance(balance, dict) else {}
        record |= {f"{when}_{side}": sides.pop(side, None) for side in ("debit", "credit")}
        if left := sides if isinstance(balance, dict) else balance:
            rest[field] = left
    return record | {f"account_{name}" if name in record else name: value for name, value in rest.items()}
