"""The CDK's standard tests, over acceptance-test-config.yml, against the sandbox."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from airbyte_cdk.test.standard_tests import SourceTestSuiteBase

from integration_tests.sandbox import Sandbox
from source_sage.source import SourceSage

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module", autouse=True)
def configs() -> Iterator[None]:
    """The configs that acceptance-test-config.yml names; a person's own are put back afterwards."""
    # The suite reads the same file again and again: its tokens must outlive the suite.
    with Sandbox(size="tiny", seed=1, token_life=10**9) as box:
        yield from written(box)


def written(box: Sandbox) -> Iterator[None]:
    """The files while the tests run."""
    dead = box.config(access_token="", refresh_token="used up")
    wanted = {"config.json": box.config(), "dead_token.json": dead}
    folder = ROOT / "secrets"
    folder.mkdir(exist_ok=True)
    kept = {name: (folder / name).read_text() for name in wanted if (folder / name).exists()}
    for name, config in wanted.items():
        (folder / name).write_text(json.dumps(config))
    yield
    for name in wanted:
        if name in kept:
            (folder / name).write_text(kept[name])
        else:
            (folder / name).unlink()


class TestStandard(SourceTestSuiteBase):
    """All of them; the image's own are run by a target of their own."""

    connector = SourceSage
    connector_name = "source-sage"
