"""A double of Sage Accounting's API v3.1, for tests, the demo and benchmarks.

    with Sandbox(size="small", seed=1, businesses=2, plan="Plus", country="GB", latency=0.05) as box:
        box.url                      # http://127.0.0.1:PORT/v3.1 (box.root is without /v3.1)
        box.config(account_id="all") # a config for the connector, tokens included
        company = box.businesses[0]
        company.rows("contacts")     # the truth: live rows in full
        company.create("sales_invoices")
        company.update("contacts", key, notes="new")
        company.delete("sales_invoices", key)
        company.void("sales_invoices", key)
        company.day_of_business()
        box.clock.advance(3600)
        box.settings.rate_limit = 100
        box.faults.add(faults.status(503), path="*/contacts", times=2)
        box.requests                 # what was asked; box.clear_requests()

`size` is `tiny`, `small` or `demo`; `ledger_entries=200_000` makes a ledger of that size instead.
`businesses` is a number, or a list of `{"plan": ..., "country": ...}`. `until="2026-01-31"` fixes the
last day of the made-up history (otherwise yesterday). All other keywords are `Settings`.
As a command: `python -m integration_tests.sandbox --help`.
"""

from .books.company import Company
from .manners import faults
from .server import Sandbox
from .settings import Settings

__all__ = ["Company", "Sandbox", "Settings", "faults"]
