"""Files as people and platforms have them."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
from airbyte_cdk.models import AirbyteStateMessageSerializer, FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.given import catalog_of, config_of, state_of


def state(name: str, kept: Any) -> dict[str, Any]:
    return {"type": "STREAM", "stream": {"stream_descriptor": {"name": name}, "stream_state": kept}}


def message(name: str, kept: Any) -> dict[str, Any]:
    return {"type": "STATE", "state": {**state(name, kept), "sourceStats": {"recordCount": 5.0}}}


def lines(*said: Any) -> str:
    return "".join(f"{json.dumps(one)}\n" for one in said)


STREAM: Final = {"name": "contacts", "json_schema": {}, "supported_sync_modes": ["full_refresh"]}
CONFIGURED: Final = {"stream": STREAM, "sync_mode": "full_refresh", "destination_sync_mode": "append"}
LOG: Final = {"type": "LOG", "log": {"level": "INFO", "message": "x"}}
RECORD: Final = {"type": "RECORD", "record": {"stream": "contacts", "data": {"type": "STATE"}, "emitted_at": 1}}


def states_in(tmp_path: Path, text: str) -> dict[str, Any]:
    path = tmp_path / "state"
    path.write_text(text, "utf-8")
    told = [AirbyteStateMessageSerializer.dump(one) for one in state_of(str(path))]
    return {one["stream"]["stream_descriptor"]["name"]: one["stream"].get("stream_state") for one in told}


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([state("contacts", {"a": 0}), state("journals", {"b": 2}), state("contacts", {"a": 1})]),
        json.dumps([message("contacts", {"a": 0}), message("journals", {"b": 2}), message("contacts", {"a": 1})]),
        json.dumps([message("journals", {"b": 2}), state("contacts", {"a": 1})], indent=2),
        lines(message("contacts", {"a": 0}), message("contacts", {"a": 1}), message("journals", {"b": 2})),
        lines(state("contacts", {"a": 1}), state("journals", {"b": 2})),
        lines(LOG, message("journals", {"b": 2}), RECORD, message("contacts", {"a": 1}), LOG),
        lines(LOG, message("journals", {"b": 2}), message("contacts", {"a": 1})).replace("\n", "\r\n\r\n"),
        "\N{BYTE ORDER MARK}" + json.dumps([state("contacts", {"a": 1}), state("journals", {"b": 2})]),
    ],
)
def test_a_state_is_taken_as_any_reader_writes_it_and_the_last_one_wins(text: str, tmp_path: Path) -> None:
    assert states_in(tmp_path, text) == {"contacts": {"a": 1}, "journals": {"b": 2}}


@pytest.mark.parametrize("text", [json.dumps(state("contacts", {"a": 1})), lines(message("contacts", {"a": 1}))])
def test_a_single_state_is_one(text: str, tmp_path: Path) -> None:
    assert states_in(tmp_path, text) == {"contacts": {"a": 1}}


@pytest.mark.parametrize("text", ["[]", "{}", "null", "", "\n", lines(LOG), "[{}]".replace("{}", json.dumps(LOG))])
def test_no_state_is_the_beginning(text: str, tmp_path: Path) -> None:
    assert states_in(tmp_path, text) == {}
    assert state_of(None) == state_of("") == []


def refusal(tmp_path: Path, kind: str, text: str) -> str:
    path = tmp_path / kind
    path.write_text(text, "utf-8")
    read = {"config": config_of, "catalog": catalog_of, "state": state_of}[kind]
    with pytest.raises(AirbyteTracedException) as caught:
        read(str(path))
    assert caught.value.failure_type is FailureType.config_error
    told = str(caught.value.message)
    assert told.startswith(f"--{kind} {path} ") and told.endswith(".")
    return told.removeprefix(f"--{kind} {path} ")


@pytest.mark.parametrize(
    "text",
    [
        "7",
        '"contacts"',
        "true",
        json.dumps({"contacts": {"updated_at": "2024-01-01T00:00:00Z"}}),
        json.dumps([{"type": "LEGACY", "data": {}}]),
        json.dumps([{"type": "GLOBAL", "global": {"stream_states": []}}]),
        json.dumps([state("contacts", 7)]),
        json.dumps([state("contacts", [])]),
        json.dumps([{"type": "STREAM", "stream": {"stream_descriptor": {"name": 5}}}]),
        json.dumps([[]]),
        json.dumps([None]),
        json.dumps({"streams": [CONFIGURED]}),
    ],
)
def test_what_is_no_state_is_told_with_what_one_is(text: str, tmp_path: Path) -> None:
    told = refusal(tmp_path, "state", text)
    assert told.startswith("is not a state: it must be a list") and "read from the beginning" in told


def test_a_broken_line_is_told_by_its_number(tmp_path: Path) -> None:
    text = lines(message("contacts", {"a": 1})) + '{"type": "STA'
    assert refusal(tmp_path, "state", text).startswith("is not valid JSON in line 2: ")


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"streams": [STREAM]}),
        json.dumps({"type": "CATALOG", "catalog": {"streams": [STREAM]}}),
        lines(LOG, {"type": "CATALOG", "catalog": {"streams": [STREAM]}}),
    ],
)
def test_a_discovered_catalog_is_told_with_what_makes_a_configured_one(text: str, tmp_path: Path) -> None:
    told = refusal(tmp_path, "catalog", text)
    assert told.startswith("is what `discover` prints")
    assert told.endswith("`source-sage catalog --config FILE > catalog.json` makes one.")


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "7",
        "{}",
        "null",
        json.dumps({"streams": {}}),
        json.dumps({"streams": [7]}),
        json.dumps({"streams": [{}]}),
        json.dumps({"streams": [{"stream": {"name": 1}}]}),
        json.dumps({"streams": [{**CONFIGURED, "sync_mode": "now and then"}]}),
        json.dumps([CONFIGURED]),
        lines(LOG, RECORD),
    ],
)
def test_what_is_no_catalog_is_told_with_what_one_is(text: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, "catalog", text).startswith("is not a configured catalog: an object with `streams`")


def test_a_configured_catalog_is_read_and_a_stream_that_is_in_it_twice_once(tmp_path: Path) -> None:
    path = tmp_path / "catalog"
    other = {**CONFIGURED, "stream": {**STREAM, "name": "journals"}}
    path.write_text(json.dumps({"streams": [CONFIGURED, other, CONFIGURED]}))
    assert [one.stream.name for one in catalog_of(str(path)).streams] == ["contacts", "journals"]
    path.write_text('{"streams": []}')
    assert catalog_of(str(path)).streams == []


@pytest.mark.parametrize("text", ["[]", "7", '"x"', "null"])
def test_a_config_that_is_no_object_is_told(text: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, "config", text).startswith("holds no object: it must look like")


@pytest.mark.parametrize("kind", ["config", "catalog", "state"])
def test_a_file_that_is_no_json_or_not_there_is_told(kind: str, tmp_path: Path) -> None:
    assert refusal(tmp_path, kind, '{"a": ') == "is not valid JSON: Expecting value (line 1, column 7)."
    assert "nested too deep" in refusal(tmp_path, kind, "[" * 100_000)
    assert "too long a number" in refusal(tmp_path, kind, "9" * 5000)
    (tmp_path / kind).write_bytes(b"\xff\xfe{}")
    read = {"config": config_of, "catalog": catalog_of, "state": state_of}[kind]
    with pytest.raises(AirbyteTracedException, match="no text in UTF-8"):
        read(str(tmp_path / kind))
    with pytest.raises(AirbyteTracedException, match="cannot be read: No such file"):
        read(str(tmp_path / "nothing"))
    with pytest.raises(AirbyteTracedException, match="cannot be read: Is a directory"):
        read(str(tmp_path))
