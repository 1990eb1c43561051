"""The CDK's standard tests, over acceptance-test-config.yml, against the sandbox."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from airbyte_cdk.test.standard_tests import SourceTestSuiteBase

from integration_tests.sandbox import Sandbox
from source_sage.source import SourceSage


class TestStandard(SourceTestSuiteBase):
    """All of them; the image's own are run by a target of their own."""

    connector = SourceSage
    connector_name = "source-sage"
    root = Path(__file__).parents[1]

    @classmethod
    def get_connector_root_dir(cls) -> Path:
        """Where the paths of acceptance-test-config.yml begin."""
        return cls.root


@pytest.fixture(scope="module", autouse=True)
def configs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The configs that acceptance-test-config.yml names, where no other worker and no person has theirs."""
    root = tmp_path_factory.mktemp("standard")
    (root / "secrets").mkdir()
    # The suite reads the same file again and again: its tokens must outlive the suite.
    with Sandbox(size="tiny", seed=1, token_life=10**9) as box, pytest.MonkeyPatch.context() as patch:
        dead = box.config(access_token="", refresh_token="used up")
        for name, config in {"config.json": box.config(), "dead_token.json": dead}.items():
            (root / "secrets" / name).write_text(json.dumps(config))
        patch.setattr(TestStandard, "root", root)
        yield
