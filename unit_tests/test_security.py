"""What docs/security.md promises of files, documentation and builds."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

from source_sage.authorize import DEFAULT_OUTPUT

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), ROOT / "source_sage/manifest.yaml"]
SECRET_ON_A_COMMAND_LINE: Final = re.compile(
    r"(client_secret|refresh_token|access_token|[^_]code)=(?!code)", re.IGNORECASE
)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a checkout")
@pytest.mark.parametrize(
    "name",
    [
        DEFAULT_OUTPUT,
        f".{DEFAULT_OUTPUT}.k3_x9z",  # through which it is written
        f"{DEFAULT_OUTPUT}.bak",
        f"{DEFAULT_OUTPUT}~",
        "my-sage-config.json",
        f"docs/{DEFAULT_OUTPUT}",
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
