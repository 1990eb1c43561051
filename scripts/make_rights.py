"""Which plans, countries and roles Sage gives a list to, as `source_sage/rights.yaml` says it.

Made of docs/sage-lists.json. Only what narrows a list down is written; a list that no line names is open to every plan,
country and role. scripts/make_schemas.py writes it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from source_sage.api.rights import PLANS, SOLD_IN
from source_sage.streams import PACKAGE, every_stream

LISTS: Final = Path(__file__).parents[1] / "docs" / "sage-lists.json"
HEAD: Final = """\
# Which plans, countries and roles Sage gives a list to; a list that no line names is open to all of them.
# Made by scripts/make_schemas.py of docs/sage-lists.json (docs/sage-api.md#plans-countries-roles).
# The facts of a line:
#   plans        the list is part of these plans alone
#   countries    Sage offers it in these countries alone
#   areas        the user must have a role in one of these areas
#   full_access  ... and the role must be Full Access, even for reading
"""


def facts_of(known: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """What narrows one list down, a line for each kind of fact."""
    sold: dict[str, list[str]] | None = known["plans"]
    if sold:
        plans = [plan for plan in PLANS if sold.get(plan)]
        countries = sorted({country for some in sold.values() for country in some})
        if len(plans) < len(PLANS):
            yield {"plans": plans}
        if not set(countries) >= SOLD_IN:
            yield {"countries": countries}
    if roles := known["roles"]:
        lesser = any(level != "Full Access" for levels in roles["areas"].values() for level in levels)
        yield {"areas": sorted(roles["areas"]), **({} if lesser else {"full_access": True})}


def documents() -> dict[Path, str]:
    """The text of the file: each set of facts once, with the streams that it is about."""
    known = json.loads(LISTS.read_text("utf-8"))["lists"]
    grouped: dict[str, list[str]] = {}
    for name in sorted(every_stream().keys() & known.keys()):
        for facts in facts_of(known[name]):
            grouped.setdefault(json.dumps(facts), []).append(name)
    blocks = []
    for key, streams in sorted(grouped.items()):
        facts = [f"  {name}: {_flow(value)}" for name, value in json.loads(key).items()]
        blocks.append("\n".join(["-" + facts[0][1:], *facts[1:], *_wrapped(streams)]))
    return {PACKAGE / "rights.yaml": HEAD + "\n".join(blocks) + "\n"}


def _flow(value: Any) -> str:
    return f"[{', '.join(value)}]" if isinstance(value, list) else str(value).lower()


def _wrapped(streams: list[str]) -> list[str]:
    one_line = f"  streams: [{', '.join(streams)}]"
    return [one_line] if len(one_line) <= 120 else ["  streams:", *(f"    - {name}" for name in streams)]
