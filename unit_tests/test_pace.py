"""Around `limits`: who waits how long, in threads, and when waiting ends. What is learnt: test_limits.py."""

import datetime as dt
import logging
import threading

import pytest
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.api import pace as pace_module
from source_sage.api.pace import LOOK_SECONDS, Pace, Request, retry_after_seconds
from source_sage.clock import Clock
from source_sage.counts import Tally
from source_sage.errors import LimitUsedUp

NOW = dt.datetime(2026, 11, 23, 10, 0, tzinfo=dt.UTC)


class HeldClock(Clock):
    """Time that moves only by sleeping, and sleeping takes no time."""

    def __init__(self) -> None:
        self.slept = 0.0

    def now(self) -> dt.datetime:
        return NOW + dt.timedelta(seconds=self.slept)

    def monotonic(self) -> float:
        return self.slept

    def sleep(self, seconds: float) -> None:
        assert seconds <= LOOK_SECONDS
        self.slept += seconds


@pytest.fixture
def clock() -> HeldClock:
    return HeldClock()


@pytest.fixture
def pace(clock: HeldClock) -> Pace:
    return Pace(clock)


@pytest.fixture
def no_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace_module.random, "uniform", lambda low, high: (low + high) / 2)


def refused(request: Request, asked_seconds: float | None) -> None:
    with request:
        request.refused(asked_seconds)


def answered(request: Request) -> None:
    with request:
        request.answered()


def pause_after(request: Request, asked_seconds: float | None) -> float:
    """How long a request waits after a refusal."""
    refused(request, asked_seconds)
    before = request.tally.waited
    with request:
        pass
    return request.tally.waited - before


# Retry-After


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 120 ", 120.0),
        ("86400", 86_400.0),
        ("Mon, 23 Nov 2026 10:01:30 GMT", 90.0),
        ("Mon, 23 Nov 2026 11:01:30 +0100", 90.0),
        ("Mon, 23 Nov 2026 10:00:00 GMT", 0.0),
        ("Mon, 23 Nov 2026 09:00:00 GMT", 0.0),
    ],
)
def test_retry_after_is_read_as_seconds_from_now(header: str, seconds: float) -> None:
    assert retry_after_seconds(header, NOW) == seconds


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "   ",
        "soon",
        "-5",
        "1.5",
        "1e3",
        "86401",
        "31536000",
        "9" * 12,
        "9" * 400,
        "Tue, 23 Nov 2027 10:00:00 GMT",
        "Mon, 99 Nov 2026 10:00:00 GMT",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Mon, 23 Nov 2026 10:01:30 -0000",
        # A header is read as Latin-1, so this may come; it is a digit, but no number.
        "\u00b2",
    ],
)
def test_a_retry_after_that_cannot_be_read_or_meant_is_as_good_as_none(header: str | None) -> None:
    assert retry_after_seconds(header, NOW) is None


# Waiting


def test_nobody_waits_before_a_refusal(pace: Pace, clock: HeldClock) -> None:
    tally = Tally()
    for _ in range(1000):
        answered(pace.request(tally))
    assert (clock.slept, tally.waited) == (0.0, 0.0)


def test_who_was_refused_waits_as_long_as_asked_and_counts_it(pace: Pace, clock: HeldClock) -> None:
    request = pace.request(Tally())
    assert pause_after(request, 7.0) == 7.0
    assert (clock.slept, request.tally.waited) == (7.0, 7.0)


def test_nobody_else_waits_for_it(pace: Pace, clock: HeldClock) -> None:
    for _ in range(100):
        answered(pace.request(Tally()))
        clock.slept += 1.0
    before = clock.slept
    refused(pace.request(Tally()), 500.0)
    answered(pace.request(Tally()))
    assert clock.slept == before


def test_waits_add_up_in_the_tally(pace: Pace) -> None:
    request = pace.request(Tally())
    assert pause_after(request, 3.0) + pause_after(request, 4.0) == request.tally.waited == 7.0


@pytest.mark.usefixtures("no_jitter")
def test_pauses_double_up_to_a_minute_where_no_time_was_named(clock: HeldClock) -> None:
    request = Pace(clock, patience=1e9).request(Tally())
    assert [pause_after(request, None) for _ in range(8)] == pytest.approx([2, 4, 8, 16, 32, 60, 60, 60])


@pytest.mark.usefixtures("no_jitter")
def test_another_request_begins_with_a_short_pause(pace: Pace) -> None:
    first = pace.request(Tally())
    for _ in range(4):
        pause_after(first, None)
    answered(first)
    assert pause_after(pace.request(Tally()), None) == pytest.approx(2)


def test_pauses_without_a_named_time_are_jittered_by_a_quarter(clock: HeldClock) -> None:
    pauses = {round(pause_after(Pace(clock).request(Tally()), None), 6) for _ in range(50)}
    assert len(pauses) > 1
    assert all(1.49 < pause < 2.51 for pause in pauses)


def walled(pace: Pace, times: int, asked_seconds: float) -> None:
    """So many requests that are refused one after the other before any is asked again."""
    for _ in range(times):
        refused(pace.request(Tally()), asked_seconds)


def test_when_too_many_were_refused_one_goes_alone_and_the_others_hear_from_it(pace: Pace) -> None:
    walled(pace, 2, 5.0)
    scout, second = pace.request(Tally()), pace.request(Tally())
    with scout:
        thread = threading.Thread(target=answered, args=(second,), daemon=True)
        thread.start()
        thread.join(0.05)
        assert thread.is_alive()
        scout.answered()
    thread.join(5)
    assert not thread.is_alive()


def test_if_it_is_refused_as_well_everybody_waits_and_that_is_told(
    pace: Pace, clock: HeldClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="airbyte.source-sage")
    walled(pace, 2, 30.0)
    refused(pace.request(Tally()), 30.0)
    answered(pace.request(Tally()))
    assert clock.slept == 30.0
    assert [record.getMessage() for record in caplog.records] == [
        "Fewer requests are asked for (429); all requests wait 30.0 s."
    ]


def test_a_wall_that_stays_longer_than_asked_is_asked_ever_more_seldom(pace: Pace, clock: HeldClock) -> None:
    walled(pace, 2, 1.0)
    waits = []
    for _ in range(6):
        before = clock.slept
        refused(pace.request(Tally()), 1.0)
        waits.append(clock.slept - before)
    assert waits == [0.0, 1.0, 2.0, 4.0, 8.0, 16.0]


class Gone(BaseException):
    """The thread ends in the middle of its request."""


@pytest.mark.parametrize("what", [RuntimeError, KeyboardInterrupt, SystemExit, Gone, AirbyteTracedException])
@pytest.mark.parametrize("as_scout", [False, True])
def test_what_a_request_holds_is_given_back_however_it_ends(
    as_scout: bool, what: type[BaseException], pace: Pace, clock: HeldClock
) -> None:
    if as_scout:
        walled(pace, 2, 5.0)
    for _ in range(20):
        with pytest.raises(what), pace.request(Tally()):
            raise what
    thread = threading.Thread(target=answered, args=(pace.request(Tally()),), daemon=True)
    thread.start()
    thread.join(5)
    assert not thread.is_alive()
    assert pace._limits.under_way == 0


def test_threads_that_wait_for_a_rate_wait_in_line_and_not_all_at_once(pace: Pace, clock: HeldClock) -> None:
    pace._limits.rate.set(10.0)
    threads = [threading.Thread(target=answered, args=(pace.request(Tally()),)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert clock.slept == pytest.approx(1.4, abs=0.11)


# The end of waiting


@pytest.mark.usefixtures("no_jitter")
@pytest.mark.parametrize("asked", [None, 0.0, 30.0])
@pytest.mark.parametrize("requests", [1, 8])
def test_ten_minutes_of_refusals_end_the_run(requests: int, asked: float | None, pace: Pace, clock: HeldClock) -> None:
    waiting = [pace.request(Tally()) for _ in range(requests)]
    with pytest.raises(LimitUsedUp) as caught:
        for _ in range(1000):
            for request in waiting:
                refused(request, asked)
    assert caught.value.failure_type is FailureType.transient_error
    assert "let no request through for 10 minutes" in str(caught.value.message)
    assert 500 < clock.slept <= 600


def test_quiet_minutes_between_two_refusals_are_no_refusals(pace: Pace, clock: HeldClock) -> None:
    for _ in range(4):
        refused(pace.request(Tally()), 1.0)
        clock.slept += 3600.0  # a stalled destination
    answered(pace.request(Tally()))


def test_a_request_that_alone_is_refused_for_ten_minutes_fails_alone(pace: Pace) -> None:
    unlucky = pace.request(Tally())
    with pytest.raises(LimitUsedUp):
        for _ in range(100):
            refused(unlucky, 30.0)
            answered(pace.request(Tally()))
    answered(pace.request(Tally()))


def test_ten_minutes_are_waited(pace: Pace) -> None:
    assert pause_after(pace.request(Tally()), 600.0) == pytest.approx(600.0)


@pytest.mark.parametrize(
    ("asked", "again"),
    [(601.0, "2026-11-23T10:10:01Z"), (3600.0, "2026-11-23T11:00:00Z"), (80_000.0, "2026-11-24T08:13:20Z")],
)
def test_a_longer_wait_ends_the_run_for_now_and_names_the_time(
    pace: Pace, clock: HeldClock, asked: float, again: str
) -> None:
    with pytest.raises(LimitUsedUp) as caught:
        refused(pace.request(Tally()), asked)
    assert caught.value.failure_type is FailureType.transient_error
    assert f"it takes requests again at {again}." in str(caught.value.message)
    with pytest.raises(LimitUsedUp, match=again):
        answered(pace.request(Tally()))
    assert clock.slept == 0.0


def test_who_waits_for_others_hears_that_the_run_is_over(pace: Pace) -> None:
    walled(pace, 2, 5.0)
    caught: list[BaseException] = []

    def ask() -> None:
        try:
            answered(pace.request(Tally()))
        except LimitUsedUp as error:
            caught.append(error)

    with pytest.raises(LimitUsedUp), pace.request(Tally()) as scout:
        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(0.05)
        scout.refused(3600.0)
    thread.join(5)
    assert len(caught) == 1


@pytest.mark.parametrize("asked", [None, 1.0, 9.0, 11.0])
def test_patience_may_be_so_many_seconds_in_all(asked: float | None, clock: HeldClock) -> None:
    pace = Pace(clock, 10.0, in_all=True)
    request = pace.request(Tally())
    with pytest.raises(LimitUsedUp):
        for _ in range(100):
            refused(request, asked)
            answered(pace.request(Tally()))
    assert clock.slept <= 10.0
