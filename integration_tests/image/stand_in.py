"""A stand-in for Airbyte's Python connector base, made from Debian's packages: no image registry is asked.

Airbyte's base (docker-images/Dockerfile.python-connector-base in airbytehq/airbyte, and the labels of 4.x) is Python
3.13 on Debian with a system user `airbyte` of uid 1000 without a home, /airbyte that belongs to it, pip's cache in
/custom_cache, the clock in UTC. Debian 13 has the same Python; here it answers to `python` in /usr/local/bin as there.
"""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from integration_tests.image.engine import Engine

SUITE: Final = "trixie"
PACKAGES: Final = "adduser,ca-certificates,python3-pip,python3-venv"
AS_AIRBYTE_DOES: Final = """
ln -snf /usr/share/zoneinfo/Etc/UTC /etc/localtime
adduser --quiet --uid 1000 --system --group --no-create-home airbyte
mkdir --mode 755 /custom_cache /airbyte
chown airbyte:airbyte /airbyte
ln -s /usr/bin/python3 /usr/local/bin/python
ln -s /usr/bin/pip3 /usr/local/bin/pip
rm -rf /etc/apt /var/lib/apt/lists /var/cache/apt /var/log/* /usr/share/doc /usr/share/man /usr/share/locale
"""
AS_AIRBYTE_SETS: Final = (
    "ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin",
    "ENV LANG=C.UTF-8",
    "ENV PIP_CACHE_DIR=/custom_cache/pip",
    "ENV POETRY_VIRTUALENVS_CREATE=false",
    "ENV POETRY_VIRTUALENVS_IN_PROJECT=false",
    "ENV POETRY_NO_INTERACTION=1",
)
RECIPE: Final = hashlib.sha256("\n".join((SUITE, PACKAGES, AS_AIRBYTE_DOES, *AS_AIRBYTE_SETS)).encode()).hexdigest()
TAG: Final = f"stand-in-base:{RECIPE[:12]}"


def stand_in(engine: Engine, cache: Path) -> str:
    """Have the stand-in among the engine's images; gives its tag."""
    if engine.docker("image", "inspect", TAG, check=False).returncode != 0:
        changes = [argument for change in AS_AIRBYTE_SETS for argument in ("--change", change)]
        engine.docker("import", *changes, str(tarball(cache)), TAG)
    return TAG


def tarball(cache: Path) -> Path:
    """The root file system, made once and kept in `cache`.

    Raises:
        subprocess.CalledProcessError: a step failed; what it said stands above.
    """
    kept = cache / f"stand-in-{RECIPE[:12]}.tar"
    if kept.exists():
        return kept
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        root = Path(folder, "root")
        _run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(root), _mirror())
        _run("chroot", str(root), "sh", "-ec", AS_AIRBYTE_DOES)
        archive = Path(folder, "root.tar")
        _run("tar", "--numeric-owner", "--one-file-system", "-C", str(root), "-cf", str(archive), ".")
        archive.rename(kept)
    return kept


def _mirror() -> str:
    """The package mirror that this machine is set up with."""
    listed = _run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages")
    return listed.split()[0]


def _run(*command: str) -> str:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, f"{command[0]} failed:\n{done.stdout[-3000:]}"
    return done.stdout
