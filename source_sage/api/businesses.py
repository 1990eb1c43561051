"""Which businesses a run is about: from the Account ID as typed and from what the sign-in covers."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, NamedTuple

from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.api.pages import Envelope, Pages
from source_sage.api.rights import Profile, digest
from source_sage.api.transport import TRIES, NoGoodAnswer, Transport
from source_sage.config import BUSINESS_ID, SageConfig, quoted_id
from source_sage.counts import Tally
from source_sage.errors import ListRefused, config_error
from source_sage.secrecy import visible

logger = logging.getLogger("airbyte.source-sage")

BUSINESSES_A_PAGE: Final = 500
NAMED_AT_MOST: Final = 50
TRIES_FOR_DETAILS: Final = 2


@dataclass(frozen=True)
class Business:
    """One business (company) at Sage; its id goes into X-Business.

    Attributes:
        id: opaque.
        name: as Sage shows it, without signs that do something to a terminal; may be empty.
        details: what `/businesses/{id}` answered; None if it was not asked or gave no good answer.
        user: the id of the person who signed in; empty if it was not asked or gave no good answer.
    """

    id: str
    name: str
    details: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
    user: str = field(default="", compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.name} ({self.id})" if self.name else quoted_id(self.id)

    @cached_property
    def profile(self) -> Profile:
        """Its subscription, plan, country and the user's roles, as far as the details tell."""
        return Profile.of(self.details)

    @cached_property
    def rights(self) -> str:
        """What its user may see, as a digest; empty if that is not known."""
        return digest(self.user, self.details or {})


class Chosen(NamedTuple):
    """What the Account ID comes to: the businesses there are, and the ids that none of them has."""

    businesses: list[Business]
    unknown: list[Business]


def covered_by_sign_in(
    transport: Transport,
    *,
    tries: int = TRIES,
    filters: Mapping[str, str] | None = None,
    tally: Tally | None = None,
) -> list[Business]:
    """The businesses of the user who signed in, in Sage's order. One request for every 500.

    Args:
        transport: asks Sage.
        tries: how often a request that fails is made.
        filters: such as `active_only`; all businesses without.
        tally: where the requests are counted.

    Raises:
        AirbyteTracedException, ListRefused: as the transport says.
    """
    pages = Pages(BUSINESSES_A_PAGE)
    found: dict[str, Business] = {}
    odd = 0
    while (number := pages.wanted()) is not None:
        params = {"page": str(number), "items_per_page": str(BUSINESSES_A_PAGE), **(filters or {})}
        body = transport.get("/businesses", params, dict, list_expected=True, tries=tries, tally=tally).taken
        for item in body["$items"]:
            key, name = (item.get("id"), item.get("displayed_as")) if isinstance(item, dict) else (None, None)
            if isinstance(key, str) and BUSINESS_ID.fullmatch(key):
                found[key] = Business(key, visible(name) if isinstance(name, str) else "")
            else:
                odd += 1
        pages.take(number, Envelope.of(body))
    if odd:  # it would become part of an address and of a header
        logger.warning("Sage named %d businesses with an id that is none; they are left out.", odd)
    return list(found.values())


def chosen(config: SageConfig, covered: Sequence[Business]) -> Chosen:
    """The businesses that the Account ID means.

    Args:
        config: what the user typed.
        covered: what the sign-in covers.

    Raises:
        AirbyteTracedException: config_error; nothing can be chosen, and what there is to choose from.
    """
    if not covered:
        raise config_error(
            "The sign-in covers no business. Sign in to Sage as a user who owns or was invited to the business."
        )
    if config.wants_all_businesses:
        return Chosen(list(covered), [])
    if not config.business_ids:
        if len(covered) == 1:
            return Chosen(list(covered), [])
        raise config_error(
            f"The sign-in covers {len(covered)} businesses and Account ID is empty. Enter the id of one, several with "
            f"commas between them, or `all`: {named(covered)}."
        )
    by_id = {business.id: business for business in covered}
    known = [by_id[one] for one in config.business_ids if one in by_id]
    unknown = [Business(one, "") for one in config.business_ids if one not in by_id]
    return Chosen(known, unknown)


def not_covered(unknown: Sequence[Business], covered: Sequence[Business]) -> AirbyteTracedException:
    """The failure of ids that no business of the sign-in has; names those there are."""
    ids, are = ", ".join(quoted_id(one.id) for one in unknown), "is" if len(unknown) == 1 else "are"
    return config_error(
        f"Account ID {ids} {are} not among the businesses of this sign-in. It covers: {named(covered)}. Enter one of "
        "these ids, or sign in as a user of the other business."
    )


def subscription_ended(business: Business) -> AirbyteTracedException:
    """The failure of a business that Sage says has no active subscription."""
    return config_error(
        f"{business} has no active Sage subscription, so that Sage lets nothing be read from it. Renew it in Sage "
        "under Settings, or take the business out of Account ID (in place of `all`, enter the ids of the others)."
    )


def with_details(
    businesses: Iterable[Business], transport: Transport, workers: int, tally: Tally | None = None
) -> list[Business]:
    """The same businesses with what `/businesses/{id}` says of them; one request each, side by side.

    Args:
        businesses: to ask about.
        transport: asks Sage.
        workers: how many requests at once.
        tally: where the requests are counted.

    Raises:
        AirbyteTracedException: the sign-in does not work any more. Other failures only leave the details unknown.
    """
    with ThreadPoolExecutor(workers, thread_name_prefix="sage-details") as executor:
        found = list(executor.map(lambda business: _with_details(business, transport), businesses))
    if tally is not None:
        tally.requests += sum(own.requests for _, own in found)
        tally.retries += sum(own.retries for _, own in found)
        tally.waited += sum(own.waited for _, own in found)
    return [business for business, _ in found]


def of_user(businesses: Iterable[Business], transport: Transport, tally: Tally | None = None) -> list[Business]:
    """The same businesses with who it is that signed in; one request. Without a good answer that is not known.

    Raises:
        AirbyteTracedException: the sign-in does not work any more.
    """
    told = _told(transport, "/user", "Who signed in is", tally)
    user = str((told or {}).get("id") or "")
    return [replace(business, user=user) for business in businesses]


def _with_details(business: Business, transport: Transport) -> tuple[Business, Tally]:
    tally = Tally()
    what = f"Plan and roles of {business} are"
    details = _told(transport, f"/businesses/{business.id}", what, tally, business.id)
    if details is None:
        return business, tally
    if str(details.get("id") or business.id) != business.id:
        logger.warning("Sage sent another business's details for %s; they are not used.", business)
        return business, tally
    return replace(business, details=details), tally


def _told(
    transport: Transport, path: str, what: str, tally: Tally | None, business_id: str | None = None
) -> dict[str, Any] | None:
    """What one resource says; None without a good answer: `what` is then not known, as a log line says.

    Raises:
        AirbyteTracedException: the sign-in does not work any more.
    """
    try:
        answer = transport.get(path, {}, dict, business_id=business_id, tally=tally, tries=TRIES_FOR_DETAILS)
    except (ListRefused, NoGoodAnswer) as problem:
        logger.info("%s not known beforehand: %s", what, problem)
    except AirbyteTracedException as failure:
        if failure.failure_type is not FailureType.system_error:
            raise  # it is about the sign-in or the app, thus about every business
        logger.info("%s not known beforehand: %s", what, failure.message)
    else:
        return answer.taken
    return None


def named(businesses: Sequence[Business], at_most: int = NAMED_AT_MOST) -> str:
    """Names and ids, as a text; of very many only the first."""
    names = "; ".join(str(business) for business in businesses[:at_most])
    more = len(businesses) - at_most
    return f"{names}; and {more} more" if more > 0 else names
