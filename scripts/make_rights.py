"""Write which plans, countries and roles Sage gives a list to: `source_sage/rights.yaml`.

    python scripts/make_rights.py STREAMS_JSON

Only what narrows a list down is written; a list that no line names is open to every plan, country and role.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from source_sage.rights import PLANS, SOLD_IN
from source_sage.streams import every_stream

TARGET = Path(__file__).parent.parent / "source_sage" / "rights.yaml"
HEAD = """\
# Which plans, countries and roles Sage gives a list to; a list that no line names is open to all of them.
# Made by scripts/make_rights.py from what Sage says of each list (docs/sage-api.md#plans-countries-roles).
# The facts of a line:
#   plans        the list is part of these plans alone
#   countries    Sage offers it in these countries alone
#   areas        the user must have a role in one of these areas
#   full_access  ... and the role must be Full Access, even for reading
"""


def areas_of(text: str | None) -> tuple[str, ...]:
    """The areas that a sentence of Sage's about roles names, in its order."""
    return tuple(re.findall(r"`([^`]+)`", text or ""))


def facts_of(entry: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """What narrows one list down, a line for each kind of fact."""
    sold: dict[str, list[str]] | None = entry["availability_2025"]
    if sold:
        plans = [plan for plan in PLANS if sold.get(plan)]
        countries = sorted({country for some in sold.values() for country in some})
        if len(plans) < len(PLANS):
            yield {"plans": plans}
        if not set(countries) >= SOLD_IN:
            yield {"countries": countries}
    if areas := areas_of(entry["roles"]):
        lesser = re.search(r"Read Only|Restricted Access", entry["roles"])
        yield {"areas": sorted(areas), **({} if lesser else {"full_access": True})}


def main(streams_json: str) -> None:
    """Read the facts, write those of our streams, each set of facts once."""
    source = json.loads(Path(streams_json).read_text("utf-8"))
    ours = every_stream()
    grouped: dict[str, list[str]] = {}
    for entry in source["lists"] + source["singletons"]:
        if entry["in_swagger_2025"] and entry["stream"] in ours:
            for facts in facts_of(entry):
                grouped.setdefault(json.dumps(facts), []).append(entry["stream"])
    blocks = []
    for key, streams in sorted(grouped.items()):
        facts = [f"  {name}: {_flow(value)}" for name, value in json.loads(key).items()]
        blocks.append("\n".join(["-" + facts[0][1:], *facts[1:], *_wrapped(sorted(streams))]))
    TARGET.write_text(HEAD + "\n".join(blocks) + "\n", "utf-8")
    sys.stdout.write(f"{TARGET}: {len(blocks)} lines of facts\n")


def _flow(value: Any) -> str:
    return f"[{', '.join(value)}]" if isinstance(value, list) else str(value).lower()


def _wrapped(streams: list[str]) -> list[str]:
    one_line = f"  streams: [{', '.join(streams)}]"
    return [one_line] if len(one_line) <= 120 else ["  streams:", *(f"    - {name}" for name in streams)]


if __name__ == "__main__":
    main(sys.argv[1])
