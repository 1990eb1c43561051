"""When states leave: at every checkpoint while they are small, ever more seldom when they hold many businesses."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from airbyte_cdk.models import AirbyteMessageSerializer, Type
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.api.businesses import Business
from source_sage.api.transport import Answer, Transport
from source_sage.clock import Clock
from source_sage.config import ALL_DATES, SageConfig
from source_sage.errors import OfTheRun, config_error, transient_error
from source_sage.lists.asking import Ask, Reader, Steps
from source_sage.lists.records import Records
from source_sage.lists.state import Checkpoint, StreamState, Whole
from source_sage.lists.task import Batch, Task
from source_sage.sign_in import token_call
from source_sage.streams import every_stream
from source_sage.sync import loop, messages
from source_sage.sync.report import Report
from source_sage.sync.stopping import Stop
from unit_tests.form import a_form

LISTS = ("contacts", "products", "sales_invoices")
MOMENT = "2026-11-23T10:00:00Z"
WATERMARK = "2026-11-23T09:50:00Z"
METADATA = Path(__file__).parents[1] / "metadata.yaml"


class HeldClock(Clock):
    """Time that only answers let pass."""

    passed = 0.0

    def monotonic(self) -> float:
        return self.passed


class Answering:
    """Answers one question after the other, each after so many seconds."""

    def __init__(self, clock: HeldClock, seconds: float) -> None:
        self.clock, self.seconds = clock, seconds
        self.asked: deque[Ask[Any]] = deque()

    def ask(self, ask: Ask[Any]) -> None:
        self.asked.append(ask)

    def next(self, seconds: float) -> Ask[Any] | None:
        self.clock.passed += self.seconds
        ask = self.asked.popleft()
        ask.run()
        return ask

    def close(self) -> None:
        self.asked.clear()


class TwoCheckpoints(Reader):
    """Reads a list of forty rows: a checkpoint when it has begun, one at the end; fails where it is told to."""

    fails: dict[str, Exception] = {}  # noqa: RUF012 (set by tests)

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.task = task

    def run(self) -> Steps[None]:
        began = Checkpoint(whole=Whole.of(ALL_DATES, MOMENT, []))
        for checkpoint in (began, Checkpoint.for_window(ALL_DATES, WATERMARK)):
            yield from self.answer(self.get)
            self.task.hand_on(Batch(checkpoint=checkpoint))
            if error := self.fails.get(self.task.business.name):
                raise error

    def get(self) -> Answer[dict[str, Any]]:
        return Answer({}, dt.datetime.now(dt.UTC), 0.0, 0)


class AStop(Stop):
    """Somebody wants the run to end after so many looks."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self.looks = looks

    @property
    def asked(self) -> bool:
        self.looks -= 1
        return self.looks < 0


@pytest.fixture(autouse=True)
def _reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(loop, "_reader", TwoCheckpoints)
    monkeypatch.setattr(TwoCheckpoints, "fails", {})
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def run(
    businesses: int, seconds: float = 0.04, stop: Stop | None = None
) -> tuple[list[dict[str, Any]], AirbyteTracedException | None]:
    """What a sync of three lists says, and how it failed."""
    clock = HeldClock()
    known = every_stream()
    sync = loop.Sync(
        SageConfig.parse(a_form()),
        [Business(f"{number:032x}", f"b{number}") for number in range(businesses)],
        [(known[name], StreamState(name, {}, "host")) for name in LISTS],
        cast(Transport, None),
        Report(),
        clock,
        refused={},
        unreadable={},
        unstartable={},
        threads=lambda _: Answering(clock, seconds),
        stop=stop,
    )
    said, failure = [], None
    try:
        for one in sync.messages():
            assert not isinstance(one, Records)
            said.append(json.loads(json.dumps(AirbyteMessageSerializer.dump(one), default=vars)))
    except AirbyteTracedException as caught:
        failure = caught
    return said, failure


def states(said: list[dict[str, Any]], name: str = "") -> list[dict[str, Any]]:
    found = [one["state"]["stream"] for one in said if one["type"] == Type.STATE.value]
    return [one["stream_state"]["businesses"] for one in found if name in ("", one["stream_descriptor"]["name"])]


def traces(said: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one["trace"]["error"] for one in said if one["type"] == "TRACE" and "error" in one["trace"]]


def last_status(said: list[dict[str, Any]], name: str) -> str:
    told = [one["trace"]["stream_status"] for one in said if one["type"] == "TRACE" and "stream_status" in one["trace"]]
    return str([one["status"] for one in told if one["stream_descriptor"]["name"] == name][-1])


def test_two_hundred_businesses_send_less_than_two_megabytes_and_the_last_state_of_each_stream() -> None:
    said, failure = run(200)
    assert failure is None
    volume = sum(len(json.dumps(one)) for one in said if one["type"] == "STATE")
    assert volume < 2_000_000
    for name in LISTS:
        last = states(said, name)[-1]
        assert [one["watermark"] for one in last.values()] == [WATERMARK] * 200


def test_on_the_way_states_leave_as_fast_as_they_may_and_not_more_seldom() -> None:
    said, _ = run(200, seconds=0.6)
    for name in LISTS:
        sizes = [len(json.dumps(one)) for one in states(said, name)]
        # Its part of the time, 400 answers of 0.6 s, at 5 KB a second; what stands around a state is not counted.
        assert 0.5 < sum(sizes) / (400 * 0.6 * messages.STATE_BYTES_A_SECOND) < 1.5


def test_a_small_state_leaves_at_every_checkpoint_though_no_time_passes() -> None:
    said, _ = run(1, seconds=0.0)
    for name in LISTS:
        assert len(states(said, name)) == 3  # the end of the stream says the last one again


def test_what_was_reached_leaves_before_a_stream_ends_incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TwoCheckpoints, "fails", {"b199": transient_error("the last one fails")})
    said, failure = run(200, seconds=0.0)
    assert failure is not None
    for name in LISTS:
        assert last_status(said, name) == "INCOMPLETE"
        assert len(states(said, name)[-1]) == 200


def test_what_was_reached_leaves_when_somebody_wants_the_run_to_end() -> None:
    said, failure = run(200, seconds=0.0, stop=AStop(150))
    assert failure is not None and "stopped from outside" in str(failure.message)
    reached = states(said, "contacts")[-1]
    whole, _ = run(200, seconds=0.0)
    assert 60 < len(reached) < 200 and reached.items() <= {**states(whole, "contacts")[-1], **reached}.items()
    assert {last_status(said, name) for name in LISTS} == {"INCOMPLETE"}


# One trace for one cause


def test_a_failure_of_the_run_is_told_once_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    dead = OfTheRun.like(config_error("The sign-in is dead."))
    monkeypatch.setattr(TwoCheckpoints, "fails", {f"b{number}": dead for number in range(5)})
    said, failure = run(5)
    assert traces(said) == []
    assert failure is not None and str(failure.message).count("The sign-in is dead.") == 1
    assert [last_status(said, name) for name in LISTS] == ["INCOMPLETE"] * 3


def test_one_cause_in_many_lists_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        TwoCheckpoints, "fails", {"b0": transient_error("the same"), "b1": transient_error("another"), "b2": None}
    )
    said, _ = run(5)
    assert [one["message"] for one in traces(said)] == ["the same", "another"]


# Silence


def test_the_longest_silence_is_well_within_what_the_platform_is_told() -> None:
    """A look, a renewal of our own and one of another process on the same file are all that can come on top."""
    allowed = yaml.safe_load(Path(METADATA).read_text())["data"]["maxSecondsBetweenMessages"]
    longest = messages.LONGEST_SILENCE_SECONDS + loop.SECONDS_BETWEEN_LOOKS + 2 * token_call.TOTAL_SECONDS
    assert longest < allowed / 2
    assert messages.LONGEST_WAIT_OF_A_STATE_SECONDS < messages.LONGEST_SILENCE_SECONDS
