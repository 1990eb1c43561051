"""Everything one running sandbox knows."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from ..books.company import Company
from ..clock import Clock
from ..manners.faults import Faults
from ..manners.limits import Limits
from ..manners.requestlog import Logged
from ..settings import Settings
from .tokens import Tokens


@dataclass
class State:
    """Shared by the handlers and the Python face."""

    companies: list[Company]
    settings: Settings
    clock: Clock
    lock: threading.RLock
    tokens: Tokens
    faults: Faults
    limits: Limits
    requests: list[Logged]
    root: str = ""
    """`http://127.0.0.1:PORT`, once it is known."""

    def company(self, key: str | None) -> Company | None:
        """The business asked for; the lead business if none was."""
        if key is None:
            return self.companies[0]
        return next((c for c in self.companies if c.id == key), None)
