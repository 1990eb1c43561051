"""Deletions: a tombstone wins over the row it buries, and a row that is there again wins over its tombstone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integration_tests.pipeline import Pipeline
from integration_tests.sandbox import Company, Sandbox, faults
from integration_tests.test_streams import unequal


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(size="tiny", seed=5, token_life=10**9) as sandbox:
        sandbox.clock.advance(86_400)
        yield sandbox


@pytest.mark.parametrize("synced_between", [True, False])
@pytest.mark.parametrize("seconds", [0, 1, 3600])
def test_a_row_that_is_there_again_wins_over_its_tombstone(seconds: int, synced_between: bool, box: Sandbox) -> None:
    company, pipeline = box.businesses[0], Pipeline(box, ["contacts"])
    assert pipeline.sync().failure is None
    row = company.rows("contacts")[2]
    box.clock.advance(3600)
    company.delete("contacts", row["id"])
    if synced_between:
        assert pipeline.sync().failure is None
        assert row["id"] not in {one["id"] for one in pipeline.destination.rows("contacts")}
    box.clock.advance(seconds)
    company.restore("contacts", row)
    for _ in range(2):
        assert pipeline.sync().failure is None
        (ours,) = [one for one in pipeline.destination.rows("contacts") if one["id"] == row["id"]]
        (truth,) = [one for one in company.rows("contacts") if one["id"] == row["id"]]
        assert list(unequal(truth, ours, "contacts")) == []
        asked = [("deleted_since" in one.params) for one in pipeline.asked("contacts")]
        assert asked == sorted(asked), "deletions are asked for after changes"
        box.clock.advance(3600)


def test_a_row_that_is_edited_and_deleted_since_the_last_sync_leaves_once_as_a_tombstone(box: Sandbox) -> None:
    company, pipeline = box.businesses[0], Pipeline(box, ["contacts"])
    assert pipeline.sync().failure is None
    key = company.rows("contacts")[2]["id"]
    box.clock.advance(3600)
    company.update("contacts", key)
    company.delete("contacts", key)
    output = pipeline.sync()
    assert [row["is_deleted"] for row in output.rows("contacts") if row["id"] == key] == [True]


def test_a_row_that_is_deleted_after_it_left_is_buried_by_the_next_sync(box: Sandbox) -> None:
    company, pipeline = box.businesses[0], Pipeline(box, ["contacts"])
    assert pipeline.sync().failure is None
    key = company.rows("contacts")[2]["id"]
    box.clock.advance(3600)
    company.update("contacts", key)

    def delete(_: str, __: int, company: Company) -> None:
        company.delete("contacts", key)

    box.faults.add(
        faults.before_page(delete), path="*/contacts", when=lambda call: "deleted_since" in call.params, times=1
    )
    output = pipeline.sync()
    assert [row.get("is_deleted") for row in output.rows("contacts") if row["id"] == key] == [None]
    assert pipeline.sync().failure is None
    pipeline.assert_equal()


@pytest.mark.parametrize("edited", [True, False])
def test_a_tombstone_wins_over_a_row_that_was_edited_in_the_same_second(edited: bool, box: Sandbox) -> None:
    company, pipeline = box.businesses[0], Pipeline(box, ["contacts"])
    assert pipeline.sync().failure is None
    key = company.rows("contacts")[2]["id"]
    box.clock.advance(3600)
    if edited:
        company.update("contacts", key)
        assert pipeline.sync().failure is None
    company.delete("contacts", key)
    for _ in range(2):
        assert pipeline.sync().failure is None
        assert key not in {one["id"] for one in pipeline.destination.rows("contacts")}
        box.clock.advance(3600)


def test_attachments_are_never_asked_for_deletions_before_sage_can_tell(box: Sandbox) -> None:
    company, pipeline = box.businesses[0], Pipeline(box, ["attachments"])
    assert pipeline.sync().failure is None
    state = pipeline.destination.state["attachments"]
    state["stream"]["stream_state"]["businesses"][company.id]["watermark"] = "2015-01-01T00:00:00Z"
    gone = company.rows("attachments")[0]["id"]
    company.delete("attachments", gone)
    box.clock.advance(60)
    output = pipeline.sync()
    assert output.failure is None
    assert [one.params["deleted_since"] for one in box.requests if "deleted_since" in one.params] == [
        "2019-06-12T00:00:00Z"
    ]
    assert gone in {row["id"] for row in output.rows("attachments") if row.get("is_deleted")}


def test_a_deletion_is_listed_once_where_two_streams_of_a_list_stand_at_different_places(box: Sandbox) -> None:
    company, pipeline = box.businesses[0], Pipeline(box, ["journals", "journal_lines", "deleted_records"])
    assert pipeline.sync().failure is None
    (place,) = pipeline.destination.state["journal_lines"]["stream"]["stream_state"]["businesses"].values()
    place["start"] = "2000-01-01"
    key = company.rows("journals")[-1]["id"]
    company.delete("journals", key)
    box.clock.advance(60)
    output = pipeline.sync()
    assert sum("deleted_since" in one.params for one in pipeline.asked("journals")) == 2
    assert [row["id"] for row in output.rows("deleted_records")] == [key]
