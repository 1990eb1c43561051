"""Which businesses a run is about: from the Account ID as typed and from what the sign-in covers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from source_sage.config import SageConfig
from source_sage.errors import config_error
from source_sage.pages import Envelope, PageWalk
from source_sage.transport import TRIES, Transport

BUSINESSES_A_PAGE: Final = 500
NAMED_AT_MOST: Final = 50


@dataclass(frozen=True)
class Business:
    """One business (company) at Sage; its id goes into X-Business."""

    id: str
    name: str

    def __str__(self) -> str:
        return f"{self.name} ({self.id})" if self.name else self.id


def covered_by_sign_in(transport: Transport, *, tries: int = TRIES) -> list[Business]:
    """All businesses of the user who signed in, in Sage's order. One request for every 500.

    Raises:
        AirbyteTracedException, ListRefused: as the transport says.
    """
    walk = PageWalk(BUSINESSES_A_PAGE)
    found: dict[str, Business] = {}
    while not walk.finished:
        body = transport.get("/businesses", walk.params, dict, list_expected=True, tries=tries).taken
        walk.take(Envelope.of(body))
        for item in body["$items"]:
            if isinstance(item, dict) and item.get("id"):
                found[str(item["id"])] = Business(str(item["id"]), str(item.get("displayed_as") or ""))
    return list(found.values())


def chosen(config: SageConfig, covered: Sequence[Business]) -> list[Business]:
    """The businesses to read.

    Args:
        config: what the user typed.
        covered: what the sign-in covers.

    Raises:
        AirbyteTracedException: config_error that lists the businesses to choose from.
    """
    if not covered:
        raise config_error(
            "The sign-in covers no business. Sign in to Sage as a user who owns or was invited to the business."
        )
    if config.wants_all_businesses:
        return list(covered)
    by_id = {business.id: business for business in covered}
    if not config.business_ids:
        if len(covered) == 1:
            return list(covered)
        raise config_error(
            f"The sign-in covers {len(covered)} businesses and Account ID is empty. Enter the id of one, several with "
            f"commas between them, or `all`: {_named(covered)}."
        )
    unknown = [one for one in config.business_ids if one not in by_id]
    if unknown:
        raise config_error(
            f"Account ID {', '.join(unknown)} is not among the businesses of this sign-in. It covers: "
            f"{_named(covered)}. Enter one of these ids, or sign in as a user of the other business."
        )
    return [by_id[one] for one in config.business_ids]


def _named(businesses: Sequence[Business]) -> str:
    names = "; ".join(str(business) for business in businesses[:NAMED_AT_MOST])
    more = len(businesses) - NAMED_AT_MOST
    return f"{names}; and {more} more" if more > 0 else names
