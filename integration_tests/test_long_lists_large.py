"""Millions of rows, in a process of its own whose memory and time the system accounts: `make long`.

Memory is what the design's section 6 grants: 160 MB and 9 bytes for each row of the lists being read, 384 MB for
20 million rows at once, whatever changed meanwhile.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from integration_tests.long_lists import (
    FAT,
    NORMAL,
    Book,
    Connection,
    Dates,
    LongSage,
    pages,
)
from integration_tests.long_lists.process import read_in_a_process

pytestmark = pytest.mark.long

MILLION = 1_000_000
HOUR = 3_600.0
MB_AT_FIRST = 160
BYTES_A_ROW = 9
MB_FOR_FAT_ROWS = 256


def granted(rows: int) -> float:
    """Megabytes for lists of so many rows together."""
    return MB_AT_FIRST + rows * BYTES_A_ROW / 1e6


@pytest.mark.parametrize(
    "names",
    [("ledger_entries",), ("ledger_entries", "transactions", "contacts", "sales_invoices")],
    ids=["one list", "four lists"],
)
def test_twenty_million_rows_at_once(names: tuple[str, ...], tmp_path: Path) -> None:
    with LongSage(now="real") as sage:
        for name in names:
            sage.add_endless(name, 20 * MILLION // len(names), size=NORMAL)
        took = read_in_a_process(Connection(sage, *names, num_workers=8), tmp_path, seconds=2 * HOUR)
        assert (took.exit_code, took.records) == (0, 20 * MILLION)
        assert took.peak_mb < 384, f"{took.peak_mb:.0f} MB"
        assert len(sage.requests) <= 1.06 * pages(20 * MILLION)


LISTS = {
    "a ledger": ("ledger_entries", "2022-01-01", "2025-05-31"),
    "a ledger of one day": ("ledger_entries", "2024-03-31", "2024-03-31"),
    "contacts": ("contacts", "2022-01-01", "2025-05-31"),
    "stock movements": ("stock_movements", "2022-01-01", "2025-05-31"),
}


@pytest.mark.parametrize("kind", LISTS)
def test_two_million_rows(kind: str, tmp_path: Path) -> None:
    name, first, last = LISTS[kind]
    with LongSage(now="real") as sage:
        sage.add_endless(name, 2 * MILLION, first=first, last=last)
        took = read_in_a_process(Connection(sage, name), tmp_path, seconds=HOUR)
        assert (took.exit_code, took.records) == (0, 2 * MILLION)
        assert took.peak_mb < granted(2 * MILLION), f"{took.peak_mb:.0f} MB"
        assert len(sage.requests) <= 1.06 * pages(2 * MILLION)


def test_time_grows_no_faster_than_the_list(tmp_path: Path) -> None:
    """Four times the rows take little more than four times the processor."""
    seconds = []
    for rows in (500_000, 2 * MILLION):
        with LongSage(now="real") as sage:
            sage.add_endless("contacts", rows, size=300)
            took = read_in_a_process(Connection(sage, "contacts"), tmp_path, seconds=HOUR)
            assert (took.exit_code, took.records) == (0, rows)
            seconds.append(took.cpu)
    assert seconds[1] < 4.6 * seconds[0], seconds


@pytest.mark.parametrize("name", ["sales_invoices", "contacts"])
def test_a_fat_list_of_which_all_changes_in_mid_read(name: str, tmp_path: Path) -> None:
    with LongSage(now="real") as sage:
        sage.add(name, 20_000, size=FAT)
        sage.before(name, Book.restamp, when=lambda call: call.nth == 50)
        took = read_in_a_process(Connection(sage, name), tmp_path, seconds=HOUR)
        assert (took.exit_code, took.records) == (0, 20_000)
        assert took.peak_mb < MB_FOR_FAT_ROWS, f"{took.peak_mb:.0f} MB"


def test_a_million_rows_of_which_half_changes_in_mid_read(tmp_path: Path) -> None:
    with LongSage(now="real") as sage:
        sage.add("ledger_entries", MILLION)
        sage.before("ledger_entries", lambda book: book.restamp(0, MILLION // 2), when=lambda call: call.nth == 2_500)
        took = read_in_a_process(Connection(sage, "ledger_entries"), tmp_path, seconds=HOUR)
        assert (took.exit_code, took.records) == (0, MILLION)
        assert took.peak_mb < granted(MILLION), f"{took.peak_mb:.0f} MB"


@pytest.mark.parametrize("dates", [Dates.one_day(), Dates.skewed(), Dates.even("1900-01-01", "2025-05-31")])
def test_what_200_000_quiet_rows_of_other_dates_cost(dates: Dates) -> None:
    with LongSage() as sage:
        sage.add("ledger_entries", 200_000, size=300, dates=dates)
        sync, ids = Connection(sage, "ledger_entries", include_historical_data=True).sync_ids()
        assert (len(ids.seen), len(ids.twice)) == (200_000, 0)
        assert len(sync.requests) <= 1.06 * 1_000
