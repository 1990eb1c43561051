"""Write the folder that a pull request to Airbyte's repository needs: `make registry-tree`.

`build/registry/` has the same paths as Airbyte's repository: the connector's folder and its page of documentation. The
metadata is checked with Airbyte's own published model. Airbyte builds Python connectors by a recipe of its own, without
a Dockerfile; its registry knows the image as `airbyte/source-sage`, whatever this repository calls it.

docs/airbyte.md says what Airbyte takes, and what to do until it takes this.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[1]
OUT: Final = ROOT / "build" / "registry"
CONNECTOR: Final = Path("airbyte-integrations/connectors/source-sage")
PAGE: Final = Path("docs/integrations/sources/sage.md")
NAME_IN_THE_REGISTRY: Final = "airbyte/source-sage"
TAKEN: Final = (
    "AGENTS.md",
    "CLAUDE.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "acceptance-test-config.yml",
    "conftest.py",
    "icon.svg",
    "metadata.yaml",
    "pyproject.toml",
    "source_sage/",
    "unit_tests/",
    "integration_tests/",
    "requirements/run.txt",
    "requirements/build.txt",
    "requirements/dev.txt",
)
# They test this repository's own image, documents and release, and do not go along.
LEFT: Final = ("integration_tests/image/",)
# What the metadata and the acceptance tests call the image.
RENAMED: Final = ("acceptance-test-config.yml", "metadata.yaml")


def taken(names: list[str]) -> list[str]:
    """Which of the repository's files go along."""
    return [name for name in names if name.startswith(TAKEN) and not name.startswith(LEFT)]


def metadata_of(text: str, image: str) -> dict[str, Any]:
    """The metadata as Airbyte's registry would have it."""
    metadata: dict[str, Any] = yaml.safe_load(text.replace(image, NAME_IN_THE_REGISTRY))
    return metadata


def validate(metadata: dict[str, Any]) -> bool:
    """Check it with Airbyte's published model; False where that model is not installed (Python 3.13).

    Raises:
        pydantic.ValidationError: the registry would refuse it.
    """
    try:
        from airbyte_connector_models.metadata.v0.connector_metadata_definition_v0 import ConnectorMetadataDefinitionV0
    except ImportError:
        return False
    ConnectorMetadataDefinitionV0.model_validate(metadata)
    return True


def write(out: Path, image: str) -> list[Path]:
    """Write the folder anew; returns its files."""
    shutil.rmtree(out, ignore_errors=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S607
    written = []
    for name in taken(listed.stdout.split("\0")):
        written.append(_place(ROOT / name, out / CONNECTOR / name))
    for name in RENAMED:
        path = out / CONNECTOR / name
        path.write_text(path.read_text(encoding="utf-8").replace(image, NAME_IN_THE_REGISTRY), encoding="utf-8")
    written.append(_place(ROOT / "docs" / "sage.md", out / PAGE))
    return written


def _place(source: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)  # what a link leads to, since Airbyte's folder has no place for it otherwise
    return target


def main() -> int:
    """Write it, and check it."""
    from scripts.release import image

    written = write(OUT, image())
    metadata = yaml.safe_load((OUT / CONNECTOR / "metadata.yaml").read_text(encoding="utf-8"))
    checked = "valid by Airbyte's model" if validate(metadata) else "not checked: Airbyte's model is not installed here"
    sys.stdout.write(f"{len(written)} files in {OUT.relative_to(ROOT)}; metadata.yaml: {checked}.\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
