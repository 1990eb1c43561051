"""Bounds that refusals teach, and two tests of refusals: are they more than chance makes, did a bound help. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

# How many refusals are reckoned with anyway, of one request, and how soon that is forgotten.
LEAST_NOISE: Final = 0.005
MOST_NOISE: Final = 1 / 3
FORGETTING: Final = 1 / 400
# Of refusals that follow the rate so many remain once it is right.
RARE: Final = 1 / 8

LETS_BEFORE_A_TRIAL: Final = 100
MOST_LETS_BEFORE_A_TRIAL: Final = 400
FIRST_STEP: Final = 0.05
NARROW: Final = 1.03


@dataclass
class Bound:
    """Something that is kept to, once a refusal has taught it: a rate in requests a second, or how many at once.

    Attributes:
        good: what is kept to; infinite before anything is known.
        failed: the least that is known to fail.
        tried: what is tried now in place of `good`.
        by_one: it is a whole number.
    """

    by_one: bool = False
    good: float = math.inf
    failed: float = math.inf
    tried: float | None = None
    _step: float = FIRST_STEP
    _wait: int = LETS_BEFORE_A_TRIAL
    _lets: int = 0
    _since: float = 0.0

    @property
    def value(self) -> float:
        """What is kept to now."""
        return self.good if self.tried is None else self.tried

    def set(self, good: float, failed: float = math.inf) -> None:
        """Keep to this; what was tried is forgotten."""
        self.good, self.failed, self.tried = good, failed, None
        self._step, self._lets = FIRST_STEP, 0

    def note_let(self, now: float, at_least: float) -> bool:
        """Note a request that was let through and had waited for this bound: now and then it is time for more.

        Args:
            now: when.
            at_least: how many seconds something must have been tried to be good.

        Returns:
            Whether more is tried from now on.
        """
        self._since = now if self._lets == 0 else self._since
        self._lets += 1
        if self._lets < self._wait or now - self._since < at_least:
            return False
        self._lets = 0
        if self.tried is not None:
            if self.tried >= self.failed:
                self.failed = math.inf
                self._wait = max(self._wait // 2, LETS_BEFORE_A_TRIAL)
            self.good, self.tried = self.tried, None
        self.tried = self._more()
        return True

    def accept(self) -> None:
        """What was tried does no harm: nobody waits for it any more."""
        self.good, self.tried, self._lets = self.value, None, 0

    def hurry(self) -> None:
        """Try twice as much soon: it is doubtful whether this bound was ever right."""
        self.tried, self._lets, self._wait, self._step = None, 0, LETS_BEFORE_A_TRIAL, 1.0

    def give_up(self) -> None:
        """What was tried has failed."""
        assert self.tried is not None
        self.failed, self.tried = self.tried, None
        self._step, self._lets = FIRST_STEP, 0
        self._wait = min(2 * self._wait, MOST_LETS_BEFORE_A_TRIAL)

    def _more(self) -> float:
        if self.by_one:
            return self.good + 1
        if self.failed == math.inf:
            step, self._step = self._step, 2 * self._step
            return self.good * (1 + step)
        return math.sqrt(self.good * self.failed) if self.failed > NARROW * self.good else self.failed


@dataclass
class Suspicion:
    """Whether there are more refusals than chance makes of those that come anyway: the usual cumulative sum.

    Attributes:
        noise: how many come anyway, of one request.
        sum: by how much a limit explains the last answers better than chance does, as a logarithm.
    """

    noise: float = LEAST_NOISE
    sum: float = 0.0
    _most: float = LEAST_NOISE

    @property
    def is_quiet(self) -> bool:
        """Tell whether hardly any refusals come anyway: then a single one speaks."""
        return self.noise < 2 * LEAST_NOISE

    def note(self, refused: bool) -> None:
        """Note one more answer."""
        chance = self.noise
        limit = 2 * chance + 0.04
        self.sum = max(0.0, self.sum + (math.log(limit / chance) if refused else math.log((1 - limit) / (1 - chance))))
        # Noise is believed less and less, but never more without a proof: a limit would creep in.
        self.noise = min(max(chance + (refused - chance) * FORGETTING, LEAST_NOISE), self._most)

    def take_for_granted(self, share: float) -> None:
        """Reckon with so many refusals from now on."""
        self.noise = min(max(share, LEAST_NOISE), MOST_NOISE)
        self._most = min(2 * self.noise, MOST_NOISE) if share > LEAST_NOISE else LEAST_NOISE
        self.sum = 0.0


@dataclass
class Probation:
    """Whether refusals became rare since a bound was set: a sequential test of two shares.

    Attributes:
        before: what the bound was before.
        share, surely: how many were refused then, of one request: as it was seen, and at least.
    """

    before: Bound
    share: float
    surely: float
    sum: float = 0.0
    lets: int = 0
    refusals: int = 0

    def note(self, refused: bool) -> None:
        """Note one more answer."""
        fewer = self.surely * RARE
        self.sum += math.log(self.surely / fewer) if refused else math.log((1 - self.surely) / (1 - fewer))
        self.lets += not refused
        self.refusals += refused
