import datetime as dt
from typing import Any

import pytest
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams import NO_CURSOR_STATE_KEY
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from source_sage.clock import utc_text
from source_sage.config import Window
from source_sage.state import Place, StreamState

MOMENTS = st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2100, 1, 1), timezones=st.just(dt.UTC)).map(utc_text)
WINDOWS = st.builds(Window, st.none() | st.dates(), st.none() | st.dates())
PLACES = st.builds(Place.for_window, WINDOWS, watermark=MOMENTS) | st.builds(Place.for_window, WINDOWS, began=MOMENTS)


def a_blob(**place: Any) -> dict[str, Any]:
    return {"version": 1, "businesses": {"b1": place}}


def test_the_state_is_small_and_readable() -> None:
    state = StreamState("contacts", {})
    state.move("b1", Place.for_window(Window(dt.date(2024, 1, 1), None), watermark="2026-11-23T10:00:00Z"))
    state.move("b2", Place.for_window(Window(None, dt.date(2024, 6, 30)), began="2026-11-23T10:00:00Z"))
    assert state.blob() == {
        "version": 1,
        "businesses": {
            "b1": {"watermark": "2026-11-23T10:00:00Z", "start": "2024-01-01"},
            "b2": {"began": "2026-11-23T10:00:00Z", "end": "2024-06-30"},
        },
    }


@given(st.dictionaries(st.text(min_size=1), PLACES))
def test_what_was_saved_is_read_back(places: dict[str, Place]) -> None:
    state = StreamState("contacts", {})
    for business, place in places.items():
        state.move(business, place)
    again = StreamState("contacts", state.blob())
    assert {business: again.place(business) for business in places} == places
    assert again.blob() == state.blob()


@pytest.mark.parametrize("blob", [{}, {NO_CURSOR_STATE_KEY: True}])
def test_a_first_sync_and_a_full_refresh_begin_with_no_place(blob: dict[str, Any]) -> None:
    state = StreamState("contacts", blob)
    assert state.place("b1") is None
    assert state.blob() == {"version": 1, "businesses": {}}


def test_a_business_added_later_has_no_place() -> None:
    state = StreamState("contacts", a_blob(watermark="2026-11-23T10:00:00Z"))
    assert state.place("b1") == Place(watermark="2026-11-23T10:00:00Z")
    assert state.place("b2") is None


def test_moving_one_business_leaves_the_others_where_they_are() -> None:
    state = StreamState("contacts", a_blob(began="2026-11-23T10:00:00Z"))
    state.move("b2", Place(watermark="2026-11-24T10:00:00Z"))
    state.move("b2", Place(watermark="2026-11-25T10:00:00Z"))
    assert state.place("b1") == Place(began="2026-11-23T10:00:00Z")
    assert state.place("b2") == Place(watermark="2026-11-25T10:00:00Z")


def test_a_blob_that_was_saved_does_not_move_with_the_state() -> None:
    state = StreamState("contacts", a_blob(watermark="2026-11-23T10:00:00Z"))
    saved = state.blob()
    state.move("b1", Place(watermark="2026-11-25T10:00:00Z"))
    assert saved == a_blob(watermark="2026-11-23T10:00:00Z")


@pytest.mark.parametrize(
    "blob",
    [
        {"version": 0, "businesses": {}},
        {"version": 2, "businesses": {}},
        {"version": "1", "businesses": {}},
        {"version": None, "businesses": {}},
        {"businesses": {}},
        {"version": 1},
        {"updated_at": "2026-11-23T10:00:00Z"},
        {"version": 1, "businesses": None},
        {"version": 1, "businesses": 5},
        {"version": 1, "businesses": "b1"},
        {"version": 1, "businesses": ["b1"]},
        {"version": 1, "businesses": {"b1": None}},
        {"version": 1, "businesses": {"b1": "2026-11-23T10:00:00Z"}},
        a_blob(),
        a_blob(start="2024-01-01"),
        a_blob(watermark="", began=""),
        a_blob(watermark="yesterday"),
        a_blob(watermark="2026-13-23T10:00:00Z"),
        a_blob(watermark=1795000000),
        a_blob(watermark=None),
        a_blob(began="soon"),
        # Moments that no calendar in UTC holds, or that cannot be counted back from.
        a_blob(watermark="0001-01-01T00:00:00+14:00"),
        a_blob(began="9999-12-31T23:59:59-10:00"),
        a_blob(watermark="0001-01-01T00:00:00Z"),
        a_blob(began="2026-11-23T10:00:00Z", start="01/01/2024"),
        a_blob(began="2026-11-23T10:00:00Z", end="2024-02-30"),
        a_blob(began="2026-11-23T10:00:00Z", end=20240101),
        a_blob(began="2026-11-23T10:00:00Z", page=7),
    ],
)
def test_a_damaged_state_is_refused_with_the_stream_and_the_way_out(blob: dict[str, Any]) -> None:
    with pytest.raises(AirbyteTracedException) as caught:
        StreamState("sales_invoices", blob)
    assert caught.value.failure_type is FailureType.config_error
    assert str(caught.value.message).startswith("The saved state of stream sales_invoices cannot be read")
    assert "Refresh or clear this stream in the connection's settings" in str(caught.value.message)


def test_a_place_must_say_when() -> None:
    with pytest.raises(ValidationError, match="neither watermark nor began"):
        Place(start="2024-01-01")


@given(WINDOWS, WINDOWS, MOMENTS)
def test_a_place_covers_what_its_window_covers(was: Window, wanted: Window, moment: str) -> None:
    assert Place.for_window(was, watermark=moment).covers(wanted) is was.covers(wanted)
