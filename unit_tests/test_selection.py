"""Which streams are wanted, and the catalog that `source-sage catalog` writes of them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.commands import catalog
from source_sage.config import SageConfig
from source_sage.selection import selected
from source_sage.streams import every_stream
from unit_tests.form import a_form


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "sage-config.json"
    path.write_text(json.dumps(a_form()))
    return path


def test_the_catalog_reads_by_change_where_a_stream_can_be(
    config_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert catalog.main(["--config", str(config_file)]) == 0
    said = capsys.readouterr()
    streams = {one["stream"]["name"]: one for one in json.loads(said.out)["streams"]}
    assert streams.keys() == every_stream().keys()
    for name, one in streams.items():
        cursor = every_stream()[name].cursor_field
        assert one["sync_mode"] == ("incremental" if cursor else "full_refresh")
        assert one["destination_sync_mode"] == ("append_dedup" if cursor else "overwrite")
        assert one.get("cursor_field") == ([cursor] if cursor else None)
        assert one["primary_key"] == [[key] for key in every_stream()[name].primary_key]
    by_change = sum(facts.cursor_field is not None for facts in every_stream().values())
    assert said.err == f"{len(streams)} streams; {by_change} of them are read by change after the first time.\n"


def test_the_streams_that_are_named_and_no_others(config_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert catalog.main(["--config", str(config_file), "--streams", "sales_invoices, countries"]) == 0
    streams = json.loads(capsys.readouterr().out)["streams"]
    assert [one["stream"]["name"] for one in streams] == ["countries", "sales_invoices"]


@pytest.mark.parametrize(
    ("form", "name", "told"),
    [
        ({}, "sales_invoice", "There is no stream sales_invoice. Did you mean sales_invoices?"),
        ({}, "zzzz", "There is no stream zzzz. `source-sage discover`"),
        ({"replicate_customer_data": False}, "sales_invoices", "sales_invoices belongs to a group"),
    ],
)
def test_a_name_that_is_none_is_told(form: dict[str, bool], name: str, told: str) -> None:
    with pytest.raises(AirbyteTracedException) as failure:
        selected(SageConfig.parse(a_form(**form)), ["countries", name])
    assert str(failure.value.message).startswith(told)


def test_a_config_that_is_not_there_is_told_with_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert catalog.main(["--config", str(tmp_path / "none.json")]) == 1
    said = capsys.readouterr()
    assert said.out == "" and "source-sage authorize" in said.err and "none.json" in said.err


def test_a_config_that_is_wrong_is_told_in_the_words_of_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sage-config.json"
    path.write_text(json.dumps(a_form(start_date="")))
    assert catalog.main(["--config", str(path)]) == 1
    assert capsys.readouterr().err.startswith("Start Date is missing")
