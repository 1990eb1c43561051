"""Something leaves every ten minutes while anything is read, however slow Sage is.

Airbyte ends a source from which neither a record nor a state has come for as long as metadata.yaml says.
"""

from __future__ import annotations

import itertools
import logging
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import pytest
from airbyte_cdk.models import ConfiguredAirbyteCatalogSerializer, Type
from airbyte_cdk.sources.streams import NO_CURSOR_STATE_KEY
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from integration_tests.harness import catalog_of, discover
from integration_tests.pipeline import SandboxClock, page_size
from integration_tests.sandbox import Company, Sandbox, faults
from source_sage.lists.asking import Ask
from source_sage.source import SourceSage
from source_sage.sync.loop import SECONDS_BETWEEN_LOOKS
from source_sage.sync.messages import LONGEST_SILENCE_SECONDS

ALLOWED = LONGEST_SILENCE_SECONDS + 2 * SECONDS_BETWEEN_LOOKS
Asks = Callable[[], float]


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(size="tiny", seed=4, token_life=10**9) as sandbox, page_size(10):
        sandbox.clock.advance(86_400)
        yield sandbox


class OneThread:
    """Carries requests out one by one, on the thread that decides; each takes so many seconds of the sandbox's time."""

    def __init__(self, clock: SandboxClock, takes: Asks) -> None:
        self._clock, self._takes = clock, takes
        self._asked: deque[Ask[Any]] = deque()
        self._left: float | None = None

    def ask(self, ask: Ask[Any]) -> None:
        self._asked.append(ask)

    def next(self, seconds: float) -> Ask[Any] | None:
        if self._left is None:
            self._left = self._takes()
        waited = min(seconds, self._left)
        self._clock.sleep(waited)
        self._left -= waited
        if self._left > 0:
            return None
        self._left = None
        ask = self._asked.popleft()
        ask.run()
        return ask

    def close(self) -> None:
        self._asked.clear()


def read(
    box: Sandbox, names: list[str], takes: Asks, fails: str | None = None
) -> tuple[list[tuple[float, Any]], float, float]:
    """One read, which may fail with certain words; gives records and states with their moments, its begin and end."""
    clock, config = SandboxClock(box), box.config()
    catalog = ConfiguredAirbyteCatalogSerializer.load(catalog_of(discover(config), names))
    source = SourceSage(clock, lambda workers: OneThread(clock, takes))
    began = clock.monotonic()
    left = []
    with pytest.raises(AirbyteTracedException, match=fails) if fails else nullcontext():
        for message in source.read(logging.getLogger("airbyte"), config, catalog):
            if message.type in (Type.RECORD, Type.STATE):
                left.append((clock.monotonic(), message))
    return left, began, clock.monotonic()


def longest(left: list[tuple[float, Any]], began: float, ended: float) -> float:
    moments = [began, *(moment for moment, _ in left), ended]
    return max(later - earlier for earlier, later in itertools.pairwise(moments))


def test_a_state_leaves_while_one_answer_takes_hours(box: Sandbox) -> None:
    left, began, ended = read(box, ["contacts"], lambda: 7_200.0)
    assert ended - began > 4 * 7_200
    assert longest(left, began, ended) <= ALLOWED


def test_streams_that_keep_no_places_are_not_read_in_silence(box: Sandbox) -> None:
    left, began, ended = read(box, ["countries", "tax_types"], lambda: 7_200.0)
    assert longest(left, began, ended) <= ALLOWED
    blobs = [vars(message.state.stream.stream_state) for _, message in left if message.type == Type.STATE]
    assert len(blobs) > 4 and all(blob == {NO_CURSOR_STATE_KEY: True} for blob in blobs)


def test_what_is_said_so_is_true_and_changes_nothing(box: Sandbox) -> None:
    """Before the first answer nothing is known; later the checkpoint that was reached; each record is counted once."""
    left, _, _ = read(box, ["contacts"], lambda: 1_500.0)
    states = [message.state for _, message in left if message.type == Type.STATE]
    blobs = [vars(state.stream.stream_state) for state in states]
    assert blobs[0]["businesses"] == {}
    known = [blob["businesses"] for blob in blobs if blob["businesses"]]
    reached = [one for one, before in zip(known, [{}, *known], strict=False) if one != before]
    assert ["whole" in place for one in reached for place in one.values()] == [True] * (len(reached) - 1) + [False]
    records = sum(message.type == Type.RECORD for _, message in left)
    assert sum(state.sourceStats.recordCount for state in states) == records == len(box.businesses[0].rows("contacts"))


def test_a_long_list_that_goes_on_changing_is_not_read_in_silence(box: Sandbox) -> None:
    def move(_: str, __: int, company: Company) -> None:
        rows = company.rows("contacts")
        company.update("contacts", rows[len(rows) // 2]["id"])

    box.settings.change({"default_order": "updated:asc"})
    box.faults.add(faults.before_page(move), path="*/contacts", times=100)
    left, began, ended = read(box, ["contacts"], lambda: 250.0, fails="went on changing")
    assert ended - began > 10 * ALLOWED
    assert longest(left, began, ended) <= ALLOWED


def test_the_stream_that_is_still_read_says_it(box: Sandbox) -> None:
    left, began, _ = read(box, ["tax_rates", "contacts", "countries"], lambda: 700.0)
    states = [(moment, message.state) for moment, message in left if message.type == Type.STATE]
    names = [state.stream.stream_descriptor.name for _, state in states]
    assert names.count("countries") == 1, "a stream that always comes whole has one state, at its end"
    until = max(moment for (moment, _), name in zip(states, names, strict=True) if name != "countries")
    assert longest([(moment, one) for moment, one in left if moment <= until], began, until) <= ALLOWED
