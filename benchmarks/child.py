"""One run of one reader: its output drained, its rows counted, its time and memory as the system accounts them."""

from __future__ import annotations

import json
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.facts import ROOT

LAUNCH: Final = Path(__file__).with_name("launch.py")
CHUNK: Final = 1 << 16
GRACE_SECONDS: Final = 30.0


@dataclass(frozen=True)
class Drain:
    """How the reader's output is taken.

    Attributes:
        bytes_a_second: no faster than this for the first `seconds`; None for as fast as it comes.
        id_tag: the last digits of the ids to tell apart; empty to count rows alone.
    """

    bytes_a_second: float | None = None
    seconds: float = 0.0
    id_tag: str = ""


AT_ONCE: Final = Drain()


@dataclass(frozen=True)
class Outcome:
    """What one run took. CPU is the whole process tree's; peak memory its largest process's, in MB of 1,000,000.

    Attributes:
        records: RECORD lines on stdout.
        last_line: of stdout, for readers that do not print records.
        ids: different ids seen, where asked for.
        cut: it was ended because it took too long.
        complaint: the end of its stderr.
    """

    exit_code: int
    wall: float
    user: float
    system: float
    peak_mb: float
    records: int
    last_line: str
    ids: int
    cut: bool
    complaint: str

    @property
    def cpu(self) -> float:
        """Seconds of processor, user and system."""
        return self.user + self.system


@dataclass
class _Counter:
    """Counts in a stream of bytes that comes in pieces."""

    id_pattern: re.Pattern[bytes] | None
    records: int = 0
    ids: set[bytes] = field(default_factory=set)
    last: bytes = b""
    _rest: bytes = b""

    def take(self, chunk: bytes) -> None:
        whole, newline, rest = chunk.rpartition(b"\n")
        if not newline:
            self._rest += chunk
            return
        lines = self._rest + whole
        self._rest = rest
        self.records += lines.count(b'"type":"RECORD"')
        if self.id_pattern is not None:
            self.ids.update(self.id_pattern.findall(lines))
        self.last = lines[-200:]


def run(command: Sequence[str], folder: Path, *, drain: Drain = AT_ONCE, limit: float = 600.0) -> Outcome:
    """Run a reader to its end.

    Args:
        command: what to run, in the project's root.
        folder: for its reports; exists.
        drain: how its output is taken.
        limit: seconds after which it is ended.
    """
    report, errors = folder / "launch.json", folder / "stderr.txt"
    pattern = re.compile(rb'"id":"([0-9a-f]{16}' + drain.id_tag.encode() + rb')"') if drain.id_tag else None
    counter = _Counter(pattern)
    with errors.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", LAUNCH, report, *command],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            cut = _drained(process.stdout.fileno(), counter, drain, limit) or not _ends(process)
            if cut:
                process.terminate()
                process.wait(GRACE_SECONDS)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        finally:
            process.stdout.close()
    figures = json.loads(report.read_text())
    return Outcome(
        **figures,
        records=counter.records,
        last_line=counter.last.rpartition(b"\n")[2].decode(errors="replace"),
        ids=len(counter.ids),
        cut=cut,
        complaint=errors.read_text(errors="replace")[-500:],
    )


def _ends(process: subprocess.Popen[bytes]) -> bool:
    """Wait for a reader that has closed its output; False if it does not end."""
    try:
        process.wait(GRACE_SECONDS)
    except subprocess.TimeoutExpired:
        return False
    return True


def _drained(descriptor: int, counter: _Counter, drain: Drain, limit: float) -> bool:
    """Take all output; True if it did not end within the limit."""
    begun, taken = time.monotonic(), 0
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        while True:
            passed = time.monotonic() - begun
            if passed > limit:
                return True
            if drain.bytes_a_second and passed < drain.seconds and taken > drain.bytes_a_second * passed:
                time.sleep(min(taken / drain.bytes_a_second - passed, drain.seconds - passed))
            if not selector.select(limit - passed):
                continue
            chunk = os.read(descriptor, CHUNK)
            if not chunk:
                return False
            taken += len(chunk)
            counter.take(chunk)
