"""Make a virtual environment from a lock file: `python make_venv.py FOLDER LOCK`.

Every package comes with the version and the hash of the lock; uv, itself locked, does it in seconds where pip takes
minutes. The project itself is installed in place, so that an edit needs no new installation; what builds it comes from
a lock as well.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUILD = Path("requirements/build.txt")


def main(folder: str, lock: str) -> None:
    """Make or bring up to date the environment `folder`.

    Raises:
        subprocess.CalledProcessError: a package could not be had; what the installer said stands above.
    """
    if sys.version_info < (3, 11):  # noqa: UP036 (the interpreter that make found may be any)
        raise SystemExit(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}. Try PYTHON=python3.13.")
    sys.stdout.write(f"Setting up {folder} from {lock} ...\n")
    sys.stdout.flush()
    venv.create(ROOT / folder, with_pip=True)
    binaries = ROOT / folder / ("Scripts" if sys.platform == "win32" else "bin")
    tools = str(ROOT / "requirements" / "tools.txt")
    run([str(binaries / "python"), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", tools])
    uv = [str(binaries / "uv"), "pip", "install", "--quiet", "--python", str(binaries / "python")]
    run([*uv, "--require-hashes", "-r", str(ROOT / lock)])
    run([*uv, "--no-deps", "--build-constraints", str(ROOT / BUILD), "--editable", str(ROOT)])


def run(command: list[str]) -> None:
    """Run one command, its output shown."""
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
