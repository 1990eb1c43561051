"""Threads whose order a seed decides, so that a run is the same each time, with any number of workers."""

from __future__ import annotations

import random
from typing import Any

from source_sage.lists.asking import Ask


class SeededThreads:
    """As many requests as there are workers are under way; which of them Sage answers next, and which answer is taken
    next, is up to the seed. All is done on the thread that asks for an answer.

    Args:
        workers: how many requests are under way at most.
        seed: decides.
    """

    def __init__(self, workers: int, seed: object) -> None:
        self._workers = workers
        self._chance = random.Random(repr(seed))  # noqa: S311 (no secret)
        self._asked: list[Ask[Any]] = []
        self._answered: list[Ask[Any]] = []

    def ask(self, ask: Ask[Any]) -> None:
        """Have something asked for."""
        self._asked.append(ask)

    def next(self, seconds: float) -> Ask[Any] | None:
        """One that was answered."""
        while self._asked and (not self._answered or self._has_a_free_worker()):
            under_way = self._asked[: self._workers - len(self._answered)]
            ask = self._asked.pop(self._chance.randrange(len(under_way)))
            ask.run()
            self._answered.append(ask)
        if not self._answered:
            return None
        return self._answered.pop(self._chance.randrange(len(self._answered)))

    def close(self) -> None:
        """Ask for nothing more."""
        self._asked.clear()

    def _has_a_free_worker(self) -> bool:
        return len(self._answered) < self._workers and self._chance.random() < 0.5
