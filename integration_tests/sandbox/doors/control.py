"""`/` for people and `/_sandbox/...` for other processes: changes, settings, faults, clock, the truth."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from ..books.company import Company
from ..manners.faults import ACTIONS, Fault
from ..wire.errors import json_answer
from .html import front_page
from .state import State


class Control:
    """Handlers that stand outside Sage: no token, no faults, not in the log."""

    def __init__(self, state: State) -> None:
        self.state = state

    def routes(self) -> list[Route]:
        return [
            Route("/", self.front, methods=["GET"]),
            Route("/_sandbox/requests", self.requests, methods=["GET", "DELETE"]),
            Route("/_sandbox/changes", self.changes, methods=["POST"]),
            Route("/_sandbox/settings", self.settings, methods=["GET", "POST"]),
            Route("/_sandbox/faults", self.faults, methods=["GET", "POST", "DELETE"]),
            Route("/_sandbox/clock", self.clock, methods=["GET", "POST"]),
            Route("/_sandbox/config", self.config, methods=["GET"]),
            Route("/_sandbox/rows/{business}/{list}", self.rows, methods=["GET"]),
            Route("/_sandbox/tombstones/{business}/{list}", self.tombstones, methods=["GET"]),
        ]

    def connector_config(self) -> dict[str, str]:
        """What the connector needs, with the newest tokens."""
        state = self.state
        with state.lock:
            return {
                "account_id": state.companies[0].id if len(state.companies) == 1 else "all",
                "client_id": state.tokens.client_id,
                "client_secret": state.tokens.client_secret,
                "api_endpoint": f"{state.root}/v3.1",
                **state.tokens.newest(),
                "start_date": state.companies[0].first_date,
            }

    async def front(self, request: Request) -> Response:
        """The page at the root."""
        config, root = self.connector_config(), self.state.root
        identity = f"client_id={config['client_id']}&client_secret={config['client_secret']}"
        uri = "http://localhost:8888/callback"
        curls = {
            "1. Ask for a code": f'curl -si "{root}/oauth/authorize?response_type=code'
            f'&client_id={config["client_id"]}&redirect_uri={uri}&auto_approve=1" | grep -i location',
            "2. Exchange it (within 60 seconds)": f'curl -X POST -d "grant_type=authorization_code&code=CODE'
            f'&{identity}&redirect_uri={uri}" {root}/oauth/token',
            "3. Refresh (each refresh token works once)": 'curl -X POST -d "grant_type=refresh_token'
            f'&refresh_token=REFRESH_TOKEN&{identity}" {root}/oauth/token',
        }
        known = {"Address": config["api_endpoint"], "Client ID": config["client_id"]}
        known["Client Secret"] = config["client_secret"]
        names = [(company.id, company.name) for company in self.state.companies]
        text = orjson.dumps(config, option=orjson.OPT_INDENT_2).decode()
        return HTMLResponse(front_page(root, known, names, text, curls))

    async def requests(self, request: Request) -> Response:
        """The log; DELETE empties it."""
        with self.state.lock:
            if request.method == "DELETE":
                self.state.requests.clear()
            return json_answer([logged.as_dict() for logged in self.state.requests])

    async def settings(self, request: Request) -> Response:
        """All settings; POST an object to change some."""
        if request.method == "POST":
            try:
                self.state.settings.change(await request.json())
            except ValueError as error:
                return _wrong(error)
        return json_answer(self.state.settings.as_dict())

    async def faults(self, request: Request) -> Response:
        """The faults; POST `{"action": name, "with": {...}, "path", "method", "nth", "times"}` adds one."""
        if request.method == "DELETE":
            self.state.faults.clear()
        if request.method == "POST":
            asked = await request.json()
            try:
                action = ACTIONS[asked.pop("action")](**asked.pop("with", {}))
                self.state.faults.add(action, **asked)
            except (KeyError, TypeError) as error:
                return _wrong(error)
        return json_answer([_told(fault) for fault in self.state.faults.all])

    async def clock(self, request: Request) -> Response:
        """The sandbox's time; POST `{"advance": seconds}` lets time pass."""
        if request.method == "POST":
            self.state.clock.advance(float((await request.json())["advance"]))
        return json_answer({"now": self.state.clock.now(), "offset": self.state.clock.offset})

    async def config(self, request: Request) -> Response:
        """A config for the connector, with the newest tokens."""
        return json_answer(self.connector_config())

    async def rows(self, request: Request) -> Response:
        """The truth: all live rows in full."""
        company, name = self._named(request)
        if company is None or name not in company.tables:
            return _wrong(KeyError("no such business or list"), 404)
        with self.state.lock:
            body = b"[" + b",".join([row.body for row in company.tables[name]]) + b"]"
        return Response(body, media_type="application/json")

    async def tombstones(self, request: Request) -> Response:
        """All deleted rows of a list, with deleted_at."""
        company, name = self._named(request)
        if company is None or name not in company.tables:
            return _wrong(KeyError("no such business or list"), 404)
        return json_answer(company.tombstones(name))

    def _named(self, request: Request) -> tuple[Company | None, str]:
        key = request.path_params["business"]
        return self.state.company(None if key == "lead" else key), request.path_params["list"]

    async def changes(self, request: Request) -> Response:
        """Do things in a business: `{"business": id, "changes": [{"op", "list", "id", "values"}]}`.

        `op` is create, update, delete, void, reprice or day_of_business.
        """
        asked = await request.json()
        company = self.state.company(asked.get("business"))
        if company is None:
            return _wrong(KeyError("no such business"), 404)
        done: list[Any] = []
        with self.state.lock:
            for change in asked.get("changes", []):
                try:
                    done.append(_do(company, change))
                except (ValueError, KeyError, TypeError) as error:
                    return json_answer({"error": f"{type(error).__name__}: {error}", "done": done}, 422)
        return json_answer({"done": done})


def _do(company: Company, change: dict[str, Any]) -> Any:
    """One change; tells the id, or the ids."""
    name, key, values = change.get("list", ""), change.get("id", ""), change.get("values", {})
    match change.get("op"):
        case "create":
            return company.create(name, **values)
        case "update":
            company.update(name, key, **values)
        case "delete":
            company.delete(name, key)
        case "void":
            company.void(name, key)
        case "reprice":
            company.reprice(key)
        case "day_of_business":
            return company.day_of_business()
        case other:
            raise ValueError(f"no such op: {other}")
    return key


def _told(fault: Fault) -> dict[str, Any]:
    return {
        "action": fault.action.name,
        "path": fault.path,
        "method": fault.method,
        "nth": fault.nth,
        "times": fault.times,
        "seen": fault.seen,
        "hits": fault.hits,
    }


def _wrong(error: Exception, code: int = 422) -> Response:
    return json_answer({"error": f"{type(error).__name__}: {error}"}, code)
