"""A PostgreSQL of the tests' own: a private cluster on a free loopback port, gone when they end."""

from __future__ import annotations

import csv
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from integration_tests.ports import free_port

USER: Final = "warehouse"
DATABASE: Final = "warehouse"
PASSWORD: Final = "only-for-this-test"  # noqa: S105 (a cluster that lives for one test)
NOBODY: Final = "postgres"


class PostgresMissing(Exception):
    """PostgreSQL's programs are not installed; the text says how to get them."""


@dataclass(frozen=True)
class Cluster:
    """A running cluster.

    Attributes:
        programs: the folder of initdb, pg_ctl and psql.
        port: on 127.0.0.1.
    """

    programs: Path
    port: int

    @property
    def settings(self) -> dict[str, Any]:
        """As PyAirbyte's PostgresCache takes them."""
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "username": USER,
            "password": PASSWORD,
            "database": DATABASE,
            "schema_name": "sage",
        }

    def create_database(self) -> None:
        """Make the database that the settings name."""
        self._ask(f"CREATE DATABASE {DATABASE}", "postgres")

    def rows(self, query: str) -> list[list[str]]:
        """Ask in SQL; every value as text, null as an empty one.

        Raises:
            AssertionError: the query failed; carries what the server said.
        """
        return list(csv.reader(self._ask(query, DATABASE).splitlines()))

    def _ask(self, query: str, database: str) -> str:
        command = [str(self.programs / "psql"), "--no-psqlrc", "--csv", "--tuples-only", "--set=ON_ERROR_STOP=1"]
        command += [f"--command={query}", f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"]
        environment = {**os.environ, "PGPASSWORD": PASSWORD, "PGOPTIONS": "--search_path=sage"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Make a cluster, start it, and stop and remove it at the end.

    PostgreSQL refuses to run as root; then the account `postgres` of Debian's package runs it.

    Raises:
        PostgresMissing: the programs are not there.
        AssertionError: one of them failed; carries what it said.
    """
    programs = _programs()
    owner = pwd.getpwnam(NOBODY) if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    folder = Path(tempfile.mkdtemp(prefix="source-sage-postgres-"))
    os.chown(folder, owner.pw_uid, owner.pw_gid)

    # Only root may, and must, become somebody else.
    identity: dict[str, Any] = {}
    if os.geteuid() == 0:
        identity = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}

    def run(*command: str) -> None:
        with (folder / "said").open("w+") as said:
            done = subprocess.run(command, stdout=said, stderr=said, cwd=folder, check=False, **identity)
            said.seek(0)
            assert done.returncode == 0, f"{command[0]}: {said.read()}"

    try:
        secret = folder / "password"
        secret.write_text(PASSWORD)
        os.chown(secret, owner.pw_uid, owner.pw_gid)
        data = str(folder / "data")
        run(
            str(programs / "initdb"),
            f"--pgdata={data}",
            f"--username={USER}",
            f"--pwfile={secret}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        )
        port = free_port()
        options = f"-c port={port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off"
        control = [str(programs / "pg_ctl"), f"--pgdata={data}", f"--log={folder / 'log'}", "--wait", "--silent"]
        run(*control, f"--options={options}", "start")
        try:
            made = Cluster(programs, port)
            made.create_database()
            yield made
        finally:
            run(*control, "--mode=immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda one: int(one.parent.name))
    if (found := shutil.which("initdb")) is not None:
        folders.append(Path(found).parent)
    for folder in reversed(folders):
        if all((folder / name).exists() for name in ("initdb", "pg_ctl", "psql")):
            return folder
    raise PostgresMissing("PostgreSQL is not installed. On Debian: apt-get install postgresql")
