"""What happens around every request: the log, latency, limits, faults, and the headers all answers have."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response

from ..manners.faults import Call
from ..manners.raw import NoAnswer
from ..manners.requestlog import Logged
from ..wire.errors import Refused
from ..wire.values import http_date

if TYPE_CHECKING:
    from .state import State

Handler = Callable[[Request, Call, Logged], Awaitable[Response]]
_NUMBERS = itertools.count(1)


class EveryRequest:
    """Wraps the handlers of one sandbox."""

    def __init__(self, state: State) -> None:
        self.state = state

    def __call__(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            return await self._serve(request, handler)

        return endpoint

    async def _serve(self, request: Request, handler: Handler) -> Response:
        state, begun = self.state, time.perf_counter()
        params = dict(request.query_params)
        path = request.url.path
        asked = request.headers.get("x-business")
        name = request.path_params.get("list")
        call = Call(request.method, path, params, name, state.company(asked))
        logged = Logged(state.clock.now(), request.method, path, params, asked, name)
        with state.lock:
            state.requests.append(logged)
        if state.settings.latency:
            await asyncio.sleep(state.settings.latency)
        actions = state.faults.striking(call)
        logged.fault = ", ".join(action.name for action in actions) or None
        answer = None
        for action in actions:
            answer = answer or await action.before(call)
        if answer is None:
            answer = await self._answer(request, handler, call, logged)
        if (ahead := state.settings.date_header_ahead) is not None:
            answer.headers["Date"] = http_date(state.clock.now() + ahead)
        answer.headers["x_request_id"] = f"sandbox-{next(_NUMBERS)}"
        for action in actions:
            answer = await action.after(call, answer)
        logged.status = 0 if isinstance(answer, NoAnswer) else answer.status_code
        logged.seconds = time.perf_counter() - begun
        return answer

    async def _answer(self, request: Request, handler: Handler, call: Call, logged: Logged) -> Response:
        limits = self.state.limits
        try:
            limits.enter()
            try:
                return await handler(request, call, logged)
            finally:
                limits.leave()
        except Refused as refused:
            return refused.answer()
