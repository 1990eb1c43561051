"""How a sync ends where something was refused or failed. Pure.

A stream that one business may not have is skipped for it, and the stream is complete without it. A business that may
have none of the selected streams is another matter: a wrong answer to "is my data there" would be worst where all of
it is missing, and a destination that replaces its tables would drop that business's rows. So it fails, alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.api.businesses import Business
from source_sage.errors import ListRefused, config_error, some_of

REASONS_AT_MOST: Final = 5
NAMES_AT_MOST: Final = 10


class Admissions:
    """Which businesses let anything be read.

    Args:
        readings: every stream and business that will be tried.

    Attributes:
        anything_read: a reading came to its end.
    """

    def __init__(self, readings: Iterable[tuple[str, Business]]) -> None:
        self._pending: dict[str, int] = {}
        for _, business in readings:
            self._pending[business.id] = self._pending.get(business.id, 0) + 1
        self._admitted: set[str] = set()
        self.anything_read = False
        self._refusals: dict[str, list[tuple[str, ListRefused]]] = {}
        self._refused_by: dict[str, list[str]] = {}

    def note(self, stream: str, business: Business, error: Exception | None) -> AirbyteTracedException | None:
        """Note how one reading ended.

        Args:
            stream, business: what was read.
            error: a refusal of Sage's, another failure, or None if it was read to its end.

        Returns:
            The failure of the business, if this was its last reading and all were refused.
        """
        self._pending[business.id] -= 1
        self.anything_read = self.anything_read or error is None
        if not isinstance(error, ListRefused):
            self._admitted.add(business.id)
            return None
        self._refusals.setdefault(business.id, []).append((stream, error))
        self._refused_by.setdefault(stream, []).append(business.id)
        if self._pending[business.id] or business.id in self._admitted:
            return None
        return _nothing_given(business, self._refusals[business.id])

    def undecided(self, stream: str) -> bool:
        """Tell whether a business that refused this stream may yet turn out to refuse all of them."""
        return any(self._pending[one] > 0 and one not in self._admitted for one in self._refused_by.get(stream, ()))


def _nothing_given(business: Business, refusals: Sequence[tuple[str, ListRefused]]) -> AirbyteTracedException:
    by_reason: dict[str, list[str]] = {}
    remedies: dict[str, str] = {}
    for stream, refusal in refusals:
        by_reason.setdefault(refusal.reason, []).append(stream)
        remedies.setdefault(refusal.reason, refusal.message)
    reasons = [
        f"{some_of(streams, NAMES_AT_MOST)}: {reason}. {remedies[reason]}"
        for reason, streams in list(by_reason.items())[:REASONS_AT_MOST]
    ]
    return config_error(
        f"Sage gives nothing that was selected of {business}. {' '.join(reasons)} Check as well that its subscription "
        "is active and that the person who signed in has access to it."
    )


def sync_failure(
    streams: int, failures: Sequence[tuple[str, AirbyteTracedException]], read: bool
) -> AirbyteTracedException | None:
    """The failure of a whole sync, of which something did not finish.

    Args:
        streams: how many were selected.
        failures: stream and reason of each reading that failed.
        read: some reading did finish.

    Returns:
        None if there were no failures. Its type lets the platform try again if anything may pass by itself.
    """
    if not failures:
        return None
    names = list(dict.fromkeys(stream for stream, _ in failures))
    reasons = list(dict.fromkeys(str(failure.message) for _, failure in failures))
    more = f" And {len(reasons) - REASONS_AT_MOST} more reasons in the log." if len(reasons) > REASONS_AT_MOST else ""
    rest = " Everything else was read and is saved." if read else ""
    return AirbyteTracedException(
        message=f"{len(names)} of {streams} streams did not finish ({some_of(names, NAMES_AT_MOST)}). "
        f"{' '.join(reasons[:REASONS_AT_MOST])}{more}{rest}",
        internal_message=f"{len(failures)} readings failed",
        failure_type=_worst({failure.failure_type for _, failure in failures}),
    )


def _worst(types: set[FailureType | None]) -> FailureType:
    if FailureType.transient_error in types:
        return FailureType.transient_error
    return FailureType.config_error if types == {FailureType.config_error} else FailureType.system_error
