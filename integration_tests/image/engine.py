"""A container engine of its own: Debian's dockerd, away from any other engine, its network and its images."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

START_SECONDS: Final = 60
STOP_SECONDS: Final = 30


class EngineFailed(Exception):
    """The engine did not start; the text ends with its last log lines."""


class Engine:
    """Starts dockerd with its own data, socket and log, and stops it by its process id.

    There is neither a bridge nor a packet filter rule: containers share the host's network, as a sandbox on a
    loopback port wants it. The data stays for the next run, whose build then repeats only what changed.

    Args:
        data: where images and build steps are kept between runs. One run at a time; another waits. Beside it is the
            folder of the run: socket, log, client's settings.
    """

    def __init__(self, data: Path) -> None:
        self._data = data
        self._run = data.with_name(f"{data.name}-run")
        self._log = self._run / "dockerd.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None
        self.socket = f"unix://{self._run}/docker.sock"
        self.cli = _debians_docker()
        self.environment = {
            **os.environ,
            "DOCKER_HOST": self.socket,
            "DOCKER_BUILDKIT": "1",
            "DOCKER_CONFIG": str(self._run / "config"),
            "PATH": f"{self._run / 'bin'}:{os.environ['PATH']}",
        }

    def __enter__(self) -> Self:
        """Start it.

        Raises:
            EngineFailed: it did not answer in time.
        """
        self._data.mkdir(parents=True, exist_ok=True)
        self._lock = (self._data.parent / "engine.lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._clear_up()
        self._write_shim()
        # The engine ends with this process, even if it is killed.
        command = ["setpriv", "--pdeathsig", "TERM", "dockerd", "--iptables=false", "--bridge=none"]
        places = {"host": self.socket, "data-root": self._data, "exec-root": self._run / "exec"}
        command += [f"--{name}={place}" for name, place in places.items()] + [f"--pidfile={self._run}/dockerd.pid"]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Stop it, whatever happened before."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._clear_up()
        if self._lock is not None:
            self._lock.close()

    def docker(self, *arguments: str, check: bool = True, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run one docker command; its output is text.

        Raises:
            AssertionError: it failed and `check` is set; carries what it said.
        """
        done = subprocess.run(
            [self.cli, *arguments], env=self.environment, capture_output=True, text=True, check=False, **options
        )
        assert not check or done.returncode == 0, f"docker {arguments[0]}: {done.stdout[-2000:]}{done.stderr[-6000:]}"
        return done

    def _clear_up(self) -> None:
        """Remove what a run leaves, this one or one that was killed; dockerd leaves its network mounted."""
        mounted = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        for place in mounted:
            if Path(place).is_relative_to(self._run):
                subprocess.run(["umount", "--lazy", place], check=False)
        shutil.rmtree(self._run, ignore_errors=True)

    def _write_shim(self) -> None:
        """A `docker` for tools that call it by name and know nothing of this engine's network."""
        shim = self._run / "bin" / "docker"
        shim.parent.mkdir(parents=True)
        shim.write_text(
            f'#!/bin/sh\nif [ "$1" = run ]; then shift; set -- run --network host "$@"; fi\nexec {self.cli} "$@"\n'
        )
        shim.chmod(0o755)

    def _wait(self) -> None:
        assert self._process is not None
        until = time.monotonic() + START_SECONDS
        while time.monotonic() < until and self._process.poll() is None:
            if self.docker("version", check=False).returncode == 0:
                return
            time.sleep(0.2)
        raise EngineFailed(f"dockerd did not start:\n{self._log.read_text()[-3000:]}")


def _debians_docker() -> str:
    """Debian's client where there are several: it fits the engine, and builds with BuildKit."""
    debians = Path("/usr/bin/docker")
    return str(debians) if debians.exists() else "docker"
