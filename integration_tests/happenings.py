"""What happens in an example of `test_convergence.py`: changes in the company, and what goes wrong on the way to it."""

from __future__ import annotations

import datetime as dt
import itertools
import random

from hypothesis import strategies as st

from integration_tests.sandbox import Company, Sandbox, faults

PAGE_SIZE = 4
LATE_SECONDS = 60
# One stream of each kind. Deletions of the first are told, those of the second inferred; the third are only made and
# edited.
DELETABLE = ("contacts", "sales_invoices", "journals", "bank_transfers", "attachments")
INFERRED = ("sales_estimates", "sales_quotes", "coa_accounts")
UNDELETABLE = ("ledger_entries", "transactions", "ledger_accounts")
STREAMS = (*DELETABLE, *INFERRED, *UNDELETABLE, "countries")
# Streams of lines: of a list that is read anyway, and the last of two that are read for them alone.
LINES = {
    "sales_invoice_lines": {"sales_invoices": "invoice_lines"},
    "sales_estimate_lines": {"sales_estimates": "estimate_lines"},
    "journal_lines": {"journals": "journal_lines"},
    "payment_allocations": {"contact_payments": "allocated_artefacts", "contact_allocations": "allocated_artefacts"},
}
SETTLEMENTS = ("contact_payments", "contact_allocations")
LISTS = (*STREAMS, *SETTLEMENTS)
LINES_OF = {parent: field for parents in LINES.values() for parent, field in parents.items()}
CREATABLE = (*DELETABLE, *INFERRED)

# What happens in the company: an operation, a list, and which of its rows.
CHANGE = st.tuples(
    st.sampled_from(["create", "update", "late update", "delete", "delete", "move", "pay", "shrink", "empty"]),
    st.sampled_from([*STREAMS[:-1], *LINES_OF]),
    st.integers(0, 1000),
)
# The same between two pages of a list, mostly near its front and before an early page, where it hurts.
BETWEEN = st.lists(
    st.tuples(
        st.tuples(
            st.sampled_from(
                ["delete", "delete", "update", "create", "late update", "late create", "move", "shrink", "rights"]
            ),
            st.sampled_from([*DELETABLE, *DELETABLE, *INFERRED, *INFERRED, *UNDELETABLE, *LINES_OF]),
            st.integers(0, 9),
        ),
        st.integers(2, 5),
    ),
    max_size=6,
)
FAULTS = st.sampled_from(["503", "html", "drop", "cut", "broken_json", "empty", "heavy", "429", "429 without a time"])

# What goes wrong all through a sync, of which list, and how much.
WEATHER = st.tuples(
    st.sampled_from(
        ["fair", "fair", "heavy", "heavy", "429s", "504s", "refused", "$total too high", "single rows refused"]
    ),
    st.sampled_from(STREAMS),
    st.integers(0, 1000),
)
FAIR = ("fair", STREAMS[0], 0)
# After these a list may be INCOMPLETE, which is told.
MAY_FAIL = ("504s", "refused", "$total too high")


def change(box: Sandbox, company: Company, what: tuple[str, str, int]) -> None:
    """One change in the company; an operation that the list does not have is a harmless other one."""
    operation, name, index = what
    if operation.startswith("late"):
        # A transaction at Sage that took a minute to be committed: its rows show up with a time that has passed.
        box.clock.advance(-LATE_SECONDS)
        change(box, company, (operation.removeprefix("late "), name, index))
        box.clock.advance(LATE_SECONDS)
        return
    if operation == "pay":
        company.create("contact_payments")
        return
    if operation == "create" and name in CREATABLE:
        company.create(name)
        return
    rows = company.rows(name)
    if not rows:
        return
    key = rows[index % len(rows)]["id"]
    if operation == "delete" and name in (*DELETABLE, *INFERRED, *SETTLEMENTS):
        company.delete(name, key)
    elif operation in ("shrink", "empty") and name in LINES_OF:
        field = LINES_OF[name]
        kept = rows[index % len(rows)][field][1:] if operation == "shrink" else []
        company.update(name, key, **{field: kept})
    elif operation == "move" and name in ("sales_estimates", "sales_quotes"):
        day = dt.date(2020, 1, 1) + dt.timedelta(days=index * 3)
        company.update(name, key, date=day.isoformat())
    else:
        company.update(name, key)


def fault(kind: str) -> faults.Action:
    """A fault by name."""
    retry = {"Retry-After": str(random.Random(kind).randint(1, 30))}  # noqa: S311
    made: dict[str, faults.Action] = {
        "503": faults.status(503),
        "html": faults.html(502),
        "drop": faults.drop(),
        "cut": faults.cut(0.5),
        "broken_json": faults.broken_json(),
        "empty": faults.empty(),
        "heavy": faults.heavy(PAGE_SIZE // 2, 504),
        "429": faults.status(429, "", retry),
        "429 without a time": faults.status(429),
    }
    return made[kind]


def begin(weather: tuple[str, str, int], box: Sandbox) -> None:
    """Have something go wrong until the faults are cleared."""
    kind, name, number = weather
    chance = random.Random(number)  # noqa: S311
    asked = itertools.count()
    if kind == "heavy":
        box.faults.add(faults.heavy(1 + number % (PAGE_SIZE - 1), 504), path=f"*/{name}")
    elif kind == "429s":
        share = 0.05 + number % 4 * 0.05
        box.faults.add(
            faults.status(429, headers={"Retry-After": "1"}), path="/v3.1/*", when=lambda call: chance.random() < share
        )
    elif kind == "504s":
        box.faults.add(faults.status(504), path=f"*/{name}", when=lambda call: chance.random() < 0.3)
    elif kind == "refused":
        box.faults.add(faults.refused(403), path=f"*/{name}", when=lambda call: next(asked) >= 1 + number % 6)
    elif kind == "$total too high":
        box.faults.add(faults.wrong_total(1 + number % (2 * PAGE_SIZE)), path=f"*/{name}")
    elif kind == "single rows refused":
        action = (faults.html(404), faults.status(503), faults.refused(404))[number % 3]
        box.faults.add(action, path=f"*/{name}/*", when=lambda call: number % 3 == 2 or chance.random() < 0.4)
