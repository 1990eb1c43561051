import datetime as dt

import pytest

from source_sage.clock import Clock
from source_sage.counts import Tally
from source_sage.sync.progress import EVERY_SECONDS, Progress
from source_sage.sync.report import Report


class Still(Clock):
    """Stands still until it is told to move."""

    def __init__(self) -> None:
        self.at = 1_000.0

    def now(self) -> dt.datetime:
        return dt.datetime(2026, 11, 23, tzinfo=dt.UTC)

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Still:
    return Still()


def a_report() -> Report:
    report = Report(titles={"b1": "Tern Optics (b1)", "b2": "Saltmarsh Joinery (b2)"})
    for name in ("sales_invoices", "contacts"):
        for business in ("b1", "b2"):
            report.tally(business, name).is_list = True
    return report


def test_a_short_sync_says_nothing(clock: Still) -> None:
    progress = Progress(a_report(), clock)
    for _ in range(100):
        clock.at += EVERY_SECONDS / 101
        assert progress.line() is None


def test_a_long_sync_says_one_line_each_time_it_is_due_however_often_it_is_asked(clock: Still) -> None:
    progress = Progress(a_report(), clock)
    lines = []
    for _ in range(1_000):
        clock.at += EVERY_SECONDS / 100
        lines.append(progress.line())
    assert sum(line is not None for line in lines) in (9, 10)


def test_the_line_tells_list_business_pages_speed_and_the_time_left(clock: Still) -> None:
    report = a_report()
    progress = Progress(report, clock)
    done, first, second, _ = (
        report.tally("b1", "contacts"),
        report.tally("b1", "sales_invoices"),
        report.tally("b2", "sales_invoices"),
        report.tally("b2", "contacts"),
    )
    done.begun = done.ended = True
    done.note_rows(200, ())
    first.begun = second.begun = True
    first.note_rows(600, ())
    first.note_page(600, 123_400, 200)
    second.note_rows(400, ())
    second.note_page(400, 450, 200)
    clock.at += EVERY_SECONDS
    assert progress.line() == (
        "1,200 rows so far, 40 a second now; 1 of 4 lists done. In work: sales_invoices of Tern Optics (b1), "
        "page 3 of 617; sales_invoices of Saltmarsh Joinery (b2), page 2 of 3. At least 51 min left; "
        "1 list is not begun."
    )


def test_the_speed_is_that_of_the_last_interval(clock: Still) -> None:
    report = a_report()
    progress = Progress(report, clock)
    tally = report.tally("b1", "contacts")
    tally.is_list = tally.begun = True
    tally.note_rows(3_000, ())
    clock.at += EVERY_SECONDS
    assert "3,000 rows so far, 100 a second now" in (progress.line() or "")
    tally.note_rows(300, ())
    clock.at += EVERY_SECONDS
    assert "3,300 rows so far, 10 a second now" in (progress.line() or "")
    clock.at += EVERY_SECONDS
    assert "0 a second now" in (line := progress.line() or "")
    assert "No rows came in that time, so the time left cannot be told" in line


def test_a_list_of_unknown_length_tells_no_page(clock: Still) -> None:
    report = Report()
    progress = Progress(report, clock)
    tally = report.tally("b1", "contacts")
    tally.is_list = tally.begun = True
    tally.note_rows(3_000, ())
    tally.note_page(3_000, None, 200)
    clock.at += EVERY_SECONDS
    assert progress.line() == (
        "3,000 rows so far, 100 a second now; 0 of 1 lists done. In work: contacts of b1. About 0 s left."
    )


def test_of_many_lists_in_work_those_with_most_left_are_named(clock: Still) -> None:
    report = Report()
    for number in range(8):
        tally = report.tally("b1", f"list_{number}")
        tally.is_list = tally.begun = True
        tally.note_page(200, 400 + 200 * number, 200)
    progress = Progress(report, clock)
    clock.at += EVERY_SECONDS
    line = progress.line() or ""
    assert "In work: list_7 of b1, page 1 of 9; list_6 of b1, page 1 of 8; list_5 of b1, page 1 of 7; 5 more." in line


@pytest.mark.parametrize(
    ("rows", "left"),
    [
        (3_000, "About 1 s left"),
        (3_000 * 60, "About 60 s left"),
        (3_000 * 600, "About 10 min left"),
        (3_000 * 10_000, "About 2 h 47 min left"),
    ],
)
def test_the_time_left_is_told_in_units_of_a_human(clock: Still, rows: int, left: str) -> None:
    report = Report()
    progress = Progress(report, clock)
    tally = report.tally("b1", "contacts")
    tally.is_list = tally.begun = True
    tally.rows = 3_000 * 30
    tally.note_page(0, rows, 200)
    clock.at += EVERY_SECONDS
    assert left in (progress.line() or "")


def test_more_rows_than_were_expected_leave_nothing_to_do(clock: Still) -> None:
    report = Report(
        {("b1", "contacts"): Tally(rows=900, begun=True, is_list=True, walked=900, expected=600, page_size=200)}
    )
    progress = Progress(report, clock)
    clock.at += EVERY_SECONDS
    assert "page 3 of 3. About 0 s left." in (progress.line() or "")


def test_lines_that_a_list_brings_along_are_not_counted(clock: Still) -> None:
    report = Report({("b1", "sales_invoice_lines"): Tally(rows=9_000)})
    progress = Progress(report, clock)
    clock.at += EVERY_SECONDS
    assert (progress.line() or "").startswith("0 rows so far, 0 a second now; 0 of 0 lists done. In work: nothing.")
