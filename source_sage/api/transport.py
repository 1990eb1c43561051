"""The only module that asks Sage's API for something.

What an answer means is decided elsewhere: the manifest's error handler names the action for a status and Sage's
`$dataCode`, `tokens` renews, `pace` says how long to wait. Here they are carried out.
"""

from __future__ import annotations

import datetime as dt
import logging
import random
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams.http.error_handlers import ErrorHandler, ErrorResolution, ResponseAction
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.api.answers import (
    BrokenAnswer,
    body_within_bounds,
    date_of,
    failure_of,
    is_good,
    is_too_heavy,
    refuse_anothers,
    seen,
    what_happened,
)
from source_sage.api.pace import Pace, Request, retry_after_seconds
from source_sage.bodies import data_code, kind, parsed
from source_sage.clock import Clock
from source_sage.counts import Tally
from source_sage.errors import ListRefused
from source_sage.session import open_session
from source_sage.sign_in.tokens import SageTokens

logger = logging.getLogger("airbyte.source-sage")

CONNECT_TIMEOUT_SECONDS: Final = 10.0
READ_TIMEOUT_SECONDS: Final = 90.0
REQUEST_SECONDS: Final = CONNECT_TIMEOUT_SECONDS + READ_TIMEOUT_SECONDS
# What stands before Sage says that Sage did not answer in time.
OUT_OF_TIME: Final = frozenset({504, 524})
TRIES: Final = 5
LONGEST_PAUSE_SECONDS: Final = 30.0
# Between the tries of what was refused in words that are not Sage's: three tries within half a minute.
PAUSES_AFTER_A_STRANGE_REFUSAL: Final = (2.0, 20.0)
# What Sage's guide leaves out of its promise that each answer names the business it is for.
WITHOUT_ECHO: Final = re.compile(r"/(businesses|user)(/|$)")
T = TypeVar("T")
S = TypeVar("S")


class NoGoodAnswer(AirbyteTracedException):
    """A request that went on failing; a smaller page may still work."""


class NotSagesWord(NoGoodAnswer):
    """A request that something on the way went on refusing, in words that are not Sage's: its size is not to blame."""


@dataclass(frozen=True)
class Answer(Generic[T]):
    """One good answer.

    Attributes:
        taken: what was made of the JSON object.
        moment: when it answered (UTC), by Sage's clock (HTTP `Date`) or this machine's, whichever is behind.
        took: seconds from the request to the answer.
        size: of the answer, in bytes.
        date: what Sage's clock showed (UTC); None if the answer does not say.
    """

    taken: T
    moment: dt.datetime
    took: float
    size: int
    date: dt.datetime | None = None

    @property
    def stamp(self) -> dt.datetime:
        """When it answered by the clock that rows are stamped with, as far as the answer tells of that."""
        return self.date or self.moment

    def of(self, taken: S) -> Answer[S]:
        """The same answer, of which something else was made."""
        return Answer(taken, self.moment, self.took, self.size, self.date)

    @property
    def began(self) -> dt.datetime:
        """When it was asked for, by the same clock."""
        return self.moment - dt.timedelta(seconds=self.took)


@dataclass
class _Asked:
    """One resource, and what has come of asking for it so far.

    Attributes:
        failures: tries that failed for reasons that pass.
        strange: refusals in words that are not Sage's.
        renewed: the tokens were renewed for it.
    """

    path: str
    params: Mapping[str, str]
    business_id: str | None
    tally: Tally
    tries: int
    can_be_smaller: bool
    failures: int = 0
    strange: int = 0
    renewed: bool = False


@dataclass(frozen=True)
class _Came:
    """What came of one try: an answer, and what it means; a good one means nothing else."""

    token: str
    response: requests.Response
    content: bytes
    took: float
    code: str | None
    meaning: ErrorResolution | None


class Transport:
    """Asks Sage, for all threads of a run.

    Args:
        api: the API's base address, without a trailing slash.
        tokens: gives and renews the access token.
        error_handler: tells what an answer that is not good means.
        connections: how many to keep open.
        clock: injected for tests.
        pace: gives each request its turn; one with the usual patience if None.
    """

    def __init__(
        self,
        api: str,
        tokens: SageTokens,
        error_handler: ErrorHandler,
        *,
        connections: int,
        clock: Clock,
        pace: Pace | None = None,
    ) -> None:
        self._api = api
        self._tokens = tokens
        self._error_handler = error_handler
        self._clock = clock
        self._pace = pace or Pace(clock)
        self._session = open_session(api, total_seconds=REQUEST_SECONDS, connections=connections)
        self._session.headers["Content-Type"] = "application/json"
        self._computing = threading.Lock()
        self._naming = threading.Lock()
        self._named: set[tuple[str, str]] = set()

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
        can_be_smaller: bool = False,
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
            can_be_smaller: the same can be had by smaller requests: what took too long, or is too large, is not asked
                for in this size again.

        Raises:
            ListRefused: this business or user may not have it.
            NoGoodAnswer: it failed `tries` times, or is too heavy.
            NotSagesWord: it was refused again and again, and not by Sage.
            AirbyteTracedException: anything else that ends the reading.
        """
        asked = _Asked(path, params, business_id, tally or Tally(), tries, can_be_smaller)
        request = self._pace.request(asked.tally)
        while True:
            try:
                came = self._try(asked, request)
                if came.meaning is None:
                    self._require_echo(path, came.response, business_id, asked.tally)
                    taken = self._taken(path, came.content, list_expected, take)
                    return self._answer(came, taken)
            except (requests.exceptions.RequestException, BrokenAnswer) as problem:
                self._wait_or_give_up(asked, what_happened(problem), too_heavy=is_too_heavy(problem))
            else:
                self._carry_out(asked, came, came.meaning)

    def _try(self, asked: _Asked, request: Request) -> _Came:
        """Ask once, when it is our turn, and tell the pace how it went."""
        with request:
            token = self._tokens.get_access_token()
            asked.tally.requests += 1
            began = self._clock.monotonic()
            response, content = self._send(asked, token)
            took = self._clock.monotonic() - began
            code, meaning = None, None
            if not is_good(response):
                code = data_code(content)
                meaning = self._error_handler.interpret_response(seen(response.status_code, code))
            if meaning is not None and meaning.response_action is ResponseAction.RATE_LIMITED:
                sent_at = date_of(response.headers) or self._clock.now()
                request.refused(retry_after_seconds(response.headers.get("Retry-After"), sent_at))
            else:
                request.answered()
        return _Came(token, response, content, took, code, meaning)

    def _carry_out(self, asked: _Asked, came: _Came, meaning: ErrorResolution) -> None:
        """Do what an answer that is not good calls for; afterwards it is to be asked again.

        Raises:
            AirbyteTracedException, ListRefused: it is not to be asked again.
        """
        status = came.response.status_code
        message = str(meaning.error_message or "")
        match meaning.response_action:
            case ResponseAction.RATE_LIMITED:
                pass  # its next turn comes when the wait is over
            case ResponseAction.REFRESH_TOKEN_THEN_RETRY if not asked.renewed:
                asked.renewed = True
                self._tokens.renew_refused(came.token)
            case ResponseAction.RETRY:
                self._wait_or_give_up(asked, f"HTTP {status}", too_heavy=status in OUT_OF_TIME)
            case ResponseAction.IGNORE if came.code is not None:
                refuse_anothers(came.response, asked.business_id)
                raise ListRefused(status, came.code, message)
            case ResponseAction.IGNORE:
                self._wait_or_doubt(asked, f"HTTP {status}", kind(came.content))
            case _:
                raise failure_of(asked.path, came.response, meaning.failure_type, message)

    def _send(self, asked: _Asked, token: str) -> tuple[requests.Response, bytes]:
        """One request, and the body of its answer, within bounds of time and size."""
        headers = {"Authorization": f"Bearer {token}"}
        if asked.business_id:
            headers["X-Business"] = asked.business_id
        response = self._session.get(
            self._api + asked.path,
            params=asked.params,
            headers=headers,
            timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS),
            allow_redirects=False,
            stream=True,
        )
        return response, body_within_bounds(response)

    def _require_echo(self, path: str, response: requests.Response, business_id: str | None, tally: Tally) -> None:
        """See that Sage answered for the business that was asked for; an answer that does not say so is told of.

        Raises:
            AirbyteTracedException: it answered for another one.
        """
        refuse_anothers(response, business_id)
        if not business_id or response.headers.get("X-Business"):
            return
        if WITHOUT_ECHO.match(path):
            return
        tally.unnamed = True
        self._warn_once(
            ("echo", path),
            "%s: Sage's answers do not say which business they are for (no header X-Business), though Sage promises "
            "it. The rows are passed on for the business that was asked for.",
            path.lstrip("/"),
        )

    def _warn_once(self, about: tuple[str, str], message: str, *values: str) -> None:
        with self._naming:
            if about in self._named:
                return
            self._named.add(about)
        logger.warning(message, *values)

    def _taken(self, path: str, content: bytes, list_expected: bool, take: Callable[[dict[str, Any]], T]) -> T:
        with self._computing:
            try:
                body, spoiled = parsed(content)
            except ValueError as error:
                raise BrokenAnswer("the answer was not whole JSON") from error
            if spoiled:
                message = "%s: a text held what is no character; it became a question mark."
                self._warn_once(("characters", path), message, path.lstrip("/"))
            if not isinstance(body, dict):
                raise BrokenAnswer("the answer was not a JSON object")
            if list_expected and not isinstance(body.get("$items"), list):
                raise BrokenAnswer("the answer held no list")
            return take(body)

    def _answer(self, came: _Came, taken: T) -> Answer[T]:
        """Its moment is by the earlier of the two clocks, since a watermark that is too late loses changes."""
        now, date = self._clock.now(), date_of(came.response.headers)
        return Answer(taken, min(date or now, now), came.took, len(came.content), date)

    def _wait_or_give_up(self, asked: _Asked, what: str, *, too_heavy: bool) -> None:
        """Ask again what failed for a reason that passes; not what is too heavy and can be had by smaller requests."""
        asked.failures += 1
        tries = asked.failures if too_heavy and asked.can_be_smaller else asked.tries
        if asked.failures >= tries:
            raise NoGoodAnswer(
                message=f"Sage did not give a good answer for {asked.path} in {tries} tries (last: {what}). "
                "Nothing is lost; the next run goes on from here.",
                internal_message=what,
                failure_type=FailureType.transient_error,
            )
        self._wait(asked, what, min(2.0 ** (asked.failures - 1), LONGEST_PAUSE_SECONDS), asked.failures, tries)

    def _wait_or_doubt(self, asked: _Asked, what: str, body: str) -> None:
        """Ask again what was refused without Sage's own JSON: a gateway's word is no reason to skip a list."""
        asked.strange += 1
        tries = min(asked.tries, len(PAUSES_AFTER_A_STRANGE_REFUSAL) + 1)
        if asked.strange >= tries:
            raise NotSagesWord(
                message=f"{asked.path} was refused {tries} times with {what}, but with {body} where Sage's own "
                "refusals are JSON with a $dataCode: most likely by a proxy, a firewall or a gateway on the way. "
                "Nothing is lost; the next run asks again. If it repeats, check the API Endpoint and what stands "
                "between this machine and Sage.",
                internal_message=what,
                failure_type=FailureType.transient_error,
            )
        pause = PAUSES_AFTER_A_STRANGE_REFUSAL[asked.strange - 1]
        self._wait(asked, f"{what} with {body}, which is not Sage's", pause, asked.strange, tries)

    def _wait(self, asked: _Asked, what: str, pause: float, failures: int, tries: int) -> None:
        pause *= random.uniform(0.75, 1.25)  # noqa: S311
        logger.info("%s: %s; asking again in %.1f s (try %d of %d).", asked.path, what, pause, failures + 1, tries)
        asked.tally.retries += 1
        asked.tally.waited += pause
        self._clock.sleep(pause)
