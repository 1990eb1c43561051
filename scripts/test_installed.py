"""Test the package as a user has it: `python scripts/test_installed.py [TEST ...]`, as `make test-installed` does.

The sdist is built, the wheel is made of the sdist, both are installed in turn into an environment of their own, and the
tests run against the wheel in a copy of the repository that has no source folder: a file that the wheel lacks shows
here, and not at a user's.

Meanwhile branch coverage is measured, in every process that a test starts as well. After a run of all tests it is held:
a floor a point below what it was (`fail_under` in pyproject.toml). The report is `build/coverage`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
DIST: Final = ROOT / "dist"
COPY: Final = ROOT / "build" / "installed"
REPORT: Final = ROOT / "build" / "coverage"
ENVIRONMENT: Final = ROOT / ".venv-installed"
PACKAGE: Final = "source_sage"
LOCK: Final = ROOT / "requirements" / "dev.txt"
BUILD: Final = ROOT / "requirements" / "build.txt"
UV: Final = str(Path(sys.executable).with_name("uv"))
# Says where the package is, and that the wheel's command is there.
WHERE: Final = f"import {PACKAGE}, pathlib; print(pathlib.Path({PACKAGE}.__file__).parent)"


def main(chosen: list[str]) -> int:
    """Build, install and test; the tests' exit code, or 2 if less was covered than before."""
    python = _environment()
    _build()
    for package in (*DIST.glob("*.tar.gz"), *DIST.glob("*.whl")):
        _install(python, package)
        run([str(python.with_name("source-sage")), "spec"], cwd=DIST, stdout=subprocess.DEVNULL)
    _copy()
    where = subprocess.run([str(python), "-c", WHERE], cwd=COPY, check=True, capture_output=True, text=True)
    if not Path(where.stdout.strip()).is_relative_to(ENVIRONMENT):
        raise SystemExit(f"The tests would run against {where.stdout.strip()}, not against what was installed.")
    return _test(python, chosen)


def _environment() -> Path:
    """The tests' environment, everything in it as locked; without the package."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        # A Python of its own, not a link into a folder that only its owner may enter.
        run([sys.executable, "-m", "venv", "--copies", "--without-pip", str(ENVIRONMENT)])
    run([UV, "pip", "sync", "--quiet", "--python", str(python), "--require-hashes", str(LOCK)])
    return python


def _build() -> None:
    shutil.rmtree(DIST, ignore_errors=True)
    # uv makes the sdist from the folder and the wheel from the sdist.
    run([UV, "build", "--quiet", "--build-constraints", str(BUILD), "--require-hashes", "--out-dir", str(DIST)])


def _install(python: Path, package: Path) -> None:
    install = [UV, "pip", "install", "--quiet", "--python", str(python), "--no-deps", "--reinstall"]
    run([*install, "--build-constraints", str(BUILD), str(package)])


def _copy() -> None:
    """The repository as git knows it, without the package; a link into it becomes a file."""
    shutil.rmtree(COPY, ignore_errors=True)
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in filter(None, names):
        source, target = ROOT / name, COPY / name
        if source.is_file() and not name.startswith(f"{PACKAGE}/"):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    # Some tests ask git what it takes.
    run(["git", "init", "--quiet"], cwd=COPY)
    run(["git", "add", "--all"], cwd=COPY)


def _test(python: Path, chosen: list[str]) -> int:
    coverage = [str(python), "-m", "coverage"]
    environment = {**os.environ, "COVERAGE_FILE": str(COPY / ".coverage")}
    # Measuring takes twice the time.
    patient = ["-n", "auto", "--dist", "worksteal", "--timeout", "600"]
    pytest = [*coverage, "run", "-m", "pytest", *patient, *chosen]
    tested = subprocess.run(pytest, cwd=COPY, env=environment, check=False).returncode
    # Told of the files in the source folder, which are those of the wheel.
    run([*coverage, "combine", "--quiet", str(COPY)], cwd=ROOT, env=environment)
    run([*coverage, "html", "--quiet", "--fail-under=0", "--directory", str(REPORT)], cwd=ROOT, env=environment)
    floor = ["--fail-under=0"] if chosen else []
    held = subprocess.run([*coverage, "report", *floor], cwd=ROOT, env=environment, check=False).returncode
    return tested or held


def run(command: list[str], **options: object) -> None:
    """Run one command, its output shown."""
    subprocess.run(command, check=True, **options)  # type: ignore[call-overload]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
