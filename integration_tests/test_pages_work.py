"""Every block of README.md and docs/sage.md does what the page says: in order, in a fresh clone, against the sandbox.

What a person has and the test has not stands in `filled_in`: a browser to sign in with, and Sage. Docker's blocks are
run by integration_tests/image/test_commands.py. All of it twice, ten minutes apart at Sage, as on the next day.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import duckdb
import pytest

from integration_tests.blocks import Block, blocks_of
from integration_tests.image.conftest import copy_repository
from integration_tests.ports import free_port
from integration_tests.sandbox import Sandbox
from integration_tests.test_views import NOT_POSTED

pytestmark = [pytest.mark.pyairbyte, pytest.mark.timeout(3600)]

ROOT: Final = Path(__file__).parents[1]
APPROVE: Final = "import requests, sys; requests.get(requests.get(sys.argv[1]).url + '&auto_approve=1')"


class Reader:
    """Somebody who copies and pastes, in a folder and a shell of their own."""

    def __init__(self, folder: Path, box: Sandbox) -> None:
        self.folder, self.box = folder, box
        copy_repository(folder)
        browser = folder.parent / "browser.py"
        browser.write_text(APPROVE)
        self.environment = {
            **os.environ,
            "BROWSER": f"{sys.executable} {browser} %s",
            "SAGE_CLIENT_ID": box.tokens.client_id,
            "SAGE_CLIENT_SECRET": box.tokens.client_secret,
        }
        self.sign_in = (
            f"--api-endpoint {box.root} --port {free_port()} --account-id all --start-date 2020-01-01 --force"
        )

    def filled_in(self, block: Block) -> str:
        """The block as a shell runs it here."""
        if block.language == "bash":
            return block.code.replace("source-sage authorize", f"source-sage authorize {self.sign_in}")
        if block.language == "python":
            return f"python - <<'END_OF_BLOCK'\n{block.code}END_OF_BLOCK\n"
        return ""

    def read(self, page: Path) -> None:
        """Run all blocks of a page, each where the one before it has left the shell."""
        script = ["set -eo pipefail"]
        for block in blocks_of(page):
            if block.is_for_docker or not (code := self.filled_in(block)):
                continue
            script.append(f"echo '--- {page.name}:{block.line}' >&2\n{code}")
        done = subprocess.run(  # noqa: S603
            ["/bin/bash", "-c", "\n".join(script)],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"

    def ask(self, query: str) -> list[tuple[object, ...]]:
        with duckdb.connect(str(self.folder / "sage.duckdb"), read_only=True) as database:
            database.execute("USE sage_raw")
            return database.execute(query).fetchall()


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    with Sandbox(size="tiny", seed=9) as box:
        yield Reader(tmp_path_factory.mktemp("reader") / "source-sage", box)


def test_readme_from_the_first_line_to_the_last_and_again_the_next_day(reader: Reader) -> None:
    owed: list[object] = []
    for _ in range(2):
        reader.read(ROOT / "README.md")
        invoices = [
            row for row in reader.box.businesses[0].rows("sales_invoices") if row["status"]["id"] not in NOT_POSTED
        ]
        ((count,),) = reader.ask("SELECT count(*) FROM sage_views.sales_invoices")
        assert count == len(invoices) > 0
        (query,) = [one.code for one in blocks_of(ROOT / "README.md") if one.language == "sql"]
        owed.append(reader.ask(query))
        reader.box.clock.advance(600)
        reader.box.businesses[0].day_of_business()
    assert owed[0] != owed[1]
    changed = (reader.folder / "changed.jsonl").read_text().splitlines()
    assert changed and len(changed) < len((reader.folder / "rows.jsonl").read_text().splitlines())
    config = json.loads((reader.folder / "sage-config.json").read_text())
    assert config["refresh_token"] == reader.box.tokens.grants[-1].refresh_token


def test_every_block_of_sage_md(reader: Reader) -> None:
    if not (reader.folder / "sage.duckdb").exists():  # the page is for who has done what README says
        reader.read(ROOT / "README.md")
    reader.read(ROOT / "docs/sage.md")
    for block in blocks_of(ROOT / "docs/sage.md"):
        if block.language == "sql":
            found = reader.ask(block.code)
            assert found or "unconverted_values IS NOT NULL" in block.code  # there is nothing odd in these books


def test_no_block_is_of_a_kind_that_nothing_runs() -> None:
    for name in ("README.md", "docs/sage.md"):
        kinds = {block.language for block in blocks_of(ROOT / name)}
        assert kinds <= {"bash", "python", "sql", "json"}, name
