"""Kills the connector around its token renewals, again and again, and starts it anew with the last config it emitted.

    python -m integration_tests.kill_around_refreshes --kills 200

Each run is `source-sage read` in a process of its own with a token that lives a second, ended by SIGKILL: half of them
at any moment, half within milliseconds of a token call at Sage. Then `source-sage check` runs with the last
CONNECTOR_CONFIG that came out. It must succeed, but for the one window that no client can close: Sage has replaced the
refresh token, and the process died before the answer was on stdout. Which of the two it is, the sandbox knows.

    python -m integration_tests.kill_around_refreshes --kills 50 --stalled
    python -m integration_tests.kill_around_refreshes --kills 200 --save-config

With `--stalled` nobody takes what the run says, from its beginning or from some moment on, and it is killed then: there
must be no window at all. With `--save-config` the run starts anew with the file that it kept its tokens in.

Importing the CDK costs two seconds, so this program imports it once and forks; the processes are real all the same.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import fcntl
import json
import os
import random
import select
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any, Final, NoReturn

from starlette.responses import Response

from integration_tests.harness import catalog_of, discover
from integration_tests.sandbox import Sandbox
from integration_tests.sandbox.manners.faults import Action, Call
from source_sage.run import run
from source_sage.sign_in.config_file import beside

TOKEN_PATH: Final = "/oauth/token"  # noqa: S105 (an address)
TOKEN_LIFE: Final = 1.0
LATENCY: Final = 0.04
ANSWER_TAKES: Final = 0.005
LONGEST_RUN: Final = 1.6
AFTER_A_CALL: Final = 0.03
SETTLED: Final = 0.1
STALLED: Final = (0.1, 0.9)
QUIET: Final = 0.5
# A log line fits in, as the CDK says one before anything, and no message of a renewal.
ROOM: Final = 600
JUNK: Final = b'{"type":"LOG","log":{"level":"INFO","message":"before"}}\n'

Config = dict[str, Any]


@dataclass
class Summary:
    """What came of it."""

    kills: int = 0
    finished: int = 0
    renewals_emitted: int = 0
    restarts: int = 0
    lost: int = 0
    """Killed after Sage had replaced the token and before the new one was out: the unavoidable window."""
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.kills} kills ({self.finished} runs ended before theirs), {self.renewals_emitted} renewals emitted; "
            f"{self.restarts} restarts worked, {self.lost} met the window (replaced at Sage, answer not yet out), "
            f"{len(self.wrong)} failed otherwise"
        )


# The sandbox, in a process of its own


class SlowAnswer(Action):
    """The answer is on its way for a moment, as over a real network; `begun` is called when the question arrives."""

    name = "slow answer"

    def __init__(self, begun: Callable[[], object]) -> None:
        self.begun = begun

    async def before(self, call: Call) -> Response | None:
        self.begun()
        return None

    async def after(self, call: Call, answer: Response) -> Response:
        await asyncio.sleep(ANSWER_TAKES)
        return answer


def _serve(commands: Connection, bell: int) -> None:
    with Sandbox(size="tiny", token_life=TOKEN_LIFE, latency=LATENCY) as box:
        box.faults.add(SlowAnswer(lambda: os.write(bell, b"!")), path=TOKEN_PATH)
        with contextlib.suppress(EOFError):
            while True:
                if commands.recv() == "sign in":
                    box.tokens.grants.clear()
                    box.tokens.new_grant()
                commands.send(box.config())


@dataclass
class SandboxProcess:
    """Talks to the sandbox's process."""

    commands: Connection
    bell: int
    pid: int

    def config(self) -> Config:
        """A config with Sage's newest tokens."""
        self.commands.send("config")
        config: Config = self.commands.recv()
        return config

    def sign_in(self) -> Config:
        """A config of a new grant."""
        self.commands.send("sign in")
        config: Config = self.commands.recv()
        return config


@contextlib.contextmanager
def _sandbox_process() -> Iterator[SandboxProcess]:
    ours, theirs = Pipe()
    bell_out, bell_in = os.pipe()

    def serve() -> None:
        ours.close()  # so that the end of this program ends the sandbox as well
        _serve(theirs, bell_in)

    pid = _fork(serve)
    theirs.close()
    try:
        yield SandboxProcess(ours, bell_out, pid)
    finally:
        ours.close()
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _fork(work: Callable[[], object]) -> int:
    pid = os.fork()
    if pid == 0:
        _only(work)
    return pid


def _only(work: Callable[[], object]) -> NoReturn:
    code = 1
    try:
        work()
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    finally:
        os._exit(code)


# The connector, in a process of its own


@dataclass
class Connector:
    """One command of `source-sage` under way."""

    pid: int
    out: int
    seen: bytes = b""

    @classmethod
    def start(cls, *arguments: str, full: bool = False) -> Connector:
        """Fork, and be the console script there.

        Args:
            arguments: of the console script.
            full: nobody takes what it says, and of its pipe hardly anything is free from the beginning.
        """
        out, its_stdout = os.pipe()
        if full:
            size = fcntl.fcntl(its_stdout, fcntl.F_GETPIPE_SZ)
            os.write(its_stdout, (JUNK * (size // len(JUNK) + 1))[: size - ROOM - 1] + b"\n")

        def work() -> None:
            os.dup2(its_stdout, 1)
            sys.argv = ["source-sage", *arguments]
            run()

        pid = _fork(work)
        os.close(its_stdout)
        return cls(pid, out)

    def read_until(self, deadline: float, bell: int | None = None) -> str:
        """Take what it says until the deadline, the bell or its end; tells which: `time`, `bell` or `end`."""
        while (left := deadline - time.monotonic()) > 0:
            ready, _, _ = select.select([self.out] + ([bell] if bell is not None else []), [], [], left)
            if bell is not None and bell in ready:
                os.read(bell, 1)
                return "bell"
            if self.out in ready:
                piece = os.read(self.out, 65_536)
                if not piece:
                    return "end"
                self.seen += piece
        return "time"

    def kill(self) -> None:
        """SIGKILL, and take what was still in the pipe."""
        os.kill(self.pid, signal.SIGKILL)
        while piece := os.read(self.out, 65_536):
            self.seen += piece
        self.close()

    def close(self) -> int:
        """Wait for its end; gives its exit code."""
        os.close(self.out)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    @property
    def messages(self) -> list[dict[str, Any]]:
        """All whole lines."""
        return [json.loads(line) for line in self.seen.split(b"\n")[:-1] if line.endswith(b"}")]

    @property
    def configs(self) -> list[Config]:
        """What it emitted to be kept."""
        return [one["control"]["connectorConfig"]["config"] for one in self.messages if one["type"] == "CONTROL"]


def kill_around_refreshes(kills: int, seed: int, *, stalled: bool = False, save_config: bool = False) -> Summary:
    """See the module's docstring. Call it from a process without threads: it forks."""
    chance = random.Random(seed)  # noqa: S311 (moments, not secrets)
    summary = Summary()
    with _sandbox_process() as sandbox, tempfile.TemporaryDirectory() as folder:
        config = sandbox.sign_in()
        files = {name: Path(folder, name) for name in ("config", "catalog")}
        files["catalog"].write_text(json.dumps(catalog_of(discover(config))))
        option = ["--save-config"] if save_config else []
        while summary.kills < kills:
            full = stalled and summary.kills % 5 > 0
            if full:
                config = {**config, "access_token": ""}  # it wants to renew at once
            files["config"].write_text(json.dumps(config))
            arguments = ["read", "--config", str(files["config"]), "--catalog", str(files["catalog"]), *option]
            _quiet(sandbox.bell)
            connector = Connector.start(*arguments, full=full)
            if full:
                select.select([sandbox.bell], [], [], chance.uniform(*STALLED))  # it must not ring
                connector.kill()
                summary.kills += 1
            elif _killed(connector, sandbox.bell, chance, stalled=stalled):
                summary.kills += 1
            else:
                summary.finished += 1
                if summary.finished > kills + 10:
                    raise RuntimeError(f"runs end by themselves: {connector.messages[-3:]}")
            summary.renewals_emitted += len(connector.configs)
            if full and sandbox.config()["refresh_token"] == config["refresh_token"]:
                summary.restarts += 1  # nothing was renewed
                continue
            config = _kept(files["config"]) if save_config else (connector.configs or [config])[-1]
            config = _restart(config, sandbox, files["config"], summary, option)
    return summary


def _kept(file: Path) -> Config:
    """The newest tokens that a person's file holds, or what it was to be replaced with."""
    config: Config = json.loads(file.read_text())
    with contextlib.suppress(OSError, ValueError):  # not there, or not whole
        found: Config = json.loads(beside(file).read_text())
        return max(config, found, key=lambda one: str(one.get("token_expiry_date", "")))
    return config


def _killed(connector: Connector, bell: int, chance: random.Random, *, stalled: bool) -> bool:
    """Kill it at a random moment, or when it has been stalled for long from then on; False if it ended before."""
    _quiet(bell)
    moment = time.monotonic() + chance.uniform(0, LONGEST_RUN)
    calls = chance.choice((0, 0, 1, 2))
    if calls:
        happened = "bell"
        for _ in range(calls):
            if happened == "bell":
                happened = connector.read_until(time.monotonic() + 10, bell)
        moment = time.monotonic() + chance.uniform(0, AFTER_A_CALL)
    if connector.read_until(moment) == "end":
        connector.close()
        return False
    if stalled:  # what is under way comes to its end, and nothing more begins
        while select.select([bell], [], [], QUIET)[0]:
            os.read(bell, 64)
    connector.kill()
    return True


def _quiet(bell: int) -> None:
    while select.select([bell], [], [], 0)[0]:
        os.read(bell, 64)


def _restart(config: Config, sandbox: SandboxProcess, file: Path, summary: Summary, option: list[str]) -> Config:
    """Check with the last config that was kept; gives the config to go on with."""
    time.sleep(SETTLED)  # a call that was on its way reaches Sage all the same
    in_hand = sandbox.config()["refresh_token"] == config["refresh_token"]
    if not option:
        file.write_text(json.dumps(config))
    connector = Connector.start("check", "--config", str(file), *option)
    connector.read_until(time.monotonic() + 60)
    code = connector.close()
    (status,) = [one["connectionStatus"] for one in connector.messages if one["type"] == "CONNECTION_STATUS"]
    works = code == 0 and status["status"] == "SUCCEEDED"
    if works != in_hand:
        summary.wrong.append(f"kill {summary.kills}: newest token in hand: {in_hand}; {status}")
    elif works:
        summary.restarts += 1
    else:
        summary.lost += 1
    summary.renewals_emitted += len(connector.configs)
    return (connector.configs or [config])[-1] if works else sandbox.sign_in()


def main() -> int:
    """The command; exits with 1 if a restart failed that should not have."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--stalled", action="store_true")
    parser.add_argument("--save-config", action="store_true")
    arguments = parser.parse_args()
    begun = time.monotonic()
    summary = kill_around_refreshes(
        arguments.kills, arguments.seed, stalled=arguments.stalled, save_config=arguments.save_config
    )
    for line in [*summary.wrong, f"{summary}; {time.monotonic() - begun:.0f} s"]:
        sys.stdout.write(f"{line}\n")
    return 1 if summary.wrong or (arguments.stalled and summary.lost) else 0


if __name__ == "__main__":
    sys.exit(main())
