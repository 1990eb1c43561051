"""What is in the image, what is not, and how it is set up."""

from __future__ import annotations

import json
import re
import tarfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from integration_tests.image.conftest import CANARY, ROOT
from integration_tests.image.engine import Engine

pytestmark = pytest.mark.image_tests

MEGABYTE: Final = 1_000_000
FOLDER: Final = "/airbyte/integration_code"


@pytest.fixture(scope="module")
def setup(engine: Engine, image: str) -> dict[str, Any]:
    """The image's settings."""
    (found,) = json.loads(engine.docker("image", "inspect", image).stdout)
    return dict(found)


@pytest.fixture(scope="module")
def archive(engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The image as a registry would get it."""
    path = tmp_path_factory.mktemp("image") / "image.tar"
    engine.docker("save", "--output", str(path), image)
    yield path
    path.unlink()  # pytest would keep the hundreds of megabytes of the last three runs


def inside(engine: Engine, image: str, *command: str) -> str:
    """Run a command in the image as its user, without a network."""
    return engine.docker("run", "--rm", "--network=none", f"--entrypoint={command[0]}", image, *command[1:]).stdout


def test_it_runs_as_airbyte_and_says_how_to_be_called(setup: dict[str, Any], engine: Engine, image: str) -> None:
    config = setup["Config"]
    environment = dict(one.split("=", 1) for one in config["Env"])
    assert config["User"] == "airbyte"
    assert inside(engine, image, "id", "-u").strip() == "1000"
    assert config["Entrypoint"] == [environment["AIRBYTE_ENTRYPOINT"]]
    # Airbyte's platform runs the text of AIRBYTE_ENTRYPOINT in a shell.
    spec = inside(engine, image, "sh", "-c", 'eval "$AIRBYTE_ENTRYPOINT spec"')
    assert json.loads(spec.splitlines()[-1])["type"] == "SPEC"


def test_its_labels_carry_the_package_s_version(setup: dict[str, Any]) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    labels = setup["Config"]["Labels"]
    assert labels["io.airbyte.version"] == labels["org.opencontainers.image.version"] == version
    assert labels["io.airbyte.name"] == labels["org.opencontainers.image.title"] == "source-sage"
    assert labels["org.opencontainers.image.licenses"] == "MIT"


def test_it_adds_little_to_the_base(setup: dict[str, Any], engine: Engine, base: str) -> None:
    (below,) = json.loads(engine.docker("image", "inspect", base).stdout)
    assert (setup["Size"] - below["Size"]) / MEGABYTE < 215


def test_no_layer_holds_tests_secrets_or_tools(archive: Path) -> None:
    names: list[str] = []
    with tarfile.open(archive) as outer:
        manifest = json.load(outer.extractfile("manifest.json"))  # type: ignore[arg-type]
        (one,) = manifest
        for layer in one["Layers"][1:]:  # the first is the base
            with tarfile.open(fileobj=outer.extractfile(layer)) as inner:
                names += inner.getnames()
    assert any(name.endswith("source_sage/manifest.yaml") for name in names)
    unwanted = re.compile(
        r"integration_tests|unit_tests|(^|/)secrets(/|$)|\.env$|pip\.conf$|ca\.pem$|(^|/)cache(/|$)|/bin/pip"
    )
    assert [name for name in names if unwanted.search(name)] == []


def test_no_byte_of_it_comes_from_a_secret(archive: Path) -> None:
    needle, before, found = CANARY.encode(), b"", False
    with archive.open("rb") as file:
        while block := file.read(16 * MEGABYTE):
            found = found or needle in before + block
            before = block[-len(needle) :]
    assert not found


def test_it_holds_the_locked_packages_its_licence_and_the_list_of_both(engine: Engine, image: str) -> None:
    lister = "import importlib.metadata as m, json; print(json.dumps({d.name: d.version for d in m.distributions()}))"
    installed = {
        plain(name): version
        for name, version in json.loads(inside(engine, image, "/opt/source-sage/bin/python", "-c", lister)).items()
    }
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    locked = re.findall(
        r"^([A-Za-z0-9_.-]+)(?:\[[^]]*\])?==([^ ;]+)", (ROOT / "requirements/run.txt").read_text(), re.M
    )
    pins = {(plain(name), pin) for name, pin in locked} | {("airbyte-source-sage", version)}
    assert set(installed.items()) <= pins
    assert {"airbyte-cdk", "airbyte-source-sage", "orjson", "pydantic", "requests"} <= installed.keys()
    assert inside(engine, image, "cat", f"{FOLDER}/LICENSE") == (ROOT / "LICENSE").read_text()

    bom = json.loads(inside(engine, image, "cat", f"{FOLDER}/sbom.cdx.json"))
    listed = {one["purl"].split("?")[0] for one in bom["components"]}
    python = {f"pkg:pypi/{name}@{pin}" for name, pin in installed.items() if name != "airbyte-source-sage"}
    assert python == {one for one in listed if one.startswith("pkg:pypi/")}
    debian = inside(engine, image, "dpkg-query", "--show", "--showformat", "${Package}\n").split()
    assert {
        re.sub(r"%2B", "+", one.split("/")[2].split("@")[0], flags=re.I) for one in listed if "pkg:deb" in one
    } == set(debian)
    assert (bom["metadata"]["component"]["name"], bom["metadata"]["component"]["version"]) == (
        "airbyte-source-sage",
        version,
    )


def plain(name: str) -> str:
    """A package's name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()
