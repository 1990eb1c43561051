"""spec, check, discover and read by the image, against the sandbox, compared with the package's own words."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from integration_tests import pyairbyte
from integration_tests.blocks import blocks_of
from integration_tests.harness import Message, Output, catalog_of
from integration_tests.image.engine import Engine
from integration_tests.sandbox import Sandbox

pytestmark = pytest.mark.image_tests

PACKAGE: Final = Path(sys.executable).with_name("source-sage")
README: Final = Path(__file__).parents[2] / "README.md"
STREAMS: Final = ("contacts", "sales_invoices", "ledger_entries", "countries", "trial_balance")


@pytest.fixture
def files(box: Sandbox, streams: dict[str, Message], tmp_path: Path) -> Path:
    """A folder with config.json and catalog.json, as a person would mount it."""
    write(tmp_path, config=box.config(), catalog=catalog_of(streams.values(), STREAMS))
    return tmp_path


def write(folder: Path, **contents: Any) -> None:
    """Files that the image's user can read; pytest's folders are for their owner alone."""
    folder.chmod(0o755)
    for name, content in contents.items():
        path = folder / f"{name}.json"
        path.write_text(json.dumps(content))
        path.chmod(0o444)


def by_image(engine: Engine, image: str, folder: Path, *arguments: str, options: tuple[str, ...] = ()) -> Output:
    """Run the image on a folder that it cannot write to."""
    mount = ("run", "--rm", "--network=host", f"--volume={folder}:{folder}:ro", *options, image)
    return output(engine.docker(*mount, *arguments).stdout)


def by_package(*arguments: str) -> Output:
    done = subprocess.run([str(PACKAGE), *arguments], capture_output=True, text=True, check=True)
    return output(done.stdout)


def output(text: str) -> Output:
    return Output([json.loads(line) for line in text.splitlines()])


def named(folder: Path, command: str, *names: str) -> list[str]:
    return [command, *(part for name in names for part in (f"--{name}", str(folder / f"{name}.json")))]


def timeless(said: Output) -> list[str]:
    """The messages as text, without what differs between two runs: moments, durations and the threads' order."""
    texts = []
    for message in said.messages:
        text = json.dumps(message, sort_keys=True)
        if message["type"] == "RECORD":
            text = re.sub(r'"emitted_at": \d+', "", text)
        else:
            text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)|\d+\.\d+ ?s\b|\d+ ?s\b", "", text)
            text = re.sub(r'"emitted_at": [\d.]+|"(read_began|began|moment)": "[^"]*"', "", text)
        texts.append(text)
    return sorted(texts)


def test_spec_and_discover_say_the_same(engine: Engine, image: str, files: Path) -> None:
    for command in (["spec"], named(files, "discover", "config")):
        assert timeless(by_image(engine, image, files, *command)) == timeless(by_package(*command))


def test_readme_s_docker_lines_do_what_they_say(engine: Engine, image: str, tmp_path: Path) -> None:
    (block,) = [one for one in blocks_of(README) if one.is_for_docker]
    build, *lines = block.code.splitlines()
    assert build == f"docker build -t {image} ."  # as the fixture did
    script = "\n".join(["set -eo pipefail", *lines])
    with Sandbox(size="tiny", seed=8) as sage:
        write(tmp_path)
        config = tmp_path / "sage-config.json"
        config.write_text(json.dumps(sage.config()))
        config.chmod(0o600)
        for _ in range(2):  # and the next day, when the tokens of the first are dead
            done = subprocess.run(
                ["/bin/bash", "-c", script],
                cwd=tmp_path,
                env=engine.environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr[-3000:]
            sage.clock.advance(600)
        read, changed = (output((tmp_path / name).read_text()) for name in ("rows.jsonl", "changed.jsonl"))
        assert read.rows("sales_invoices") and not changed.rows("sales_invoices")
        assert json.loads(config.read_text())["refresh_token"] == sage.tokens.grants[-1].refresh_token


def test_check_says_the_same(engine: Engine, image: str, files: Path, box: Sandbox) -> None:
    command = named(files, "check", "config")
    said = by_image(engine, image, files, *command)
    assert said.status["status"] == "SUCCEEDED"
    assert timeless(said) == timeless(by_package(*command))


def test_read_says_the_same_row_for_row(engine: Engine, image: str, files: Path) -> None:
    command = named(files, "read", "config", "catalog")
    said = by_image(engine, image, files, *command)
    assert {name for name in STREAMS if said.rows(name)} == set(STREAMS)
    assert timeless(said) == timeless(by_package(*command))

    write(files, state=said.state)
    command = named(files, "read", "config", "catalog", "state")
    again = by_image(engine, image, files, *command)
    assert again.rows("countries") and not again.rows("sales_invoices")
    assert timeless(again) == timeless(by_package(*command)) != timeless(said)


def test_it_renews_a_token_with_a_config_it_cannot_write(engine: Engine, image: str, tmp_path: Path) -> None:
    with Sandbox(size="tiny", seed=3) as box:
        config = box.config(access_token="", token_expiry_date="")
        write(tmp_path, config=config)
        said = by_image(engine, image, tmp_path, *named(tmp_path, "check", "config"))
    assert said.status["status"] == "SUCCEEDED"
    (renewed,) = said.configs
    assert renewed["refresh_token"] != config["refresh_token"]
    assert json.loads((tmp_path / "config.json").read_text()) == config


def test_it_runs_as_any_user_with_nothing_to_write_to_but_tmp(engine: Engine, image: str, files: Path) -> None:
    options = ("--user=54321:0", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges")
    said = by_image(engine, image, files, *named(files, "read", "config", "catalog"), options=options)
    assert said.rows("ledger_entries") and not said.errors


def test_pyairbyte_runs_the_image(engine: Engine, image: str, box: Sandbox, tmp_path: Path) -> None:
    if not pyairbyte.PYTHON.exists():
        pytest.skip("PyAirbyte's environment is missing: make .venv-demo/installed")
    job = {
        "config": box.config(),
        "source": {"docker_image": image, "use_host_network": True},
        "streams": ["contacts", "countries"],
        "database": str(tmp_path / "books.duckdb"),
    }
    environment = {name: engine.environment[name] for name in ("DOCKER_HOST", "DOCKER_CONFIG")}
    answer = pyairbyte.sync(job, **environment)
    assert len(answer["streams"]) > 70
    assert answer["rows"]["contacts"] > 0 and answer["rows"]["countries"] > 0
