"""Forty businesses of an accountant: plans, countries, roles and subscriptions of every kind, some contradictory."""

from __future__ import annotations

from typing import Any, Final

SEED: Final = 40
COUNTRIES: Final = ("GB", "IE", "CA")
# Standard is not sold in Canada.
PLANS: Final = {
    "GB": ("Plus", "Standard", "Start"),
    "IE": ("Standard", "Start", "Plus"),
    "CA": ("Start", "Plus"),
}
# One each, far enough from each other that they meet different plans and countries.
PECULIAR: Final[dict[int, dict[str, Any]]] = {
    3: {"active": False, "status": "expired"},
    5: {"roles": {"Journals": "No Access"}},
    8: {"roles": {"Sales": "No Access", "Contacts": "No Access"}},
    10: {"roles": {"Purchases": "No Access", "Bank": "No Access"}},
    12: {"roles": {"Journals": "No Access"}, "tells_roles": False},
    13: {"tells_roles": False},
    15: {"plan_id": "MICRO"},
    17: {"roles": {"Statutory reporting": "Read Only", "Settings": "Read Only"}},
    20: {"active": True, "status": "expired"},
    22: {"active": False, "status": "cancelled"},
    24: {"plan_id": "ACCOUNTING_10"},
    26: {"roles": {"Products & Services": "Restricted Access", "Sales": "Restricted Access"}},
    29: {"roles": {"Reporting": "No Access"}},
    31: {"plan_id": "A_PLAN_OF_NEXT_YEAR"},
    33: {"roles": {"Products & Services": "No Access", "Sales": "No Access", "Purchases": "No Access"}},
    36: {"roles": {"Everything": "Some Access"}},
}
ENDED: Final = tuple(number for number, wish in PECULIAR.items() if wish.get("active") is False)


def forty_businesses() -> list[dict[str, Any]]:
    """What each business is like, for `Sandbox(businesses=...)`."""
    wishes: list[dict[str, Any]] = []
    for number in range(40):
        country = COUNTRIES[number % len(COUNTRIES)]
        plans = PLANS[country]
        plan = plans[number // len(COUNTRIES) % len(plans)]
        wish = {"country": country, "plan": plan, **PECULIAR.get(number, {})}
        if wish.get("plan_id") == "ACCOUNTING_10":
            wish["plan"], wish["country"] = "Standard", "GB"
        wishes.append(wish)
    return wishes
