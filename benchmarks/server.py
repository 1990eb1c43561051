"""The fake Sage as the bench holds it: started, told what to serve, asked what it counted, stopped."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from benchmarks.facts import PAGE_SIZE, ROOT

SECONDS: Final = 120
PAGES_RECEIVED: Final = 20


@dataclass(frozen=True)
class Counts:
    """What the server counted since its world was set.

    Attributes:
        requests: all, `/businesses` included.
        most_at_once: requests under way at the same time.
        let_through, refused: moments of requests, in seconds on the server's clock.
    """

    requests: int
    most_at_once: int
    let_through: list[float]
    refused: list[float]

    @property
    def per_second(self) -> float:
        """Answers a second from the first to the last; 0 where there were too few to tell."""
        took = self.let_through[-1] - self.let_through[0] if len(self.let_through) > 1 else 0.0
        return (len(self.let_through) - 1) / took if took > 0 else 0.0

    def share_of_budget(self, limit: int, window: float) -> float | None:
        """How much of a limit was used, in the whole windows after the first request; None if none was whole."""
        first, last = self.let_through[0], self.let_through[-1]
        whole = int((last - first) // window)
        used = sum(1 for moment in self.let_through if moment < first + whole * window)
        return used / (whole * limit) if whole else None


class Server:
    """A context manager around the server's process.

    Args:
        python: an interpreter that has the connector's development environment.
    """

    def __init__(self, python: Path) -> None:
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.fake_sage"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.root = self._process.stdout.readline().strip()
        if not self.root:
            raise SystemExit("The fake Sage did not start.")
        self.url = f"{self.root}/v3.1"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def serve(
        self,
        rows: dict[str, int],
        *,
        latency: float = 0.0,
        limit: int | None = None,
        window: float = 60.0,
        trouble: Mapping[str, Any] | None = None,
    ) -> dict[str, int]:
        """Set what is served, and forget what was counted.

        Args:
            rows: the length of each list.
            latency: seconds that every answer takes.
            limit: requests let through in `window` seconds.
            trouble: what goes wrong on purpose, as `Trouble` has it.

        Returns:
            The lengths that it serves: a list of codes is no longer than there are codes.
        """
        world = {"rows": rows, "latency": latency, "limit": limit, "window": window, "trouble": trouble or {}}
        served: dict[str, int] = self._ask("/_bench/world", world)
        return served

    def counts(self) -> Counts:
        """What was counted since."""
        counted = self._ask("/_bench/counts", None)
        return Counts(
            sum(counted["by_path"].values()), counted["most_at_once"], counted["let_through"], counted["refused"]
        )

    def rows_a_second(self, name: str, asked: int) -> float:
        """How fast it serves a list to a client that does nothing but receive: the ceiling of every other figure."""
        self.serve({name: PAGES_RECEIVED * PAGE_SIZE})
        code = Path(__file__).with_name("receive.py")
        said = subprocess.run(
            [sys.executable, code, self.root, name, str(PAGES_RECEIVED), str(asked)],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return asked * PAGE_SIZE / float(said.stdout)

    def _ask(self, path: str, body: dict[str, Any] | None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.root + path, data=data)  # noqa: S310 (our own loopback address)
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:  # noqa: S310
            return json.load(answer)
