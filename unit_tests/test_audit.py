"""`make audit`: pip-audit against a service on this machine, and what is made of its answers."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import pytest

from scripts import audit

LOCK: Final = """\
numpy==2.4.6 ; python_full_version < '3.12' \\
    --hash=sha256:00
numpy==2.5.5 ; python_full_version >= '3.12' \\
    --hash=sha256:01
requests[socks]==2.34.2 \\
    --hash=sha256:02
"""


class Advisories(BaseHTTPRequestHandler):
    """Speaks as OSV does; `known` are the findings by package and version."""

    known: dict[tuple[str, str], list[str]] = {}  # noqa: RUF012 (set anew by each test)

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = asked["package"]["name"]
        affected = [{"package": {"name": name, "ecosystem": "PyPI"}, "ranges": [], "versions": []}]
        ids = self.known.get((name, asked["version"]), [])
        vulns = [{"id": one, "summary": "Something bad.", "affected": affected, "aliases": []} for one in ids]
        body = json.dumps({"vulns": vulns} if vulns else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Advisories]]:
    handler = type("Here", (Advisories,), {"known": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    monkeypatch.setenv("PIP_AUDIT_VULNERABILITY_SERVICE", "osv")
    monkeypatch.setenv("PIP_AUDIT_OSV_URL", f"http://127.0.0.1:{server.server_port}")
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


def run(lock: str, folder: Path) -> tuple[int, str]:
    path = folder / "lock.txt"
    path.write_text(lock)
    command = [sys.executable, str(audit.ROOT / "scripts" / "audit.py"), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return done.returncode, done.stdout


def test_a_lock_without_findings_is_clean_for_every_python(service: type[Advisories], tmp_path: Path) -> None:
    assert run(LOCK, tmp_path) == (0, "No known vulnerability in 3 packages.\n")


def test_a_finding_fails(service: type[Advisories], tmp_path: Path) -> None:
    service.known = {("numpy", "2.5.5"): ["GHSA-bad"]}
    code, said = run(LOCK, tmp_path)
    assert code == 1
    assert "Found: numpy 2.5.5: GHSA-bad, mended in no version yet. Something bad." in said


def test_a_service_that_cannot_be_reached_is_no_clean_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_AUDIT_VULNERABILITY_SERVICE", "osv")
    monkeypatch.setenv("PIP_AUDIT_OSV_URL", "http://127.0.0.1:9")
    code, said = run(LOCK, tmp_path)
    assert code == 3
    assert said.startswith("NOT AUDITED: the advisory service cannot be asked (")


def report(**package: Any) -> list[dict[str, Any]]:
    return [{"name": "requests", "version": "2.34.2", "vulns": [], **package}]


def test_a_package_that_the_service_does_not_know_is_no_clean_run() -> None:
    skipped = {"name": "numpy", "skip_reason": "not found"}
    assert audit.judge([*report(), skipped], {}).outcome is audit.Outcome.NOT_AUDITED
    assert audit.judge([], {}).outcome is audit.Outcome.NOT_AUDITED


def test_an_accepted_finding_passes_under_any_of_its_names() -> None:
    findings = report(vulns=[{"id": "PYSEC-1", "aliases": ["CVE-1"], "fix_versions": ["3"]}])
    judged = audit.judge(findings, {"CVE-1": "We never call it."})
    assert judged.outcome is audit.Outcome.CLEAN
    assert judged.lines[0] == "Accepted: requests 2.34.2: PYSEC-1. We never call it."
    assert audit.judge(findings, {"CVE-2": "Another."}).outcome is audit.Outcome.FOUND


def test_an_acceptance_that_is_no_longer_needed_is_named() -> None:
    assert any("strike it" in line and "CVE-9" in line for line in audit.judge(report(), {"CVE-9": "Old."}).lines)


@pytest.mark.parametrize("text", ['[[accepted]]\nid = "CVE-1"', '[[accepted]]\nid = "CVE-1"\nreason = " "'])
def test_an_acceptance_needs_a_reason(text: str) -> None:
    with pytest.raises(SystemExit, match="reason"):
        audit.read_accepted(text)


def test_the_project_s_acceptances_can_be_read() -> None:
    audit.read_accepted(audit.ACCEPTED.read_text())


# What CI makes of it


def ci(folder: Path, code: int) -> tuple[int, list[str]]:
    """Run `.ci/run` in a copy whose programs do nothing, but for an audit that ends with that code."""
    (folder / ".ci").mkdir(parents=True)
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / "bin").mkdir()
    shutil.copy(audit.ROOT / ".ci" / "run", folder / ".ci" / "run")
    for name, ends in ((".venv/bin/python", code), *((f"bin/{one}", 0) for one in ("make", "apt-get", "id"))):
        program = folder / name
        program.write_text(f"#!/bin/sh\nexit {ends}\n")
        program.chmod(0o755)
    path = f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    command = ["bash", str(folder / ".ci" / "run")]
    done = subprocess.run(command, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False)  # noqa: S603
    return done.returncode, done.stdout.splitlines()


def test_an_audit_that_did_not_take_place_is_the_last_thing_that_ci_says(tmp_path: Path) -> None:
    code, said = ci(tmp_path, audit.Outcome.NOT_AUDITED)
    assert code == 0
    assert said[-1].startswith("NOT AUDITED: ") and "All passed but the audit" in said[-2]
    assert not [one for one in said if "the audit too" in one]


def test_an_audit_that_found_nothing_is_a_pass(tmp_path: Path) -> None:
    code, said = ci(tmp_path, audit.Outcome.CLEAN)
    assert (code, said[-1]) == (0, "All passed, the audit too.")


@pytest.mark.parametrize("ends", [audit.Outcome.FOUND, 2, 139])
def test_an_audit_that_found_something_or_broke_fails(ends: int, tmp_path: Path) -> None:
    code, said = ci(tmp_path, ends)
    assert code == ends and not any("passed" in one for one in said)
