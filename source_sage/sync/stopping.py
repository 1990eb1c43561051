"""How a run is asked to end before it is done: Ctrl-C, SIGTERM, a terminal that was closed.

A signal only leaves a word: the run looks at it once a second, says its last states and ends. If it cannot, because
the reader of stdout takes nothing, the process is ended without it. Either way a renewal of tokens that is under way
comes to its message first (`stdout`). A second signal shortens the time to nothing.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
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
            wait = 0.0 if self.asked else seconds
            self._number = number
            threading.Thread(target=self._end_after, args=(wait,), name="stop", daemon=True).start()

        for name in SIGNALS:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, note)

    def end(self) -> NoReturn:
        """End the process, whatever its threads wait for."""
        stdout.leave(EXIT_BY_SIGNAL + self._number, self._last_words)

    def _end_after(self, seconds: float) -> None:
        time.sleep(seconds)
        self.end()
