"""Test Connection: a handful of cheap requests, and an answer a bookkeeper understands.

One request lists the businesses. Of one chosen business, its details are asked for and a row of a small list for each
toggle that is on. Of many, that would be a request each: Sage names those that it does not count as active in one
request more, and only a few are looked at, those first. The answer says which.

What one of many businesses lacks does not stop the others, in a sync or here: it is told, and the check fails only
where an id that was typed has no subscription, or where every business that was looked at has something against it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.api.businesses import (
    Business,
    chosen,
    covered_by_sign_in,
    named,
    not_covered,
    subscription_ended,
    with_details,
)
from source_sage.api.rights import Subscription, refusals
from source_sage.api.transport import NoGoodAnswer, NotSagesWord, Transport
from source_sage.clock import DAY
from source_sage.config import SAGE_API, SageConfig
from source_sage.errors import (
    HOST_UNKNOWN,
    NO_ANSWER_IN_TIME,
    TLS_FAILED,
    LimitUsedUp,
    ListRefused,
    config_error,
    some_of,
    transient_error,
)
from source_sage.streams import StreamFacts, streams_of

TRIES: Final = 2
# How long it waits for a request limit, in all.
PATIENCE_SECONDS: Final = 10.0
WORKERS: Final = 4
# Where this machine's day is not the user's.
ANY_TIME_ZONE: Final = DAY
BUSINESSES_FOR_ONE_REQUEST_MORE: Final = 10
LOOKED_AT_MOST: Final = 8
NAMED_AT_MOST: Final = 10
SKIPS_NAMED_AT_MOST: Final = 6
# A small list for each toggle of the form, one that takes the role which the heart of the toggle's streams takes.
CHEAP_LISTS: Final = {
    "replicate_financial_data": ("Replicate Financial Data", "/journals"),
    "replicate_inventory_data": ("Replicate Inventory Data", "/products"),
    "replicate_customer_data": ("Replicate Customer Data", "/sales_invoices"),
}
# Areas without which the best part of a toggle's streams is missing, by a stream that takes a role in just them.
HEARTS: Final = {
    "replicate_financial_data": ("ledger_entries", "bank_accounts", "purchase_invoices"),
    "replicate_inventory_data": ("products",),
    "replicate_customer_data": ("contacts", "sales_invoices"),
}


def require_sense(form: Mapping[str, Any], config: SageConfig, today: dt.date) -> None:
    """See that the form means what it seems to, before anything is asked for.

    Args:
        form: as typed.
        config: the same, understood.
        today: by this machine's clock.

    Raises:
        AirbyteTracedException: config_error; a key is misspelt whose field is missing, or no time is left to read.
    """
    if told := SageConfig.misspelt_in(form).values():
        raise config_error(" ".join(told))
    if config.start_date > today + ANY_TIME_ZONE and not config.include_historical_data:
        raise config_error(
            f"Start Date ({config.start_date}) is in the future: no entry, document or payment of today or earlier "
            "would be read. Enter the first day that you want to read."
        )


def check(config: SageConfig, transport: Transport) -> str:
    """Find out whether a sync with this config would work.

    Returns:
        What was found: the businesses, their plans, what will be skipped and why.

    Raises:
        AirbyteTracedException: it would not; the message says why and what to do.
    """
    try:
        return _checked(config, transport)
    except LimitUsedUp as limit:
        again = "after that time" if limit.is_known else "in some minutes"
        raise transient_error(
            f"Sage answers, but takes no more requests of your app for now (HTTP 429): {limit.when}. Test again "
            f"{again}; all users of an app share its limit, so what you entered may well be right."
        ) from limit


def _checked(config: SageConfig, transport: Transport) -> str:
    covered = _covered(config, transport)
    choice = chosen(config, covered)
    if choice.unknown:
        raise not_covered(choice.unknown, covered)
    businesses = choice.businesses
    inactive = _not_active(businesses, transport)
    sample = _sample(businesses, inactive)
    looked_at = with_details(sample, transport, WORKERS)
    problems = _problems(config, looked_at)
    others = [one for one in businesses if one not in {*sample, *inactive}]
    refused: dict[Business, AirbyteTracedException] = {}
    if set(problems) == set(sample) and others:
        # Perhaps it is not the person but the business: one more look, in place of the small lists.
        looked_at += with_details(others[:1], transport, WORKERS)
        problems = _problems(config, looked_at)
    elif fit := [one for one in looked_at if one not in {*problems, *inactive}] or others[:1]:
        refused = _refused(config, fit[0], transport)
    typed = not config.wants_all_businesses
    for business, problem in problems.items():
        if set(problems) == set(looked_at) or (typed and business.profile.subscription is Subscription.ENDED):
            raise problem
    if refused and len(businesses) == 1:
        raise next(iter(refused.values()))
    return _found(config, businesses, looked_at, inactive, [*problems.values(), *refused.values()])


def _covered(config: SageConfig, transport: Transport) -> list[Business]:
    api = config.endpoints.api
    try:
        return covered_by_sign_in(transport, tries=TRIES)
    except NotSagesWord as problem:
        raise config_error(
            f"{_not_like_sage(api, str(problem.internal_message))} If that is right, a proxy, a firewall or a gateway "
            "answers in Sage's place: ask whoever runs your network."
        ) from problem
    except NoGoodAnswer as problem:
        raise config_error(_unreachable(api, str(problem.internal_message))) from problem
    except ListRefused as refusal:
        if refusal.status != 404:
            raise config_error(
                f"Sage refuses the list of your businesses at {api} ({refusal.reason}). {refusal.message}"
            ) from refusal
        raise config_error(_not_like_sage(api, f"HTTP {refusal.status}")) from refusal


def _not_like_sage(api: str, what: str) -> str:
    return (
        f"{api} does not answer like Sage's API ({what} for /businesses). Check the API Endpoint; the usual one is "
        f"{SAGE_API}."
    )


def _unreachable(api: str, what: str) -> str:
    """Why Sage cannot be reached, by what became of the last request, and what to do."""
    if what == HOST_UNKNOWN:
        return (
            f"There is no such host as the one in {api} ({what}). Check the spelling of the API Endpoint (the usual "
            f"one is {SAGE_API}) and that this machine can look up names on the internet."
        )
    if what == TLS_FAILED:
        return (
            f"{api} cannot be trusted: its certificate is not valid for this machine, or it does not speak https "
            f"({what}). Check the API Endpoint (the usual one is {SAGE_API}). If your network inspects https, give "
            "this machine the network's certificate: name its file in the variable REQUESTS_CA_BUNDLE."
        )
    if what == NO_ANSWER_IN_TIME:
        return (
            f"{api} gave {what}. Check the API Endpoint (the usual one is {SAGE_API}) and that a firewall lets this "
            "machine reach it; if both are right, try again in a few minutes."
        )
    if what.startswith("HTTP "):
        return (
            f"{api} is out of order ({what}). Try again in a few minutes. If it stays like that, check the API "
            f"Endpoint (the usual one is {SAGE_API}) and Sage's status page."
        )
    if what.startswith("the answer"):
        return (
            f"Something answers at {api}, but not like Sage's API ({what}). Check the API Endpoint; the usual one is "
            f"{SAGE_API}."
        )
    return (
        f"Sage cannot be reached at {api}: {what}. Check the API Endpoint (the usual one is {SAGE_API}) and that this "
        "machine may reach it."
    )


def _requests_more(businesses: Sequence[Business]) -> int:
    """How many requests many businesses may cost beyond those of one."""
    return (len(businesses) - 1) // BUSINESSES_FOR_ONE_REQUEST_MORE


def _not_active(businesses: Sequence[Business], transport: Transport) -> list[Business]:
    """Those that Sage does not count as active; none if it does not say, or if they are too few to ask for it."""
    if not _requests_more(businesses):
        return []
    try:
        active = {one.id for one in covered_by_sign_in(transport, tries=TRIES, filters={"active_only": "true"})}
    except (ListRefused, NoGoodAnswer):
        return []
    inactive = [one for one in businesses if one.id not in active]
    # If it were none at all, Sage more likely means something else by the word.
    return inactive if len(inactive) < len(businesses) else []


def _sample(businesses: Sequence[Business], inactive: Sequence[Business]) -> list[Business]:
    """Which to look at: first those that are not active, then others, spread evenly over Sage's order."""
    size = min(max(1, _requests_more(businesses)), LOOKED_AT_MOST)
    doubtful = list(inactive[: max(1, size // 2)])
    others = [one for one in businesses if one not in inactive]
    wanted = min(size - len(doubtful), len(others))
    return doubtful + [others[at * len(others) // wanted] for at in range(wanted)]


def _problems(config: SageConfig, businesses: Iterable[Business]) -> dict[Business, AirbyteTracedException]:
    """Those that a sync would find shut, wholly or in a good part, by what Sage says of them."""
    found: dict[Business, AirbyteTracedException] = {}
    for business in businesses:
        if business.profile.subscription is Subscription.ENDED:
            found[business] = subscription_ended(business)
        elif lack := _lack_of_rights(config, business):
            found[business] = lack
    return found


def _lack_of_rights(config: SageConfig, business: Business) -> AirbyteTracedException | None:
    """That the user has no role in an area which a toggle that is on is about."""
    missing: list[str] = []
    titles: list[str] = []
    for toggle, (title, _) in CHEAP_LISTS.items():
        lacking = refusals(HEARTS[toggle], business.profile).values() if getattr(config, toggle) else ()
        if areas := dict.fromkeys(one.area for one in lacking if one.area):
            titles.append(title)
            missing.append(f"{title} (no access to {' nor to '.join(areas)})")
    if not missing:
        return None
    return config_error(
        f"{business}: the person who signed in has no right to read what is switched on: {' and '.join(missing)}. Ask "
        "the owner of the business to grant that person the role Read Only there, sign in as a user with full access, "
        f"or switch {' and '.join(titles)} off."
    )


def _refused(config: SageConfig, business: Business, transport: Transport) -> dict[Business, AirbyteTracedException]:
    """The business, if one of the small lists is refused to it."""
    known = refusals((path.removeprefix("/") for _, path in CHEAP_LISTS.values()), business.profile)
    wanted = [
        (title, path)
        for toggle, (title, path) in CHEAP_LISTS.items()
        if getattr(config, toggle) and path.removeprefix("/") not in known
    ]

    def ask(path: str) -> ListRefused | None:
        try:
            params = {"items_per_page": "1"}
            transport.get(path, params, dict, business_id=business.id, tries=TRIES, list_expected=True)
        except ListRefused as refusal:
            return refusal
        except NoGoodAnswer as problem:
            raise config_error(
                f"Sage is there, but gave no good answer for {path} of {business} ({problem.internal_message}). It may "
                "be out of order for a while: test again in a few minutes."
            ) from problem
        return None

    with ThreadPoolExecutor(WORKERS, thread_name_prefix="sage-check") as executor:
        answers = list(executor.map(ask, (path for _, path in wanted)))
    told = [(title, path, refusal) for (title, path), refusal in zip(wanted, answers, strict=True) if refusal]
    if not told:
        return {}
    ended = all(refusal.code == "AuthorizationFailure" for _, _, refusal in told) and len(told) == len(wanted) > 1
    if ended and business.profile.subscription is not Subscription.ALIVE:
        return {business: subscription_ended(business)}
    title, path, refusal = told[0]
    return {
        business: config_error(
            f"{business}: {title} is on, but Sage refuses {path} ({refusal.reason}). {refusal.message} Or switch "
            f"{title} off."
        )
    }


def _found(
    config: SageConfig,
    businesses: Sequence[Business],
    looked_at: Sequence[Business],
    inactive: Sequence[Business],
    problems: Iterable[AirbyteTracedException],
) -> str:
    """What is said of a connection that works."""
    streams = streams_of(config)
    sentences = []
    if len(businesses) == 1:
        sentences.append(f"Connected to Sage: {_described(looked_at[0])}.")
    else:
        sentences.append(f"Connected to Sage: {len(businesses)} businesses: {named(businesses, NAMED_AT_MOST)}.")
        sentences.append(f"Looked at {'; '.join(map(_described, looked_at))}; the others are looked at by the sync.")
    if inactive:
        sentences.append(
            f"Sage does not count as active, so that their reading will most likely fail while the others are read: "
            f"{named(inactive)}."
        )
    sentences += [f"Will be missing: {problem.message}" for problem in problems]
    sentences += [
        _skips(business, streams, len(businesses) > 1)
        for business in looked_at
        if business.profile.subscription is not Subscription.ENDED
    ]
    return " ".join(filter(None, sentences))


def _described(business: Business) -> str:
    return f"{business}, {business.profile}" if business.details else str(business)


def _skips(business: Business, streams: Sequence[StreamFacts], several: bool) -> str:
    refused = refusals({name for facts in streams for name in facts.lists}, business.profile)
    by_reason: dict[str, list[str]] = {}
    for facts in streams:
        if facts.lists and all(name in refused for name in facts.lists):
            by_reason.setdefault(refused[facts.lists[0]].reason, []).append(facts.name)
    if not by_reason:
        return ""
    reasons = [f"{some_of(names, SKIPS_NAMED_AT_MOST)} ({reason})" for reason, names in by_reason.items()]
    return f"Will be skipped{f' in {business.name or business.id}' if several else ''}: {'; '.join(reasons)}."
