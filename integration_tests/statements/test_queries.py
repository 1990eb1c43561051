"""The ten questions of docs/queries.sql have the same answers by the marts (dbt/queries.sql)."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from integration_tests.sandbox import Sandbox
from integration_tests.statements import dbt
from integration_tests.statements.life import a_busy_month
from integration_tests.statements.raw import Connection

pytestmark = pytest.mark.statements

OURS = dbt.PACKAGE / "queries.sql"
THEIRS = dbt.ROOT / "docs" / "queries.sql"
VIEWS = dbt.ROOT / "docs" / "views.sql"
# Question 8 names a kind of account by Sage's type, the marts by the section it stands in.
SECTIONS = {
    "Sales": "Income",
    "Direct expenses": "Cost of sales",
    "Overheads": "Overheads",
    "Depreciation": "Depreciation",
    "Other income": "Other income",
}


def questions(file: Path) -> dict[int, str]:
    """The statements of a file by their numbers."""
    parts = re.split(r"^-- (\d+)\. ", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {int(number): f"-- {text}" for number, text in zip(parts[1::2], parts[2::2], strict=True)}


def plain(value: Any) -> Any:
    """A cell as both sides would write it."""
    if isinstance(value, Decimal | float):
        return round(Decimal(value), 2)
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()[:10]
    return SECTIONS.get(value, value) if isinstance(value, str) else value


def views(names: set[str]) -> str:
    """The views of views.sql over tables that are here."""
    text = VIEWS.read_text(encoding="utf-8")
    head, *blocks = re.split(r"(?=^DROP VIEW IF EXISTS )", text, flags=re.MULTILINE)
    return head + "".join(
        block for block in blocks if re.match(r"DROP VIEW IF EXISTS \w+\.\"?(\w+)", block)[1] in names
    )  # type: ignore[index]


def raw_schema() -> str:
    """Where views.sql looks for the connector's tables."""
    (schema,) = set(re.findall(r"^FROM (\w+)\.", VIEWS.read_text(encoding="utf-8"), flags=re.MULTILINE)[:1])
    return str(schema)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Any:
    if not THEIRS.exists():
        pytest.skip("docs/queries.sql is not here yet")
    folder = tmp_path_factory.mktemp("queries")
    file = folder / "books.duckdb"
    with Sandbox(size="small", seed=12, token_life=10**9) as box:
        connection = Connection(box)
        connection.sync()
        box.clock.advance(3600)
        a_busy_month(box.businesses[0], seed=12)
        box.clock.advance(3600)
        connection.sync()
        raw = raw_schema()
        connection.write(file, raw)
    done = dbt.run("build", file, folder / "target", *dbt.MODELS_ALONE, variables={"sage_schema": raw})
    assert done.returncode == 0, done.stdout[-3000:]
    with duckdb.connect(str(file)) as opened:
        opened.execute(views(set(dbt.STREAMS)))
        yield opened


@pytest.mark.parametrize("number", range(1, 11))
def test_a_question_has_one_answer(database: duckdb.DuckDBPyConnection, number: int) -> None:
    expected = database.execute(questions(THEIRS)[number]).fetchall()
    found = database.execute(questions(OURS)[number]).fetchall()
    assert expected
    ours, theirs = ([tuple(map(plain, row)) for row in rows] for rows in (found, expected))
    theirs = [row for row in theirs if number != 8 or row[3]]
    assert sorted(ours, key=str) == sorted(theirs, key=str)


def test_every_question_is_answered() -> None:
    assert list(questions(OURS)) == list(range(1, 11))
