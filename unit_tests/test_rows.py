import json
import logging
import math
from decimal import Decimal
from typing import Any, Final

import jsonschema
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_sage.lists.rows import UNCONVERTED, RowShaper, currency_of

BUSINESS: Final = "b1"
REFERENCE: Final = {
    "type": ["null", "object"],
    "properties": {"id": {"type": ["null", "string"]}, "displayed_as": {"type": ["null", "string"]}},
}
SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {
        "business_id": {"type": "string"},
        "id": {"type": "string"},
        "amount": {"type": ["null", "number"]},
        "count": {"type": ["null", "integer"]},
        "active": {"type": ["null", "boolean"]},
        "name": {"type": ["null", "string"]},
        "date": {"type": ["null", "string"], "format": "date"},
        "updated_at": {"type": ["null", "string"], "format": "date-time", "airbyte_type": "timestamp_with_timezone"},
        "contact": REFERENCE,
        "lines": {
            "type": ["null", "array"],
            "items": {
                "type": ["null", "object"],
                "properties": {"quantity": {"type": ["null", "number"]}, "ledger_account": REFERENCE},
            },
        },
        "scopes": {"type": ["null", "array"], "items": {"type": ["null", "string"]}},
        "rates": {"type": ["null", "array"], "items": {"type": ["null", "number"]}},
        "roles": {"type": ["null", "array"]},
        "details": {"type": ["null", "object"], "properties": {}},
    },
}


def shaped(**record: Any) -> dict[str, Any]:
    """The row that one record becomes."""
    [row] = RowShaper("things", SCHEMA).shape([record], BUSINESS)
    return row


def on_the_wire(value: Any) -> str:
    """What leaves the connector, as text."""
    return orjson.dumps(value).decode()


def exact(text: str) -> Any:
    """A JSON number, read without any rounding."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The warnings so far."""
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def fields_named(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [warning.partition(":")[0] for warning in told(caplog)]


# Numbers


@pytest.mark.parametrize(
    "text",
    [
        "110.0",
        "-14557.08",
        "0",
        "0.0",
        "-0.5",
        "1.9437263272",
        "1100.00",
        ".5",
        "5.",
        "+1.5",
        "007",
        "123456789012345",
        "-99999999999999.9",
        "0.000000000000001",
        "1e5",
        "1E-3",
        "2.5e+2",
    ],
)
def test_a_decimal_string_becomes_the_same_number(text: str) -> None:
    assert exact(on_the_wire(shaped(amount=text)["amount"])) == Decimal(text)


@pytest.mark.parametrize(
    "text",
    [
        "1234567890123456",
        "9007199254740993",
        "99999999999999.99",
        "-99999999999999999999.99",
        "0.1234567890123456789",
        "123456789012345678901234567890.123456789",
    ],
)
def test_more_digits_than_a_float_holds_are_kept_digit_for_digit(text: str) -> None:
    assert exact(on_the_wire(shaped(amount=text)["amount"])) == Decimal(text)


@given(st.integers(-(10**15) + 1, 10**15 - 1), st.integers(0, 20), st.integers(0, 5))
def test_up_to_15_digits_always_leave_as_they_came(digits: int, places: int, zeros: int) -> None:
    text = f"{Decimal(digits).scaleb(-places):f}"
    text += "0" * zeros if "." in text else ""
    assert exact(on_the_wire(shaped(amount=text)["amount"])) == Decimal(text)


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**40), max_value=10**40))
def test_any_number_of_digits_leaves_as_it_came(value: Decimal) -> None:
    assert exact(on_the_wire(shaped(amount=f"{value:f}")["amount"])) == value


@pytest.mark.parametrize("number", [0, -5, 1.5, 9007199254740993])
def test_a_json_number_stays_as_it_is(number: float) -> None:
    amount = shaped(amount=number)["amount"]
    assert amount == number
    assert type(amount) is type(number)


@pytest.mark.parametrize(
    "field", ["amount", "count", "active", "name", "date", "updated_at", "contact", "lines", "scopes", "roles"]
)
def test_null_stays_null_without_a_word(field: str, caplog: pytest.LogCaptureFixture) -> None:
    assert shaped(**{field: None})[field] is None
    assert told(caplog) == []


@pytest.mark.parametrize("field", ["amount", "count", "active", "date", "updated_at"])
def test_an_empty_text_becomes_null_without_a_word(field: str, caplog: pytest.LogCaptureFixture) -> None:
    assert shaped(**{field: ""})[field] is None
    assert told(caplog) == []


def test_a_number_with_a_space_before_it_is_that_number() -> None:
    assert shaped(amount=" 1")["amount"] == 1


# Whole numbers, truth values, texts


@pytest.mark.parametrize(
    ("value", "whole"), [(30, 30), (-1, -1), ("30", 30), ("-7", -7), ("30.0", 30), (30.0, 30), ("1e2", 100)]
)
def test_a_whole_number_in_any_dress_becomes_an_integer(value: Any, whole: int) -> None:
    count = shaped(count=value)["count"]
    assert count == whole
    assert type(count) is int


def test_a_whole_number_of_any_size_can_be_written_out() -> None:
    assert exact(on_the_wire(shaped(count="123456789012345678901234567890"))) == {
        "count": Decimal("123456789012345678901234567890"),
        "business_id": BUSINESS,
    }


@pytest.mark.parametrize("field", ["amount", "count"])
@pytest.mark.parametrize("text", ["9" * 5000, "-" + "9" * 400, "1e400"])
def test_a_number_that_no_double_holds_is_kept_as_it_came(field: str, text: str) -> None:
    row = shaped(**{field: text})
    assert (row[field], row[UNCONVERTED]) == (None, {field: text})


@pytest.mark.parametrize("field", ["amount", "count"])
def test_an_absurdly_large_number_does_not_stop_the_page(field: str) -> None:
    rows = RowShaper("things", SCHEMA).shape([{field: "1e9999"}, {field: "1"}], BUSINESS)
    assert exact(on_the_wire(rows))[1][field] == 1


@pytest.mark.parametrize(("value", "truth"), [(True, True), (False, False), ("true", True), ("false", False)])
def test_a_truth_value_or_its_text_becomes_a_truth_value(value: Any, truth: bool) -> None:
    assert shaped(active=value)["active"] is truth


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Acme", "Acme"),
        ("", ""),
        (" 1 ", " 1 "),
        (4711, "4711"),
        (-1.5, "-1.5"),
        (True, "true"),
        (["Jane", 5, None], '["Jane",5,null]'),
        ({"first": 'J"ane', "$path": "/x", "links": [], "deep": [{}, []]}, '{"first":"J\\"ane","deep":[{},[]]}'),
    ],
)
def test_a_text_stays_and_anything_in_its_place_is_written_out(value: Any, text: str) -> None:
    assert shaped(name=value)["name"] == text


# Dates and moments


@pytest.mark.parametrize(
    ("value", "day"),
    [
        ("2024-05-13", "2024-05-13"),
        ("2024-02-29", "2024-02-29"),
        ("2024-05-13T08:02:03Z", "2024-05-13"),
        ("2024-05-13T08:02:03.000Z", "2024-05-13"),
        ("2024-05-13T23:30:00-05:00", "2024-05-13"),
        ("2024-05-13T08:02:03", "2024-05-13"),
    ],
)
def test_a_date_stays_and_of_a_moment_its_date_is_kept(value: str, day: str) -> None:
    assert shaped(date=value)["date"] == day


@pytest.mark.parametrize(
    "moment",
    [
        "2024-05-15T08:43:53Z",
        "2024-05-13T08:02:03.000Z",
        "2024-05-15T08:43:53+02:00",
        "2024-05-15T08:43:53.123456-05:30",
    ],
)
def test_a_moment_with_its_zone_stays_as_it_is(moment: str) -> None:
    assert shaped(updated_at=moment)["updated_at"] == moment


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2024-05-13", "2024-05-13T00:00:00Z"),
        ("2024-05-13T08:02:03", "2024-05-13T08:02:03Z"),
        ("2024-05-13T08:02:03.000", "2024-05-13T08:02:03.000Z"),
    ],
)
def test_a_moment_without_a_zone_is_taken_as_utc(value: str, moment: str) -> None:
    assert shaped(updated_at=value)["updated_at"] == moment


@pytest.mark.parametrize("value", ["2024-W20-1", "20240513"])
def test_what_leaves_in_a_date_field_is_written_as_a_date(value: str) -> None:
    assert shaped(date=value)["date"] in (None, "2024-05-13")


@pytest.mark.parametrize("value", ["2024-W20-1", "20240513", "20240513T000000"])
def test_what_leaves_in_a_moment_field_is_written_as_a_moment(value: str) -> None:
    assert shaped(updated_at=value)["updated_at"] in (None, "2024-05-13T00:00:00Z")


# Misfits

MISFITS: Final = [
    ("amount", "nan"),
    ("amount", "NaN"),
    ("amount", "inf"),
    ("amount", "-Infinity"),
    ("amount", "1_000"),
    ("amount", "1_000_000_000_000_000.00"),
    ("amount", "1,000.00"),
    ("amount", "1-2"),
    ("amount", "-"),
    ("amount", "GBP 5"),
    ("amount", True),
    ("amount", float("nan")),
    ("amount", float("inf")),
    ("amount", {"value": 987654}),
    ("amount", [987654]),
    ("count", "5.5"),
    ("count", 5.5),
    ("count", "1_000"),
    ("count", "1e999999"),
    ("count", "nan"),
    ("count", "five"),
    ("count", True),
    ("count", float("inf")),
    ("count", [987654]),
    ("active", 1),
    ("active", "perhaps"),
    ("active", {}),
    ("date", "13/05/2024"),
    ("date", "05/01/2022"),
    ("date", "05-01-2022"),
    ("date", "01.05.22"),
    ("updated_at", "05/01/2022 10:00"),
    ("date", "2024-13-01"),
    ("date", "2024-02-30"),
    ("date", 20240513),
    ("date", "tomorrow"),
    ("updated_at", "now"),
    ("updated_at", 1715587200),
    ("updated_at", "2024-05-13T25:00:00Z"),
    ("contact", "Jane Doe"),
    ("contact", ["Jane Doe"]),
    ("lines", {"quantity": "1"}),
    ("lines", "none"),
    ("scopes", "sales"),
    ("details", "Jane Doe"),
]


@pytest.mark.parametrize(("field", "value"), MISFITS)
def test_a_value_that_does_not_fit_becomes_null_with_one_warning(
    field: str, value: Any, caplog: pytest.LogCaptureFixture
) -> None:
    rows = RowShaper("things", SCHEMA).shape([{field: value}, {field: value}], BUSINESS)
    kept = str(value) if isinstance(value, float) and not math.isfinite(value) else value
    assert [row[field] for row in rows] == [None, None]
    assert [row[UNCONVERTED] for row in rows] == [{field: kept}, {field: kept}]
    assert told(caplog) == [
        f"things.{field}: a value does not fit the declared type and became null; "
        "it is kept in unconverted_values, said once per sync."
    ]


def test_a_misfit_leaves_its_neighbours_alone() -> None:
    assert shaped(id="t1", amount="rubbish", name="Acme", count=3) == {
        "id": "t1",
        "amount": None,
        "name": "Acme",
        "count": 3,
        "business_id": BUSINESS,
        "unconverted_values": {"amount": "rubbish"},
    }


def test_every_value_is_kept_under_the_place_where_it_stood() -> None:
    row = shaped(
        date="05/01/2022",
        rates=["1", "one", None, {"two": 2}],
        lines=[{"quantity": "1"}, "odd", {"quantity": "a", "ledger_account": ["b"], "new": 1}, None],
        contact={"id": "c", "$path": "/c"},
    )
    assert row[UNCONVERTED] == {
        "date": "05/01/2022",
        "rates[1]": "one",
        "rates[3]": {"two": 2},
        "lines[1]": "odd",
        "lines[2].quantity": "a",
        "lines[2].ledger_account": ["b"],
    }
    assert row["lines"] == [{"quantity": 1}, None, {"quantity": None, "ledger_account": None, "new": 1}, None]


def test_lists_in_lists_name_both_positions() -> None:
    inner = {"type": ["null", "array"], "items": {"type": ["null", "number"]}}
    schema = {"properties": {"grid": {"type": ["null", "array"], "items": inner}}}
    [row] = RowShaper("things", schema).shape([{"grid": [["1"], "x", ["2", "y", "z"]]}], BUSINESS)
    assert row[UNCONVERTED] == {"grid[1]": "x", "grid[2][1]": "y", "grid[2][2]": "z"}


def test_what_is_kept_of_one_row_is_not_in_the_next() -> None:
    rows = RowShaper("things", SCHEMA).shape([{"amount": "x"}, {"amount": "1"}, {"lines": 5}], BUSINESS)
    assert [row.get(UNCONVERTED) for row in rows] == [{"amount": "x"}, None, {"lines": 5}]


def test_what_is_kept_has_no_dollar_names_and_no_links() -> None:
    assert shaped(amount={"value": 1, "$path": "/x", "links": []})[UNCONVERTED] == {"amount": {"value": 1}}


@pytest.mark.parametrize("levels", [90, 120, 900])
def test_what_is_nested_too_deep_is_kept_as_text(levels: int) -> None:
    value: Any = 5
    for level in range(levels):
        value = {"x": value, "$p": 1} if level % 2 else [value]
    row = shaped(invented=value, amount=value)
    for one in (row["invented"] or row[UNCONVERTED]["invented"], row[UNCONVERTED]["amount"]):
        as_text = one if isinstance(one, str) else on_the_wire(one)
        assert as_text == '{"x":[' * (levels // 2) + "5" + "]}" * (levels // 2)
    orjson.dumps(row)


def test_a_field_of_sages_under_our_name_does_not_pass_for_ours() -> None:
    assert shaped(unconverted_values="x")[UNCONVERTED] == {UNCONVERTED: "x"}
    assert shaped(unconverted_values={"amount": "x"})[UNCONVERTED] == {UNCONVERTED: {"amount": "x"}}
    assert UNCONVERTED not in shaped(business_id=BUSINESS)


ANYTHING: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["id", "quantity", "x"]), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted({*SCHEMA["properties"], "invented"} - {"id"})), ANYTHING))
def test_nothing_that_sage_sends_is_lost(record: dict[str, Any]) -> None:
    row = shaped(**record)
    kept = row.get(UNCONVERTED) or {}
    jsonschema.validate({"id": "1", **json.loads(on_the_wire(row))}, SCHEMA)
    assert all(place in kept for place in nulls(record, row, ""))


def nulls(sent: Any, row: Any, place: str) -> list[str]:
    """The places where something was sent and null left."""
    if row is None:
        return [] if sent is None or sent == "" else [place]
    if isinstance(sent, dict) and isinstance(row, dict):
        return [
            one for name, value in sent.items() for one in nulls(value, row[name], f"{place}.{name}" if place else name)
        ]
    if isinstance(sent, list) and isinstance(row, list):
        assert len(sent) == len(row)
        return [one for at, value in enumerate(sent) for one in nulls(value, row[at], f"{place}[{at}]")]
    return []


def test_each_field_that_does_not_fit_has_a_warning_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    shaper = RowShaper("things", SCHEMA)
    for _ in range(3):
        shaper.shape([{"amount": "secret-1", "lines": [{"quantity": "secret-2"}, {"quantity": "secret-3"}]}], BUSINESS)
    assert fields_named(caplog) == [
        "things.amount",
        "things.lines[].quantity",
    ]


def test_no_value_is_in_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    shaped(amount="Jane Doe", date="Jane Doe", contact="Jane Doe", invented="Jane Doe", lines=["Jane Doe"])
    assert len(told(caplog)) == 5
    assert "Jane" not in caplog.text


# Nested records and arrays


def test_values_are_converted_at_every_depth_and_nulls_stay(caplog: pytest.LogCaptureFixture) -> None:
    row = shaped(
        contact={"id": 7, "displayed_as": "Acme"},
        lines=[{"quantity": "2.50", "ledger_account": {"id": "4000"}}, None, {"quantity": ""}],
        rates=["1.5", None, 2],
        scopes=["sales", 5],
    )
    assert row == {
        "contact": {"id": "7", "displayed_as": "Acme"},
        "lines": [{"quantity": 2.5, "ledger_account": {"id": "4000"}}, None, {"quantity": None}],
        "rates": [1.5, None, 2],
        "scopes": ["sales", "5"],
        "business_id": BUSINESS,
    }
    assert told(caplog) == []


def test_an_empty_record_and_an_empty_list_stay_empty() -> None:
    assert shaped(contact={}, lines=[], details={}) == {
        "contact": {},
        "lines": [],
        "details": {},
        "business_id": BUSINESS,
    }


def test_an_item_of_a_list_that_does_not_fit_becomes_null_in_its_place(caplog: pytest.LogCaptureFixture) -> None:
    assert shaped(lines=[{"quantity": 1}, "rubbish"])["lines"] == [{"quantity": 1}, None]
    assert fields_named(caplog) == ["things.lines[]"]


def test_dollar_names_and_links_are_gone_at_every_depth(caplog: pytest.LogCaptureFixture) -> None:
    reference = {"id": "1", "$path": "/contacts/1", "links": [{"href": "https://pay"}]}
    row = shaped(
        **reference,
        **{"$file_path": "/f", "$anything": {"a": 1}},
        contact=reference,
        lines=[{"quantity": 1, "$path": "/l", "ledger_account": reference}],
        roles=[reference, [reference]],
        details={"deep": reference, "$path": "/d"},
    )
    bare = {"id": "1"}
    assert row == {
        "id": "1",
        "contact": bare,
        "lines": [{"quantity": 1, "ledger_account": bare}],
        "roles": [bare, [bare]],
        "details": {"deep": bare},
        "business_id": BUSINESS,
    }
    assert told(caplog) == []


# Fields that the schema does not know


@pytest.mark.parametrize("value", ["5.00", 5, True, None, {"deep": ["1.0"]}, []])
def test_an_undeclared_field_passes_as_it_came(value: Any) -> None:
    assert shaped(invented=value)["invented"] == value


def test_each_undeclared_field_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    shaper = RowShaper("things", SCHEMA)
    record = {"invented": 1, "contact": {"invented": 2}, "lines": [{"invented": 3}, {"invented": 4}]}
    shaper.shape([record, record], BUSINESS)
    shaper.shape([record], "b2")
    assert told(caplog) == [
        f"things.{field}: Sage sent this undeclared field; it is passed on as it came, said once per sync."
        for field in ("invented", "contact.invented", "lines[].invented")
    ]


def test_an_undeclared_field_loses_its_dollar_names_and_links() -> None:
    assert shaped(invented={"a": [{"$path": "/x", "links": [], "b": 1}]})["invented"] == {"a": [{"b": 1}]}


# Rows


def test_every_row_carries_its_business() -> None:
    rows = RowShaper("things", SCHEMA).shape([{"id": "1"}, {"id": "2", "business_id": "another"}], BUSINESS)
    assert rows == [
        {"id": "1", "business_id": BUSINESS},
        {"id": "2", "business_id": BUSINESS, "unconverted_values": {"business_id": "another"}},
    ]


def test_a_field_that_sage_left_out_stays_out() -> None:
    assert shaped(id="1") == {"id": "1", "business_id": BUSINESS}


def test_an_item_that_is_no_record_is_left_out_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    rows = RowShaper("things", SCHEMA).shape(["text", {"id": "1"}, None, 5, ["id"]], BUSINESS)
    assert [row["id"] for row in rows] == ["1"]
    assert told(caplog) == ["things: an item that is not a record was left out."]


def test_the_record_that_came_is_not_changed() -> None:
    record = {"id": "1", "$path": "/things/1", "amount": "1.0", "contact": {"id": "2", "links": []}}
    before = json.dumps(record)
    RowShaper("things", SCHEMA).shape([record], BUSINESS)
    assert json.dumps(record) == before


# Exchange rates


@pytest.mark.parametrize(
    ("item", "currency"),
    [
        ({"currency": {"id": "AUD"}, "$path": "/exchange_rates/USD"}, "AUD"),
        ({"$path": "/exchange_rates/AUD"}, "AUD"),
        ({"currency": None, "$path": "/exchange_rates/AUD"}, "AUD"),
        ({"currency": {"id": None}, "$path": "/exchange_rates/AUD"}, "AUD"),
        ({"currency": "AUD", "$path": "/exchange_rates/USD"}, "USD"),
        ({"currency": {"id": {"a": 1}}, "$path": ["/exchange_rates/USD"]}, None),
        ({"currency": {}, "$path": None}, None),
        ({"$path": "/exchange_rates/"}, None),
        ({}, None),
    ],
)
def test_an_exchange_rate_is_known_by_its_currency_else_by_its_path(item: dict[str, Any], currency: str | None) -> None:
    assert currency_of(item) == currency
