"""The house that docs/design.md describes: which module is in which room, and imports which."""

import ast
import graphlib
from pathlib import Path
from typing import Final

import pytest

from source_sage.streams import PACKAGE
from unit_tests.test_docs import DESIGN, code, section, table

# From the top down.
ROOMS: Final = ("face", "probing", "comparing", "sync", "lists", "api", "sign_in", "bottom")
BESIDE: Final = ("face", "bottom")
# A module by its name; a person's commands are named like what they do, so they say that they are commands.
PATHS: Final = {
    f"commands.{path.stem}" if path.parent.name == "commands" else path.stem: path
    for path in sorted(PACKAGE.rglob("*.py"))
    if path.stem != "__init__"
}
MODULES: Final = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in PATHS.items()}
ROOM_OF: Final = {code(module)[0]: room for room, module, _ in table(section(DESIGN, "## The modules *(tested)*"))}


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


def own_imports(module: str) -> set[str]:
    """The modules of the package that a module imports."""
    paths = {
        ".".join(("source_sage", *path.relative_to(PACKAGE).with_suffix("").parts)): name
        for name, path in PATHS.items()
    }
    return {paths[name] for name in imports(module) if name in paths}


def test_every_module_is_in_the_table_and_each_name_is_there_once() -> None:
    assert len(PATHS) == len([path for path in PACKAGE.rglob("*.py") if path.stem != "__init__"])
    assert sorted(PATHS) == sorted(ROOM_OF)


@pytest.mark.parametrize("module", ROOM_OF)
def test_a_module_is_in_its_room(module: str) -> None:
    folder = Path(PATHS[module]).parent
    room = ROOM_OF[module]
    assert room in ROOMS
    if room == "face":
        assert folder in (PACKAGE, PACKAGE / "commands")
    else:
        assert folder == (PACKAGE if room in BESIDE else PACKAGE / room)


@pytest.mark.parametrize("module", ROOM_OF)
def test_a_module_imports_downwards_alone(module: str) -> None:
    floor = ROOMS.index(ROOM_OF[module])
    assert [name for name in own_imports(module) if ROOMS.index(ROOM_OF[name]) < floor] == []


@pytest.mark.parametrize("room", ROOMS)
def test_no_circle_in_a_room(room: str) -> None:
    inside = {name for name in ROOM_OF if ROOM_OF[name] == room}
    assert list(graphlib.TopologicalSorter({name: own_imports(name) & inside for name in inside}).static_order())


@pytest.mark.parametrize("room", [room for room in ROOMS if room not in BESIDE])
def test_a_room_says_what_it_knows_and_what_it_must_not_know(room: str) -> None:
    said = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text(encoding="utf-8"))) or ""
    assert "Knows" in said
    assert "must not know" in said


def test_only_these_modules_send_requests_or_listen() -> None:
    doors = ("requests", "socket", "http.server", "urllib.request", "urllib3")
    found = {
        module for module in ROOM_OF if any(name.split(".")[0] in doors or name in doors for name in imports(module))
    }
    assert found == {"answers", "looker", "redirect", "session", "token_call", "transport"}


@pytest.mark.parametrize(
    "module",
    [
        "cuts",
        "keys",
        "known_keys",
        "rows_to_emit",
        "limits",
        "lines",
        "outcome",
        "page_sizes",
        "pages",
        "parts",
        "rights",
        "rows",
        "slices",
        "shared_start",
        "touched",
    ],
)
def test_what_decides_knows_no_sockets_and_no_threads(module: str) -> None:
    kept_out = {"requests", "socket", "threading", "queue", "concurrent.futures", "source_sage.api.transport"}
    assert imports(module) & kept_out == set()
