"""`source-sage` as Airbyte calls it: a process of its own, no stdin, files for config, catalog and state."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from integration_tests.harness import catalog_of
from integration_tests.sandbox import Sandbox

SOURCE = Path(sys.executable).with_name("source-sage")


def call(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
    """Run the console script; gives its exit code and messages."""
    command = [str(SOURCE), *arguments]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    assert done.stderr == ""
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def of(messages: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [message for message in messages if message["type"] == kind]


@pytest.fixture
def files(box: Sandbox, tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(box.config()))
    return tmp_path


def test_spec_says_the_form() -> None:
    code, messages = call("spec")
    assert code == 0
    (spec,) = of(messages, "SPEC")
    assert spec["spec"]["connectionSpecification"]["required"] == ["client_id", "client_secret", "start_date"]


def test_check_discover_read_and_read_again(files: Path) -> None:
    config = str(files / "config.json")
    code, messages = call("check", "--config", config)
    assert (code, of(messages, "CONNECTION_STATUS")[0]["connectionStatus"]["status"]) == (0, "SUCCEEDED")

    code, messages = call("discover", "--config", config)
    assert code == 0
    (catalog,) = of(messages, "CATALOG")
    wanted = catalog_of(catalog["catalog"]["streams"], ["sales_invoices", "ledger_entries", "countries"])
    (files / "catalog.json").write_text(json.dumps(wanted))

    code, messages = call("read", "--config", config, "--catalog", str(files / "catalog.json"))
    assert code == 0
    assert {one["record"]["stream"] for one in of(messages, "RECORD")} == {
        "sales_invoices",
        "ledger_entries",
        "countries",
    }
    last = {one["state"]["stream"]["stream_descriptor"]["name"]: one["state"] for one in of(messages, "STATE")}
    (files / "state.json").write_text(json.dumps(list(last.values())))

    state = str(files / "state.json")
    code, messages = call("read", "--config", config, "--catalog", str(files / "catalog.json"), "--state", state)
    assert code == 0
    assert {one["record"]["stream"] for one in of(messages, "RECORD")} == {"countries"}


def test_read_takes_what_catalog_writes(files: Path) -> None:
    config = str(files / "config.json")
    command = [str(SOURCE), "catalog", "--config", config, "--streams", "sales_invoices,sales_invoice_lines,countries"]
    written = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)  # noqa: S603
    (files / "catalog.json").write_text(written.stdout)
    code, messages = call("read", "--config", config, "--catalog", str(files / "catalog.json"))
    assert code == 0
    read = {one["record"]["stream"] for one in of(messages, "RECORD")}
    assert read == {"countries", "sales_invoice_lines", "sales_invoices"}


def test_a_failing_check_exits_with_zero(files: Path, box: Sandbox) -> None:
    path = files / "wrong.json"
    path.write_text(json.dumps(box.config(start_date="yesterday")))
    code, messages = call("check", "--config", str(path))
    assert code == 0
    (status,) = of(messages, "CONNECTION_STATUS")
    assert status["connectionStatus"]["status"] == "FAILED"
    assert status["connectionStatus"]["message"].startswith("Start Date")


def test_a_failing_read_exits_with_one_and_no_traceback_in_the_log(files: Path, box: Sandbox) -> None:
    path = files / "dead.json"
    path.write_text(json.dumps(box.config(access_token="", refresh_token="used up", token_expiry_date="")))
    (files / "catalog.json").write_text(json.dumps({"streams": []}))
    code, messages = call("read", "--config", str(path), "--catalog", str(files / "catalog.json"))
    assert code == 1
    (error,) = [one["trace"]["error"] for one in of(messages, "TRACE") if one["trace"]["type"] == "ERROR"]
    assert error["failure_type"] == "config_error" and "Sign in to Sage again" in error["message"]
    assert not any("Traceback" in one["log"]["message"] for one in of(messages, "LOG"))


@pytest.mark.parametrize("content", [None, "{not json"])
def test_a_config_file_that_cannot_be_read_is_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "config.json"
    if content is not None:
        path.write_text(content)
    code, messages = call("check", "--config", str(path))
    assert code == 1
    (error,) = [one["trace"]["error"] for one in of(messages, "TRACE") if one["trace"]["type"] == "ERROR"]
    assert str(path) in error["message"]
    assert not any("Traceback" in one["log"]["message"] for one in of(messages, "LOG"))


# Files as people have them


def errors(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    assert not any("Traceback" in one["log"]["message"] for one in of(messages, "LOG"))
    return [one["trace"]["error"] for one in of(messages, "TRACE") if one["trace"]["type"] == "ERROR"]


def statuses(messages: list[dict[str, Any]], stream: str) -> list[str]:
    told = [one["trace"]["stream_status"] for one in of(messages, "TRACE") if one["trace"]["type"] == "STREAM_STATUS"]
    return [one["status"] for one in told if one["stream_descriptor"]["name"] == stream]


def test_what_a_read_has_printed_is_its_state(files: Path) -> None:
    config, catalog = str(files / "config.json"), str(files / "catalog.json")
    streams = of(call("discover", "--config", config)[1], "CATALOG")[0]["catalog"]["streams"]
    Path(catalog).write_text(json.dumps(catalog_of(streams, ["contacts", "countries"])))
    _, messages = call("read", "--config", config, "--catalog", catalog)
    assert {one["record"]["stream"] for one in of(messages, "RECORD")} == {"contacts", "countries"}
    for text in (
        "".join(f"{json.dumps(one)}\n" for one in messages),
        json.dumps(of(messages, "STATE")),
    ):
        (files / "state").write_text(text)
        code, again = call("read", "--config", config, "--catalog", catalog, "--state", str(files / "state"))
        assert code == 0
        assert {one["record"]["stream"] for one in of(again, "RECORD")} == {"countries"}


def test_what_discover_has_printed_is_told_from_a_configured_catalog(files: Path) -> None:
    config, path = str(files / "config.json"), files / "discovered"
    _, messages = call("discover", "--config", config)
    path.write_text("".join(f"{json.dumps(one)}\n" for one in messages))
    code, messages = call("read", "--config", config, "--catalog", str(path))
    (error,) = errors(messages)
    assert (code, error["failure_type"]) == (1, "config_error")
    assert error["message"].startswith(f"--catalog {path} is what `discover` prints")
    assert "source-sage catalog --config" in error["message"]


def test_a_stream_that_is_no_more_fails_alone(files: Path) -> None:
    config, path = str(files / "config.json"), files / "catalog.json"
    streams = of(call("discover", "--config", config)[1], "CATALOG")[0]["catalog"]["streams"]
    catalog = catalog_of([*streams, {**streams[0], "name": "recurring_invoices"}], ["contacts", "recurring_invoices"])
    path.write_text(json.dumps(catalog))
    code, messages = call("read", "--config", config, "--catalog", str(path))
    assert code == 1
    assert statuses(messages, "contacts")[-1] == "COMPLETE"
    assert statuses(messages, "recurring_invoices") == ["STARTED", "INCOMPLETE"]
    assert {one["state"]["stream"]["stream_descriptor"]["name"] for one in of(messages, "STATE")} == {"contacts"}
    first, last = errors(messages)
    assert {first["failure_type"], last["failure_type"]} == {"config_error"}
    assert "recurring_invoices, a stream that this source does not have now" in first["message"]
    assert last["message"].startswith("1 of 2 streams did not finish (recurring_invoices).")
    assert last["message"].endswith("Everything else was read and is saved.")


def test_an_empty_catalog_and_a_misspelt_key_are_told_and_stop_nothing(files: Path, box: Sandbox) -> None:
    (files / "config.json").write_text(json.dumps(box.config(enddate="2024-01-01")))
    (files / "catalog.json").write_text('{"streams": []}')
    code, messages = call("read", "--config", str(files / "config.json"), "--catalog", str(files / "catalog.json"))
    warnings = [one["log"]["message"] for one in of(messages, "LOG") if one["log"]["level"] == "WARN"]
    assert code == 0 and errors(messages) == []
    assert warnings == [
        "`enddate` is not a field of this source; it is called `end_date`. It is ignored.",
        "The catalog selects no streams, so nothing is read. Select those that you want.",
    ]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("config", "[]"),
        ("config", "7"),
        ("catalog", "[]"),
        ("catalog", "{}"),
        ("state", "7"),
        ("state", '{"contacts": {"updated_at": "2024-01-01"}}'),
    ],
)
def test_a_file_of_another_kind_is_one_sentence(files: Path, name: str, content: str) -> None:
    for one, usual in (("catalog", '{"streams": []}'), ("state", "[]"), (name, content)):
        (files / f"{one}.json").write_text(usual)
    paths = [part for one in ("config", "catalog", "state") for part in (f"--{one}", str(files / f"{one}.json"))]
    code, messages = call("read", *paths)
    (error,) = errors(messages)
    assert (code, error["failure_type"]) == (1, "config_error")
    assert error["message"].startswith(f"--{name} {files / name}.json ")
