"""When `source-sage sync` writes, what its line says, and where it writes to."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import pytest
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from hypothesis import given
from hypothesis import strategies as st

from source_sage.commands import person, sync
from source_sage.commands.bites import ROWS_AT_MOST, SECONDS_AT_MOST, Bites
from source_sage.commands.live import line
from source_sage.commands.warehouse import place_of
from source_sage.secrecy import keep_secret
from source_sage.sync.report import Report
from unit_tests.form import a_form


def test_little_is_written_after_a_while_and_much_at_once() -> None:
    bites = Bites(frozenset(), 100.0)
    bites.rows("a", 10)
    bites.state("a", "first")
    bites.state("a", "second")
    assert bites.due(100.0 + SECONDS_AT_MOST - 1) is None
    bite = bites.due(100.0 + SECONDS_AT_MOST)
    assert bite is not None and (bite.streams, bite.states, bite.ended) == (("a",), {"a": "second"}, ())
    bites.rows("a", ROWS_AT_MOST)
    assert bites.due(161.0) is None  # without a state nothing would be done with it
    bites.state("a", "third")
    assert bites.due(161.0) is not None and bites.due(10_000.0) is None


def test_of_a_stream_that_comes_whole_it_is_told_when_it_is_complete() -> None:
    bites = Bites(frozenset(["countries"]), 0.0)
    bites.rows("countries", 1)
    assert bites.rest(1.0).ended == ()
    bites.ended("countries")
    bites.ended("contacts")
    assert bites.rest(2.0).ended == ("countries",)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, ROWS_AT_MOST), st.booleans(), st.floats(0, 90))))
def test_a_state_is_never_written_before_a_row_that_came_before_it(
    steps: list[tuple[str, int, bool, float]],
) -> None:
    bites, now, waiting, written, saved = Bites(frozenset(), 0.0), 0.0, 0, 0, -1
    for came, (stream, rows, has_state, passed) in enumerate(steps, 1):
        now += passed
        bites.rows(stream, rows)
        waiting += 1
        if has_state:
            bites.state(stream, came)
        if (bite := bites.due(now)) is not None:
            assert stream in bite.streams
            written, waiting = came, 0
            saved = max(saved, *bite.states.values())
            assert saved <= written
    last = bites.rest(now)
    assert bool(last.streams) == (waiting > 0)


def test_the_line_tells_lists_rows_requests_and_time_left() -> None:
    report = Report()
    report.before.requests = 2
    assert line(report, 1) == "0 of 0 lists, 0 rows, 2 requests, 1 s"
    one = report.tally("b", "contacts")
    one.is_list = one.begun = True
    one.rows, one.requests = 500, 3
    one.note_page(500, 1_500, 200)
    report.tally("b", "contact_lines").rows = 900  # brought along, no list
    assert line(report, 10) == "0 of 1 lists, 500 rows, 5 requests, 10 s; about 20 s left"
    report.tally("b", "products").is_list = True
    assert line(report, 10).endswith("0 of 2 lists, 500 rows, 5 requests, 10 s; more than 20 s left")


def test_without_its_extra_sync_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "airbyte", None)
    (tmp_path / "sage-config.json").write_text(json.dumps(a_form()))
    umask = os.umask(0o022)
    try:
        code = sync.main(["--config", str(tmp_path / "sage-config.json"), "--into", str(tmp_path / "sage.duckdb")])
    finally:
        os.umask(umask)
    assert code == 1
    assert "needs PyAirbyte" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["sage-config.json"]


def test_what_nobody_foresaw_is_told_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    keep_secret("a-secret-of-somebody")

    def fail(options: argparse.Namespace) -> int:
        raise RuntimeError("a-secret-of-somebody went wrong")

    assert person.run(fail, argparse.Namespace()) == 1
    said = capsys.readouterr().err
    assert "RuntimeError" in said and "nobody foresaw" in said and "a-secret-of-somebody" not in said


@pytest.mark.parametrize(
    ("into", "title", "server"),
    [
        ("books/sage.duckdb", "books/sage.duckdb", None),
        ("postgresql://me@db.example/books", "books at db.example", ("db.example", 5432, "me", "books")),
        ("postgres://m%40e@localhost:6543/b", "b at localhost", ("localhost", 6543, "m@e", "b")),
    ],
)
def test_where_it_writes_to(into: str, title: str, server: tuple[str, int, str, str] | None) -> None:
    place = place_of(into)
    assert (place.title, place.server, place.file is None) == (title, server, server is not None)


@pytest.mark.parametrize(
    ("into", "words"),
    [
        ("postgresql://me:hunter22@db/books", "Leave it out"),
        ("postgresql://db/books", "postgresql://USER@HOST/DATABASE"),
        ("postgresql://me@db", "postgresql://USER@HOST/DATABASE"),
        ("mysql://me@db/books", "postgresql://USER@HOST/DATABASE"),
    ],
)
def test_what_is_no_place_is_told_and_a_password_is_not_repeated(into: str, words: str) -> None:
    with pytest.raises(AirbyteTracedException) as failure:
        place_of(into)
    assert words in str(failure.value.message) and "hunter22" not in str(failure.value.message)
