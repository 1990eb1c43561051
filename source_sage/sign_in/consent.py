"""A person's consent: the page at Sage where it is given, the code it comes back as, and the tokens for the code.

Source: docs/sage-api.md#sign-in.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlencode, urlsplit

from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.clock import Clock, utc_text
from source_sage.config import SAGE_AUTHORIZE, Endpoints, SageConfig
from source_sage.errors import config_error, transient_error
from source_sage.sign_in.token_call import USUAL_LIFE_SECONDS, call_for_tokens, can_be_sent

CALLBACK_PATH: Final = "/callback"
SCOPE: Final = "readonly"
STATE_BYTES: Final = 32
VERIFIER_BYTES: Final = 48  # 64 letters; PKCE wants 43 to 128
AGAIN: Final = "Then run the command again."


class NotTheAnswer(Exception):
    """Something came that is not Sage's answer to this sign-in; the right one may still come."""


def redirect_uri(port: int) -> str:
    """Where Sage sends the browser afterwards; the app must list it among its Callback URLs, letter by letter."""
    return f"http://localhost:{port}{CALLBACK_PATH}"


@dataclass(frozen=True)
class SignIn:
    """What ties one sign-in together; nobody else can guess it.

    Attributes:
        state: comes back with the answer, and tells it from the answer to another sign-in.
        verifier: given with the code, which is worth nothing to whoever has the code alone (PKCE, RFC 7636); the page
            at Sage is told its hash. A code of somebody else's sign-in does not fit it either.
    """

    state: str
    verifier: str

    @classmethod
    def new(cls) -> SignIn:
        """One that was never there before."""
        return cls(secrets.token_urlsafe(STATE_BYTES), secrets.token_urlsafe(VERIFIER_BYTES))

    @property
    def challenge(self) -> str:
        """The verifier's hash, as PKCE writes it."""
        return base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).decode().rstrip("=")


def consent_address(
    endpoints: Endpoints, client_id: str, redirect: str, sign_in: SignIn, country: str | None = None
) -> str:
    """The address at which a person allows the access.

    Args:
        endpoints: where Sage is.
        client_id: of the app.
        redirect: one of the app's Callback URLs.
        sign_in: this one.
        country: `gb`, `ie` or `ca`, the country of the business; None lets Sage ask for it.
    """
    asked = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect,
        "scope": SCOPE,
        "state": sign_in.state,
        "code_challenge": sign_in.challenge,
        "code_challenge_method": "S256",
    }
    if country:
        asked["country"] = country
    if endpoints.authorize == SAGE_AUTHORIZE:
        asked["filter"] = "apiv3.1"
    return f"{endpoints.authorize}?{urlencode(asked)}"


def code_in(query: str, state: str) -> str:
    """The authorization code of a redirect.

    Args:
        query: the redirect's query, still encoded. Sage's codes hold an encoded `/`; they are decoded once, here.
        state: as it was sent.

    Raises:
        NotTheAnswer: the state is another, or is missing. A refusal must bring it too: else any page in the browser
            could end the sign-in.
        AirbyteTracedException: Sage's answer is a refusal, or holds no code.
    """
    said = {name: values[0] for name, values in parse_qs(query).items()}
    if not hmac.compare_digest(said.get("state", "").encode(errors="replace"), state.encode()):
        raise NotTheAnswer("This answer belongs to another sign-in, perhaps to an older window.")
    if "error" in said:
        raise _refusal(said["error"])
    if not said.get("code"):
        raise config_error("Sage sent the browser back without a code. Run the command again.")
    return said["code"]


def code_in_pasted(text: str, state: str) -> str:
    """The authorization code of what a person copied: the whole address of the redirect, or the code alone.

    A code alone needs no state: one of somebody else's sign-in does not fit the verifier of this one.

    Raises:
        NotTheAnswer: it is neither, or belongs to another sign-in.
        AirbyteTracedException: Sage's answer is a refusal.
    """
    text = text.strip()
    if "?" in text or "://" in text:
        try:
            query = urlsplit(text).query
        except ValueError:
            raise NotTheAnswer("This is no whole address.") from None
        if not parse_qs(query).keys() & {"code", "error"}:
            raise NotTheAnswer("There is no code in this address. It must be the one the browser ended at.")
        return code_in(query, state)
    if not text or re.search(r"\s|=", text):
        raise NotTheAnswer("This is neither an address nor a code.")
    return unquote(text)


def _refusal(error: str) -> AirbyteTracedException:
    """A refusal in plain words, for each value of `error` that Sage's guide names."""
    match error:
        case "access_denied":
            return config_error(
                "Access was denied on Sage's page, so nothing was saved. To allow it, run the command again and "
                "choose Allow."
            )
        case "temporarily_unavailable" | "server_error":
            return transient_error(
                f"Sage's sign-in has a problem of its own at the moment ({error}). Wait ten minutes. {AGAIN}"
            )
        case "unauthorized_client" | "invalid_request" | "invalid_scope" | "unsupported_response_type":
            return config_error(
                f"Sage does not accept this app's request ({error}). Check in Sage's developer portal that the "
                f"Client ID is that of your app and that the Callback URL is listed there. {AGAIN}"
            )
        case _:
            return config_error("Sage refused the sign-in for a reason it does not document. Run the command again.")


def exchange(config: SageConfig, code: str, redirect: str, verifier: str, clock: Clock) -> dict[str, str]:
    """Give the code to Sage and get tokens. Asks once: a code is used up even if the answer is lost.

    Args:
        config: client and addresses.
        code: decoded; not older than 60 seconds.
        redirect: the very redirect_uri that the code was asked for with.
        verifier: whose challenge it was asked for with.
        clock: the token's life is counted from the moment of asking.

    Returns:
        access_token, refresh_token and token_expiry_date (UTC, ending in Z), as the config has them.

    Raises:
        AirbyteTracedException: refused, or no good answer.
    """
    started = clock.now()
    address = config.endpoints.token
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "client_id": config.client_id,
        "client_secret": config.client_secret,
        "redirect_uri": redirect,
        "code_verifier": verifier,
    }
    came = call_for_tokens(address, form, clock.monotonic)
    if came.status is None:
        raise transient_error(
            f"Sage's sign-in service at {address} did not answer: "
            f"{came.problem if came.unused else 'the connection broke off'}. Check "
            f"the internet connection and the API Endpoint; a code of Sage's works only once. {AGAIN}"
        )
    if came.status != 200:
        raise _refused_exchange(came.status, came.body, address)
    tokens = {name: came.body.get(name) for name in ("access_token", "refresh_token")}
    if not all(map(can_be_sent, tokens.values())):
        raise config_error(f"{address} did not answer like Sage's sign-in service. Check the API Endpoint.")
    try:
        expiry = started + dt.timedelta(seconds=float(came.body["expires_in"]))
    except (KeyError, TypeError, ValueError, OverflowError):
        expiry = started + dt.timedelta(seconds=USUAL_LIFE_SECONDS)
    return {**{name: str(token) for name, token in tokens.items()}, "token_expiry_date": utc_text(expiry)}


def _refused_exchange(status: int, body: Mapping[str, Any], address: str) -> AirbyteTracedException:
    match body.get("error"):
        case "invalid_client" | "unauthorized_client":
            return config_error(
                "Sage does not know this app. Copy Client ID and Client Secret again from your app in Sage's "
                f"developer portal; both must belong to the same app. {AGAIN}"
            )
        case "invalid_grant":
            return config_error(
                "Sage did not accept the code: it lives 60 seconds and works once, and the Callback URL must be the "
                "one of your app in Sage's developer portal. Run the command again."
            )
    if status == 429 or status >= 500:
        return transient_error(
            f"Sage's sign-in service has a problem of its own at the moment (HTTP {status}). Wait some minutes. {AGAIN}"
        )
    return config_error(
        f"{address} refused the sign-in (HTTP {status}). Check Client ID, Client Secret and API Endpoint. {AGAIN}"
    )
