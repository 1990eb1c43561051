"""The redirect that brings a browser back from Sage, taken on this machine's loopback address."""

from __future__ import annotations

import os
import queue
import threading
from html import escape
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any, Final, Self
from urllib.parse import urlsplit

from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.consent import AGAIN, CALLBACK_PATH, NotTheAnswer, code_in
from source_sage.errors import config_error

LOOPBACK: Final = "127.0.0.1"
SLOW_BROWSER_SECONDS: Final = 10.0


class RedirectListener(ThreadingTCPServer):
    """Takes one sign-in's redirect on this machine, and nothing else.

    Browsers open connections ahead of need, so each is served in a thread of its own: an idle one must not keep the
    redirect waiting. Used as a context manager; the port is free again afterwards.

    Args:
        port: on the loopback address.
        state: as it was sent.

    Raises:
        OSError: the port cannot be had.
    """

    daemon_threads = True
    allow_reuse_address = os.name == "posix"  # elsewhere it would let two programs share the port

    def __init__(self, port: int, state: str) -> None:
        super().__init__((LOOPBACK, port), _Handler)
        self._state = state
        self._answered = threading.Lock()
        self._outcomes: queue.SimpleQueue[str | AirbyteTracedException] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, args=(0.1,), name="redirect", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

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

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser that hangs up is nobody's failure; the default would print a traceback."""


class _Handler(BaseHTTPRequestHandler):
    """Answers GET with small pages; keeps no log, since the request line holds the code."""

    server: RedirectListener
    timeout = SLOW_BROWSER_SECONDS
    server_version = "source-sage-authorize"
    sys_version = ""

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        if address.path != CALLBACK_PATH:
            self._show(HTTPStatus.NOT_FOUND, "Nothing here", "This address takes the answer of one sign-in only.")
            return
        status, heading, text, outcome = self.server.take(address.query)
        try:
            self._show(status, heading, text)
        finally:
            if outcome is not None:
                self.server.settle(outcome)

    def _show(self, status: HTTPStatus, heading: str, text: str) -> None:
        content = page(heading, text).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
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
        "<footer>Shown by source-sage-authorize on your own computer.</footer></main></body></html>"
    )
