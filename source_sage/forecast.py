"""What a sync would ask for, found out by asking how long each list is; nothing is read."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from source_sage.api.businesses import Business
from source_sage.api.pages import Envelope
from source_sage.api.transport import Transport
from source_sage.config import SageConfig
from source_sage.errors import ListRefused
from source_sage.lists.state import Checkpoint
from source_sage.streams import StreamFacts

# Beside its pages a list of several is asked what was touched meanwhile, and how long it is.
BESIDE: Final = 2


@dataclass(frozen=True)
class Planned:
    """One list of one business.

    Attributes:
        name: of the list.
        since: from when on it is asked for what changed; empty where it is read whole.
        rows: how many; None if Sage was not asked, or did not say.
        requests: about how many it takes.
        refused: why Sage does not give it, in a few words; empty if it does.
    """

    business: Business
    name: str
    since: str
    rows: int | None
    requests: int
    refused: str = ""


def planned(
    facts: StreamFacts, business: Business, checkpoint: Checkpoint | None, config: SageConfig, transport: Transport
) -> Planned:
    """Ask how much of a list there is to read. Lists that come whole each time are short, and are not asked.

    Raises:
        AirbyteTracedException: Sage cannot be asked.
    """
    since = checkpoint.watermark if checkpoint is not None and checkpoint.covers(config.window) else ""
    if not facts.changes:
        return Planned(business, facts.name, "", None, 1)
    params = {**facts.query, "page": "1", "items_per_page": "1", **_which(facts, config, since)}
    try:
        answer = transport.get(facts.path, params, dict, business_id=business.id, list_expected=True)
    except ListRefused as refusal:
        return Planned(business, facts.name, since, None, 1, refusal.reason)
    rows = Envelope.of(answer.taken).total
    return Planned(business, facts.name, since, rows, _requests(facts, rows or 0, since))


def _requests(facts: StreamFacts, rows: int, since: str) -> int:
    """About how many it takes: a page at least, and what proves several; deletions are asked for in later syncs."""
    pages = max(1, math.ceil(rows / facts.page_size))
    is_asked = facts.tombstones or facts.infers_deletions
    return pages + (BESIDE if pages > 1 else 0) + (1 if since and is_asked else 0)


def _which(facts: StreamFacts, config: SageConfig, since: str) -> dict[str, str]:
    if since:
        return {"updated_or_created_since": since}
    bounds = {"from_date": config.window.start, "to_date": config.window.end} if facts.dates else {}
    return {name: day.isoformat() for name, day in bounds.items() if day is not None}


def told(plan: Iterator[Planned], titles: Mapping[str, str]) -> str:
    """The plan as a text for a person.

    Args:
        plan: in the order in which it is told.
        titles: names of the businesses, by their ids.
    """
    lines: list[str] = []
    business, requests, short = "", 0, 0
    for one in plan:
        if one.business.id != business:
            business = one.business.id
            lines.append(titles.get(business, business))
        if one.rows is None and not one.refused:
            short += 1
            requests += one.requests
            continue
        how = f"refused: {one.refused}" if one.refused else f"{one.rows or 0:>9,} rows, {one.requests:>6,} requests"
        kind = f", what changed since {one.since}" if one.since else ", whole"
        lines.append(f"  {one.name:32}{how}{'' if one.refused else kind}")
        requests += one.requests
    if short:
        lines.append(f"  and {short} short lists that come whole each time, in a request each")
    return "\n".join(
        [*lines, f"About {requests:,} requests in all, and one for each month of trial_balance. Nothing was read."]
    )
