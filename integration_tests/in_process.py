"""A sandbox that answers without a socket: a few times cheaper, and all of it on the thread that asks.

Everything above the connection is the connector's own: its session, headers, queries, bodies that break off. The tests
that are not about thousands of examples use a real port.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch
from urllib.parse import unquote, urlsplit

import requests
from requests.adapters import HTTPAdapter
from starlette.types import ASGIApp
from urllib3 import HTTPResponse

from integration_tests.sandbox import Sandbox
from source_sage.api import transport
from source_sage.session import open_session

ADDRESS = "http://127.0.0.1:1"


class Direct(HTTPAdapter):
    """Hands requests to an application.

    Args:
        application: which must wait for nothing.
    """

    def __init__(self, application: ASGIApp) -> None:
        super().__init__()
        self._application = application

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Have one request answered.

        Raises:
            requests.exceptions.ConnectionError: no byte came.
        """
        target = urlsplit(request.url or "")
        head: dict[str, Any] = {}
        body = bytearray()
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": target.scheme,
            "path": unquote(target.path),
            "raw_path": target.path.encode(),
            "query_string": target.query.encode(),
            "root_path": "",
            "headers": [(name.lower().encode(), _bytes(value)) for name, value in request.headers.items()],
            "client": ("127.0.0.1", 2),
            "server": (target.hostname, target.port),
        }

        async def receive() -> Mapping[str, Any]:
            return {"type": "http.disconnect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                head.update(message)
            else:
                body.extend(message.get("body", b""))

        answering = self._application(scope, receive, send)  # type: ignore[arg-type]
        try:
            answering.send(None)  # type: ignore[attr-defined]
        except StopIteration:
            pass
        else:
            raise AssertionError("the application waits for something")
        if not head:
            raise requests.exceptions.ConnectionError("no answer", request=request)
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in head["headers"]]
        answer = HTTPResponse(
            io.BytesIO(body), headers, head["status"], preload_content=False, request_method=request.method
        )
        return self.build_response(request, answer)


@contextmanager
def answered_in_process(box: Sandbox) -> Iterator[None]:
    """Within it, a sandbox that was not started answers all requests for the API, whatever its address."""
    application = box.answer_at(ADDRESS)

    def session(address: str, **options: Any) -> requests.Session:
        made = open_session(address, **options)
        made.mount("http://", Direct(application))
        return made

    with patch.object(transport, "open_session", session):
        yield


def _bytes(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("latin-1")
