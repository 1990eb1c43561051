"""Starts one command, waits for it, writes what it took: `launch.py REPORT COMMAND [ARGUMENT ...]`.

A small process of its own, since the system counts the memory of whoever starts a program as that program's peak.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time

BYTES_OF_MAXRSS = 1 if sys.platform == "darwin" else 1024


def main(report: str, command: list[str]) -> None:
    """Run it. On SIGTERM the command is killed and what it took until then is written."""
    begun = time.monotonic()
    pid = os.posix_spawn(command[0], command, os.environ)
    signal.signal(signal.SIGTERM, lambda number, frame: os.kill(pid, signal.SIGKILL))
    _, status, usage = os.wait4(pid, 0)
    took = time.monotonic() - begun
    figures = {
        "exit_code": os.waitstatus_to_exitcode(status),
        "wall": took,
        "user": usage.ru_utime,
        "system": usage.ru_stime,
        "peak_mb": usage.ru_maxrss * BYTES_OF_MAXRSS / 1e6,
    }
    with open(report, "w") as out:  # noqa: PTH123 (pathlib would double this process)
        json.dump(figures, out)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
