"""A long first read that dies at any moment: the next run repeats little, and in the end nothing is lost.

`make test` reads 200 small pages. With RESUME_FULL=1 (`make resume`) it is a ledger of 200,000 entries in 1,000 pages
of 200; the figures are printed.
"""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integration_tests.harness import Message
from integration_tests.pipeline import Pipeline, is_walk, page_size
from integration_tests.sandbox import Company, Sandbox, faults

FULL = "RESUME_FULL" in os.environ
ROWS, PAGE_SIZE = (200_000, 200) if FULL else (4_000, 20)
PAGES = ROWS // PAGE_SIZE
SUBPROCESS_ROWS = 200_000 if FULL else 20_000
# "A few dozen": the pages between two states, and those that were under way.
REPEATED_PAGES = 60
PAGES_BETWEEN_STATES = 50
SECONDS_BETWEEN_STATES = 120
LEDGER = "ledger_entries"
SOURCE = Path(sys.executable).with_name("source-sage")

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def ledger() -> Iterator[Sandbox]:
    """A long ledger that no test changes."""
    with Sandbox(ledger_entries=ROWS, seed=7, token_life=10**9) as box, page_size(PAGE_SIZE):
        yield box


def measured_sync(pipeline: Pipeline, kill_after: int | None) -> tuple[int, int]:
    """One sync; gives how many rows it repeated, and how many pages more than were left it asked for."""
    known = {row["id"] for row in pipeline.destination.rows(LEDGER)}
    repeated = 0

    def seen(message: Message) -> None:
        nonlocal repeated
        repeated += message["type"] == "RECORD" and message["record"]["data"]["id"] in known

    output = pipeline.sync(kill_after=kill_after, seen=seen)
    assert output.failure is None
    read = len({row["id"] for row in pipeline.destination.rows(LEDGER)}) - len(known)
    return repeated, len(pipeline.asked(LEDGER)) - math.ceil(read / PAGE_SIZE)


def moments(seed: int) -> list[int]:
    """After how many records and states each of some runs dies."""
    rng = random.Random(seed)  # noqa: S311
    return sorted(rng.randrange(ROWS) for _ in range(3))


@pytest.mark.parametrize("kills", [[1], [ROWS - 1], moments(1), moments(2)], ids=str)
def test_a_first_read_killed_at_any_moment_repeats_little(kills: list[int], ledger: Sandbox) -> None:
    pipeline = Pipeline(ledger, [LEDGER])
    behind = 0
    for kill in [*kills, None]:
        repeated, over = measured_sync(pipeline, None if kill is None else max(1, kill - behind))
        behind = len(pipeline.destination.rows(LEDGER))
        print(f"killed after {kill}: {behind} rows there, {repeated} repeated, {over} requests over")  # noqa: T201
        assert repeated <= REPEATED_PAGES * PAGE_SIZE
        assert over <= REPEATED_PAGES
    pipeline.assert_equal()


def test_a_few_changes_between_kill_and_resume_repeat_little() -> None:
    """A business goes on while a long read is down. In a list in order of creation, edits move no row.

    Elsewhere the read begins again: a row that was edited may have moved before the kill as well.
    """
    invoices = "sales_invoices"
    with Sandbox(size="small", seed=8, token_life=10**9) as box, page_size(2):
        box.clock.advance(86_400)
        company = box.businesses[0]
        rows = len(company.rows(invoices))
        pipeline = Pipeline(box, [invoices])
        pipeline.sync(kill_after=rows * 9 // 10)
        box.clock.advance(300)
        for row in random.Random(3).sample(company.rows(invoices), 3):  # noqa: S311
            company.update(invoices, row["id"])
        company.create(invoices)
        box.clock.advance(300)
        assert pipeline.sync().failure is None
        pipeline.assert_equal()
        assert len([one for one in pipeline.asked(invoices) if is_walk(one)]) < rows / 2 / 2


def test_state_comes_every_fifty_pages_at_least(ledger: Sandbox) -> None:
    pipeline = Pipeline(ledger, [LEDGER])
    output = pipeline.sync()
    gaps, since = [], 0
    for message in output.messages:
        since += message["type"] == "RECORD"
        if message["type"] == "STATE":
            gaps.append(since)
            since = 0
    assert since == 0
    assert gaps[0] == 0  # the beginning is saved before the first row
    assert max(gaps) <= PAGES_BETWEEN_STATES * PAGE_SIZE
    assert len(gaps) < PAGES / 2  # and not after each page


def test_state_comes_every_two_minutes_at_least(ledger: Sandbox) -> None:
    """Sage takes ten seconds a page here; one worker, since several would let the time pass ahead of the messages."""
    ledger.faults.add(faults.before_page(lambda *_: ledger.clock.advance(10)), path=f"*/{LEDGER}")
    pipeline = Pipeline(ledger, [LEDGER], num_workers=1)
    moments: list[float] = []

    def seen(message: Message) -> None:
        if message["type"] == "STATE":
            moments.append(ledger.clock.now())

    try:
        began = ledger.clock.now()
        pipeline.sync(seen=seen)
    finally:
        ledger.faults.clear()
    gaps = [later - earlier for earlier, later in zip([began, *moments], moments, strict=False)]
    assert max(gaps) <= SECONDS_BETWEEN_STATES
    assert ledger.clock.now() - moments[-1] <= SECONDS_BETWEEN_STATES


def test_state_is_small_and_does_not_grow(ledger: Sandbox) -> None:
    states = [
        json.dumps(one["state"]["stream"]["stream_state"]) for one in Pipeline(ledger, [LEDGER]).sync().of("STATE")
    ]
    assert len(states) > 3
    assert max(map(len, states)) <= 300
    business = ledger.businesses[0].id
    place = json.loads(states[-2])["businesses"][business]
    assert all(isinstance(value, str | int) for value in place.values())  # flat, for a person to read


ORDERS = ("created:asc", "created:desc", "updated:asc", "updated:desc", "date:desc", "name:asc", "random")
DELETABLE = ("sales_invoices", "contacts", "addresses")
MOVING = (*DELETABLE, "transactions")


def between_the_runs(company: Company, rng: random.Random) -> None:
    """Edits, deletions and new rows all over the lists."""
    for name in MOVING:
        for row in rng.sample(company.rows(name), 3):
            company.update(name, row["id"])
    for name in DELETABLE:
        for row in [company.rows(name)[0], *rng.sample(company.rows(name), 3)]:
            if any(one["id"] == row["id"] for one in company.rows(name)):
                company.delete(name, row["id"])
        company.create(name)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("seed", [1, 2])
def test_rows_changed_and_deleted_between_kill_and_resume_are_right(seed: int, order: str) -> None:
    rng = random.Random(f"{seed} {order}")  # noqa: S311
    with Sandbox(size="tiny", seed=seed, default_order=order, token_life=10**9) as box, page_size(2):
        box.clock.advance(86_400)
        pipeline = Pipeline(box, MOVING)
        for _ in range(2):
            pipeline.sync(kill_after=rng.randrange(1, 300))
            between_the_runs(box.businesses[0], rng)
            box.clock.advance(rng.choice([1, 30, 5_000]))
        assert pipeline.sync().failure is None
        pipeline.assert_equal()
        between_the_runs(box.businesses[0], rng)
        box.clock.advance(5)
        assert pipeline.sync().failure is None
        pipeline.assert_equal()


def read_in_a_process(pipeline: Pipeline, folder: Path, kill_after: int | None) -> tuple[int, int]:
    """`source-sage read` as the platform runs it, killed by SIGKILL after so many rows; gives rows and exit code."""
    files: dict[str, Any] = {"config": pipeline.config, "catalog": pipeline.catalog}
    if state := pipeline.destination.saved():
        files["state"] = state
    command = [str(SOURCE), "read"]
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
        command += [f"--{name}", str(folder / name)]
    pipeline.box.clear_requests()
    pipeline.destination.begin()
    rows = 0
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:  # noqa: S603
        assert process.stdout is not None
        for line in process.stdout:  # what was written before the kill still arrives, its last line perhaps in part
            if not line.endswith(b"\n"):
                break
            message = json.loads(line)
            rows += message["type"] == "RECORD"
            pipeline.destination.take(message)
            if rows == kill_after:
                process.send_signal(signal.SIGKILL)
    return rows, process.returncode


def test_a_process_that_is_killed_for_real_repeats_little(tmp_path: Path) -> None:
    with Sandbox(ledger_entries=SUBPROCESS_ROWS, seed=8, token_life=10**9) as box:
        pipeline = Pipeline(box, [LEDGER])
        rng = random.Random(8)  # noqa: S311
        total = 0
        for share in sorted([rng.uniform(0.7, 0.95), *(rng.random() for _ in range(3 * FULL))]):
            wanted = max(1, int(share * SUBPROCESS_ROWS) - len(pipeline.destination.rows(LEDGER)))
            rows, code = read_in_a_process(pipeline, tmp_path, wanted)
            assert (rows >= wanted, code) == (True, -signal.SIGKILL)
            total += len(pipeline.asked(LEDGER))
        left = math.ceil((SUBPROCESS_ROWS - len(pipeline.destination.rows(LEDGER))) / 200)
        rows, code = read_in_a_process(pipeline, tmp_path, None)
        last = len(pipeline.asked(LEDGER))
        print(f"{left} pages were left, {last} requests; {total + last} in all for {SUBPROCESS_ROWS // 200} pages")  # noqa: T201
        assert code == 0
        assert last <= left + REPEATED_PAGES
        pipeline.assert_equal()


def test_a_page_of_new_rows_while_a_read_goes_on_is_not_taken_for_its_end() -> None:
    """In a list with the newest first, as many new rows as a page holds make two pages in a row look the same."""
    with Sandbox(size="tiny", seed=2, token_life=10**9) as box, page_size(2):
        box.settings.change({"default_order": "created:desc", "next_goes_missing": True})
        box.clock.advance(86_400)
        pipeline = Pipeline(box, [LEDGER], num_workers=1)
        pipeline.sync(kill_after=200)
        place = pipeline.destination.state[LEDGER]["stream"]["stream_state"]["businesses"][box.businesses[0].id]

        def post(_: str, __: int, company: Company) -> None:
            before = len(company.rows(LEDGER))
            company.create("journals")
            assert len(company.rows(LEDGER)) == before + 2

        second = place["rows"] // 2 + 2
        box.faults.add(faults.before_page(post), path=f"*/{LEDGER}", when=lambda call: call.page == second, times=1)
        assert pipeline.sync().failure is None
        assert box.faults.all[0].hits == 1
        pipeline.assert_equal()
