"""The statements as one HTML file: tables, plots and what proved them. It needs no network and may not use any."""

from __future__ import annotations

from html import escape
from typing import Final

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from integration_tests.statements.figures import AGES, Book, Proof, Table

# The browser itself refuses what is not in the file.
_POLICY: Final = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
)
_STYLE: Final = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1d2733; max-width: 1080px; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem; margin-bottom: .2rem } h2 { font-size: 1.1rem; margin-top: 2rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100% }
th, td { text-align: right; padding: .2rem .6rem; border-bottom: 1px solid #e4e8ed }
th:first-child, td:first-child { text-align: left }
tr.total td { font-weight: 600; border-top: 1px solid #7a8794 }
tr.part td { color: #5b6775; font-size: .9em } tr.part td:first-child { padding-left: 1.8rem }
.note { color: #5b6775; margin: .4rem 0 } .scroll { overflow-x: auto } td, th { white-space: nowrap }
.proven { color: #14713c } .open { color: #8a5a00 } .wrong { color: #b3261e; font-weight: 600 }
.plots { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem } .plots > div:first-child { grid-column: span 2 }
"""
_COLOURS: Final = ("#2f6db5", "#16794c", "#7fb069", "#e6b23c", "#e07a3f", "#b3261e")


def page(books: list[Book], proofs: list[Proof]) -> str:
    """The whole page."""
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Statements</title>',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        f"<style>{_STYLE}</style><script>{get_plotlyjs()}</script></head><body>",
    ]
    for book in books:
        parts.append(f"<h1>{escape(book.name)}</h1>")
        parts.append(
            f"<p>Amounts in {escape(book.currency)}, to {book.until.isoformat()}; plots with what is dated ahead.</p>"
        )
        parts.append(f'<div class="plots">{"".join(_plots(book))}</div>')
        parts += [_table(table) for table in book.tables]
    parts.append(_proofs(proofs))
    parts.append("</body></html>")
    return "".join(parts)


def _plots(book: Book) -> list[str]:
    months = [day.isoformat() for day in book.results.months]
    results = go.Figure(
        [
            go.Bar(name="Revenue", x=months, y=book.results.values["Revenue"], marker_color=_COLOURS[0]),
            go.Scatter(name="Profit", x=months, y=book.results.values["Profit"], line={"color": _COLOURS[5]}),
        ]
    )
    cash = go.Figure(
        go.Scatter(
            x=[day.isoformat() for day in book.cash.months],
            y=book.cash.values["Bank"],
            fill="tozeroy",
            line={"color": _COLOURS[1]},
        )
    )
    days = [day.isoformat() for day in book.ages.months]
    ages = go.Figure(
        [
            go.Bar(name=age, x=days, y=book.ages.values[age], marker_color=colour)
            for age, colour in zip(AGES, _COLOURS[1:], strict=True)
        ]
    )
    ages.update_layout(barmode="relative")
    titles = {"Revenue and profit by month": results, "Cash at the bank": cash, "Owed by customers, by age": ages}
    out = []
    for title, figure in titles.items():
        figure.update_layout(
            title=title,
            template="plotly_white",
            height=340,
            margin={"l": 50, "r": 10, "t": 50, "b": 40},
            legend={"orientation": "h"},
        )
        # Where the tables end.
        if max(book.results.months, default=book.until) > book.until:
            figure.add_vline(x=book.until.isoformat(), line={"color": "#7a8794", "dash": "dot"})
        out.append(figure.to_html(full_html=False, include_plotlyjs=False, config={"displayModeBar": False}))
    return [f"<div>{one}</div>" for one in out]


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(column)}</th>" for column in table.columns)
    rows = []
    for row in table.rows:
        amounts = "".join(f"<td>{row.cells.get(column, 0):,.2f}</td>" for column in table.columns)
        rows.append(f'<tr class="{row.kind}"><td>{escape(row.caption)}</td>{amounts}</tr>')
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in table.notes)
    grid = f"<table><tr><th></th>{head}</tr>{''.join(rows)}</table>"
    return f'<h2>{escape(table.title)}</h2><div class="scroll">{grid}</div>{notes}'


def _proofs(proofs: list[Proof]) -> str:
    classes = {"proven": "proven", "DIFFERS": "wrong"}
    items = "".join(
        f'<li class="{classes.get(proof.verdict, "open")}">{proof.verdict}: {escape(proof.name.replace("_", " "))}. '
        f"{escape(proof.words)}</li>"
        for proof in proofs
        if proof.is_statement or proof.verdict != "proven"
    )
    others = [proof for proof in proofs if not proof.is_statement]
    passed = sum(proof.verdict == "proven" for proof in others)
    tail = f"<p>{passed} of {len(others)} further tests of keys, references, values and rules passed.</p>"
    return f"<h2>What proved it</h2><ul>{items}</ul>{tail}"
