"""Dates that are changed while a long reading is under way: one kind of unfinished reading never passes for the other.

What is done of a reading of changes holds only what was changed; what is done of a reading of wider dates was never
asked for changes. Each was lost in silence when the other was taken for it.
"""

from __future__ import annotations

from integration_tests.long_lists import Connection, LongSage

LEDGER = "ledger_entries"
ROWS = 12_000


def test_history_is_read_though_a_long_reading_of_changes_was_cut_off(sage: LongSage) -> None:
    book = sage.add(LEDGER, ROWS)
    connection = Connection(sage, LEDGER, start_date="2023-06-01")
    connection.sync()
    sage.clock.advance(3_600)
    book.restamp(ROWS // 4, ROWS)
    sage.clock.advance(3_600)
    assert connection.sync(die_after=45).killed
    assert "done" in str(connection.destination.saved()), "a part of the changes is done"
    connection.change(include_historical_data=True)
    connection.settle()


def test_changes_are_read_though_a_reading_of_wider_dates_was_cut_off(sage: LongSage) -> None:
    book = sage.add(LEDGER, ROWS)
    connection = Connection(sage, LEDGER, start_date="2023-06-01")
    connection.sync()
    sage.clock.advance(3_600)
    for index in range(0, ROWS, 50):
        book.edit(index)
    sage.clock.advance(3_600)
    connection.change(include_historical_data=True)
    assert connection.sync(die_after=25).killed
    assert "done" in str(connection.destination.saved()), "a part of the history is done"
    connection.change(include_historical_data=False)
    connection.settle()
