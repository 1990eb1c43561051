"""A run in a process of its own, whose memory the system accounts: `benchmarks.child` starts it and reads `wait4`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from benchmarks.child import Drain, Outcome
from benchmarks.child import run as run_child
from integration_tests.long_lists.connection import Connection


def read_in_a_process(connection: Connection, folder: Path, *, seconds: float = 120.0, tag: str = "") -> Outcome:
    """One read by the connection's state, which it does not change.

    Args:
        connection: to a double whose clock is this machine's.
        folder: for files.
        seconds: after which it is ended.
        tag: last digits of the ids to tell apart.

    Returns:
        What it took: peak memory in MB of 1,000,000, records that left, its exit code.
    """
    sage = connection.sage
    sage.lease()
    arguments = []
    for name, content in (
        ("config", sage.config(**connection.form)),
        ("catalog", connection.catalog),
        ("state", connection.destination.saved()),
    ):
        path = folder / f"{name}.json"
        path.write_text(json.dumps(content))
        if content != []:
            arguments += [f"--{name}", str(path)]
    command = [str(Path(sys.executable).with_name("source-sage")), "read", *arguments]
    return run_child(command, folder, limit=seconds, drain=Drain(id_tag=tag))
