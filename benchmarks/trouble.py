"""What the fake Sage does to requests on purpose, to see what adversity costs."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

DEAD: Final = 503
TOO_HEAVY: Final = 504
REFUSED: Final = 429
# Instead of a good answer: two statuses, a body that is no JSON, and one that breaks off.
NO_JSON: Final = 0
CUT: Final = -1
BROKEN: Final = (500, 502, NO_JSON, CUT)


@dataclass(frozen=True)
class Trouble:
    """What goes wrong.

    Attributes:
        refused: the share of requests that are answered 429, whoever asks and however fast: others use the same app.
        at_once: how many requests are worked at side by side; more are refused.
        heavy: pages of more rows answer 504.
        broken: the share of requests that get no good answer.
        dead: a list that never gets one.
    """

    refused: float = 0.0
    at_once: int | None = None
    heavy: int | None = None
    broken: float = 0.0
    dead: str = ""

    def strikes(self, name: str, size: int, under_way: int, chance: random.Random) -> int | None:
        """What becomes of a request for a list: None if nothing does, else a status, `NO_JSON` or `CUT`.

        Args:
            name: of the list.
            size: rows that it asks for.
            under_way: requests that are worked at, this one among them.
            chance: decides about shares.
        """
        if self.at_once is not None and under_way > self.at_once:
            return REFUSED
        if chance.random() < self.refused:
            return REFUSED
        if self.heavy is not None and size > self.heavy:
            return TOO_HEAVY
        if name == self.dead:
            return DEAD
        return chance.choice(BROKEN) if chance.random() < self.broken else None
