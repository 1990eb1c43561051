"""A Sage that answers faster than anyone reads: `python -m benchmarks.fake_sage`, in a process of its own.

It prints its address, serves until its stdin is closed, and has only those of Sage's manners that readers need: the
envelope, 200 rows a page, the last page repeated past the end, filters of date, change and deletion, `X-Business`,
`Date`, 429 with `Retry-After` over a sliding window; and trouble on request. Everything else is the sandbox's work
(integration_tests/sandbox).

`POST /_bench/world` sets what is served and forgets what was counted; `GET /_bench/counts` tells what was asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import gc
import math
import random
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

from benchmarks.books import Books, dated
from benchmarks.facts import BUSINESS_ID, PAGE_SIZE
from benchmarks.trouble import CUT, NO_JSON, REFUSED, Trouble

PREFIX: Final = "/v3.1/"
LARGEST_HEAD: Final = 65_536
PAGE_ROOM: Final = 4 << 20
DATA_END: Final = "2025-06-01T00:00:00Z"
REASONS: Final = {200: "OK", 400: "Bad Request", 404: "Not Found", 429: "Too Many Requests"}
RETRY_AFTER: Final = "Retry-After: 1\r\n"


@dataclass
class World:
    """What is served.

    Attributes:
        rows: the length of each list; lists that are not named do not exist.
        latency: seconds that every answer takes; many wait at the same time.
        limit: requests let through in `window` seconds; None for as many as come.
        trouble: what goes wrong on purpose.
    """

    rows: dict[str, int] = field(default_factory=dict)
    latency: float = 0.0
    limit: int | None = None
    window: float = 60.0
    trouble: Trouble = field(default_factory=Trouble)


@dataclass
class Counts:
    """What was asked since the world was set. Moments are seconds on the server's clock, one for each request."""

    rows: int = 0
    by_path: dict[str, int] = field(default_factory=dict)
    under_way: int = 0
    most_at_once: int = 0
    let_through: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Request:
    """One request, as far as it matters."""

    method: str
    path: str
    params: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """One answer; its body in parts, so that a big page is never copied."""

    parts: tuple[bytes, ...]
    status: int = 200
    headers: str = ""
    is_cut: bool = False


class FakeSage:
    """Serves the books."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._world = World()
        self._counts = Counts()
        self._window: deque[float] = deque()
        self._chance = random.Random(1)  # noqa: S311

    async def connection(self, sock: socket.socket) -> None:
        """Answer the requests of one connection, one after another, until the client closes it."""
        loop = asyncio.get_running_loop()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Room for a whole page, so that the process need not come back to it.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, PAGE_ROOM)
        pending = b""
        with sock, contextlib.suppress(ConnectionError):
            while True:
                while (end := pending.find(b"\r\n\r\n")) < 0:
                    chunk = await loop.sock_recv(sock, LARGEST_HEAD)
                    if not chunk:
                        return
                    pending += chunk
                head, pending = pending[:end].decode("latin-1"), pending[end + 4 :]
                headers = _headers(head)
                length = int(headers.get("content-length", "0"))
                while len(pending) < length:
                    pending += await loop.sock_recv(sock, LARGEST_HEAD)
                body, pending = pending[:length], pending[length:]
                answer = await self._answer(_request(head, body))
                await _send(loop, sock, answer, headers.get("x-business", ""))
                if answer.is_cut:
                    return

    async def _answer(self, request: Request) -> Answer:
        if request.path == "/_bench/world":
            return self._set(request.body)
        if request.path == "/_bench/counts":
            return _json(self._counts)
        if request.path == "/oauth/token":
            return _json(_tokens())
        counts, world = self._counts, self._world
        counts.by_path[request.path] = counts.by_path.get(request.path, 0) + 1
        counts.under_way += 1
        counts.most_at_once = max(counts.most_at_once, counts.under_way)
        try:
            if world.latency:
                await asyncio.sleep(world.latency)
            now = time.monotonic()
            wait = self._seconds_to_wait(now)
            if wait:
                counts.refused.append(now)
                return _error(429, "TooManyRequests", f"Retry-After: {math.ceil(wait)}\r\n")
            if (struck := self._struck(request)) is not None:
                (counts.refused if struck.status == REFUSED else counts.let_through).append(now)
                return struck
            counts.let_through.append(now)
            return self._resource(request)
        finally:
            counts.under_way -= 1

    def _struck(self, request: Request) -> Answer | None:
        """What goes wrong with a request for a list, if anything does."""
        name = request.path.removeprefix(PREFIX)
        if name not in self._world.rows:
            return None
        size = int(request.params.get("items_per_page", "20"))
        what = self._world.trouble.strikes(name, size, self._counts.under_way, self._chance)
        if what is None:
            return None
        if what == CUT:
            whole = self._resource(request)
            return dataclasses.replace(whole, is_cut=True)
        if what == NO_JSON:
            return Answer((b"{]",))
        return _error(what, "TooManyRequests" if what == REFUSED else "x", RETRY_AFTER if what == REFUSED else "")

    def _set(self, body: bytes) -> Answer:
        told = orjson.loads(body)
        wanted = World(**{**told, "trouble": Trouble(**told.get("trouble", {}))})
        self._chance = random.Random(1)  # noqa: S311
        rows = {name: self._books.length(name, length) for name, length in wanted.rows.items()}
        for name, length in rows.items():
            self._books.render_ahead(name, length)
        self._world = dataclasses.replace(wanted, rows=rows)
        self._counts = Counts()
        self._window.clear()
        return _json(rows)

    def _seconds_to_wait(self, now: float) -> float:
        """0 if a request is let through now."""
        world, window = self._world, self._window
        if world.limit is None:
            return 0.0
        while window and window[0] <= now - world.window:
            window.popleft()
        if len(window) >= world.limit:
            return max(window[0] + world.window - now, 0.001)
        window.append(now)
        return 0.0

    def _resource(self, request: Request) -> Answer:
        if not request.path.startswith(PREFIX):
            return _error(404, "NotFound")
        name, _, key = request.path.removeprefix(PREFIX).partition("/")
        business = {"id": BUSINESS_ID, "displayed_as": "Bench Ltd", "$path": f"/businesses/{BUSINESS_ID}"}
        if name == "businesses":
            if key:
                return _json({**business, "name": "Bench Ltd", "subscriptions": []})
            envelope = {"$total": 1, "$page": 1, "$next": None, "$back": None, "$items_per_page": 500}
            return _json({**envelope, "$items": [business]})
        if name not in self._world.rows:
            return _error(404, "NotFound")
        return self._page(name, request.params)

    def _page(self, name: str, params: dict[str, str]) -> Answer:
        size, asked = int(params.get("items_per_page", "20")), int(params.get("page", "1"))
        if size < 1 or PAGE_SIZE % size:
            return _error(400, "ValidationError")
        since = params.get("updated_or_created_since", "")
        held = dated(self._world.rows[name], params.get("from_date"), params.get("to_date"))
        total = 0 if "deleted_since" in params or since > DATA_END else len(held)
        pages = max(1, -(-total // size))
        page = min(max(asked, 1), pages)
        first = (page - 1) * size
        count = min(size, total - first)
        self._counts.rows += count
        after = f'"/{name}?page={page + 1}&items_per_page={size}"' if page < pages else "null"
        before = f'"/{name}?page={page - 1}&items_per_page={size}"' if page > 1 else "null"
        envelope = f'"$total":{total},"$page":{page},"$next":{after},"$back":{before},"$itemsPerPage":{size}'
        rows = self._books.rows(name, held.start + first, count) if count else b""
        return Answer((f'{{{envelope},"$items":['.encode(), rows, b"]}"))


def _request(head: str, body: bytes) -> Request:
    method, target, _ = head.split("\r\n", 1)[0].split(" ", 2)
    path, _, query = target.partition("?")
    return Request(method, path, dict(parse_qsl(query)), body)


def _headers(head: str) -> dict[str, str]:
    lines = head.split("\r\n")[1:]
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _json(value: Any, status: int = 200, headers: str = "") -> Answer:
    return Answer((orjson.dumps(value),), status, headers)


def _error(status: int, code: str, headers: str = "") -> Answer:
    told = {"$severity": "error", "$dataCode": code, "$message": REASONS.get(status, "No"), "$source": ""}
    return _json([told], status, headers)


def _tokens() -> dict[str, Any]:
    return {
        "access_token": "bench",
        "token_type": "bearer",
        "expires_in": 86_400,
        "refresh_token": "bench",
        "refresh_token_expires_in": 2_678_400,
        "scope": "readonly",
        "requested_by_id": "bench",
    }


async def _send(loop: asyncio.AbstractEventLoop, sock: socket.socket, answer: Answer, business: str) -> None:
    echo = f"X-Business: {business}\r\n" if business else ""
    head = (
        f"HTTP/1.1 {answer.status} {REASONS.get(answer.status, 'No')}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {sum(map(len, answer.parts))}\r\nDate: {formatdate(usegmt=True)}\r\n"
        f"{echo}{answer.headers}\r\n"
    ).encode()
    parts = [head, *answer.parts]
    if answer.is_cut:
        parts = [head, answer.parts[0]]
    try:
        sent = sock.sendmsg(parts)
    except BlockingIOError:
        sent = 0
    for part in parts:
        if sent < len(part):
            await loop.sock_sendall(sock, memoryview(part)[sent:])
        sent = max(0, sent - len(part))


async def serve() -> None:
    """Listen on a free port of this machine, print the address, stop when stdin ends."""
    server = FakeSage(Books())
    loop = asyncio.get_running_loop()
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    listener.setblocking(False)
    sys.stdout.write(f"http://127.0.0.1:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    ended = loop.run_in_executor(None, sys.stdin.read)
    connections: set[asyncio.Task[None]] = set()

    async def accept() -> None:
        while True:
            sock, _ = await loop.sock_accept(listener)
            sock.setblocking(False)
            task = loop.create_task(server.connection(sock))
            connections.add(task)
            task.add_done_callback(connections.discard)

    accepting = loop.create_task(accept())
    await ended
    for task in (accepting, *connections):
        task.cancel()


if __name__ == "__main__":
    # Pages stay for good and nothing here makes cycles.
    gc.disable()
    asyncio.run(serve())
