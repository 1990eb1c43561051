"""What docs/security.md promises of files, documentation and builds."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path
from typing import Final

import pytest

from scripts import make_venv
from source_sage.commands.person import CONFIG_FILE
from source_sage.streams import PACKAGE

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), PACKAGE / "manifest.yaml"]
SECRET_ON_A_COMMAND_LINE: Final = re.compile(
    r"(client_secret|refresh_token|access_token|[^_]code)=(?!code)", re.IGNORECASE
)
PINNED: Final = re.compile(r"[\w.-]+(\[[\w, -]+\])?==.*--hash=sha256:[0-9a-f]{64}", re.DOTALL)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout")
@pytest.mark.parametrize(
    "name",
    [
        CONFIG_FILE,
        f".{CONFIG_FILE}.k3_x9z",  # through which it is written
        f"{CONFIG_FILE}.bak",
        f"{CONFIG_FILE}~",
        "my-sage-config.json",
        f"docs/{CONFIG_FILE}",
        "config.json",
        "secrets/config.json",
        "examples/terraform/terraform.tfstate",
        "examples/terraform/terraform.tfvars",
    ],
)
def test_git_does_not_take_what_holds_secrets(name: str) -> None:
    done = subprocess.run(["git", "check-ignore", "--quiet", name], cwd=ROOT, check=False)  # noqa: S603, S607
    assert done.returncode == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_recipe_puts_a_secret_on_a_command_line(page: Path) -> None:
    recipes = re.findall(
        r"^```(?:bash|sh|console|text)\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    assert [one for recipe in recipes for one in SECRET_ON_A_COMMAND_LINE.findall(recipe)] == []


# Builds from locked parts


def test_every_lock_has_hashes_for_everything() -> None:
    locks = [*ROOT.glob("requirements/**/*.txt"), *ROOT.glob("benchmarks/requirements/*.txt")]
    assert len(locks) >= 8
    for lock in locks:
        entries = re.split(r"\n(?=\S)", lock.read_text().strip())
        assert [one for one in entries if not PINNED.match(one)] == []


def test_one_version_builds_the_package_everywhere() -> None:
    (wanted,) = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    for name in ("build", "run"):
        assert f"\n{wanted} \\\n" in f"\n{(ROOT / 'requirements' / f'{name}.txt').read_text()}"


def test_an_environment_is_made_of_what_is_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(make_venv, "run", commands.append)
    monkeypatch.setattr(make_venv.venv, "create", lambda *_, **__: None)
    make_venv.main(".venv-made-up", "requirements/dev.txt")
    assert len(commands) == 3
    for command in commands:
        locked = "--require-hashes" in command or {"--no-deps", "--build-constraints"} <= set(command)
        assert locked, command
    assert (ROOT / make_venv.BUILD).is_file()


def test_the_image_is_made_of_what_is_locked() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    installs = re.findall(r"pip [^&|]*\binstall\b[^&|\n]*", dockerfile)
    assert len(installs) == 3
    for command in installs:
        assert "--require-hashes" in command or ("--no-deps" in command and "--no-build-isolation" in command), command


@pytest.mark.parametrize(("page", "locked"), [("README.md", "sync"), ("docs/sage.md", "run")])
def test_users_are_told_how_to_install_what_was_tested(page: str, locked: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    commands = re.findall(r"pip install [^#`\n]*[^#`\s]", text)
    assert commands == [
        "pip install --require-hashes -r requirements/tools.txt",  # older pips stumble over extras and hashes
        f"pip install --require-hashes -r requirements/{locked}.txt",
        "pip install --no-deps --no-build-isolation .",
    ]


# The threat model


def test_every_promise_is_held_by_a_test_that_is_there() -> None:
    page = (ROOT / "docs/security.md").read_text(encoding="utf-8")
    rows = [line.strip("|").split(" | ") for line in page.splitlines() if re.match(r"\| (?!What could|:)", line)]
    assert len(rows) >= 28
    for row in rows:
        held = re.fullmatch(r"([ui]) `([\w/]+\.py)::(test_\w+)` ", row[-1])
        assert held is not None and len(row) == 3, row
        folder = {"u": "unit_tests", "i": "integration_tests"}[held[1]]
        assert f"\ndef {held[3]}(" in (ROOT / folder / held[2]).read_text(encoding="utf-8"), row


def test_whoever_looks_for_it_is_led_to_the_threat_model() -> None:
    for page in ("SECURITY.md", "README.md", "AGENTS.md"):
        assert "(docs/security.md)" in (ROOT / page).read_text(encoding="utf-8")
