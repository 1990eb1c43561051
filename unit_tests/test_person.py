"""What a person's commands share: what is heard of the source, and how a signal ends them."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from source_sage.commands.person import unheard
from source_sage.sync.stopping import Stop


def test_stdout_is_for_the_command_and_warnings_are_plain(capsys: pytest.CaptureFixture[str]) -> None:
    source, other = logging.getLogger("airbyte.source-sage"), logging.getLogger("somebody.else")
    before = logging.getLogger().handlers[:]
    with unheard() as say:
        print("a CONTROL message with tokens")  # noqa: T201
        source.warning("The sign-in is %d days old.", 20)
        source.info("Sync report")
        other.warning("A library's own concern.")
        say("The verdict.")
    assert capsys.readouterr() == ("The verdict.\n", "The sign-in is 20 days old.\n")
    assert logging.getLogger().handlers == before


class Watched(Stop):
    """Tells that it ends the process, and leaves it alone."""

    def __init__(self) -> None:
        super().__init__()
        self.ended = threading.Event()

    def end(self) -> Any:
        self.ended.set()


@pytest.fixture
def stop() -> Iterator[Watched]:
    before = signal.getsignal(signal.SIGTERM)
    watched = Watched()
    with watched.listening():
        yield watched
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_first_signal_waits_for_what_must_not_be_cut_off(stop: Watched) -> None:
    with stop.closing(), stop.closing():
        os.kill(os.getpid(), signal.SIGTERM)
        assert not stop.ended.wait(0.3)
        assert stop.asked
    assert stop.ended.wait(60)


def test_a_second_signal_waits_for_nothing(stop: Watched) -> None:
    with stop.closing():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.ended.wait(60)
