import datetime as dt
from bisect import bisect_left
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_sage.api.transport import Answer
from source_sage.errors import ListRefused
from source_sage.lists.asking import Steps
from source_sage.lists.task import Task
from source_sage.lists.trial_balance import LEDGER_ENTRIES, TrialBalanceReading, flat_accounts, months

DAYS = st.dates(dt.date(1990, 1, 1), dt.date(2060, 12, 31))
START, END = dt.date(2024, 2, 1), dt.date(2024, 2, 29)

ACCOUNT = {
    "id": "4000",
    "displayed_as": "Sales (4000)",
    "$path": "/ledger_accounts/4000",
    "opening_balance": {"debit": "0.0", "credit": "100.0"},
    "debit": "5.0",
    "credit": "25.5",
    "closing_balance": {"debit": "0.0", "credit": "120.5"},
}
ROW = {
    "from_date": "2024-02-01",
    "to_date": "2024-02-29",
    "ledger_account_id": "4000",
    "ledger_account_displayed_as": "Sales (4000)",
    "opening_debit": "0.0",
    "opening_credit": "100.0",
    "debit": "5.0",
    "credit": "25.5",
    "closing_debit": "0.0",
    "closing_credit": "120.5",
}


def spans(first: str, last: str | None, today: str) -> list[tuple[str, str]]:
    end = dt.date.fromisoformat(last) if last else None
    found = months(dt.date.fromisoformat(first), end, dt.date.fromisoformat(today))
    return [(start.isoformat(), end.isoformat()) for start, end in found]


@pytest.mark.parametrize(
    ("first", "last", "today", "expected"),
    [
        # From the Start Date to the end of today's month.
        ("2024-02-10", None, "2024-02-10", [("2024-02-10", "2024-02-29")]),
        ("2023-02-01", None, "2023-02-28", [("2023-02-01", "2023-02-28")]),
        ("2024-01-31", None, "2024-02-01", [("2024-01-31", "2024-01-31"), ("2024-02-01", "2024-02-29")]),
        ("2023-12-15", None, "2024-01-15", [("2023-12-15", "2023-12-31"), ("2024-01-01", "2024-01-31")]),
        # To the End Date, whichever side of today it lies on.
        ("2024-01-05", "2024-02-10", "2026-01-01", [("2024-01-05", "2024-01-31"), ("2024-02-01", "2024-02-10")]),
        ("2024-01-05", "2024-01-09", "2024-01-07", [("2024-01-05", "2024-01-09")]),
        ("2024-01-05", "2024-01-05", "2026-01-01", [("2024-01-05", "2024-01-05")]),
        ("2024-01-05", "2024-06-30", "2024-02-03", [("2024-01-05", "2024-01-31"), ("2024-02-01", "2024-02-29")]),
        ("2024-01-05", "2024-02-20", "2024-02-03", [("2024-01-05", "2024-01-31"), ("2024-02-01", "2024-02-20")]),
        # A Start Date in the future has no months yet.
        ("2024-02-01", None, "2024-01-31", []),
    ],
)
def test_months_run_from_start_to_end_date_and_no_further_than_this_month(
    first: str, last: str | None, today: str, expected: list[tuple[str, str]]
) -> None:
    assert spans(first, last, today) == expected


@given(st.tuples(DAYS, DAYS).map(sorted), st.one_of(st.none(), DAYS))
def test_months_follow_each_other_without_gap_or_overlap(days: list[dt.date], end: dt.date | None) -> None:
    first, today = days
    found = list(months(first, end, today))
    last = min(end or today, today)
    assert bool(found) == (first <= last)
    if found:
        assert found[0][0] == first
        assert found[-1][0] <= last <= found[-1][1] <= (end or dt.date.max)
        assert len(found) == (last.year - first.year) * 12 + last.month - first.month + 1
        assert all(start <= stop and (start.year, start.month) == (stop.year, stop.month) for start, stop in found)
        assert [stop + dt.timedelta(days=1) for _, stop in found[:-1]] == [start for start, _ in found[1:]]


@pytest.mark.parametrize(
    "body",
    [
        {"trial_balance": {"from_date": "2024-02-01", "ledger_accounts": [ACCOUNT]}},
        {"from_date": "2024-02-01", "ledger_accounts": [ACCOUNT]},
    ],
)
def test_accounts_are_read_from_both_shapes_of_the_report(body: dict[str, Any]) -> None:
    assert flat_accounts(body, START, END) == [ROW]


def test_accounts_keep_their_order() -> None:
    body = {"ledger_accounts": [ACCOUNT | {"id": one} for one in ("3", "1", "2")]}
    assert [row["ledger_account_id"] for row in flat_accounts(body, START, END)] == ["3", "1", "2"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"trial_balance": None},
        {"trial_balance": {}},
        {"ledger_accounts": None},
        {"trial_balance": {"ledger_accounts": []}},
    ],
)
def test_a_month_without_accounts_has_no_rows(body: dict[str, Any]) -> None:
    assert flat_accounts(body, START, END) == []


@pytest.mark.parametrize("balance", [None, {}])
def test_an_account_without_balances_has_empty_ones(balance: dict[str, str] | None) -> None:
    account = {"id": "4000", "opening_balance": balance, "closing_balance": balance}
    [row] = flat_accounts({"ledger_accounts": [account]}, START, END)
    empty = {name: None for name in ROW if name not in ("from_date", "to_date", "ledger_account_id")}
    assert row == {name: ROW[name] for name in ("from_date", "to_date", "ledger_account_id")} | empty


# Months before the books begin

TODAY = dt.date(2026, 11, 23)


class Books:
    """A business whose ledger entries have these dates, and what it is asked.

    Args:
        days: sorted dates of its entries.
        inclusive: whether a `to_date` is counted in.
        refuses: what it refuses, by path.
        total: whether it tells a `$total`.
    """

    def __init__(self, days: list[dt.date], *, inclusive: bool = True, refuses: str = "", total: bool = True) -> None:
        self.days, self.inclusive, self.refuses, self.total = days, inclusive, refuses, total
        self.questions = 0
        self.months: list[str] = []

    def get(self, path: str, params: dict[str, str]) -> Answer[dict[str, Any]]:
        body: dict[str, Any] = {}
        if path == self.refuses:
            raise ListRefused(403, "AccessDenied", "no")
        if path == LEDGER_ENTRIES:
            self.questions += 1
            until = dt.date.fromisoformat(params["to_date"]) + dt.timedelta(days=self.inclusive)
            count = bisect_left(self.days, until)
            body = {"$items": [{}] * min(count, int(params["items_per_page"]))} | (
                {"$total": count} if self.total else {}
            )
        else:
            self.months.append(params["from_date"])
        return Answer(body, dt.datetime.now(dt.UTC), 0.0, 0)

    def read(self, start: dt.date) -> None:
        task = SimpleNamespace(
            facts=SimpleNamespace(path="/trial_balance"),
            start_date=start,
            window=SimpleNamespace(end=None),
            clock=SimpleNamespace(now=lambda: dt.datetime.combine(TODAY, dt.time(), dt.UTC)),
            get=self.get,
            batch=lambda rows: rows,
            hand_on=lambda batch: None,
        )
        reader = TrialBalanceReading(cast(Task, task))
        steps: Steps[None] = reader.run()
        for _ in steps:
            ask = reader.wanted()
            assert ask is not None
            ask.run()
            reader.came(ask)


@given(st.dates(dt.date(1900, 1, 1), TODAY), st.lists(st.dates(dt.date(1900, 1, 1), TODAY)).map(sorted), st.booleans())
def test_no_month_with_entries_is_left_out_and_few_without_are_asked(
    start: dt.date, days: list[dt.date], inclusive: bool
) -> None:
    books = Books(days, inclusive=inclusive)
    books.read(start)
    every = [first for first, _ in months(start, None, TODAY)]
    asked = [dt.date.fromisoformat(one) for one in books.months]
    assert asked == every[len(every) - len(asked) :], "all months from some month on"
    inside = [day for day in days if day >= start]
    assert not inside or asked[0] <= max(start, inside[0].replace(day=1))
    if not days:
        assert len(asked) == 1 or len(every) < 3
    elif days[0] >= start:  # at most the month before, whose end may or may not be counted in
        assert len(every) < 3 or days[0] - asked[0] <= dt.timedelta(days=62)
    assert books.questions <= 12


def test_books_that_begin_late_cost_a_few_questions_instead_of_a_thousand_months() -> None:
    books = Books([dt.date(2024, 3, 5)])
    books.read(dt.date(1900, 1, 1))
    assert (books.months[0], len(books.months)) == ("2024-03-01", 33)
    assert books.questions <= 12


def test_books_that_were_there_before_cost_one_question() -> None:
    books = Books([dt.date(2019, 3, 5)])
    books.read(dt.date(2024, 1, 1))
    assert (books.months[0], books.questions) == ("2024-01-01", 1)


@pytest.mark.parametrize("books", [Books([], refuses=LEDGER_ENTRIES), Books([], total=False)])
def test_where_nobody_tells_every_month_is_asked(books: Books) -> None:
    books.read(dt.date(2020, 1, 1))
    assert len(books.months) == 83


def test_a_report_that_is_refused_is_refused_as_a_whole_whatever_was_asked_before() -> None:
    with pytest.raises(ListRefused):
        Books([dt.date(2019, 3, 5)], refuses="/trial_balance").read(dt.date(2024, 1, 1))


@pytest.mark.parametrize(
    ("body", "field", "value"),
    [
        ({"trial_balance": "x"}, "trial_balance", "x"),
        ({"trial_balance": [1]}, "trial_balance", [1]),
        ({"ledger_accounts": {"a": 1}}, "ledger_accounts", {"a": 1}),
        ({"ledger_accounts": "x"}, "ledger_accounts", "x"),
        ({"ledger_accounts": ["x", {"id": None, "debit": 5}]}, "ledger_accounts", ["x", {"id": None, "debit": 5}]),
    ],
)
def test_what_is_no_account_has_a_row_of_its_own(body: dict[str, Any], field: str, value: Any) -> None:
    head = {"from_date": "2024-02-01", "to_date": "2024-02-29", "ledger_account_id": "*"}
    assert flat_accounts(body, START, END) == [{**head, field: value}]


def test_odd_accounts_leave_the_others_alone() -> None:
    rows = flat_accounts({"ledger_accounts": [ACCOUNT, "x", ACCOUNT | {"id": "5"}]}, START, END)
    assert [row["ledger_account_id"] for row in rows] == ["4000", "5", "*"]


@pytest.mark.parametrize("balance", ["x", 5, ["1"], {"debit": "1.0", "new": 5}])
def test_what_an_account_has_beside_or_in_another_form_stands_under_its_own_name(balance: Any) -> None:
    account = ACCOUNT | {"opening_balance": balance, "new": 1, "from_date": "of the account"}
    [row] = flat_accounts({"ledger_accounts": [account]}, START, END)
    known = isinstance(balance, dict)
    assert row == {
        **ROW,
        "opening_debit": "1.0" if known else None,
        "opening_credit": None,
        "opening_balance": {"new": 5} if known else balance,
        "new": 1,
        "account_from_date": "of the account",
    }
