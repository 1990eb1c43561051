"""A server that nobody can trust: it takes a connection, reads a request, and answers with whatever bytes it likes.

The sandbox plays a Sage that has bad manners; this one plays what is no Sage at all.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final, Self

Answer = Callable[[bytes], Iterator[bytes]]
MEBIBYTE: Final = 1 << 20


class Stranger:
    """Listens on the loopback address while it is used as a context manager.

    Args:
        answer: gives, for a request as it came, the pieces of its answer. It may never end.
        keeps: the connection open for further requests.

    Attributes:
        requests: as they came, whole.
        connections: how many there were.
        address: of the server, as an http URL without a path.
    """

    def __init__(self, answer: Answer, *, keeps: bool = False) -> None:
        self._answer, self._keeps = answer, keeps
        self.connections = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.requests: list[bytes] = []
        self.port = int(self._server.getsockname()[1])
        self.address = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        # A thread in `accept` would keep the port alive after `close` alone.
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_one, args=(connection,), daemon=True).start()

    def _serve_one(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            self.connections += 1
            while request := _whole(connection):
                self.requests.append(request)
                for piece in self._answer(request):
                    connection.sendall(piece)
                if not self._keeps:
                    return


def _whole(connection: socket.socket) -> bytes:
    """A request with its body."""
    came = b""
    while b"\r\n\r\n" not in came:
        piece = connection.recv(65536)
        if not piece:
            return came
        came += piece
    head, _, body = came.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


def head(*lines: str, status: str = "200 OK") -> bytes:
    """The head of an answer after which the connection closes."""
    return "\r\n".join([f"HTTP/1.1 {status}", "Connection: close", *lines, "", ""]).encode()


def json_answer(body: bytes, *lines: str) -> Answer:
    """The same JSON to everybody."""
    return lambda _: iter([head("Content-Type: application/json", f"Content-Length: {len(body)}", *lines) + body])


def never_ending(first: bytes, again: bytes) -> Answer:
    """Goes on for ever, a piece at a time."""

    def answer(_: bytes) -> Iterator[bytes]:
        yield first
        while True:
            yield again

    return answer


def bomb(mebibytes: int, *, chunked: bool = False, layers: int = 1) -> Answer:
    """Little on the wire, `mebibytes` of a JSON text once unpacked."""
    packed = _packed(iter([b'{"access_token":"', *([b"x" * MEBIBYTE] * mebibytes), b'"}']))
    for _ in range(layers - 1):
        packed = _packed(iter([packed]))
    encoding = "Content-Encoding: " + ", ".join(["gzip"] * layers)
    if not chunked:
        return lambda _: iter([head(encoding, f"Content-Length: {len(packed)}") + packed])
    piece = f"{len(packed):x}\r\n".encode() + packed + b"\r\n0\r\n\r\n"
    return lambda _: iter([head(encoding, "Transfer-Encoding: chunked") + piece])


def _packed(pieces: Iterator[bytes]) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([*(compressor.compress(piece) for piece in pieces), compressor.flush()])
