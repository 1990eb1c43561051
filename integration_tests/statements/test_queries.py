"""The package beside docs/views.sql: the same rows are live and count, and ten questions have the same answers.

The questions are those of docs/queries.sql; dbt/queries.sql asks the marts.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml

from integration_tests.sandbox import Sandbox
from integration_tests.statements import dbt
from integration_tests.statements.life import a_busy_month
from integration_tests.statements.raw import Connection
from source_sage.streams import every_stream
from source_sage.views import DOCUMENTS

pytestmark = pytest.mark.statements

OURS = dbt.PACKAGE / "queries.sql"
THEIRS = dbt.ROOT / "docs" / "queries.sql"
VIEWS = dbt.ROOT / "docs" / "views.sql"
# Of a British business.
EMPTY = {"sales_estimates", "sales_estimate_lines"}
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


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("queries")
    file = folder / "books.duckdb"
    with Sandbox(size="small", seed=12, token_life=10**9) as box:
        connection = Connection(box)
        connection.sync()
        box.clock.advance(3600)
        a_busy_month(box.businesses[0], seed=12)
        box.clock.advance(3600)
        connection.sync()
        connection.write(file)
    done = dbt.run("build", file, folder / "target", *dbt.MODELS_ALONE)
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


# What a document that counts and its lines are named by in int_sage__documents.
COUNTED = (
    "EXISTS (SELECT 1 FROM statements.int_sage__documents AS d WHERE d.business_id = s.business_id AND d.document_id = "
)
KEYS = {
    one["name"].removeprefix("stg_sage__"): one["data_tests"][0]["key"]["arguments"]["columns"]
    for one in yaml.safe_load((dbt.PACKAGE / "models" / "staging" / "_staging.yml").read_text(encoding="utf-8"))[
        "models"
    ]
}


@pytest.mark.parametrize("stream", dbt.STREAMS)
def test_the_views_and_the_package_say_the_same_of_what_is_live_and_counts(
    database: duckdb.DuckDBPyConnection, stream: str
) -> None:
    """Staging keeps drafts and void documents, for the sum of their lines; what counts is in int_sage__documents."""
    facts, keys = every_stream()[stream], KEYS[stream]
    own = [name for name in keys if name != "parent_stream"]
    theirs = ", ".join(facts.primary_key)
    where = ""
    if {stream, *facts.parents} & set(DOCUMENTS) and stream != "payment_allocations":
        where = f" WHERE {COUNTED}s.{own[1]})"
    found = database.execute(f"SELECT {', '.join(own)} FROM statements.stg_sage__{stream} AS s{where}").fetchall()
    expected = database.execute(f"SELECT {theirs} FROM sage_views.{stream}").fetchall()
    assert sorted(found, key=str) == sorted(expected, key=str)
    assert expected or stream in EMPTY
