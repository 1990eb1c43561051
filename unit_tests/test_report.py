import datetime as dt
import re
from itertools import pairwise

import pytest

from source_sage.report import Report, Tally

NUMBERS = ("rows", "deleted", "requests", "retries", "waited s")


def a_report() -> Report:
    return Report(
        {
            ("b2", "contacts"): Tally(rows=5, requests=1),
            ("b1", "sales_invoices"): Tally(rows=1_234_567, tombstones=89, requests=6_173, retries=2, waited=61.0),
            ("b1", "contacts"): Tally(rows=1_000, tombstones=1, requests=5, retries=1, waited=9.0),
            ("b2", "sales_invoices"): Tally(requests=1, skipped="HTTP 403 MultiUserAccessDenied"),
            ("b1", "a_stream_with_quite_a_long_name"): Tally(rows=7, requests=3, failed="It broke."),
        }
    )


def lines_of(report: Report, took: dt.timedelta = dt.timedelta(seconds=75.25), renewals: int = 3) -> list[str]:
    title, *lines = report.block(took, renewals).splitlines()
    assert title == "Sync report"
    return lines


def cells_of(line: str) -> list[str]:
    return re.split(r"\s{2,}", line.strip())


def test_each_line_is_one_stream_of_one_business_in_order() -> None:
    _, *body, _ = lines_of(a_report())
    assert [tuple(cells_of(line)[:2]) for line in body] == [
        ("b1", "a_stream_with_quite_a_long_name"),
        ("b1", "contacts"),
        ("b1", "sales_invoices"),
        ("b2", "contacts"),
        ("b2", "sales_invoices"),
    ]


def test_a_line_holds_the_counts() -> None:
    assert cells_of(lines_of(a_report())[3]) == ["b1", "sales_invoices", "1,234,567", "89", "6,173", "2", "61"]


def test_the_last_line_holds_the_sums() -> None:
    assert cells_of(lines_of(a_report())[-1]) == [
        "all",
        "3 streams",
        "1,235,579",
        "90",
        "6,183",
        "3",
        "70",
        "75.2 s in all, tokens renewed 3 times",
    ]


@pytest.mark.parametrize("column", range(2, 7))
def test_every_column_adds_up_to_its_total(column: int) -> None:
    _, *body, total = (cells_of(line) for line in lines_of(a_report()))
    assert sum(int(line[column].replace(",", "")) for line in body) == int(total[column].replace(",", ""))


@pytest.mark.parametrize("column", NUMBERS)
def test_numbers_end_under_the_end_of_their_heading(column: str) -> None:
    header, *lines = lines_of(a_report())
    end = header.index(column) + len(column)
    assert [line[end - 1].isdigit() and not line[end : end + 2].strip() for line in lines] == [True] * len(lines)


@pytest.mark.parametrize("column", ["business", "stream", "remark"])
def test_texts_begin_under_the_beginning_of_their_heading(column: str) -> None:
    header, *lines = lines_of(a_report())
    begin = header.index(column)
    assert [line[max(begin - 2, 0) : begin].strip() for line in lines] == [""] * len(lines)
    assert [line[begin : begin + 1].isspace() for line in lines] == [False] * len(lines)


def test_no_line_ends_in_spaces() -> None:
    assert [line for line in lines_of(a_report()) if line != line.rstrip()] == []


def test_what_was_skipped_or_failed_says_so() -> None:
    remarks = [line.partition("skipped: ")[2] or line.partition("FAILED: ")[2] for line in lines_of(a_report())]
    assert remarks == ["", "It broke.", "", "", "", "HTTP 403 MultiUserAccessDenied", ""]


def test_a_failure_outweighs_a_skip() -> None:
    report = Report({("b1", "contacts"): Tally(skipped="HTTP 404", failed="It broke.")})
    assert cells_of(lines_of(report)[1])[-1] == "FAILED: It broke."


def test_a_sync_of_nothing_still_has_its_report() -> None:
    header, total = lines_of(Report(), dt.timedelta(seconds=1), 0)
    assert cells_of(header) == ["business", "stream", *NUMBERS, "remark"]
    assert cells_of(total) == ["all", "0 streams", "0", "0", "0", "0", "0", "1.0 s in all, tokens renewed 0 times"]


def test_a_tally_is_the_same_one_each_time_it_is_asked_for() -> None:
    report = Report()
    report.tally("b1", "contacts").rows += 2
    report.tally("b1", "contacts").rows += 3
    others = [report.tally("b2", "contacts"), report.tally("b1", "products")]
    assert report.tally("b1", "contacts").rows == 5
    assert [other.rows for other in others] == [0, 0]
    assert all(one is not other for one, other in pairwise([report.tally("b1", "contacts"), *others]))
