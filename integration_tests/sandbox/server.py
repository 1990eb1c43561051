"""The sandbox as a context manager: companies, a free port, a thread."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time
from types import TracebackType
from typing import Any, Final, Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from .books.copies import played
from .books.singletons import USER
from .clock import Clock
from .doors.api import Api
from .doors.control import Control
from .doors.every_request import EveryRequest
from .doors.oauth import OAuth
from .doors.state import State
from .doors.tokens import Tokens
from .manners.faults import Call, Faults
from .manners.limits import Limits
from .manners.raw import KnownConnections
from .manners.requestlog import Logged
from .settings import Settings
from .wire.errors import Refused, not_found
from .wire.values import day_number

SECONDS_TO_FINISH: Final = 1


async def _nowhere(request: Request, call: Call, logged: Logged) -> Response:
    if request.url.path.startswith("/v3.1/") and request.method != "GET":
        raise Refused(405, "MethodNotAllowed", "This sandbox is read-only, as the connector must be.")
    raise not_found(request.url.path)


def application(state: State) -> Starlette:
    """The whole HTTP application."""
    every_request = EveryRequest(state)
    routes = [
        *Control(state).routes(),
        *OAuth(state).routes(every_request),
        *Api(state).routes(every_request),
        Route("/{rest:path}", every_request(_nowhere), methods=["GET", "POST", "PUT", "DELETE"]),
    ]
    return Starlette(routes=routes)


class Server(uvicorn.Server):
    """Ends when it is told to: uvicorn looks ten times a second whether it should, and then sleeps once more."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._told = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._own_loop = asyncio.get_running_loop()
        await super().startup(sockets)

    async def main_loop(self) -> None:
        await self._told.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=SECONDS_TO_FINISH)

    def stop(self) -> None:
        """From any thread; answers under way have a moment to finish."""
        self._own_loop.call_soon_threadsafe(self._told.set)


class Sandbox:
    """See the package's docstring."""

    def __init__(
        self,
        size: str = "small",
        seed: int = 1,
        businesses: int | list[dict[str, Any]] = 1,
        plan: str = "Plus",
        country: str = "GB",
        *,
        ledger_entries: int | None = None,
        until: str | None = None,
        port: int = 0,
        **settings: Any,
    ) -> None:
        wishes = [{} for _ in range(businesses)] if isinstance(businesses, int) else businesses
        self.settings = Settings()
        self.settings.change(settings)
        self.clock = Clock()
        lock = threading.RLock()
        # History ends two hours before midnight: long enough ago that an overlap finds nothing new.
        midnight = day_number(until) + 1 if until else int(self.clock.now()) // 86_400
        # A big company is a million small objects that all stay: collecting garbage meanwhile only costs.
        gc.disable()
        try:
            self.businesses = [
                played(
                    number,
                    seed,
                    ledger_entries if ledger_entries is not None else size,
                    plan=wish.get("plan", plan),
                    country=wish.get("country", country),
                    settings=self.settings,
                    clock=self.clock,
                    lock=lock,
                    end=midnight * 86_400 - 7_200,
                )
                for number, wish in enumerate(wishes)
            ]
        finally:
            gc.enable()
        for company, wish in zip(self.businesses, wishes, strict=True):
            company.wish(**{name: value for name, value in wish.items() if name not in ("plan", "country")})
        self.tokens = Tokens(seed, self.settings, self.clock, USER["id"])
        self.faults = Faults()
        self.requests: list[Logged] = []
        self.limits = Limits(self.settings, self.clock)
        self._state = State(
            self.businesses,
            self.settings,
            self.clock,
            lock,
            self.tokens,
            self.faults,
            self.limits,
            self.requests,
        )
        self._control = Control(self._state)
        self._port = port
        self._server: Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def root(self) -> str:
        return self._state.root

    @property
    def url(self) -> str:
        return f"{self.root}/v3.1"

    def config(self, **overrides: Any) -> dict[str, Any]:
        """A config for the connector, with the newest tokens of the first grant."""
        return {**self._control.connector_config(), **overrides}

    def clear_requests(self) -> None:
        """Empty the log."""
        with self._state.lock:
            self.requests.clear()

    def answer_at(self, root: str) -> Starlette:
        """The application, to be called in this process, of a sandbox that listens nowhere; `root` is its address."""
        self._state.root = root
        return application(self._state)

    def start(self) -> Self:
        """Listen on a free port of this machine, in a thread."""
        listener = socket.create_server(("127.0.0.1", self._port))
        self._state.root = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            application(self._state),
            http=KnownConnections,
            ws="none",
            lifespan="off",
            loop="asyncio",
            log_config=None,
            log_level="critical",
            access_log=False,
            date_header=False,
            server_header=False,
        )
        self._server = Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name="sandbox", daemon=True
        )
        self._thread.start()
        while not self._server.started and self._thread.is_alive():
            time.sleep(0.002)
        return self

    def stop(self) -> None:
        """Close the port and end the thread."""
        if self._server and self._thread and self._thread.is_alive():
            self._server.stop()
            self._thread.join(10)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
