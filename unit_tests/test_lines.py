from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_sage.lists.lines import ALL_LINES, lines_of
from source_sage.lists.rows import UNCONVERTED
from source_sage.streams import every_stream

STREAMS = every_stream()
READ_AT = "2026-11-23T10:00:00.000001Z"
INVOICE: dict[str, Any] = {
    "business_id": "b",
    "id": "i",
    "updated_at": "2026-01-01T00:00:00Z",
    "date": "2025-12-31",
    "status": {"id": "PAID", "displayed_as": "Paid"},
    "contact": {"id": "c", "displayed_as": "Customer"},
    "currency": None,
    "notes": "not carried",
    "invoice_lines": [{"id": "1", "net_amount": 5}, {"id": "2", "net_amount": 7.5, "new_at_sage": True}],
}
HEAD = {
    "business_id": "b",
    "sales_invoice_id": "i",
    "updated_at": "2026-01-01T00:00:00Z",
    "read_at": READ_AT,
    "date": "2025-12-31",
    "status": {"id": "PAID", "displayed_as": "Paid"},
    "contact": {"id": "c", "displayed_as": "Customer"},
    "currency": None,
}


def invoice_lines(*rows: dict[str, Any], emitted_before: bool = True) -> list[dict[str, Any]]:
    facts = STREAMS["sales_invoice_lines"]
    return lines_of(facts, "sales_invoices", rows, READ_AT, emitted_before=emitted_before)


def test_each_line_comes_with_its_key_and_what_it_carries() -> None:
    assert invoice_lines(INVOICE) == [
        {**HEAD, "id": "1", "net_amount": 5},
        {**HEAD, "id": "2", "net_amount": 7.5, "new_at_sage": True},
    ]


def test_the_parent_stays_as_it_was() -> None:
    before = {**INVOICE, "invoice_lines": [dict(line) for line in INVOICE["invoice_lines"]]}
    invoice_lines(INVOICE)
    assert before == INVOICE


def test_a_deleted_parent_takes_its_lines_along() -> None:
    moment = "2026-02-02T00:00:00Z"
    stone = {"business_id": "b", "id": "i", "is_deleted": True, "deleted_at": moment, "updated_at": moment}
    expected = {
        "business_id": "b",
        "sales_invoice_id": "i",
        "id": ALL_LINES,
        "read_at": READ_AT,
        "is_deleted": True,
        "deleted_at": moment,
        "updated_at": moment,
    }
    assert invoice_lines(stone) == invoice_lines(stone, emitted_before=False) == [expected]


@pytest.mark.parametrize("lines", [[], None, "odd", [None], ["odd"]])
def test_a_parent_without_lines_says_so_unless_nobody_has_seen_any(lines: Any) -> None:
    moment = INVOICE["updated_at"]
    assert invoice_lines({**INVOICE, "invoice_lines": lines}) == [
        {**HEAD, "id": ALL_LINES, "is_deleted": True, "deleted_at": moment}
    ]
    assert invoice_lines({**INVOICE, "invoice_lines": lines}, emitted_before=False) == []


def test_a_field_of_the_line_never_hides_one_of_the_parent() -> None:
    line = {"id": "1", "updated_at": "of the line", "status": "of the line", "read_at": "x"}
    (row,) = invoice_lines({**INVOICE, "invoice_lines": [line]})
    own = {"line_updated_at": "of the line", "line_status": "of the line", "line_read_at": "x"}
    assert row == {**HEAD, "id": "1", **own}


@pytest.mark.parametrize(
    ("ids", "keys"),
    [
        ([None, None], ["#1", "#2"]),
        (["", "a"], ["#1", "a"]),
        (["a", "a", "a"], ["a", "a#2", "a#3"]),
        ([7, "7"], ["7", "7#2"]),
    ],
)
def test_a_line_without_an_id_of_its_own_is_known_by_its_position(ids: list[Any], keys: list[str]) -> None:
    rows = invoice_lines({**INVOICE, "invoice_lines": [{"id": one} for one in ids]})
    assert [row["id"] for row in rows] == keys


@given(st.lists(st.one_of(st.none(), st.integers(0, 3), st.sampled_from(["", "a", "b", "1"])), max_size=8))
def test_no_line_hides_another(ids: list[Any]) -> None:
    rows = invoice_lines({**INVOICE, "invoice_lines": [{"id": one} for one in ids]}, emitted_before=False)
    assert len({row["id"] for row in rows}) == len(ids)
    assert ALL_LINES not in {row["id"] for row in rows}


# What did not fit


def test_each_line_keeps_what_did_not_fit_of_it_and_of_what_it_carries() -> None:
    odd = {
        "date": "05/01/2022",
        "notes": {"not": "carried"},
        "contact.id": ["x"],
        "invoice_lines[1].net_amount": "five",
        "invoice_lines[1].status": 7,
        "invoice_lines[1].tax[0].rate": "high",
        "invoice_lines[12].net_amount": "of no line",
    }
    lines = [{"id": "1"}, {"id": "2", "net_amount": None, "status": None}, None]
    first, second = invoice_lines({**INVOICE, "invoice_lines": lines, UNCONVERTED: odd})
    carried = {"date": "05/01/2022", "contact.id": ["x"]}
    assert first[UNCONVERTED] == carried
    assert second[UNCONVERTED] == {**carried, "net_amount": "five", "line_status": 7, "tax[0].rate": "high"}


def test_what_is_no_line_is_kept_in_a_line_known_by_its_position() -> None:
    odd = {"invoice_lines[1]": "odd"}
    _, row = invoice_lines({**INVOICE, "invoice_lines": [{"id": "1"}, None, None], UNCONVERTED: odd})
    assert row == {**HEAD, "id": "#2", UNCONVERTED: odd}


@pytest.mark.parametrize("emitted_before", [True, False])
def test_what_came_in_place_of_all_lines_is_kept_in_the_row_of_all_lines(emitted_before: bool) -> None:
    odd = {"invoice_lines": {"1": "odd"}, "date": "05/01/2022"}
    parent = {**INVOICE, "invoice_lines": None, UNCONVERTED: odd}
    (row,) = invoice_lines(parent, emitted_before=emitted_before)
    assert row == {**HEAD, "id": ALL_LINES, "is_deleted": True, "deleted_at": INVOICE["updated_at"], UNCONVERTED: odd}


def test_a_field_of_a_line_under_our_name_does_not_pass_for_ours() -> None:
    (row,) = invoice_lines({**INVOICE, "invoice_lines": [{"id": "1", UNCONVERTED: "x"}]})
    assert row == {**HEAD, "id": "1", f"line_{UNCONVERTED}": "x"}


def test_an_allocation_names_the_stream_that_it_is_of() -> None:
    facts = STREAMS["payment_allocations"]
    parent = {"business_id": "b", "id": "p", "updated_at": "u", "allocated_artefacts": [{"id": "1", "amount": 3}]}
    (row,) = lines_of(facts, "contact_payments", [parent], READ_AT, emitted_before=False)
    assert (row["parent_stream"], row["parent_id"], row["id"], row["amount"]) == ("contact_payments", "p", "1", 3)
