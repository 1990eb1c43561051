"""Break the modules whose faults lose data, in every small way, and see whether a test notices.

    python scripts/mutants.py [MODULE ...]        (make mutants)

mutmut makes the mutants and runs, for each, the tests that run through its function. Everything happens in a copy,
`build/mutation`, which keeps what was found: a second run tries only what has changed. Survivors are listed with the
change that nobody noticed; `build/mutation.json` has the figures.

Exits with 1 if a module's share of mutants that were noticed is below its floor. A floor is two points below what was
measured: several tests draw their examples at random, and a mutant that loops is noticed by time alone.
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
    "state": 0,
    "tokens": 0,
}
# What may notice beside the unit tests of the same name. mutmut runs, of all these, those that go through a mutant.
OTHERS: Final[dict[str, tuple[str, ...]]] = {"cuts": ("slices",), "keys": ("slices",), "state": ("starts",)}
# mutmut's exit codes of a mutant, by what they mean here.
NOTICED: Final = {1, 3, 36, 24, 152, -24, -9, -11}  # a test failed or broke, or the mutant ran for too long
SURVIVED: Final = {0}
UNTESTED: Final = {5, 33}


def main(modules: list[str]) -> int:
    """Run the mutation tests of some modules, of all if none is named."""
    chosen = modules or list(FLOORS)
    if unknown := sorted(set(chosen) - FLOORS.keys()):
        raise SystemExit(f"No floor is set for {', '.join(unknown)}. There is one for {', '.join(FLOORS)}.")
    _copy(chosen)
    children = os.environ.get("MUTANTS_CHILDREN") or str(os.cpu_count() or 1)
    mutmut = [sys.executable, "-m", "mutmut", "run", "--max-children", children]
    environment = {**os.environ, "PYTHONHASHSEED": "0", "CI": "1"}
    done = subprocess.run(mutmut, cwd=WORK, check=False, env=environment)
    results = {module: _of(module) for module in chosen}
    REPORT.write_text(json.dumps({"exit": done.returncode, "modules": results}, indent=1) + "\n")
    for module, result in results.items():
        for name in result["survivors"]:
            shown = [sys.executable, "-m", "mutmut", "show", name]
            sys.stdout.write(subprocess.run(shown, cwd=WORK, check=False, capture_output=True, text=True).stdout + "\n")
        sys.stdout.write(f"{module}: {result['noticed']} of {result['tried']} noticed, {result['share']:.1f} %\n")
    below = [module for module, result in results.items() if result["share"] < FLOORS[module]]
    if below:
        sys.stdout.write(f"Below the floor: {', '.join(f'{one} ({FLOORS[one]} %)' for one in below)}\n")
    return 1 if below or done.returncode else 0


def _copy(modules: list[str]) -> None:
    """What git knows, brought up to date in the copy, with mutmut's settings."""
    WORK.mkdir(parents=True, exist_ok=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    for name in filter(None, listed.stdout.split("\0")):
        source, target = ROOT / name, WORK / name
        if source.is_file() and not (target.is_file() and target.read_bytes() == source.read_bytes()):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    mutated = [_path(module).relative_to(ROOT).as_posix() for module in modules]
    settings = {
        "source_paths": [PACKAGE],
        "only_mutate": mutated,
        "also_copy": [one.name for one in sorted(WORK.iterdir()) if one.name not in ("mutants", PACKAGE)],
        "pytest_add_cli_args": ["-p", "no:xdist", "-p", "no:cacheprovider", "-x"],
        "pytest_add_cli_args_test_selection": tests_of(modules),
    }
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in settings.items()]
    (WORK / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text() + "\n[tool.mutmut]\n" + "".join(lines))


def tests_of(modules: list[str]) -> list[str]:
    """The unit tests that may notice the mutants of some modules."""
    names = {name for module in modules for name in (module, *OTHERS.get(module, ()))}
    return [f"unit_tests/test_{name}.py" for name in sorted(names)]


def _path(module: str) -> Path:
    """The one file of a module's name."""
    (found,) = (ROOT / PACKAGE).rglob(f"{module}.py")
    return found


def _of(module: str) -> dict[str, Any]:
    """What became of a module's mutants."""
    meta = WORK / "mutants" / f"{_path(module).relative_to(ROOT)}.meta"
    codes: dict[str, int | None] = json.loads(meta.read_text())["exit_code_by_key"]
    tried = {name: code for name, code in codes.items() if code in NOTICED | SURVIVED | UNTESTED}
    survivors = sorted(name for name, code in tried.items() if code not in NOTICED)
    noticed = len(tried) - len(survivors)
    return {
        "mutants": len(codes),
        "tried": len(tried),
        "noticed": noticed,
        "share": 100 * noticed / len(tried) if tried else 0.0,
        "survivors": survivors,
        "other": sorted({code for code in codes.values() if code not in NOTICED | SURVIVED | UNTESTED}, key=str),
    }


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
