"""The one program: its help, whom it leads where, and what it imports on the way."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from source_sage import program
from source_sage.streams import PACKAGE

ROOT = Path(__file__).parents[1]
PROGRAM = Path(sys.executable).with_name("source-sage")
SCREEN = (24, 80)
# What a person's commands need, and what none of Airbyte's four may wait for.
NOT_FOR_AIRBYTE = {
    "airbyte",
    "duckdb",
    "getpass",
    "http.server",
    "psycopg",
    "psycopg2",
    "rich",
    "sqlalchemy",
    "webbrowser",
}


def called(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(PROGRAM), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_the_help_fits_on_a_screen_and_gives_each_command_an_example(arguments: list[str]) -> None:
    done = called(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) <= SCREEN[0] + 4 and max(map(len, lines)) <= SCREEN[1] + 20
    for name in (*program.FOR_PEOPLE, *program.FOR_AIRBYTE):
        assert any(line.strip().startswith(f"source-sage {name}") for line in lines), name


@pytest.mark.parametrize("name", program.FOR_AIRBYTE)
def test_the_help_of_airbyte_s_commands_is_plain_text(name: str) -> None:
    done = called(name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "{" not in done.stdout and f"Example: source-sage {name}" in done.stdout
    assert ("--config" in done.stdout) == (name != "spec") and ("--catalog" in done.stdout) == (name == "read")


@pytest.mark.parametrize("name", program.FOR_PEOPLE)
def test_every_command_of_a_person_is_a_module_with_a_help(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert (PACKAGE / "commands" / f"{name}.py").exists()
    monkeypatch.setattr(sys, "argv", [str(PROGRAM), name, "--help"])
    with pytest.raises(SystemExit) as ended:
        program.main()
    told = capsys.readouterr()
    assert (ended.value.code, told.err) == (0, "")
    assert told.out.startswith(f"usage: source-sage {name}") and "Example: " in told.out


def test_an_unknown_command_is_named() -> None:
    done = called("raed")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("There is no command `raed`.")


def test_spec_imports_nothing_that_is_for_people() -> None:
    code = (
        "import sys; sys.argv = ['source-sage', 'spec']\n"
        "from source_sage.program import main\n"
        "assert main() == 0\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)  # noqa: S603
    assert json.loads(done.stdout.splitlines()[-1])["type"] == "SPEC"
    loaded = set(done.stderr.split())
    assert loaded & NOT_FOR_AIRBYTE == set()
    own = {name.removeprefix("source_sage.") for name in loaded if name.startswith("source_sage.")}
    people = {"selection", "sign_in.consent", "sign_in.redirect", "views"}
    assert all((PACKAGE / f"{name.replace('.', '/')}.py").exists() for name in people)
    assert own & people == set() and not [name for name in own if name.startswith("commands")]


def test_the_help_does_not_wait_for_the_cdk() -> None:
    code = "import sys; from source_sage import program; program.help_text(); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)  # noqa: S603
    assert not [
        name for name in done.stdout.split() if name.startswith(("airbyte_cdk", "requests", "source_sage.source"))
    ]
