"""Secrets never leave: check and read run through every fault of the tokens, and all they said is searched.

CONTROL messages are left out of the search: they carry the config, by design. Everything else counts: records, states,
logs of all libraries at all levels, traces with their stack traces, the connection status, warnings on stderr.
"""

from __future__ import annotations

import json
import logging
import os
import string
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from integration_tests.commands import LONG, call
from integration_tests.harness import Message, catalog_of, run
from integration_tests.sandbox import Sandbox, faults
from source_sage.sign_in import token_call
from source_sage.sign_in import tokens as module

SOURCE = Path(sys.executable).with_name("source-sage")
TOKEN_PATH = "/oauth/token"
LISTS = ("contacts", "ledger_entries", "countries")
CANARY = 'canary "quoted\\" /+=& \u00e9'


@dataclass
class Case:
    """A sandbox in some kind of trouble, and the secrets that must not be seen."""

    box: Sandbox
    secrets: set[str] = field(default_factory=set)

    def config(self, *, dead: bool = True, **changes: Any) -> dict[str, Any]:
        """A config with a secret of odd letters, whose access token has died if wanted."""
        config = self.box.config()
        if dead:
            self.box.tokens.grants[0].access.clear()
            config["token_expiry_date"] = "2026-01-01T00:00:00Z"
        config |= changes
        names = ("client_secret", "client_id", "access_token", "refresh_token")
        self.secrets |= {str(config[name]).strip() for name in names if str(config[name]).strip()}
        return config


def fault(action: Callable[[], faults.Action], **where: Any) -> Callable[[Case], dict[str, Any]]:
    """A dead token and a token endpoint (or list) with that fault."""

    def prepare(case: Case) -> dict[str, Any]:
        config = case.config()
        case.box.faults.add(action(), **({"path": TOKEN_PATH} | where))
        return config

    return prepare


def echo(case: Case) -> dict[str, Any]:
    """A server that quotes what it was sent."""
    config = case.config()
    sent = {name: config[name] for name in ("client_secret", "refresh_token")}
    told = f"bad credentials {sent['client_secret']} {sent['refresh_token']}"
    case.box.faults.add(faults.status(400, {"error": told, "error_description": told, **sent}), path=TOKEN_PATH)
    return config


def echo_of_the_api(case: Case) -> dict[str, Any]:
    """An API that quotes the token it refuses."""
    config = case.config(dead=False)
    told = f"Bearer {config['access_token']} is not valid"
    case.box.faults.add(faults.status(401, [{"$dataCode": "InvalidToken", "$message": told}]), path="/v3.1/*")
    return config


def revoked(case: Case) -> dict[str, Any]:
    config = case.config()
    case.box.tokens.revoke(config | {"token": config["refresh_token"]})
    return config


def rotated_by_a_sibling(case: Case) -> dict[str, Any]:
    config = case.config()
    case.box.tokens.issue(case.box.tokens.grants[0])
    return config


def unreadable_tokens(case: Case) -> dict[str, Any]:
    """Letters that no header can carry, and a line break in the middle."""
    return case.config(dead=False, access_token="acc\u2019ess-canary-1", refresh_token="refresh-canary-1\nmore-canary")


TROUBLES: dict[str, Callable[[Case], dict[str, Any]]] = {
    "none": lambda case: case.config(dead=False),
    "dead token": lambda case: case.config(),
    "lost answer": fault(faults.lost_answer, nth=1),
    "dropped": fault(faults.drop),
    "cut": fault(faults.cut),
    "hangs": fault(lambda: faults.hang(0.5, then_drop=True)),
    "500": fault(lambda: faults.status(500)),
    "503": fault(lambda: faults.status(503)),
    "429": fault(lambda: faults.status(429)),
    "403": fault(lambda: faults.html(403)),
    "html 200": fault(lambda: faults.html(200)),
    "broken json": fault(faults.broken_json),
    "redirect": fault(lambda: faults.status(307, headers={"Location": "http://127.0.0.1:9/elsewhere"})),
    "quoting refusal": echo,
    "quoting api": echo_of_the_api,
    "wrong client": lambda case: case.config(client_secret=CANARY),
    "revoked": revoked,
    "sibling": rotated_by_a_sibling,
    "401 in a page run": fault(lambda: faults.status(401), path="*/ledger_entries", nth=2),
    "401 for ever": fault(lambda: faults.status(401), path="/v3.1/*"),
    "access token alone": lambda case: case.config(refresh_token=""),
    "padded": lambda case: case.config(refresh_token=f" {case.box.config()['refresh_token']}\n"),
    "unreadable": unreadable_tokens,
    "big number in the config": lambda case: case.config(note=2**70),
    "fields of the wrong kind": lambda case: case.config(access_token=["canary-in-a-list"], num_workers=10**6),
}


@pytest.fixture
def case(monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    """A sandbox that remembers every token and code it ever gave out."""
    monkeypatch.setattr(module, "PAUSE_AFTER_LOST_ANSWER_SECONDS", 0.01)
    monkeypatch.setattr(module, "WAITS_WHILE_DOWN_SECONDS", (0.01, 0.01))
    monkeypatch.setattr(token_call, "READ_TIMEOUT_SECONDS", 0.2)
    with Sandbox(size="tiny", refresh_grace=0) as box:
        case = Case(box)
        make_token, make_code = box.tokens._token, box.tokens.new_code

        def token(kind: str) -> str:
            case.secrets.add(made := make_token(kind))
            return made

        def code(*arguments: Any) -> str:
            case.secrets.add(made := make_code(*arguments))
            return made

        monkeypatch.setattr(box.tokens, "_token", token)
        monkeypatch.setattr(box.tokens, "new_code", code)
        yield case


@pytest.fixture(params=["info", "debug"])
def level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """LOG_LEVEL as the platform sets it; with debug every library talks as well."""
    monkeypatch.setenv("LOG_LEVEL", request.param)
    loggers = [logging.getLogger(name) for name in (None, "airbyte", "airbyte.source-sage", "urllib3")]
    before = [logger.level for logger in loggers]
    if request.param == "debug":
        for logger in loggers:
            logger.setLevel(logging.DEBUG)
    yield request.param
    for logger, number in zip(loggers, before, strict=True):
        logger.setLevel(number)


def spellings(secret: str) -> set[str]:
    """The secret as it is, and as it would look in an address, a form, JSON or a Python literal."""
    as_json = json.dumps(secret)[1:-1]
    return {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), as_json, repr(secret)[1:-1]} | {
        part for part in secret.split() if "canary" in part
    }


def search(said: str, secrets: set[str]) -> None:
    for secret in secrets:
        for one in spellings(secret):
            place = said.find(one)
            assert place < 0, f"a secret is in: {said[max(0, place - 200) : place]}<HERE>"


def without_control(messages: list[Message]) -> str:
    return "\n".join(json.dumps(message, ensure_ascii=False) for message in messages if message["type"] != "CONTROL")


@pytest.mark.parametrize("command", ["check", "read"])
@pytest.mark.parametrize("trouble", TROUBLES)
def test_nothing_that_is_said_holds_a_secret(
    case: Case,
    streams: dict[str, Message],
    level: str,
    trouble: str,
    command: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    config = TROUBLES[trouble](case)
    catalog = catalog_of(streams.values(), LISTS) if command == "read" else None
    output = run(command, config, catalog=catalog)
    assert len(output.messages) > 1
    if level == "debug" and case.box.requests:
        assert any(record.name.startswith("urllib3") for record in caplog.records)
    printed = capfd.readouterr()
    said = "\n".join((without_control(output.messages), caplog.text, printed.out, printed.err))
    assert len(case.secrets) >= 4
    search(said, case.secrets)
    # Nor does a config that is handed back say more than was configured.
    for kept in output.configs:
        assert set(kept) == set(config) | {"access_token", "refresh_token", "token_expiry_date"}


@pytest.mark.parametrize("trouble", ["wrong client", "401 for ever"])
def test_nothing_that_the_command_says_with_debug_holds_a_secret(
    case: Case, streams: dict[str, Message], tmp_path: Path, trouble: str
) -> None:
    config = tmp_path / "config.json"
    config.write_text(json.dumps(TROUBLES[trouble](case)))
    catalog = tmp_path / "catalog.json"
    catalog.write_text(json.dumps(catalog_of(streams.values(), LISTS)))
    _, said, complaint = call("read", "--debug", "--config", str(config), "--catalog", str(catalog))
    assert b"Debug logs enabled" in said
    messages = [json.loads(line) for line in said.splitlines()]
    search(f"{without_control(messages)}\n{complaint.decode()}", case.secrets)


def test_what_nobody_foresaw_is_told_without_secrets(tmp_path: Path) -> None:
    """A stack trace quotes whatever it likes: here the config, by way of a fault that is put into the process."""
    (tmp_path / "config.json").write_text(json.dumps({"client_secret": CANARY, "client_id": "TRACE"}))
    (tmp_path / "sitecustomize.py").write_text(
        "import source_sage.config as module\n"
        "module.SageConfig.parse = classmethod(lambda cls, config: 1 / int(config['client_secret']))\n"
    )
    done = subprocess.run(  # noqa: S603
        [str(SOURCE), "discover", "--config", str(tmp_path / "config.json")],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "")
    (error,) = (one["trace"]["error"] for one in map(json.loads, done.stdout.splitlines()) if one["type"] == "TRACE")
    assert "nobody foresaw (ValueError)" in error["message"] and "int(config[" in error["stack_trace"]
    search(done.stdout, {CANARY})


def test_no_letter_is_a_secret(case: Case, streams: dict[str, Message]) -> None:
    """A Client Secret of one letter, which is wrong, is told in the very words of any other that is wrong."""
    catalog, form = catalog_of(streams.values(), LISTS), case.config()

    def told(secret: str) -> list[str]:
        config = {**form, "client_secret": secret}
        checked, read = run("check", config), run("read", config, catalog=catalog)
        return [checked.status["message"], *(error["message"] for error in read.errors), *read.log("INFO")]

    usual = told(CANARY)
    assert len(usual) >= 2 and "Sage does not know this app" in usual[0] and "Sage does not know this app" in usual[1]
    for letter in sorted({*string.printable} - {*string.whitespace}):
        assert told(letter) == usual


def test_the_search_would_find_a_secret() -> None:
    for said in (f"x {CANARY} y", quote_plus(CANARY), json.dumps(CANARY), repr(CANARY)):
        with pytest.raises(AssertionError, match="a secret is in"):
            search(said, {CANARY})
