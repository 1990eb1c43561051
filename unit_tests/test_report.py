import datetime as dt
import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_sage.counts import Tally
from source_sage.sync.report import LINES_AT_MOST, WIDTH, Report

NUMBERS = ("rows", "deleted", "requests", "retries", "waited s")
TITLES = {"b1": "Tern Optics (b1)", "b2": "Juniper & Pike Ltd (b2)"}
WHEN = {"oldest": "2024-01-02T03:04:05Z", "newest": "2026-11-23T10:00:00Z"}

THE_BLOCK = """\
Sync report
Juniper & Pike Ltd (b2)
  stream                                rows  deleted  requests  retries  waited s  oldest change     newest change
  contacts                                 5        0         1        0         0  2024-01-02 03:04  2026-11-23 10:00
  skipped (HTTP 403 MultiUserAccessDenied): sales_invoices
  skipped (the plan Start does not include it): stock_items, stock_movements

Tern Optics (b1)
  stream                                rows  deleted  requests  retries  waited s  oldest change     newest change
  a_stream_with_quite_a_long_name          7        0         3        0         0
  contacts                             1,000        1         5        1         9  2024-01-02 03:04  2026-11-23 10:00
  sales_invoices                   1,234,567       89     6,173        2        61  2024-01-02 03:04  2026-11-23 10:00
  rows of others: address_types 5, countries 40
  no rows: journals
  FAILED, a_stream_with_quite_a_long_name: It broke.

business                      rows  deleted  requests  retries  waited s  remark
Juniper & Pike Ltd (b2)          5        0         2        0         0  3 streams skipped
Tern Optics (b1)         1,235,619       90     6,185        3        70  1 stream FAILED
before the first list            0        0         3        0         0
all: 2 businesses        1,235,624       90     6,190        3        70
8 streams, 75.2 s in all, tokens renewed 3 times
"""


def a_report() -> Report:
    return Report(
        {
            ("b2", "contacts"): Tally(rows=5, requests=1, **WHEN),
            ("b1", "sales_invoices"): Tally(
                rows=1_234_567, tombstones=89, requests=6_173, retries=2, waited=61.0, **WHEN
            ),
            ("b1", "contacts"): Tally(rows=1_000, tombstones=1, requests=5, retries=1, waited=9.0, **WHEN),
            ("b1", "countries"): Tally(rows=40, requests=1),
            ("b1", "address_types"): Tally(rows=5, requests=1),
            ("b1", "journals"): Tally(requests=2),
            ("b2", "sales_invoices"): Tally(requests=1, skipped="HTTP 403 MultiUserAccessDenied"),
            ("b2", "stock_items"): Tally(skipped="the plan Start does not include it"),
            ("b2", "stock_movements"): Tally(skipped="the plan Start does not include it"),
            ("b1", "a_stream_with_quite_a_long_name"): Tally(rows=7, requests=3, failed="It broke."),
        },
        dict(TITLES),
        Tally(requests=3),
    )


def lines_of(report: Report, took: dt.timedelta = dt.timedelta(seconds=75.25), renewals: int = 3) -> list[str]:
    title, *lines = report.block(took, renewals).splitlines()
    assert title == "Sync report"
    return lines


def section_of(report: Report, title: str) -> list[str]:
    """The lines of one business, without its title."""
    (section,) = [one for one in "\n".join(lines_of(report)).split("\n\n") if one.startswith(title)]
    return section.splitlines()[1:]


def sums_of(report: Report) -> list[str]:
    return "\n".join(lines_of(report)).split("\n\n")[-1].splitlines()


def cells_of(line: str) -> list[str]:
    return re.split(r"\s{2,}", line.strip())


def test_the_whole_block_reads_like_this() -> None:
    assert a_report().block(dt.timedelta(seconds=75.25), 3) + "\n" == THE_BLOCK


@pytest.mark.parametrize("column", range(1, 6))
def test_every_column_of_sums_adds_up_to_its_total(column: int) -> None:
    _, *body, total, _ = (cells_of(line) for line in sums_of(a_report()))
    assert sum(int(line[column].replace(",", "")) for line in body) == int(total[column].replace(",", ""))


@pytest.mark.parametrize("column", NUMBERS)
def test_numbers_end_under_the_end_of_their_heading(column: str) -> None:
    header, *lines = section_of(a_report(), TITLES["b1"])[:4]
    end = header.index(column) + len(column)
    assert [line[end - 1].isdigit() and not line[end : end + 2].strip() for line in lines] == [True] * len(lines)


def test_no_line_ends_in_spaces() -> None:
    assert [line for line in lines_of(a_report()) if line != line.rstrip()] == []


def test_a_business_that_failed_as_a_whole_says_so_once() -> None:
    report = Report({("b1", name): Tally(failed="It is closed.") for name in ("contacts", "journals", "countries")})
    assert section_of(report, "b1") == ["  FAILED, all 3 streams: It is closed."]


def test_a_failure_and_a_skip_are_both_told() -> None:
    report = Report({("b1", "contacts"): Tally(skipped="HTTP 404", failed="It broke.")})
    assert section_of(report, "b1") == ["  skipped (HTTP 404): contacts", "  FAILED, contacts: It broke."]


def test_a_sync_of_nothing_still_has_its_report() -> None:
    header, *_, total, last = sums_of(Report())
    assert cells_of(header) == ["business", *NUMBERS, "remark"]
    assert cells_of(total) == ["all: 0 businesses", "0", "0", "0", "0", "0"]
    assert last == "0 streams, 75.2 s in all, tokens renewed 3 times"


def a_crowd(businesses: int, streams: int) -> Report:
    return Report(
        {
            (f"b{business}", f"stream_number_{stream}"): Tally(rows=3, requests=1, **WHEN)
            for business in range(businesses)
            for stream in range(streams)
        }
    )


def test_among_very_many_lines_smooth_short_streams_are_folded_and_none_is_lost() -> None:
    report = a_crowd(40, 80)
    report.tally("b7", "stream_number_5").retries = 1
    report.tally("b7", "stream_number_6").requests = 30
    block = "\n".join(lines_of(report))
    assert len(block.splitlines()) < 40 * 21
    told = [line for line in block.splitlines() if line.startswith("  stream_number_")]
    assert [cells_of(line)[0] for line in told] == ["stream_number_5", "stream_number_6"]
    assert "rows of others (changed 2024-01-02 03:04 to 2026-11-23 10:00): stream_number_0 3," in block
    for section in block.split("\n\n")[:-1]:
        assert set(re.findall(r"stream_number_\d+", section)) == {f"stream_number_{one}" for one in range(80)}


def test_a_report_of_few_businesses_has_a_line_for_each_stream_that_changed() -> None:
    assert LINES_AT_MOST >= 4 * 80
    told = [line for line in lines_of(a_crowd(4, 80)) if line.startswith("  stream_number_")]
    assert len(told) == 320


def test_long_lists_of_names_are_wrapped() -> None:
    report = Report({("b1", f"stream_number_{one}"): Tally(skipped="HTTP 404") for one in range(50)})
    lines = section_of(report, "b1")
    assert len(lines) > 5 and max(map(len, lines)) <= WIDTH


def test_a_tally_is_the_same_one_each_time_it_is_asked_for() -> None:
    report = Report()
    report.tally("b1", "contacts").rows += 2
    report.tally("b1", "contacts").rows += 3
    others = [report.tally("b2", "contacts"), report.tally("b1", "products")]
    assert report.tally("b1", "contacts").rows == 5
    assert [other.rows for other in others] == [0, 0]
    assert all(one is not other for one, other in pairwise([report.tally("b1", "contacts"), *others]))


MOMENTS = st.sampled_from([f"2026-11-{day:02}T10:00:00Z" for day in range(1, 29)]) | st.none()


@given(st.lists(st.lists(MOMENTS, max_size=5), max_size=5))
def test_a_tally_remembers_the_oldest_and_the_newest_change(pages: list[list[str | None]]) -> None:
    tally = Tally()
    for page in pages:
        tally.note_rows(len(page), page)
    moments = [moment for page in pages for moment in page if moment]
    assert (tally.oldest, tally.newest) == (min(moments, default=""), max(moments, default=""))
    assert tally.rows == sum(map(len, pages))
