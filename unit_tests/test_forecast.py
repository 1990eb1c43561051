"""About how many requests a sync takes, as `sync --dry-run` tells it."""

from __future__ import annotations

import pytest

from source_sage.api.businesses import Business
from source_sage.forecast import Planned, _requests, told
from source_sage.streams import every_stream

LATER = "2026-11-23T10:00:00Z"


@pytest.mark.parametrize(
    ("name", "rows", "since", "requests"),
    [
        ("contacts", 0, "", 1),
        ("contacts", 200, "", 1),
        ("contacts", 201, "", 4),
        ("contacts", 3, LATER, 2),  # one for what was deleted
        ("ledger_accounts", 3, LATER, 2),  # one for its length, which tells whether some were
    ],
)
def test_requests(name: str, rows: int, since: str, requests: int) -> None:
    assert _requests(every_stream()[name], rows, since) == requests


def test_the_plan_is_told_by_business_with_a_sum() -> None:
    one = Business("0" * 32, "Juniper & Pike Ltd")
    plan = [
        Planned(one, "contacts", "", 27, 1),
        Planned(one, "journals", LATER, 3, 2),
        Planned(one, "legal_form_types", "", None, 0, "Sage does not offer it here"),
        Planned(one, "countries", "", None, 1),
    ]
    lines = told(iter(plan), {one.id: "Juniper & Pike Ltd"}).splitlines()
    assert lines[0] == "Juniper & Pike Ltd"
    assert lines[1].split() == ["contacts", "27", "rows,", "1", "requests,", "whole"]
    assert lines[2].endswith(f"2 requests, what changed since {LATER}")
    assert lines[3].endswith("refused: Sage does not offer it here")
    assert lines[4] == "  and 1 short lists that come whole each time, in a request each"
    assert lines[5].startswith("About 4 requests in all")
