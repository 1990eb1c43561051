"""The bench measures what it says: a fake Sage that pages like Sage, runs that are counted, ratios within a round."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from benchmarks import adversity, targets
from benchmarks.child import Drain, run
from benchmarks.experiments import COMPANY, scaled
from benchmarks.facts import PAGE_SIZE, id_tag
from benchmarks.figures import Figures
from benchmarks.peers.shaping import SCHEMAS, compiled
from benchmarks.readers import Job, plain_client
from benchmarks.server import Counts, Server
from benchmarks.targets import most_requests, slices_of
from source_sage.lists import cuts, list_reader


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server(Path(sys.executable)) as started:
        yield started


def page(server: Server, number: int, **params: str) -> dict[str, Any]:
    query = {"page": str(number), "items_per_page": "200", **params}
    answer = requests.get(f"{server.url}/sales_invoices", params=query, headers={"X-Business": "b"}, timeout=10)
    answer.raise_for_status()
    assert answer.headers["X-Business"] == "b"
    return dict(answer.json())


def test_fake_sage_pages_like_sage(server: Server) -> None:
    server.serve({"sales_invoices": 1_450})
    pages = [page(server, number) for number in range(1, 9)]
    ids = [row["id"] for one in pages for row in one["$items"]]
    lines = [line["id"] for one in pages for row in one["$items"] for line in row["invoice_lines"]]
    assert len(set(ids)) == len(ids) == 1_450
    assert len(set(lines)) == len(lines)
    assert all(key.endswith(id_tag("sales_invoices")) for key in ids)
    assert [one["$next"] is None for one in pages] == [False] * 7 + [True]
    assert page(server, 9) == pages[7], "a page past the end is the last one again"
    assert page(server, 1, updated_or_created_since="2030-01-01T00:00:00Z")["$total"] == 0
    assert page(server, 1, deleted_since="2020-01-01T00:00:00Z")["$items"] == []
    assert server.counts().requests == 11


def test_fake_sage_knows_dates(server: Server) -> None:
    server.serve({"sales_invoices": 2_001})
    days = [row["date"] for number in range(1, 12) for row in page(server, number)["$items"]]
    assert days == sorted(days) and len(days) == 2_001 and len(set(days)) == 11
    second = page(server, 2, from_date="2012-01-02", to_date="2012-01-03")
    assert second["$total"] == 400 and {row["date"] for row in second["$items"]} == {"2012-01-03"}
    assert page(server, 1, from_date="2012-01-11")["$total"] == 1
    assert page(server, 1, to_date="2011-12-31")["$items"] == []


def test_fake_sage_refuses_beyond_the_limit(server: Server) -> None:
    server.serve({"sales_invoices": 10}, limit=3, window=600)
    answers = [requests.get(f"{server.url}/sales_invoices", timeout=10) for _ in range(5)]
    assert [one.status_code for one in answers] == [200, 200, 200, 429, 429]
    assert 540 <= int(answers[-1].headers["Retry-After"]) <= 600
    counts = server.counts()
    assert (len(counts.let_through), len(counts.refused)) == (3, 2)


def test_fake_sage_makes_trouble(server: Server) -> None:
    lists = {"contacts": 400, "products": 400}

    def statuses(size: int = 200, name: str = "contacts", times: int = 1, **trouble: Any) -> list[int]:
        server.serve(lists, trouble=trouble)
        address = f"{server.url}/{name}?items_per_page={size}"
        return [requests.get(address, timeout=10).status_code for _ in range(times)]

    assert statuses(200, heavy=60) == [504] and statuses(50, heavy=60) == [200]
    assert statuses(dead="contacts") == [503] and statuses(dead="contacts", name="products") == [200]
    assert 20 < statuses(times=200, refused=0.2).count(429) < 60
    assert statuses(at_once=0) == [429]
    server.serve(lists, trouble={"broken": 1.0})
    seen = set()
    for _ in range(40):
        try:
            answer = requests.get(f"{server.url}/contacts", timeout=10)
            seen.add("no JSON" if answer.ok else str(answer.status_code))
        except requests.exceptions.RequestException:
            seen.add("cut")
    assert seen == {"500", "502", "no JSON", "cut"}


def test_the_ideal_knows_everything_beforehand() -> None:
    rows = {"contacts": 399, "products": 399}
    ideal = {case.name: (case.requests(rows), case.expected(rows)) for case in adversity.CASES}
    assert ideal["nothing"] == (4, 798)
    assert ideal["pages of more than 60 rows answer 504"] == (16, 798)
    assert ideal["one of the lists always answers 503"] == (2, 399)
    window = adversity.Case("x", limit=10, window=5.0)
    assert window.seconds(dict.fromkeys("abc", 1_999)) == 10.0
    assert all(length % PAGE_SIZE for length in adversity.lengths(0.1).values())


@pytest.mark.skipif(not SCHEMAS.exists(), reason="the peers take the schemas of a checkout, which is not here")
def test_the_plain_client_reads_all_that_it_is_given_and_says_what_it_left_out(server: Server, tmp_path: Path) -> None:
    def read(**trouble: Any) -> tuple[int, int]:
        server.serve({"contacts": 450, "products": 10}, trouble=trouble)
        job = Job(server.url, ["contacts", "products"], tmp_path, 4)
        command = [sys.executable, *plain_client(job)[1:]]
        outcome = run(command, tmp_path)
        return outcome.records, outcome.exit_code

    assert read() == (460, 0)
    assert read(dead="contacts") == (10, 1)


def test_a_run_is_counted_and_measured(tmp_path: Path) -> None:
    code = (
        "import time\nheld = bytearray(150_000_000)\n"
        "for n in range(5):\n"
        f'    print(\'{{"type":"RECORD","id":"%016x{id_tag("x")}"}}\' % (n // 2))\n'
        "end = time.process_time() + 0.3\nwhile time.process_time() < end: pass\nprint('5')"
    )
    outcome = run([sys.executable, "-c", code], tmp_path, drain=Drain(id_tag=id_tag("x")))
    assert (outcome.exit_code, outcome.records, outcome.ids, outcome.last_line) == (0, 5, 3, "5")
    assert 0.3 <= outcome.cpu < 3
    assert 150 < outcome.peak_mb < 250


def test_a_run_that_takes_too_long_is_ended_and_still_measured(tmp_path: Path) -> None:
    outcome = run([sys.executable, "-c", "import time; time.sleep(60)"], tmp_path, limit=0.5)
    assert outcome.cut
    assert outcome.exit_code < 0
    assert outcome.wall < 60


def sample(reader: str, number: int, setting: str, rows: int, cpu: float) -> dict[str, Any]:
    return {
        "experiment": "ledger",
        "reader": reader,
        "round": number,
        "setting": setting,
        "rows": rows,
        "cpu": cpu,
        "wall": cpu,
        "trouble": "",
    }


def test_costs_are_net_of_start_up_and_ratios_within_a_round() -> None:
    # A machine that is ten times slower in its second round.
    runs = [("a", 0, 1.0, 3.0), ("b", 0, 1.0, 2.0), ("a", 1, 10.0, 30.0), ("b", 1, 10.0, 20.0)]
    samples = [
        sample(reader, number, setting, 0 if setting == "empty" else 1_000, cpu)
        for reader, number, empty, full in runs
        for setting, cpu in (("empty", empty), ("full", full))
    ]
    figures = Figures(
        {
            "machine": {},
            "rounds": 2,
            "scale": 1,
            "begun": 0,
            "seconds": 1,
            "server_rows_a_second": {},
            "samples": samples,
        }
    )
    cost, ratio = figures.cost("ledger", "a"), figures.ratio("ledger", "a", "b")
    assert cost is not None and (cost.low, cost.high) == (0.002, 0.02)
    assert ratio is not None and (ratio.low, ratio.median, ratio.high) == (2, 2, 2)


def test_share_of_budget_counts_whole_windows_alone() -> None:
    bursts = [0.0, 1.0, 10.0, 11.0, 20.0]
    assert Counts(5, 1, bursts, []).share_of_budget(4, 10.0) == 0.5
    assert Counts(2, 1, [0.0, 9.0], []).share_of_budget(4, 10.0) is None


def test_no_list_of_the_bench_ends_with_a_full_page() -> None:
    for scale in (1, 0.3, 0.02):
        assert all(rows % PAGE_SIZE for rows in scaled(COMPANY, scale).values())


def test_the_target_for_requests_follows_what_the_reading_decides_by() -> None:
    decided_by = (cuts.SHORT_LIST, cuts.FIRST_SLICE, list_reader.GROWTH, cuts.LONGEST_SLICE)
    assert decided_by == (targets.SHORT_LIST, targets.FIRST_SLICE, targets.GROWTH, targets.LONGEST_SLICE)
    assert [most_requests(rows) for rows in (0, 1, 200, 201, 5_000)] == [3, 3, 3, 4, 27]
    assert most_requests(5_001) == 26 + 4 * slices_of(5_001) + 5
    assert most_requests(200_000) == 1_060


def test_the_floor_shapes_as_the_schema_says() -> None:
    shape = compiled(
        {
            "properties": {
                "total": {"type": ["null", "number"]},
                "paid_on": {"type": ["null", "string"], "format": "date"},
                "lines": {"type": "array", "items": {"properties": {"net": {"type": "number"}}}},
            }
        }
    )
    record = {"$path": "/x", "links": [], "total": "1.50", "paid_on": "", "lines": [{"$path": "/y", "net": ""}]}
    shape(record)
    assert record == {"total": 1.5, "paid_on": None, "lines": [{"net": None}]}
