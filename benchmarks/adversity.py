"""What adversity costs: one thing that goes wrong at a time, beside what a reader needs that knew it all beforehand."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

from benchmarks.child import AT_ONCE, Drain
from benchmarks.facts import PAGE_SIZE
from benchmarks.trouble import Trouble

LATENCY: Final = 0.1
WORKERS: Final = 8
# Lists that no reader cuts by date, of narrow rows.
LISTS: Final = (
    "addresses",
    "bank_deposits",
    "bank_transfers",
    "contact_allocations",
    "contact_persons",
    "contact_payments",
    "contacts",
    "other_payments",
    "products",
    "services",
    "stock_items",
    "transactions",
)
PAGES_A_LIST: Final = 25
FEWEST_PAGES_A_LIST: Final = 3
STALLED_SECONDS: Final = 10.0
STALLED_BYTES_A_SECOND: Final = 20_000.0
LONGEST_SECONDS: Final = 150.0
REFUSED_SECONDS: Final = 1.0


@dataclass(frozen=True)
class Case:
    """One thing that goes wrong.

    Attributes:
        name: in the table.
        trouble: what the fake Sage does.
        limit, window: requests let through in so many seconds.
        works: rows that a page may have.
        drain: how the output is taken.
    """

    name: str
    trouble: Trouble = Trouble()  # noqa: RUF009
    limit: int | None = None
    window: float = 60.0
    works: int = PAGE_SIZE
    drain: Drain = AT_ONCE

    def requests(self, rows: dict[str, int]) -> int:
        """How many requests lists of these lengths take at least, with those that are struck by chance."""
        pages = sum(-(-length // self.works) for name, length in rows.items() if name != self.trouble.dead)
        return round(pages / (1 - self.trouble.refused) / (1 - self.trouble.broken))

    def seconds(self, rows: dict[str, int]) -> float:
        """How long that takes, at least."""
        requests = self.requests(rows)
        at_once = min(WORKERS, self.trouble.at_once or WORKERS)
        waits = requests * self.trouble.refused * REFUSED_SECONDS
        limited = (requests - 1) // self.limit * self.window if self.limit else 0.0
        return max((requests * LATENCY + waits) / at_once, limited, self.drain.seconds)

    def expected(self, rows: dict[str, int]) -> int:
        """How many rows can be had."""
        return sum(length for name, length in rows.items() if name != self.trouble.dead)

    def world(self) -> dict[str, Any]:
        """What the fake Sage is to be told."""
        return {"limit": self.limit, "window": self.window, "trouble": asdict(self.trouble)}


CASES: Final = (
    Case("nothing"),
    *(Case(f"429 for {share:.0%} of the requests, whoever asks", Trouble(refused=share)) for share in (0.05, 0.1, 0.2)),
    Case("100 requests in 12 s", limit=100, window=12.0),
    Case("20 requests in 1 s", limit=20, window=1.0),
    Case("3 requests at once", Trouble(at_once=3)),
    Case("pages of more than 60 rows answer 504", Trouble(heavy=60), works=50),
    Case("5% of the answers are none (500, 502, no JSON, half a body)", Trouble(broken=0.05)),
    Case("one of the lists always answers 503", Trouble(dead="contacts")),
    Case("a destination that takes hardly anything for 10 s", drain=Drain(STALLED_BYTES_A_SECOND, STALLED_SECONDS)),
)


def lengths(scale: float) -> dict[str, int]:
    """How long each list is; none ends with a full page."""
    pages = max(FEWEST_PAGES_A_LIST, round(PAGES_A_LIST * scale))
    return dict.fromkeys(LISTS, pages * PAGE_SIZE - 1)
