"""Airbyte's own commands for those who keep a connector: `airbyte-cdk connector test` and `airbyte-cdk image test`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from integration_tests.image.conftest import copy_repository
from integration_tests.image.engine import Engine
from integration_tests.sandbox import Sandbox

pytestmark = pytest.mark.image_tests

CDK: Final = Path(sys.executable).with_name("airbyte-cdk")


@pytest.fixture
def connector(box: Sandbox, tmp_path: Path) -> Path:
    """The connector's folder, with the configs that acceptance-test-config.yml names."""
    folder = tmp_path / "source-sage"
    copy_repository(folder)
    (folder / "secrets").mkdir()
    (folder / "secrets/config.json").write_text(json.dumps(box.config()))
    (folder / "secrets/dead_token.json").write_text(json.dumps(box.config(access_token="", refresh_token="used up")))
    return folder


def airbyte_cdk(folder: Path, *arguments: str, environment: Mapping[str, str] = os.environ) -> tuple[int, int]:
    """Run it; gives how many tests passed and how many failed."""
    command = [str(CDK), *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    counts = {word: int(count) for count, word in re.findall(r"(\d+) (passed|failed)", done.stdout.splitlines()[-1])}
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return counts.get("passed", 0), counts.get("failed", 0)


def test_connector_test(connector: Path) -> None:
    passed, failed = airbyte_cdk(connector, "connector", "test", ".", "--pytest-arg=-m", "--pytest-arg=not image_tests")
    assert passed >= 6 and not failed


def test_image_test(engine: Engine, image: str, connector: Path) -> None:
    passed, failed = airbyte_cdk(connector, "image", "test", ".", "--image", image, environment=engine.environment)
    assert passed >= 4 and not failed
