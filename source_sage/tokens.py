"""Sage's tokens: kept alive, never wasted, never shown.

An access token lives five minutes. A refresh token works once: each refresh gives a new pair and kills the old one,
and a lost pair means that a person must sign in again (API.md, 1.2). Hence the rules of this module:

* one refresh at a time in the process, and the new pair is on stdout before any request uses it;
* a token is renewed a little before it dies, and a token that is still good is never renewed;
* a refresh whose answer was lost is tried again once, after a pause, and no more: the old token may be used up;
* the first refusal ends all refreshing in this process, for every thread.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
import logging
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

import requests
from airbyte_cdk.config_observation import emit_configuration_as_airbyte_control_message
from airbyte_cdk.sources.streams.http.requests_native_auth import SingleUseRefreshTokenOauth2Authenticator
from airbyte_cdk.utils.airbyte_secrets_utils import add_to_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.clock import Clock, parse_utc, utc_text
from source_sage.errors import SIGN_IN_AGAIN, config_error, transient_error

logger = logging.getLogger("airbyte.source-sage")

LEEWAY_SECONDS: Final = 30.0
LEEWAY_SHARE: Final = 0.2
CONNECT_TIMEOUT_SECONDS: Final = 10.0
READ_TIMEOUT_SECONDS: Final = 30.0
PAUSE_AFTER_LOST_ANSWER_SECONDS: Final = 5.0
WAITS_WHILE_DOWN_SECONDS: Final = (1.0, 2.0, 4.0, 8.0)
GRANT_LIFE: Final = dt.timedelta(days=31)
GRANT_WARNING_AGE: Final = dt.timedelta(days=20)
SIBLING_WINDOW: Final = dt.timedelta(hours=1)
DEFAULT_LIFE_SECONDS: Final = 300.0


class SageTokens(SingleUseRefreshTokenOauth2Authenticator):
    """The CDK's single-use refresh with what Sage needs on top.

    The CDK's own class has no leeway, no time-out on the token call, repeats a call whose answer was lost, repeats
    a refused one once per stream, and uses a new token an instant before it is emitted (CDK.md, section 4). Its
    config paths, its lock and the shape of its request are kept.

    Args:
        config: the user's config, unchanged but for the tokens: it is emitted whole at each renewal, so nothing
            derived may be put into it.
        token_address: where refresh tokens are exchanged.
        reading: True during `read`: a refusal shortly after the tokens were alive is then most likely the work of
            a sibling run, and the platform heals it by a retry with a fresh config.
        clock: injected for tests.
    """

    def __init__(
        self,
        config: MutableMapping[str, Any],
        token_address: str,
        *,
        reading: bool,
        clock: Clock | None = None,
    ) -> None:
        self._clock = clock or Clock()
        self._reading = reading
        self._failure: AirbyteTracedException | None = None
        self._good_until: float | None = None
        self._renewals = 0
        self._accepted = True
        super().__init__(
            connector_config=config,
            token_refresh_endpoint=token_address,
            client_id=config["client_id"],
            client_secret=config["client_secret"],
            access_token_config_path=("access_token",),
            refresh_token_config_path=("refresh_token",),
            token_expiry_date_config_path=("token_expiry_date",),
            refresh_request_headers={
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json",
            },
        )
        self._config = config
        self._stored_expiry = _expiry_of(str(config.get("access_token") or ""), self._stored_expiry_text())
        if self._stored_expiry is not None:
            remaining = (self._stored_expiry - self._clock.now()).total_seconds()
            self._good_until = self._clock.monotonic() + remaining - LEEWAY_SECONDS
        self._warn_of_old_grant()

    @property
    def renewals(self) -> int:
        """How often this process has renewed the tokens."""
        return self._renewals

    def get_token_expiry_date(self) -> Any:
        """The moment the stored token dies; only the CDK's constructor asks, decisions use `token_has_expired`."""
        return self._clock.now()

    def token_has_expired(self) -> bool:
        """Tell whether the access token is gone or about to die.

        A token whose end is unknown (pasted without its expiry) counts as good: Sage's 401 will tell.
        """
        if not self.access_token:
            return True
        return self._good_until is not None and self._clock.monotonic() >= self._good_until

    def get_access_token(self) -> str:
        """The access token to send now, renewed first if need be.

        Raises:
            AirbyteTracedException: there is no way to get a token; the same one for every caller from then on.
        """
        if self._failure is not None:
            raise self._failure
        return super().get_access_token()

    def refresh_and_set_access_token(self) -> None:
        """Renew the pair, emit it, and only then let requests use it."""
        with self._token_refresh_lock:
            if self._failure is not None:
                raise self._failure
            try:
                self._renew()
            except AirbyteTracedException as failure:
                self._failure = failure
                raise

    def renew_refused(self, refused_token: str) -> None:
        """Renew because Sage answered 401 to `refused_token`; a token is renewed once, whoever reports it.

        Raises:
            AirbyteTracedException: the tokens cannot be renewed, or a token that was just renewed for the same
                reason is refused as well.
        """
        with self._token_refresh_lock:
            if self._failure is None and self.access_token != refused_token:
                return
            if self._failure is None and not self._accepted:
                self._failure = config_error(
                    f"Sage refuses a token it has just given out. {SIGN_IN_AGAIN} If that does not help, check that "
                    "Client ID and Client Secret belong to the same app as the tokens."
                )
            self.refresh_and_set_access_token()
            self._accepted = False

    def accepted(self) -> None:
        """Note that Sage took the current token."""
        self._accepted = True

    def _renew(self) -> None:
        if not self.get_refresh_token():
            raise config_error(
                "The Access Token has expired (Sage's live five minutes) and there is no Refresh Token to renew it. "
                f"What was read so far is safe. {SIGN_IN_AGAIN}"
            )
        started = self._clock.monotonic()
        answer = self._exchange()
        life = _seconds(answer.get("expires_in"))
        renewed: dict[str, Any] = {
            "access_token": str(answer["access_token"]),
            "refresh_token": str(answer.get("refresh_token") or self.get_refresh_token()),
            "token_expiry_date": utc_text(self._clock.now() + dt.timedelta(seconds=life)),
        }
        add_to_secrets(renewed["access_token"])
        add_to_secrets(renewed["refresh_token"])
        emit_configuration_as_airbyte_control_message({**self._config, **renewed})
        self._config.update(renewed)
        self._good_until = started + life - min(LEEWAY_SECONDS, life * LEEWAY_SHARE)
        self._renewals += 1

    def _exchange(self) -> Mapping[str, Any]:
        """Post the refresh token until there is an answer that settles it.

        Returns:
            Sage's token answer; it holds an access token.

        Raises:
            AirbyteTracedException: refused (config or transient), or no answer within the bounds.
        """
        answer_was_lost = False
        waits = iter(WAITS_WHILE_DOWN_SECONDS)
        while True:
            response, certain = self._post()
            if response is not None and response.ok:
                body = _json_object(response)
                if body.get("access_token"):
                    return body
                certain = False
            elif response is not None and 400 <= response.status_code < 500 and response.status_code != 429:
                raise self._refusal(response, answer_was_lost)
            if certain:
                wait = next(waits, None)
                if wait is None:
                    raise transient_error(
                        f"Sage's sign-in service at {self.get_token_refresh_endpoint()} does not answer. "
                        "Nothing is lost; the next run tries again."
                    )
                logger.info("Sage's sign-in service is not available; asking again in %d s.", wait)
                self._clock.sleep(wait)
                continue
            if answer_was_lost:
                raise transient_error(
                    "The answer to a token renewal was lost twice on the way from Sage's sign-in service. "
                    f"The next run tries again; if it says that the sign-in is used up: {SIGN_IN_AGAIN}"
                )
            answer_was_lost = True
            logger.warning(
                "The answer to a token renewal was lost on the way. Sage may already have replaced the refresh "
                "token; trying the old one once more in %d s.",
                PAUSE_AFTER_LOST_ANSWER_SECONDS,
            )
            self._clock.sleep(PAUSE_AFTER_LOST_ANSWER_SECONDS)

    def _post(self) -> tuple[requests.Response | None, bool]:
        """One token call.

        Returns:
            The answer, or None; and whether it is certain that Sage did not use the refresh token up.
        """
        try:
            response = requests.post(
                str(self.get_token_refresh_endpoint()),
                data=self.build_refresh_request_body(),
                headers=self.build_refresh_request_headers(),
                timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS),
                allow_redirects=False,
            )
        except requests.exceptions.ConnectTimeout:
            return None, True
        except requests.exceptions.ConnectionError as error:
            return None, _never_sent(error)
        except requests.exceptions.RequestException:
            return None, False
        return response, response.status_code in (429, 503)

    def _refusal(self, response: requests.Response, answer_was_lost: bool) -> AirbyteTracedException:
        code = str(_json_object(response).get("error") or f"HTTP {response.status_code}")[:64]
        internal = f"token endpoint answered {response.status_code} {code}"
        if code in ("invalid_client", "unauthorized_client"):
            return config_error(
                f"Sage does not know this app ({code}). Copy Client ID and Client Secret again from your app in "
                "Sage's developer portal; both must belong to the app that the tokens were made with.",
                internal,
            )
        if code != "invalid_grant":
            return config_error(
                f"Sage's sign-in service refused the request ({code}). Check Client ID, Client Secret and API "
                f"Endpoint. {SIGN_IN_AGAIN}",
                internal,
            )
        if answer_was_lost:
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
            f"was not used for 31 days. {SIGN_IN_AGAIN}",
            internal,
        )

    def _was_alive_lately(self) -> bool:
        if self._renewals:
            return True
        return self._stored_expiry is not None and self._clock.now() - self._stored_expiry < SIBLING_WINDOW

    def _warn_of_old_grant(self) -> None:
        if self._stored_expiry is None or not self.get_refresh_token():
            return
        age = self._clock.now() - self._stored_expiry
        if age > GRANT_WARNING_AGE:
            logger.warning(
                "Sage's sign-in was last renewed %d days ago; it dies after %d days without use. Sync at least "
                "once a month.",
                age.days,
                GRANT_LIFE.days,
            )

    def _stored_expiry_text(self) -> str:
        return str(self._config_value("token_expiry_date"))

    def _config_value(self, key: str) -> Any:
        return self._connector_config.get(key) or ""


def _never_sent(error: requests.exceptions.ConnectionError) -> bool:
    """Tell whether the connection could not be opened, so that the refresh token cannot have been used up."""
    text = repr(error)
    return any(
        sign in text for sign in ("NewConnectionError", "NameResolutionError", "ConnectTimeoutError", "SSLError")
    )


def _json_object(response: requests.Response) -> Mapping[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _seconds(value: Any) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return DEFAULT_LIFE_SECONDS
    return seconds if seconds > 0 else DEFAULT_LIFE_SECONDS


def _expiry_of(access_token: str, stored: str) -> dt.datetime | None:
    """When a token that came with the config dies: by its own `exp` claim, else by the stored date, else unknown.

    Sage's access tokens are JWTs (API.md, 1.2). The claim goes first, because a person who pastes a fresh access
    token leaves the hidden date of the old one behind.
    """
    try:
        payload = access_token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return dt.datetime.fromtimestamp(float(claims["exp"]), dt.UTC)
    except (IndexError, KeyError, TypeError, ValueError, OverflowError, OSError, binascii.Error):
        pass
    try:
        return parse_utc(stored)
    except ValueError:
        return None
