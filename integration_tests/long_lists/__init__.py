"""A double of Sage for long lists, independent of the sandbox: 26,000 to millions of rows, over HTTP on loopback.

    with LongSage() as sage:
        ledger = sage.add("ledger_entries", 26_000, order="updated:asc", dates=Dates.one_day())
        sage.before("ledger_entries", lambda book: book.edit(17))        # before page 3
        sage.answer_with(gateway(403), "ledger_entries", when=lambda call: call.page == 5)
        sage.living(lambda book, rng: book.edit(book.any_live(rng)), "ledger_entries")
        connection = Connection(sage, "ledger_entries", num_workers=4)
        connection.sync(die_after=20)                                    # killed after 20 requests
        connection.until_done(20)
        connection.settle()                                              # one quiet sync more: equal to Sage

A `Book` is a list that can be changed at any time, `Manners` how it answers, `Connection` runs the connector into two
destinations and looks after each sync whether a key left twice and whether what is COMPLETE is whole. The clock moves
by requests and by whoever sleeps, so that no test waits.
"""

from .books import Book, Dates, DatesOf, EndlessBook
from .connection import LONGEST_SILENCE, Connection, Sync, asked_twice, pages
from .manners import (
    Manners,
    Reply,
    always,
    capped,
    cut_connection,
    gateway,
    half_a_body,
    missing,
    more_by,
    never,
    no_list,
    null_on,
    plan_lacks_it,
    right,
    role_missing,
    sage_error,
    slow_down,
)
from .server import Asked, Call, LongSage
from .shapes import FAT, NORMAL, THIN
from .times import NOW

__all__ = [
    "FAT",
    "LONGEST_SILENCE",
    "NORMAL",
    "NOW",
    "THIN",
    "Asked",
    "Book",
    "Call",
    "Connection",
    "Dates",
    "DatesOf",
    "EndlessBook",
    "LongSage",
    "Manners",
    "Reply",
    "Sync",
    "always",
    "asked_twice",
    "capped",
    "cut_connection",
    "gateway",
    "half_a_body",
    "missing",
    "more_by",
    "never",
    "no_list",
    "null_on",
    "pages",
    "plan_lacks_it",
    "right",
    "role_missing",
    "sage_error",
    "slow_down",
]
