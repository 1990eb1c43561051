"""Ask for known vulnerabilities of everything that is locked: `python audit.py LOCK...`, as `make audit` does.

pip-audit asks; this judges. pip-audit calls a package that its service does not know "skipped", and a run in which
all were skipped "no known vulnerabilities": here that is a run that did not take place. Its service can be chosen by
pip-audit's own environment variables (PIP_AUDIT_VULNERABILITY_SERVICE, PIP_AUDIT_OSV_URL).

Findings that do not concern this project stand in requirements/audit-accepted.toml, each with a reason.

Exits with 0: nothing is known that is not accepted. 1: something was found. 3: not everything could be asked.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
ACCEPTED: Final = ROOT / "requirements" / "audit-accepted.toml"
PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;\\]+)", re.MULTILINE)

Pin = tuple[str, str]


class Outcome(IntEnum):
    """How it ended; the program's exit code."""

    CLEAN = 0
    FOUND = 1
    NOT_AUDITED = 3


@dataclass(frozen=True)
class Judgement:
    """What is to be said, and how it ended."""

    outcome: Outcome
    lines: list[str]


def main(locks: Sequence[str]) -> Outcome:
    """Audit the locks, say what was found, line by line.

    Raises:
        SystemExit: the list of accepted findings is not as it must be.
    """
    pins = sorted({pin for lock in locks for pin in PIN.findall(Path(lock).read_text())})
    accepted = read_accepted(ACCEPTED.read_text())
    reports = []
    # One package first: a service that does not know it, or is out of reach, is not asked for hundreds.
    for group in (pins[:1], *without_repetition(pins[1:])):
        report, problem = ask(group)
        if problem:
            sys.stdout.write(f"NOT AUDITED: the advisory service cannot be asked ({problem}).\n")
            return Outcome.NOT_AUDITED
        reports += report
        if any("skip_reason" in package for package in report):
            break
    judgement = judge(reports, accepted)
    sys.stdout.write("\n".join(judgement.lines) + "\n")
    return judgement.outcome


def ask(pins: Iterable[Pin]) -> tuple[list[dict[str, Any]], str]:
    """Ask pip-audit about versions of packages, each of which may be named once.

    Returns:
        A report per package, and what went wrong, empty if nothing did.
    """
    with tempfile.TemporaryDirectory() as folder:
        asked, answer = Path(folder, "asked.txt"), Path(folder, "answer.json")
        asked.write_text("".join(f"{name}=={version}\n" for name, version in pins))
        command = [str(Path(sys.executable).with_name("pip-audit")), f"--requirement={asked}", "--no-deps"]
        command += ["--disable-pip", "--progress-spinner=off", "--format=json", f"--output={answer}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        # It writes nothing where it found nothing to say, and fails for findings as for a network that is down.
        if not answer.exists():
            return [], (done.stderr.strip().splitlines() or ["no answer"])[-1]
        report: list[dict[str, Any]] = json.loads(answer.read_text())["dependencies"]
    return report, ""


def judge(report: Iterable[Mapping[str, Any]], accepted: Mapping[str, str]) -> Judgement:
    """Judge what pip-audit reported.

    Args:
        report: its `dependencies`.
        accepted: reasons by the id of a finding.
    """
    lines: list[str] = []
    skipped: list[str] = []
    asked = found = 0
    used: set[str] = set()
    for package in report:
        if "skip_reason" in package:
            skipped.append(str(package["name"]))
            continue
        asked += 1
        for finding in package["vulns"]:
            names = {finding["id"], *finding.get("aliases", ())}
            told = f"{package['name']} {package['version']}: {finding['id']}"
            if known := sorted(names & accepted.keys()):
                used.update(known)
                lines.append(f"Accepted: {told}. {accepted[known[0]]}")
                continue
            found += 1
            mended = ", ".join(finding.get("fix_versions") or ["no version yet"])
            lines.append(f"Found: {told}, mended in {mended}. {finding.get('description', '')}"[:300])
    lines += [f"No longer found, strike it from {ACCEPTED.name}: {name}" for name in sorted(accepted.keys() - used)]
    if found:
        return Judgement(Outcome.FOUND, [*lines, f"{found} findings in {asked} packages."])
    if skipped or not asked:
        some = ", ".join(skipped[:5]) + (" and others" if len(skipped) > 5 else "")
        lines.append(f"NOT AUDITED: the advisory service knows nothing of {some}.")
        return Judgement(Outcome.NOT_AUDITED, lines)
    return Judgement(Outcome.CLEAN, [*lines, f"No known vulnerability in {asked} packages."])


def read_accepted(text: str) -> dict[str, str]:
    """The accepted findings: reasons by id.

    Raises:
        SystemExit: an entry has no reason, or an id comes twice.
    """
    accepted: dict[str, str] = {}
    for entry in tomllib.loads(text).get("accepted", []):
        name, reason = entry.get("id", ""), str(entry.get("reason", "")).strip()
        if not name or not reason or name in accepted:
            raise SystemExit(f"{ACCEPTED.name}: every entry needs an id of its own and a reason; see {entry}.")
        accepted[name] = reason
    return accepted


def without_repetition(pins: Iterable[Pin]) -> list[list[Pin]]:
    """Groups in which no package is named twice: a lock for several Pythons may hold two versions of one."""
    groups: list[dict[str, str]] = []
    for name, version in pins:
        free = next((group for group in groups if name not in group), None)
        if free is None:
            groups.append(free := {})
        free[name] = version
    return [list(group.items()) for group in groups]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
