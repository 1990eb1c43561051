"""What a 429 teaches: whether it follows from how we ask, and how fast and how many at once is right. Pure.

Limits are per app, shared with all its other customers, so a 429 may say nothing of our own requests; and some
report a limit of a minute, of which nobody knows the window. So nothing is believed at the first refusal. Whoever was
refused waits by himself, and refusals are only counted, until there are more than chance would make of those that come
anyway (`bounds.Suspicion`). Then, in this order:

* **A scout.** One request at a time goes, and all others wait for its answer. If it is refused as well, everybody waits
  as long as is asked; if it is let through, the wall, if there was one, is behind us.
* **A guess.** Had the rate been to blame, it would be right as fast as requests were let through lately, the wall
  included: so that is kept to, a little less, evenly spaced. For any window that is the limit itself.
* **A proof.** If refusals then become rare, they followed the rate, and it stays. If they come as before, they are not
  of our making: the rate returns to what it was, and so many refusals are taken for granted from then on; that is
  doubted again ever more seldom, by the same three steps. If there are more than before, the guess is made anew.
* **More is tried** once for each hundred requests let through that had to wait for their turn: in growing steps, and
  where a rate has failed before, half-way to it, then just it. A trial lasts at least as long as the last wall did: a
  window of minutes fills slowly. After each failure the wait for the next trial doubles, and what was good before is
  returned to at once.

A cap on requests at once shows by itself: nobody is refused who has few beside him. No guess is needed for it; more
are tried in the same way, one at a time.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

from source_sage.api.bounds import MOST_NOISE, Bound, Probation, Suspicion

# By how much a limit must explain refusals better than chance does, as a logarithm: for an alarm, to give a trial up.
ALARM: Final = 4.5
GIVE_UP: Final = 2.0
AMID_NOISE: Final = 7.0
# The same for a proof that refusals followed the rate, or did not.
FOLLOWS: Final = -6.0
FOLLOWS_NOT: Final = 5.0
# A share of refusals is surely as large as it was seen, less so many roots of their number; and so large to be tested.
ROOTS: Final = 0.7
LEAST_TESTED: Final = 0.025
MOST_TESTED: Final = 0.9
# So many times the share before is another matter than noise: the measurement was wrong.
MORE_THAN_BEFORE: Final = 1.5

# A rate is measured by so many requests let through, or more; nothing let through for so large a part of it is a wall.
FEWEST_MEASURED: Final = 60
WALL_PART: Final = 0.25
ANSWERS_KEPT: Final = 4_096
A_LITTLE_LESS: Final = 0.95
IDLE_SECONDS: Final = 2.0
SHORTEST_SECONDS: Final = 0.001

REFUSALS_FOR_A_CAP: Final = 24
CHANCE_OF_A_CAP: Final = 1e-6

ANSWERS_BEFORE_A_DOUBT: Final = 400
MOST_ANSWERS_BEFORE_A_DOUBT: Final = 3_200

# Who is out for longer may be a slow page, for which nobody waits.
SCOUT_SECONDS: Final = 5.0

FIRST_PAUSE_SECONDS: Final = 2.0
LONGEST_PAUSE_SECONDS: Final = 60.0
RUMOURED_LIMIT: Final = 100
RUMOURED_WINDOW_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Sent:
    """A request that is under way.

    Attributes:
        at: when it went.
        at_once: how many were under way with it.
        waited_for: the bound that it waited for.
        is_scout: all others wait for its answer.
    """

    at: float
    at_once: int
    waited_for: Bound | None
    is_scout: bool


@dataclass(frozen=True)
class _Answer:
    """What became of a request; `at` is in time without that in which nobody asked."""

    at: float
    at_once: int
    refused: bool


@dataclass(frozen=True)
class _Lately:
    """The last answers, up to a scout that was let through.

    Attributes:
        lets, refusals: how many.
        wall: seconds in which nothing was let through at last.
        before_it: seconds of all that was before.
    """

    lets: int
    refusals: int
    before_it: float
    wall: float


@dataclass
class Limits:
    """Decides when the next request may go, and learns from what becomes of each."""

    rate: Bound = field(default_factory=Bound)
    cap: Bound = field(default_factory=lambda: Bound(by_one=True))
    under_way: int = 0
    _next_at: float = -math.inf
    _hold_until: float = -math.inf
    _alarm_since: float | None = None
    _scouts_refused: int = 0
    _scout_is_out: bool = False
    _scout_went: float = -math.inf
    _rumour_is_open: bool = True
    _waited_for: Bound | None = None
    _wall: float = 0.0
    _granted: int = 0
    _granted_until: int = ANSWERS_BEFORE_A_DOUBT
    _suspicion: Suspicion = field(default_factory=Suspicion)
    _probation: Probation | None = None
    _answers: deque[_Answer] = field(default_factory=lambda: deque(maxlen=ANSWERS_KEPT))
    _sent: deque[float] = field(default_factory=lambda: deque(maxlen=RUMOURED_LIMIT))
    _began: float | None = None
    _ended: float = -math.inf
    _obliged_until: float = -math.inf
    _idle: float = 0.0

    def until(self, now: float) -> float:
        """Seconds until the next request may go: 0 for now, infinite for not before an answer comes."""
        if self._scout_is_out and now - self._scout_went < SCOUT_SECONDS:
            return math.inf
        if self._alarm_since is not None:
            return max(0.0, self._hold_until - now)
        if self.under_way >= self.cap.value:
            self._waited_for = self.cap
            return math.inf
        if (pause := self._next_at - now) > 0:
            self._waited_for = self.rate
            return pause
        return 0.0

    def send(self, now: float) -> Sent:
        """A request goes; it is under way until `let_through`, `refused` or `unknown`."""
        if self._began is None:
            self._began = self._ended = now
        quiet = now - max(self._ended, self._obliged_until, self._next_at)
        if not self.under_way and quiet > IDLE_SECONDS:
            self._idle += quiet  # as while a destination is stalled: it says nothing of limits
        self.under_way += 1
        self._scout_is_out = self._alarm_since is not None or self._beyond_the_rumour(now)
        if self._scout_is_out:
            self._scout_went = now
        self._sent.append(now)
        gap = 1 / self.rate.value
        self._next_at = max(self._next_at, now - gap) + gap
        sent = Sent(now, self.under_way, self._waited_for, self._scout_is_out)
        self._waited_for = None
        return sent

    def unknown(self, sent: Sent, now: float) -> None:
        """A request is over, and nobody knows whether it would have been let through."""
        self.under_way -= 1
        self._ended = now
        self._scout_is_out = self._scout_is_out and not sent.is_scout

    def let_through(self, sent: Sent, now: float) -> float | None:
        """A request was answered with anything but 429.

        Returns:
            The rate that is kept to from now on, if it was measured just now.
        """
        self.unknown(sent, now)
        self._answers.append(_Answer(now - self._idle, sent.at_once, refused=False))
        if self._alarm_since is not None:
            return self._conclude(now) if sent.is_scout else None
        if self._probation is not None:
            self._weigh(self._probation, now, refused=False)
        else:
            self._suspicion.note(refused=False)
            self._doubt_noise(now)
            if sent.waited_for is not None and sent.waited_for.note_let(now, self._wall):
                (self.cap if sent.waited_for is self.rate else self.rate).accept()
        return None

    def refused(self, sent: Sent, now: float, pause: float) -> float:
        """A request was answered with 429.

        Args:
            sent: the request.
            now: when.
            pause: seconds that it is to wait.

        Returns:
            Seconds that it waits: longer if scouts were refused before though they waited as long as asked.
        """
        self.unknown(sent, now)
        self._rumour_is_open = False
        self._answers.append(_Answer(now - self._idle, sent.at_once, refused=True))
        self._look_for_a_cap()
        if sent.is_scout:
            self._scouts_refused += 1
            self._alarm_since = now if self._alarm_since is None else self._alarm_since
            grown = FIRST_PAUSE_SECONDS * 2.0 ** min(self._scouts_refused - 2, 10) if self._scouts_refused > 1 else 0.0
            pause = max(pause, min(grown, LONGEST_PAUSE_SECONDS))
            self._hold_until = now + pause
        elif self._alarm_since is not None:
            pass
        elif self._probation is not None:
            self._weigh(self._probation, now, refused=True)
        else:
            self._suspicion.note(refused=True)
            tried = next((bound for bound in (self.rate, self.cap) if bound.tried is not None), None)
            if tried is not None and self._suspicion.sum > (GIVE_UP if self._suspicion.is_quiet else AMID_NOISE):
                tried.give_up()
                self._suspicion.sum = 0.0
            elif self._suspicion.sum > (ALARM if self._suspicion.is_quiet else AMID_NOISE):
                self._alarm(now)
        self._obliged_until = max(self._obliged_until, now + pause)
        return pause

    def _doubt_noise(self, now: float) -> None:
        """Ask again, ever more seldom, whether refusals that are taken for granted do not follow the rate after all."""
        self._granted += 1
        if self._granted >= self._granted_until and not self._suspicion.is_quiet:
            self._granted, self._granted_until = 0, min(2 * self._granted_until, MOST_ANSWERS_BEFORE_A_DOUBT)
            self._alarm(now)

    def _alarm(self, now: float) -> None:
        self._alarm_since = self._hold_until = now
        self._scouts_refused = 0

    def _beyond_the_rumour(self, now: float) -> bool:
        """Tell whether this is the first request that is more than what some say is the limit: it goes as a scout."""
        if not self._rumour_is_open or len(self._sent) < RUMOURED_LIMIT:
            return False
        self._rumour_is_open = now - self._sent[0] >= RUMOURED_WINDOW_SECONDS
        return not self._rumour_is_open

    def _conclude(self, now: float) -> float | None:
        """A scout was let through: set the rate to what was let through lately, on probation."""
        self._alarm_since = None
        self._suspicion.sum = 0.0
        lately = self._lately(now - self._idle)
        if lately.lets < FEWEST_MEASURED or not lately.refusals:
            return None
        is_wall = lately.wall > lately.before_it * WALL_PART
        answers = lately.lets + lately.refusals
        surely = (lately.refusals - ROOTS * math.sqrt(lately.refusals)) / answers
        if not is_wall and surely < LEAST_TESTED:
            return None
        took = lately.before_it
        if is_wall:
            took += lately.wall
            self._wall = lately.wall
        before = self._probation.before if self._probation is not None else replace(self.rate)
        tested = min(max(surely, LEAST_TESTED), MOST_TESTED)
        self._probation = Probation(before, lately.refusals / answers, tested)
        self.rate.set(A_LITTLE_LESS * min(lately.lets / max(took, SHORTEST_SECONDS), self.rate.value))
        self._next_at = now + 1 / self.rate.value
        return self.rate.value

    def _lately(self, now: float) -> _Lately:
        """Answers of the time that a measurement needs: twice as long as nothing was let through, or longer."""
        assert self._began is not None
        last_ones = islice(reversed(self._answers), 1, None)
        wall_began = next((answer.at for answer in last_ones if not answer.refused), now)
        began = self._began if len(self._answers) < ANSWERS_KEPT else self._answers[0].at
        lets = refusals = 0
        for answer in reversed(self._answers):
            if answer.at < 2 * wall_began - now and lets >= FEWEST_MEASURED:
                began = answer.at
                break
            lets += not answer.refused
            refusals += answer.refused
        return _Lately(lets, refusals, wall_began - began, now - wall_began)

    def _weigh(self, probation: Probation, now: float, *, refused: bool) -> None:
        """One more answer of the probation: perhaps it is proof enough."""
        probation.note(refused)
        if probation.sum <= FOLLOWS:
            self._probation = None
            self._suspicion.take_for_granted(probation.refusals / (probation.lets + probation.refusals))
            self.rate.failed = probation.before.value
        elif probation.sum >= FOLLOWS_NOT:
            answers = probation.lets + probation.refusals
            if probation.refusals > min(MORE_THAN_BEFORE * probation.share, MOST_NOISE) * answers + 2:
                self._alarm(now)
            elif probation.refusals < MOST_NOISE * answers:
                self._probation = None
                self._suspicion.take_for_granted(probation.refusals / answers)
                self.rate = probation.before
                self.rate.hurry()

    def _look_for_a_cap(self) -> None:
        """See whether all that were refused lately had more requests beside them than nearly all that were not."""
        lately: list[_Answer] = []
        refused = 0
        for answer in reversed(self._answers):
            refused += answer.refused
            if refused > REFUSALS_FOR_A_CAP:
                break
            lately.append(answer)
        refused = min(refused, REFUSALS_FOR_A_CAP)
        fewest = min(answer.at_once for answer in lately if answer.refused)
        above = sum(answer.at_once >= fewest for answer in lately)
        if fewest > 1 and fewest <= self.cap.good and (above / len(lately)) ** refused < CHANCE_OF_A_CAP:
            self.cap.set(fewest - 1, failed=fewest)
            self._suspicion.sum = 0.0
