"""The OAuth addresses: consent, token, revoke."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from ..books.singletons import USER
from ..manners.faults import Call
from ..manners.requestlog import Logged
from ..wire.errors import json_answer
from .every_request import EveryRequest
from .html import consent_page, problem_page
from .state import State
from .tokens import TokenRefused

_CARRIED = ("client_id", "redirect_uri", "scope", "state", "country", "code_challenge", "code_challenge_method")
APP_NAME = "Airbyte source-sage"


class OAuth:
    """Handlers for `/oauth/...`."""

    def __init__(self, state: State) -> None:
        self.state = state

    def routes(self, every_request: EveryRequest) -> list[Route]:
        return [
            Route("/oauth/authorize", every_request(self.ask), methods=["GET"]),
            Route("/oauth/authorize", every_request(self.decide), methods=["POST"]),
            Route("/oauth/token", every_request(self.token), methods=["POST"]),
            Route("/oauth/revoke", every_request(self.revoke), methods=["POST"]),
        ]

    async def ask(self, request: Request, call: Call, logged: Logged) -> Response:
        """The consent page, or with `auto_approve=1` the redirect at once."""
        params = call.params
        if params.get("client_id") != self.state.tokens.client_id:
            return HTMLResponse(problem_page("This app is not known here: check the client_id."), 400)
        if not params.get("redirect_uri", "").startswith(("http://", "https://")):
            return HTMLResponse(problem_page("The redirect_uri is missing or not an address."), 400)
        if params.get("response_type") != "code":
            return self._back(params, error="unsupported_response_type")
        if params.get("scope", "readonly") not in {"readonly", "full_access"}:
            return self._back(params, error="invalid_scope")
        if "code_challenge" in params and params.get("code_challenge_method", "plain") not in {"S256", "plain"}:
            return self._back(params, error="invalid_request")
        if params.get("auto_approve") == "1":
            return self._allow(params)
        hidden = {k: params[k] for k in _CARRIED if k in params}
        names = [company.name for company in self.state.companies]
        read_only = params.get("scope", "readonly") == "readonly"
        return HTMLResponse(consent_page(APP_NAME, read_only, USER["displayed_as"], names, hidden))

    async def decide(self, request: Request, call: Call, logged: Logged) -> Response:
        """Allow or Deny was pressed."""
        form = {k: str(v) for k, v in (await request.form()).items()}
        if form.get("client_id") != self.state.tokens.client_id:
            return HTMLResponse(problem_page("This app is not known here: check the client_id."), 400)
        return self._allow(form) if form.get("decision") == "allow" else self._back(form, error="access_denied")

    def _allow(self, params: dict[str, str]) -> Response:
        country = (params.get("country") or self.state.companies[0].country).upper()
        with self.state.lock:
            code = self.state.tokens.new_code(
                country,
                params["redirect_uri"],
                params.get("scope", "readonly"),
                params.get("code_challenge"),
                params.get("code_challenge_method"),
            )
        return self._back(params, code=code, country=country.lower())

    def _back(self, params: dict[str, str], **told: str) -> Response:
        """To the redirect_uri, with the state as it came."""
        if "state" in params:
            told["state"] = params["state"]
        uri = params["redirect_uri"]
        return RedirectResponse(f"{uri}{'&' if '?' in uri else '?'}{urlencode(told)}", 303)

    async def token(self, request: Request, call: Call, logged: Logged) -> Response:
        """Code or refresh token against a new pair."""
        form = {k: str(v) for k, v in (await request.form()).items()}
        try:
            with self.state.lock:
                return json_answer(self.state.tokens.exchange(form), headers={"Cache-Control": "no-store"})
        except TokenRefused as refused:
            return json_answer({"error": refused.error}, 400)

    async def revoke(self, request: Request, call: Call, logged: Logged) -> Response:
        """End a grant."""
        form = {k: str(v) for k, v in (await request.form()).items()}
        try:
            with self.state.lock:
                self.state.tokens.revoke(form)
        except TokenRefused as refused:
            return json_answer({"error": refused.error}, 400)
        return json_answer({"success": "ok"})
