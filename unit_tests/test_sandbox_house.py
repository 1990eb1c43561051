"""The sandbox is a house: its rooms lie one above the other, and no two modules import each other."""

import ast
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Final

import pytest

BOX: Final = Path(__file__).parents[1] / "integration_tests" / "sandbox"
# From the lowest; a room imports from itself and from lower ones. Outside the rooms: what all share, and the roof.
ROOMS: Final = ("wire", "books", "manners", "doors")
SHARED: Final = {"clock", "settings"}
ROOF: Final = {"server", "__init__", "__main__"}
MODULES: Final = {
    ".".join(path.relative_to(BOX).with_suffix("").parts): path
    for path in sorted(BOX.rglob("*.py"))
    if path.parent == BOX or path.stem != "__init__"
}


def imported(module: str) -> set[str]:
    """The sandbox's own modules that a module imports, for types alone as well."""
    found: set[str] = set()
    here = module.split(".")
    for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = [*here[: len(here) - node.level], *(node.module.split(".") if node.module else [])]
            found |= {".".join(base), *(".".join([*base, one.name]) for one in node.names)} & MODULES.keys()
    return found


def test_every_module_is_in_a_room() -> None:
    rooms = {module.split(".")[0] for module in MODULES if "." in module}
    assert rooms == set(ROOMS)
    assert {module for module in MODULES if "." not in module} == SHARED | ROOF


@pytest.mark.parametrize("module", [module for module in MODULES if module not in ROOF])
def test_rooms_import_downwards(module: str) -> None:
    lower = ROOMS[: ROOMS.index(module.split(".")[0]) + 1] if "." in module else ()
    told = {one for one in imported(module) if one not in SHARED and one.split(".")[0] not in lower}
    assert told == set()


def test_no_two_modules_import_each_other() -> None:
    graph = {module: imported(module) for module in MODULES}
    assert sum(map(len, graph.values())) > 100
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)
