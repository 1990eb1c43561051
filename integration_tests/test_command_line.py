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
