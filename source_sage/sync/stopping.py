"""How a run is asked to end before it is done: Ctrl-C, SIGTERM, a terminal that was closed.

A signal only leaves a word: the run looks at it once a second, says its last states and ends. If it cannot, because
the reader of stdout takes nothing, the process is ended without it. Either way a renewal of tokens that is under way
comes to its message first (`stdout`). A second signal shortens the time to nothing.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Final, NoReturn

from source_sage import stdout

SECONDS_TO_END: Final = 1.6
SIGNALS: Final = ("SIGINT", "SIGTERM", "SIGHUP")
EXIT_BY_SIGNAL: Final = 128


class Stop:
    """A wish that the run should end.

    Args:
        last_words: called before the process is ended; says what a person must know.
    """

    def __init__(self, last_words: Callable[[], object] = lambda: None) -> None:
        self._last_words = last_words
        self._number = 0
        self._closing = threading.RLock()

    @property
    def asked(self) -> bool:
        """Tell whether somebody wants the run to end."""
        return self._number > 0

    def listen(self, seconds: float = 0.0) -> None:
        """Take signals from now on, but those that whoever started the process wants to be passed over (`nohup`).

        Args:
            seconds: how long the run has to end by itself.
        """

        def note(number: int, _: FrameType | None) -> None:
            again, self._number = self.asked, number
            wanted = (0.0, False) if again else (seconds, True)
            threading.Thread(target=self._end_after, args=wanted, name="stop", daemon=True).start()

        for name in SIGNALS:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, note)

    @contextlib.contextmanager
    def listening(self, seconds: float = 0.0) -> Iterator[None]:
        """Take signals inside this block alone; see `listen`."""
        numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
        before = {number: signal.getsignal(number) for number in numbers}
        self.listen(seconds)
        try:
            yield
        finally:
            for number, handler in before.items():
                if handler is not None:  # not from Python, so that Python cannot put it back
                    signal.signal(number, handler)

    @contextlib.contextmanager
    def closing(self) -> Iterator[None]:
        """Do what a first signal must not cut off, however long it takes; a second one does."""
        with self._closing:
            yield

    def end(self) -> NoReturn:
        """End the process, whatever its threads wait for."""
        stdout.leave(EXIT_BY_SIGNAL + self._number, self._last_words)

    def _end_after(self, seconds: float, patient: bool) -> None:
        time.sleep(seconds)
        with self._closing if patient else contextlib.nullcontext():
            self.end()
