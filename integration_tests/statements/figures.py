"""What the statements say, as tables of text and series of numbers. Asks the marts alone."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import duckdb

MONTHS_SHOWN: Final = 6
SCHEMA: Final = "statements"
AGES: Final = ("not due", "1-30 days", "31-60 days", "61-90 days", "over 90 days")
NOTHING: Final = Decimal(0)

Cells = dict[str, Decimal]


@dataclass(frozen=True)
class Table:
    """A table of amounts.

    Attributes:
        title: what it is.
        columns: of amounts.
        rows: caption, amounts by column, and whether it is a total.
    """

    title: str
    columns: list[str]
    rows: list[tuple[str, Cells, bool]]

    def lines(self) -> list[str]:
        """As text with aligned columns."""
        captions = max([len(caption) for caption, _, _ in self.rows] + [10])
        out = [" " * captions + "".join(f"{column:>15}" for column in self.columns)]
        for caption, cells, _ in self.rows:
            amounts = "".join(f"{cells.get(column, NOTHING):>15,.2f}" for column in self.columns)
            out.append(f"{caption:<{captions}}{amounts}")
        return ["  " + line for line in out]


@dataclass(frozen=True)
class Series:
    """Numbers by month, for a plot."""

    months: list[dt.date]
    values: dict[str, list[float]]


@dataclass
class Book:
    """The statements of one business."""

    business_id: str
    name: str
    currency: str
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
    """

    name: str
    verdict: str
    is_statement: bool


def proofs(results: dict[str, Any]) -> list[Proof]:
    """The tests of dbt's run_results.json, those of the statements first."""
    words = {"pass": "proven", "warn": "not checked", "skipped": "not run"}
    found = []
    for one in results["results"]:
        kind, _, *names = one["unique_id"].split(".")
        if kind in {"test", "unit_test"}:
            # dbt gives generic tests a hash behind the name, and unit tests their model before it.
            own = len(names) == 1
            name = names[-1] if kind == "unit_test" else names[0]
            found.append(Proof(name, words.get(one["status"], "DIFFERS"), own))
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

    (last,) = ask(
        "SELECT month FROM dim_date WHERE business_id = ? AND date_day = least(current_date, (SELECT "
        "max(date_day) FROM dim_date AS d WHERE d.business_id = dim_date.business_id))"
    )[0]
    book = Book(business, name or business, currency or "its own currency")
    results = ask(
        "SELECT month, fiscal_year_end, section, section_order, sum(amount) FROM profit_and_loss "
        "WHERE business_id = ? GROUP BY ALL ORDER BY section_order"
    )
    months = sorted({row[0] for row in results})
    shown = [month for month in months if month <= last][-MONTHS_SHOWN:]
    years = sorted({row[1] for row in results})
    book.tables = [
        _profit_and_loss("Profit and loss by financial year", [(row[1], *row[2:]) for row in results], years, "to {}"),
        _profit_and_loss("Profit and loss by month", [(row[0], *row[2:]) for row in results], shown, "{:.7}"),
    ]
    sheet = ask(
        "SELECT month_end, side, section, section_order, sum(amount), sum(balance) FROM balance_sheet "
        "WHERE business_id = ? GROUP BY ALL ORDER BY section_order"
    )
    ends = {row[0] for row in sheet}
    chosen = sorted({*(year for year in years if year in ends), max(end for end in ends if end.replace(day=1) <= last)})
    book.tables.append(_balance_sheet(sheet, chosen))
    aged = ask("SELECT as_of, age, sum(base_outstanding) FROM ar_aging WHERE business_id = ? GROUP BY ALL")
    dates = sorted({row[0] for row in aged})
    recent = [day for day in dates if day.replace(day=1) <= last][-MONTHS_SHOWN:]
    book.tables.append(_ages(aged, recent))
    book.results = Series(months, {"Revenue": _sums(results, months, "Income"), "Profit": _sums(results, months, None)})
    cash = dict(
        ask("SELECT month_end, sum(amount) FROM balance_sheet WHERE business_id = ? AND section = 'Bank' GROUP BY ALL")
    )
    book.cash = Series(sorted(cash), {"Bank": [float(cash[day]) for day in sorted(cash)]})
    by_age = {(row[0], row[1]): float(row[2]) for row in aged}
    book.ages = Series(dates, {age: [by_age.get((day, age), 0.0) for day in dates] for age in AGES})
    return book


def _sums(rows: list[Any], months: list[dt.date], section: str | None) -> list[float]:
    sums = dict.fromkeys(months, NOTHING)
    for month, _, name, _, amount in rows:
        if section in (None, name):
            sums[month] += amount
    return [float(sums[month]) for month in months]


def _profit_and_loss(title: str, rows: list[Any], columns: list[dt.date], form: str) -> Table:
    heads = {day: form.format(day.isoformat()) for day in columns}
    sections: dict[str, Cells] = {}
    total: Cells = dict.fromkeys(heads.values(), NOTHING)
    gross: Cells = dict.fromkeys(heads.values(), NOTHING)
    for day, section, _, amount in rows:
        cells = sections.setdefault(section, {})
        if day in heads:
            cells[heads[day]] = cells.get(heads[day], NOTHING) + amount
            total[heads[day]] += amount
            if section in ("Income", "Cost of sales"):
                gross[heads[day]] += amount
    out: list[tuple[str, Cells, bool]] = [(section, cells, False) for section, cells in sections.items()]
    after = 1 + max(
        (place for place, (name, _, _) in enumerate(out) if name in ("Income", "Cost of sales")), default=-1
    )
    out.insert(after, ("Gross profit", gross, True))
    return Table(title, list(heads.values()), [*out, ("Profit", total, True)])


def _balance_sheet(rows: list[Any], columns: list[dt.date]) -> Table:
    heads = {day: day.isoformat() for day in columns}
    out: list[tuple[str, Cells, bool]] = []
    check: Cells = dict.fromkeys(heads.values(), NOTHING)
    for side in ("assets", "liabilities", "equity"):
        sections: dict[str, Cells] = {}
        total: Cells = dict.fromkeys(heads.values(), NOTHING)
        for day, its_side, section, _, amount, balance in rows:
            if its_side == side and day in heads:
                sections.setdefault(section, {})[heads[day]] = amount
                total[heads[day]] += amount
                check[heads[day]] += balance
        out += [(section, cells, False) for section, cells in sections.items()]
        out.append((f"Total {side}", total, True))
    out.append(("Check: assets less liabilities and equity", check, True))
    return Table("Balance sheet", list(heads.values()), out)


def _ages(rows: list[Any], columns: list[dt.date]) -> Table:
    heads = {day: day.isoformat() for day in columns}
    cells: dict[str, Cells] = {age: {} for age in AGES}
    total: Cells = dict.fromkeys(heads.values(), NOTHING)
    for day, age, amount in rows:
        if day in heads:
            cells[age][heads[day]] = amount
            total[heads[day]] += amount
    out: list[tuple[str, Cells, bool]] = [(age, cells[age], False) for age in AGES]
    return Table("Aged receivables, at the end of", list(heads.values()), [*out, ("Owed by customers", total, True)])
