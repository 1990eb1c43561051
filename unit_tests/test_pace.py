import datetime as dt
import logging
import threading

import pytest
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage import pace as pace_module
from source_sage.clock import Clock
from source_sage.pace import Pace, retry_after_seconds
from source_sage.report import Tally

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


def pause_after(pace: Pace, asked_seconds: float | None) -> float:
    """How long a thread waits after a refusal."""
    tally = Tally()
    pace.hold(asked_seconds)
    pace.wait(tally)
    return tally.waited


# Retry-After


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 120 ", 120.0),
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
        "Mon, 99 Nov 2026 10:00:00 GMT",
        "Mon, 23 Nov 2026 10:01:30 -0000",
        # A header is read as Latin-1, so this may come; it is a digit, but no number.
        "\u00b2",
    ],
)
def test_a_retry_after_that_cannot_be_read_is_as_good_as_none(header: str | None) -> None:
    assert retry_after_seconds(header, NOW) is None


# Holding and waiting


def test_nobody_waits_before_a_refusal(pace: Pace, clock: HeldClock) -> None:
    tally = Tally()
    pace.wait(tally)
    assert (clock.slept, tally.waited) == (0.0, 0.0)


def test_after_a_refusal_one_waits_as_long_as_asked_and_counts_it(pace: Pace, clock: HeldClock) -> None:
    tally = Tally()
    pace.hold(7.0)
    pace.wait(tally)
    assert (clock.slept, tally.waited) == (7.0, 7.0)


def test_when_the_pause_is_over_nobody_waits(pace: Pace) -> None:
    pause_after(pace, 7.0)
    tally = Tally()
    pace.wait(tally)
    assert tally.waited == 0.0


def test_waits_add_up_in_the_tally(pace: Pace) -> None:
    tally = Tally()
    for seconds in (3.0, 4.0):
        pace.hold(seconds)
        pace.wait(tally)
    assert tally.waited == 7.0


@pytest.mark.usefixtures("no_jitter")
def test_pauses_double_up_to_a_minute_where_no_time_was_named(pace: Pace) -> None:
    assert [pause_after(pace, None) for _ in range(8)] == pytest.approx([2, 4, 8, 16, 32, 60, 60, 60])


@pytest.mark.usefixtures("no_jitter")
def test_pauses_start_short_again_once_a_request_was_answered(pace: Pace) -> None:
    for _ in range(4):
        pause_after(pace, None)
    pace.answered()
    assert pause_after(pace, None) == pytest.approx(2)


def test_pauses_without_a_named_time_are_jittered_by_a_quarter(clock: HeldClock) -> None:
    pauses = {pause_after(Pace(clock), None) for _ in range(50)}
    assert len(pauses) > 1
    assert all(1.49 < pause < 2.51 for pause in pauses)


@pytest.mark.parametrize(("first", "second"), [(5.0, 20.0), (20.0, 5.0)])
def test_of_two_pauses_the_longer_counts(pace: Pace, first: float, second: float) -> None:
    pace.hold(first)
    assert pause_after(pace, second) == 20.0


def test_many_threads_that_are_refused_together_are_held_once(
    clock: HeldClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="airbyte.source-sage")
    pace = Pace(clock)
    together = threading.Barrier(16)

    def refused() -> None:
        together.wait()
        pace.hold(None)

    threads = [threading.Thread(target=refused) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tally = Tally()
    pace.wait(tally)
    assert 1.49 < tally.waited < 2.51
    assert len(caplog.records) == 1
    assert 2.99 < pause_after(pace, None) < 5.01


@pytest.mark.usefixtures("no_jitter")
@pytest.mark.parametrize("asked", [None, 0.0, 30.0])
def test_ten_minutes_of_refusals_end_the_run(pace: Pace, clock: HeldClock, asked: float | None) -> None:
    with pytest.raises(AirbyteTracedException) as caught:
        for _ in range(1000):
            pause_after(pace, asked)
    assert caught.value.failure_type is FailureType.transient_error
    assert 600 < clock.slept <= 660


def test_a_pause_is_told_once(pace: Pace, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="airbyte.source-sage")
    pace.hold(7.0)
    pace.hold(7.0)
    assert [record.getMessage() for record in caplog.records] == [
        "Sage asks for fewer requests (429); all requests wait 7.0 s."
    ]


class Gone(BaseException):
    """The thread ends in the middle of its request."""


@pytest.mark.parametrize("what", [RuntimeError, KeyboardInterrupt, SystemExit, Gone, AirbyteTracedException])
def test_what_a_request_holds_is_given_back_however_it_ends(
    what: type[BaseException], pace: Pace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace_module, "RUMOURED_LIMIT", 1)  # who comes next waits for those under way
    for _ in range(20):
        with pytest.raises(what), pace.turn(Tally()):
            raise what
    assert not gone(pace).is_alive()


# A wait too long to sit out


def test_ten_minutes_are_waited(pace: Pace) -> None:
    assert pause_after(pace, 600.0) == 600.0


@pytest.mark.parametrize(
    ("asked", "again"),
    [(601.0, "2026-11-23T10:10:01Z"), (3600.0, "2026-11-23T11:00:00Z"), (1e5, "2026-11-24T13:46:40Z")],
)
def test_a_longer_wait_ends_the_run_for_now_and_names_the_time(pace: Pace, asked: float, again: str) -> None:
    with pytest.raises(AirbyteTracedException) as caught:
        pace.hold(asked)
    assert caught.value.failure_type is FailureType.transient_error
    assert f"it takes requests again at {again}." in str(caught.value.message)


@pytest.mark.parametrize("header", ["9" * 12, "9" * 20, "9" * 400])
def test_a_wait_beyond_the_calendar_ends_the_run_for_now_too(pace: Pace, header: str) -> None:
    with pytest.raises(AirbyteTracedException) as caught:
        pace.hold(retry_after_seconds(header, NOW))
    assert caught.value.failure_type is FailureType.transient_error


def test_after_a_wait_too_long_no_request_is_made(pace: Pace, clock: HeldClock) -> None:
    with pytest.raises(AirbyteTracedException):
        pace.hold(601.0)
    with pytest.raises(AirbyteTracedException, match="2026-11-23T10:10:01Z"):
        pace.wait(Tally())
    assert clock.slept == 0.0


# The limit


class Server:
    """Lets so many requests through in any sixty seconds."""

    def __init__(self, clock: HeldClock, limit: int) -> None:
        self.clock, self.limit = clock, limit
        self.let_through: list[float] = []
        self.refused: list[float] = []

    def serve(self, pace: Pace, latency: float) -> None:
        pace.wait(Tally())
        self.clock.sleep(latency / 2)
        now = self.clock.monotonic()
        lately = [one for one in self.let_through if one > now - 60]
        fits = len(lately) < self.limit
        (self.let_through if fits else self.refused).append(now)
        self.clock.sleep(latency / 2)
        if fits:
            pace.answered()
        else:
            pace.hold(lately[0] + 60 - now)


@pytest.mark.parametrize("latency", [0.01, 0.3, 0.5])
def test_a_limit_of_a_hundred_a_minute_is_used_and_hardly_ever_passed(
    pace: Pace, clock: HeldClock, latency: float
) -> None:
    server = Server(clock, 100)
    while clock.slept < 3600:
        server.serve(pace, latency)
    assert len(server.let_through) >= 0.95 * 100 * 60
    assert len(server.refused) <= 0.01 * len(server.let_through)


def test_a_limit_that_was_somebody_elses_doing_is_left_behind(pace: Pace, clock: HeldClock) -> None:
    server = Server(clock, 30)
    while clock.slept < 180:
        server.serve(pace, 0.1)
    server.limit = 10**6
    while clock.slept < 1800:
        server.serve(pace, 0.1)
    assert len([one for one in server.let_through if one > 1740]) > 500


def test_a_few_answers_teach_no_limit(pace: Pace, clock: HeldClock) -> None:
    for _ in range(10):
        pace.wait(Tally())
        pace.answered()
    pace.wait(Tally())
    pace.hold(1.0)
    for _ in range(500):
        pace.wait(Tally())
        pace.answered()
    assert clock.slept == 1.0


def gone(pace: Pace) -> threading.Thread:
    """A thread whose request is welcome sooner or later."""
    thread = threading.Thread(target=pace.wait, args=(Tally(),), daemon=True)
    thread.start()
    thread.join(0.05)
    return thread


def went(pace: Pace) -> bool:
    """Whether a request is welcome now; a busy machine may need a moment to ask."""
    thread = gone(pace)
    thread.join(5)
    return not thread.is_alive()


def test_the_first_request_beyond_a_hundred_a_minute_goes_alone(pace: Pace, clock: HeldClock) -> None:
    for _ in range(84):
        pace.wait(Tally())
        pace.answered()
    assert all(went(pace) for _ in range(16))
    beyond = gone(pace)
    for _ in range(15):
        pace.answered()
        assert beyond.is_alive()
    pace.answered()
    beyond.join(5)
    assert not beyond.is_alive()
    next_one = gone(pace)
    assert next_one.is_alive()
    pace.answered()
    next_one.join(5)
    assert all(went(pace) for _ in range(16))
    assert clock.slept == 0.0


def test_a_hundred_a_minute_are_found_out_by_one_refusal(pace: Pace, clock: HeldClock) -> None:
    for _ in range(100):
        pace.wait(Tally())
        pace.answered()
    pace.wait(Tally())
    waiting = [gone(pace) for _ in range(15)]
    assert all(thread.is_alive() for thread in waiting)
    pace.hold(60.0)
    for thread in waiting:
        thread.join(5)
    # The one that was refused is still to be asked again: nobody went before the pause was over.
    assert not any(thread.is_alive() for thread in waiting)
    assert clock.slept >= 60.0


def test_who_waits_for_others_hears_that_the_run_is_over(pace: Pace) -> None:
    for _ in range(100):
        pace.wait(Tally())
        pace.answered()
    pace.wait(Tally())
    caught: list[BaseException] = []

    def ask() -> None:
        try:
            pace.wait(Tally())
        except AirbyteTracedException as error:
            caught.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    with pytest.raises(AirbyteTracedException):
        pace.hold(3600.0)
    thread.join(5)
    assert len(caught) == 1


def test_less_than_a_hundred_a_minute_never_wait_for_each_other(pace: Pace, clock: HeldClock) -> None:
    for _ in range(300):
        pace.wait(Tally())
        assert not gone(pace).is_alive()
        clock.sleep(1.5)
        pace.answered()
        pace.answered()
