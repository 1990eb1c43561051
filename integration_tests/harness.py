"""Runs the connector as Airbyte does and keeps what it says; plays an append-dedup destination."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.clock import Clock
from source_sage.run import SageEntrypoint, as_line
from source_sage.secrecy import SecretsLogFormatter
from source_sage.source import SourceSage

Message = dict[str, Any]
Row = dict[str, Any]


@dataclass
class Output:
    """What one command said, in order."""

    messages: list[Message] = field(default_factory=list)
    failure: Exception | None = None

    def of(self, kind: str) -> list[Message]:
        """The messages of one type, e.g. `RECORD`."""
        return [message for message in self.messages if message["type"] == kind]

    def rows(self, stream: str) -> list[Row]:
        """The rows of one stream, in order."""
        return [one["record"]["data"] for one in self.of("RECORD") if one["record"]["stream"] == stream]

    @property
    def state(self) -> list[Message]:
        """The last state of each stream, as `--state` takes it."""
        last = {one["state"]["stream"]["stream_descriptor"]["name"]: one["state"] for one in self.of("STATE")}
        return list(last.values())

    def place(self, stream: str) -> dict[str, Any]:
        """The businesses' places in the last state of a stream."""
        for one in self.state:
            if one["stream"]["stream_descriptor"]["name"] == stream:
                places: dict[str, Any] = one["stream"]["stream_state"]["businesses"]
                return places
        raise AssertionError(f"no state of {stream}")

    @property
    def status(self) -> Message:
        """The outcome of check."""
        (one,) = self.of("CONNECTION_STATUS")
        return dict(one["connectionStatus"])

    @property
    def configs(self) -> list[dict[str, Any]]:
        """The configs handed back for keeping."""
        return [one["control"]["connectorConfig"]["config"] for one in self.of("CONTROL")]

    @property
    def errors(self) -> list[dict[str, Any]]:
        """The errors that were traced."""
        return [one["trace"]["error"] for one in self.of("TRACE") if one["trace"]["type"] == "ERROR"]

    def statuses(self, stream: str) -> list[str]:
        """How a stream fared, e.g. STARTED, RUNNING, COMPLETE."""
        return [
            one["trace"]["stream_status"]["status"]
            for one in self.of("TRACE")
            if one["trace"]["type"] == "STREAM_STATUS"
            and one["trace"]["stream_status"]["stream_descriptor"]["name"] == stream
        ]

    def log(self, level: str) -> list[str]:
        """The log lines of one level, e.g. `WARN`."""
        return [one["log"]["message"] for one in self.of("LOG") if one["log"]["level"] == level]


def run(
    command: str,
    config: dict[str, Any],
    *,
    catalog: dict[str, Any] | None = None,
    state: list[Message] | None = None,
    clock: Clock | None = None,
    seen: Callable[[Message], None] | None = None,
) -> Output:
    """Run one command in this process.

    Args:
        command: check, discover or read.
        config, catalog, state: written to files and given by their paths, as Airbyte does.
        clock: the connector's time.
        seen: called with each message as it leaves; an exception of it ends the run like a kill.
    """
    output = Output()

    def take(line: str) -> None:
        for one in filter(str.strip, line.splitlines()):
            message = json.loads(one)
            if message["type"] == "DEBUG":
                message = {"type": "LOG", "log": {"level": "DEBUG", "message": one}}
            output.messages.append(message)
            if seen is not None:
                seen(message)

    with tempfile.TemporaryDirectory() as folder, _taking(take):
        arguments = [command]
        for name, content in (("config", config), ("catalog", catalog), ("state", state)):
            if content is not None:
                path = Path(folder, name)
                path.write_text(json.dumps(content))
                arguments += [f"--{name}", str(path)]
        entrypoint = SageEntrypoint(SourceSage(clock))
        messages = entrypoint.run(entrypoint.parse_args(arguments))
        try:
            for line in messages:
                take(line)
        except AirbyteTracedException as failure:
            output.failure = failure
            take(as_line(failure).decode())
        finally:
            close = getattr(messages, "close", None)
            if close is not None:
                close()
    return output


@contextlib.contextmanager
def _taking(take: Callable[[str], None]) -> Iterator[None]:
    """Hand everything that is printed or logged to `take`, line by line."""

    class Lines(io.StringIO):
        def write(self, text: str) -> int:
            take(text)
            return len(text)

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            take(self.format(record))

    handler = Handler()
    handler.setFormatter(SecretsLogFormatter())
    logger = logging.getLogger("airbyte")
    logger.addHandler(handler)
    propagate, logger.propagate = logger.propagate, False
    try:
        with contextlib.redirect_stdout(Lines()):
            yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate


def catalog_of(streams: Iterable[Message], names: Iterable[str] | None = None) -> dict[str, Any]:
    """A configured catalog: incremental wherever a stream can be, append-dedup.

    Args:
        streams: as discover gives them.
        names: which; all if None.
    """
    chosen = set(names) if names is not None else None
    return {
        "streams": [
            {
                "stream": stream,
                "sync_mode": "incremental" if "incremental" in stream["supported_sync_modes"] else "full_refresh",
                "destination_sync_mode": "append_dedup",
            }
            for stream in streams
            if chosen is None or stream["name"] in chosen
        ]
    }


def discover(config: dict[str, Any]) -> list[Message]:
    """The streams of the catalog."""
    (catalog,) = run("discover", config).of("CATALOG")
    streams: list[Message] = catalog["catalog"]["streams"]
    return streams


class Destination:
    """An append-dedup destination: per key the row with the largest cursor, of equals the one that came last.

    Streams that always come whole replace what was there, as full refresh with overwrite does.

    Args:
        catalog: the configured catalog.
    """

    def __init__(self, catalog: dict[str, Any]) -> None:
        self._rows: dict[str, dict[tuple[Any, ...], Row]] = {}
        self.select(catalog)
        self._fresh: set[str] = set()
        self.state: dict[str, Message] = {}

    def select(self, catalog: dict[str, Any]) -> None:
        """Take other streams from now on; what is there stays, as in a warehouse."""
        self._streams = {one["stream"]["name"]: one for one in catalog["streams"]}
        for name in self._streams:
            self._rows.setdefault(name, {})

    def begin(self) -> None:
        """A new run begins: streams that come whole are emptied at their first row."""
        self._fresh = {name for name, one in self._streams.items() if one["sync_mode"] == "full_refresh"}

    def take(self, message: Message) -> None:
        """Take one message of the source."""
        if message["type"] == "RECORD":
            self._upsert(message["record"]["stream"], message["record"]["data"])
        elif message["type"] == "STATE":
            self.state[message["state"]["stream"]["stream_descriptor"]["name"]] = message["state"]

    def _upsert(self, name: str, row: Row) -> None:
        if name in self._fresh:
            self._fresh.discard(name)
            self._rows[name].clear()
        stream = self._streams[name]["stream"]
        key = tuple(row.get(part[0]) for part in stream["source_defined_primary_key"])
        assert all(key), f"a row of {name} without a key"
        known = self._rows[name].get(key)
        cursor = (stream.get("default_cursor_field") or [None])[0]
        if known is None or cursor is None or (row.get(cursor) or "") >= (known.get(cursor) or ""):
            self._rows[name][key] = row

    def rows(self, name: str) -> list[Row]:
        """The rows that are there, without those marked as deleted."""
        return [row for row in self._rows[name].values() if not row.get("is_deleted")]

    def all_rows(self, name: str) -> list[Row]:
        """All rows, those marked as deleted too, as they stand in the table."""
        return list(self._rows[name].values())

    def lines(self, name: str) -> list[Row]:
        """The lines that are live, by the rule that docs/tie-out.sql uses too.

        No row of the same parent is newer, and it is not deleted.
        """
        rows = list(self._rows[name].values())
        parent = self._streams[name]["stream"]["source_defined_primary_key"][1][0]
        newest: dict[tuple[Any, ...], tuple[str, str]] = {}
        for row in rows:
            key = (row["business_id"], row[parent])
            newest[key] = max(_age(row), newest.get(key, ("", "")))
        return [
            row for row in rows if _age(row) == newest[(row["business_id"], row[parent])] and not row.get("is_deleted")
        ]

    def saved(self) -> list[Message]:
        """The state to go on from."""
        return list(self.state.values())


def _age(row: Row) -> tuple[str, str]:
    return str(row.get("updated_at") or ""), str(row["read_at"])
