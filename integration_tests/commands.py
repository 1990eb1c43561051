"""`source-sage` in processes of its own that start at once.

To import the CDK takes seconds of a core. So these processes are forked from one that has done it: each has its own
pid, pipes, signals and exit code all the same. `test_command_line` starts the console script itself as well.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from multiprocessing.connection import Connection
from typing import Any, Final

# A time-out, for a machine that is busy with other things.
LONG: Final = 240.0
STARTED: Final = "source-sage"

_server: Final = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(["__main__", "source_sage.run", __name__])


class Command:
    """One command under way, used like a `subprocess.Popen` that has no stdin.

    Args:
        words: its arguments.
        stdout, stderr: where it speaks to; None for pipes of its own.

    Attributes:
        stdout, stderr: what it says, for whoever reads while it runs.
    """

    def __init__(self, words: Sequence[str], *, stdout: int | None = None, stderr: int | None = None) -> None:
        with contextlib.ExitStack() as theirs:

            def place(given: int | None) -> tuple[Any, Connection]:
                ours, into = os.pipe() if given is None else (os.open(os.devnull, os.O_RDONLY), os.dup(given))
                return os.fdopen(ours, "rb"), theirs.enter_context(Connection(into, readable=False))

            self.stdout, out = place(stdout)
            self.stderr, err = place(stderr)
            self._process = _server.Process(target=_be, args=(list(words), dict(os.environ), out, err))
            self._process.start()

    @property
    def returncode(self) -> int | None:
        """Its exit code, negative if a signal killed it; None while it runs."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        assert self._process.pid is not None
        os.kill(self._process.pid, number)

    def communicate(self, timeout: float = LONG) -> tuple[bytes, bytes]:
        """What it says from now on, on stdout and on stderr, when it has ended.

        Raises:
            subprocess.TimeoutExpired: it did not end in time, and was killed.
        """
        pool = ThreadPoolExecutor(2)
        said = [pool.submit(one.read) for one in (self.stdout, self.stderr)]
        late = bool(wait(said, timeout).not_done)
        if late:
            self._process.kill()
        self._process.join()
        pool.shutdown()
        for one in (self.stdout, self.stderr):
            one.close()
        if late:
            raise subprocess.TimeoutExpired(STARTED, timeout)
        return said[0].result(), said[1].result()


def call(*words: str, stdout: int | None = None) -> tuple[int, bytes, bytes]:
    """Run one command to its end; gives its exit code, and what it said on stdout and stderr."""
    command = Command(words, stdout=stdout)
    out, err = command.communicate()
    assert command.returncode is not None
    return command.returncode, out, err


def _be(words: list[str], environment: dict[str, str], out: Connection, err: Connection) -> None:
    from source_sage.run import run

    os.environ.clear()
    os.environ.update(environment)
    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    out.close()
    err.close()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the tests may be deaf to it
    # The process that it is forked from may have been started with other files in these places.
    sys.stdout = sys.__stdout__ = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.__stderr__ = os.fdopen(2, "w", encoding="utf-8", closefd=False)
    sys.argv = [STARTED, *words]
    run()
