from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_sage import emitted
from source_sage.emitted import Emitted

PAGES = st.lists(st.lists(st.integers(0, 60), unique=True, max_size=6), max_size=40)


@pytest.fixture(autouse=True, scope="module")
def small(request: pytest.FixtureRequest) -> None:
    patch = pytest.MonkeyPatch()
    patch.setattr(emitted, "RECENT", 10)
    patch.setattr(emitted, "SEARCHES_BEFORE_A_SET", 3)
    request.addfinalizer(patch.undo)


@given(PAGES)
def test_rows_that_may_have_moved_leave_once(pages: list[list[int]]) -> None:
    left = Emitted()
    seen: set[int] = set()
    for page in pages:
        assert left.note(page, page) == seen & set(page)
        seen |= set(page)


@given(PAGES)
def test_no_row_is_held_back_that_did_not_leave(pages: list[list[int]]) -> None:
    left = Emitted()
    seen: set[int] = set()
    for page in pages:
        assert left.note(page, ()) <= seen & set(page)
        seen |= set(page)


def test_a_row_that_moved_a_little_is_found_without_being_searched_for() -> None:
    left = Emitted()
    for begin in range(0, 100, 10):
        left.note(range(begin, begin + 10), ())
    assert left.note([99, 100], ()) == {99}
    assert left.note([5], ()) == set()
    assert left.note([7], [7]) == {7}
