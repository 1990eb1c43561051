"""Everything about the sandbox's behaviour that can be turned; changeable while it runs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Literal


@dataclass
class Settings:
    """How this Sage behaves. Where Sage's own behaviour is unknown, each possibility can be played."""

    # Tokens.
    token_life: float = 300
    refresh_token_life: float = 2_678_400
    code_life: float = 60
    refresh_grace: float = 0
    """Seconds for which the refresh token before the newest still works (0: never)."""
    new_grant_ends_old: bool = False
    """Whether a new authorisation ends the earlier ones."""

    # Pages.
    default_order: str = "created:asc"
    """`created`, `updated`, `date` or `name`, with `:asc` or `:desc`; or `random` (any, but stable)."""
    next_goes_missing: bool = False
    """`$next` stays null even when there are more pages."""
    total_goes_missing: bool = False
    """No `$total` in the envelope."""
    total_cap: int | None = None
    """`$total` counts no further than this."""
    dates_inclusive: bool = True
    """Whether rows of the very days of `from_date` and `to_date` are in."""
    deleted_since_inclusive: bool = False
    tombstones_with_deleted_at: bool = True
    payment_touches_document: bool = True
    """Whether a payment moves the `updated_at` of what it pays."""

    # Time.
    date_header_ahead: float | None = 0
    """Seconds by which the `Date` header differs from the time that rows are stamped with; None: no such header."""

    # Refusals.
    enforce_availability: bool = True
    enforce_roles: bool = True
    restricted_answer: Literal[401, 403, 404, "empty"] = 401
    """What a list answers that plan or country do not include."""
    foreign_business_answer: Literal[401, 403, 404] = 404
    business_required: bool = False
    """With several businesses, no X-Business is a 401 instead of meaning the lead business."""

    # Limits.
    rate_limit: int | None = None
    """Requests in any `rate_window` seconds for one business."""
    rate_window: float = 60
    max_concurrent: int | None = None
    retry_after: Literal["seconds", "http-date", "absent"] = "seconds"
    latency: float = 0

    def change(self, changes: dict[str, Any]) -> None:
        """Set several at once; an unknown name is an error, not a silent no-op."""
        unknown = set(changes) - {f.name for f in fields(self)}
        if unknown:
            raise ValueError(f"no such setting: {', '.join(sorted(unknown))}")
        for name, value in changes.items():
            setattr(self, name, value)

    def as_dict(self) -> dict[str, Any]:
        """For the control address."""
        return asdict(self)
