"""What users' connections rest on does not change unseen: `contract/`, and what counts as breaking."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Final

import pytest

from scripts import contract, release
from source_sage.streams import every_stream

NOW: Final = contract.now()


@pytest.mark.parametrize("name", contract.NAMES)
def test_what_is_written_down_is_what_the_code_does(name: str) -> None:
    written = (contract.CONTRACT / f"{name}.json").read_text(encoding="utf-8")
    assert written == contract.texts(NOW)[name], "run make snapshots, and look at the diff as a user would"


def test_what_breaks_since_the_last_release_is_told() -> None:
    released = contract.kept(contract.RELEASED)
    broken = contract.breaking(released, NOW) if released else []
    assert not broken or release.fragments("breaking"), f"no changes/*.breaking.md says: {broken}"


def test_what_was_released_is_kept() -> None:
    told = release.RELEASED_HEADING.search((release.ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    assert (told is None) == (contract.kept(contract.RELEASED) is None)


def test_nothing_breaks_by_itself() -> None:
    assert contract.breaking(NOW, copy.deepcopy(NOW)) == []


def test_every_stream_and_every_field_of_the_form_is_in_it() -> None:
    assert NOW["catalog"].keys() == every_stream().keys()
    lines = NOW["catalog"]["sales_invoices"]["fields"]
    assert lines["total_amount"] == "number" and lines["invoice_lines"] == "array"
    assert lines["invoice_lines[].total_amount"] == "number"
    assert lines["date"] == "string date"
    assert {"client_id", "start_date", "num_workers"} <= NOW["spec"]["fields"].keys()


def without_a_stream(after: contract.Contract) -> None:
    del after["catalog"]["contacts"]


def with_another_key(after: contract.Contract) -> None:
    after["catalog"]["contacts"]["key"] = ["id"]


def with_another_cursor(after: contract.Contract) -> None:
    after["catalog"]["contacts"]["cursor"] = "created_at"


def without_incremental(after: contract.Contract) -> None:
    after["catalog"]["contacts"]["modes"].remove("incremental")


def without_a_field(after: contract.Contract) -> None:
    del after["catalog"]["contacts"]["fields"]["name"]


def with_another_type(after: contract.Contract) -> None:
    after["catalog"]["sales_invoices"]["fields"]["total_amount"] = "string"


def with_another_format(after: contract.Contract) -> None:
    after["catalog"]["sales_invoices"]["fields"]["date"] = "string"


def with_a_field_required(after: contract.Contract) -> None:
    after["spec"]["required"].append("account_id")


def without_a_field_of_the_form(after: contract.Contract) -> None:
    del after["spec"]["fields"]["end_date"]


def with_another_default(after: contract.Contract) -> None:
    after["spec"]["fields"]["replicate_customer_data"]["default"] = False


def with_a_smaller_range(after: contract.Contract) -> None:
    after["spec"]["fields"]["num_workers"]["maximum"] = 16


def with_a_pattern(after: contract.Contract) -> None:
    after["spec"]["fields"]["client_id"]["pattern"] = "^[a-f]+$"


def with_tokens_elsewhere(after: contract.Contract) -> None:
    path = next(iter(after["spec"]["oauth"]))
    after["spec"]["oauth"][path] = ["credentials", "token"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (without_a_stream, "the stream contacts is gone"),
        (with_another_key, "the key of contacts is ['id'] and was ['business_id', 'id']"),
        (with_another_cursor, "the cursor of contacts is created_at and was updated_at"),
        (without_incremental, "contacts can no longer be read incremental"),
        (without_a_field, "the field contacts.name is gone"),
        (with_another_type, "the field sales_invoices.total_amount is string and was number"),
        (with_another_format, "the field sales_invoices.date is string and was string date"),
        (with_a_field_required, "the form's account_id is required now"),
        (without_a_field_of_the_form, "the form's end_date is gone"),
        (with_another_default, "the form's replicate_customer_data has default False and had True"),
        (with_a_smaller_range, "the form's num_workers has maximum 16 and had 32"),
        (with_a_pattern, "the form's client_id has pattern '^[a-f]+$' and had None"),
        (with_tokens_elsewhere, "the sign-in keeps"),
    ],
)
def test_what_a_connection_would_notice_is_breaking(change: Callable[[contract.Contract], None], told: str) -> None:
    after = copy.deepcopy(NOW)
    change(after)
    (sentence,) = contract.breaking(NOW, after)
    assert sentence.startswith(told)


def more(after: contract.Contract) -> None:
    after["catalog"]["new_things"] = after["catalog"]["contacts"]
    after["catalog"]["contacts"]["fields"]["new"] = "string"
    after["spec"]["fields"]["new"] = {"type": "string"}
    after["spec"]["fields"]["num_workers"] |= {"maximum": 64, "minimum": 0}
    del after["spec"]["fields"]["account_id"]["pattern"]


def test_more_of_everything_breaks_nothing() -> None:
    after = copy.deepcopy(NOW)
    more(after)
    assert contract.breaking(NOW, after) == []


@pytest.mark.parametrize(
    "stored",
    [
        {"version": 1, "businesses": {"b": {"watermark": "2026-11-23T10:00:00Z", "page": 7}}},
        {"version": 3, "endpoint": contract.HOST, "businesses": {}},
        {"version": 2, "endpoint": contract.HOST, "businesses": {"b": {"cursor": "2026-11-23T10:00:00Z"}}},
    ],
)
def test_a_state_that_is_no_longer_understood_is_breaking(stored: dict[str, Any]) -> None:
    before = copy.deepcopy(NOW)
    before["state"]["examples"]["of long ago"] = stored
    assert contract.breaking(before, NOW) == ["a stored state is refused: of long ago"]


def test_what_was_kept_is_read_back(tmp_path: Any) -> None:
    assert contract.kept(tmp_path) is None
    contract.write(NOW, tmp_path)
    assert contract.kept(tmp_path) == NOW
