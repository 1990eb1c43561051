"""List what the image holds, as CycloneDX: `make_sbom.py PYTHON PYPROJECT OUT`, run while the image is built.

`cyclonedx-py` lists the Python packages of the environment; Debian's packages and the interpreter, which come with the
base image, are added here. The list is checked against CycloneDX's schema before it is written.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

SPEC_VERSION: Final = "1.6"
DPKG_FORMAT: Final = "${Package} ${Version} ${Architecture}\n"


def main(python: str, pyproject: str, out: str) -> None:
    """Write the list.

    Args:
        python: the interpreter of the environment that goes into the image.
        pyproject: names the main component.
        out: the file to write.

    Raises:
        SystemExit: the list does not fit the schema.
    """
    lister = str(Path(sys.executable).with_name("cyclonedx-py"))
    options = ["--pyproject", pyproject, "--output-reproducible", "--spec-version", SPEC_VERSION]
    bom = json.loads(_output(lister, "environment", *options, python))
    bom["components"] += [_interpreter(python), *_debian_packages()]
    text = json.dumps(bom, indent=1, sort_keys=True)
    if (problem := JsonStrictValidator(SchemaVersion.from_version(SPEC_VERSION)).validate_str(text)) is not None:
        raise SystemExit(f"The SBOM is not valid CycloneDX {SPEC_VERSION}: {problem}")
    Path(out).write_text(text)


def _interpreter(python: str) -> dict[str, Any]:
    version = _output(python, "-c", "import platform; print(platform.python_version())").strip()
    return _component("python", version, PackageURL("generic", None, "python", version), "platform")


def _debian_packages() -> list[dict[str, Any]]:
    listed = [line.split(" ") for line in _output("dpkg-query", "--show", f"--showformat={DPKG_FORMAT}").splitlines()]
    return [
        _component(name, version, PackageURL("deb", "debian", name, version, {"arch": architecture}), "library")
        for name, version, architecture in listed
    ]


def _component(name: str, version: str, purl: PackageURL, kind: str) -> dict[str, Any]:
    return {"bom-ref": str(purl), "name": name, "purl": str(purl), "type": kind, "version": version}


def _output(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


if __name__ == "__main__":
    main(*sys.argv[1:])
