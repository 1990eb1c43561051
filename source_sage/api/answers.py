"""One answer of Sage's API: its body, its moment, whose it is, and in a few words what went wrong."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

import orjson
import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.errors import (
    CONNECTION_FAILED,
    HOST_UNKNOWN,
    NO_ANSWER_IN_TIME,
    TLS_FAILED,
    config_error,
    system_error,
    transient_error,
)
from source_sage.session import TooLarge, body_of

LARGEST_PAGE_BYTES: Final = 64 << 20
LARGEST_ERROR_BYTES: Final = 1 << 20
TOO_LARGE: Final = "the answer was too large"


class BrokenAnswer(Exception):
    """An answer of status 200 that cannot be read: cut, empty, or another kind of document."""


def is_good(response: requests.Response) -> bool:
    """Tell whether its status is one of success."""
    return 200 <= response.status_code < 300


def body_within_bounds(response: requests.Response) -> bytes:
    """The body, up to a size; of an answer that is not good, as much as came: its status says enough.

    Raises:
        requests.exceptions.RequestException: a good answer broke off; `TooLarge` if nobody can mean it.
    """
    if is_good(response):
        return body_of(response, LARGEST_PAGE_BYTES)
    body = b""
    with contextlib.suppress(requests.exceptions.RequestException):
        for piece in response.iter_content(LARGEST_ERROR_BYTES):
            body += piece
            if len(body) > LARGEST_ERROR_BYTES:
                response.close()
                break
    return body[:LARGEST_ERROR_BYTES]


def refuse_anothers(response: requests.Response, business_id: str | None) -> None:
    """See that Sage does not say that it answered for another business, be it a refusal.

    Raises:
        AirbyteTracedException: it does.
    """
    echoed = response.headers.get("X-Business")
    if business_id and echoed and echoed != business_id:
        raise system_error(
            f"Sage answered for business {echoed} though business {business_id} was asked for. Nothing of that "
            "answer was passed on. Check the Account ID; if it is right, tell Sage's support.",
        )


def date_of(headers: Mapping[str, str]) -> dt.datetime | None:
    """What Sage's clock showed, UTC; None if it does not say, or names a moment that no calendar has."""
    try:
        return parsedate_to_datetime(headers["Date"]).astimezone(dt.UTC)
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def seen(status: int, code: str | None) -> requests.Response:
    """What the error handler sees of an answer: nothing that anybody but Sage can have written decides."""
    seen = requests.Response()
    seen.status_code = status
    seen.raw = io.BytesIO(orjson.dumps({"status": status, "$dataCode": code}))
    return seen


def failure_of(
    path: str, response: requests.Response, failure_type: FailureType | None, message: str
) -> AirbyteTracedException:
    """The failure that an answer ends a reading with, of a type and with a message if they are known."""
    request_id = response.headers.get("x_request_id", "none")
    internal = f"{path}: HTTP {response.status_code}, x_request_id {request_id}"
    text = message or f"Sage answered {path} with HTTP {response.status_code}."
    make = {FailureType.config_error: config_error, FailureType.transient_error: transient_error}
    return make.get(failure_type or FailureType.system_error, system_error)(text, internal)


def what_happened(problem: Exception) -> str:
    """A few words for a failed request; never its text, which may hold the address with its query."""
    if isinstance(problem, BrokenAnswer):
        return str(problem)
    if isinstance(problem, TooLarge):
        return TOO_LARGE
    if isinstance(problem, requests.exceptions.SSLError):
        return TLS_FAILED
    # requests makes a failed connection of a body that takes too long.
    if isinstance(problem, requests.exceptions.Timeout) or "ReadTimeoutError" in repr(problem):
        return NO_ANSWER_IN_TIME
    if "NameResolutionError" in repr(problem):
        return HOST_UNKNOWN
    if isinstance(problem, requests.exceptions.ConnectionError):
        return CONNECTION_FAILED
    return "the answer broke off"


def is_too_heavy(problem: Exception) -> bool:
    """Tell whether the size of what was asked for may be to blame: a connection that took too long had no size yet."""
    took_too_long = what_happened(problem) == NO_ANSWER_IN_TIME
    is_connected = not isinstance(problem, requests.exceptions.ConnectTimeout)
    return isinstance(problem, TooLarge) or (took_too_long and is_connected)
