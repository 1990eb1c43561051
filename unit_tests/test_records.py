"""RECORD lines: what a message says beside its row."""

from typing import Any

import orjson
from airbyte_cdk.models import AirbyteMessageSerializer

from source_sage.lists.records import Records

FINE: dict[str, Any] = {"business_id": "b", "id": "1", "amount": 5}
ODD: dict[str, Any] = {
    "business_id": "b",
    "id": "2",
    "amount": None,
    "lines": [{"quantity": None}],
    "unconverted_values": {"amount": "five", "lines[0].quantity": [], "business_id": "another"},
}


def lines(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in Records.of("things", rows, "id", 17).lines.splitlines()]


def test_a_record_says_of_each_value_that_became_null_where_it_stood() -> None:
    fine, odd = lines(FINE, ODD)
    assert fine == {"type": "RECORD", "record": {"stream": "things", "data": FINE, "emitted_at": 17}}
    nulled = {"change": "NULLED", "reason": "SOURCE_SERIALIZATION_ERROR"}
    changes = [{"field": "amount", **nulled}, {"field": "lines[0].quantity", **nulled}]
    meta = {"changes": changes}
    assert odd == {"type": "RECORD", "record": {"stream": "things", "data": ODD, "meta": meta, "emitted_at": 17}}


def test_an_odd_record_stands_anywhere_on_a_page() -> None:
    for rows in ([ODD], [ODD, FINE], [FINE, ODD], [ODD, ODD]):
        assert [one["record"]["data"] for one in lines(*rows)] == rows


def test_the_cdks_messages_are_the_same() -> None:
    records = Records.of("things", [FINE, ODD], "id", 17)
    fine, odd = (AirbyteMessageSerializer.dump(one)["record"] for one in records.messages())
    assert [one.record.data for one in records.messages() if one.record] == [FINE, ODD]
    assert "meta" not in fine
    assert odd["meta"] == lines(ODD)[0]["record"]["meta"]
