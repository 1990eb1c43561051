"""The one vocabulary of failures: what happened, who can mend it, and how.

Every message is plain English for a person who keeps books, names what they typed, and ends with what to do.
None of them ever holds a secret or the body of an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

SIGN_IN_AGAIN = (
    "Sign in to Sage again: press the sign-in button of this source in Airbyte, or run "
    "`source-sage authorize`, and save the new tokens."
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


def some_of(names: Sequence[str], at_most: int) -> str:
    """Names for a message, and of very many only the first."""
    more = len(names) - at_most
    return ", ".join(names[:at_most]) + (f" and {more} more" if more > 0 else "")


class OfTheRun(AirbyteTracedException):
    """A failure that meets every list of a run alike: it is told once, when the run ends."""

    @classmethod
    def like(cls, failure: AirbyteTracedException) -> OfTheRun:
        """The same failure, as one of the run."""
        return cls(
            message=failure.message, internal_message=failure.internal_message, failure_type=failure.failure_type
        )


def stopped() -> OfTheRun:
    """The run was asked to end before it was done."""
    text = (
        "The sync was stopped from outside before it was done. What was read up to its last states is saved; the next "
        "one goes on from there."
    )
    return OfTheRun(message=text, internal_message=text, failure_type=FailureType.transient_error)


class LimitUsedUp(OfTheRun):
    """Sage takes no more requests for longer than is waited; it passes by itself.

    Attributes:
        when: until when, or for how long already, as a part of a sentence.
        is_known: Sage said until when.
    """

    when: str
    is_known: bool

    @classmethod
    def until(cls, moment: str) -> LimitUsedUp:
        """Sage said when it takes requests again."""
        return cls._of(f"it takes requests again at {moment}", is_known=True)

    @classmethod
    def for_so_long(cls, seconds: float) -> LimitUsedUp:
        """Nothing was let through for so many seconds, and Sage does not say when it will."""
        time = f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"
        return cls._of(f"it has let no request through for {time} and does not say when it will", is_known=False)

    @classmethod
    def _of(cls, when: str, *, is_known: bool) -> LimitUsedUp:
        text = (
            f"Sage's request limit is used up; {when}. What was read so far is saved; a sync after that time goes on "
            "from there."
        )
        made = cls(message=text, internal_message=text, failure_type=FailureType.transient_error)
        made.when, made.is_known = when, is_known
        return made


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
