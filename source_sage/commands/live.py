"""What a person sees of a sync while it runs: one line that moves on a terminal, a plain one now and then elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from types import TracebackType
from typing import Any, Final, Self

from source_sage.sync.report import Report

MOVES_EVERY_SECONDS: Final = 0.5
PLAIN_EVERY_SECONDS: Final = 10.0


def line(report: Report, seconds: float) -> str:
    """How far a sync is.

    Args:
        report: its tallies, as they are now.
        seconds: since it began.
    """
    tallies = list(report.tallies.values())
    lists = [one for one in tallies if one.is_list]
    done = sum(one.ended for one in lists)
    rows = sum(one.rows + one.tombstones for one in lists)
    requests = sum(one.requests for one in [report.before, *tallies])
    ahead = sum(one.ahead for one in lists if one.begun and not one.ended)
    told = f"{done} of {len(lists)} lists, {rows:,} rows, {requests:,} requests, {seconds:.0f} s"
    if not (ahead and rows):
        return told
    rest = seconds / rows * ahead
    waiting = sum(not (one.begun or one.ended) for one in lists)
    return f"{told}; {'more than' if waiting else 'about'} {rest:.0f} s left"


class Live:
    """Shows the line on stderr until it is left; what is said meanwhile stands above it.

    Args:
        report: whose tallies are shown.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._began = time.monotonic()
        self._done = threading.Event()
        self._writing = ""
        self._status: Any = None
        self._console: Any = None
        self._thread = threading.Thread(target=self._go_on, daemon=True)

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from rich.console import Console

            self._console = Console(stderr=True, highlight=False)
            self._status = self._console.status("Asking Sage which businesses there are")
            self._status.start()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._thread.join()

    def stop(self) -> None:
        """Leave the terminal as it was, and say how far the sync came; once."""
        if self._done.is_set():
            return
        self._done.set()
        if self._status is not None:
            self._status.stop()
        self.say(f"Read: {self._line()}")

    def say(self, text: str) -> None:
        """Say something that stays."""
        if self._console is not None:
            self._console.print(text, markup=False)
        else:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    def say_writing(self) -> None:
        """All is read; the last rows are being written."""
        self._writing = " (writing)"

    def _line(self) -> str:
        return line(self._report, time.monotonic() - self._began)

    def _go_on(self) -> None:
        while not self._done.wait(MOVES_EVERY_SECONDS if self._status is not None else PLAIN_EVERY_SECONDS):
            text = f"{self._line()}{self._writing}"
            if self._status is not None:
                self._status.update(text)
            else:
                self.say(text)
