"""The scenarios that sank earlier cores, at full size: what was seen, and the figure that is wanted instead.

Written from the design's section 6 alone. `Connection` looks after every sync, killed or not, whether a key left twice
and whether what is COMPLETE is whole; the tests add what each scenario costs and that one quiet sync more makes the
destination equal to Sage.
"""

from __future__ import annotations

import itertools
import math
import random
from pathlib import Path
from typing import Any

import pytest

from integration_tests.harness import run
from integration_tests.long_lists import (
    FAT,
    LONGEST_SILENCE,
    THIN,
    Book,
    Connection,
    Dates,
    LongSage,
    Manners,
    more_by,
    never,
    pages,
)
from integration_tests.long_lists.process import read_in_a_process

CHEAP = 1.3
# What all tries together take, by the requests of one life: 1.5 as a rule. Which pages were under way at a kill is up
# to the threads; in a life of 60 requests these are much of it.
ALL_TRIES = {130: 1.8, 60: 2.3}
LOOKED_FOR = 4  # requests


def middle(book: Book, share: float = 0.45) -> Any:
    """Before the answer to the request that comes after this share of a list's pages, in whatever order it is read."""
    return lambda call: call.nth == max(2, int(pages(book.count) * share))


def enough(rows: int, die_after: int) -> int:
    """Requests for a list of so many rows, all tries together, of which each has so many."""
    return int(ALL_TRIES[die_after] * pages(rows))


def assert_cost(requests: int, rows: int, factor: float) -> None:
    """So many requests for a list of so many rows are at most so many times its pages."""
    assert requests <= factor * pages(rows), f"{requests} requests for {pages(rows)} pages"


# Once, at the price of what moved.


@pytest.mark.quick("random")
@pytest.mark.parametrize("order", ["created:desc", "date:desc", "random"])
def test_a_movement_enters_while_all_are_read(order: str, sage: LongSage) -> None:
    book = sage.add("stock_movements", 26_000, order=order)
    done = sage.before("stock_movements", lambda book: book.insert(day="2025-05-30"), when=middle(book))
    connection = Connection(sage, "stock_movements", mode="full_refresh")
    sync = connection.sync()
    assert done
    assert_cost(len(sync.requests), 26_000, CHEAP)


def edited_at_once(sage: LongSage, book: Book) -> None:
    """A hundred rows all over the list, between two answers."""

    def edit(book: Book) -> None:
        for index in range(130, 26_000, 260):
            book.edit(index)

    sage.before(book.name, edit, when=middle(book))


def edited_one_by_one(sage: LongSage, book: Book) -> None:
    """A hundred rows of the front, each between two other answers."""
    sage.before(book.name, lambda book: book.edit(int(book.in_order()[7])), when=lambda call: call.nth >= 10, times=100)


def edited_after_an_import(sage: LongSage, book: Book) -> None:
    """At once; a quarter of the list was changed two minutes before the read."""
    book.updated[20_000:26_000] = int(sage.clock.seconds()) - 120
    edited_at_once(sage, book)


@pytest.mark.quick(
    "ledger_entries-updated:desc-edited_at_once",
    "ledger_entries-updated:asc-edited_after_an_import",
    "contacts-updated:asc-edited_one_by_one",
)
@pytest.mark.parametrize("edits", [edited_at_once, edited_one_by_one, edited_after_an_import])
@pytest.mark.parametrize("order", ["updated:asc", "updated:desc"])
@pytest.mark.parametrize("name", ["ledger_entries", "contacts"])
def test_a_hundred_rows_are_edited_in_order_of_updated_at(name: str, order: str, edits: Any, sage: LongSage) -> None:
    edits(sage, sage.add(name, 26_000, order=order))
    connection = Connection(sage, name)
    sync = connection.sync()
    # What was changed in the ten minutes before a read is asked for again, as the overlap wants it. And of a hundred
    # edits that are apart each may move another row out of sight.
    more = {edited_after_an_import: 30, edited_one_by_one: 200 if name == "contacts" else 100}.get(edits, 0)
    # The place where the list moved is found as a rule (1.3 x); where the order of the answers hides it, all is read
    # once more, and never oftener.
    assert_cost(len(sync.requests) - more, 26_000, 2.3)
    connection.settle()


@pytest.mark.quick("30")
@pytest.mark.parametrize("apart", [1, 30])
def test_three_contacts_of_the_front_are_deleted(apart: int, sage: LongSage) -> None:
    sage.add("contacts", 26_000)
    for nth in range(3):
        sage.before("contacts", lambda book: book.delete(book.live()[3]), when=_nth(20 + nth * apart))
    connection = Connection(sage, "contacts")
    sync = connection.sync()
    # Each has hidden a row at the edge of a page, which is looked for by halving; how far is up to the threads: 144
    # to 165 requests in sixteen reads, and 174 in one.
    assert_cost(len(sync.requests) - 3 * LOOKED_FOR, 26_000, CHEAP)
    connection.settle()


def _nth(number: int) -> Any:
    return lambda call: call.nth == number


# Forward.


@pytest.mark.quick("random-130", "created:asc-60")
@pytest.mark.parametrize("die_after", ALL_TRIES)
@pytest.mark.parametrize("order", ["created:asc", "updated:asc", "updated:desc", "random"])
def test_a_ledger_that_is_edited_all_the_time_by_a_process_that_dies(
    order: str, die_after: int, sage: LongSage
) -> None:
    sage.add("ledger_entries", 24_000, order=order)
    answers = itertools.count()

    def edit_now_and_then(book: Book, rng: random.Random) -> None:
        # Every half second, where four workers get an answer each tenth of one.
        if next(answers) % 5 == 0:
            book.edit(book.any_live(rng))

    sage.living(edit_now_and_then, "ledger_entries")
    connection = Connection(sage, "ledger_entries", num_workers=4)
    connection.until_done(die_after, most=enough(24_000, die_after))
    connection.settle()


@pytest.mark.quick("quiet")
@pytest.mark.parametrize("lives", [False, True], ids=["quiet", "living"])
def test_all_the_history_of_a_long_ledger_is_wanted_later(lives: bool, sage: LongSage) -> None:
    sage.add("ledger_entries", 26_000, order="random")
    connection = Connection(sage, "ledger_entries", start_date="2025-05-01")
    first = connection.sync()
    assert len(first.requests) <= 12
    connection.change(include_historical_data=True)
    if lives:
        sage.living(lambda book, rng: book.edit(book.any_live(rng)), "ledger_entries")
    assert len(connection.until_done(60, most=enough(26_000, 60))) > 1
    connection.settle()


@pytest.mark.quick("transactions-quiet")
@pytest.mark.parametrize("lives", [False, True], ids=["quiet", "living"])
@pytest.mark.parametrize("name", ["ledger_entries", "sales_invoices", "transactions"])
def test_all_of_a_long_list_gets_a_new_updated_at(name: str, lives: bool, sage: LongSage) -> None:
    book = sage.add(name, 24_000)
    connection = Connection(sage, name)
    connection.sync()
    sage.clock.advance(3_600)
    book.restamp()
    sage.clock.advance(3_600)
    if lives:
        sage.living(lambda book, rng: book.edit(book.any_live(rng)), name)
    assert len(connection.until_done(60, most=enough(24_000, 60))) > 1
    connection.settle()


# Bounded.


@pytest.mark.slow
def test_ten_thousand_fat_invoices_changed_before_an_incremental_sync(tmp_path: Path) -> None:
    with LongSage(now="real") as sage:
        sage.add("sales_invoices", 0)
        connection = Connection(sage, "sales_invoices")
        connection.sync()
        book = sage.add("sales_invoices", 10_000, size=FAT)
        book.updated[:10_000] = int(sage.clock.seconds()) - 240
        took = read_in_a_process(connection, tmp_path)
        assert (took.exit_code, took.records) == (0, 10_000)
        assert took.peak_mb < 256, f"{took.peak_mb:.0f} MB"


@pytest.mark.slow
def test_a_read_of_a_list_that_goes_on_changing_is_never_silent_for_long() -> None:
    with LongSage(seconds_a_request=20) as sage:
        sage.add("contacts", 26_000, order="updated:asc")
        sage.living(lambda book, rng: book.edit(book.any_live(rng)), "contacts")
        connection = Connection(sage, "contacts")
        # Changed before each answer, a list whose order is the order of its changes may never be proven.
        sync = connection.sync(expect_failure=None)
        assert sync.silence < LONGEST_SILENCE
        connection.settle()


# Cheap.


def most_slices(rows: int) -> int:
    """How many slices a list may have that begin at 2,000 rows and double up to 20,000, each half as full at worst."""
    count, size = 0, 1_000
    while rows > 0:
        rows, count, size = rows - size, count + 1, min(size * 2, 10_000)
    return count


def quiet_cost(rows: int) -> int:
    """What a quiet first read of a list may cost."""
    if rows <= 5_000:
        return math.ceil(rows / 200) + 2
    return math.ceil(rows / 200) + 4 * most_slices(rows) + 5


QUIET = ("ledger_entries", "stock_movements", "contacts", "contact_allocations", "sales_invoices", "transactions")
LENGTHS = (0, 1, 200, 201, 4_999, 5_000, 5_001, 26_000)


@pytest.mark.quick(
    *(f"{name}-{rows}" for name in QUIET for rows in LENGTHS[:4]), "contacts-26000", "ledger_entries-5001"
)
@pytest.mark.parametrize("rows", LENGTHS)
@pytest.mark.parametrize("name", QUIET)
def test_what_a_quiet_first_read_costs(name: str, rows: int, sage: LongSage) -> None:
    sage.add(name, rows, size=THIN)
    connection = Connection(sage, name)
    sync = connection.sync()
    assert len(sync.requests) <= quiet_cost(rows)
    assert sync.complete(name)
    connection.assert_each_once(name)


@pytest.mark.slow
@pytest.mark.parametrize("dates", [Dates.even(), Dates.shuffled()], ids=["in order", "shuffled"])
def test_what_200_000_quiet_rows_cost(dates: Any, sage: LongSage) -> None:
    sage.add("ledger_entries", 200_000, size=THIN, dates=dates)
    sync, ids = Connection(sage, "ledger_entries").sync_ids()
    assert (len(ids.seen), len(ids.twice)) == (200_000, 0)
    # 6 % more than pages as a rule (unit_tests/test_costs.py); a few requests are up to the order of the answers.
    assert len(sync.requests) <= 1.07 * 1_000


@pytest.mark.parametrize("name", ["contacts", "ledger_entries", "sales_invoices"])
def test_a_quiet_second_sync_costs_a_request_a_question(name: str, sage: LongSage) -> None:
    sage.add(name, 6_000)
    connection = Connection(sage, name)
    connection.sync()
    sage.clock.advance(3_600)
    sync = connection.sync()
    assert len(sync.requests) <= 2
    assert sync.records.total() == 0


# Odd answers and odd hours.


@pytest.mark.parametrize("rows", [137, 350, 1_000])
@pytest.mark.parametrize("name", ["contacts", "stock_movements", "ledger_entries"])
def test_pages_are_shorter_than_asked_and_next_is_null(name: str, rows: int, sage: LongSage) -> None:
    sage.add(name, rows, manners=Manners(largest_page=100, has_next=never))
    connection = Connection(sage, name)
    sync = connection.sync()
    assert sync.complete(name)
    connection.assert_each_once(name)
    assert len(sync.requests) <= math.ceil(rows / 100) + 3


@pytest.mark.parametrize("empty", [{3}, {2, 4}, {5}, {1, 5}], ids=str)
@pytest.mark.parametrize("name", ["contacts", "stock_movements", "ledger_entries", "contact_allocations"])
def test_a_page_that_comes_empty_once_is_no_wrong_total(name: str, empty: set[int], sage: LongSage) -> None:
    sage.add(name, 1_000, manners=Manners(empty_once=empty))
    connection = Connection(sage, name)
    sync = connection.sync()
    assert sync.complete(name)
    connection.assert_each_once(name)
    assert not [text for text in sync.warnings if "$total" in text]
    assert len(sync.requests) <= 5 + 2 + 2 + len(empty)


@pytest.mark.parametrize("rows", [600, pytest.param(26_000, marks=pytest.mark.slow)])
def test_a_movement_made_three_minutes_before_the_sync_settles_at_once(rows: int, sage: LongSage) -> None:
    book = sage.add("stock_movements", rows, dates=Dates.even("2022-01-01", "2025-06-30"))
    book.insert()
    sage.clock.advance(180)
    connection = Connection(sage, "stock_movements")
    sync = connection.sync()
    assert sync.complete("stock_movements")
    assert sync.warnings == []
    assert len(sync.requests) <= quiet_cost(rows + 1)
    sage.clock.advance(3_600)
    again = connection.sync()
    assert again.warnings == []
    assert len(again.requests) <= pages(rows * 92 // 1_270) + 2
    connection.settle()


def test_a_movement_is_edited_to_an_earlier_date(sage: LongSage) -> None:
    book = sage.add("stock_movements", 1_000, dates=Dates.even("2025-05-01", "2025-06-30"))
    connection = Connection(sage, "stock_movements")
    connection.sync()
    sage.clock.advance(86_400)
    book.edit(900, day="2025-05-20")
    book.edit(901, day="2025-06-30")
    connection.settle()


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("contacts", 1_000),
        ("ledger_entries", 1_000),
        pytest.param("contacts", 26_000, marks=pytest.mark.slow),
        pytest.param("ledger_entries", 26_000, marks=pytest.mark.slow),
    ],
)
def test_a_total_that_is_always_one_too_high(name: str, rows: int, sage: LongSage) -> None:
    book = sage.add(name, rows)
    usual = len(Connection(sage, name).sync().requests)
    book.manners.total = more_by(1)
    connection = Connection(sage, name)
    sync = connection.sync()
    assert sync.complete(name)
    # A long list has two slices under way when it is found out.
    assert len(sync.requests) <= usual + (2 if rows < 5_000 else 4)
    sage.clock.advance(3_600)
    assert len(connection.sync().requests) <= 4  # changes, deletions, and at most two more
    connection.settle()


@pytest.mark.parametrize("rows", [1_000, pytest.param(26_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("order", ["created:asc", "created:desc"])
def test_an_end_date_in_the_past_while_todays_documents_are_made(order: str, rows: int, sage: LongSage) -> None:
    book = sage.add("sales_invoices", rows, order=order)
    sage.living(lambda book, rng: book.insert(), "sales_invoices")
    connection = Connection(sage, "sales_invoices", end_date="2024-12-31")
    inside = len(book.truth(*connection.window()))
    sync = connection.sync()
    assert sync.complete("sales_invoices")
    assert sync.warnings == []
    assert len(sync.requests) <= quiet_cost(inside) + 1
    sage.clock.advance(3_600)
    assert len(connection.sync().requests) <= 4
    connection.settle()


@pytest.mark.parametrize("forgets", [True, False])
def test_a_row_is_deleted_and_restored_between_two_syncs(forgets: bool, sage: LongSage) -> None:
    book = sage.add("contacts", 1_000, manners=Manners(forgets_restored=forgets))
    connection = Connection(sage, "contacts")
    connection.sync()
    sage.clock.advance(86_400)
    book.delete(5)
    book.delete(6)
    sage.clock.advance(60)
    book.restore(5)
    sage.clock.advance(86_400)
    connection.settle()
    book.restore(6)
    sage.clock.advance(86_400)
    connection.settle()


@pytest.mark.quick("form2")
@pytest.mark.parametrize(
    "form",
    [{"end_date": "9999-12-31"}, {"start_date": "0001-01-01"}, {"start_date": "0001-01-01", "end_date": "9999-12-31"}],
)
def test_dates_at_the_ends_of_the_calendar(form: dict[str, str], sage: LongSage) -> None:
    dates = Dates.even().but(ancient=500, future=500)
    for name, rows in (("ledger_entries", 6_000), ("stock_movements", 1_000), ("sales_invoices", 6_000)):
        sage.add(name, rows, dates=dates)
    for name in ("journals", "products", "contacts"):  # Test Connection asks for a cheap row of each area
        sage.add(name, 10)
    connection = Connection(sage, "ledger_entries", "stock_movements", "sales_invoices", **form)
    assert run("check", sage.config(**connection.form), clock=sage.clock).status["status"] == "SUCCEEDED"
    connection.sync()
    connection.settle()


def test_movements_with_an_old_end_date_from_the_second_sync_on(sage: LongSage) -> None:
    sage.add("stock_movements", 1_000)
    connection = Connection(sage, "stock_movements", end_date="2024-06-30")
    connection.sync()
    for _ in range(2):
        sage.clock.advance(86_400)
        sync = connection.sync()
        assert sync.complete("stock_movements")
        assert sync.asked("stock_movements") == []
    connection.assert_equal()


def with_deletions(sage: LongSage) -> Connection:
    """Two lists after their first sync, in which 30 rows each were deleted since."""
    books = [sage.add(name, 500, size=THIN) for name in ("contacts", "addresses")]
    connection = Connection(sage, "contacts", "addresses", "deleted_records", num_workers=1)
    connection.sync()
    sage.clock.advance(86_400)
    for book in books:
        for index in range(50):
            book.edit(index)
        for index in range(300, 330):
            book.delete(index)
    sage.clock.advance(3_600)
    return connection


def test_deletions_are_listed_whatever_kills() -> None:
    """The process dies at each of the moments around a state: before it, after it, and some rows later."""
    with LongSage() as sage:
        sync = with_deletions(sage).sync()
    moments = sorted({at + more for at in sync.states_at for more in (-1, 0, 1, 10)} | {30, 60, 100})
    lost = []
    for messages in moments:
        with LongSage() as sage:
            connection = with_deletions(sage)
            connection.sync(die_after_messages=messages)
            connection.settle()
            listed = [row["stream"] for row in connection.destination.rows("deleted_records")]
            found = {name: listed.count(name) for name in ("contacts", "addresses")}
            if found != {"contacts": 30, "addresses": 30}:
                lost.append((messages, found))
    assert lost == []


def test_answers_without_the_echo_of_the_business_are_named_once_a_list(sage: LongSage) -> None:
    sage.add("contacts", 1_000)
    sage.add("addresses", 1_000)
    sage.echoes_business = False
    sync = Connection(sage, "contacts", "addresses").sync()
    for name in ("contacts", "addresses"):
        assert len([text for text in sync.warnings if "X-Business" in text and name in text]) == 1
    assert any("answers that named no business: addresses, contacts" in text for text in sync.output.log("INFO")[-1:])
