"""A long first read that dies at any moment: the next run repeats little, and in the end nothing is lost.

A list with dates is read in slices, each of which is saved when it is proven; a list without dates begins again.

`make test` reads 200 small pages, with slices that are as much smaller. With RESUME_FULL=1 (`make resume`) it is a
ledger of 200,000 entries in 1,000 pages of 200 and slices of their real size; the figures are printed.
"""

from __future__ import annotations

import datetime as dt
import itertools
import json
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
from source_sage.lists import cuts, list_reader
from source_sage.lists.state import RANGES_AT_MOST

FULL = "RESUME_FULL" in os.environ
ROWS, PAGE_SIZE = (200_000, 200) if FULL else (4_000, 20)
PAGES = ROWS // PAGE_SIZE
SUBPROCESS_ROWS = 200_000 if FULL else 20_000
# The figures that a reading decides by, for pages of this size.
SHORT_LIST, FIRST_SLICE, LONGEST_SLICE = (
    rows * PAGE_SIZE // 200 for rows in (cuts.SHORT_LIST, cuts.FIRST_SLICE, cuts.LONGEST_SLICE)
)
# Requests of one run beside its pages: where it cuts, what proves it, and what was under way when it died.
BESIDES = 32
LARGEST_STATE = 4_000
LEDGER = "ledger_entries"
SOURCE = Path(sys.executable).with_name("source-sage")

pytestmark = pytest.mark.timeout(1800)


def test_the_ledger_is_long_enough_for_slices_of_every_size() -> None:
    assert (cuts.SHORT_LIST, cuts.FIRST_SLICE, cuts.LONGEST_SLICE) == (5_000, 2_000, 20_000)
    assert ROWS >= 2 * LONGEST_SLICE > SHORT_LIST > FIRST_SLICE
    assert SUBPROCESS_ROWS > cuts.SHORT_LIST


@pytest.fixture(scope="module")
def ledger() -> Iterator[Sandbox]:
    """A long ledger that no test changes."""
    with Sandbox(ledger_entries=ROWS, seed=7, token_life=10**9) as box, page_size(PAGE_SIZE):
        yield box


def under_way(rows: int, first: int = FIRST_SLICE, longest: int = LONGEST_SLICE) -> int:
    """How many rows may be in slices that are not saved when a run has read so many, at most.

    The more is proven, the longer are the slices. Two are read at once, and one more may have ended without being
    proven.
    """
    saved = max(0.0, (rows - 3 * first) / (1 + 3 * list_reader.GROWTH))
    return int(3 * min(first + list_reader.GROWTH * saved, longest))


def measured_sync(pipeline: Pipeline, kill_after: int | None) -> tuple[int, int, int]:
    """One sync; gives how many rows it brought, how many of them again, and how many requests it took."""
    known = {row["id"] for row in pipeline.destination.rows(LEDGER)}
    rows = repeated = 0

    def seen(message: Message) -> None:
        nonlocal rows, repeated
        if message["type"] == "RECORD":
            rows += 1
            repeated += message["record"]["data"]["id"] in known

    output = pipeline.sync(kill_after=kill_after, seen=seen)
    assert output.failure is None
    return rows, repeated, len(pipeline.asked(LEDGER))


def moments(seed: int) -> list[int]:
    """After how many records and states each of some runs dies."""
    rng = random.Random(seed)  # noqa: S311
    return [rng.randrange(ROWS // 3) for _ in range(4)]


@pytest.mark.parametrize("kills", [[1], [ROWS - 1], moments(1), moments(2)], ids=str)
def test_a_first_read_killed_at_any_moment_repeats_little(kills: list[int], ledger: Sandbox) -> None:
    pipeline = Pipeline(ledger, [LEDGER])
    wasted = total = 0
    for kill in [*kills, None]:
        rows, repeated, requests = measured_sync(pipeline, kill)
        there = len(pipeline.destination.rows(LEDGER))
        print(f"killed after {kill}: {rows} rows, {repeated} again, {there} there, {requests} requests")  # noqa: T201
        assert repeated <= wasted
        # What is lost of a run that dies was under way; what an earlier one had lost is given by the next.
        wasted = max(0, wasted - rows) + under_way(rows)
        total += requests
    pipeline.assert_equal()
    lost = sum(under_way(kill) for kill in kills)
    assert total <= PAGES + lost / PAGE_SIZE + BESIDES * (len(kills) + 1)


def test_a_first_read_that_is_killed_again_and_again_gets_on(ledger: Sandbox) -> None:
    """Each process lives for five of the first slices."""
    pipeline = Pipeline(ledger, [LEDGER])
    total = runs = 0
    while len(pipeline.destination.rows(LEDGER)) < ROWS or pipeline.destination.state[LEDGER]["stream"]["stream_state"][
        "businesses"
    ][ledger.businesses[0].id].get("whole"):
        _, _, requests = measured_sync(pipeline, 5 * FIRST_SLICE)
        total, runs = total + requests, runs + 1
        assert total <= 2 * PAGES + BESIDES * runs
    print(f"{runs} runs of {5 * FIRST_SLICE} rows: {total} requests for {PAGES} pages")  # noqa: T201
    pipeline.assert_equal()


def test_a_few_changes_between_kill_and_resume_repeat_little() -> None:
    """A business goes on while a long read is down: what is saved of it stays saved, whatever the order of the list."""
    with Sandbox(ledger_entries=4_000, seed=8, token_life=10**9) as box, page_size(20):
        box.settings.change({"default_order": "updated:asc"})
        box.clock.advance(86_400)
        company = box.businesses[0]
        rows = len(company.rows(LEDGER))
        pipeline = Pipeline(box, [LEDGER])
        pipeline.sync(kill_after=rows * 9 // 10)
        done = sum(len(one["done"]) for one in wholes(pipeline))
        assert done
        box.clock.advance(300)
        for row in random.Random(3).sample(company.rows(LEDGER), 3):  # noqa: S311
            company.update(LEDGER, row["id"])
        company.create("journals")
        box.clock.advance(300)
        assert pipeline.sync().failure is None
        pipeline.assert_equal()
        assert len([one for one in pipeline.asked(LEDGER) if is_walk(one)]) < rows / 20 / 2


def wholes(pipeline: Pipeline) -> list[dict[str, Any]]:
    """The unfinished readings of which the saved state of the ledger tells."""
    places = pipeline.destination.state[LEDGER]["stream"]["stream_state"]["businesses"].values()
    return [{"done": [], **place["whole"]} for place in places if "whole" in place]


def test_a_list_without_dates_begins_again_and_keeps_since_when_to_ask() -> None:
    with Sandbox(size="small", seed=8, token_life=10**9) as box, page_size(2):
        box.clock.advance(86_400)
        company = box.businesses[0]
        rows = len(company.rows("addresses"))
        pipeline = Pipeline(box, ["addresses"])
        pipeline.sync(kill_after=rows // 2)
        (place,) = pipeline.destination.state["addresses"]["stream"]["stream_state"]["businesses"].values()
        assert place.keys() == {"whole"} and place["whole"].keys() == {"began", "start"}
        gone = pipeline.destination.rows("addresses")[0]["id"]
        company.delete("addresses", gone)
        box.clock.advance(5_000)
        output = pipeline.sync()
        assert output.failure is None
        pipeline.assert_equal()
        assert len(output.rows("addresses")) >= rows - 1
        assert gone in {row["id"] for row in output.rows("addresses") if row.get("is_deleted")}


def test_a_state_comes_with_each_slice(ledger: Sandbox) -> None:
    pipeline = Pipeline(ledger, [LEDGER], include_historical_data=True)
    business = ledger.businesses[0].id
    before = 0
    rows: list[int] = []
    places: list[dict[str, Any]] = []
    for message in pipeline.sync().messages:
        if message["type"] == "RECORD":
            before += 1
        elif message["type"] == "STATE":
            rows.append(before)
            places.append(message["state"]["stream"]["stream_state"]["businesses"][business])
    assert rows[0] == 0 and places[0]["whole"].keys() == {"began"}  # the beginning is saved before the first row
    for earlier, later in itertools.pairwise(rows):
        assert later - earlier <= under_way(later)
    assert len(places) >= 8
    # Done ranges only grow; at the end a watermark takes their place.
    done = [days(place["whole"].get("done", [])) for place in places if "whole" in place]
    assert all(earlier < later for earlier, later in itertools.pairwise(done)), done
    assert all("watermark" not in place for place in places[: len(done)])
    assert all(place.keys() == {"watermark"} for place in places[len(done) :])
    assert len(done) >= len(places) - 2
    assert len(places) < PAGES / 4  # and not after each page


def days(ranges: list[list[str | None]]) -> int:
    """How many days they hold."""
    return sum(
        (dt.date.fromisoformat(end or "9999-12-31") - dt.date.fromisoformat(start or "0001-01-01")).days + 1
        for start, end in ranges
    )


def test_state_is_small_and_readable(ledger: Sandbox) -> None:
    pipeline = Pipeline(ledger, [LEDGER])
    states = [one["state"]["stream"]["stream_state"] for one in pipeline.sync().of("STATE")]
    assert len(states) > 3
    for state in states:
        assert len(json.dumps(state)) <= 400
        for place in state["businesses"].values():
            ranges = place.get("whole", {}).get("done", [])
            assert len(ranges) <= 3
            assert all(dt.date.fromisoformat(day) for one in ranges for day in one if day is not None)


def test_state_stays_small_whatever_is_done_of_a_list(ledger: Sandbox) -> None:
    """Of more ranges than may be saved, some are left out and read again, and nothing is lost."""
    pipeline = Pipeline(ledger, [LEDGER])
    pipeline.sync(kill_after=FIRST_SLICE)
    there = {row["date"] for row in pipeline.truth(LEDGER)}
    every_second_day = sorted(there)[: 2 * RANGES_AT_MOST : 2]
    state = pipeline.destination.state[LEDGER]["stream"]["stream_state"]
    (whole,) = [place["whole"] for place in state["businesses"].values()]
    for row in pipeline.truth(LEDGER):
        if row["date"] in every_second_day:
            stream = {"stream": LEDGER, "data": {**row, "business_id": ledger.businesses[0].id}}
            pipeline.destination.take({"type": "RECORD", "record": stream})
    whole["done"] = [[day, day] for day in every_second_day]
    most = 0

    def seen(message: Message) -> None:
        nonlocal most
        if message["type"] == "STATE":
            text = json.dumps(message["state"]["stream"]["stream_state"])
            most = max(most, text.count("["))
            assert len(text) <= LARGEST_STATE

    assert pipeline.sync(seen=seen).failure is None
    assert RANGES_AT_MOST / 2 < most <= RANGES_AT_MOST + 1
    assert {row["id"] for row in pipeline.destination.rows(LEDGER)} == {row["id"] for row in pipeline.truth(LEDGER)}


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
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
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


@pytest.mark.slow
def test_a_process_that_is_killed_for_real_repeats_little(tmp_path: Path) -> None:
    with Sandbox(ledger_entries=SUBPROCESS_ROWS, seed=8, token_life=10**9) as box:
        pipeline = Pipeline(box, [LEDGER])
        rng = random.Random(8)  # noqa: S311
        total = lost = 0
        for share in [rng.uniform(0.5, 0.7), *(rng.uniform(0, 0.5) for _ in range(3 * FULL))]:
            wanted = max(1, int(share * SUBPROCESS_ROWS))
            rows, code = read_in_a_process(pipeline, tmp_path, wanted)
            if code == 0:  # it was through before
                break
            assert (rows >= wanted, code) == (True, -signal.SIGKILL)
            total += len(pipeline.asked(LEDGER))
            lost += under_way(rows, cuts.FIRST_SLICE, cuts.LONGEST_SLICE)
            assert wholes(pipeline)[0]["done"]
        rows, code = read_in_a_process(pipeline, tmp_path, None)
        last = len(pipeline.asked(LEDGER))
        print(f"{last} requests at last, {total + last} in all for {SUBPROCESS_ROWS // 200} pages")  # noqa: T201
        assert code == 0
        assert total + last <= SUBPROCESS_ROWS / 200 + lost / 200 + BESIDES * (2 + 3 * FULL)
        pipeline.assert_equal()


def test_a_page_of_new_rows_while_a_read_goes_on_is_not_taken_for_its_end() -> None:
    """In a list with the newest first, as many new rows as a page holds make two pages in a row look the same."""
    with Sandbox(size="small", seed=2, token_life=10**9) as box, page_size(2):
        box.settings.change({"default_order": "created:desc", "next_goes_missing": True})
        box.clock.advance(86_400)
        pipeline = Pipeline(box, ["contacts"], num_workers=1)

        def enter(_: str, __: int, company: Company) -> None:
            company.create("contacts")
            company.create("contacts")

        box.faults.add(faults.before_page(enter), path="*/contacts", when=lambda call: call.page == 4, times=1)
        assert pipeline.sync().failure is None
        assert box.faults.all[0].hits == 1
        pipeline.assert_equal()
