"""Sage's error answers: an array for the API, a plain object for the token address."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.responses import Response


class Refused(Exception):
    """An API error: status, code and message."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.headers = status, code, message, headers or {}

    def answer(self) -> Response:
        body = [{"$severity": "error", "$dataCode": self.code, "$message": self.message, "$source": ""}]
        return json_answer(body, self.status, self.headers)


def json_answer(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Any JSON answer."""
    return Response(orjson.dumps(content), status, headers, media_type="application/json")


def expired_token() -> Refused:
    return Refused(401, "Unauthorized", "The access token is invalid or has expired.")


def not_authorised() -> Refused:
    return Refused(401, "AuthorizationFailure", "No active subscription. (MSE)")


def role_missing(area: str) -> Refused:
    return Refused(403, "MultiUserAccessDenied", f"You do not have access to {area}.")


def not_found(what: str) -> Refused:
    return Refused(404, "RecordNotFound", f"Not found: {what}")


def bad_request(message: str) -> Refused:
    return Refused(400, "InvalidParameter", message)


def refused_as(status: int, what: str) -> Refused:
    """The refusal that a setting asks for by its status."""
    if status == 401:
        return not_authorised()
    return role_missing(what) if status == 403 else not_found(what)
