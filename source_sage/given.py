"""What is given on the command line: config, catalog and state, in files as people and platforms have them.

A state may be what any reader of the protocol has kept: a list of the `state` of STATE messages, or the messages
themselves, in a list or one a line, among others or alone. The last one of a stream wins. A catalog must be a
configured one; what `discover` prints is known, and told with the way to make one of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from airbyte_cdk.models import (
    AirbyteStateMessage,
    AirbyteStateMessageSerializer,
    AirbyteStateType,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteCatalogSerializer,
    ConfiguredAirbyteStream,
)

from source_sage.errors import config_error

HOW_TO_MAKE_A_CATALOG: Final = "`source-sage catalog --config FILE > catalog.json` makes one"


def config_of(path: str) -> dict[str, Any]:
    """The config in a file.

    Raises:
        AirbyteTracedException: config_error that names the file and what is wrong with it.
    """
    said = _said(path, "config")
    if not isinstance(said, dict):
        raise config_error(f'--config {path} holds no object: it must look like {{"client_id": "…", …}}.')
    return said


def catalog_of(path: str) -> ConfiguredAirbyteCatalog:
    """The configured catalog in a file; a stream that is in it twice is taken once.

    Raises:
        AirbyteTracedException: config_error that names the file and what is wrong with it.
    """
    try:
        said = _said(path, "catalog")
    except _NotOneText:  # perhaps all that `discover` has printed
        said = next((one for one in _lines(path, "catalog") if _is_message(one, "CATALOG")), None)
    streams = said.get("streams") if isinstance(said, dict) else None
    if _is_message(said, "CATALOG") or (streams and _are(streams, "json_schema")):
        raise config_error(
            f"--catalog {path} is what `discover` prints: it says which streams there are, not which ones to read and "
            f"how. A configured catalog is needed: {HOW_TO_MAKE_A_CATALOG}."
        )
    try:
        if not _are(streams, "stream"):
            raise ValueError("no streams")
        catalog: ConfiguredAirbyteCatalog = ConfiguredAirbyteCatalogSerializer.load(said)
        by_name: dict[Any, ConfiguredAirbyteStream] = {}
        for one in catalog.streams:
            by_name.setdefault(one.stream.name, one)
        if not all(isinstance(name, str) for name in by_name):
            raise ValueError("a name that is none")
    except Exception as error:  # the CDK's loader fails in many ways
        raise config_error(
            f"--catalog {path} is not a configured catalog: an object with `streams`, each with `stream`, `sync_mode` "
            f"and `destination_sync_mode`; {HOW_TO_MAKE_A_CATALOG}.",
            repr(error),
        ) from error
    catalog.streams = list(by_name.values())
    return catalog


def state_of(path: str | None) -> list[AirbyteStateMessage]:
    """The states in a file, the last one of each stream; none if there is no file.

    Raises:
        AirbyteTracedException: config_error that names the file and what is wrong with it.
    """
    if not path:
        return []
    try:
        said = _said(path, "state")
        # Neither a platform that has kept nothing, nor a state without a type, is of another kind.
        kept = said if isinstance(said, list) else [] if said in (None, {}) else [said]
    except _NotOneText:
        kept = _lines(path, "state")
    try:
        states = [_state(one) for one in kept if not _is_other_message(one)]
    except Exception as error:  # the CDK's loader fails in many ways
        raise config_error(
            f"--state {path} is not a state: it must be a list of the `state` of STATE messages, or the messages "
            "themselves, in a list or one a line. Leave --state out to read from the beginning.",
            repr(error),
        ) from error
    return list({state.stream.stream_descriptor.name: state for state in states if state.stream}.values())


def _state(said: Any) -> AirbyteStateMessage:
    one = said["state"] if _is_message(said, "STATE") else said
    descriptor, kept = one["stream"]["stream_descriptor"], one["stream"].get("stream_state")
    if one.get("type", "STREAM") != "STREAM" or not isinstance(descriptor["name"], str):
        raise ValueError("no state of a stream")
    if not isinstance(kept, Mapping | None):
        raise ValueError("a state that is no object")
    stream = {"stream_descriptor": {"name": descriptor["name"]}, "stream_state": kept or {}}
    state: AirbyteStateMessage = AirbyteStateMessageSerializer.load(
        {"type": AirbyteStateType.STREAM.value, "stream": stream}
    )
    return state


class _NotOneText(Exception):
    """A file that is not one JSON text; perhaps it is one a line."""


def _said(path: str, name: str) -> Any:
    """What a file says.

    Raises:
        AirbyteTracedException: config_error; it cannot be read, or is no JSON.
        _NotOneText: it may be several, one a line.
    """
    text = _text(path, name)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        is_empty = not text.strip()
        if (name != "config" and "\n" in text and not is_empty) or (name == "state" and is_empty):
            raise _NotOneText from error
        raise _no_json(path, name, error) from error


def _lines(path: str, name: str) -> list[Any]:
    said = []
    for number, line in enumerate(_text(path, name).split("\n"), 1):
        try:
            if line.strip():
                said.append(json.loads(line))
        except (ValueError, RecursionError) as error:
            raise _no_json(path, name, error, f" in line {number}") from error
    return said


def _text(path: str, name: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise config_error(f"--{name} {path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise config_error(f"--{name} {path} cannot be read: it is no text in UTF-8.") from error


def _no_json(path: str, name: str, error: Exception, where: str = "") -> Exception:
    what = error.msg if isinstance(error, json.JSONDecodeError) else "it is nested too deep or holds too long a number"
    at = (
        f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) and not where else ""
    )
    return config_error(f"--{name} {path} is not valid JSON{where}: {what}{at}.")


def _is_message(said: Any, kind: str) -> bool:
    return isinstance(said, dict) and said.get("type") == kind and isinstance(said.get(kind.lower()), dict)


def _is_other_message(said: Any) -> bool:
    kinds = ("RECORD", "LOG", "TRACE", "CONTROL", "CATALOG", "SPEC", "CONNECTION_STATUS", "DEBUG")
    return isinstance(said, dict) and said.get("type") in kinds


def _are(streams: Any, field: str) -> bool:
    """Tell whether these are streams that have such a field; none at all are."""
    return isinstance(streams, list) and all(isinstance(one, dict) and field in one for one in streams)
