"""Readers that take nothing, signals, a person's own file: processes of their own, over real HTTP and pipes."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import pytest

from integration_tests.commands import LONG, Command, call
from integration_tests.harness import Message, catalog_of
from integration_tests.sandbox import Sandbox, faults
from source_sage import stdout

TOKEN_PATH: Final = "/oauth/token"


@pytest.fixture
def own() -> Iterator[Sandbox]:
    with Sandbox(size="tiny", restricted_answer=404) as sandbox:
        yield sandbox


@pytest.fixture
def files(own: Sandbox, streams: dict[str, Message], tmp_path: Path) -> Path:
    """A folder with a config whose access token is dead, and a catalog."""
    config = own.config(access_token="", token_expiry_date="2020-01-01T00:00:00Z")
    (tmp_path / "sage-config.json").write_text(json.dumps(config))
    (tmp_path / "catalog.json").write_text(json.dumps(catalog_of(streams.values(), ["contacts", "products"])))
    return tmp_path


def words(files: Path, command: str, *options: str) -> list[str]:
    config = ["--config", str(files / "sage-config.json")]
    catalog = ["--catalog", str(files / "catalog.json")] if command == "read" else []
    return [command, *config, *catalog, *options]


def started(files: Path, command: str, *options: str, stderr: int | None = None) -> Command:
    return Command(words(files, command, *options), stderr=stderr)


def heard(process: Command) -> Future[tuple[bytes, bytes]]:
    """Take all that it says from now on: who is not listened to renews nothing."""
    pool = ThreadPoolExecutor(1)
    said = pool.submit(process.communicate)
    pool.shutdown(wait=False)
    return said


def messages(out: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def kept(files: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((files / "sage-config.json").read_text())
    return config


def newest(box: Sandbox) -> str:
    return str(box.tokens.newest()["refresh_token"])


# A reader that takes nothing


@pytest.mark.parametrize("kills", [10, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_while_nobody_reads_it_has_lost_nothing(kills: int) -> None:
    command = [sys.executable, "-m", "integration_tests.kill_around_refreshes", "--kills", str(kills), "--stalled"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LONG, check=False)  # noqa: S603
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{kills} kills") and " 0 met the window" in done.stdout


def test_what_counts_as_taken() -> None:
    out, into = os.pipe()
    assert stdout.is_taken(into)
    os.write(into, b"x")
    assert not stdout.is_taken(into)
    os.read(out, 1)
    assert stdout.is_taken(into)
    os.close(out)
    with pytest.raises(stdout.NobodyReads):
        stdout.is_taken(into)
    os.close(into)


def test_files_terminals_and_devices_take_what_comes(tmp_path: Path) -> None:
    ours, its = pty.openpty()
    with (tmp_path / "out").open("wb") as file, Path(os.devnull).open("wb") as nothing:
        assert all(map(stdout.is_taken, (file.fileno(), nothing.fileno(), its)))
    os.close(its)
    os.close(ours)


def test_who_has_lost_its_reader_renews_nothing(own: Sandbox, files: Path) -> None:
    before = newest(own)
    out, into = os.pipe()
    os.close(out)
    code, _, _ = call(*words(files, "check"), stdout=into)
    os.close(into)
    assert code != 0
    assert newest(own) == before


# Signals


def calling(box: Sandbox, path: str, fault: faults.Action) -> threading.Event:
    """Have something go wrong with a path; tells when the first such request has come."""
    came = threading.Event()
    box.faults.add(fault, path=path, when=lambda _: came.set() or True)
    return came


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_read_though_a_request_hangs_and_its_last_checkpoint_has_left(
    own: Sandbox, files: Path, number: signal.Signals
) -> None:
    came = calling(own, "*/products", faults.hang(LONG))
    process = started(files, "read")
    said = b""
    for line in process.stdout:
        said += line
        if b'"COMPLETE"' in line:  # contacts are read
            break
    assert came.wait(LONG), said
    process.send_signal(number)
    rest, told = process.communicate(LONG / 2)
    assert (process.returncode, told) == (128 + number, b"")
    found = messages(said + rest)
    states = [one["state"]["stream"]["stream_descriptor"]["name"] for one in found if one["type"] == "STATE"]
    assert "contacts" in states
    errors = [one["trace"]["error"] for one in found if one["type"] == "TRACE" and one["trace"]["type"] == "ERROR"]
    assert [error["failure_type"] for error in errors] == ["transient_error"]


def test_a_signal_ends_a_check_though_a_request_hangs(own: Sandbox, files: Path) -> None:
    came = calling(own, "*/businesses", faults.hang(LONG))
    process = started(files, "check")
    said = heard(process)
    assert came.wait(LONG)
    process.send_signal(signal.SIGTERM)
    said.result(LONG / 2)
    assert process.returncode == 128 + signal.SIGTERM


@pytest.mark.parametrize("command", ["check", "read"])
def test_a_signal_in_a_renewal_waits_until_its_message_has_left(own: Sandbox, files: Path, command: str) -> None:
    came = calling(own, TOKEN_PATH, faults.Hang(2.5, then_drop=False, late=True))
    process = started(files, command)
    out = heard(process)
    assert came.wait(LONG)
    process.send_signal(signal.SIGTERM)
    said, _ = out.result(LONG / 2)
    assert process.returncode == 128 + signal.SIGTERM
    (control,) = [one["control"] for one in messages(said) if one["type"] == "CONTROL"]
    assert control["connectorConfig"]["config"]["refresh_token"] == newest(own)


# A person's file


def test_check_with_save_config_works_again_and_again(own: Sandbox, files: Path) -> None:
    for _ in range(2):
        own.clock.advance(400)
        code, said, _ = call(*words(files, "check", "--save-config"))
        assert code == 0
        (status,) = [one for one in messages(said) if one["type"] == "CONNECTION_STATUS"]
        assert status["connectionStatus"]["status"] == "SUCCEEDED"
        assert kept(files)["refresh_token"] == newest(own)


def test_two_at_once_on_one_file_both_work(own: Sandbox, files: Path) -> None:
    own.faults.add(faults.Hang(0.5, then_drop=False, late=True), path=TOKEN_PATH)
    both = [heard(started(files, "check", "--save-config")) for _ in range(2)]
    for out in both:
        said, _ = out.result(LONG)
        (status,) = [one for one in messages(said) if one["type"] == "CONNECTION_STATUS"]
        assert status["connectionStatus"]["status"] == "SUCCEEDED"
    assert {one.status for one in own.requests if one.path == TOKEN_PATH} == {200}
    assert kept(files)["refresh_token"] == newest(own)


def test_killed_at_any_moment_the_file_starts_the_next_run() -> None:
    command = [sys.executable, "-m", "integration_tests.kill_around_refreshes", "--kills", "10", "--save-config"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LONG, check=False)  # noqa: S603
    assert (done.returncode, done.stderr) == (0, "")
    assert "0 failed otherwise" in done.stdout


def on_a_terminal(start: Callable[[int], Command]) -> tuple[bytes, str]:
    """What a command says on stdout and on a terminal."""
    ours, its = pty.openpty()
    process = start(its)
    os.close(its)
    said, _ = process.communicate()
    told = b""
    try:
        while piece := os.read(ours, 4096):
            told += piece
    except OSError:  # the other side is closed
        pass
    os.close(ours)
    return said, told.decode()


def test_a_person_is_told_that_the_file_holds_a_used_token(files: Path) -> None:
    said, told = on_a_terminal(lambda its: started(files, "check", stderr=its))
    assert any(one["type"] == "CONTROL" for one in messages(said))
    assert len(told.splitlines()) == 1
    assert "sage-config.json now holds a refresh token that is used up" in told and "--save-config" in told


@pytest.mark.parametrize("options", [["--save-config"], []])
def test_nobody_is_told_where_it_is_not_so(own: Sandbox, files: Path, options: list[str]) -> None:
    if not options:
        (files / "sage-config.json").write_text(json.dumps(own.config()))
    _, told = on_a_terminal(lambda its: started(files, "check", *options, stderr=its))
    assert told == ""


def test_the_option_goes_with_what_renews_alone(files: Path) -> None:
    code, _, told = call(*words(files, "discover", "--save-config"))
    assert code == 2 and b"--save-config goes with check and read" in told
