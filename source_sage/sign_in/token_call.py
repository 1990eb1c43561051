"""One call of Sage's token endpoint, and what came of it. It follows no redirect, which could carry secrets elsewhere.

Source: docs/sage-api.md#sign-in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import requests

from source_sage.bodies import json_object
from source_sage.session import TooLarge, post_form

CONNECT_TIMEOUT_SECONDS: Final = 10.0
READ_TIMEOUT_SECONDS: Final = 30.0
TOTAL_SECONDS: Final = CONNECT_TIMEOUT_SECONDS + READ_TIMEOUT_SECONDS
USUAL_LIFE_SECONDS: Final = 300.0

# Failures of a connection that was never opened, by what urllib3 calls them: what was sent cannot be used up.
NEVER_SENT: Final = {
    "NameResolutionError": "its host name is not known",
    "ProxyError": "the proxy does not let it through",
    "CERTIFICATE_VERIFY_FAILED": "its certificate is not trusted on this machine",
    "ConnectTimeoutError": "no connection in time",
    "NewConnectionError": "no connection",
}


@dataclass(frozen=True)
class TokenAnswer:
    """What came of a call.

    Attributes:
        status: of HTTP; None if there is no whole answer.
        problem: what is wrong, in a few words; empty if it holds an access token.
        unused: Sage surely did not use up what it was given for the tokens.
        body: the JSON object; empty if there is none.
    """

    status: int | None
    problem: str
    unused: bool
    body: Mapping[str, Any] = field(default_factory=dict)


def call_for_tokens(address: str, form: Mapping[str, Any], monotonic: Callable[[], float]) -> TokenAnswer:
    """Make one call.

    Args:
        address: where tokens are given.
        form: what is given for them, and whose app asks.
        monotonic: injected for tests.
    """
    try:
        response = post_form(
            address,
            form,
            timeout=(CONNECT_TIMEOUT_SECONDS, READ_TIMEOUT_SECONDS),
            total_seconds=TOTAL_SECONDS,
            monotonic=monotonic,
        )
    except requests.exceptions.ReadTimeout:
        return TokenAnswer(None, "no answer in time", unused=False)
    except TooLarge:
        return TokenAnswer(None, "an answer that goes on and on", unused=False)
    except requests.exceptions.RequestException as error:
        never_sent = next((words for sign, words in NEVER_SENT.items() if sign in repr(error)), None)
        return TokenAnswer(None, never_sent or "the connection broke off", unused=never_sent is not None)
    status, body = response.status_code, json_object(response.content)
    if not 200 <= status < 300:
        return TokenAnswer(status, f"HTTP {status}", status in (429, 503), body)
    return TokenAnswer(status, "" if can_be_sent(body.get("access_token")) else "an answer without tokens", False, body)


def can_be_sent(token: Any) -> bool:
    """Tell whether it is a text that an HTTP header can carry."""
    return isinstance(token, str) and re.fullmatch(r"[!-~]+", token) is not None
