"""Runs the declarative source: `run.py read --config FILE --catalog FILE`.

The config names the streams, and says with `shape` whether their records are brought into the schema's shape.
"""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

from airbyte_cdk.entrypoint import AirbyteEntrypoint, launch
from airbyte_cdk.sources.declarative.concurrent_declarative_source import ConcurrentDeclarativeSource
from airbyte_cdk.utils.yaml_loader import safe_load_yaml

from benchmarks.peers.shaping import schema_of


def manifest_for(config: dict[str, Any]) -> dict[str, Any]:
    """The manifest with its streams."""
    manifest: dict[str, Any] = dict(safe_load_yaml(Path(__file__).with_name("manifest.yaml").read_text()))
    definitions = manifest["definitions"]
    shaping = definitions.pop("shaping")
    if config["shape"]:
        definitions["list"]["retriever"]["record_selector"]["schema_normalization"] = shaping["schema_normalization"]
        definitions["list"]["transformations"] = shaping["transformations"]
    for name in config["streams"]:
        stream = {"$ref": "#/definitions/list", "$parameters": {"name": name}}
        if "updated_at" in schema_of(name)["properties"]:
            stream["incremental_sync"] = copy.deepcopy(definitions["changes"])
        manifest["streams"].append(stream)
    return manifest


def main(arguments: list[str]) -> None:
    """Run one command."""
    parsed = AirbyteEntrypoint.parse_args(arguments)
    config = json.loads(Path(parsed.config).read_text())
    source = ConcurrentDeclarativeSource(
        catalog=ConcurrentDeclarativeSource.read_catalog(parsed.catalog),
        config=config,
        state=None,
        source_config=manifest_for(config),
        config_path=parsed.config,
    )
    launch(source, arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
