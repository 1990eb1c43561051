"""What a business cannot have, known before anything is asked: by its plan, its country and the user's roles.

Pure. `/businesses/{id}` tells plan, country and roles; `rights.yaml` tells which lists go with which. Sage's ids of
plans and names of roles are known in part only and its own pages contradict each other
(docs/sage-api.md#plans-countries-roles), so a stream is refused beforehand only where what Sage says leaves no doubt.
In doubt it is asked for: a refusal then costs one request, a list wrongly left out would cost rows.
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

from airbyte_cdk.utils.yaml_loader import safe_load_yaml
from pydantic import BaseModel, ConfigDict

from source_sage.streams import PACKAGE

PLANS: Final = ("Start", "Standard", "Plus")
# docs/sage-api.md#businesses. MICRO, the partners' edition of Start, is not in Sage's tables of plans: what it lacks is
# not known.
PLAN_OF_ID: Final = {"START": "Start", "ACCOUNTS": "Standard", "ACCOUNTING_10": "Standard", "ACCOUNTING": "Plus"}
COUNTRY_NAMES: Final = {"GB": "the United Kingdom", "IE": "Ireland", "CA": "Canada", "FR": "France", "ES": "Spain"}
# Sage's tables no longer tell of the countries where it stopped selling: their businesses are asked about.
SOLD_IN: Final = frozenset(("GB", "IE", "CA"))
NO_ACCESS: Final = frozenset(("noaccess", "none"))
# Those fields of a business's details that decide what its user may see (docs/sage-api.md#businesses).
_OF_RIGHTS: Final = {
    "subscriptions": ("id", "active", "status"),
    "user_roles": ("id",),
    "user_permissions": ("area", "role"),
}
LESS_THAN_FULL: Final = frozenset(("readonly", "restrictedaccess")) | NO_ACCESS


class Subscription(Enum):
    """What a business's details say of its subscription."""

    ALIVE = "alive"
    ENDED = "ended"
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class Profile:
    """What is known of a business.

    Attributes:
        subscription: whether it has one that runs.
        plan: one of `PLANS`; empty if it is not clear.
        country: two capital letters; empty if Sage did not say.
        roles: the user's role by area, both in `_plain` spelling.
    """

    subscription: Subscription = Subscription.UNCLEAR
    plan: str = ""
    country: str = ""
    roles: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, details: Mapping[str, Any] | None) -> Profile:
        """Read the answer of `/businesses/{id}`; None and whatever is missing or odd leave doubt."""
        details = details or {}
        told = details.get("subscriptions")
        subscriptions = [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []
        country = details.get("country")
        permissions = details.get("user_permissions")
        roles: dict[str, set[str]] = {}
        for one in permissions if isinstance(permissions, list) else ():
            if isinstance(one, dict):
                roles.setdefault(_plain(one.get("area")), set()).add(_plain(one.get("role")))
        return cls(
            subscription=_standing(subscriptions),
            plan=_plan([one for one in subscriptions if one.get("active") is not False]),
            country=_country(country.get("id")) if isinstance(country, dict) else "",
            # An area with two roles is in doubt.
            roles={area: held.pop() for area, held in roles.items() if len(held) == 1},
        )

    def __str__(self) -> str:
        plan = f"plan {self.plan}" if self.plan else "plan unknown"
        if self.subscription is Subscription.ENDED:
            plan = "no active subscription"
        return ", ".join(filter(None, (plan, COUNTRY_NAMES.get(self.country, self.country))))


@dataclass(frozen=True)
class Refusal:
    """Why a business cannot have a stream.

    Attributes:
        reason: a few words, such as "the plan Start does not include it".
        remedy: a sentence.
        area: the areas that the user has no role in; empty if that is not the reason.
    """

    reason: str
    remedy: str
    area: str = ""


class _Needs(BaseModel):
    """One entry of `rights.yaml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    streams: tuple[str, ...]
    plans: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    areas: tuple[str, ...] = ()
    full_access: bool = False

    def refusal(self, profile: Profile) -> Refusal | None:
        """Why this profile does not have what is needed; None if it has, or may have."""
        if self.plans and profile.plan and profile.plan not in self.plans:
            return Refusal(
                f"the plan {profile.plan} does not include it",
                f"Sage offers it with {_either(self.plans)}: change the plan in Sage, or leave the stream out.",
            )
        if self.countries and profile.country in SOLD_IN and profile.country not in self.countries:
            countries = [COUNTRY_NAMES.get(one, one) for one in self.countries]
            return Refusal(
                f"Sage does not offer it in {COUNTRY_NAMES[profile.country]}",
                f"It exists in {_either(countries)} alone: leave the stream out.",
            )
        too_little = LESS_THAN_FULL if self.full_access else NO_ACCESS
        # Whether all or one of several areas is asked for, Sage's sentences do not make clear: none is clear enough.
        if self.areas and all(profile.roles.get(_plain(area)) in too_little for area in self.areas):
            return self._by_role()
        return None

    def _by_role(self) -> Refusal:
        areas, ask = _either(self.areas), "Ask the owner of the business to grant the person who signed in"
        if self.full_access:
            return Refusal(
                f"reading it takes the role Full Access in {areas}",
                f"{ask} that role, or leave the stream out.",
                areas,
            )
        return Refusal(
            f"the person who signed in has no access to {areas}",
            f"{ask} the role Read Only there, or leave the stream out.",
            areas,
        )


def digest(user: str, details: Mapping[str, Any]) -> str:
    """What the person who signed in may see in a business, as a text that is another one as soon as that is other.

    Args:
        user: their id.
        details: the answer of `/businesses/{id}`: subscriptions, roles, and permissions by area.

    Returns:
        Empty if a part of it is missing: then nobody knows.
    """
    told = [
        sorted([str(one.get(name)) for name in names] for one in _records(details.get(field)))
        for field, names in _OF_RIGHTS.items()
    ]
    if not user or not all(told):
        return ""
    return hashlib.sha256(json.dumps([user, *told]).encode()).hexdigest()[:32]


def _records(told: Any) -> list[dict[str, Any]]:
    """A list of records; nothing if one of them is none."""
    records = told if isinstance(told, list) else []
    return records if all(isinstance(one, dict) for one in records) else []


def refusals(streams: Iterable[str], profile: Profile) -> dict[str, Refusal]:
    """Those of the streams that the business surely cannot have, and why; makes no request.

    Args:
        streams: names.
        profile: of the business.
    """
    found: dict[str, Refusal] = {}
    for name in streams:
        for needs in _needs().get(name, ()):
            if refusal := needs.refusal(profile):
                found[name] = refusal
                break
    return found


@functools.cache
def _needs() -> dict[str, list[_Needs]]:
    entries = safe_load_yaml((PACKAGE / "rights.yaml").read_text(encoding="utf-8"))
    by_stream: dict[str, list[_Needs]] = {}
    for entry in map(_Needs.model_validate, entries):
        for name in entry.streams:
            by_stream.setdefault(name, []).append(entry)
    return by_stream


def _standing(subscriptions: list[dict[str, Any]]) -> Subscription:
    """`active` is what Sage asks clients to look at, yet a sample has it true beside the status `expired`."""
    if not subscriptions:
        return Subscription.UNCLEAR
    if all(one.get("active") is False for one in subscriptions):
        return Subscription.ENDED
    if any(one.get("active") is True and _plain(one.get("status")) != "expired" for one in subscriptions):
        return Subscription.ALIVE
    return Subscription.UNCLEAR


def _plan(subscriptions: list[dict[str, Any]]) -> str:
    """The one plan that all subscriptions name by an id that is known and a title that does not contradict it."""
    plans = set()
    for one in subscriptions:
        plan = PLAN_OF_ID.get(str(one.get("id") or "").upper(), "")
        title = str(one.get("displayed_as") or "")
        others = [other for other in PLANS if other != plan and re.search(rf"\b{other}\b", title, re.IGNORECASE)]
        plans.add("" if others else plan)
    return plans.pop() if len(plans) == 1 else ""


def _plain(text: Any) -> str:
    """Small letters alone: Sage's way of writing roles and areas is known from one example."""
    return re.sub(r"[^a-z]", "", str(text or "").lower().replace("&", "and"))


def _country(told: Any) -> str:
    """A country's two capital letters; empty if it is anything else."""
    return told.upper() if isinstance(told, str) and re.fullmatch(r"[A-Za-z]{2}", told) else ""


def _either(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last
