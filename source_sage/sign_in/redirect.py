"""The redirect that brings a browser back from Sage, taken on this machine's loopback address."""

from __future__ import annotations

import errno
import hmac
import os
import queue
import secrets
import socket
import threading
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingTCPServer
from typing import Any, Final, Self
from urllib.parse import urlsplit

from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.errors import config_error
from source_sage.sign_in.consent import AGAIN, CALLBACK_PATH, NotTheAnswer, code_in

LOOPBACK: Final = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
# What `bind` says on a machine without that address.
NO_SUCH_ADDRESS: Final = frozenset((errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT))
LISTENING: Final = "0A"  # in the kernel's tables
SLOW_BROWSER_SECONDS: Final = 10.0
START_BYTES: Final = 16


class RedirectListener:
    """Takes one sign-in's redirect on this machine, and nothing else.

    `localhost`, the host of the Callback URL, is two addresses, and a browser may choose either: whoever else listens
    on one of them gets the answer in our place. So both are taken, or none.

    It also leads the browser to Sage, from an address that is good for one opening. For how a browser is started any
    user of the machine can see, and the address at Sage holds the state.

    Browsers open connections ahead of need, so each is served in a thread of its own: an idle one must not keep the
    redirect waiting. Used as a context manager; the port is free again afterwards.

    Args:
        port: on the loopback addresses.
        state: as it was sent.
        consent: the address at Sage where the person allows the access.

    Raises:
        OSError: the port cannot be had; its `filename` is the address where.
    """

    def __init__(self, port: int, state: str, consent: str) -> None:
        self._state, self._consent = state, consent
        self._start_path = f"/{secrets.token_urlsafe(START_BYTES)}"
        self.start = f"http://localhost:{port}{self._start_path}"
        self._started = threading.Lock()
        self._answered = threading.Lock()
        self._outcomes: queue.SimpleQueue[str | AirbyteTracedException] = queue.SimpleQueue()
        self._servers: list[_Server] = []
        for family, host in LOOPBACK:
            try:
                self._servers.append(_server(family, host, port, self))
            except OSError as error:
                if error.errno in NO_SUCH_ADDRESS and self._servers:
                    continue
                self._close()
                raise OSError(error.errno, error.strerror, host) from None

    def __enter__(self) -> Self:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.1,), name="redirect", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
        self._close()

    def _close(self) -> None:
        for server in self._servers:
            server.server_close()

    def wait(self, seconds: float) -> str:
        """Wait for the redirect; gives its code.

        Raises:
            AirbyteTracedException: Sage refused, or nothing came in time.
        """
        try:
            outcome = self._outcomes.get(timeout=seconds)
        except queue.Empty:
            raise config_error(
                f"No answer came from the browser within {seconds:g} seconds, so nothing was saved. If Sage's page "
                "showed an error instead of asking for your permission, check the Client ID, and that your app in "
                "Sage's developer portal lists the Callback URL named above. If the browser runs on another computer, "
                f"add --no-browser. {AGAIN}"
            ) from None
        if isinstance(outcome, AirbyteTracedException):
            raise outcome
        return outcome

    def leads_to(self, path: str) -> str | None:
        """The address at Sage, if the path is the one to start from; it is told once.

        A second opening means that somebody saw the first, and may be ahead of the person: that ends the sign-in.
        """
        if not hmac.compare_digest(path.encode(errors="replace"), self._start_path.encode()):
            return None
        if self._started.acquire(blocking=False):
            return self._consent
        if self._answered.acquire(blocking=False):
            self.settle(
                config_error(
                    "The page of this sign-in was opened twice, perhaps by another user of this computer, so nothing "
                    f"was saved. {AGAIN}"
                )
            )
        return None

    def take(self, query: str) -> tuple[HTTPStatus, str, str, str | AirbyteTracedException | None]:
        """Judge one redirect.

        Returns:
            Status, heading and text of the page to show; and what the sign-in came to, None if it still waits or is
            already over.
        """
        outcome: str | AirbyteTracedException
        try:
            outcome = code_in(query, self._state)
        except NotTheAnswer as stray:
            text = f"{stray} The newest sign-in still waits for its own answer. You can close this window."
            return HTTPStatus.BAD_REQUEST, "Not this sign-in", text, None
        except AirbyteTracedException as refusal:
            outcome = refusal
        if not self._answered.acquire(blocking=False):
            return HTTPStatus.GONE, "Already answered", "This sign-in is over. You can close this window.", None
        if isinstance(outcome, AirbyteTracedException):
            return HTTPStatus.OK, "Not signed in", f"{outcome.message} You can close this window.", outcome
        return (
            HTTPStatus.OK,
            "Access allowed",
            "Sage's answer has arrived. Go back to the terminal in which you started the sign-in: it goes on there. "
            "You can close this window.",
            outcome,
        )

    def settle(self, outcome: str | AirbyteTracedException) -> None:
        """Let `wait` return."""
        self._outcomes.put(outcome)


class _Server(ThreadingTCPServer):
    """Listens on one address.

    Attributes:
        listener: whose answers it takes.
    """

    daemon_threads = True
    request_queue_size = 64
    allow_reuse_address = os.name == "posix"  # elsewhere it would let two programs share the port
    listener: RedirectListener

    def server_bind(self) -> None:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows, where others could else ask for the same port
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        super().server_bind()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Tell whether to answer at all."""
        return not is_another_users(client_address)

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that hangs up is nobody's failure; the default would print a traceback."""


def _server(family: socket.AddressFamily, host: str, port: int, listener: RedirectListener) -> _Server:
    kind = type("_Server", (_Server,), {"address_family": family, "listener": listener})
    server: _Server = kind((host, port), _Handler)
    return server


def is_another_users(peer: tuple[Any, ...]) -> bool:
    """Tell whether a connection on this machine comes from a program of another user; where Linux does not say, not.

    Root is no stranger: root can read everything anyway, and relays of other systems (WSL) belong to it.

    Args:
        peer: host and port at its other end.
    """
    host, port = str(peer[0]), int(peer[1])
    table = "/proc/net/tcp6" if ":" in host else "/proc/net/tcp"
    try:
        lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return False
    # The kernel writes an address as the machine's own words of 32 bits, each in hexadecimal.
    words = memoryview(socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)).cast("I")
    local = f"{''.join(f'{word:08X}' for word in words)}:{port:04X}"
    owners = {int(fields[7]) for line in lines if (fields := line.split())[1] == local and fields[3] != LISTENING}
    return bool(owners) and not owners & {0, os.getuid()}


class _Handler(BaseHTTPRequestHandler):
    """Answers GET with small pages; keeps no log, since the request line holds the code."""

    server: _Server
    timeout = SLOW_BROWSER_SECONDS
    server_version = "source-sage"
    sys_version = ""

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if consent := self.server.listener.leads_to(address.path):
            self.send_response(HTTPStatus.SEE_OTHER)
            self.send_header("Location", consent)
            self._end(b"")
        elif address.path == CALLBACK_PATH:
            status, heading, text, outcome = self.server.listener.take(address.query)
            try:
                self._show(status, heading, text)
            finally:
                if outcome is not None:
                    self.server.listener.settle(outcome)
        else:
            self._show(HTTPStatus.NOT_FOUND, "Nothing here", "This address takes the answer of one sign-in only.")

    def _show(self, status: HTTPStatus, heading: str, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self._end(page(heading, text).encode())

    def _end(self, content: bytes) -> None:
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        pass


_STYLE: Final = """
body{font:17px/1.55 system-ui,sans-serif;color:#1b2733;background:#f3f5f7;margin:0;padding:0 1rem}
main{max-width:30rem;margin:14vh auto 0;background:#fff;border:1px solid #dde3e8;border-radius:10px}
main{padding:2rem 2.5rem}h1{font-size:1.5rem;line-height:1.3;margin:0 0 .6rem}p{margin:0}
footer{margin-top:1.6rem;padding-top:1rem;border-top:1px solid #e6eaee;color:#5b6b7a;font-size:.85rem}
"""


def page(heading: str, text: str) -> str:
    """A small page without script: one heading, one paragraph; both are plain text."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(heading)} - source-sage</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(heading)}</h1><p>{escape(text)}</p>"
        "<footer>Shown by source-sage authorize on your own computer.</footer></main></body></html>"
    )
