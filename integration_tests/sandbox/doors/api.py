"""The API itself: `/v3.1/...`."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ..books.company import Company
from ..books.singletons import USER
from ..manners.faults import Call
from ..manners.requestlog import Logged
from ..wire.errors import (
    Refused,
    bad_request,
    expired_token,
    json_answer,
    not_authorised,
    not_found,
    refused_as,
    role_missing,
)
from ..wire.facts import Resource, resources
from ..wire.values import parse_instant
from . import lists
from .every_request import EveryRequest
from .state import State

BASE = "/v3.1"
# These are about the user, not about a business.
_USERS_OWN = {"businesses", "user"}


class Api:
    """Handlers for lists, rows, settings and reports."""

    def __init__(self, state: State) -> None:
        self.state = state

    def routes(self, every_request: EveryRequest) -> list[Route]:
        return [
            Route(f"{BASE}/{{list}}", every_request(self.resource), methods=["GET"]),
            Route(f"{BASE}/{{list}}/{{key:path}}", every_request(self.row), methods=["GET"]),
        ]

    def _admitted(self, request: Request, name: str) -> tuple[Resource, Company | None]:
        """Who asks, for which business, and may they? Refused if not."""
        state, settings = self.state, self.state.settings
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not state.tokens.accepts(token.strip()):
            raise expired_token()
        resource = resources().get(name)
        if resource is None:
            raise not_found(f"/{name}")
        if name in _USERS_OWN:
            return resource, None
        company = self._business(request.headers.get("x-business"))
        state.limits.count(company.id)
        if not company.subscription_active:
            raise not_authorised()
        if settings.enforce_roles and not resource.allowed(company.roles):
            raise role_missing(" or ".join(resource.roles["areas"] if resource.roles else ()))
        return resource, company

    def _business(self, key: str | None) -> Company:
        state = self.state
        if key is None and state.settings.business_required and len(state.companies) > 1:
            raise Refused(401, "Unauthorized", "X-Business is required.")
        company = state.company(key)
        if company is None:
            raise refused_as(state.settings.foreign_business_answer, "this business")
        return company

    def _sold(self, resource: Resource, company: Company) -> bool:
        """Whether plan and country include the list; refused as the settings say, or answered empty."""
        settings = self.state.settings
        if not settings.enforce_availability or resource.sold_to(company.plan, company.country):
            return True
        if settings.restricted_answer == "empty":
            return False
        raise refused_as(settings.restricted_answer, resource.name)

    async def resource(self, request: Request, call: Call, logged: Logged) -> Response:
        """A list, a settings object or a report."""
        name = request.path_params["list"]
        with self.state.lock:
            resource, company = self._admitted(request, name)
            if company is None:
                if name == "user":
                    return json_answer(USER)
                page = lists.businesses_page(self.state.companies, call.params)
                return _page_answer(page, logged)
            sold = self._sold(resource, company)
            headers = {"X-Business": company.id}
            if name == "trial_balance":
                return json_answer(self._trial_balance(company, call.params), headers=headers)
            if not resource.is_list:
                return json_answer(company.singletons[name] if sold else {}, headers=headers)
            page = lists.list_page(company, name, call.params) if sold else lists.empty_page(resource)
            answer = _page_answer(page, logged)
            answer.headers.update(headers)
            return answer

    async def row(self, request: Request, call: Call, logged: Logged) -> Response:
        """A single row."""
        name, key = request.path_params["list"], request.path_params["key"]
        with self.state.lock:
            resource, company = self._admitted(request, name)
            if company is None:
                return self._business_row(key) if name == "businesses" else _missing(call.path)
            self._sold(resource, company)
            body = lists.single_row(company, name, key, call.params) if resource.is_list else None
            if body is None:
                raise not_found(call.path)
            logged.rows = 1
            return Response(body, headers={"X-Business": company.id}, media_type="application/json")

    def _business_row(self, key: str) -> Response:
        company = self.state.company(None if key == "lead" else key)
        if company is None:
            return _missing(f"/businesses/{key}")
        return json_answer(company.row)

    def _trial_balance(self, company: Company, params: dict[str, str]) -> dict[str, object]:
        first, last = params.get("from_date", ""), params.get("to_date", "")
        for text in (first, last):
            try:
                parse_instant(text)
            except ValueError:
                raise bad_request("from_date and to_date are required dates") from None
        return company.books.trial_balance(first, last)


def _missing(path: str) -> Response:
    return not_found(path).answer()


def _page_answer(page: lists.Page, logged: Logged) -> Response:
    logged.rows, logged.past_end = page.rows, page.past_end
    return Response(page.body, media_type="application/json")
