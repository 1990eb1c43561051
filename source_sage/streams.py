"""The manifest, read: each stream's facts, its schema, and what discover says of it."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from airbyte_cdk.models import AirbyteStream, SyncMode
from airbyte_cdk.sources.declarative.interpolation import InterpolatedBoolean
from airbyte_cdk.sources.declarative.parsers.manifest_component_transformer import (
    ManifestComponentTransformer,
)
from airbyte_cdk.sources.declarative.parsers.manifest_reference_resolver import ManifestReferenceResolver
from airbyte_cdk.utils.yaml_loader import safe_load_yaml
from pydantic import BaseModel, ConfigDict, Field

from source_sage.config import SageConfig

PACKAGE: Final = Path(__file__).parent
# What stands beside a stream's facts for the CDK's sake.
OF_THE_CDK: Final = frozenset(("type", "$parameters"))


class StreamFacts(BaseModel):
    """What the manifest says of one stream; the manifest's head explains each fact. There are no others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    primary_key: tuple[str, ...]
    class_name: str
    path: str
    page_size: int
    changes: bool = False
    tombstones: bool = False
    keeps_deleted: bool = False
    dates: bool = False
    date_field: str | None = None
    sort: bool = False
    by_date: bool = False
    fed_by_others: bool = False
    attributes: str = "all"
    deleted_since_min: str | None = None
    query: dict[str, str] = Field(default_factory=dict)
    parents: dict[str, str] = Field(default_factory=dict)
    carried: tuple[str, ...] = ()

    @property
    def parent_key(self) -> str:
        """Where a stream of lines has its parent's id."""
        return self.primary_key[1]

    @property
    def lists(self) -> tuple[str, ...]:
        """The lists that are read for it; none where the readings of other streams bring all of its rows."""
        return tuple(self.parents) or (() if self.fed_by_others else (self.name,))

    @property
    def is_list(self) -> bool:
        """Tell whether Sage has it as a list of pages."""
        return self.class_name.rpartition(".")[2] in ("ChangingReading", "MovementsReading", "StillReading")

    @property
    def infers_deletions(self) -> bool:
        """Tell whether it is found out what is gone of it: the list is not read whole each time, and does not tell."""
        return self.is_list and (self.changes or self.by_date) and not (self.tombstones or self.keeps_deleted)

    @property
    def cursor_field(self) -> str | None:
        """The field that an append-dedup destination orders by; None for a list that always comes whole."""
        if self.fed_by_others:
            return "deleted_at"
        return "updated_at" if self.changes or self.by_date else None

    @functools.cached_property
    def schema_(self) -> dict[str, Any]:
        """The stream's JSON Schema."""
        text = (PACKAGE / "schemas" / f"{self.name}.json").read_text(encoding="utf-8")
        schema: dict[str, Any] = json.loads(text)
        return schema

    def as_airbyte_stream(self) -> AirbyteStream:
        """The stream as the catalog shows it."""
        stream = AirbyteStream(
            name=self.name,
            json_schema=self.schema_,
            supported_sync_modes=[SyncMode.full_refresh],
            source_defined_primary_key=[[key] for key in self.primary_key],
            is_resumable=False,
            is_file_based=False,
        )
        if self.cursor_field:
            stream.supported_sync_modes.append(SyncMode.incremental)
            stream.source_defined_cursor = True
            stream.default_cursor_field = [self.cursor_field]
            stream.is_resumable = True
        return stream


@functools.cache
def manifest() -> dict[str, Any]:
    """The manifest with its references resolved and its parameters handed down, as the CDK does it."""
    raw = safe_load_yaml((PACKAGE / "manifest.yaml").read_text(encoding="utf-8"))
    resolved = ManifestReferenceResolver().preprocess_manifest(raw)
    return dict(ManifestComponentTransformer().propagate_types_and_parameters("", resolved, {}))


@functools.cache
def every_stream() -> dict[str, StreamFacts]:
    """All streams of the manifest by name, whatever the toggles say; read once a process, with their schemas."""
    entries = (stream for entry in manifest()["streams"] for stream in entry.get("streams", [entry]))
    return {facts.name: facts for facts in map(_facts, entries)}


def streams_of(config: SageConfig) -> list[StreamFacts]:
    """The streams that the form's toggles leave on, in the manifest's order."""
    toggles = config.model_dump()
    known = every_stream()
    chosen: list[StreamFacts] = []
    for entry in manifest()["streams"]:
        if entry["type"] != "ConditionalStreams":
            chosen.append(known[entry["retriever"]["name"]])
        elif InterpolatedBoolean(condition=entry["condition"], parameters={}).eval(config=toggles):
            chosen.extend(known[stream["retriever"]["name"]] for stream in entry["streams"])
    return chosen


def _facts(entry: Mapping[str, Any]) -> StreamFacts:
    said = {name: value for name, value in entry["retriever"].items() if name not in OF_THE_CDK}
    return StreamFacts.model_validate({"path": f"/{said['name']}", **said, "primary_key": entry["primary_key"]})
