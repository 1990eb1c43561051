"""Break the modules whose faults lose data, in every small way, and see whether a test notices.

    python scripts/mutants.py [MODULE ...]        (make mutants)

mutmut makes the mutants and runs, for each, the tests that run through its function. Everything happens in a copy,
`build/mutation/MODULE`, which keeps what was found: a second run tries only what has changed. Survivors are listed with
the change that nobody noticed; `build/mutation.json` has the figures.

Exits with 1 if a module's share of mutants that were noticed is below its floor. A floor is two points below what was
measured: several tests draw their examples at random, and a mutant that loops is noticed by time alone. A floor of 0
was not measured yet: the first night does, and its figure goes here.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[1]
WORK: Final = ROOT / "build" / "mutation"
REPORT: Final = ROOT / "build" / "mutation.json"
PACKAGE: Final = "source_sage"

# Module, by its name alone wherever it lies: the share of its mutants that must be noticed, in per cent.
FLOORS: Final[dict[str, int]] = {
    "cuts": 0,
    "keys": 0,
    "pages": 0,
    "rows": 0,
    "slices": 0,
    "state": 86,
    "tokens": 0,
    "touched": 0,
}
# The unit tests that may notice, where it is not just those of the same name; mutmut runs those that meet a mutant.
TESTS: Final[dict[str, tuple[str, ...]]] = {
    "cuts": ("cuts", "slices"),
    "keys": ("keys", "slices"),
    "rows": ("rows", "row_times"),
    "state": ("state", "shared_start"),
    "touched": ("slices",),
}
# mutmut's exit codes of a mutant, by what they mean here.
NOTICED: Final = {1, 3, 36, 24, 152, -24, -9, -11}  # a test failed or broke, or the mutant ran for too long
SURVIVED: Final = {0}
UNTESTED: Final = {5, 33}


def main(modules: list[str]) -> int:
    """Run the mutation tests of some modules, of all if none is named."""
    chosen = modules or list(FLOORS)
    if unknown := sorted(set(chosen) - FLOORS.keys()):
        raise SystemExit(f"No floor is set for {', '.join(unknown)}. There is one for {', '.join(FLOORS)}.")
    results = {}
    for module in chosen:
        results[module] = _tried(module)
        REPORT.write_text(json.dumps(results, indent=1) + "\n")
    for module, result in results.items():
        sys.stdout.write(f"{module}: {result['noticed']} of {result['tried']} noticed, {result['share']:.1f} %\n")
    below = [f"{module} ({FLOORS[module]} %)" for module in chosen if results[module]["share"] < FLOORS[module]]
    if below:
        sys.stdout.write(f"Below the floor: {', '.join(below)}\n")
    return 1 if below else 0


def _tried(module: str) -> dict[str, Any]:
    """What became of a module's mutants; the survivors are shown."""
    work = WORK / module
    _copy(module, work)
    children = os.environ.get("MUTANTS_CHILDREN") or str(os.cpu_count() or 1)
    mutmut = [sys.executable, "-m", "mutmut"]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    subprocess.run([*mutmut, "run", "--max-children", children], cwd=work, check=True, env=environment)
    meta = work / "mutants" / f"{_path(module).relative_to(ROOT)}.meta"
    result = judged(json.loads(meta.read_text())["exit_code_by_key"])
    for name in result["survivors"]:
        shown = subprocess.run([*mutmut, "show", name], cwd=work, check=False, capture_output=True, text=True)
        sys.stdout.write(f"{shown.stdout}\n")
    return result


def judged(codes: dict[str, int | None]) -> dict[str, Any]:
    """The figures of a module.

    Args:
        codes: mutmut's exit code of each mutant; None where it was not tried.
    """
    tried = {name: code for name, code in codes.items() if code in NOTICED | SURVIVED | UNTESTED}
    survivors = sorted(name for name, code in tried.items() if code not in NOTICED)
    noticed = len(tried) - len(survivors)
    share = 100 * noticed / len(tried) if tried else 0.0
    return {"mutants": len(codes), "tried": len(tried), "noticed": noticed, "share": share, "survivors": survivors}


def _copy(module: str, work: Path) -> None:
    """What git knows, brought up to date in the copy, with mutmut's settings."""
    work.mkdir(parents=True, exist_ok=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    for name in filter(None, listed.stdout.split("\0")):
        source, target = ROOT / name, work / name
        if source.is_file() and not (target.is_file() and target.read_bytes() == source.read_bytes()):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    settings = {
        "source_paths": [PACKAGE],
        "only_mutate": [_path(module).relative_to(ROOT).as_posix()],
        "also_copy": [one.name for one in sorted(work.iterdir()) if one.name not in ("mutants", PACKAGE)],
        # Each mutant begins where no test has run: rows remembers what it has shaped, and would answer from memory.
        "process_isolation": "forkserver",
        "pytest_add_cli_args": ["-p", "no:xdist", "-p", "no:cacheprovider", "-x"],
        "pytest_add_cli_args_test_selection": tests_of(module),
    }
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in settings.items()]
    (work / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text() + "\n[tool.mutmut]\n" + "".join(lines))


def tests_of(module: str) -> list[str]:
    """The unit tests that may notice a module's mutants."""
    return [f"unit_tests/test_{name}.py" for name in TESTS.get(module, (module,))]


def _path(module: str) -> Path:
    """The one file of a module's name."""
    (found,) = (ROOT / PACKAGE).rglob(f"{module}.py")
    return found


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
