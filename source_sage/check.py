"""Test Connection: a handful of cheap requests, and an answer a bookkeeper understands."""

from __future__ import annotations

from typing import Any, Final

from source_sage.businesses import Business, chosen, covered_by_sign_in
from source_sage.config import SageConfig
from source_sage.errors import ListRefused, config_error
from source_sage.transport import NoGoodAnswer, Transport

TRIES: Final = 2
# One small list that every plan has, for each toggle of the form.
CHEAP_LISTS: Final = {
    "replicate_financial_data": ("Replicate Financial Data", "/ledger_accounts"),
    "replicate_inventory_data": ("Replicate Inventory Data", "/products"),
    "replicate_customer_data": ("Replicate Customer Data", "/contacts"),
}


def check(config: SageConfig, transport: Transport) -> str:
    """Find out whether a sync with this config would work.

    Returns:
        One sentence that names what was found.

    Raises:
        AirbyteTracedException: it would not; the message says why and what to do.
    """
    businesses = chosen(config, _covered(config, transport))
    for business in businesses:
        _require_subscription(business, transport)
    _require_groups(config, businesses[0], transport)
    return f"Connected to Sage: {'; '.join(str(business) for business in businesses)}."


def _covered(config: SageConfig, transport: Transport) -> list[Business]:
    try:
        return covered_by_sign_in(transport, tries=TRIES)
    except NoGoodAnswer as problem:
        raise config_error(
            f"Sage cannot be reached at {config.endpoints.api}: {problem.internal_message}. Check the API Endpoint "
            "(the usual one is https://api.accounting.sage.com/v3.1) and that this machine may reach it.",
        ) from problem
    except ListRefused as refusal:
        if refusal.status != 404:
            raise config_error(refusal.message) from refusal
        raise config_error(
            f"{config.endpoints.api} does not answer like Sage's API (HTTP {refusal.status} for /businesses). Check "
            "the API Endpoint; the usual one is https://api.accounting.sage.com/v3.1."
        ) from refusal


def _require_subscription(business: Business, transport: Transport) -> None:
    try:
        details = transport.get(f"/businesses/{business.id}", {}, dict, tries=TRIES).taken
    except ListRefused as refusal:
        raise config_error(f"{business} cannot be read (HTTP {refusal.status}). {refusal.message}") from refusal
    subscriptions = [one for one in details.get("subscriptions") or [] if isinstance(one, dict)]
    if subscriptions and not any(_is_alive(one) for one in subscriptions):
        raise config_error(
            f"{business} has no active Sage subscription. Renew it in Sage under Settings, or take the business out "
            "of Account ID."
        )


def _is_alive(subscription: dict[str, Any]) -> bool:
    return bool(subscription.get("active")) and str(subscription.get("status") or "").lower() != "expired"


def _require_groups(config: SageConfig, business: Business, transport: Transport) -> None:
    for toggle, (title, path) in CHEAP_LISTS.items():
        if not getattr(config, toggle):
            continue
        try:
            params = {"items_per_page": "1"}
            transport.get(path, params, dict, business_id=business.id, tries=TRIES, list_expected=True)
        except ListRefused as refusal:
            raise config_error(
                f"{business}: {title} is on, but Sage refuses {path} (HTTP {refusal.status}). {refusal.message} "
                f"Or switch {title} off."
            ) from refusal
