"""A person's config file that keeps its tokens: always whole, always the owner's alone, never behind Sage for long."""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
import requests_mock as mocking
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.sign_in import tokens as module
from source_sage.sign_in.config_file import ConfigFile, beside, write
from source_sage.sign_in.tokens import SageTokens
from unit_tests.form import a_form
from unit_tests.test_tokens import ADDRESS, HeldClock, dead, failure_of, in_seconds, pair

TOKENS = {"access_token": "new-access", "refresh_token": "new-refresh", "token_expiry_date": "2026-11-23T10:05:00Z"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "sage-config.json"
    path.write_text(json.dumps(dead(note="mine")))
    return path


def read(path: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads(path.read_text())
    return config


def listed(path: Path) -> list[str]:
    return [one.name for one in path.parent.iterdir()]


def renew(path: Path, **changes: Any) -> SageTokens:
    """Renew the tokens of a config as a process does that was started with this file."""
    config = {**read(path), **changes}
    with mocking.Mocker() as sage:
        sage.post(ADDRESS, json=pair())
        tokens = SageTokens(config, ADDRESS, reading=True, clock=HeldClock(), config_file=ConfigFile(path))
        tokens.get_access_token()
    return tokens


def test_only_its_tokens_change_and_only_its_owner_reads_it(path: Path) -> None:
    before = read(path)
    path.chmod(0o644)
    with ConfigFile(path).renewal() as kept:
        kept.keep(TOKENS)
    assert read(path) == before | TOKENS
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert listed(path) == [path.name]


def test_what_is_written_is_never_readable_by_others(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    replace = Path.replace

    def noted(new: Path, target: Path) -> Path:
        seen.append(stat.S_IMODE(new.stat().st_mode))
        return replace(new, target)

    monkeypatch.setattr(Path, "replace", noted)
    before = os.umask(0)
    try:
        write(path, TOKENS)
    finally:
        os.umask(before)
    assert seen == [0o600]


def test_a_link_stays_and_what_it_leads_to_is_replaced(path: Path) -> None:
    link = path.with_name("link.json")
    link.symlink_to(path.name)
    with ConfigFile(link).renewal() as kept:
        kept.keep(TOKENS)
    assert link.is_symlink() and read(path)["refresh_token"] == "new-refresh"


def test_what_was_edited_during_a_run_stays(path: Path) -> None:
    tokens = SageTokens(read(path), ADDRESS, reading=True, clock=HeldClock(), config_file=ConfigFile(path))
    path.write_text(json.dumps(read(path) | {"start_date": "2020-02-02"}))
    with mocking.Mocker() as sage:
        sage.post(ADDRESS, json=pair())
        tokens.get_access_token()
    assert (read(path)["start_date"], read(path)["refresh_token"]) == ("2020-02-02", "refresh-1")


def test_the_file_has_the_new_tokens_before_they_are_printed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    printed: list[str] = []

    def emit(config: dict[str, Any]) -> None:
        assert read(path)["refresh_token"] == config["refresh_token"]
        printed.append(config["refresh_token"])

    monkeypatch.setattr(module, "emit_configuration_as_airbyte_control_message", emit)
    renew(path)
    assert printed == ["refresh-1"]


def test_newer_tokens_of_another_process_are_used_without_a_renewal(path: Path) -> None:
    config = read(path)
    path.write_text(json.dumps(config | TOKENS | {"token_expiry_date": in_seconds(300)}))
    clock = HeldClock()
    with mocking.Mocker() as sage:
        tokens = SageTokens(config, ADDRESS, reading=True, clock=clock, config_file=ConfigFile(path))
        assert tokens.get_access_token() == "new-access"
        assert (sage.call_count, tokens.renewals) == (0, 0)


def test_newer_tokens_that_have_died_are_renewed_and_not_the_old_ones(path: Path) -> None:
    config = read(path)
    path.write_text(json.dumps(config | TOKENS | {"token_expiry_date": in_seconds(-5)}))
    with mocking.Mocker() as sage:
        sage.post(ADDRESS, json=pair())
        SageTokens(config, ADDRESS, reading=True, clock=HeldClock(), config_file=ConfigFile(path)).get_access_token()
        assert "refresh_token=new-refresh" in sage.request_history[0].text
    assert read(path)["refresh_token"] == "refresh-1"


def test_two_threads_that_renew_one_file_take_turns(path: Path) -> None:
    order: list[str] = []
    inside = threading.Event()

    def second() -> None:
        inside.wait(5)
        with ConfigFile(path).renewal() as kept:
            order.append(str(kept.config["refresh_token"]))

    thread = threading.Thread(target=second)
    thread.start()
    with ConfigFile(path).renewal() as kept:
        inside.set()
        thread.join(0.1)
        kept.keep(TOKENS)
        order.append("first")
    thread.join(5)
    assert order == ["first", "new-refresh"]


@pytest.mark.parametrize("code", [errno.EBUSY, errno.EROFS, errno.EACCES, errno.ENOSPC])
def test_a_file_that_cannot_be_replaced_is_told_before_a_token_is_spent(
    path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    before = path.read_bytes()
    monkeypatch.setattr(Path, "replace", refuse)
    with mocking.Mocker() as sage:
        tokens = SageTokens(read(path), ADDRESS, reading=True, clock=HeldClock(), config_file=ConfigFile(path))
        failure = failure_of(tokens.get_access_token)
        assert sage.call_count == 0
    assert os.strerror(code) in str(failure.message) and "mount the folder" in str(failure.message)
    assert (path.read_bytes(), listed(path)) == (before, [path.name])


def test_a_name_that_leaves_no_room_for_the_file_beside_is_told(tmp_path: Path) -> None:
    path = tmp_path / f"{'x' * 250}.json"
    path.write_text("{}")
    with pytest.raises(AirbyteTracedException, match="cannot be kept"):
        ConfigFile(path).require_replaceable()


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_a_file_that_is_no_config_is_named(path: Path, content: str | None) -> None:
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(AirbyteTracedException, match="sage-config"):
        ConfigFile(path).require_replaceable()


def test_a_disk_that_fills_up_during_a_renewal_loses_no_token(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    replace, times = Path.replace, iter([True, False])

    def at_first(new: Path, target: Path) -> Path:
        if next(times):
            return replace(new, target)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", at_first)
    failure = failure_of(lambda: renew(path))
    assert "No space left" in str(failure.message) and "CONTROL" in str(failure.message)
    assert "refresh-1" in capsys.readouterr().out


# Killed between writing and replacing


def test_what_a_killed_process_left_beside_is_taken(path: Path) -> None:
    before = read(path)
    beside(path).write_text(json.dumps(before | TOKENS | {"start_date": "1999-01-01"}))
    with ConfigFile(path).renewal() as kept:
        assert kept.config == before | TOKENS
    assert (read(path), listed(path)) == (before | TOKENS, [path.name])


@pytest.mark.parametrize(
    "left",
    ["", "{", "[]", "null", json.dumps(a_form()), json.dumps(a_form() | TOKENS | {"token_expiry_date": "2020-01-01"})],
)
def test_what_is_older_or_not_whole_is_thrown_away(path: Path, left: str) -> None:
    before = read(path)
    beside(path).write_text(left)
    ConfigFile(path).require_replaceable()
    assert (read(path), listed(path)) == (before, [path.name])
