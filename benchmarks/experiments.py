"""What is measured: which readers read what from which world, how often, and in which order."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks import adversity, readers
from benchmarks.child import AT_ONCE, Drain, Outcome, run
from benchmarks.facts import PAGE_SIZE, id_tag
from benchmarks.readers import Job, Reader
from benchmarks.server import Counts, Server

LEDGER: Final = {"ledger_entries": 200_000}
COMPANY: Final = {
    "sales_invoices": 8_000,
    "purchase_invoices": 4_000,
    "sales_credit_notes": 800,
    "sales_quotes": 800,
    "purchase_credit_notes": 400,
    "contact_payments": 6_000,
    "contact_allocations": 3_000,
    "other_payments": 1_000,
    "bank_transfers": 400,
    "bank_deposits": 400,
    "journals": 1_000,
    "transactions": 12_000,
    "ledger_entries": 30_000,
    "contacts": 3_000,
    "contact_persons": 3_000,
    "addresses": 6_000,
    "products": 2_000,
    "services": 400,
    "stock_items": 1_000,
    "ledger_accounts": 400,
    "bank_accounts": 10,
    "tax_rates": 5,
    "tax_schemes": 4,
    "countries": 40,
    "currencies": 24,
    "payment_methods": 5,
    "artefact_statuses": 8,
    "transaction_types": 24,
    "ledger_account_types": 11,
    "address_types": 5,
}
SMALL_COMPANY_SCALE: Final = 0.02
PAGES_FOR_LATENCY: Final = 20
# Requests by which the server's own speed is measured.
CEILINGS: Final = {"ledger_entries": 5_000, "sales_invoices": 500}
LATENCIES: Final = (0.0, 0.1, 0.3)
MOST_ROUNDS_OF_WAITING: Final = 3
WORKERS: Final = 8
MANY_WORKERS: Final = 16
PAGES_FOR_THROUGHPUT: Final = 1_000
THROUGHPUT_LIMIT_SECONDS: Final = 60.0
BUDGET: Final = 100
BUDGET_WINDOW_SECONDS: Final = 60.0
BUDGET_LATENCY: Final = 0.1
PAGES_FOR_BUDGET: Final = 250
ROWS_FOR_MEMORY: Final = (100_000, 1_000_000)
FAT_ROWS: Final = 12_000
SLOW_BYTES_A_SECOND: Final = 3e6
SLOW_SECONDS: Final = 15.0


@dataclass(frozen=True)
class Sample:
    """One run.

    Attributes:
        experiment: start_up, ledger, company, latency_ledger, latency_company, throughput, budget, memory, slow or
            adversity.
        reader: its key.
        round: from 0.
        setting: what varies inside the experiment: `empty` or `full`, seconds a request, rows.
        expected, rows: rows there were, and rows read.
        requests: that the server counted.
        per_second: answers a second, from the first to the last.
        most_at_once: requests under way at the same time.
        refused: requests answered with 429.
        budget_used: share of the budget, in whole windows.
        ids: different rows, where they were told apart.
        cut: it was ended before its end.
        trouble: why the run does not count; empty if it does.
    """

    experiment: str
    reader: str
    round: int
    setting: str
    expected: int
    rows: int
    requests: int
    per_second: float
    most_at_once: int
    refused: int
    budget_used: float | None
    ids: int
    wall: float
    cpu: float
    peak_mb: float
    cut: bool
    trouble: str

    def as_dict(self) -> dict[str, Any]:
        """For the results file."""
        return asdict(self)


@dataclass(frozen=True)
class World:
    """What one run meets.

    Attributes:
        rows: the length of each list.
        latency: seconds a request.
        limit: requests let through in `window` seconds.
        to_read: False where no rows are to come of it.
        workers: requests at the same time, where the reader can be told.
        drain: how its output is taken.
        time_limit: seconds after which the run is ended.
        may_be_cut, may_fail: it counts all the same if it is, or does.
        trouble: what goes wrong on purpose.
    """

    rows: Mapping[str, int]
    latency: float = 0.0
    to_read: bool = True
    limit: int | None = None
    window: float = BUDGET_WINDOW_SECONDS
    workers: int = WORKERS
    drain: Drain = AT_ONCE
    time_limit: float = 600.0
    may_be_cut: bool = False
    may_fail: bool = False
    trouble: Mapping[str, Any] = field(default_factory=dict)


class Bench:
    """Runs the experiments one after another.

    Args:
        server: serves.
        rounds: how often each measurement is made.
        scale: of the rows; below 1 for a quick try.
        beside: another checkout of this connector, to compare the cost of a row with.
    """

    def __init__(self, server: Server, rounds: int, scale: float, beside: Path | None = None) -> None:
        self._server = server
        self._rounds = rounds
        self._scale = scale
        self._all = (*readers.ALL, readers.beside(beside)) if beside else readers.ALL

    def samples(self, chosen: Iterable[str]) -> Iterator[Sample]:
        """Run the experiments of these names, in this order."""
        experiments = {
            "start_up": self._start_up,
            "ledger": lambda: self._cost("ledger", LEDGER),
            "company": lambda: self._cost("company", COMPANY),
            "latency_ledger": lambda: self._latency(
                "latency_ledger", {"ledger_entries": PAGES_FOR_LATENCY * PAGE_SIZE}
            ),
            "latency_company": lambda: self._latency("latency_company", scaled(COMPANY, SMALL_COMPANY_SCALE)),
            "memory": self._memory,
            "slow": self._slow,
            "throughput": self._throughput,
            "budget": self._budget,
            "adversity": self._adversity,
        }
        for name in chosen:
            yield from experiments[name]()

    def _start_up(self) -> Iterator[Sample]:
        for number in range(self._rounds):
            for reader in in_turn((readers.IMPORT_CDK, *readers.COMMANDS), number):
                yield self._sample("start_up", reader, number, "", World(dict.fromkeys(COMPANY, 1), to_read=False))

    def _cost(self, name: str, shape: Mapping[str, int]) -> Iterator[Sample]:
        for number in range(self._rounds):
            for reader in in_turn(self._all, number):
                nothing = dict.fromkeys(shape, 0)
                full = scaled(shape, self._scale * reader.share)
                yield self._sample(name, reader, number, "empty", World(nothing))
                yield self._sample(name, reader, number, "full", World(full))

    def _latency(self, name: str, shape: Mapping[str, int]) -> Iterator[Sample]:
        for number in range(min(self._rounds, MOST_ROUNDS_OF_WAITING)):
            for reader in in_turn(readers.ONE_REQUEST_EACH, number):
                for latency in LATENCIES:
                    world = World(scaled(shape, 1.0), latency=latency, workers=MANY_WORKERS)
                    yield self._sample(name, reader, number, str(latency), world)

    def _throughput(self) -> Iterator[Sample]:
        pages = max(100, round(PAGES_FOR_THROUGHPUT * self._scale))
        world = World(
            scaled({"ledger_entries": pages * PAGE_SIZE}, 1.0),
            latency=0.3,
            workers=MANY_WORKERS,
            drain=Drain(id_tag=id_tag("ledger_entries")),
            time_limit=THROUGHPUT_LIMIT_SECONDS,
            may_be_cut=True,
        )
        yield self._sample("throughput", readers.SAGE, 0, str(pages), world)

    def _budget(self) -> Iterator[Sample]:
        # A quick try plays the minute faster; Retry-After still speaks in whole seconds.
        pace = max(0.2, min(1.0, self._scale))
        window = BUDGET_WINDOW_SECONDS * pace
        world = World(
            scaled({"ledger_entries": PAGES_FOR_BUDGET * PAGE_SIZE}, 1.0),
            latency=BUDGET_LATENCY * pace,
            limit=BUDGET,
            window=window,
            workers=MANY_WORKERS,
            drain=Drain(id_tag=id_tag("ledger_entries")),
        )
        yield self._sample("budget", readers.SAGE, 0, str(window), world)

    def _adversity(self) -> Iterator[Sample]:
        rows = adversity.lengths(self._scale)
        for case in adversity.CASES:
            for reader in (readers.SAGE, readers.PLAIN):
                world = World(
                    rows,
                    latency=adversity.LATENCY,
                    limit=case.limit,
                    window=case.window,
                    drain=case.drain,
                    time_limit=adversity.LONGEST_SECONDS,
                    may_be_cut=True,
                    may_fail=True,
                    trouble=asdict(case.trouble),
                )
                yield self._sample("adversity", reader, 0, case.name, world)

    def _memory(self) -> Iterator[Sample]:
        for rows in ROWS_FOR_MEMORY:
            for reader in (readers.BARE, readers.SAGE):
                world = World(scaled({"ledger_entries": rows}, self._scale))
                yield self._sample("memory", reader, 0, str(rows), world)

    def _slow(self) -> Iterator[Sample]:
        seconds = SLOW_SECONDS * max(0.3, min(1.0, self._scale))
        for reader in (readers.SAGE, readers.SINGER_SDK, readers.DECLARATIVE):
            world = World(
                scaled({"sales_invoices": FAT_ROWS}, max(self._scale, 0.2)),
                drain=Drain(SLOW_BYTES_A_SECOND, seconds),
            )
            yield self._sample("slow", reader, 0, str(seconds), world)

    def _sample(self, experiment: str, reader: Reader, number: int, setting: str, world: World) -> Sample:
        served = self._server.serve(
            dict(world.rows), latency=world.latency, limit=world.limit, window=world.window, trouble=world.trouble
        )
        expected = sum(served.values()) if world.to_read else 0
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            job = Job(self._server.url, list(world.rows), Path(folder), world.workers)
            outcome = run(reader.command(job), job.folder, drain=world.drain, limit=world.time_limit)
        counts = self._server.counts()
        sample = Sample(
            experiment=experiment,
            reader=reader.key,
            round=number,
            setting=setting,
            expected=expected,
            rows=reader.rows(outcome),
            requests=counts.requests,
            per_second=counts.per_second,
            most_at_once=counts.most_at_once,
            refused=len(counts.refused),
            budget_used=_budget_used(counts, world),
            ids=outcome.ids,
            wall=outcome.wall,
            cpu=outcome.cpu,
            peak_mb=outcome.peak_mb,
            cut=outcome.cut,
            trouble=_trouble(reader, outcome, expected, world),
        )
        say(sample)
        return sample


def scaled(shape: Mapping[str, int], scale: float) -> dict[str, int]:
    """A shape with more or fewer rows.

    No list ends with a full page: Sage repeats the last page, and readers that go by short pages would never end.
    """
    lengths = {name: max(1, round(rows * scale)) for name, rows in shape.items()}
    return {name: rows - 1 if rows % PAGE_SIZE == 0 else rows for name, rows in lengths.items()}


def in_turn(chosen: tuple[Reader, ...], number: int) -> tuple[Reader, ...]:
    """The readers in an order that differs by round, so that drift of the machine hits all alike."""
    begin = number % len(chosen)
    return chosen[begin:] + chosen[:begin]


def say(sample: Sample) -> None:
    """One line on the terminal for each run."""
    line = (
        f"{sample.experiment:16} {sample.reader:18} round {sample.round + 1} {sample.setting:>8}: "
        f"{sample.rows:>9,} rows {sample.requests:>6,} requests {sample.wall:7.2f} s {sample.cpu:7.2f} s CPU "
        f"{sample.peak_mb:5.0f} MB {sample.trouble}"
    )
    sys.stdout.write(f"{line.rstrip()}\n")
    sys.stdout.flush()


def _budget_used(counts: Counts, world: World) -> float | None:
    return counts.share_of_budget(world.limit, world.window) if world.limit and counts.let_through else None


def _trouble(reader: Reader, outcome: Outcome, expected: int, world: World) -> str:
    if outcome.cut:
        return "" if world.may_be_cut else f"ended after {outcome.wall:.0f} s"
    if world.may_fail:
        return ""
    if outcome.exit_code:
        return f"exit code {outcome.exit_code}: {' '.join(outcome.complaint.split())[-200:]}"
    if reader.rows(outcome) < expected:
        return f"{expected - reader.rows(outcome)} rows missing"
    return ""
