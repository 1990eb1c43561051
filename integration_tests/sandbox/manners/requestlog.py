"""What was asked: every request, for tests and for the curious."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass
class Logged:
    """One request and how it went; `status` 0 means the connection was closed without an answer."""

    time: float
    method: str
    path: str
    params: dict[str, str]
    business: str | None
    list: str | None = None
    status: int = 0
    rows: int = 0
    past_end: bool = False
    fault: str | None = None
    seconds: float = 0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)
