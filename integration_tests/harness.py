"""Runs the connector as Airbyte does and keeps what it says; plays two destinations.

`Destination` removes doubles, as append-dedup does, and is compared with Sage. `EveryRow` removes nothing, as a full
refresh with overwrite and PyAirbyte do: what left twice stands there twice.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.clock import Clock
from source_sage.lists.asking import ThreadPool, Threads
from source_sage.run import SageEntrypoint, as_line
from source_sage.secrecy import SecretsLogFormatter
from source_sage.source import SourceSage

Message = dict[str, Any]
Row = dict[str, Any]

NO_MATTER_FOR_THE_CATALOG: Final = {
    "access_token",
    "account_id",
    "api_endpoint",
    "client_id",
    "client_secret",
    "refresh_token",
    "token_expiry_date",
}
_discovered: dict[str, list[Message]] = {}


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
    keep: Callable[[Message], bool] = lambda message: True,
    threads: Callable[[int], Threads] = ThreadPool,
) -> Output:
    """Run one command in this process.

    Args:
        command: check, discover or read.
        config, catalog, state: written to files and given by their paths, as Airbyte does.
        clock: the connector's time.
        seen: called with each message as it leaves; an exception of it ends the run like a kill.
        keep: whether the output keeps a message; a list of millions would fill the memory.
        threads: those that carry the requests out, by how many at once.
    """
    output = Output()

    def take(line: str) -> None:
        for one in filter(str.strip, line.splitlines()):
            message = orjson.loads(one)
            if message["type"] == "DEBUG":
                message = {"type": "LOG", "log": {"level": "DEBUG", "message": one}}
            if keep(message):
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
        entrypoint = SageEntrypoint(SourceSage(clock, threads))
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
    """The streams of the catalog.

    It makes no request and is the same for every business and token (tested in test_check.py), so that it is asked for
    once in a process.
    """
    others = {name: value for name, value in config.items() if name not in NO_MATTER_FOR_THE_CATALOG}
    key = json.dumps(others, sort_keys=True)
    if key not in _discovered:
        (catalog,) = run("discover", config).of("CATALOG")
        _discovered[key] = catalog["catalog"]["streams"]
    return [dict(stream) for stream in _discovered[key]]


class Destination:
    """An append-dedup destination: per key the row with the largest cursor, of equals the one that came last.

    Streams that always come whole replace what was there, as full refresh with overwrite does.

    Args:
        catalog: the configured catalog.
        by_state: it keeps a row for good only when the next state of its stream has come, or the run has ended well:
            the least that Airbyte promises. Otherwise each row is kept at once.
    """

    def __init__(self, catalog: dict[str, Any], *, by_state: bool = False) -> None:
        self._rows: dict[str, dict[tuple[Any, ...], Row]] = {}
        self._by_state = by_state
        self._waiting: dict[str, list[Row]] = {}
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
        self._waiting.clear()

    def take(self, message: Message) -> None:
        """Take one message of the source."""
        if message["type"] == "RECORD":
            name, row = message["record"]["stream"], message["record"]["data"]
            if self._by_state:
                self._waiting.setdefault(name, []).append(row)
            else:
                self._upsert(name, row)
        elif message["type"] == "STATE":
            name = message["state"]["stream"]["stream_descriptor"]["name"]
            self._keep(name)
            self.state[name] = message["state"]

    def end(self) -> None:
        """The run has ended well: what no state covers is kept too."""
        for name in list(self._waiting):
            self._keep(name)

    def _keep(self, name: str) -> None:
        for row in self._waiting.pop(name, ()):
            self._upsert(name, row)

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

    def forget(self, name: str, keys: Iterable[tuple[Any, ...]]) -> None:
        """Rows are lost, as if they had never come."""
        for key in keys:
            del self._rows[name][key]

    def saved(self) -> list[Message]:
        """The state to go on from."""
        return list(self.state.values())


Key = tuple[Any, ...]


class EveryRow:
    """A destination that keeps every row it is given, in the order it came.

    A stream is emptied when a run starts without state for it: its first sync, a full refresh, a sync after "clear".
    A run that goes on from a state appends, as PyAirbyte and Append do.

    Args:
        catalog: the configured catalog.
    """

    def __init__(self, catalog: dict[str, Any]) -> None:
        self._rows: dict[str, list[tuple[Key, Row]]] = {}
        self._from: dict[str, int] = {}
        self.select(catalog)

    def select(self, catalog: dict[str, Any]) -> None:
        """Take other streams from now on."""
        self._streams = {one["stream"]["name"]: one for one in catalog["streams"]}
        for name in self._streams:
            self._rows.setdefault(name, [])
            self._from.setdefault(name, 0)

    def begin(self, state: Iterable[Message] | None) -> None:
        """A new run begins.

        Args:
            state: what it is given to go on from.
        """
        resumed = {one["stream"]["stream_descriptor"]["name"] for one in state or ()}
        for name, one in self._streams.items():
            if name not in resumed or one["sync_mode"] == "full_refresh":
                self._rows[name].clear()
            self._from[name] = len(self._rows[name])

    def take(self, message: Message) -> None:
        """Take one message of the source."""
        if message["type"] == "RECORD":
            name, row = message["record"]["stream"], message["record"]["data"]
            parts = self._streams[name]["stream"]["source_defined_primary_key"]
            self._rows[name].append((tuple(row.get(part[0]) for part in parts), row))

    def rows(self, name: str) -> list[Row]:
        """All rows that are there, tombstones too."""
        return [row for _, row in self._rows[name]]

    def keys(self, name: str) -> list[Key]:
        """Their keys, as often as they are there."""
        return [key for key, _ in self._rows[name]]

    def of_this_run(self, name: str) -> list[Row]:
        """The rows that the last run brought."""
        return [row for _, row in self._rows[name][self._from[name] :]]

    def left_twice(self) -> dict[str, list[Key]]:
        """The keys that left more than once in the last run, by stream; a row and its tombstone count together."""
        found = {}
        for name in self._streams:
            times = Counter(key for key, _ in self._rows[name][self._from[name] :])
            if len(times) < times.total():
                found[name] = [key for key, often in times.items() if often > 1]
        return found

    def assert_once(self) -> None:
        """No key left twice in the last run.

        Raises:
            AssertionError: some did; it says how many of which stream.
        """
        told = [f"{len(keys)} keys of {name} left twice, e.g. {keys[0]}" for name, keys in self.left_twice().items()]
        assert not told, "; ".join(told)

    def assert_each_once(self, name: str, keys: Iterable[Key]) -> None:
        """After a run that did not go on from a state: exactly these keys are there, each once."""
        assert self._from[name] == 0, f"{name} went on from a state"
        there, wanted = Counter(self.keys(name)), set(keys)
        missing, more = wanted - there.keys(), there.keys() - wanted
        twice = [key for key, often in there.items() if often > 1]
        assert not (missing or more or twice), (
            f"{name}: {len(missing)} missing, {len(more)} too many, {len(twice)} twice, "
            f"e.g. {next(iter([*missing, *more, *twice]))}"
        )


def _age(row: Row) -> tuple[str, str]:
    return str(row.get("updated_at") or ""), str(row["read_at"])
