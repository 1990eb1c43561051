"""Keys beside a plain set, and what they weigh."""

from __future__ import annotations

import itertools
import random
import sys
import tracemalloc
from collections.abc import Iterable, Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_sage.lists import keys
from source_sage.lists.keys import LATEST, TIMES_THE_NEXT, Keys, hash_of

HASHES = st.integers(0, 40) | st.sampled_from([-(2**63), -(2**63) + 1, -1, 2**63 - 2, 2**63 - 1])
PAGES = st.lists(st.sets(HASHES, max_size=6), max_size=40)


@pytest.fixture
def small() -> Iterator[None]:
    """So that a few keys are in several arrays; the tests of many keys below cross LATEST as it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "LATEST", 3)
        yield


def filled(pages: Iterable[set[int]]) -> tuple[Keys, set[int]]:
    held, known = Keys(), set[int]()
    for page in pages:
        held.add(page - held.held(page))
        known |= page
    return held, known


def arrays(held: Keys) -> list[int]:
    return [one.size for one in held._sorted]


@pytest.mark.usefixtures("small")
class TestFewKeysInManyArrays:
    @given(PAGES)
    def test_they_are_a_set(self, pages: list[set[int]]) -> None:
        held, known = Keys(), set[int]()
        for page in pages:
            assert held.held(page) == known & page
            held.add(page - known)
            known |= page
            assert len(held) == len(known)
        assert held.held(known) == known
        assert held.held([]) == set()

    @given(PAGES, PAGES)
    def test_what_two_hold_is_counted(self, some: list[set[int]], others: list[set[int]]) -> None:
        (one, first), (other, second) = filled(some), filled(others)
        assert one.common(other) == other.common(one) == len(first & second)

    @given(PAGES, PAGES)
    def test_one_takes_over_what_another_holds(self, some: list[set[int]], others: list[set[int]]) -> None:
        one, first = filled(some)
        other, second = filled([page - first for page in others])
        one.absorb(other)
        assert one.held(first | second) == first | second
        assert len(one) == len(first) + len(second)
        assert len(other) == 0 and other.held(second) == set()
        # The one that is empty now can be filled anew without a word to the one that took over.
        other.add({41})
        assert not one.held({41}) and other.held({41})

    @given(st.lists(PAGES, max_size=8))
    def test_slice_by_slice_nothing_is_lost(self, slices: list[list[set[int]]]) -> None:
        total, known = Keys(), set[int]()
        for pages in slices:
            one, held = filled([page - known for page in pages])
            total.absorb(one)
            known |= held
        assert total.held(known) == known and len(total) == len(known)


# At their real size.


@pytest.mark.parametrize("count", [LATEST - 1, LATEST, LATEST + 1, 5 * LATEST + 7])
def test_they_are_exact_on_both_sides_of_where_they_are_sorted(count: int) -> None:
    hashes = [hash_of(f"key {number}") for number in range(count)]
    held = Keys()
    for first in range(0, count, 200):
        page = hashes[first : first + 200]
        assert held.held(page) == set()
        held.add(page)
        assert held.held(page) == set(page)
    assert len(held) == count
    assert held.held(hashes) == set(hashes)
    assert held.held([hash_of(f"other {number}") for number in range(count)]) == set()


def test_a_page_of_more_keys_than_are_kept_apart_is_as_exact() -> None:
    many = set(range(0, 4 * LATEST, 2))
    held = Keys()
    held.add(many)
    assert held.held(range(4 * LATEST)) == many


def test_arrays_are_few_however_many_keys_there_are() -> None:
    held = Keys()
    for first in range(0, 40 * LATEST, LATEST):
        held.add(range(first, first + LATEST))
        sizes = arrays(held)
        assert all(long >= TIMES_THE_NEXT * short for long, short in itertools.pairwise(sizes))
    assert len(held) == 40 * LATEST and len(arrays(held)) <= 4


def test_slices_of_any_length_leave_few_arrays() -> None:
    seed = random.Random(1)  # noqa: S311 (no secret)
    total, first = Keys(), 0
    for _ in range(60):
        one, length = Keys(), seed.choice([1, 300, 5_000, 20_000, 40_000])
        one.add(range(first, first + length))
        first += length
        total.absorb(one)
    assert len(total) == first and len(arrays(total)) <= 5
    assert total.held(range(first + 10)) == set(range(first))


def test_days_of_many_rows_leave_few_arrays() -> None:
    total = Keys()
    total.add(range(-LATEST, 0))
    for first in range(0, 48 * LATEST, 4 * LATEST):
        one = Keys()
        for begin in range(first, first + 4 * LATEST, LATEST):
            one.add(range(begin, begin + LATEST))
        total.absorb(one)
    assert len(arrays(total)) <= 4


def test_a_key_weighs_eight_bytes() -> None:
    held, count = Keys(), 64 * LATEST
    tracemalloc.start()
    try:
        for first in range(0, count, LATEST):
            held.add([hash(str(number)) for number in range(first, first + LATEST)])
        weight, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(one.nbytes for one in held._sorted) == 8 * count
    assert weight < 8 * count + 500_000
    # While two arrays become one there is room for the shorter of them beside, and for the newest keys as a set.
    assert most < 8 * count * (1 + 1 / TIMES_THE_NEXT) + 200 * LATEST


def test_arrays_hold_whole_hashes() -> None:
    extremes = {-(2**63), 2**63 - 1, -1, 0}
    held = Keys()
    held.add(extremes | set(range(1, LATEST)))
    assert [one.dtype for one in held._sorted] == [np.dtype("int64")]
    assert held.held(extremes) == extremes
    assert sys.hash_info.width == 64, "what is kept of a key would not tell millions of them apart"


def test_a_number_and_its_text_are_one_key() -> None:
    assert hash_of(7) == hash_of("7") != hash_of("8")
