"""Times of change, as they are compared and as a row holds them."""

from __future__ import annotations

from typing import Any

import pytest

from source_sage.lists.rows import extremes, moment_or_none, second_of


@pytest.mark.parametrize(
    ("stamp", "second"),
    [
        ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00"),
        ("2026-11-23T10:00:00.999Z", "2026-11-23T10:00:00"),
        ("2026-11-23T10:00:00", "2026-11-23T10:00:00"),
        ("2026-11-23", ""),
        ("yesterday", ""),
        ("", ""),
        (None, ""),
        (1_764_000_000, ""),
        (["2026-11-23T10:00:00Z"], ""),
    ],
)
def test_times_are_compared_to_the_second(stamp: Any, second: str) -> None:
    assert second_of(stamp) == second


@pytest.mark.parametrize(
    ("stamps", "ends"),
    [
        ([], []),
        ([None, 7], []),
        (["2026-11-23T10:00:00Z"], ["2026-11-23T10:00:00", "2026-11-23T10:00:00"]),
        (
            ["2026-11-24T10:00:00Z", "2026-11-23T09:59:59Z", None, "2026-11-25T00:00:00.5Z"],
            ["2026-11-23T09:59:59", "2026-11-25T00:00:00"],
        ),
        # What is no time does not count, wherever it would stand in order.
        (["", "2026-11-23T10:00:00Z", "zzz"], ["2026-11-23T10:00:00", "2026-11-23T10:00:00"]),
        (["2026-11-23T10:00:00Z", "2026-11-24T10:00:00Z", "later"], ["2026-11-23T10:00:00", "2026-11-24T10:00:00"]),
        (["0", "yesterday"], []),
    ],
)
def test_the_least_and_the_greatest_time_are_found_among_whatever_comes(stamps: list[Any], ends: list[str]) -> None:
    assert extremes(stamps) == ends
    assert extremes(iter(stamps)) == ends


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        ("2026-11-23T10:00:00Z", "2026-11-23T10:00:00Z"),
        ("2026-11-23T10:00:00", "2026-11-23T10:00:00Z"),
        ("2026-11-23", "2026-11-23T00:00:00Z"),
        ("2026-11-23 10:00:00+01:00", "2026-11-23T10:00:00+01:00"),
        ("", None),
        ("soon", None),
        (None, None),
        (20_261_123, None),
    ],
)
def test_a_moment_of_a_deletion_is_as_a_row_would_hold_it(value: Any, moment: str | None) -> None:
    assert moment_or_none(value) == moment
