"""metadata.yaml: valid for Airbyte's registry, and true."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit
from xml.etree import ElementTree

import pytest
import yaml

from source_sage.api import pace, transport
from source_sage.config import SageConfig
from source_sage.lists import paging
from source_sage.sign_in import token_call, tokens
from source_sage.streams import streams_of
from source_sage.sync import messages
from unit_tests.form import a_form

ROOT: Final = Path(__file__).parents[1]
METADATA: Final[dict[str, Any]] = yaml.safe_load((ROOT / "metadata.yaml").read_text())
DATA: Final[dict[str, Any]] = METADATA["data"]
DOCKERFILE: Final = (ROOT / "Dockerfile").read_text()


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="airbyte-connector-models does not install on 3.13 yet")
def test_it_fits_airbyte_s_published_model() -> None:
    from airbyte_connector_models.metadata.v0.connector_metadata_definition_v0 import ConnectorMetadataDefinitionV0
    from pydantic import ValidationError

    ConnectorMetadataDefinitionV0.model_validate(METADATA)
    with pytest.raises(ValidationError):
        ConnectorMetadataDefinitionV0.model_validate({**METADATA, "data": {**DATA, "unheardOf": 1}})


def test_the_version_is_the_same_everywhere() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert DATA["dockerImageTag"] == version
    labelled = re.findall(r'(?:io\.airbyte|org\.opencontainers\.image)\.version="([^"]+)"', DOCKERFILE)
    assert labelled == [version, version]


def test_the_image_is_built_on_the_base_that_it_names() -> None:
    base = DATA["connectorBuildOptions"]["baseImage"]
    assert f"ARG BASE_IMAGE={base}\n" in DOCKERFILE
    assert re.fullmatch(r"docker\.io/airbyte/python-connector-base:\d+\.\d+\.\d+@sha256:[0-9a-f]{64}", base)


def test_the_suggested_streams_exist() -> None:
    known = {facts.name for facts in streams_of(SageConfig.parse(a_form()))}
    suggested = DATA["suggestedStreams"]["streams"]
    assert 3 <= len(suggested) <= 10
    assert set(suggested) <= known


def test_the_allowed_hosts_are_those_that_are_asked() -> None:
    endpoints = SageConfig.parse(a_form()).endpoints
    asked = {urlsplit(address).hostname for address in (endpoints.api, endpoints.token)}
    assert set(DATA["allowedHosts"]["hosts"]) == asked


def test_the_longest_silence_is_counted_in() -> None:
    try_seconds = transport.CONNECT_TIMEOUT_SECONDS + transport.READ_TIMEOUT_SECONDS

    def until_given_up(tries: int) -> float:
        pauses = (min(2.0**failure, transport.LONGEST_PAUSE_SECONDS) * 1.25 for failure in range(tries - 1))
        return tries * try_seconds + sum(pauses)

    # While an incremental stream is read, a state leaves before that (integration_tests/test_silence.py).
    size, hanging_page = 200, 0.0
    while size // 2 >= paging.SMALLEST_PAGE:
        hanging_page += until_given_up(paging.TRIES_BEFORE_SHRINKING)
        size //= 2
    hanging_page += until_given_up(transport.TRIES)
    refused = 2 * pace.LONGEST_OBEYED_SECONDS
    renewal = (
        2 * token_call.TOTAL_SECONDS + tokens.PAUSE_AFTER_LOST_ANSWER_SECONDS + sum(tokens.WAITS_WHILE_DOWN_SECONDS)
    )
    worst = hanging_page + refused + renewal
    told = DATA["maxSecondsBetweenMessages"]
    assert worst <= told <= 1.2 * worst
    assert told / 2 >= messages.LONGEST_SILENCE_SECONDS
    page = " ".join((ROOT / "docs/kubernetes.md").read_text().split())
    assert f"goes on is {worst / 60:.0f} minutes" in page and f"says {told:,} seconds" in page


def test_the_icon_is_square_and_said_to_be_so() -> None:
    icon = ElementTree.parse(ROOT / DATA["icon"]).getroot()  # noqa: S314 (our own file)
    assert (icon.get("width"), icon.get("height")) == ("250", "250")
