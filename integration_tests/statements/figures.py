"""What the statements say, as tables of text and series of numbers. Asks the marts alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NamedTuple

import duckdb

MONTHS_SHOWN: Final = 6
CUSTOMERS_SHOWN: Final = 10
SCHEMA: Final = "statements"
AGES: Final = ("not due", "1-30 days", "31-60 days", "61-90 days", "over 90 days")
NOTHING: Final = Decimal(0)
NEGATIVE: Final = "Credit notes and payments on account that are not set against anything yet are negative."

Cells = dict[str, Decimal]


class Row(NamedTuple):
    """A row of a table.

    Attributes:
        caption: what it is.
        cells: amounts by column.
        kind: `total`, `line`, or `part` of the line below it, which the page shows and the terminal leaves out.
    """

    caption: str
    cells: Cells
    kind: str = "line"


@dataclass(frozen=True)
class Table:
    """A table of amounts.

    Attributes:
        title: what it is.
        columns: of amounts.
        rows: from the top down.
        notes: what one should know to read it right.
    """

    title: str
    columns: list[str]
    rows: list[Row]
    notes: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """As text with aligned columns."""
        shown = [row for row in self.rows if row.kind != "part"]
        captions = max([len(row.caption) for row in shown] + [10])
        out = [" " * captions + "".join(f"{column:>15}" for column in self.columns)]
        for row in shown:
            amounts = "".join(f"{row.cells.get(column, NOTHING):>15,.2f}" for column in self.columns)
            out.append(f"{row.caption:<{captions}}{amounts}")
        return ["  " + line for line in out + self.notes]


@dataclass(frozen=True)
class Series:
    """Numbers by month, for a plot, dated ahead included."""

    months: list[dt.date]
    values: dict[str, list[float]]


@dataclass
class Book:
    """The statements of one business.

    Attributes:
        until: the last day that the tables show: what is dated after this month is left out of them.
    """

    business_id: str
    name: str
    currency: str
    until: dt.date
    tables: list[Table] = field(default_factory=list)
    results: Series = field(default_factory=lambda: Series([], {}))
    cash: Series = field(default_factory=lambda: Series([], {}))
    ages: Series = field(default_factory=lambda: Series([], {}))


@dataclass(frozen=True)
class Proof:
    """How one test ended.

    Attributes:
        name: of the test.
        verdict: proven, not checked, or DIFFERS.
        is_statement: whether it holds a statement against something, rather than a key or a reference.
        words: what it proves, as the package describes it.
    """

    name: str
    verdict: str
    is_statement: bool
    words: str = ""


def proofs(results: dict[str, Any], manifest: dict[str, Any]) -> list[Proof]:
    """The tests of dbt's run_results.json, those of the statements first; words are from its manifest.json."""
    words = {"pass": "proven", "warn": "not checked", "skipped": "not run"}
    found = []
    for one in results["results"]:
        kind, _, *names = one["unique_id"].split(".")
        if kind in {"test", "unit_test"}:
            # dbt gives generic tests a hash behind the name, and unit tests their model before it.
            own = len(names) == 1
            name = names[-1] if kind == "unit_test" else names[0]
            told = manifest["nodes"].get(one["unique_id"], {}).get("description", "")
            found.append(Proof(name, words.get(one["status"], "DIFFERS"), own, told))
    return sorted(found, key=lambda proof: (not proof.is_statement, proof.name))


def books(connection: duckdb.DuckDBPyConnection) -> list[Book]:
    """The statements of each business that has postings."""
    connection.execute(f"SET schema = '{SCHEMA}'")
    names = connection.execute(
        "SELECT business_id, business_name, base_currency_id FROM int_sage__businesses "
        "WHERE first_posting IS NOT NULL ORDER BY business_name, business_id"
    ).fetchall()
    return [_book(connection, *row) for row in names]


def _book(connection: duckdb.DuckDBPyConnection, business: str, name: str | None, currency: str | None) -> Book:
    def ask(query: str) -> list[Any]:
        return list(connection.execute(query, [business]).fetchall())

    (last, until) = ask(
        "SELECT month, month_end FROM dim_date WHERE business_id = ? AND date_day = least(current_date, (SELECT "
        "max(date_day) FROM dim_date AS d WHERE d.business_id = dim_date.business_id))"
    )[0]
    book = Book(business, name or business, currency or "its own currency", until)
    # Each column's day, what it stands for, section, account, amount.
    results = ask(
        "SELECT month, fiscal_year_end, section, account_name, amount FROM profit_and_loss "
        "WHERE business_id = ? ORDER BY section_order, nominal_code, account_name"
    )
    months = sorted({row[0] for row in results})
    passed = [row for row in results if row[0] <= last]
    years = sorted({row[1] for row in passed})
    ahead = sum((row[4] for row in results if row[0] > last), NOTHING)
    notes = ["Costs are negative."]
    ((began, first_year),) = ask("SELECT min(date_day), min(fiscal_year_start) FROM dim_date WHERE business_id = ?")
    if first_year < began:
        notes.append(f"The books begin in {began:%Y-%m}: the first column is no whole year.")
    if years[-1:] > [until]:
        notes.append(f"The year that ends on {years[-1]} is under way: its column goes to {until}.")
    if ahead:
        notes.append(f"Dated after {until} and left out: a result of {ahead:,.2f}.")
    ends = {year: min(year, until) for year in years}
    by_year = [(ends[row[1]], *row[2:]) for row in passed]
    by_month = [(row[0], *row[2:]) for row in passed]
    book.tables = [
        _profit_and_loss("Profit and loss by financial year", by_year, sorted(ends.values()), "to {}", notes),
        _profit_and_loss("Profit and loss by month", by_month, months_of(by_month)[-MONTHS_SHOWN:], "{:.7}", notes[:1]),
    ]
    sheet = ask(
        "SELECT month_end, side, section, line_name, amount, balance FROM balance_sheet "
        "WHERE business_id = ? ORDER BY section_order, nominal_code, line_name"
    )
    # A year that ends within a month has no balance sheet of its own: those of months' ends are shown.
    sheets = {row[0] for row in sheet}
    book.tables.append(_balance_sheet(sheet, sorted({*(end for end in ends.values() if end in sheets), until})))
    aged = ask("SELECT as_of, age, sum(base_outstanding) FROM ar_aging WHERE business_id = ? GROUP BY ALL")
    dates = months_of(aged)
    book.tables.append(_ages(aged, [day for day in dates if day <= until][-MONTHS_SHOWN:]))
    owing = ask(
        "SELECT coalesce(contact_name, contact_id), age, sum(base_outstanding) FROM ar_aging "
        f"WHERE business_id = ? AND as_of = '{until}' GROUP BY ALL"
    )
    book.tables.append(_owing(owing, until))
    by_section = [(row[0], row[2], row[4]) for row in results]
    book.results = Series(
        months, {"Revenue": _sums(by_section, months, "Income"), "Profit": _sums(by_section, months, None)}
    )
    cash = dict(
        ask("SELECT month_end, sum(amount) FROM balance_sheet WHERE business_id = ? AND section = 'Bank' GROUP BY ALL")
    )
    book.cash = Series(sorted(cash), {"Bank": [float(cash[day]) for day in sorted(cash)]})
    by_age = {(row[0], row[1]): float(row[2]) for row in aged}
    book.ages = Series(dates, {age: [by_age.get((day, age), 0.0) for day in dates] for age in AGES})
    return book


def months_of(rows: list[Any]) -> list[dt.date]:
    """The days in the first column, each once."""
    return sorted({row[0] for row in rows})


def _sums(rows: list[Any], months: list[dt.date], section: str | None) -> list[float]:
    sums = dict.fromkeys(months, NOTHING)
    for month, name, amount in rows:
        if section in (None, name):
            sums[month] += amount
    return [float(sums[month]) for month in months]


def _sections(rows: list[Any], heads: dict[Any, str]) -> dict[str, list[Row]]:
    """Each section's accounts that have something to show, and its sum, of rows (day, section, account, amount)."""
    parts: dict[str, dict[str, Cells]] = {}
    for day, section, account, amount in rows:
        accounts = parts.setdefault(section, {})
        if day in heads:
            cells = accounts.setdefault(account, {})
            cells[heads[day]] = cells.get(heads[day], NOTHING) + amount
    return {
        section: [
            *(Row(account, cells, "part") for account, cells in accounts.items() if any(cells.values())),
            Row(section, _added(accounts.values(), heads)),
        ]
        for section, accounts in parts.items()
    }


def _added(several: Iterable[Cells], heads: dict[Any, str]) -> Cells:
    rows = list(several)
    return {head: sum((cells.get(head, NOTHING) for cells in rows), NOTHING) for head in heads.values()}


def _profit_and_loss(title: str, rows: list[Any], columns: list[dt.date], form: str, notes: list[str]) -> Table:
    heads = {day: form.format(day.isoformat()) for day in columns}
    sections = _sections(rows, heads)
    sums = {section: its[-1].cells for section, its in sections.items()}
    direct = [section for section in sections if section in ("Income", "Cost of sales")]
    out = [row for section in direct for row in sections[section]]
    out.append(Row("Gross profit", _added((sums[section] for section in direct), heads), "total"))
    out += [row for section in sections if section not in direct for row in sections[section]]
    return Table(title, list(heads.values()), [*out, Row("Profit", _added(sums.values(), heads), "total")], notes)


def _balance_sheet(rows: list[Any], columns: list[dt.date]) -> Table:
    heads = {day: day.isoformat() for day in columns}
    out: list[Row] = []
    for side in ("assets", "liabilities", "equity"):
        sections = _sections([(day, *row, amount) for day, its, *row, amount, _ in rows if its == side], heads)
        # What is one line is not said twice.
        out += [row for name, its in sections.items() for row in (its if name != its[0].caption else its[-1:])]
        out.append(Row(f"Total {side}", _added((its[-1].cells for its in sections.values()), heads), "total"))
    check = [{heads[day]: balance} for day, *_, balance in rows if day in heads]
    out.append(Row("Check: assets less liabilities and equity", _added(check, heads), "total"))
    return Table("Balance sheet", list(heads.values()), out)


def _ages(rows: list[Any], columns: list[dt.date]) -> Table:
    heads = {day: day.isoformat() for day in columns}
    cells = {age: {heads[day]: amount for day, its, amount in rows if its == age and day in heads} for age in AGES}
    out = [Row(age, cells[age]) for age in AGES]
    total = Row("Owed by customers", _added(cells.values(), heads), "total")
    return Table("Aged receivables, at the end of", list(heads.values()), [*out, total], [NEGATIVE])


def _owing(rows: list[Any], day: dt.date) -> Table:
    """Customers by how old their debts are, those who owe most first."""
    customers: dict[str, Cells] = {}
    for customer, age, amount in rows:
        customers.setdefault(customer, {})[age] = amount
    ordered = sorted(customers.items(), key=lambda one: (-sum(one[1].values()), one[0]))
    heads = {age: age for age in AGES}
    shown = ordered[:CUSTOMERS_SHOWN]
    if others := [cells for _, cells in ordered[CUSTOMERS_SHOWN:]]:
        shown.append((f"{len(others)} others", _added(others, heads)))
    out = [Row(customer, {**cells, "total": sum(cells.values(), NOTHING)}) for customer, cells in shown]
    sums = _added((row.cells for row in out), {**heads, "total": "total"})
    title = f"Aged receivables by customer, {day.isoformat()}"
    return Table(title, [*AGES, "total"], [*out, Row("Owed by customers", sums, "total")], [NEGATIVE])
