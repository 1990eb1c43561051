"""The rim: the only module that asks Sage's API for something.

What an answer means is decided elsewhere: the manifest's error handler names the action for a status and Sage's
`$dataCode`, `tokens` renews, `pace` says how long to wait. Here they are carried out.
"""

from __future__ import annotations

import datetime as dt
import logging
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final, Generic, TypeVar

import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.http.error_handlers import ErrorHandler, ResponseAction
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.bodies import parsed
from source_sage.clock import Clock
from source_sage.errors import (
    CONNECTION_FAILED,
    HOST_UNKNOWN,
    NO_ANSWER_IN_TIME,
    TLS_FAILED,
    ListRefused,
    config_error,
    system_error,
    transient_error,
)
from source_sage.pace import Pace, retry_after_seconds
from source_sage.report import Tally
from source_sage.session import open_session
from source_sage.tokens import SageTokens

logger = logging.getLogger("airbyte.source-sage")

CONNECT_TIMEOUT_SECONDS: Final = 10.0
READ_TIMEOUT_SECONDS: Final = 90.0
PIECE_BYTES: Final = 1 << 20
TRIES: Final = 5
LONGEST_PAUSE_SECONDS: Final = 30.0
T = TypeVar("T")


class NoGoodAnswer(AirbyteTracedException):
    """A request that went on failing; a smaller page may still work."""


@dataclass(frozen=True)
class Answer(Generic[T]):
    """One good answer.

    Attributes:
        taken: what was made of the JSON object.
        moment: when it answered (UTC), by Sage's clock (HTTP `Date`) or this machine's, whichever is behind.
        took: seconds from the request to the answer.
        size: of the answer, in bytes.
    """

    taken: T
    moment: dt.datetime
    took: float
    size: int


class Transport:
    """Asks Sage, for all threads of a run.

    Args:
        api: the API's base address, without a trailing slash.
        tokens: gives and renews the access token.
        error_handler: tells what an answer that is not good means.
        connections: how many to keep open.
        clock: injected for tests.
    """

    def __init__(
        self, api: str, tokens: SageTokens, error_handler: ErrorHandler, *, connections: int, clock: Clock
    ) -> None:
        self._api = api
        self._tokens = tokens
        self._error_handler = error_handler
        self._clock = clock
        self._pace = Pace(clock)
        self._session = _session(api, connections)
        self._computing = threading.Lock()
        self._named: set[str] = set()

    def get(
        self,
        path: str,
        params: Mapping[str, str],
        take: Callable[[dict[str, Any]], T],
        *,
        business_id: str | None = None,
        tally: Tally | None = None,
        tries: int = TRIES,
        list_expected: bool = False,
    ) -> Answer[T]:
        """Ask for one resource until there is an answer that settles it.

        Args:
            path: below the API's base, with its leading slash.
            params: the query.
            take: makes of the JSON object what is wanted of it. Calls come one at a time: a page takes ten times as
                much memory as an object as on the wire, and threads that compute would only be in each other's way.
            business_id: sent as X-Business; the answer must name the same.
            tally: where requests, retries and waits are counted.
            tries: how often to ask when it fails for reasons that pass.
            list_expected: an answer without a list of `$items` is then no good one.

        Raises:
            ListRefused: this business or user may not have it.
            NoGoodAnswer: it failed `tries` times.
            AirbyteTracedException: anything else that ends the reading.
        """
        tally = tally or Tally()
        renewed = False
        failures = 0
        while True:
            self._pace.wait(tally)
            response: requests.Response | None = None
            problem: Exception | None = None
            try:
                token = self._tokens.get_access_token()
                tally.requests += 1
                began = self._clock.monotonic()
                response = self._send(path, params, business_id, token)
                content = _good_content(response)
                if content is not None:
                    took = self._clock.monotonic() - began
                    _require_echo(response, business_id)
                    taken = self._taken(path, content, list_expected, take)
                    return Answer(taken, self._moment(response), took, len(content))
            except (requests.exceptions.RequestException, _BrokenAnswer) as caught:
                problem, response = caught, None
            finally:
                if response is None or response.status_code != 429:
                    self._pace.answered()
            if response is None:
                failures += 1
                self._wait_or_give_up(path, _what_happened(problem), failures, tries, tally)
                continue

            resolution = self._error_handler.interpret_response(response)
            message = str(resolution.error_message or "")
            match resolution.response_action:
                case ResponseAction.REFRESH_TOKEN_THEN_RETRY if not renewed:
                    renewed = True
                    self._tokens.renew_refused(token)
                case ResponseAction.RATE_LIMITED:
                    self._pace.hold(retry_after_seconds(response.headers.get("Retry-After"), self._clock.now()))
                case ResponseAction.RETRY:
                    failures += 1
                    self._wait_or_give_up(path, f"HTTP {response.status_code}", failures, tries, tally)
                case ResponseAction.IGNORE:
                    raise ListRefused(response.status_code, data_code(response), message)
                case _:
                    raise _failure(path, response, resolution.failure_type, message)

    def _send(self, path: str, params: Mapping[str, str], business_id: str | None, token: str) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        if business_id:
            headers["X-Business"] = business_id
        return self._session.get(
            self._api + path,
            params=params,
            headers=headers,
            timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS),
            allow_redirects=False,
            stream=True,
        )

    def _taken(self, path: str, content: bytes, list_expected: bool, take: Callable[[dict[str, Any]], T]) -> T:
        with self._computing:
            try:
                body, spoiled = parsed(content)
            except ValueError as error:
                raise _BrokenAnswer("the answer was not whole JSON") from error
            if spoiled and path not in self._named:
                self._named.add(path)
                logger.warning("%s: a text held what is no character; it became a question mark.", path.lstrip("/"))
            if not isinstance(body, dict):
                raise _BrokenAnswer("the answer was not a JSON object")
            if list_expected and not isinstance(body.get("$items"), list):
                raise _BrokenAnswer("the answer held no list")
            return take(body)

    def _moment(self, response: requests.Response) -> dt.datetime:
        """When Sage answered; the earlier of the two clocks, since a watermark that is too late loses changes."""
        try:
            return min(parsedate_to_datetime(response.headers["Date"]).astimezone(dt.UTC), self._clock.now())
        except (KeyError, TypeError, ValueError):
            return self._clock.now()

    def _wait_or_give_up(self, path: str, what: str, failures: int, tries: int, tally: Tally) -> None:
        if failures >= tries:
            raise NoGoodAnswer(
                message=f"Sage did not give a good answer for {path} in {tries} tries (last: {what}). "
                "Nothing is lost; the next run goes on from here.",
                internal_message=what,
                failure_type=FailureType.transient_error,
            )
        tally.retries += 1
        pause = min(2.0 ** (failures - 1), LONGEST_PAUSE_SECONDS) * random.uniform(0.75, 1.25)  # noqa: S311
        logger.info("%s: %s; asking again in %.1f s (try %d of %d).", path, what, pause, failures + 1, tries)
        tally.waited += pause
        self._clock.sleep(pause)


def _good_content(response: requests.Response) -> bytes | None:
    """The body of a good answer; None for any other, whose body is then at hand too.

    It is read in large pieces: requests takes ten kilobytes at a time, and at each a thread waits for those that
    compute.
    """
    if 200 <= response.status_code < 300:
        return b"".join(response.iter_content(PIECE_BYTES))
    _ = response.content
    return None


class _BrokenAnswer(Exception):
    """An answer of status 200 that cannot be read: cut, empty, or another kind of document."""


def _require_echo(response: requests.Response, business_id: str | None) -> None:
    """See that Sage answered for the business that was asked for.

    Raises:
        AirbyteTracedException: it answered for another one.
    """
    echoed = response.headers.get("X-Business")
    if business_id and echoed and echoed != business_id:
        raise system_error(
            f"Sage answered for business {echoed} though business {business_id} was asked for. Nothing of that "
            "answer was passed on. Check the Account ID; if it is right, tell Sage's support.",
        )


def data_code(response: requests.Response) -> str:
    """Sage's `$dataCode` of an error, empty if the body is none of Sage's."""
    try:
        body = response.json()
    except ValueError:
        return ""
    first = body[0] if isinstance(body, list) and body else body
    return str(first.get("$dataCode") or "") if isinstance(first, dict) else ""


def _failure(
    path: str, response: requests.Response, failure_type: FailureType | None, message: str
) -> AirbyteTracedException:
    request_id = response.headers.get("x_request_id", "none")
    internal = f"{path}: HTTP {response.status_code}, x_request_id {request_id}"
    text = message or f"Sage answered {path} with HTTP {response.status_code}."
    make = {FailureType.config_error: config_error, FailureType.transient_error: transient_error}
    return make.get(failure_type or FailureType.system_error, system_error)(text, internal)


def _what_happened(problem: Exception | None) -> str:
    """A few words for a failed request; never its text, which may hold the address with its query."""
    if isinstance(problem, _BrokenAnswer):
        return str(problem)
    if isinstance(problem, requests.exceptions.SSLError):
        return TLS_FAILED
    if isinstance(problem, requests.exceptions.Timeout):
        return NO_ANSWER_IN_TIME
    if "NameResolutionError" in repr(problem):
        return HOST_UNKNOWN
    if isinstance(problem, requests.exceptions.ConnectionError):
        return CONNECTION_FAILED
    return "the answer broke off"


def _session(api: str, connections: int) -> requests.Session:
    session = open_session(api, total_seconds=CONNECT_TIMEOUT_SECONDS + READ_TIMEOUT_SECONDS, connections=connections)
    session.headers["Content-Type"] = "application/json"
    return session
