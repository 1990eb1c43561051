"""What `limits` finds out of limits that nobody told it of, on a simulated clock."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy

import pytest

from source_sage.api.bounds import Bound
from source_sage.api.limits import Limits
from unit_tests.simulated import (
    AtOnce,
    Bucket,
    EveryNth,
    FixedWindow,
    Free,
    Scattered,
    Seen,
    Server,
    Simulation,
    Window,
)

HOUR = 3600.0


def seen(server: Server, seconds: float, **how: object) -> Seen:
    return Simulation(deepcopy(server), Limits(), **how).run(seconds)  # type: ignore[arg-type]


def beside_own_waits(make: Callable[[], Server], seconds: float, **how: object) -> float:
    """What is let through, by what clients get through that each wait for their own refusals only."""
    own = Simulation(make(), None, **how).run(seconds)  # type: ignore[arg-type]
    return len(seen(make(), seconds, **how).taken) / len(own.taken)


# (a) Windows


@pytest.mark.quick("None-4-0.04", "1.0-8-0.3", "inf-32-0.3")
@pytest.mark.parametrize(("workers", "latency"), [(4, 0.04), (8, 0.04), (8, 0.3), (32, 0.3)])
@pytest.mark.parametrize("told", [None, 1.0, math.inf])
def test_a_hundred_a_minute_are_used_and_hardly_ever_passed(told: float | None, latency: float, workers: int) -> None:
    found = seen(Window(100, 60, told), HOUR, workers=workers, latency=latency)
    assert len(found.taken) >= 0.95 * 100 * 60
    assert found.share_refused <= 0.01


@pytest.mark.parametrize(("workers", "latency"), [(8, 0.04), (8, 0.3), (16, 0.3)])
@pytest.mark.parametrize(
    ("limit", "window", "seconds"), [(100, 12, 1200), (20, 1, 600), (1000, 300, 2 * HOUR), (30, 60, HOUR)]
)
def test_other_windows_are_found_as_well(
    limit: int, window: float, seconds: float, latency: float, workers: int
) -> None:
    found = seen(Window(limit, window), seconds, workers=workers, latency=latency)
    assert len(found.taken) >= 0.9 * limit / window * seconds
    assert found.share_refused <= 0.02


@pytest.mark.parametrize(
    ("server", "rate"),
    [
        (FixedWindow(100, 60), 100 / 60),
        (FixedWindow(20, 1), 20),
        (Bucket(20, 5), 20),
        (Window(1000, 300, 1.0), 1000 / 300),
        (Window(20, 1, math.inf), 20),
    ],
    ids=str,
)
def test_limits_of_another_make_too(server: Server, rate: float) -> None:
    found = seen(server, HOUR)
    assert len(found.taken) >= 0.9 * rate * HOUR
    assert found.share_refused <= 0.02


@pytest.mark.parametrize(("limit", "window"), [(100, 60), (100, 12), (20, 1)])
def test_one_that_asks_alone_is_no_worse_off_than_by_waiting(limit: int, window: float) -> None:
    assert beside_own_waits(lambda: Window(limit, window), HOUR, workers=1) >= 0.9


# (b) Refusals that are not of our making


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("latency", [0.04, 0.3])
def test_scattered_refusals_cost_little_more_than_their_own_waits(latency: float, share: float, seed: int) -> None:
    assert beside_own_waits(lambda: Scattered(share, seed), 120, latency=latency, seed=seed) >= 0.75


@pytest.mark.parametrize("nth", [5, 11, 20])
def test_so_do_regular_ones(nth: int) -> None:
    assert beside_own_waits(lambda: EveryNth(nth), 60) >= 0.75


def test_a_single_refusal_brakes_nobody() -> None:
    limits = Limits()
    assert len(Simulation(EveryNth(1500), limits).run(10).refused) == 1
    assert limits.rate.value == limits.cap.value == math.inf


def test_before_the_first_refusal_there_is_no_brake() -> None:
    assert beside_own_waits(Free, 60) >= 0.995


# (c) A cap on requests at once


@pytest.mark.parametrize("workers", [8, 16])
@pytest.mark.parametrize("most", [1, 2, 3, 5, 7])
def test_a_cap_on_requests_at_once_is_found_within_half_a_minute(most: int, workers: int) -> None:
    settled = seen(AtOnce(most), 120, workers=workers).after(30)
    # So many take so long each that this is what all but one of them, at least, get through.
    alone = len(Simulation(Free(), None, workers=max(most - 1, 1)).run(90).taken)
    assert len(settled.taken) >= 0.95 * alone
    assert settled.share_refused <= 0.02


# (d) Limits that change


@pytest.mark.parametrize(
    ("before", "after", "rate"),
    [
        (Window(100, 60), Window(50, 60), 50 / 60),
        (Window(20, 1), Window(100, 12), 100 / 12),
        (Free(), Window(100, 60), 100 / 60),
    ],
    ids=str,
)
def test_a_limit_that_falls_is_noticed(before: Server, after: Server, rate: float) -> None:
    found = seen(before, HOUR, changes=[(600, after)]).after(1500)
    assert len(found.taken) >= 0.9 * rate * (HOUR - 1500)
    assert found.share_refused <= 0.02


@pytest.mark.parametrize(
    ("before", "after", "rate", "settled"),
    [
        (Window(100, 60), Window(200, 60), 200 / 60, 2 * HOUR),
        (Window(100, 12), Window(20, 1), 20.0, HOUR),
        pytest.param(Window(100, 60), Free(), 100.0, 1.5 * HOUR, marks=pytest.mark.slow),
        (AtOnce(3), Free(), 100.0, 900),
    ],
    ids=str,
)
def test_a_limit_that_rises_is_noticed(before: Server, after: Server, rate: float, settled: float) -> None:
    found = seen(before, settled + 300, changes=[(600, after)]).after(settled)
    assert len(found.taken) >= 0.9 * rate * 300


def test_what_others_did_is_left_behind() -> None:
    found = seen(Scattered(0.2), 900, changes=[(600, Free())]).after(660)
    assert len(found.taken) >= 0.95 * len(Simulation(Free(), None).run(240).taken)


# Time in which nobody asked


def refused(limits: Limits, now: float) -> None:
    limits.refused(limits.send(now), now, 1.0)


def test_a_stalled_destination_is_no_wall_and_no_slow_sage() -> None:
    limits = Limits()
    now = 0.0
    for number in range(100):
        limits.let_through(limits.send(now), now + 0.1)
        now += 600.0 if number % 20 == 10 else 0.1
    for _ in range(3):
        refused(limits, now)
    now += 600.0
    assert limits.until(now) == 0.0
    measured = limits.let_through(limits.send(now), now + 0.1)
    assert measured is not None and 4.0 < measured < 10.0


def test_a_scout_that_stays_away_is_waited_for_no_longer_than_five_seconds() -> None:
    limits = Limits()
    for _ in range(3):
        refused(limits, 0.0)
    limits.send(0.0)
    assert limits.until(4.9) == math.inf
    assert limits.until(5.1) == 0.0


# Bounds by themselves


def lets(bound: Bound, count: int) -> None:
    for number in range(count):
        bound.note_let(float(number), 0.0)


def test_more_is_tried_once_for_each_hundred_requests_in_growing_steps() -> None:
    bound = Bound()
    bound.set(10.0)
    tried = []
    for _ in range(4):
        lets(bound, 100)
        tried.append(round(bound.value, 2))
    assert tried == [10.5, 11.55, 13.86, 19.4]


def test_after_a_failure_it_returns_at_once_and_waits_twice_as_long() -> None:
    bound = Bound()
    bound.set(10.0)
    lets(bound, 100)
    bound.give_up()
    assert (bound.value, bound.failed) == (10.0, 10.5)
    lets(bound, 199)
    assert bound.value == 10.0
    lets(bound, 1)
    assert 10.0 < bound.value < 10.5


def test_a_trial_lasts_at_least_as_long_as_the_wall_that_it_may_run_into() -> None:
    bound = Bound()
    bound.set(10.0)
    lets(bound, 100)
    for number in range(1000):
        bound.note_let(number / 10, 300.0)
    assert bound.good == 10.0


def test_a_number_of_requests_stays_a_whole_one() -> None:
    bound = Bound(by_one=True)
    bound.set(3)
    lets(bound, 100)
    assert bound.value == 4
