import datetime as dt
import json
from typing import Any, Final

import pytest
from airbyte_cdk.models import FailureType
from airbyte_cdk.sources.streams import NO_CURSOR_STATE_KEY
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from source_sage.clock import utc_text
from source_sage.config import SAGE_HOST, Window
from source_sage.lists.cuts import remaining
from source_sage.lists.known_keys import STATE_BYTES, KeptKeys
from source_sage.lists.page_sizes import FIRST_WAIT, LONGEST_WAIT, SmallerPages
from source_sage.lists.state import RANGES_AT_MOST, Checkpoint, StreamState, Whole

MOMENTS = st.datetimes(dt.datetime(2000, 1, 1), dt.datetime(2100, 1, 1), timezones=st.just(dt.UTC)).map(utc_text)
WINDOWS = st.builds(Window, st.none() | st.dates(), st.none() | st.dates())
WHOLES = st.builds(Whole.of, WINDOWS, MOMENTS, st.lists(WINDOWS, max_size=4), of_changes=st.booleans())
REACHED = st.builds(Checkpoint.for_window, WINDOWS, MOMENTS)
PAGES = st.builds(
    SmallerPages, rows=st.integers(1, 200), full=st.integers(0, 99), wait=st.integers(FIRST_WAIT, LONGEST_WAIT)
)
UNDER_WAY = st.builds(Checkpoint, whole=WHOLES) | st.builds(Checkpoint.reading, REACHED, WHOLES)
SEEN = st.dictionaries(MOMENTS, st.lists(st.text(min_size=1), min_size=1, max_size=3).map(tuple), max_size=3)
KEYS = st.builds(KeptKeys, rights=st.text(min_size=1), read_at=st.just("") | MOMENTS, seen=SEEN)
ASKING = st.builds(Checkpoint.asking, REACHED | UNDER_WAY, st.none() | PAGES)
CHECKPOINTS = st.builds(Checkpoint.knowing, ASKING, st.none() | KEYS)
MOMENT: Final = "2026-11-23T10:00:00Z"


def a_blob(**checkpoint: Any) -> dict[str, Any]:
    return {"version": 2, "endpoint": SAGE_HOST, "businesses": {"b1": checkpoint}}


def of_before(**checkpoint: Any) -> dict[str, Any]:
    return {"version": 1, "businesses": {"b1": checkpoint}}


def a_state(blob: dict[str, Any] | None = None, endpoint: str = SAGE_HOST) -> StreamState:
    return StreamState("contacts", blob or {}, endpoint)


def test_the_state_is_small_and_readable() -> None:
    state = a_state()
    state.move("b1", Checkpoint.for_window(Window(dt.date(2024, 1, 1), None), MOMENT))
    whole = Whole.of(Window(None, dt.date(2024, 6, 30)), MOMENT, [Window(None, dt.date(2021, 3, 31))])
    state.move("b2", Checkpoint(whole=whole))
    state.move("b3", Checkpoint.for_window(Window(dt.date(2024, 1, 1), None), MOMENT).reading(whole))
    heavy = Checkpoint(watermark=MOMENT).asking(SmallerPages(rows=50, full=3, wait=16))
    state.move("b4", heavy)
    told = {"began": MOMENT, "end": "2024-06-30", "done": ((None, "2021-03-31"),)}
    assert state.blob() == {
        "version": 2,
        "endpoint": "api.accounting.sage.com",
        "businesses": {
            "b1": {"watermark": MOMENT, "start": "2024-01-01"},
            "b2": {"whole": told},
            "b3": {"watermark": MOMENT, "start": "2024-01-01", "whole": told},
            "b4": {"watermark": MOMENT, "pages": {"rows": 50, "full": 3, "wait": 16}},
        },
    }


def test_the_state_of_a_list_of_any_length_stays_small() -> None:
    day = dt.date(2020, 1, 1)
    ranges = [Window(day + dt.timedelta(2 * step), day + dt.timedelta(2 * step)) for step in range(5_000)]
    state = a_state()
    state.move("b1", Checkpoint(whole=Whole.of(Window(None, None), MOMENT, []).with_done(ranges)))
    assert len(json.dumps(state.blob())) < 2_000


@given(st.dictionaries(st.text(min_size=1), CHECKPOINTS))
def test_what_was_saved_is_read_back(checkpoints: dict[str, Checkpoint]) -> None:
    state = a_state()
    for business, checkpoint in checkpoints.items():
        state.move(business, checkpoint)
    # The platform keeps JSON.
    again = a_state(json.loads(json.dumps(state.blob())))
    assert {business: again.checkpoint(business) for business in checkpoints} == checkpoints
    assert again.blob() == state.blob()


def test_the_keys_of_all_businesses_share_one_room() -> None:
    state, keys = a_state(), KeptKeys(rights="r", seen={MOMENT: ("a" * 32,) * 1_000})
    assert state.room_for_keys("b1") == STATE_BYTES
    for business in ("b1", "b2", "b3"):
        state.move(business, Checkpoint(watermark=MOMENT, keys=keys))
    state.move("b4", Checkpoint(watermark=MOMENT))
    assert state.room_for_keys("b1") == STATE_BYTES - 2 * keys.size
    assert state.room_for_keys("b4") == STATE_BYTES - 3 * keys.size
    assert 3 * keys.size <= len(json.dumps(state.blob(), separators=(",", ":"))) < 3 * keys.size + 1_000


@pytest.mark.parametrize("blob", [{}, {NO_CURSOR_STATE_KEY: True}])
def test_a_first_sync_and_a_full_refresh_begin_without_a_checkpoint(blob: dict[str, Any]) -> None:
    state = a_state(blob)
    assert state.checkpoint("b1") is None
    assert state.blob() == {"version": 2, "endpoint": SAGE_HOST, "businesses": {}}


def test_a_business_added_later_has_no_checkpoint() -> None:
    state = a_state(a_blob(watermark=MOMENT))
    assert state.checkpoint("b1") == Checkpoint(watermark=MOMENT)
    assert state.checkpoint("b2") is None


def test_moving_one_business_leaves_the_others_where_they_are() -> None:
    state = a_state(a_blob(watermark=MOMENT))
    state.move("b2", Checkpoint(watermark="2026-11-24T10:00:00Z"))
    state.move("b2", Checkpoint(watermark="2026-11-25T10:00:00Z"))
    assert state.checkpoint("b1") == Checkpoint(watermark=MOMENT)
    assert state.checkpoint("b2") == Checkpoint(watermark="2026-11-25T10:00:00Z")


def test_a_blob_that_was_saved_does_not_move_with_the_state() -> None:
    state = a_state(a_blob(watermark=MOMENT))
    saved = state.blob()
    state.move("b1", Checkpoint(watermark="2026-11-25T10:00:00Z"))
    assert saved == a_blob(watermark=MOMENT)


# Version 1.


def test_a_watermark_of_version_1_is_taken_over_and_saved_as_one_of_today() -> None:
    state = a_state(of_before(watermark=MOMENT, start="2024-01-01", end="2025-12-31"))
    assert state.checkpoint("b1") == Checkpoint(watermark=MOMENT, start="2024-01-01", end="2025-12-31")
    assert state.blob() == a_blob(watermark=MOMENT, start="2024-01-01", end="2025-12-31")


@pytest.mark.parametrize("more", [{}, {"rows": 4_000, "total": 9_000}])
def test_an_unfinished_reading_of_version_1_begins_again_and_knows_since_when_to_ask(more: dict[str, Any]) -> None:
    checkpoint = a_state(of_before(began=MOMENT, start="2024-01-01", **more)).checkpoint("b1")
    assert checkpoint is not None and checkpoint.whole is not None
    assert (checkpoint.watermark, checkpoint.whole.began, checkpoint.whole.ranges) == ("", MOMENT, [])
    assert checkpoint.whole.window == Window(dt.date(2024, 1, 1), None)


def test_a_reading_of_version_1_with_other_dates_keeps_its_watermark() -> None:
    state = a_state(of_before(watermark=MOMENT, began="2026-11-24T10:00:00Z", rows=200, start="2024-01-01"))
    assert state.checkpoint("b1") == Checkpoint(watermark=MOMENT, start="2024-01-01")


# What is refused.


def failure_of(blob: dict[str, Any], endpoint: str = SAGE_HOST) -> str:
    with pytest.raises(AirbyteTracedException) as caught:
        StreamState("sales_invoices", blob, endpoint)
    assert caught.value.failure_type is FailureType.config_error
    assert MOMENT not in str(caught.value.message), "what was typed or saved is not quoted"
    return str(caught.value.message)


@pytest.mark.parametrize(
    "blob",
    [
        {"version": 0, "businesses": {}},
        {"version": 3, "endpoint": SAGE_HOST, "businesses": {}},
        {"version": "2", "endpoint": SAGE_HOST, "businesses": {}},
        {"version": None, "endpoint": SAGE_HOST, "businesses": {}},
        {"endpoint": SAGE_HOST, "businesses": {}},
        {"version": 2, "businesses": {}},
        {"version": 2, "endpoint": SAGE_HOST},
        {"version": 1},
        {"updated_at": MOMENT},
        {"version": 2, "endpoint": SAGE_HOST, "businesses": None},
        {"version": 2, "endpoint": SAGE_HOST, "businesses": 5},
        {"version": 2, "endpoint": SAGE_HOST, "businesses": "b1"},
        {"version": 2, "endpoint": SAGE_HOST, "businesses": ["b1"]},
        {"version": 2, "endpoint": SAGE_HOST, "businesses": {"b1": None}},
        {"version": 2, "endpoint": SAGE_HOST, "businesses": {"b1": MOMENT}},
        {"version": 1, "businesses": {"b1": None}},
        {"version": 1, "businesses": {"b1": MOMENT}},
        of_before(),
        of_before(start="2024-01-01"),
        of_before(began="soon"),
        of_before(watermark="soon"),
        of_before(watermark=MOMENT, start="soon"),
        a_blob(),
        a_blob(start="2024-01-01"),
        a_blob(watermark=""),
        a_blob(began=MOMENT),
        a_blob(whole={}),
        a_blob(whole={"began": ""}),
        a_blob(whole={"start": "2024-01-01"}),
        a_blob(whole=MOMENT),
        a_blob(whole=[MOMENT]),
        a_blob(watermark="yesterday"),
        a_blob(watermark="2026-13-23T10:00:00Z"),
        a_blob(watermark=1795000000),
        a_blob(watermark=None),
        a_blob(whole={"began": "soon"}),
        # Moments that no calendar in UTC holds, or that cannot be counted back from.
        a_blob(watermark="0001-01-01T00:00:00+14:00"),
        a_blob(whole={"began": "9999-12-31T23:59:59-10:00"}),
        a_blob(watermark="0001-01-01T00:00:00Z"),
        a_blob(watermark=MOMENT, start="01/01/2024"),
        a_blob(watermark=MOMENT, end="2024-02-30"),
        a_blob(watermark=MOMENT, end=20240101),
        a_blob(watermark=MOMENT, page=7),
        a_blob(watermark=MOMENT, pages=50),
        a_blob(watermark=MOMENT, pages={"rows": 50}),
        a_blob(watermark=MOMENT, pages={"rows": 0, "wait": 8}),
        a_blob(watermark=MOMENT, pages={"rows": 50, "wait": 8, "size": 50}),
        a_blob(whole={"began": MOMENT, "start": "01/01/2024"}),
        a_blob(whole={"began": MOMENT, "rows": 7}),
        a_blob(whole={"began": MOMENT, "done": None}),
        a_blob(whole={"began": MOMENT, "done": "2024-01-01"}),
        a_blob(whole={"began": MOMENT, "done": ["2024-01-01", "2024-01-31"]}),
        a_blob(whole={"began": MOMENT, "done": [["2024-01-01"]]}),
        a_blob(whole={"began": MOMENT, "done": [["2024-01-01", "2024-02-30"]]}),
        a_blob(whole={"began": MOMENT, "done": [["2024-01-01", "2024-01-31", "2024-02-29"]]}),
        a_blob(whole={"began": MOMENT, "done": [["2024-01-01", 7]]}),
    ],
)
def test_a_damaged_state_is_refused_with_the_stream_and_the_way_out(blob: dict[str, Any]) -> None:
    message = failure_of(blob)
    assert message.startswith("The saved state of stream sales_invoices cannot be read")
    assert "Refresh or clear this stream in the connection's settings" in message


@pytest.mark.parametrize(
    ("blob", "cause"),
    [
        ({"version": 3, "endpoint": SAGE_HOST, "businesses": {}}, "version 3 is not 2"),
        (of_before(page=7, walk=1), "unknown fields ['page', 'walk']"),
        (a_blob(), "neither watermark nor began"),
        (a_blob(watermark="1969-12-31T23:59:59Z"), "1969-12-31T23:59:59Z is before there was anything to read"),
    ],
)
def test_a_refusal_tells_maintainers_the_stream_and_the_cause(blob: dict[str, Any], cause: str) -> None:
    with pytest.raises(AirbyteTracedException) as caught:
        StreamState("sales_invoices", blob, SAGE_HOST)
    assert cause in str(caught.value.__cause__)
    assert caught.value.internal_message == f"state of sales_invoices: {type(caught.value.__cause__).__name__}"
    assert str(caught.value.message).endswith(" settings, so that it is read from the beginning.")


def test_a_state_of_another_endpoint_is_told_maintainers_as_such() -> None:
    with pytest.raises(AirbyteTracedException) as caught:
        StreamState("contacts", a_blob(watermark=MOMENT), "sage.example")
    assert caught.value.internal_message == "state of contacts: another endpoint"
    assert str(caught.value.message).endswith(", so that it is read from the beginning.")


def test_the_first_moment_of_which_there_can_be_rows_is_taken() -> None:
    begins = "1970-01-01T00:00:00Z"
    checkpoint = a_state(a_blob(watermark=begins)).checkpoint("b1")
    assert checkpoint is not None and checkpoint.watermark == begins


def test_the_checkpoint_of_another_endpoint_is_refused_and_what_to_do_is_said() -> None:
    message = failure_of(a_blob(watermark=MOMENT), "gateway.example.com")
    assert message.startswith("The saved state of stream sales_invoices was reached at another API Endpoint")
    assert "Enter the former one again, or clear this stream" in message


def test_version_1_did_not_say_at_which_endpoint_it_was_reached() -> None:
    state = a_state(of_before(watermark=MOMENT), "gateway.example.com")
    assert state.checkpoint("b1") == Checkpoint(watermark=MOMENT)
    assert state.blob()["endpoint"] == "gateway.example.com"


def test_a_checkpoint_must_say_when() -> None:
    for values in ({"start": "2024-01-01"}, {"whole": Whole(start="2024-01-01")}):
        with pytest.raises(ValidationError, match="neither watermark nor began"):
            Checkpoint.model_validate(values)


@given(WINDOWS, WINDOWS, MOMENTS)
def test_a_checkpoint_covers_what_its_window_covers(was: Window, wanted: Window, moment: str) -> None:
    assert Checkpoint.for_window(was, moment).covers(wanted) is was.covers(wanted)


# Whole readings.


def test_the_moment_of_the_first_of_all_tries_stays() -> None:
    whole = Whole.of(Window(None, None), "", [])
    assert whole.begun(MOMENT).began == whole.begun(MOMENT).begun("2026-11-24T10:00:00Z").began == MOMENT


@given(WINDOWS, WINDOWS)
def test_a_whole_reading_is_for_its_dates_alone(was: Window, wanted: Window) -> None:
    assert (Whole.of(was, "", []).window == wanted) is (was == wanted)


@pytest.mark.parametrize("count", [RANGES_AT_MOST, RANGES_AT_MOST + 1, 200])
def test_of_too_many_ranges_the_first_are_kept_and_the_others_read_once_more(count: int) -> None:
    day = dt.date(2020, 1, 1)
    ranges = [Window(day + dt.timedelta(3 * step), day + dt.timedelta(3 * step + 1)) for step in range(count)]
    whole = Whole.of(Window(None, None), MOMENT, []).with_done(ranges)
    assert whole.ranges == ranges[:RANGES_AT_MOST]
    left = remaining(Window(None, None), whole.ranges)
    assert all(any(one.covers(lost) for one in left) for lost in ranges[RANGES_AT_MOST:])
