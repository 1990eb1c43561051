"""Lives of a business by a seed: any order, dates, manners, changes, kills and trouble, all together.

The promises of the design's section 6 are looked after in each sync, and at the end the destination equals Sage. A life
that fails is lived again by its number: `pytest integration_tests/test_long_lists_lives.py -k "[17]"`. How many are
tried is in LIVES.
"""

from __future__ import annotations

import os
import random
from typing import Any

import pytest

from integration_tests.long_lists import (
    THIN,
    Connection,
    Dates,
    LongSage,
    Manners,
    cut_connection,
    half_a_body,
    sage_error,
    slow_down,
)
from integration_tests.long_lists.cases import LYING_TOTALS, MANNERS, ODD_DATES, small_change

LIVES = int(os.environ.get("LIVES", "10"))
WORKERS = (1, 4, 16)


@pytest.mark.quick("0")
@pytest.mark.parametrize("seed", range(LIVES))
def test_a_life(seed: int, sage: LongSage) -> None:
    """Any order, dates, manners, changes, kills and trouble, by a seed; the promises hold after each sync."""
    rng = random.Random(seed)  # noqa: S311
    names = rng.sample(["contacts", "ledger_entries", "sales_invoices", "transactions", "contact_allocations"], 2)
    dates = [*ODD_DATES.values(), Dates.even(), Dates.even().but(none=77)]
    books = []
    for name in names:
        manners = MANNERS[rng.choice(list(MANNERS))]() if rng.random() < 0.6 else Manners()
        if rng.random() < 0.3:
            manners.total = rng.choice(list(LYING_TOTALS.values()))
        order = rng.choice(["created", "updated", "date", "name"]) + rng.choice([":asc", ":desc"])
        rows = rng.choice([150, 900, 4_990, 5_500, 9_000])
        books.append(sage.add(name, rows, order=order, dates=rng.choice(dates), manners=manners, size=THIN))
    form: dict[str, Any] = rng.choice([{}, {"include_historical_data": True}, {"start_date": "2024-01-01"}])
    if rng.random() < 0.3:
        form["end_date"] = "2025-03-31"
    mode = rng.choice(("incremental", "incremental", "full_refresh"))
    connection = Connection(sage, *names, mode=mode, num_workers=rng.choice(WORKERS), **form)
    for _ in range(3):
        sage.rest()
        if rng.random() < 0.8:
            sage.living(small_change, *names, seed=rng.randrange(1_000))
        if rng.random() < 0.4:
            trouble = rng.choice([sage_error(503, "x"), cut_connection(), half_a_body(), slow_down()])
            nth = rng.randrange(1, 30)
            sage.answer_with(trouble, names[0], when=lambda call, nth=nth: call.nth >= nth, times=2)
        if rng.random() < 0.4:
            # Not until it is done: what has neither dates nor an order of creation begins again each time.
            for _ in range(3):
                connection.sync(die_after=rng.choice((3, 9, 25, 60)), expect_failure=None)
        else:
            connection.sync(expect_failure=None)
        sage.clock.advance(rng.choice((1, 500, 90_000)))
        if rng.random() < 0.3:
            book = rng.choice(books)
            book.restamp(0, rng.randrange(book.count))
        if rng.random() < 0.2:
            connection.change(include_historical_data=True, end_date=None)
    connection.settle()
