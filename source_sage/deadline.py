"""How long one request may take in all.

requests' own time-outs are about silence: a server that sends a byte every half second is never silent, and a thread
would read its answer for ever. So a clock runs beside each request, and when it is up, the socket is shut: whoever
waits for a byte then hears of it at once.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool


class Deadline:
    """The clock of one request.

    Attributes:
        is_over: it took too long and was ended.
    """

    def __init__(self) -> None:
        self.is_over = False
        self._socket: socket.socket | None = None
        self._lock = threading.Lock()

    def watch(self, used: socket.socket | None) -> None:
        """Note the socket that the request went over."""
        with self._lock:
            self._socket = used
        if self.is_over:
            self.end()

    def end(self) -> None:
        """Shut the socket, so that nobody goes on reading."""
        self.is_over = True
        with self._lock, contextlib.suppress(OSError):
            if self._socket is not None:
                # Not the method of an SSLSocket, which also takes its state away from who is reading.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


_of_thread = threading.local()


@contextlib.contextmanager
def deadline(seconds: float) -> Iterator[Deadline]:
    """End what this thread asks for, over a session with a `DeadlineAdapter`, when it takes longer than this."""
    clock = Deadline()
    _of_thread.deadline = clock
    timer = threading.Timer(seconds, clock.end)
    timer.daemon = True
    timer.start()
    try:
        yield clock
    finally:
        timer.cancel()
        clock.watch(None)
        _of_thread.deadline = None


def _watch(used: socket.socket | None) -> None:
    clock = getattr(_of_thread, "deadline", None)
    if clock is not None:
        clock.watch(used)


class _Connection(HTTPConnection):
    def request(self, *args: Any, **kwargs: Any) -> None:
        super().request(*args, **kwargs)
        _watch(self.sock)


class _SecureConnection(HTTPSConnection):
    def request(self, *args: Any, **kwargs: Any) -> None:
        super().request(*args, **kwargs)
        _watch(self.sock)


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class DeadlineAdapter(HTTPAdapter):
    """An adapter whose requests can be ended by a deadline, through a proxy too."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
        return manager
