"""How a list answers where Sage's manners are bad or unknown, and answers that are none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

import orjson

PAGE_SIZE: Final = 200


def right(total: int) -> int | None:
    """`$total` as it is."""
    return total


def missing(total: int) -> int | None:
    """No `$total`."""
    return None


def more_by(rows: int) -> Callable[[int], int | None]:
    """`$total` counts so many rows that are not there (deleted ones, say)."""
    return lambda total: total + rows


def capped(most: int) -> Callable[[int], int | None]:
    """`$total` counts no further."""
    return lambda total: min(total, most)


def always(page: int, pages: int) -> bool:
    """`$next` on each page but the last."""
    return page < pages


def never(page: int, pages: int) -> bool:
    """`$next` is null on every page."""
    return False


def null_on(*silent: int) -> Callable[[int, int], bool]:
    """`$next` is null on these pages too."""
    return lambda page, pages: page < pages and page not in silent


@dataclass
class Manners:
    """How one list answers; changeable at any time.

    Attributes:
        total: what `$total` says, of what is true.
        has_next: whether a page shows `$next`, of its number and how many there are.
        largest_page: no page is longer, whatever is asked for; pages are counted by what they really hold.
        overlap: rows of the page before that each page shows again at its front, beyond its own.
        empty_once: pages that are answered empty the first time, and rightly when asked for again.
        past_end: what a page past the end is.
        page_echo: what `$page` says.
        dates_inclusive: whether rows of the very days of from_date and to_date are in.
        to_date_is_midnight: a row with a time on that day is out.
        dates_hide_undated: rows without a date are out as soon as one of the two is given.
        combine: what holds if a request has dates and a filter of changes.
        sorts: whether `sort` is obeyed, where the list has it.
        deleted_since_inclusive: whether a row deleted in that very second is in.
        tombstones_with_deleted_at: whether a deleted row says when.
        forgets_restored: whether a row that is there again is no longer shown among the deleted ones.
    """

    total: Callable[[int], int | None] = right
    has_next: Callable[[int, int], bool] = always
    largest_page: int = PAGE_SIZE
    overlap: int = 0
    empty_once: set[int] = field(default_factory=set)
    past_end: Literal["last page", "empty"] = "last page"
    page_echo: Literal["shown", "asked", "missing"] = "shown"
    dates_inclusive: bool = True
    to_date_is_midnight: bool = False
    dates_hide_undated: bool = True
    combine: Literal["both", "changes", "dates"] = "both"
    sorts: bool = True
    deleted_since_inclusive: bool = False
    tombstones_with_deleted_at: bool = True
    forgets_restored: bool = True


@dataclass(frozen=True)
class Reply:
    """An answer that is no page.

    Attributes:
        cut: only so many bytes of the body are sent, then the connection is closed; -1 for no answer at all.
    """

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    cut: int | None = None


def sage_error(status: int, code: str, message: str = "No.") -> Reply:
    """A refusal in Sage's own words."""
    told = {"$severity": "error", "$dataCode": code, "$message": message, "$source": ""}
    return Reply(status, orjson.dumps([told]))


def role_missing() -> Reply:
    """Sage's own 403."""
    return sage_error(403, "MultiUserAccessDenied", "You do not have access to this area.")


def plan_lacks_it() -> Reply:
    """Sage's 401 for a list that the plan lacks."""
    return sage_error(401, "AuthorizationFailure", "No active subscription. (MSE)")


def gateway(status: int) -> Reply:
    """A page of HTML, by whatever stands between."""
    page = f"<html><head><title>{status}</title></head><body><h1>{status}</h1><hr>gateway</body></html>"
    return Reply(status, page.encode(), "text/html")


def slow_down(seconds: int | None = 1) -> Reply:
    """429."""
    headers = (("Retry-After", str(seconds)),) if seconds is not None else ()
    return Reply(429, b"[]", headers=headers)


def cut_connection() -> Reply:
    """No answer."""
    return Reply(0, cut=-1)


def half_a_body() -> Reply:
    """A good answer that breaks off."""
    return Reply(200, b'{"$total": 26000, "$page": 1, "$items": [{"id": "', cut=20)


def no_list() -> Reply:
    """Good JSON without a list."""
    return Reply(200, b"{}")
