"""The property that everything serves: once the changes stop, one more incremental sync equals Sage.

Hypothesis drives a sandbox that answers in this process: changes between syncs and between two pages of one, any
default order, faults, kills and resumes. The messages feed two destinations: a small append-dedup one, and one that
keeps every row, into which no key may come twice in a run. Which request is answered next, of 1, 4 or 16 that are under
way, and which answer is taken next, is a part of the example. Each example reads a few kinds of lists, and what happens
happens to these. A failing one is printed as the steps that lead to it, with a line to replay it. `make test` runs a
third of three hundred, `make test-slow` the others, `make torture` thousands; the number is in TORTURE_EXAMPLES.
"""

from __future__ import annotations

import functools
import math
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from integration_tests.happenings import (
    BETWEEN,
    CHANGE,
    FAIR,
    FAULTS,
    INFERRED,
    LINES,
    LISTS,
    MAY_FAIL,
    PAGE_SIZE,
    STREAMS,
    WEATHER,
    begin,
    change,
    fault,
)
from integration_tests.harness import Destination, EveryRow, Message, catalog_of, discover, run
from integration_tests.in_process import answered_in_process
from integration_tests.pipeline import Killed, SandboxClock, page_size
from integration_tests.sandbox import Company, Sandbox, faults
from integration_tests.sandbox.books.singletons import USER
from integration_tests.seeded import SeededThreads
from integration_tests.test_streams import unequal
from source_sage import streams
from source_sage.api.rights import digest
from source_sage.lists import cuts, list_reader, paging, proofs, reading

EXAMPLES = int(os.environ.get("TORTURE_EXAMPLES", "300"))
# Shares of them that workers take; each stays within minutes.
SHARDS = max(15, EXAMPLES // 100)
WORKERS = [int(one) for one in os.environ.get("TORTURE_WORKERS", "1,4,16").split(",")]
# Finding the smallest failing example may take many minutes; TORTURE_SHRINK=0 leaves it out.
PHASES = [Phase.explicit, Phase.reuse, Phase.generate, *([Phase.shrink] * (os.environ.get("TORTURE_SHRINK") != "0"))]
# One example of so many ends with a read without state.
READ_ANEW = 4
# Of these each example reads some; the streams of lines whose lists are read come with them.
KINDS = (*STREAMS, "payment_allocations")
ORDERS = [f"{by}:{way}" for by in ("created", "updated", "date", "name") for way in ("asc", "desc")]

# What decides about pages and slices, so small that a small company has many of both. The tests of long lists cross
# the real values.
SMALL = {
    (paging, "SMALLEST_PAGE"): 1,
    (list_reader, "SHORT_LIST"): 2 * PAGE_SIZE,
    (reading, "SHORT_LIST"): 2 * PAGE_SIZE,
    (list_reader, "FIRST_SLICE"): PAGE_SIZE,
    (list_reader, "LONGEST_SLICE"): 4 * PAGE_SIZE,
    (cuts, "FIRST_SLICE"): PAGE_SIZE,
    (proofs, "TOUCHED_AT_MOST"): 2 * PAGE_SIZE,
}


@functools.cache
def all_streams() -> list[Message]:
    """The streams of the catalog."""
    box = Sandbox(size="tiny")
    with answered_in_process(box):
        return discover(box.config())


@contextmanager
def small_pages() -> Iterator[None]:
    """Pages and slices of a few rows."""
    before = {(module, name): getattr(module, name) for module, name in SMALL}
    with page_size(PAGE_SIZE):
        for (module, name), value in SMALL.items():
            setattr(module, name, value)
        try:
            yield
        finally:
            for (module, name), value in before.items():
                setattr(module, name, value)


class SomeKeys:
    """The rows that are hidden without some right: of each list about every fourth."""

    def __contains__(self, key: object) -> bool:
        return str(key)[-1] in "048c"


class Books(RuleBasedStateMachine):
    """A company, a destination, and the syncs between them."""

    @initialize(
        seed=st.integers(0, 5),
        kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=4, unique=True),
        order=st.sampled_from(ORDERS),
        window=st.sampled_from([("2000-01-01", None), ("2021-06-01", None), ("2021-06-01", "2030-01-01")]),
        next_goes_missing=st.booleans(),
        deleted_at=st.booleans(),
        between=BETWEEN,
        kill_after=st.one_of(st.none(), st.integers(1, 120)),
        workers=st.sampled_from(WORKERS),
        look_back=st.sampled_from([0, 0, 0, 40, 366]),
        answers=st.integers(0, 2**16),
    )
    def open(
        self,
        seed: int,
        kinds: list[str],
        order: str,
        window: tuple[str, str | None],
        next_goes_missing: bool,
        deleted_at: bool,
        between: list[tuple[tuple[str, str, int], int]],
        kill_after: int | None,
        workers: int,
        look_back: int,
        answers: int,
    ) -> None:
        """A company and its first sync; `answers` decides the order of all answers."""
        self.answers, self.runs = answers, 0
        self.box = Sandbox(
            size="tiny",
            seed=seed,
            default_order=order,
            token_life=10**9,
            next_goes_missing=next_goes_missing,
            tombstones_with_deleted_at=deleted_at,
        )
        self.within = ExitStack()
        self.within.enter_context(answered_in_process(self.box))
        self.start, self.end = window
        self.box.clock.advance(86_400)
        self.company = self.box.businesses[0]
        self.config = self.box.config(start_date=self.start, num_workers=workers, look_back_days=look_back)
        if self.end:
            self.config["end_date"] = self.end
        self.clock = SandboxClock(self.box)
        self.names = [name for name in STREAMS if name in kinds]
        self.lines = [name for name, parents in LINES.items() if {name, *parents} & set(kinds)]
        of_lines = {parent for name in self.lines for parent in LINES[name]}
        self.lists = [name for name in LISTS if name in self.names or name in of_lines]
        self.catalog = catalog_of(all_streams(), [*self.names, *self.lines, "deleted_records"])
        # The rows that are gone, and whose keys no state had by then: a run was cut off, or they were known with other
        # rights. Nobody can tell of these.
        self.lost: dict[str, set[str]] = {name: set() for name in self.lists if name in INFERRED}
        self.is_restricted = False
        self.was_calm = True
        self.destination, self.every_row = Destination(self.catalog), EveryRow(self.catalog)
        self._sync(between, [], kill_after)

    @rule(changes=st.lists(CHANGE, min_size=1, max_size=4), seconds=st.sampled_from([0, 1, 30, 400, 90_000]))
    def business(self, changes: list[tuple[str, str, int]], seconds: int) -> None:
        """The company goes on; time passes."""
        for one in changes:
            change(self.box, self.company, self._near(one))
        self.box.clock.advance(seconds)

    @rule(
        between=BETWEEN,
        trouble=st.lists(st.tuples(FAULTS, st.sampled_from(STREAMS), st.integers(1, 6)), max_size=2),
        kill_after=st.one_of(st.none(), st.none(), st.integers(1, 120)),
        seconds=st.sampled_from([0, 5, 400]),
        weather=WEATHER,
    )
    def sync(
        self,
        between: list[tuple[tuple[str, str, int], int]],
        trouble: list[tuple[str, str, int]],
        kill_after: int | None,
        seconds: int,
        weather: tuple[str, str, int],
    ) -> None:
        """A sync while the company goes on between its pages, with faults, perhaps killed."""
        self._sync(between, trouble, kill_after, weather)
        self.box.clock.advance(seconds)

    @rule()
    def rights(self) -> None:
        """Rights are lost, and some rows are hidden with them; or they are regained."""
        self.is_restricted = not self.is_restricted
        self.company.wish(roles={"Statutory reporting": "No Access" if self.is_restricted else "Full Access"})
        for name in self.lost:
            # What was changed while it was hidden, nobody would tell; so all of it is changed when it is there again.
            for key in self._hidden(name):
                self.company.update(name, key)
            self.company.hide(name, SomeKeys() if self.is_restricted else ())

    def _hidden(self, name: str) -> list[str]:
        table = self.company.tables[name]
        return [key for key in table.rows if key in table.hidden]

    @rule()
    def widen(self) -> None:
        """The user wants all there is."""
        self.start, self.end = "2000-01-01", None
        self.config.update(start_date=self.start, end_date=None)

    def _sync(
        self,
        between: list[tuple[tuple[str, str, int], int]],
        trouble: list[tuple[str, str, int]],
        kill_after: int | None,
        weather: tuple[str, str, int] = FAIR,
    ) -> None:
        self.was_calm = self.was_calm and not between
        # Rights that change and change back within one run, nobody can see.
        rights = [one for one in between if one[0][0] == "rights"]
        for what, page in [one for one in between if one not in rights[1:]]:

            def hook(_: str, __: int, company: Company, what: tuple[str, str, int] = what) -> None:
                self.box.clock.advance(1)
                if what[0] == "rights":
                    self.rights()
                else:
                    change(self.box, company, self._near(what))

            self.box.faults.add(
                faults.before_page(hook),
                path=f"*/{self._read_here(what[1])}",
                when=lambda call, page=page: call.page == page,
                times=1,
            )
        for kind, name, nth in trouble:
            self.box.faults.add(fault(kind), path=f"*/{self._read_here(name)}", nth=nth)
        begin((weather[0], self._read_here(weather[1]), weather[2]), self.box)
        try:
            self._read(kill_after, may_fail=weather[0] in MAY_FAIL)
        finally:
            self.box.faults.clear()

    def _read_here(self, name: str) -> str:
        """A list that this example reads, by the name of any."""
        return name if name in self.lists else self.lists[LISTS.index(name) % len(self.lists)]

    def _near(self, what: tuple[str, str, int]) -> tuple[str, str, int]:
        """A change of a list that this example reads; those that make rows, of another one too: more follows of it."""
        operation, name, index = what
        return (operation, name if "create" in operation else self._read_here(name), index)

    def teardown(self) -> None:
        """The changes have stopped: one more sync, and the books are equal."""
        if not hasattr(self, "box"):
            return
        try:
            if self.is_restricted:
                self.rights()
            self.box.clock.advance(10)
            self._read(None)
            for name in self.lost:
                if not self.company.rows(name):  # no row is left that could show that others would be there
                    self.lost[name] |= self._live(name)
            for name in self.names:
                self._compare(name)
            for name in self.lines:
                self._compare_lines(name)
            if self.answers % READ_ANEW:
                return
            # And one that begins anew, into a destination that keeps every row: each is there once.
            self.destination.state.clear()
            self._read(None)
            for name in self.names:
                keys = [(self.company.id, item["id"]) for item in self._wanted(name)]
                self.every_row.assert_each_once(name, keys)
        finally:
            self.within.close()

    def _read(self, kill_after: int | None, *, may_fail: bool = False) -> None:
        left = kill_after

        def seen(message: Message) -> None:
            nonlocal left
            if message["type"] not in ("RECORD", "STATE"):
                return
            if left is not None:
                left -= 1
                if left < 0:
                    raise Killed
            self.destination.take(message)
            self.every_row.take(message)
            if message["type"] == "RECORD" and message["record"]["stream"] == "deleted_records":
                row = message["record"]["data"]
                assert row.get("is_inferred", False) == (row["stream"] in INFERRED)
                assert row["stream"] not in INFERRED or row["id"] not in self.company.tables[row["stream"]].rows

        for name in self.lost:
            there = self.company.tables[name].rows.keys()
            self.lost[name] |= self._live(name) - there - self._known(name)
        roles = dict(self.company.roles)
        self.destination.begin()
        state = self.destination.saved() or None
        self.every_row.begin(state)
        self.runs += 1
        seed = (self.answers, self.runs)
        try:
            output = run(
                "read",
                self.config,
                catalog=self.catalog,
                state=state,
                clock=self.clock,
                seen=seen,
                threads=lambda workers: SeededThreads(workers, seed),
            )
        except Killed:
            return
        finally:
            self.every_row.assert_once()
        assert may_fail or output.failure is None, output.failure
        # Where the only list is refused, there is nothing that may be read.
        told = {"transient_error", "config_error"} if may_fail else {"transient_error"}
        assert {error["failure_type"] for error in output.errors} <= told
        # A row that is deleted and one that is made while keys are read may hide a third: docs/sage.md says so.
        if self.was_calm and not may_fail and self.company.roles == roles:
            for name in self.lost:
                there = self.company.tables[name].rows.keys() - set(self._hidden(name))
                assert self._live(name) & there <= self._known(name)

    def _live(self, name: str) -> set[str]:
        """The keys of a list of inferred deletions whose rows, or lines, the destination takes for live."""
        keys = {row["id"] for row in self.destination.rows(name)} if name in self.names else set()
        for lines in self.lines:
            if name in LINES[lines]:
                parent_key = streams.every_stream()[lines].parent_key
                keys |= {row[parent_key] for row in self.destination.lines(lines)}
        return keys

    def _known(self, name: str) -> set[str]:
        """The keys that all states of a list have, if they are good for the rights that there are now."""
        if not self._has_rights(name):
            return set()
        return set.intersection(*({key for keys in one["seen"].values() for key in keys} for one in self._kept(name)))

    def _has_rights(self, name: str) -> bool:
        """Tell whether the keys were learnt with the rights that there are now."""
        return {one["rights"] for one in self._kept(name)} == {digest(str(USER["id"]), self.company.row)}

    def _kept(self, name: str) -> list[dict[str, Any]]:
        """The keys that the states of a list and of its lines have."""
        streams_of_it = [name, *(lines for lines in self.lines if name in LINES[lines])]
        states = [self.destination.state.get(one) for one in streams_of_it if one in (*self.names, *self.lines)]
        places = [one["stream"]["stream_state"]["businesses"].get(self.company.id, {}) if one else {} for one in states]
        return [place.get("keys", {"rights": "", "seen": {}}) for place in places]

    def _wanted(self, name: str) -> list[dict[str, Any]]:
        dated = name not in ("contacts", "attachments", "ledger_accounts", "coa_accounts", "countries")
        rows = self.company.rows(name)
        return [item for item in rows if not dated or self.start <= item["date"] <= (self.end or "9999")]

    def _compare_lines(self, name: str) -> None:
        truth = {
            (item["id"], line["id"]): line
            for parent, field in LINES[name].items()
            for item in self._wanted(parent)
            for line in item[field]
        }
        parent_key = streams.every_stream()[name].parent_key
        lost = {key for parent in LINES[name] for key in self.lost.get(parent, ())}
        lines = self.destination.lines(name)
        ours = {(row[parent_key], row["id"]): row for row in lines if row[parent_key] not in lost}
        assert set(ours) == set(truth), (
            f"{name}: {sorted(set(truth) - set(ours))} missing, {sorted(set(ours) - set(truth))} too many"
        )
        differences = [text for key, line in truth.items() for text in unequal(line, ours[key], name)]
        assert differences == []

    def _compare(self, name: str) -> None:
        truth = {item["id"]: item for item in self._wanted(name)}
        lost = self.lost.get(name, ())
        ours = {row["id"]: row for row in self.destination.rows(name) if row["id"] not in lost}
        assert set(ours) == set(truth), (
            f"{name}: {sorted(set(truth) - set(ours))} missing, {sorted(set(ours) - set(truth))} too many"
        )
        differences = [text for key, item in truth.items() for text in unequal(item, ours[key], name)]
        assert differences == []


# Finding the smallest failing example may take many minutes.
@pytest.mark.timeout(1800)
@pytest.mark.quick("0", "1", "2", "3", "4")
@pytest.mark.parametrize("shard", range(SHARDS))
def test_books_are_equal_once_the_changes_stop(shard: int) -> None:
    """A share of the examples. By its name each share has other examples where they are to be the same every time."""
    with small_pages():
        run_state_machine_as_test(
            type(f"Books{shard}", (Books,), {}),
            settings=settings(
                # The first one is the same in each: all choices as simple as can be.
                max_examples=math.ceil(EXAMPLES / SHARDS) + 1,
                stateful_step_count=8,
                deadline=None,
                print_blob=True,
                suppress_health_check=list(HealthCheck),
                phases=PHASES,
            ),
        )
