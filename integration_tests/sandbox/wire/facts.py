"""What is known about Sage's lists: parameters, plans, roles, fields. Read once from docs/sage-lists.json."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

LISTS: Final = Path(__file__).parents[3] / "docs" / "sage-lists.json"

# Fields a live row shows only on request (a flag, a name), or only once it is deleted.
ON_REQUEST: Final = {
    "deleted_at",
    "payments_allocations",
    "balance_details",
    "recurring_invoice",
    "corrections",
    "file",
}


@dataclass(frozen=True)
class Resource:
    """One list or settings object of the API."""

    name: str
    path: str
    is_list: bool
    params: frozenset[str]
    sort: tuple[str, ...]
    since: bool
    deleted_since: bool
    dates: bool
    plans: dict[str, list[str]] | None
    roles: dict[str, Any] | None
    static: bool
    fields: dict[str, str]
    blank: dict[str, Any]

    def sold_to(self, plan: str, country: str) -> bool:
        """Whether a business with this plan in this country may read it."""
        return self.plans is None or country in self.plans.get(plan, [])

    def allowed(self, levels: dict[str, str]) -> bool:
        """Whether a user with these role levels per area may read it."""
        if self.roles is None:
            return True
        held = [levels.get(area, "No Access") in needed for area, needed in self.roles["areas"].items()]
        return any(held) if self.roles["need"] == "any" else all(held)


def blank_value(code: str) -> Any:
    """What an unset field of this type looks like."""
    return {"b": False, "n": "0.0"}.get(code, [] if code.startswith("a") else None)


def blank_row(fields: dict[str, str]) -> dict[str, Any]:
    """Every declared field that a live row shows, unset, in the declared order."""
    return {name: blank_value(code) for name, code in fields.items() if name not in ON_REQUEST}


@cache
def _facts() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(LISTS.read_text("utf-8"))
    return loaded


@cache
def resources() -> dict[str, Resource]:
    """All resources by name."""
    return {
        name: Resource(
            name=name,
            path=raw["path"],
            is_list=raw["kind"] == "list",
            params=frozenset(raw["params"]),
            sort=tuple(raw["sort"]),
            since=raw["since"],
            deleted_since=raw["deleted_since"],
            dates=raw["dates"],
            plans=raw["plans"],
            roles=raw["roles"],
            static=raw["static"],
            fields=raw["fields"],
            # A contact's balance is the one on-request field whose name is an ordinary one elsewhere.
            blank={k: v for k, v in blank_row(raw["fields"]).items() if (name, k) != ("contacts", "balance")},
        )
        for name, raw in _facts()["lists"].items()
    }


@cache
def blank_shape(shape: str) -> dict[str, Any]:
    """An unset nested record (an invoice line, say). Copy before filling."""
    return blank_row(_facts()["shapes"][shape])


def filled(shape: str, **values: Any) -> dict[str, Any]:
    """A whole nested record with these values."""
    return {**blank_shape(shape), **values}
