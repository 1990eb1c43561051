"""Answers that no well-behaved server gives: nothing at all, or half of one.

Starlette and uvicorn only speak whole answers, so the server keeps the transports of its connections
where these answers can find them, by the client's address.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any, Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

_TRANSPORTS: Final[dict[tuple[Any, ...], asyncio.Transport]] = {}


class KnownConnections(H11Protocol):
    """uvicorn's HTTP protocol, with its transports kept by port pair."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._key = (transport.get_extra_info("peername"), transport.get_extra_info("sockname"))
        _TRANSPORTS[self._key] = transport
        # asyncio does so itself only for sockets that name their protocol; without it each answer waits 40 ms.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        _TRANSPORTS.pop(self._key, None)
        super().connection_lost(exc)


async def _hang_up(scope: Scope, receive: Receive, reset: bool = False) -> None:
    """Close the connection and wait until it is, so that uvicorn has nothing left to say."""
    transport = _TRANSPORTS.get((tuple(scope["client"]), tuple(scope["server"])))
    if transport is not None:
        if reset:
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.close()
    while (await receive())["type"] != "http.disconnect":
        pass


class NoAnswer(Response):
    """The connection closes without a byte."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _hang_up(scope, receive)


class HalfAnswer(Response):
    """Headers for a whole body, and only the first part of it."""

    def __init__(self, whole: Response, share: float, reset: bool) -> None:
        super().__init__(whole.body, whole.status_code)
        self.raw_headers = whole.raw_headers
        self.share = share
        self.reset = reset

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        part = bytes(self.body)[: int(len(self.body) * self.share)]
        await send({"type": "http.response.body", "body": part, "more_body": True})
        await _hang_up(scope, receive, self.reset)
