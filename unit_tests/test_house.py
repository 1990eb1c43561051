"""The house that AGENTS.md describes: which module imports which."""

import ast
import re
from typing import Final

import pytest

from source_sage.streams import PACKAGE
from unit_tests.test_docs import AGENTS, code, section, table

MODULES: Final = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.stem != "__init__"
}
FLOORS: Final = {code(module)[0]: int(floor) for floor, module, _ in table(section(AGENTS, "## The house *(tested)*"))}


def imports(module: str) -> set[str]:
    """Whole names of what a module imports, inside its functions as well."""
    found: set[str] = set()
    for node in ast.walk(MODULES[module]):
        if isinstance(node, ast.Import):
            found.update(one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "the package imports by whole names"
            found.add(str(node.module))
            found.update(f"{node.module}.{one.name}" for one in node.names)
    return found


def test_every_module_has_its_floor() -> None:
    assert set(FLOORS) == set(MODULES)


@pytest.mark.parametrize("module", FLOORS)
def test_a_module_imports_from_lower_floors_alone(module: str) -> None:
    own = {match[1] for name in imports(module) if (match := re.match(r"source_sage\.((?:commands\.)?\w+)", name))}
    assert [name for name in own & FLOORS.keys() if FLOORS[name] >= FLOORS[module]] == []


def test_only_these_modules_send_requests_or_listen() -> None:
    doors = ("requests", "socket", "http.server", "urllib.request", "urllib3")
    found = {
        module for module in FLOORS if any(name.split(".")[0] in doors or name in doors for name in imports(module))
    }
    assert found == {"consent", "redirect", "session", "tokens", "transport"}


@pytest.mark.parametrize(
    "module",
    [
        "cuts",
        "keys",
        "leaving",
        "limits",
        "lines",
        "outcome",
        "page_sizes",
        "pages",
        "parts",
        "rights",
        "rows",
        "slices",
        "starts",
    ],
)
def test_what_decides_knows_no_sockets_and_no_threads(module: str) -> None:
    kept_out = {"requests", "socket", "threading", "queue", "concurrent.futures", "source_sage.transport"}
    assert imports(module) & kept_out == set()
