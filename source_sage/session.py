"""How this program speaks HTTP: one kind of session for the API, for the renewal of tokens and for a person's consent.

Whoever answers may be somebody else, and what is sent are the keys to somebody's books. So a session

* sends what it was told to and nothing that lies about on the machine: no `.netrc`, no cookies;
* never follows a redirect, which could lead to another place;
* asks a proxy for nothing that stays on this machine: it would see secrets in clear there;
* ends an answer that does not end: `total_seconds` after its request began, head and body together, however slowly
  the bytes drip in. The time-outs of requests hold for each single byte alone.

`body_of` then reads the body, up to a size. It has to be asked for with `stream=True`: else requests would read it
whole before anybody could look.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import os
import socket
import time
from collections.abc import Callable, Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from requests.utils import get_environ_proxies
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

Monotonic = Callable[[], float]

# requests takes ten kilobytes at a time by itself, and at each a thread waits for those that compute.
PIECE_BYTES: Final = 1 << 20
# What a sign-in service or a refusal has to say fits in a few thousand.
SHORT_BODY_BYTES: Final = 1 << 20


class TooLarge(requests.exceptions.RequestException):
    """A body went on beyond what it may have; nothing of it was kept."""


def is_loopback(host: str) -> bool:
    """Tell whether a host, as it stands in an address, is this machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def open_session(
    address: str, *, total_seconds: float, connections: int = 1, monotonic: Monotonic = time.monotonic
) -> requests.Session:
    """A session for one host. Proxies and certificates are looked up once, not at each request.

    Args:
        address: of the host; with another one the session would be as safe, but might not find its proxy.
        total_seconds: after which an answer must be whole, counted from the beginning of its request.
        connections: how many to keep open.
        monotonic: a clock that never jumps; injected for tests.
    """
    session = _Session()
    session.trust_env = False  # or it would read .netrc, and look up the proxies anew
    if not is_loopback(urlsplit(address).hostname or ""):
        session.proxies.update(get_environ_proxies(address))
    session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
    session.cookies = RequestsCookieJar(policy=DefaultCookiePolicy(allowed_domains=[]))
    # Of the ways to pack a body, the usual one; each further one would be more code for a stranger to try.
    session.headers.update({"Accept": "application/json", "Accept-Encoding": "gzip"})
    adapter = _Adapter(total_seconds, monotonic, connections)
    session.mount("https://", adapter)
    session.mount("http://", adapter)
    return session


def post_form(
    address: str,
    form: Mapping[str, Any],
    *,
    timeout: tuple[float, float],
    total_seconds: float,
    monotonic: Monotonic = time.monotonic,
) -> requests.Response:
    """Post a form once, in a session of its own; gives the answer with its body, which is short.

    Args:
        address: where to.
        form: names and values.
        timeout: for the connection, and for each piece of the answer.
        total_seconds: for all of the answer.
        monotonic: injected for tests.

    Raises:
        requests.exceptions.RequestException: there is no whole answer; `TooLarge` if it is too long.
    """
    with open_session(address, total_seconds=total_seconds, monotonic=monotonic) as session:
        response = session.post(address, data=form, timeout=timeout, allow_redirects=False, stream=True)
        body_of(response, SHORT_BODY_BYTES)
    return response


def body_of(response: requests.Response, at_most: int, piece: int = PIECE_BYTES) -> bytes:
    """Read the body of an answer that was asked for with `stream=True`. Afterwards it is at hand as `content`, too.

    Args:
        response: whose body nobody has read.
        at_most: so many bytes, unpacked. A body packed a thousand times smaller is unpacked piece by piece.
        piece: how much to read at a time.

    Raises:
        requests.exceptions.RequestException: it broke off; `TooLarge` if it is longer.
    """
    pieces: list[bytes] = []
    size = 0
    for one in response.iter_content(piece):
        size += len(one)
        if size > at_most:
            response.close()
            raise TooLarge(f"the answer is larger than {at_most} bytes")
        pieces.append(one)
    body = b"".join(pieces)
    response._content = body  # requests has no public way to hand back what was read
    return body


class _Session(requests.Session):
    """A session that knows no redirects.

    `allow_redirects=False` alone would not do: requests then still reads the whole body of the redirect.
    """

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


class _Adapter(HTTPAdapter):
    """Makes connections whose answers end in time.

    Args:
        total_seconds: for each answer.
        monotonic: the clock.
        connections: how many to keep open.
    """

    def __init__(self, total_seconds: float, monotonic: Monotonic, connections: int) -> None:
        class Plain(_Ending, HTTPConnection):  # type: ignore[misc]  # typeshed has an attribute for a method here
            pass

        class Secure(_Ending, HTTPSConnection):  # type: ignore[misc]
            pass

        for kind in (Plain, Secure):
            kind.total_seconds, kind.monotonic = total_seconds, staticmethod(monotonic)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        self._pools = {"http": PlainPool, "https": SecurePool}
        super().__init__(pool_connections=1, pool_maxsize=connections)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = self._pools

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        if not proxy.lower().startswith("socks"):  # those connect in a way of their own
            manager.pool_classes_by_scheme = self._pools
        return manager


class _Ending:
    """Part of a connection: from the beginning of a request, all reading must be done in time."""

    total_seconds: float
    monotonic: Monotonic
    _until = 0.0

    def connect(self) -> None:
        self._until = self.monotonic() + self.total_seconds  # a proxy answers before there is a request
        super().connect()  # type: ignore[misc]

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._until = self.monotonic() + self.total_seconds
        super().request(*args, **kwargs)  # type: ignore[misc]

    def response_class(self, sock: socket.socket, *args: Any, **kwargs: Any) -> http.client.HTTPResponse:
        return http.client.HTTPResponse(_Until(sock, self._until, self.monotonic), *args, **kwargs)  # type: ignore[arg-type]


class _Until:
    """What http.client wants of a socket: a file to read from. This one has an end in time."""

    def __init__(self, sock: socket.socket, until: float, monotonic: Monotonic) -> None:
        self._socket, self._until, self._monotonic = sock, until, monotonic

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Incoming(self._socket, self._until, self._monotonic))


class _Incoming(io.RawIOBase):
    """What comes in on a socket, until a moment."""

    def __init__(self, sock: socket.socket, until: float, monotonic: Monotonic) -> None:
        self._socket, self._until, self._monotonic = sock, until, monotonic
        self._file = sock.makefile("rb", buffering=0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        remaining = self._until - self._monotonic()
        if remaining <= 0:
            raise TimeoutError("the answer took too long as a whole")
        usual = self._socket.gettimeout()
        if usual is not None and remaining >= usual:
            return self._file.readinto(buffer)
        self._socket.settimeout(remaining)
        try:
            return self._file.readinto(buffer)
        finally:
            self._socket.settimeout(usual)  # the connection is used again

    def close(self) -> None:
        self._file.close()
        super().close()
