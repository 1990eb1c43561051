"""What differs, and where to look for it: on lists in memory."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from source_sage.comparing.differences import (
    DAY,
    DOUBLED,
    GONE,
    MISSING,
    OTHER,
    STALE,
    Difference,
    Span,
    accounts_apart,
    differing,
    grouped,
    narrowed,
    unequal_months,
)

FIRST = dt.date(2024, 1, 1)
DAYS = [FIRST + DAY * place for place in range(400)]
COUNTS = st.lists(st.sampled_from([0, 1, 7, 150, 300]), min_size=len(DAYS), max_size=len(DAYS))


def inside(span: Span, day: dt.date) -> bool:
    return (span.first is None or span.first <= day) and (span.last is None or day <= span.last)


@given(COUNTS, st.dictionaries(st.integers(0, len(DAYS) - 1), st.integers(1, 5), max_size=3))
def test_every_day_that_lacks_rows_is_read_and_few_others(there: list[int], lost: dict[int, int]) -> None:
    here = [max(0, count - lost.get(place, 0)) for place, count in enumerate(there)]
    asked = []

    def count(span: Span) -> tuple[int, int]:
        asked.append(span)
        days = [place for place, day in enumerate(DAYS) if inside(span, day)]
        return sum(there[place] for place in days), sum(here[place] for place in days)

    everything = Span(None, None)
    spans = list(narrowed(everything, (DAYS[0], DAYS[-1]), (sum(there), sum(here)), count))
    for place, day in enumerate(DAYS):
        if there[place] != here[place]:
            assert any(inside(span, day) for span in spans)
    assert len(spans) <= len(lost)
    assert len(asked) <= 10 * len(lost)


def test_equal_numbers_ask_nothing() -> None:
    assert not list(narrowed(Span(None, None), (DAYS[0], DAYS[-1]), (9, 9), lambda span: (0, 1)))


def test_rows_are_compared_by_version_and_then_by_value() -> None:
    there = {one: {"updated_at": "2", "total": 1.0} for one in "abcd"}
    here = {
        "a": {"updated_at": "2", "total": 1.0},
        "b": {"updated_at": "1", "total": 1.0},
        "c": {"updated_at": "2", "total": 2.0},
        "ghost": {"updated_at": "2", "total": 1.0},
    }
    assert list(differing(there, here, whole=True)) == [
        (STALE, "b", ""),
        (OTHER, "c", "total"),
        (MISSING, "d", ""),
        (GONE, "ghost", ""),
    ]
    assert GONE not in {kind for kind, _, _ in differing(there, here, whole=False)}


def test_what_is_missing_here_and_too_much_there_has_moved() -> None:
    (told,) = grouped("journals", [(MISSING, "a", ""), (GONE, "a", "")], lambda key: "2024-05")
    assert str(told) == "journals of 2024-05: 1 row the same version with other values (date): a"


def test_a_bookkeeper_can_read_it() -> None:
    ids = tuple(f"{place:02}" for place in range(12))
    told = str(Difference("contacts", DOUBLED, "", ids))
    assert told == f"contacts: 12 rows more than once in the warehouse: {', '.join(ids[:10])} and 2 more"


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=40))
def test_months_are_found_by_halves(off: list[int]) -> None:
    """Differences that cancel out over a longer time are not found so."""

    def here(first: int, last: int) -> dict[str, Decimal]:
        return {"bank": Decimal(sum(map(abs, off[first : last + 1])))}

    def there(first: int, last: int) -> dict[str, Decimal]:
        return {}

    assert list(unequal_months(range(len(off)), there, here)) == [place for place, one in enumerate(off) if one]


def test_sums_differ_from_a_millionth_on() -> None:
    assert accounts_apart({"a": Decimal("0.1")}, {"a": Decimal("0.1000009"), "b": Decimal(0)}) == []
    assert accounts_apart({"a": Decimal("0.1")}, {"b": Decimal("0.01")}) == ["a", "b"]
