"""The image, built by an engine of the tests' own on a stand-in for Airbyte's base."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from integration_tests.image.engine import Engine
from integration_tests.image.stand_in import stand_in

ROOT: Final = Path(__file__).parents[2]
CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "source-sage"
TAG: Final = "source-sage"
KEPT: Final = "1GB"
NEEDED: Final = ("dockerd", "debootstrap", "setpriv")
# Lies about in the folder that the image is built from, and must not get into it.
CANARY: Final = "canary-d41e7f3c-must-not-leave"


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """An engine that runs while the tests do."""
    if os.geteuid() != 0:
        pytest.skip("Image tests start an engine of their own, which only root may.")
    if missing := [name for name in NEEDED if shutil.which(name) is None]:
        pytest.skip(f"Not installed: {', '.join(missing)}. On Debian: apt-get install docker.io debootstrap")
    with Engine(CACHE / "engine") as engine:
        yield engine
        # What earlier builds left; the newest build's steps stay, so that the next one is quick.
        engine.docker("image", "prune", "--force")
        engine.docker("builder", "prune", "--force", f"--keep-storage={KEPT}")


@pytest.fixture(scope="session")
def base(engine: Engine) -> str:
    """The stand-in's tag."""
    return stand_in(engine, CACHE)


@pytest.fixture(scope="session")
def image(engine: Engine, base: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The image's tag, built from what git knows, with secrets lying beside it."""
    context = tmp_path_factory.mktemp("context")
    copy_repository(context)
    for name in ("secrets/config.json", ".env", "source_sage/__pycache__/left.pyc"):
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        (context / name).write_text(CANARY)
    settings = tmp_path_factory.mktemp("settings") / "pip.conf"
    settings.write_text(f"# {CANARY}\n{pip_settings()}")
    secrets = {"pip.conf": str(settings)}
    if Path(bundle := certificates()).is_file():
        secrets["ca.pem"] = bundle
    engine.docker(
        "build",
        "--network=host",
        f"--build-arg=BASE_IMAGE={base}",
        *(f"--secret=id={name},src={path}" for name, path in secrets.items()),
        f"--tag={TAG}",
        str(context),
    )
    return TAG


def copy_repository(folder: Path) -> None:
    """Copy what git knows, or would take, without what lies about."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if not (ROOT / name).is_file():  # deleted and not yet committed
            continue
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)


def pip_settings() -> str:
    """This machine's package index for the build's pip, and where it finds the certificates."""
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True)
    found = dict(line.split("=", 1) for line in listed.stdout.splitlines() if "=" in line)
    lines = ["[global]", "cert = /run/secrets/ca.pem"]
    for name in ("index-url", "trusted-host"):
        value = found.get(f":env:.{name}") or found.get(f"global.{name}")
        if value:
            lines.append(f"{name} = {value.strip(chr(39))}")
    return "\n".join(lines) + "\n"


def certificates() -> str:
    """The bundle of certificates that this machine trusts."""
    return os.environ.get("PIP_CERT") or "/etc/ssl/certs/ca-certificates.crt"
