"""Which streams a person wants, and the configured catalog that says so to `read`."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from airbyte_cdk.models import (
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteStream,
    DestinationSyncMode,
    SyncMode,
)

from source_sage.config import SageConfig
from source_sage.errors import config_error
from source_sage.streams import StreamFacts, every_stream, streams_of


def selected(config: SageConfig, names: Sequence[str]) -> list[StreamFacts]:
    """The streams that are wanted.

    Args:
        config: its toggles say which there are.
        names: as typed; none for all of them.

    Raises:
        AirbyteTracedException: config_error; a name is none of them.
    """
    offered = {facts.name: facts for facts in streams_of(config)}
    wrong = [_what_is_wrong(name, offered) for name in names if name not in offered]
    if wrong:
        raise config_error(" ".join(wrong))
    return [facts for name, facts in offered.items() if not names or name in names]


def _what_is_wrong(name: str, offered: Iterable[str]) -> str:
    if name in every_stream():
        return f"{name} is in a group that the config switches off: set its `replicate_…` to true, or leave it out."
    near = difflib.get_close_matches(name, offered, 1)
    meant = f" Did you mean {near[0]}?" if near else " `source-sage discover` and docs/sage.md name them all."
    return f"There is no stream {name}.{meant}"


def configured(streams: Iterable[StreamFacts]) -> ConfiguredAirbyteCatalog:
    """A configured catalog: by change and deduplicated where a stream can be, else whole, replacing what was there."""
    return ConfiguredAirbyteCatalog(streams=[_configured(facts) for facts in streams])


def _configured(facts: StreamFacts) -> ConfiguredAirbyteStream:
    by_change = facts.cursor_field is not None
    return ConfiguredAirbyteStream(
        stream=facts.as_airbyte_stream(),
        sync_mode=SyncMode.incremental if by_change else SyncMode.full_refresh,
        destination_sync_mode=DestinationSyncMode.append_dedup if by_change else DestinationSyncMode.overwrite,
        cursor_field=[facts.cursor_field] if facts.cursor_field else None,
        primary_key=[[key] for key in facts.primary_key],
    )
