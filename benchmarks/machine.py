"""The machine that the figures are from."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from pathlib import Path
from typing import Final

from benchmarks.readers import DLT, OURS, SINGER

PACKAGES: Final = {"airbyte-cdk": OURS, "requests": OURS, "orjson": OURS, "dlt": DLT, "singer-sdk": SINGER}
ASK_VERSION: Final = (
    "import importlib.metadata as m, json, sys; print(json.dumps([m.version(n) for n in sys.argv[1:]]))"
)


def described() -> dict[str, str]:
    """Processor, cores, memory, system, Python, and the versions of what is compared."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    found = {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{pages / 1e9:.0f} GB",
        "system": f"{platform.system()} {platform.release()}",
    }
    python = subprocess.run([OURS / "python", "--version"], check=True, stdout=subprocess.PIPE, text=True)
    found["Python"] = python.stdout.split()[-1]
    for binaries in dict.fromkeys(PACKAGES.values()):
        names: list[str] = [name for name, place in PACKAGES.items() if place == binaries]
        command: list[str | Path] = [binaries / "python", "-c", ASK_VERSION, *names]
        said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        found.update(zip(names, json.loads(said.stdout), strict=True))
    return found


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
