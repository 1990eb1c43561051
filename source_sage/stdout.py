"""Stdout: how messages leave this process, and when a renewal of tokens may begin.

Sage kills a refresh token in the moment in which it answers with the next one. From then on the only living token is in
this process until its message has left. So a renewal begins only when nothing can hold that message up:

* stdout's lock is held, so that no other message comes before it;
* everything that was said has left this process, **and whoever reads has taken it**: on Linux a pipe must be empty, so
  that all of its 64 KiB are free for a message of a few. A reader that takes nothing thus means no renewal. Where a
  pipe cannot be asked how much it holds (other systems), or stdout is a terminal or a socket, it must be ready for
  some bytes, as far as `poll` tells; a file takes everything.

What is left is the time between Sage's answer and our write. A signal that ends the process waits for that, too
(`leave`). What becomes of a message once it was taken is the reader's affair.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import select
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final, NoReturn

from airbyte_cdk.logger import PRINT_BUFFER

SECONDS_BETWEEN_LOOKS: Final = 0.05

_renewing = threading.Lock()


class NobodyReads(Exception):
    """Whoever took what this process says is gone."""


def put(lines: bytes) -> None:
    """Write whole lines to stdout, after what was printed and logged before them."""
    assert sys.__stdout__ is not None
    with PRINT_BUFFER.lock:
        PRINT_BUFFER.flush()
        sys.__stdout__.buffer.write(lines)
        sys.__stdout__.buffer.flush()


@contextlib.contextmanager
def room() -> Iterator[None]:
    """Hold stdout, from when everything that was said has been taken. Waits for that as long as it takes.

    Raises:
        NobodyReads: it will never be taken.
    """
    with contextlib.ExitStack() as held:
        # In the order of whoever logs: first the lock of a handler, then the one of the buffer that it writes to.
        for handler in logging.getLogger().handlers:
            if getattr(handler, "stream", None) is PRINT_BUFFER and handler.lock is not None:
                held.enter_context(handler.lock)
        held.enter_context(PRINT_BUFFER.lock)
        try:
            sys.stdout.flush()
        except BrokenPipeError:
            raise NobodyReads from None
        descriptor = _descriptor()
        while descriptor is not None and not is_taken(descriptor):
            time.sleep(SECONDS_BETWEEN_LOOKS)
        with _renewing:
            yield


def leave(code: int, last_words: Callable[[], object]) -> NoReturn:
    """End the process now, whatever its threads wait for; a renewal under way is let through to its message."""
    with _renewing:
        last_words()
        os._exit(code)


def is_taken(descriptor: int) -> bool:
    """Tell whether what was written has been taken, so far as the system tells.

    Raises:
        NobodyReads: it will never be taken.
    """
    kind = os.fstat(descriptor).st_mode
    if stat.S_ISREG(kind) or not hasattr(select, "poll"):
        return True
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    events = sum(event for _, event in poll.poll(0))
    if events & (select.POLLERR | select.POLLHUP | select.POLLNVAL):
        raise NobodyReads
    if stat.S_ISFIFO(kind) and sys.platform == "linux":
        return _held(descriptor) == 0
    return bool(events & select.POLLOUT)


def _held(descriptor: int) -> int:
    """How many bytes a pipe holds that nobody has read."""
    import fcntl
    import termios

    return int.from_bytes(fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)), sys.byteorder)


def _descriptor() -> int | None:
    """Where messages leave; None if whoever called us in their own process takes them as texts."""
    stream = sys.__stdout__ if sys.stdout is PRINT_BUFFER else sys.stdout
    try:
        return stream.fileno() if stream is not None else None
    except (AttributeError, io.UnsupportedOperation, ValueError):
        return None
