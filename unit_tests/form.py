"""A filled-in form, for the tests that need one."""

from typing import Any

SECRETS = ("the-client-secret", "the-access-token", "the-refresh-token")


def a_form(**changes: Any) -> dict[str, Any]:
    """A form that is accepted, with some fields changed."""
    return {
        "client_id": "the-client-id",
        "client_secret": "the-client-secret",
        "access_token": "the-access-token",
        "refresh_token": "the-refresh-token",
        "start_date": "2024-01-01",
    } | changes


def a_form_without(*fields: str) -> dict[str, Any]:
    """The same form with some fields left out."""
    return {name: value for name, value in a_form().items() if name not in fields}
