"""The readers that are compared, and how each is started."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.child import Outcome
from benchmarks.facts import BUSINESS_ID, ROOT

OURS: Final = ROOT / ".venv" / "bin"
EXECUTABLE: Final = str(OURS / "source-sage")
DLT: Final = ROOT / ".venv-bench-dlt" / "bin"
SINGER: Final = ROOT / ".venv-bench-singer" / "bin"
LONG_AGO: Final = "2000-01-01"
NEVER_ENDING_TOKEN: Final = "token-of-the-bench"  # noqa: S105 (the fake Sage takes any)


@dataclass(frozen=True)
class Job:
    """What a reader is to do.

    Attributes:
        url: the API's base.
        streams: which lists.
        folder: a fresh one, for config and output.
        workers: requests at the same time, where the reader can be told.
    """

    url: str
    streams: Sequence[str]
    folder: Path
    workers: int

    def write(self, name: str, content: Any) -> str:
        """Write a file for the reader; gives its path."""
        path = self.folder / name
        path.write_text(json.dumps(content))
        return str(path)


@dataclass(frozen=True)
class Reader:
    """One reader.

    Attributes:
        key: its name in the results.
        label: its name in tables.
        command: how to start it.
        share: how much of a shape it reads, since cost per row does not depend on it and the slow ones take long.
        tells_count: it prints how many rows it read instead of the rows.
    """

    key: str
    label: str
    command: Callable[[Job], list[str]]
    share: float = 1.0
    tells_count: bool = False

    def rows(self, outcome: Outcome) -> int:
        """How many rows a run read."""
        if not self.tells_count:
            return outcome.records
        return int(outcome.last_line) if outcome.last_line.isdigit() else 0


def bare_loop(job: Job) -> list[str]:
    """requests and orjson in a loop."""
    return [str(OURS / "python"), "-m", "benchmarks.peers.bare_loop", job.url, BUSINESS_ID, *job.streams]


def plain_client(job: Job) -> list[str]:
    """Threads that know nothing of each other."""
    start = [str(OURS / "python"), "-m", "benchmarks.peers.plain_client"]
    return [*start, job.url, BUSINESS_ID, str(job.workers), *job.streams]


def source_sage(job: Job, command: str = "read", executable: str = EXECUTABLE) -> list[str]:
    """This connector, as Airbyte starts it."""
    config = {
        "account_id": BUSINESS_ID,
        "client_id": "client-id-of-the-bench",
        "client_secret": "client-secret-of-the-bench",
        "api_endpoint": job.url,
        "access_token": NEVER_ENDING_TOKEN,
        "refresh_token": f"refresh-{NEVER_ENDING_TOKEN}",
        "token_expiry_date": "2099-01-01T00:00:00Z",
        "start_date": LONG_AGO,
        "num_workers": job.workers,
    }
    path = job.write("config.json", config)
    if command != "read":
        return [executable, command, *(["--config", path] if command != "spec" else [])]
    catalog = job.write("catalog.json", _catalog(executable, path, job.streams))
    return [executable, "read", "--config", path, "--catalog", catalog]


def _catalog(executable: str, config: str, streams: Sequence[str]) -> dict[str, Any]:
    said = subprocess.run([executable, "discover", "--config", config], check=True, stdout=subprocess.PIPE, text=True)
    messages = [json.loads(line) for line in said.stdout.splitlines() if line.startswith("{")]
    found = next(one["catalog"]["streams"] for one in messages if one["type"] == "CATALOG")
    by_name = {stream["name"]: stream for stream in found}
    return {"streams": [_configured(by_name[name]) for name in streams]}


def _configured(stream: dict[str, Any]) -> dict[str, Any]:
    mode = "incremental" if "incremental" in stream["supported_sync_modes"] else "full_refresh"
    return {"stream": stream, "sync_mode": mode, "destination_sync_mode": "append"}


def _declarative(*, shape: bool) -> Callable[[Job], list[str]]:
    def command(job: Job) -> list[str]:
        config = {
            "api_url": job.url,
            "business_id": BUSINESS_ID,
            "access_token": NEVER_ENDING_TOKEN,
            "start_date": f"{LONG_AGO}T00:00:00Z",
            "num_workers": job.workers,
            "streams": list(job.streams),
            "shape": shape,
        }
        modes = ["full_refresh", "incremental"]
        streams = [{"name": name, "json_schema": {}, "supported_sync_modes": modes} for name in job.streams]
        catalog = {"streams": [_configured(stream) for stream in streams]}
        paths = ["--config", job.write("config.json", config), "--catalog", job.write("catalog.json", catalog)]
        return [str(OURS / "python"), "-m", "benchmarks.peers.declarative.run", "read", *paths]

    return command


def _dlt(step: str) -> Callable[[Job], list[str]]:
    def command(job: Job) -> list[str]:
        output = job.folder / "dlt"
        shutil.rmtree(output, ignore_errors=True)
        start = [str(DLT / "python"), "-m", "benchmarks.peers.dlt_rest", step]
        return [*start, job.url, BUSINESS_ID, str(output), *job.streams]

    return command


def _import_cdk(job: Job) -> list[str]:
    return [str(OURS / "python"), "-c", "import airbyte_cdk.entrypoint"]


def _singer(job: Job) -> list[str]:
    config = {
        "api_url": job.url,
        "business_id": BUSINESS_ID,
        "streams": list(job.streams),
        "start_date": f"{LONG_AGO}T00:00:00Z",
    }
    return [
        str(SINGER / "python"),
        "-m",
        "benchmarks.peers.singer_tap",
        "--config",
        job.write("config.json", config),
    ]


BARE: Final = Reader("bare", "bare loop, same shaping", bare_loop)
SAGE: Final = Reader("ours", "source-sage", source_sage)
PLAIN: Final = Reader("plain", "plain client", plain_client)
DLT_EXTRACT: Final = Reader("dlt_extract", "dlt, extract alone (no shaping)", _dlt("extract"), tells_count=True)
DLT_NORMALIZE: Final = Reader("dlt_normalize", "dlt, extract + normalize", _dlt("normalize"), 0.15, tells_count=True)
SINGER_SDK: Final = Reader("singer", "singer-sdk tap (no shaping)", _singer, 0.25)
DECLARATIVE: Final = Reader("declarative", "declarative CDK (no shaping)", _declarative(shape=False), 0.25)
DECLARATIVE_SHAPED: Final = Reader(
    "declarative_shaped", "declarative CDK, same shaping", _declarative(shape=True), 0.03
)

ALL: Final = (BARE, SAGE, DLT_EXTRACT, DLT_NORMALIZE, SINGER_SDK, DECLARATIVE, DECLARATIVE_SHAPED)
ONE_REQUEST_EACH: Final = (BARE, SAGE, DLT_EXTRACT, SINGER_SDK, DECLARATIVE)
IMPORT_CDK: Final = Reader("import_cdk", "importing the CDK", _import_cdk)
COMMANDS: Final = tuple(
    Reader(name, f"source-sage {name}", functools.partial(source_sage, command=name))
    for name in ("spec", "check", "discover")
)
BESIDE: Final = "beside"


def beside(checkout: Path) -> Reader:
    """Another checkout of this connector, in which `make install` was run: an earlier commit, say."""
    executable = str(checkout / ".venv" / "bin" / "source-sage")
    return Reader(BESIDE, "the other checkout", functools.partial(source_sage, executable=executable))


BY_KEY: Final = {reader.key: reader for reader in (*ALL, PLAIN, beside(ROOT))}
