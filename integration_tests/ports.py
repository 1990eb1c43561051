"""Ports for programs that must be told theirs before they listen."""

from __future__ import annotations

import contextlib
import secrets
import socket

# Below those that Linux gives to whoever asks for any, so that nobody gets it before the program listens.
FIRST, COUNT = 20_000, 10_000


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    while True:
        port = FIRST + secrets.randbelow(COUNT)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
