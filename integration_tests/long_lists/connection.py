"""A connection to the double: syncs that may die, and what section 6 of the design promises of each."""

from __future__ import annotations

import contextlib
import json
import math
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from integration_tests.harness import Destination, EveryRow, Message, Output, catalog_of, discover, run
from integration_tests.long_lists.books import Book
from integration_tests.long_lists.manners import PAGE_SIZE
from integration_tests.long_lists.server import Asked, LongSage, business_id
from integration_tests.long_lists.shapes import row_id
from integration_tests.long_lists.times import ordinal
from integration_tests.pipeline import Killed

# What one process may say in so many seconds by the double's clock without a sign of life.
LONGEST_SILENCE: Final = 1_500
# Bytes of state for each business: 32 ranges of dates and a few moments, readable.
LARGEST_STATE: Final = 4_000


@dataclass
class Sync:
    """What one run did.

    Attributes:
        output: what it said, but not its records.
        requests: what it asked for, lists alone.
        killed: it did not end by itself.
        records: how many left, by stream.
        states_at: after how many records and states each state left.
        silence: the longest time between two messages, by the double's clock.
    """

    output: Output
    requests: list[Asked] = field(default_factory=list)
    killed: bool = False
    records: Counter[str] = field(default_factory=Counter)
    states_at: list[int] = field(default_factory=list)
    silence: float = 0.0

    def asked(self, name: str) -> list[Asked]:
        """The requests for one list."""
        return [one for one in self.requests if one.list == name]

    def complete(self, name: str) -> bool:
        """Whether a stream ended well."""
        return self.output.statuses(name)[-1:] == ["COMPLETE"]

    @property
    def warnings(self) -> list[str]:
        """What it warned of."""
        return self.output.log("WARN")


class Ids:
    """A destination for long lists: it keeps the ids alone, and which of them came more than once."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.twice: set[str] = set()

    def take(self, message: Message) -> None:
        """Take one message of the source."""
        if message["type"] == "RECORD":
            key = message["record"]["data"]["id"]
            (self.twice if key in self.seen else self.seen).add(key)


class Connection:
    """One connection.

    Each sync is looked at when it has ended, however it ended: no key left twice; and a stream that says COMPLETE has
    sent every row that nobody touched since its reading began.

    Args:
        sage: the double, started.
        names: the streams selected.
        mode: `incremental` or `full_refresh`, for streams that can be incremental.
        form: fields of the form.
    """

    def __init__(self, sage: LongSage, *names: str, mode: str = "incremental", **form: Any) -> None:
        self.sage = sage
        self.form = form
        self.names = names
        self.mode = mode
        catalog = catalog_of(discover(sage.config(**form)), names)
        for one in catalog["streams"]:
            if mode == "full_refresh":
                one["sync_mode"], one["destination_sync_mode"] = "full_refresh", "overwrite"
        self.catalog = catalog
        self.destination = Destination(catalog, by_state=True)
        self.every_row = EveryRow(catalog)
        # Which request was the last before the rows now in `every_row` began to come.
        self._emptied_at = dict.fromkeys(names, 0)
        self.syncs: list[Sync] = []

    @property
    def requests(self) -> int:
        """Requests for lists in all syncs together."""
        return sum(len(one.requests) for one in self.syncs)

    def forget(self, name: str, indices: Iterable[int]) -> None:
        """The destination never had these rows of the first business."""
        self.destination.forget(name, [(self.sage.businesses[0], row_id(name, index)) for index in indices])

    def change(self, **form: Any) -> None:
        """Change the form."""
        self.form.update(form)

    def sync(
        self,
        *,
        die_after: int | None = None,
        die_after_messages: int | None = None,
        expect_failure: bool | None = False,
        look: bool = True,
    ) -> Sync:
        """Run one read into the destinations.

        Args:
            die_after: the process dies after so many requests for lists.
            die_after_messages: the process dies after so many records and states.
            expect_failure: whether it must fail, by itself; None where both are right.
            look: whether to look at the promises at once.

        Returns:
            What it did.
        """
        sage = self.sage
        state = (self.destination.saved() or None) if self.mode == "incremental" else None
        sage.lease(die_after)
        sync = Sync(Output())
        last = sage.clock.seconds()

        def take(message: Message) -> None:
            nonlocal last
            if sage.dead.is_set():
                # Log lines come from other threads too, which nothing but the process's end would stop.
                if message["type"] in ("RECORD", "STATE"):
                    raise Killed
                return
            now = sage.clock.seconds()
            sync.silence, last = max(sync.silence, now - last), now
            if message["type"] == "RECORD":
                sync.records[message["record"]["stream"]] += 1
            elif message["type"] == "STATE":
                sync.states_at.append(sync.records.total() + len(sync.states_at))
            if message["type"] == "STATE":
                size = len(json.dumps(message["state"]["stream"]["stream_state"]))
                assert size < LARGEST_STATE * len(sage.businesses), f"a state of {size} bytes"
            if message["type"] in ("RECORD", "STATE"):
                if sync.records.total() + len(sync.states_at) - 1 == die_after_messages:
                    sage.dead.set()
                    raise Killed
                self.destination.take(message)
                self.every_row.take(message)

        self.destination.begin()
        self.every_row.begin(state)
        for name in self.names:
            if not self.every_row.rows(name):
                self._emptied_at[name] = sage.answered
        before = set(threading.enumerate())
        with contextlib.suppress(Killed):
            sync.output = run(
                "read",
                sage.config(**self.form),
                catalog=self.catalog,
                state=state,
                clock=sage.clock,
                seen=take,
                keep=lambda message: message["type"] != "RECORD",
            )
        if sage.mistakes:
            raise RuntimeError("the double or a hook of the test is wrong") from sage.mistakes[0]
        sync.killed = sage.dead.is_set()
        if sync.killed:
            _wait_for(set(threading.enumerate()) - before)
        elif sync.output.failure is None:
            self.destination.end()
        sync.requests = list(sage.requests)
        self.syncs.append(sync)
        if not sync.killed:
            failed = sync.output.failure is not None
            assert expect_failure in (None, failed), sync.output.failure or "it did not fail"
        single = [path for path in sage.other_requests if not path.startswith("businesses/")]
        assert not single, f"asked for a single row or for what no list is: {single[0]}"
        if look:
            self.every_row.assert_once()
            for name in self.names:
                self.assert_whole(name, sync)
        return sync

    def sync_ids(self) -> tuple[Sync, Ids]:
        """Run one first read without keeping rows, which would fill the memory. It must not fail."""
        ids = Ids()
        self.sage.lease()
        sync = Sync(Output())
        sync.output = run(
            "read",
            self.sage.config(**self.form),
            catalog=self.catalog,
            clock=self.sage.clock,
            seen=ids.take,
            keep=lambda message: message["type"] != "RECORD",
        )
        assert sync.output.failure is None, sync.output.failure
        sync.requests = list(self.sage.requests)
        return sync, ids

    def until_done(self, die_after: int, *, most: int, die_after_messages: int | None = None) -> list[Sync]:
        """Syncs that are killed again and again, until one ends by itself.

        Args:
            die_after: after so many requests.
            most: requests that all of them together may take; there is no point in waiting for more.
            die_after_messages: and after so many records and states.
        """
        begun = len(self.syncs)
        while (asked := sum(len(one.requests) for one in self.syncs[begun:])) <= most:
            if not self.sync(die_after=die_after, die_after_messages=die_after_messages).killed:
                break
        tries = self.syncs[begun:]
        assert asked <= most and not tries[-1].killed, f"{asked} requests in {len(tries)} tries, {most} are enough"
        return tries

    def settle(self, *, deletions_are_told: bool = True) -> Sync:
        """The changes stop; one more incremental sync; the destination equals Sage.

        Args:
            deletions_are_told: whether this list can be asked for them; if not, rows too many do no harm.
        """
        self.sage.rest()
        self.sage.clock.advance(5)
        sync = self.sync()
        self.assert_equal(deletions_are_told=deletions_are_told)
        return sync

    def window(self) -> tuple[int | None, int | None]:
        """The chosen days."""
        form = self.sage.config(**self.form)
        start = None if form.get("include_historical_data") else ordinal(form["start_date"])
        return start, ordinal(form["end_date"]) if form.get("end_date") else None

    def assert_whole(self, name: str, sync: Sync) -> None:
        """If the stream is COMPLETE, every row that was not touched since its rows began to come has left."""
        if not sync.complete(name):
            return
        there = {(row["business_id"], row["id"]) for row in self.every_row.rows(name) if "id" in row}
        for (business, listed), book in self.sage.books.items():
            if listed == name and isinstance(book, Book):
                truth = book.truth(*self.window(), untouched_since=self._emptied_at[name])
                missing = [key for key in truth if (business, key) not in there]
                assert not missing, f"{name} is COMPLETE without {len(missing)} of {len(truth)} rows, e.g. {missing[0]}"

    def assert_each_once(self, name: str) -> None:
        """After a run without state in which nothing changed, or whose changes were before it began."""
        truth = {
            (business, key)
            for (business, listed), book in self.sage.books.items()
            if listed == name and isinstance(book, Book)
            for key in book.truth(*self.window())
        }
        self.every_row.assert_each_once(name, truth)

    def assert_equal(self, *names: str, deletions_are_told: bool = True) -> None:
        """The append-dedup destination holds exactly Sage's rows, as they are now."""
        found: list[str] = []
        for (business, name), book in self.sage.books.items():
            if name not in (names or self.names) or not isinstance(book, Book):
                continue
            truth = book.truth(*self.window())
            ours = {row["id"]: row for row in self.destination.rows(name) if row["business_id"] == business}
            missing = truth.keys() - ours.keys()
            more = ours.keys() - truth.keys() if deletions_are_told else set()
            stale = [key for key in truth.keys() & ours.keys() if not _is(ours[key], truth[key].shown, truth[key].day)]
            for what, keys in (("missing", missing), ("too many", more), ("stale", stale)):
                if keys:
                    found.append(f"{len(keys)} of {name} in {business[-2:]} {what}, e.g. {next(iter(keys))}")
        assert found == []


def _wait_for(threads: Iterable[threading.Thread]) -> None:
    """What is left of a killed process ends here by itself, since nobody answers it; its clock is ours until then."""
    for one in threads:
        if one.name != "long-sage":
            one.join(5)


def _is(row: dict[str, Any], shown: str, day: int) -> bool:
    date = row.get("date")
    return row["displayed_as"] == shown and (ordinal(date) if date else 0) == day


def pages(rows: int) -> int:
    """How many pages so many rows fill."""
    return max(1, math.ceil(rows / PAGE_SIZE))


def asked_twice(requests: Iterable[Asked]) -> list[dict[str, str]]:
    """What was asked for in the very same words more than once."""
    times = Counter(tuple(sorted(one.params.items())) for one in requests)
    return [dict(words) for words, often in times.items() if often > 1]


__all__ = ["Connection", "Sync", "asked_twice", "business_id", "pages"]
