"""A connection as Airbyte runs it: one sandbox, two destinations, syncs that may die, and the comparison at the end."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from integration_tests.harness import Destination, EveryRow, Message, Output, Row, catalog_of, discover, run
from integration_tests.sandbox import Company, Sandbox
from integration_tests.sandbox.manners.requestlog import Logged
from integration_tests.test_streams import EVERY_STREAM, unequal
from source_sage import streams
from source_sage.clock import Clock
from source_sage.lists import cuts, list_reader, proofs, reading

LONG_AGO, FAR_OFF = "0001-01-01", "9999-12-31"
SECONDS_TO_END = 30


class Killed(BaseException):
    """The process is gone."""


class SandboxClock(Clock):
    """The sandbox's time for the connector too: who sleeps lets it pass at once.

    Args:
        box: the sandbox.
        ahead: seconds that this machine's clock is ahead of Sage's.
        woken: called after each sleep.
    """

    def __init__(self, box: Sandbox, ahead: float = 0, woken: Callable[[], object] = lambda: None) -> None:
        self._box = box
        self._ahead = ahead
        self._woken = woken
        self.slept: list[float] = []

    def now(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self._box.clock.now() + self._ahead, dt.UTC)

    def monotonic(self) -> float:
        return self._box.clock.now()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._box.clock.advance(seconds)
        self._woken()


# Numbers of rows that a reading decides by.
BY_ROWS: list[tuple[Any, str]] = [
    (list_reader, "SHORT_LIST"),
    (reading, "SHORT_LIST"),
    (list_reader, "FIRST_SLICE"),
    (list_reader, "LONGEST_SLICE"),
    (proofs, "TOUCHED_AT_MOST"),
    (cuts, "FIRST_SLICE"),
]


@contextmanager
def page_size(rows: int) -> Iterator[None]:
    """Pages of so many rows instead of 200, so that a small company has many of them.

    Slices shrink with them: all holds as many pages as in a company of the full size.
    """
    every = streams.every_stream()
    of_the_manifest = dict(every)
    full = every["contacts"].page_size
    real = {(module, name): getattr(module, name) for module, name in BY_ROWS}
    for name, facts in of_the_manifest.items():
        every[name] = facts.model_copy(update={"page_size": rows})
    for (module, name), value in real.items():
        setattr(module, name, value * rows // full)
    try:
        yield
    finally:
        every.update(of_the_manifest)
        for (module, name), value in real.items():
            setattr(module, name, value)


class Pipeline:
    """One connection. After each sync, killed ones too, it is looked at whether a key left twice in it.

    Args:
        box: the sandbox, started.
        names: the streams selected; all if None.
        ahead: seconds that the connector's machine is ahead of Sage.
        config: fields of the form that are to differ from the sandbox's own.
    """

    def __init__(self, box: Sandbox, names: Iterable[str] | None, *, ahead: float = 0, **config: Any) -> None:
        self.box = box
        self.config = box.config(**config)
        self.clock = SandboxClock(box, ahead)
        self.select(names)
        self.destination = Destination(self.catalog)
        self.every_row = EveryRow(self.catalog)

    def select(self, names: Iterable[str] | None) -> None:
        """Change the connection's streams; the destination keeps what it has."""
        self.catalog = catalog_of(discover(self.config), names)
        if hasattr(self, "destination"):
            self.destination.select(self.catalog)
            self.every_row.select(self.catalog)

    def sync(
        self,
        *,
        kill_after: int | None = None,
        full: bool = False,
        seen: Callable[[Message], None] = lambda message: None,
    ) -> Output:
        """Run one read into the destination.

        Args:
            kill_after: the process dies after so many records and states.
            full: without the saved state.
            seen: is shown each message that the destination took.

        Returns:
            What it said; the request log holds only this sync's requests.
        """
        self.box.clear_requests()
        self.clock.slept.clear()
        output = Output()
        left = kill_after

        def take(message: Message) -> None:
            nonlocal left
            if message["type"] in ("RECORD", "STATE"):
                if left is not None:
                    left -= 1
                    if left < 0:
                        raise Killed
                self.destination.take(message)
                self.every_row.take(message)
            output.messages.append(message)
            seen(message)

        self.destination.begin()
        state = None if full else self.destination.saved() or None
        self.every_row.begin(state)
        others = set(threading.enumerate())
        try:
            output = run("read", self.config, catalog=self.catalog, state=state, clock=self.clock, seen=take)
        except Killed:
            # A process that is gone asks for nothing more; here its threads must first be through.
            for thread in set(threading.enumerate()) - others:
                thread.join(SECONDS_TO_END)
        self.every_row.assert_once()
        return output

    def asked(self, name: str) -> list[Logged]:
        """The last sync's requests for one list."""
        return [one for one in self.box.requests if one.list == name]

    def truth(self, name: str, company: Company | None = None) -> list[Row]:
        """What the destination should hold of one list: Sage's rows inside the chosen dates."""
        rows = (company or self.box.businesses[0]).rows(name)
        field = EVERY_STREAM[name].date_field
        if field is None:
            return rows
        start = LONG_AGO if self.config.get("include_historical_data") else self.config["start_date"]
        end = self.config.get("end_date") or FAR_OFF
        return [row for row in rows if start <= row[field][:10] <= end]

    def differences(self, name: str) -> list[str]:
        """Where the destination's rows of one list are not Sage's, in all businesses; a few words each."""
        found: list[str] = []
        rows = self.destination.rows(name)
        for company in self.box.businesses:
            if self.config["account_id"] != "all" and company.id not in self.config["account_id"]:
                continue
            truth = {row["id"]: row for row in self.truth(name, company)}
            ours = {row["id"]: row for row in rows if row["business_id"] == company.id}
            found += [f"{name}: {key} is missing" for key in truth.keys() - ours.keys()]
            found += [f"{name}: {key} is too many" for key in ours.keys() - truth.keys()]
            for key in truth.keys() & ours.keys():
                found += unequal(truth[key], ours[key], name)
        return found

    def assert_equal(self, *names: str) -> None:
        """Compare whole lists, by default all that are selected."""
        chosen = names or tuple(one["stream"]["name"] for one in self.catalog["streams"])
        assert [text for name in chosen for text in self.differences(name)] == []


def rows_answered(requests: Iterable[Logged]) -> list[tuple[int, int]]:
    """Which rows of a list good answers gave, as first row and page size, in the list's order."""
    good = [one for one in requests if one.status == 200 and "page" in one.params]
    sizes = [(int(one.params["page"]), int(one.params["items_per_page"])) for one in good]
    return sorted(((page - 1) * size, size) for page, size in sizes)


def is_walk(request: Logged) -> bool:
    """Tell a page of the list itself from a question about its length, its changes or its deletions."""
    return int(request.params["items_per_page"]) > 1 and not request.params.keys() & {
        "updated_or_created_since",
        "deleted_since",
    }
