"""Single requests, as few as possible, whose whole answer is looked at: status, headers, body.

`transport` is not used: it is made to get one good answer in the end, and here a refusal is an answer too.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import requests

from source_sage.api.answers import LARGEST_PAGE_BYTES, date_of
from source_sage.api.pace import retry_after_seconds
from source_sage.api.transport import CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS, REQUEST_SECONDS
from source_sage.bodies import data_code, parsed
from source_sage.clock import Clock
from source_sage.session import body_of, open_session
from source_sage.sign_in.tokens import SageTokens

REQUESTS_AT_MOST: Final = 200
LONGEST_WAIT_SECONDS: Final = 60.0
NO_ANSWER: Final = 0
OWN, OTHER, NONE = "the business asked for", "another business", "no business"
A_CODE: Final = re.compile(r"[A-Za-z]{1,40}")
NEVER: Final = dt.datetime.min.replace(tzinfo=dt.UTC)


class NoRequestsLeft(Exception):
    """What is still to be found out would take more requests than this probe allows itself."""


@dataclass(frozen=True)
class Seen:
    """One answer.

    Attributes:
        status: of HTTP; `NO_ANSWER` if none came.
        headers: as they came, whatever the case of their names.
        body: the JSON; None if it was none.
        code: Sage's `$dataCode` of a refusal; None if the body is none of Sage's errors.
        took: seconds.
        size: of the body, bytes.
        at: when it came, by this machine's clock, UTC.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    code: str | None = None
    took: float = 0.0
    size: int = 0
    at: dt.datetime = NEVER

    @property
    def good(self) -> bool:
        """Tell whether it is a page or an object."""
        return 200 <= self.status < 300 and isinstance(self.body, dict)

    @property
    def items(self) -> list[dict[str, Any]]:
        """The records of a page."""
        told = self.body.get("$items") if self.good else None
        return [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []

    @property
    def total(self) -> int | None:
        """`$total`."""
        told = self.body.get("$total") if self.good else None
        return told if type(told) is int else None

    @property
    def date(self) -> dt.datetime | None:
        """The header `Date`, UTC."""
        return date_of(self.headers)

    @property
    def outcome(self) -> str:
        """A refusal in a few words, without anything that is the business's own."""
        if self.status == NO_ANSWER:
            return "no answer"
        if self.good:
            return f"HTTP {self.status}" + ("" if self.items or "$items" not in self.body else ", an empty list")
        if self.code is None:
            return f"HTTP {self.status}, a body that is none of Sage's"
        return f"HTTP {self.status}, $dataCode {self.code if A_CODE.fullmatch(self.code) else 'of another form'}"


class Looker:
    """Asks Sage one thing after another. What was asked once is not asked again.

    Args:
        api: the API's base address.
        tokens: gives and renews the access token.
        business_id: for X-Business, where a question does not say otherwise.
        clock: injected for tests.

    Attributes:
        requests: how many there were.
        limited: the answers of status 429, which nobody provokes.
        echoes: how often a list's answer named the business that was asked for, another one, or none.
    """

    def __init__(self, api: str, tokens: SageTokens, business_id: str, clock: Clock) -> None:
        self._api = api
        self._tokens = tokens
        self._clock = clock
        self._session = open_session(api, total_seconds=REQUEST_SECONDS)
        self._seen: dict[tuple[str, str | None, frozenset[tuple[str, str]]], Seen] = {}
        self.business_id = business_id
        self.requests = 0
        self.limited: list[Seen] = []
        self.echoes = {OWN: 0, OTHER: 0, NONE: 0}

    def page(self, name: str, **params: str | int) -> Seen:
        """A page of a list, with all its fields; 200 rows unless `items_per_page` says otherwise."""
        asked = {"items_per_page": 200, "attributes": "all", **params}
        return self.ask(f"/{name}", {key: str(value) for key, value in asked.items() if value != ""})

    def ask(self, path: str, params: Mapping[str, str], *, business: str | None = "") -> Seen:
        """One request.

        Args:
            path: below the API's base.
            params: the query.
            business: for X-Business; None to leave that header out; empty for the business that is probed.

        Raises:
            NoRequestsLeft: there were enough.
            AirbyteTracedException: the sign-in does not work.
        """
        business = self.business_id if business == "" else business
        key = path, business, frozenset(params.items())
        if key not in self._seen:
            self._seen[key] = self._asked(path, params, business)
        return self._seen[key]

    def with_token(self, token: str, path: str) -> Seen:
        """What comes with another token than the sign-in's."""
        return self._send(path, {}, self.business_id, token)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _asked(self, path: str, params: Mapping[str, str], business: str | None) -> Seen:
        token = self._tokens.get_access_token()
        seen = self._send(path, params, business, token)
        if seen.status == requests.codes.unauthorized and seen.code != "AuthorizationFailure":
            self._tokens.renew_refused(token)
            seen = self._send(path, params, business, self._tokens.get_access_token())
        elif seen.status == requests.codes.too_many_requests:
            self.limited.append(seen)
            wait = retry_after_seconds(seen.headers.get("Retry-After"), seen.date or seen.at)
            self._clock.sleep(min(wait if wait is not None else 5.0, LONGEST_WAIT_SECONDS))
            seen = self._send(path, params, business, token)
        elif seen.status in (NO_ANSWER, 500, 502, 503):
            seen = self._send(path, params, business, token)
        if seen.good and business and "$items" in seen.body and path != "/businesses":
            echoed = seen.headers.get("X-Business")
            self.echoes[OWN if echoed == business else OTHER if echoed else NONE] += 1
        return seen

    def _send(self, path: str, params: Mapping[str, str], business: str | None, token: str) -> Seen:
        if self.requests >= REQUESTS_AT_MOST:
            raise NoRequestsLeft
        self.requests += 1
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        if business:
            headers["X-Business"] = business
        began = self._clock.monotonic()
        try:
            response = self._session.get(
                self._api + path,
                params=dict(params),
                headers=headers,
                timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS),
                allow_redirects=False,
                stream=True,
            )
            content = body_of(response, LARGEST_PAGE_BYTES)
        except requests.exceptions.RequestException:
            return Seen(NO_ANSWER, took=self._clock.monotonic() - began, at=self._clock.now())
        took = self._clock.monotonic() - began
        try:
            body, _ = parsed(content)
        except ValueError:
            body = None
        good = 200 <= response.status_code < 300
        code = None if good else data_code(content)
        return Seen(response.status_code, response.headers, body, code, took, len(content), self._clock.now())
