from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integration_tests.sandbox.wire.facts import resources
from source_sage.api.rights import PLANS, SOLD_IN, Profile, Subscription, digest, refusals
from source_sage.streams import every_stream

AREAS = sorted({area for one in resources().values() for area in (one.roles or {"areas": ()})["areas"]})
LEVELS = ["Full Access", "Restricted Access", "Read Only", "No Access"]
PLAN_IDS = {"START": "Start", "ACCOUNTS": "Standard", "ACCOUNTING_10": "Standard", "ACCOUNTING": "Plus"}
STREAMS = [name for name in every_stream() if name in resources()]


def details(
    plan_id: str = "ACCOUNTING", country: str = "GB", roles: dict[str, str] | None = None, **subscription: Any
) -> dict[str, Any]:
    """What Sage says of a business."""
    told: dict[str, Any] = {
        "id": "b1",
        "country": {"id": country, "displayed_as": "somewhere"},
        "subscriptions": [{"id": plan_id, "displayed_as": "", "active": True, "status": "active", **subscription}],
    }
    if roles is not None:
        told["user_permissions"] = [{"area": area, "role": role} for area, role in roles.items()]
    return told


def refused(told: Any, *streams: str) -> dict[str, str]:
    """Reasons by stream."""
    found = refusals(streams or STREAMS, Profile.of(told))
    return {name: refusal.reason for name, refusal in found.items()}


@given(
    st.sampled_from(sorted(PLAN_IDS)),
    st.sampled_from(sorted(SOLD_IN)),
    st.fixed_dictionaries({area: st.sampled_from(LEVELS) for area in AREAS}),
)
def test_what_is_refused_beforehand_is_refused_by_sages_tables(
    plan_id: str, country: str, roles: dict[str, str]
) -> None:
    for name in refused(details(plan_id, country, roles)):
        resource = resources()[name]
        assert not (resource.sold_to(PLAN_IDS[plan_id], country) and resource.allowed(roles)), name


@given(
    st.sampled_from(sorted(PLAN_IDS)), st.sampled_from(sorted(SOLD_IN)), st.sampled_from(["Full Access", "No Access"])
)
def test_what_sages_tables_refuse_is_refused_beforehand(plan_id: str, country: str, level: str) -> None:
    """But for Standard in Canada, where Sage does not sell it: its tables then refuse nearly everything."""
    roles = dict.fromkeys(AREAS, level)
    if (PLAN_IDS[plan_id], country) == ("Standard", "CA"):
        return
    by_tables = {
        name
        for name in STREAMS
        if not (resources()[name].sold_to(PLAN_IDS[plan_id], country) and resources()[name].allowed(roles))
    }
    assert set(refused(details(plan_id, country, roles))) == by_tables


def test_every_line_of_facts_names_streams_that_there_are() -> None:
    from source_sage.api.rights import _needs

    assert set(_needs()) <= set(every_stream())


def test_a_list_that_only_the_largest_plan_has() -> None:
    assert refused(details("START"), "stock_items", "contacts") == {"stock_items": "the plan Start does not include it"}
    (refusal,) = refusals(["stock_items"], Profile.of(details("START"))).values()
    assert refusal.remedy == "Sage offers it with Plus: change the plan in Sage, or leave the stream out."


def test_a_list_of_another_country() -> None:
    assert refused(details(country="IE"), "cis_settings", "tax_schemes") == {
        "cis_settings": "Sage does not offer it in Ireland"
    }
    (refusal,) = refusals(["cis_settings"], Profile.of(details(country="IE"))).values()
    assert refusal.remedy == "It exists in the United Kingdom alone: leave the stream out."


def test_a_role_that_is_missing() -> None:
    told = details(roles={"Journals": "No Access"})
    assert refused(told, "journals", "contacts") == {"journals": "the person who signed in has no access to Journals"}
    (refusal,) = refusals(["journals"], Profile.of(told)).values()
    assert refusal.remedy.endswith(
        "to grant the person who signed in the role Read Only there, or leave the stream out."
    )
    assert refusal.area == "Journals"


def test_a_role_that_is_too_little() -> None:
    told = details(roles={"Statutory reporting": "Read Only"})
    assert refused(told, "tax_returns", "draft_tax_returns") == {
        "tax_returns": "reading it takes the role Full Access in Statutory reporting"
    }


@pytest.mark.parametrize("role", ["Read Only", "Restricted Access", "Full Access", "Approver", "", None])
def test_any_role_but_none_lets_ask(role: Any) -> None:
    assert refused(details(roles={"Journals": role}), "journals") == {}


@pytest.mark.parametrize(("area", "role"), [("products and services", "NO_ACCESS"), ("PRODUCTS_AND_SERVICES", "none")])
def test_other_spellings_of_areas_and_roles_are_understood(area: str, role: str) -> None:
    roles = {area: role, "sales": "no access", "Purchases": "No Access"}
    assert list(refused(details(roles=roles), "products")) == ["products"]


@pytest.mark.parametrize("held", ["Sales", "Purchases", "Contacts"])
def test_one_of_several_areas_is_enough(held: str) -> None:
    roles = {"Sales": "No Access", "Purchases": "No Access", "Contacts": "No Access", held: "Read Only"}
    assert refused(details(roles=roles), "contacts") == {}


DOUBTS: list[Any] = [
    None,
    {},
    {"subscriptions": None, "country": None, "user_permissions": None},
    {"subscriptions": "ACCOUNTING", "country": "GB", "user_permissions": {"area": "Journals", "role": "No Access"}},
    {"subscriptions": [None, 5], "country": {}, "user_permissions": [None, "Journals", {}]},
    details("MICRO", "US", {}),
    details("", "", {"Everything": "No Access"}),
    details("START", "FR", {"Journals": "Unknown"}, displayed_as="Sage Accounting Plus"),
    details("ACCOUNTING_2031", "JE", {"Journals": "No Access, yet"}),
    {"subscriptions": [{"id": "START"}, {"id": "PAYROLL"}]},
    {"subscriptions": [{"id": "START", "active": True}, {"id": "ACCOUNTING", "active": True}]},
    {"user_permissions": [{"area": "Journals", "role": "No Access"}, {"area": "Journals", "role": "Read Only"}]},
]


@pytest.mark.parametrize("told", DOUBTS)
def test_in_doubt_everything_is_asked_for(told: Any) -> None:
    assert refused(told) == {}


def test_an_old_subscription_beside_the_one_that_runs_tells_nothing() -> None:
    told = details()
    told["subscriptions"].append({"id": "START", "active": False, "status": "expired"})
    assert Profile.of(told).plan == "Plus"
    assert Profile.of(told).subscription is Subscription.ALIVE


@pytest.mark.parametrize(
    ("subscriptions", "standing"),
    [
        ([{"active": True, "status": "active"}], Subscription.ALIVE),
        ([{"active": True}], Subscription.ALIVE),
        ([{"active": False, "status": "active"}], Subscription.ENDED),
        ([{"active": False}, {"active": False}], Subscription.ENDED),
        ([{"active": True, "status": "expired"}], Subscription.UNCLEAR),
        ([{"active": None, "status": "expired"}], Subscription.UNCLEAR),
        ([{"status": "active"}], Subscription.UNCLEAR),
        ([], Subscription.UNCLEAR),
        (None, Subscription.UNCLEAR),
    ],
)
def test_only_a_clear_no_ends_a_subscription(subscriptions: Any, standing: Subscription) -> None:
    assert Profile.of({"subscriptions": subscriptions}).subscription is standing


@pytest.mark.parametrize(
    ("told", "text"),
    [
        (details(), "plan Plus, the United Kingdom"),
        (details("MICRO", "CA"), "plan unknown, Canada"),
        (details("START", "ZA"), "plan Start, ZA"),
        (details(active=False), "no active subscription, the United Kingdom"),
        (None, "plan unknown"),
    ],
)
def test_a_profile_says_plan_and_country(told: Any, text: str) -> None:
    assert str(Profile.of(told)) == text


def test_the_plans_are_those_of_sages_tables() -> None:
    assert set(PLANS) == {plan for one in resources().values() for plan in one.plans or ()}


# The digest of what a user may see.


def full(**differing: Any) -> dict[str, Any]:
    told = details(roles=dict.fromkeys(AREAS, "Full Access"), **differing)
    return {**told, "user_roles": [{"id": "OWNER", "displayed_as": "Owner"}]}


def test_the_digest_is_the_same_whatever_the_order_and_whatever_else_is_told() -> None:
    told = full()
    other = {**told, "name": "B", "user_permissions": told["user_permissions"][::-1]}
    other["subscriptions"] = [{**told["subscriptions"][0], "updated_at": "2026-11-24T10:00:00Z"}]
    assert digest("u", told) == digest("u", other) != ""


@pytest.mark.parametrize(
    "other",
    [
        full(plan_id="START"),
        full(active=False),
        full(status="expired"),
        {**full(), "user_roles": [{"id": "ACCOUNTANT"}]},
        {**full(), "user_permissions": [*full()["user_permissions"][1:], {"area": AREAS[0], "role": "No Access"}]},
        {**full(), "user_permissions": full()["user_permissions"][1:]},
    ],
)
def test_the_digest_differs_as_soon_as_the_rights_do(other: dict[str, Any]) -> None:
    assert digest("u", other) not in ("", digest("u", full()))


def test_another_user_has_another_digest() -> None:
    assert digest("u", full()) != digest("v", full())


@pytest.mark.parametrize("name", ["subscriptions", "user_roles", "user_permissions"])
@pytest.mark.parametrize("told", [None, [], {}, "all", ["all"]])
def test_without_a_part_of_them_the_rights_are_not_known(name: str, told: Any) -> None:
    assert digest("u", {**full(), name: told}) == ""


def test_without_a_user_the_rights_are_not_known() -> None:
    assert digest("", full()) == digest("u", {}) == ""
