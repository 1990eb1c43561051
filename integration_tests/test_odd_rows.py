"""One odd row never stops a stream: it leaves as far as it can be, and the oddity is named once, without its value."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import jsonschema
import orjson
import pytest

from integration_tests.harness import Row
from integration_tests.pipeline import Pipeline, page_size
from integration_tests.sandbox import Sandbox, faults
from integration_tests.test_streams import EVERY_STREAM, unequal
from source_sage.lists.rows import UNCONVERTED

INVOICES = "sales_invoices"
AMOUNT, DATE, MOMENT, TEXT, TRUTH = "total_amount", "due_date", "updated_at", "notes", "sent"
SECRET = "4711471147"  # in every odd value that can hold it: it must not be logged


def with_value(field: str, raw: bytes) -> Callable[[Row], bytes]:
    """The row with these bytes as the value of a field."""
    return lambda row: orjson.dumps({**row, field: "<odd>"}).replace(b'"<odd>"', raw)


def nested(levels: int) -> bytes:
    return b'{"x":' * levels + b'"' + SECRET.encode() + b'"' + b"}" * levels


# What is odd, and the one field that it is allowed to change.
ODD_VALUES: dict[str, tuple[str, bytes]] = {
    "an amount that is no number": (AMOUNT, b'"GBP 4711471147"'),
    "an amount that is true": (AMOUNT, b"true"),
    "an amount that is an object": (AMOUNT, b'{"value": 4711471147}'),
    "an amount that is a list": (AMOUNT, b"[4711471147]"),
    'an amount "NaN"': (AMOUNT, b'"NaN"'),
    'an amount "-Infinity"': (AMOUNT, b'"-Infinity"'),
    "an amount with an absurd exponent": (AMOUNT, b'"4711471147e999999999"'),
    "an absurd date": (DATE, b'"4711471147-02-30"'),
    "a day that no month has": (DATE, b'"2024-02-30"'),
    "a date of zeros": (DATE, b'"0000-00-00"'),
    "a date that is a number": (DATE, b"4711471147"),
    "a date with the day or the month first": (DATE, b'"05/01/4711471147"'),
    "an accounting date that is none": ("date", b'"4711471147"'),
    "a time of change that is none": (MOMENT, b'"4711471147"'),
    "a truth value that is a word": (TRUTH, b'"4711471147"'),
    "an object that is a list": ("contact", b"[4711471147]"),
    "a list that is an object": ("invoice_lines", b'{"id": 4711471147}'),
    "a list of lists": ("invoice_lines", b"[[4711471147]]"),
}
# Bytes that a strict parser refuses with the whole page, and what must survive all the same: the rest of the row.
HARD_BYTES: dict[str, tuple[str, bytes]] = {
    "a bare NaN": (AMOUNT, b"NaN"),
    "a bare Infinity": (AMOUNT, b"-Infinity"),
    "a bare number beyond a double": (AMOUNT, b"1e400"),
    "half a surrogate pair": (TEXT, b'"\\ud83d"'),
    "bytes that are no UTF-8": (TEXT, b'"caf\xe9"'),
}
# Values that are odd but can leave whole.
LARGE_VALUES: dict[str, tuple[str, bytes]] = {
    "an amount of 40 digits": (AMOUNT, b'"1234567890123456789012345678901234567890.12"'),
    "a bare amount of 25 digits": (AMOUNT, b"1234567890123456789012345"),
    "a text with a NUL": (TEXT, b'"a\\u0000b"'),
    "a text of 2 MB": (TEXT, b'"' + b"x" * 2_000_000 + b'"'),
}
NO_RECORDS = {
    "null": b"null",
    "a string": b'"4711471147"',
    "a number": b"4711471147",
    "a list": b"[4711471147]",
    "an empty object": b"{}",
}
NO_IDS: dict[str, Callable[[Row], bytes]] = {
    "no id": lambda row: orjson.dumps({name: value for name, value in row.items() if name != "id"}),
    "an id that is null": lambda row: orjson.dumps({**row, "id": None}),
    "an id that is empty": lambda row: orjson.dumps({**row, "id": ""}),
    "an id that is an object": lambda row: orjson.dumps({**row, "id": {"a": SECRET}}),
}


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(size="small", seed=9, token_life=10**9) as sandbox:
        sandbox.clock.advance(86_400)
        yield sandbox


@pytest.fixture
def pipeline(box: Sandbox) -> Iterator[Pipeline]:
    """Five pages of invoices."""
    with page_size(30):
        yield Pipeline(box, [INVOICES])
    box.faults.clear()


def read_with(pipeline: Pipeline, odd: Callable[[Row], bytes]) -> tuple[list[Row], list[Row], list[str]]:
    """Read while two invoices are odd.

    Returns:
        Those two at Sage, as they came to the destination, and the warnings; all others have been compared.
    """
    truth = pipeline.truth(INVOICES)
    chosen = [truth[4], truth[70]]
    for row in chosen:
        pipeline.box.faults.add(faults.odd_item(row["id"], odd(row)), path=f"*/{INVOICES}")
    output = pipeline.sync()
    assert output.failure is None, output.failure
    assert output.statuses(INVOICES)[-1] == "COMPLETE"
    assert "watermark" in output.place(INVOICES)[pipeline.box.businesses[0].id]
    keys = [row["id"] for row in chosen]
    others = {row["id"]: row for row in output.rows(INVOICES) if row.get("id") not in keys}
    for row in truth:
        if row["id"] not in keys:
            assert list(unequal(row, others[row["id"]], INVOICES)) == []
    assert SECRET not in " ".join(output.log("WARN") + output.log("INFO") + output.log("ERROR"))
    for one in output.of("RECORD"):
        json.dumps(one, allow_nan=False)
        changed = [change["field"] for change in one["record"].get("meta", {"changes": []})["changes"]]
        assert changed == list(one["record"]["data"].get(UNCONVERTED, ()))
    found = [row for row in output.rows(INVOICES) if row["id"] in keys]
    return chosen, found, output.log("WARN")


def assert_only_that_field_differs(chosen: list[Row], found: list[Row], field: str) -> None:
    assert len({row["id"] for row in found}) == len(chosen)
    ours = {row["id"]: row for row in found}
    for row in chosen:
        rest = {name: value for name, value in row.items() if name != field}
        assert list(unequal(rest, ours[row["id"]], INVOICES)) == []


@pytest.mark.parametrize("what", ODD_VALUES)
def test_a_value_of_another_type_becomes_null_and_is_named_once(what: str, pipeline: Pipeline) -> None:
    field, raw = ODD_VALUES[what]
    chosen, found, warnings = read_with(pipeline, with_value(field, raw))
    assert_only_that_field_differs(chosen, found, field)
    assert all(not row.get(field) or row[field] == [None] for row in found)
    wanted = (
        {f"{field}[0]": [4711471147]} if field == "invoice_lines" and raw[:2] == b"[[" else {field: json.loads(raw)}
    )
    assert [row[UNCONVERTED] for row in found] == [wanted, wanted]
    assert [field in text for text in warnings] == [True]
    for row in found:
        jsonschema.validate(row, EVERY_STREAM[INVOICES].schema_)


@pytest.mark.parametrize("what", HARD_BYTES)
def test_bytes_that_a_strict_parser_refuses_cost_that_value_at_most(what: str, pipeline: Pipeline) -> None:
    field, raw = HARD_BYTES[what]
    chosen, found, warnings = read_with(pipeline, with_value(field, raw))
    assert_only_that_field_differs(chosen, found, field)
    assert len([text for text in warnings if INVOICES in text]) == 1


@pytest.mark.parametrize("what", LARGE_VALUES)
def test_a_large_value_leaves_whole(what: str, pipeline: Pipeline) -> None:
    field, raw = LARGE_VALUES[what]
    chosen, found, _ = read_with(pipeline, with_value(field, raw))
    assert_only_that_field_differs(chosen, found, field)
    wanted: Any = json.loads(raw)
    # The harness reads large numbers as doubles; unit tests look at the digits.
    assert {row[field] for row in found} == {float(wanted) if field == AMOUNT else wanted}


@pytest.mark.parametrize("levels", [20, 200, 400, 1000])
def test_a_deeply_nested_value_does_not_stop_the_stream(levels: int, pipeline: Pipeline) -> None:
    chosen, found, warnings = read_with(pipeline, with_value("undeclared", nested(levels)))
    assert_only_that_field_differs(chosen, found, "undeclared")
    assert len([text for text in warnings if "undeclared" in text or INVOICES in text]) == 1


@pytest.mark.parametrize("what", NO_RECORDS)
def test_an_item_that_is_no_record_is_left_out_and_named_once(what: str, pipeline: Pipeline) -> None:
    _, found, warnings = read_with(pipeline, lambda row: NO_RECORDS[what])
    assert found == []
    assert [INVOICES in text for text in warnings] == [True]


@pytest.mark.parametrize("what", NO_IDS)
def test_a_record_without_a_key_is_named_once_and_takes_no_other_row_with_it(what: str, pipeline: Pipeline) -> None:
    _, found, warnings = read_with(pipeline, NO_IDS[what])
    assert found == []
    assert [INVOICES in text for text in warnings] == [True]


def test_odd_rows_among_deletions_and_changes_do_not_stop_an_incremental_read(box: Sandbox, pipeline: Pipeline) -> None:
    company = box.businesses[0]
    assert pipeline.sync().failure is None
    rows = company.rows(INVOICES)
    box.clock.advance(600)
    for row in (rows[0], rows[1], rows[2]):
        company.update(INVOICES, row["id"])
    company.delete(INVOICES, rows[3]["id"])
    company.delete(INVOICES, rows[5]["id"])
    box.clock.advance(600)
    box.faults.add(faults.odd_item(rows[0]["id"], b"null"), path=f"*/{INVOICES}")
    box.faults.add(faults.odd_item(rows[3]["id"], b'{"deleted_at": "4711471147"}'), path=f"*/{INVOICES}")
    output = pipeline.sync()
    assert output.failure is None, output.failure
    ours = {row["id"]: row for row in pipeline.destination.rows(INVOICES)}
    assert rows[5]["id"] not in ours
    for row in company.rows(INVOICES):
        if row["id"] != rows[0]["id"]:
            assert list(unequal(row, ours[row["id"]], INVOICES)) == []
    assert [text for text in output.log("WARN") if INVOICES in text]


NO_DATES = {"null": b"null", "an empty text": b'""'}


def without_date(pipeline: Pipeline, key: str, raw: bytes) -> None:
    (row,) = [one for one in pipeline.truth(INVOICES) if one["id"] == key]
    pipeline.box.faults.add(faults.odd_item(key, with_value("date", raw)(row)), path=f"*/{INVOICES}")


@pytest.mark.parametrize("form", [{}, {"include_historical_data": True}], ids=["chosen dates", "all dates"])
@pytest.mark.parametrize("what", NO_DATES)
def test_a_row_without_a_date_is_outside_chosen_dates_and_inside_all(
    what: str, form: dict[str, Any], box: Sandbox, pipeline: Pipeline
) -> None:
    pipeline = Pipeline(box, [INVOICES], **form)
    truth = pipeline.truth(INVOICES)
    key = truth[4]["id"]
    without_date(pipeline, key, NO_DATES[what])
    output = pipeline.sync()
    assert output.failure is None
    assert output.log("WARN") == []
    found = {row["id"]: row for row in output.rows(INVOICES)}
    assert found.keys() == {row["id"] for row in truth} - (set() if form else {key})
    assert not form or found[key]["date"] is None


def test_a_row_that_loses_its_date_leaves_the_destination(box: Sandbox, pipeline: Pipeline) -> None:
    assert pipeline.sync().failure is None
    key = pipeline.truth(INVOICES)[4]["id"]
    box.clock.advance(600)
    box.businesses[0].update(INVOICES, key)
    without_date(pipeline, key, b"null")
    assert pipeline.sync().failure is None
    assert key not in {row["id"] for row in pipeline.destination.rows(INVOICES)}
