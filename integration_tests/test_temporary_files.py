"""The config is never written to a file but the one it came in: not while a command runs, not when it is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from integration_tests.commands import LONG
from integration_tests.harness import Message, catalog_of
from integration_tests.sandbox import Sandbox
from integration_tests.stranger import Stranger

SOURCE: Final = Path(sys.executable).with_name("source-sage")
COMMANDS: Final = ("check", "discover", "read")
# Python reads a module of this name as it starts; it notes whatever is opened to be written.
WATCH: Final = """
import os, sys
log = os.open(os.environ["OPENED"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
def note(event, arguments):
    if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        os.write(log, f"{arguments[0]}\\n".encode())
sys.addaudithook(note)
"""


class Call:
    """One command in a process of its own, with a temporary folder of its own."""

    def __init__(self, folder: Path, box: Sandbox, streams: dict[str, Message], command: str, **form: str) -> None:
        self.config = box.config(**form)
        self.temporary, self.opened = folder / "tmp", folder / "opened.txt"
        self.temporary.mkdir()
        (folder / "sitecustomize.py").write_text(WATCH)
        (folder / "config.json").write_text(json.dumps(self.config))
        (folder / "catalog.json").write_text(json.dumps(catalog_of(streams.values(), ["contacts"])))
        self.arguments = [str(SOURCE), command, "--config", str(folder / "config.json")]
        if command == "read":
            self.arguments += ["--catalog", str(folder / "catalog.json")]
        own = {"TMPDIR": str(self.temporary), "PYTHONPATH": str(folder), "OPENED": str(self.opened)}
        self.environment = {**os.environ, **own, "PYTHONDONTWRITEBYTECODE": "1"}

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(  # noqa: S603
            self.arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.environment,
            text=True,
        )

    def left_behind(self) -> list[Path]:
        return [path for path in self.temporary.rglob("*") if not path.is_dir()]

    def written(self) -> set[str]:
        return set(self.opened.read_text().splitlines()) - {os.devnull}


@pytest.fixture
def own() -> Iterator[Sandbox]:
    with Sandbox(size="tiny") as box:
        yield box


@pytest.mark.quick("read")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_writes_no_file(own: Sandbox, streams: dict[str, Message], tmp_path: Path, command: str) -> None:
    call = Call(tmp_path, own, streams, command)
    process = call.start()
    _, complaint = process.communicate(timeout=LONG)
    assert (process.returncode, complaint) == (0, "")
    assert call.written() == set()
    assert call.left_behind() == []


@pytest.mark.quick("read")
@pytest.mark.parametrize("command", ["check", "read"])
def test_a_command_that_is_killed_leaves_no_file(
    own: Sandbox, streams: dict[str, Message], tmp_path: Path, command: str
) -> None:
    asked, over = threading.Event(), threading.Event()

    def silent(_: bytes) -> Iterator[bytes]:
        asked.set()
        over.wait(LONG)
        yield from ()

    with Stranger(silent) as sage:
        call = Call(tmp_path, own, streams, command, api_endpoint=sage.address)
        with call.start() as process:
            try:
                assert asked.wait(LONG), "it is in the middle of its work"
                assert call.left_behind() == []
            finally:
                process.kill()
                over.set()
    assert call.left_behind() == []
    assert call.written() == set()


def test_the_watch_would_see_it(tmp_path: Path, own: Sandbox, streams: dict[str, Message]) -> None:
    call = Call(tmp_path, own, streams, "check")
    write = "import os; open(os.path.join(os.environ['TMPDIR'], 'config.json'), 'w').close()"
    subprocess.run([sys.executable, "-c", write], env=call.environment, check=True)  # noqa: S603
    assert len(call.written()) == len(call.left_behind()) == 1
