"""Spreads of dates, lies, manners and changes that more than one test plays."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from integration_tests.long_lists.books import Book, Dates, DatesOf
from integration_tests.long_lists.manners import Manners, capped, missing, more_by, never, null_on

LAST_LABEL: Final = (1 << 31) - 1

ODD_DATES: dict[str, DatesOf] = {
    "one day": Dates.one_day(),
    "two days": Dates.even("2024-03-30", "2024-03-31"),
    "skewed": Dates.skewed(),
    "shuffled": Dates.shuffled(),
    "ancient and future": Dates.even().but(ancient=100, future=100),
    "two thousand years": Dates.shuffled("0001-01-01", "2025-06-01"),
    "all in the future": Dates.even("2099-01-01", "9999-12-31"),
    "most on the last day": Dates.skewed("2025-01-01", "2025-06-30", 0.99),
}


LYING_TOTALS = {
    "one too high": more_by(1),
    "one too low": more_by(-1),
    "a hundred too high": more_by(100),
    "a page too low": more_by(-200),
    "capped at 10,000": capped(10_000),
    "missing": missing,
    "always 0": lambda total: 0,
    "far too high": lambda total: total * 3,
}


MANNERS: dict[str, Callable[[], Manners]] = {
    "$next is null too early": lambda: Manners(has_next=null_on(1, 2, 5, 9, 20, 21, 22)),
    "$next is always null": lambda: Manners(has_next=never),
    "no page is longer than 100": lambda: Manners(largest_page=100),
    "no page is longer than 100, $next is null": lambda: Manners(largest_page=100, has_next=never),
    "no page is longer than 60, $total is missing": lambda: Manners(largest_page=60, total=missing),
    "each page shows a row of the one before": lambda: Manners(overlap=1),
    "each page shows seven rows of the one before": lambda: Manners(overlap=7),
    "a page is empty at first": lambda: Manners(empty_once={1, 3, 7}),
    "past the end is empty": lambda: Manners(past_end="empty"),
    "past the end is empty, $total is too high": lambda: Manners(past_end="empty", total=more_by(200)),
    "$page says what was asked": lambda: Manners(page_echo="asked", total=more_by(1)),
    "$page is missing": lambda: Manners(page_echo="missing", total=more_by(1)),
    "neither $next nor $total": lambda: Manners(has_next=never, total=missing),
    "neither $next nor $total nor $page": lambda: Manners(has_next=never, total=missing, page_echo="missing"),
    "sort is not obeyed": lambda: Manners(sorts=False),
    "dates win over changes": lambda: Manners(combine="dates"),
    "changes win over dates": lambda: Manners(combine="changes"),
    "tombstones without a time": lambda: Manners(tombstones_with_deleted_at=False),
    "deleted_since is inclusive": lambda: Manners(deleted_since_inclusive=True),
    "restored rows stay among the deleted ones": lambda: Manners(forgets_restored=False),
}


def small_change(book: Book, rng: random.Random) -> None:
    """Mostly an edit, sometimes a row comes, goes or comes back."""
    what = rng.random()
    gone = [] if book.facts.keeps_deleted else [int(one) for one in (~book.alive[: book.count]).nonzero()[0][:20]]
    if what < 0.15:
        book.insert(day="2024-02-29")
    elif what < 0.3 and book.facts.deleted_since:
        book.delete(book.any_live(rng))
    elif what < 0.4 and gone:
        book.restore(rng.choice(gone))
    elif what < 0.6 and book.facts.dates:
        book.edit(book.any_live(rng), day=other_day(rng))
    else:
        book.edit(book.any_live(rng), label=rng.randrange(LAST_LABEL))


def other_day(rng: random.Random) -> str:
    return f"{rng.choice((2022, 2023, 2024))}-{rng.randint(1, 12):02d}-{rng.randint(1, 28):02d}"
