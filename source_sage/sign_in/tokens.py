"""Sage's tokens: kept alive, never wasted, never shown.

An access token lives five minutes. A refresh token works once: each refresh gives a new pair and kills the old one,
and a lost pair means that a person must sign in again (docs/sage-api.md#sign-in). Hence the rules of this module:

* one refresh at a time in the process, and the new pair is on stdout before any request uses it;
* no refresh begins before stdout has room for its message (`stdout`); a person's own file is written first
  (`config_file`);
* a token is renewed a little before it dies, and a token that is still good is never renewed;
* a refresh without a clear answer is tried again once, after a pause, and no more: the old token may be used up;
* the first refusal ends all refreshing in this process, for every thread.
"""

from __future__ import annotations

import contextlib
import copy
import datetime as dt
import logging
import re
import threading
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any, Final

import jwt
import orjson
from airbyte_cdk.config_observation import emit_configuration_as_airbyte_control_message
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage import stdout
from source_sage.clock import Clock, parse_utc, utc_text
from source_sage.errors import SIGN_IN_AGAIN, OfTheRun, config_error, system_error, transient_error
from source_sage.secrecy import keep_secret
from source_sage.sign_in.config_file import TOKEN_KEYS, ConfigFile, Kept
from source_sage.sign_in.token_call import USUAL_LIFE_SECONDS, TokenAnswer, call_for_tokens, can_be_sent

logger = logging.getLogger("airbyte.source-sage")

LEEWAY_SECONDS: Final = 30.0
LEEWAY_SHARE: Final = 0.2
PAUSE_AFTER_LOST_ANSWER_SECONDS: Final = 5.0
WAITS_WHILE_DOWN_SECONDS: Final = (1.0, 2.0, 4.0, 8.0)
WAITS_IN_CHECK: Final = 1
TOO_YOUNG_TO_BE_OLD_SECONDS: Final = 60.0
GRANT_LIFE: Final = dt.timedelta(days=31)
GRANT_WARNING_AGE: Final = dt.timedelta(days=20)
SIBLING_WINDOW: Final = dt.timedelta(hours=1)

# The refusals that OAuth knows. Other texts of a server are not repeated: they could quote what was sent.
OAUTH_ERRORS: Final = frozenset(
    ("invalid_client", "invalid_grant", "invalid_request", "unauthorized_client", "unsupported_grant_type")
)


class SageTokens:
    """The tokens of a run, for all its threads.

    The CDK's class for single-use tokens has no leeway, no time-out on the token call, repeats a call whose answer was
    lost, repeats a refused one once per stream, and uses a new token an instant before it is emitted
    (docs/design.md#decisions). Its way of emitting a changed config is used.

    Args:
        config: the user's config. It is emitted whole at each renewal, with nothing changed but the keys of the
            tokens, and kept up to date in place.
        token_address: where refresh tokens are exchanged.
        reading: True during `read`: a refusal shortly after the tokens were alive is then most likely the work of
            a sibling run, and the platform heals it by a retry with a fresh config.
        clock: injected for tests.
        config_file: where a person keeps the tokens; None where the platform does. If another process has put newer
            ones there, they are used.

    Attributes:
        renewals: how often this process has renewed the tokens.
    """

    def __init__(
        self,
        config: MutableMapping[str, Any],
        token_address: str,
        *,
        reading: bool,
        clock: Clock | None = None,
        config_file: ConfigFile | None = None,
    ) -> None:
        self._clock = clock or Clock()
        self._config = config
        self._address = token_address
        self._client = {key: str(config[key]).strip() for key in ("client_id", "client_secret")}
        self._config_file = config_file
        self._reading = reading
        self._lock = threading.RLock()
        self._failure: AirbyteTracedException | None = None
        self._forced_at: float | None = None
        self.renewals = 0
        self._posted_at = 0.0
        self._good_until: float | None = None
        keep_secret(self._client["client_secret"])
        self._adopt(_tokens_of(config))
        self._warn_of_old_grant()

    @property
    def access_token(self) -> str:
        """The access token as it is now; empty if there is none."""
        return self._tokens["access_token"]

    @property
    def _refresh_token(self) -> str:
        return self._tokens["refresh_token"]

    def token_has_expired(self) -> bool:
        """Tell whether the access token must be renewed before it is used.

        A token whose end is unknown, or that nothing can renew, counts as good: Sage's 401 will tell.
        """
        if not self.access_token:
            return True
        if self._good_until is None or not self._refresh_token:
            return False
        return self._clock.monotonic() >= self._good_until

    def get_access_token(self) -> str:
        """The access token to send now, renewed first if need be.

        Raises:
            AirbyteTracedException: there is no way to get a token; the same one for every caller from then on.
        """
        self._raise_failure()
        if self.token_has_expired():
            with self._lock:
                if self.token_has_expired():  # nobody else has renewed it meanwhile
                    self.renew()
        return self.access_token

    def renew(self) -> None:
        """Renew the pair, emit it, and only then let requests use it.

        Raises:
            AirbyteTracedException: it cannot be renewed; the same one for every caller from then on.
        """
        with self._lock:
            self._raise_failure()
            try:
                self._get_new_pair()
            except AirbyteTracedException as failure:
                self._failure = OfTheRun.like(failure)
            except Exception as error:  # whatever it was, the refresh token may be used up: nobody may try again
                logger.error("The tokens could not be renewed.", exc_info=error)
                self._failure = OfTheRun.like(
                    system_error(
                        "The tokens could not be renewed for a reason that nobody foresaw "
                        f"({type(error).__name__}). Please report it with the log of this sync."
                    )
                )
            self._raise_failure()

    def renew_refused(self, refused_token: str) -> None:
        """Renew because Sage answered 401 to `refused_token`; a token is renewed once, whoever reports it.

        A token that was itself got because of a 401, less than a minute ago, is not too old. It is Sage's list that
        refuses it, and another renewal would only burn a refresh token: the caller's one more try decides.

        Raises:
            AirbyteTracedException: the tokens cannot be renewed.
        """
        with self._lock:
            self._raise_failure()
            if self.access_token != refused_token:
                return
            now = self._clock.monotonic()
            just_forced = self._forced_at is not None and now - self._forced_at < TOO_YOUNG_TO_BE_OLD_SECONDS
            if just_forced and not self.token_has_expired():
                return
            self.renew()
            self._forced_at = self._clock.monotonic()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise copy.copy(self._failure)  # a copy each: threads that raise one exception would share its traceback

    def _get_new_pair(self) -> None:
        if not self._refresh_token:
            raise config_error(
                "The Access Token has expired (Sage's live five minutes) or is not the right one, and there is no "
                f"Refresh Token to get a new one. What was read so far is safe. {SIGN_IN_AGAIN}"
            )
        orjson.dumps(dict(self._config))  # what cannot be emitted must fail now, while the old token still works
        unclear = False
        waits = iter(WAITS_WHILE_DOWN_SECONDS if self._reading else WAITS_WHILE_DOWN_SECONDS[:WAITS_IN_CHECK])
        while True:
            with self._held() as kept:
                if kept is not None and self._found_newer(kept):
                    return
                came = self._post()
                if not came.problem:
                    self._take(came.body, kept)
                    return
            if came.status is not None and 300 <= came.status < 500 and came.status not in (408, 429):
                raise self._refusal(came, unclear)
            if came.unused:
                wait = next(waits, None)
                if wait is None:
                    raise transient_error(
                        f"Sage's sign-in service at {self._address} cannot be used now: {came.problem}. "
                        "The sign-in is not lost; the next run tries again."
                    )
                logger.info("Sage's sign-in service cannot be used now: %s; asking again in %g s.", came.problem, wait)
                self._clock.sleep(wait)
                continue
            if unclear:
                raise transient_error(
                    f"Sage's sign-in service gave no clear answer to a token renewal, twice ({came.problem}). The next "
                    f"run tries again; if it says that the sign-in is used up: {SIGN_IN_AGAIN}"
                )
            unclear = True
            logger.warning(
                "The answer to a token renewal was lost: %s. Sage may already have replaced the refresh token; "
                "trying the old one once more in %g s.",
                came.problem,
                PAUSE_AFTER_LOST_ANSWER_SECONDS,
            )
            self._clock.sleep(PAUSE_AFTER_LOST_ANSWER_SECONDS)

    @contextlib.contextmanager
    def _held(self) -> Iterator[Kept | None]:
        """Hold what a renewal must be sure of: room on stdout, and the person's file if there is one."""
        try:
            with stdout.room():
                if self._config_file is None:
                    yield None
                    return
                with self._config_file.renewal() as kept:
                    yield kept
        except stdout.NobodyReads:
            raise transient_error(
                "Nobody reads any more what this source says, so that the tokens were not renewed: the new ones would "
                "be lost."
            ) from None

    def _found_newer(self, kept: Kept) -> bool:
        """Take the tokens that stand in the person's file now, if they are others; tell whether they will do."""
        found = _tokens_of(kept.config)
        if found["refresh_token"] in ("", self._refresh_token):
            return False
        self._adopt(found)
        self._config.update(found)
        return bool(self.access_token) and not self.token_has_expired()

    def _adopt(self, tokens: dict[str, str]) -> None:
        """Use tokens that were got by somebody else."""
        keep_secret(tokens["access_token"], tokens["refresh_token"])
        # Replaced as a whole, never changed: other threads read it without the lock.
        self._tokens = tokens
        self._alive_until = _later(_claim(tokens["access_token"], "exp"), _moment(tokens["token_expiry_date"]))
        self._good_until = None
        if self._alive_until is not None:
            remaining = (self._alive_until - self._clock.now()).total_seconds()
            self._good_until = self._clock.monotonic() + remaining - LEEWAY_SECONDS

    def _take(self, answer: Mapping[str, Any], kept: Kept | None) -> None:
        """Keep the new pair: in the person's file, on stdout, and only then for requests."""
        life = _seconds(answer.get("expires_in"))
        alive_until = self._clock.now() + dt.timedelta(seconds=life)
        renewed = {
            "access_token": str(answer["access_token"]),
            "refresh_token": str(answer.get("refresh_token") or self._refresh_token),
            "token_expiry_date": utc_text(alive_until),
        }
        keep_secret(renewed["access_token"], renewed["refresh_token"])
        problem: OSError | None = None
        if kept is not None:
            try:
                kept.keep(renewed)
            except OSError as error:
                problem = error
        emit_configuration_as_airbyte_control_message({**self._config, **renewed})
        self._config.update(renewed)
        self._tokens = renewed
        self._good_until = self._posted_at + life - min(LEEWAY_SECONDS, life * LEEWAY_SHARE)
        self._alive_until = alive_until
        self.renewals += 1
        self._forced_at = None
        if problem is not None:
            raise config_error(
                f"The tokens were renewed, but could not be kept in the config file ({problem.strerror}). They stand "
                f"in the CONTROL message on stdout alone. Copy them from there, or: {SIGN_IN_AGAIN}"
            )

    def _post(self) -> TokenAnswer:
        self._posted_at = self._clock.monotonic()
        form = {"grant_type": "refresh_token", **self._client, "refresh_token": self._refresh_token}
        return call_for_tokens(self._address, form, self._clock.monotonic)

    def _refusal(self, came: TokenAnswer, unclear: bool) -> AirbyteTracedException:
        error = came.body.get("error")
        code = error if isinstance(error, str) and error in OAUTH_ERRORS else came.problem
        internal = f"the token endpoint answered {came.status} {code}"
        if code in ("invalid_client", "unauthorized_client"):
            return config_error(
                f"Sage does not know this app ({code}). Copy Client ID and Client Secret again from your app in "
                "Sage's developer portal; both must belong to the app that the tokens were made with.",
                internal,
            )
        if code != "invalid_grant":
            return config_error(
                f"Sage's sign-in service at {self._address} refused the request ({code}). Check "
                "Client ID and Client Secret, and the API Endpoint, whose host is asked for tokens.",
                internal,
            )
        if unclear:
            return config_error(
                "The answer to a token renewal was lost on the way, and Sage had already replaced the refresh token: "
                f"the new one never arrived. {SIGN_IN_AGAIN}",
                internal,
            )
        if self._reading and self._was_alive_lately():
            return transient_error(
                "Sage says that the refresh token is used up. Another run of this source has most likely just "
                "renewed it; a retry with the new one heals that. Let the schedules of connections that share one "
                f"sign-in not overlap. If it goes on for more than an hour: {SIGN_IN_AGAIN}",
                internal,
            )
        return config_error(
            "Sage no longer accepts the refresh token: it was used by another copy of this source, was revoked, or "
            f"was not used for {GRANT_LIFE.days} days. {SIGN_IN_AGAIN}",
            internal,
        )

    def _was_alive_lately(self) -> bool:
        return self._alive_until is not None and abs(self._clock.now() - self._alive_until) < SIBLING_WINDOW

    def _warn_of_old_grant(self) -> None:
        renewed_at = _claim(self._refresh_token, "iat") or self._alive_until
        if renewed_at is None or not self._refresh_token:
            return
        age = self._clock.now() - renewed_at
        if age > GRANT_WARNING_AGE:
            logger.warning(
                "Sage's sign-in was last renewed %d days ago; it dies after %d days without use. Sync at least "
                "once a month.",
                age.days,
                GRANT_LIFE.days,
            )


def _tokens_of(config: Mapping[str, Any]) -> dict[str, str]:
    """The tokens of a config, as they can be sent; a token that cannot be is as good as none."""
    tokens = {key: str(config.get(key) or "").strip() for key in TOKEN_KEYS}
    for key in ("access_token", "refresh_token"):
        tokens[key] = "".join(tokens[key].split())  # copied from a terminal, a token is wrapped over lines
    if not can_be_sent(tokens["access_token"]):
        tokens["access_token"] = ""
    return tokens


def _seconds(value: Any) -> float:
    """The life that Sage states for an access token, if it makes sense."""
    text = str(value)
    if re.fullmatch(r"[0-9]{1,6}(\.[0-9]*)?", text) and float(text) > 0:
        return float(text)
    return USUAL_LIFE_SECONDS


def _claim(token: str, name: str) -> dt.datetime | None:
    """A moment that a JWT states about itself; Sage's tokens are JWTs (docs/sage-api.md#sign-in)."""
    try:
        claims = jwt.decode(
            token, options={"verify_signature": False}
        )  # only Sage has the key, and only Sage need check
        return dt.datetime.fromtimestamp(float(claims[name]), dt.UTC)
    except (jwt.PyJWTError, KeyError, TypeError, ValueError, OverflowError, OSError, RecursionError):
        return None


def _moment(text: str) -> dt.datetime | None:
    try:
        return parse_utc(text)
    except (ValueError, OverflowError):
        return None


def _later(one: dt.datetime | None, other: dt.datetime | None) -> dt.datetime | None:
    """The later of a token's own claim and the stored date.

    A person who pastes a fresh access token leaves the hidden date of the old one behind; and where this machine's
    clock is ahead of Sage's, the stored date (by this clock) is right and the claim (by Sage's) looks past.
    """
    return max(filter(None, (one, other)), default=None)
