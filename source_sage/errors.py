"""The one vocabulary of failures: what happened, who can mend it, and how.

Every message is plain English for a person who keeps books, names what they typed, and ends with what to do.
None of them ever holds a secret or the body of an answer.
"""

from __future__ import annotations

from typing import Final

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

SIGN_IN_AGAIN = (
    "Sign in to Sage again: press the sign-in button of this source in Airbyte, or run "
    "`source-sage-authorize`, and save the new tokens."
)

# What can become of a request that has no answer; `check` explains each.
TLS_FAILED: Final = "TLS error"
HOST_UNKNOWN: Final = "the host name is not known"
NO_ANSWER_IN_TIME: Final = "no answer in time"
CONNECTION_FAILED: Final = "the connection failed"


def config_error(message: str, internal: str | None = None) -> AirbyteTracedException:
    """A failure that a person must mend in the form or at Sage; the platform does not retry it."""
    return AirbyteTracedException(
        message=message, internal_message=internal or message, failure_type=FailureType.config_error
    )


def transient_error(message: str, internal: str | None = None) -> AirbyteTracedException:
    """A failure that passes by itself; the platform retries it with a fresh copy of the config."""
    return AirbyteTracedException(
        message=message, internal_message=internal or message, failure_type=FailureType.transient_error
    )


def system_error(message: str, internal: str | None = None) -> AirbyteTracedException:
    """A failure nobody foresaw: a fault of this connector or of Sage."""
    return AirbyteTracedException(
        message=message, internal_message=internal or message, failure_type=FailureType.system_error
    )


class ListRefused(Exception):
    """Sage does not give this list to this business or user: by plan, country, role or subscription.

    It is no failure of the sync: the stream is skipped for that business with one WARNING.

    Args:
        status: HTTP status of the refusal.
        code: Sage's `$dataCode`, empty if the answer had none.
        message: why, and what a person can do about it, in plain words.

    Attributes:
        reason: a few words for the log and the report.
    """

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.reason = f"HTTP {status}{f' {code}' if code else ''}"


class RefusedBeforehand(ListRefused):
    """A list that a business cannot have by what Sage tells of it: it is not asked for.

    Args:
        reason: a few words.
        message: what a person can do about it, in plain words.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(0, "", message)
        self.reason = reason
