"""The trial balance by month: a request for each month of the chosen dates, a row for each ledger account in it.

The table is overwritten, so every month comes at every sync; but those before the first entry of the books, which are
found by halving: how many ledger entries there are up to a day only grows with that day.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

from source_sage.api.pages import Envelope
from source_sage.api.transport import NoGoodAnswer
from source_sage.clock import DAY
from source_sage.errors import ListRefused
from source_sage.lists.asking import Reader, Steps
from source_sage.lists.rows import Row
from source_sage.lists.task import Task

LEDGER_ENTRIES: Final = "/ledger_entries"
# Of fewer months none is worth a question of its own.
MONTHS_WORTH_A_QUESTION: Final = 3

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
        end = following - DAY
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
        if other := sides if isinstance(balance, dict) else balance:
            rest[field] = other
    return record | {f"account_{name}" if name in record else name: value for name, value in rest.items()}
