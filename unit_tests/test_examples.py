"""The connection as code: what examples/terraform/main.tf declares is what the connector takes."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Final

import hcl2
import pytest
import yaml
from airbyte_cdk.models import AirbyteStream, ConnectorSpecificationSerializer, SyncMode
from jsonschema import Draft7Validator

from source_sage.config import SageConfig
from source_sage.source import SourceSage
from unit_tests.form import a_form

ROOT: Final = Path(__file__).parents[1]
LOGGER: Final = logging.getLogger("example")


def plain(value: Any) -> Any:
    """The parser's values without its quotes and marks."""
    if isinstance(value, dict):
        return {plain(key): plain(one) for key, one in value.items() if key not in ("__comments__", "__is_block__")}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value.removeprefix('"').removesuffix('"') if isinstance(value, str) else value


DECLARED: Final[dict[str, Any]] = plain(hcl2.loads((ROOT / "examples/terraform/main.tf").read_text()))
VARIABLES: Final = {name: body for one in DECLARED["variable"] for name, body in one.items()}
RESOURCES: Final = {
    kind: body for one in DECLARED["resource"] for kind, named in one.items() for body in named.values()
}
SETTINGS: Final[dict[str, Any]] = DECLARED["locals"][0]["sage"]
FORM: Final[dict[str, Any]] = ConnectorSpecificationSerializer.dump(SourceSage().spec(LOGGER))[
    "connectionSpecification"
]


def variable(value: Any) -> str | None:
    """The variable that a value comes from."""
    reference = str(value)
    return reference[len("${var.") : -1] if reference.startswith("${var.") else None


@pytest.fixture
def config() -> dict[str, Any]:
    """The source's config as Terraform would send it, its variables filled from the form."""
    filled = a_form()
    return {key: filled[name] if (name := variable(value)) else value for key, value in SETTINGS.items()}


@pytest.fixture
def streams(config: dict[str, Any]) -> dict[str, AirbyteStream]:
    return {stream.name: stream for stream in SourceSage().discover(LOGGER, config).streams}


def test_the_configuration_fits_the_form(config: dict[str, Any]) -> None:
    assert RESOURCES["airbyte_source_custom"]["configuration"] == "${jsonencode(local.sage)}"
    assert config.keys() <= FORM["properties"].keys()
    Draft7Validator(FORM).validate(config)
    SageConfig.parse(config)


def test_every_secret_is_a_variable_that_terraform_does_not_show() -> None:
    secrets = [key for key in SETTINGS if FORM["properties"][key].get("airbyte_secret")]
    assert len(secrets) >= 3
    for key in secrets:
        name = variable(SETTINGS[key])
        assert name is not None and VARIABLES[name]["sensitive"] is True, key


def test_an_apply_does_not_write_used_up_tokens_back() -> None:
    assert RESOURCES["airbyte_source_custom"]["lifecycle"] == [{"ignore_changes": ["configuration"]}]


def test_the_image_is_this_one() -> None:
    metadata = yaml.safe_load((ROOT / "metadata.yaml").read_text())["data"]
    definition = RESOURCES["airbyte_source_definition"]
    assert str(definition["docker_repository"]).endswith("/source-sage")
    assert VARIABLES[variable(definition["docker_image_tag"]) or ""]["default"] == metadata["dockerImageTag"]
    assert definition["documentation_url"] == metadata["documentationUrl"]


def test_every_stream_exists_and_can_be_synced_so(streams: dict[str, AirbyteStream]) -> None:
    chosen = RESOURCES["airbyte_connection"]["configurations"]["streams"]
    assert len({one["name"] for one in chosen}) == len(chosen) > 5
    for one in chosen:
        stream = streams[one["name"]]
        mode = SyncMode.incremental if one["sync_mode"].startswith("incremental") else SyncMode.full_refresh
        assert mode in (stream.supported_sync_modes or []), one
        if "dedup" in one["sync_mode"]:
            assert stream.source_defined_primary_key and stream.source_defined_cursor, one


def test_airbyte_s_api_knows_every_word() -> None:
    models = pytest.importorskip("airbyte_api.models", reason="comes with airbyte-connector-models, not on 3.13 yet")
    connection = RESOURCES["airbyte_connection"]
    for one in connection["configurations"]["streams"]:
        models.StreamConfiguration(name=one["name"], sync_mode=models.ConnectionSyncModeEnum(one["sync_mode"]))
        assert one.keys() == {"name", "sync_mode"}
    models.NonBreakingSchemaUpdatesBehaviorEnum(connection["non_breaking_schema_updates_behavior"])
    models.NamespaceDefinitionEnum(connection["namespace_definition"])
    models.ScheduleTypeEnum(connection["schedule"]["schedule_type"])
