"""What the code and the docs point at is there: pages, sections, modules, sources; and the seam of docs/design.md."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Final

import pytest

from source_sage.streams import PACKAGE
from unit_tests.test_docs import ROOT, anchors, code, section

TEXTS: Final = {".cfg", ".json", ".md", ".py", ".sql", ".tf", ".toml", ".yaml", ".yml", ""}
# A page by its name, perhaps with a folder and a section; not where it is part of an address.
REFERENCE: Final = re.compile(r"(?<![\w/.:-])((?:\.\./)*(?:[\w-]+/)*[A-Za-z][\w-]*\.md)\b(?:#([\w-]+))?")
MARKS: Final = {"confirmed", "third party", "inferred", "unknown"}
DESIGN: Final = (ROOT / "docs/design.md").read_text(encoding="utf-8")
FACTS: Final = (ROOT / "docs/sage-api.md").read_text(encoding="utf-8")
MODULES: Final = {path.stem: path for path in PACKAGE.rglob("*.py") if path.stem != "__init__"}
DATA: Final = {"manifest.yaml", "rights.yaml"}


def tracked() -> list[Path]:
    """The texts of the repository that people write, but for this one, which speaks of pages that are not there."""
    if not (ROOT / ".git").exists():
        return []
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    paths = [ROOT / name for name in done.stdout.splitlines()]
    return [one for one in paths if one.suffix in TEXTS and one.is_file() and one != Path(__file__)]


TRACKED: Final = tracked()
NAMES: Final = {page.name for page in TRACKED}


# Pages that a program writes, and one of Airbyte's repository.
NOT_HERE: Final = ("probe.md", "dist/NOTES.md", "NOTES.md", "docs/integrations/sources/sage.md")


def dead(page: Path, text: str) -> Iterator[str]:
    """References of a page that lead nowhere, each with its line. A name without a folder may be that of any page."""
    for number, line in enumerate(text.splitlines(), 1):
        for name, anchor in REFERENCE.findall(line):
            found = [place / name for place in (ROOT, page.resolve().parent) if (place / name).is_file()]
            if name in NOT_HERE:
                continue
            if not found and name not in NAMES:
                yield f"{page.relative_to(ROOT)}:{number}: there is no page {name}"
            elif anchor and (not found or anchor not in anchors(found[0])):
                yield f"{page.relative_to(ROOT)}:{number}: {name} has no section #{anchor}"


@pytest.mark.skipif(not TRACKED, reason="not a checkout")
def test_every_reference_leads_to_a_page_and_a_section_that_exist() -> None:
    told = [one for page in TRACKED for one in dead(page, page.read_text(encoding="utf-8"))]
    assert told == []


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("as Sage says (docs/sage-api.md)", None),
        ("(docs/sage-api.md#pages)", None),
        ("(docs/sage-api.md#page)", "docs/sage-api.md has no section #page"),
        ("sage-api.md", None),
        ("source: API.md, 1.2", "there is no page API.md"),
        ("[here](../docs/designs.md)", "there is no page ../docs/designs.md"),
        ("https://github.com/x/y/blob/main/NOTES.md", None),
    ],
)
def test_a_reference_that_leads_nowhere_is_found(line: str, problem: str | None) -> None:
    told = [one.split(": ", 1)[1] for one in dead(Path(__file__), line)]
    assert told == ([problem] if problem else [])


# The facts about Sage


def facts() -> list[list[str]]:
    """The rows of all tables of facts."""
    lines = [line for line in FACTS.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in rows if len(row) == 4 and row[0] != "Fact" and not row[0].startswith(":")]


def test_every_fact_has_a_mark_and_a_source_and_says_who_relies_on_it() -> None:
    sources = set(re.findall(r"^\| ([A-Z]+[0-9]*) \|", section(FACTS, "## Sources"), re.MULTILINE))
    assert len(facts()) > 70 and len(sources) > 15
    used: set[str] = set()
    for fact, mark, source, modules in facts():
        assert mark in MARKS, fact
        named = set(filter(None, source.split(", ")))
        assert named <= sources and (named or mark == "unknown"), fact
        used |= named
        assert code(modules) and set(code(modules)) <= MODULES.keys() | DATA, f"docs/sage-api.md: {fact}: {modules}"
    assert used == sources, "a source that no fact is from"


# The seam


def kinds() -> tuple[set[str], set[str]]:
    """The modules that know Sage, and those that do not, as docs/design.md says."""
    knowing, _, others = section(DESIGN, "## The seam").partition("**They know only")
    return set(code(knowing)), set(code(others))


def test_each_module_is_on_one_side_of_the_seam() -> None:
    knowing, others = kinds()
    assert not knowing & others
    missing = sorted(MODULES.keys() - knowing - others)
    assert not missing, f"docs/design.md, 'The seam': write {missing} on one of the two sides"
    gone = sorted((knowing | others) - MODULES.keys())
    assert not gone, f"docs/design.md, 'The seam': there is no module {gone}"


@pytest.mark.parametrize("module", sorted(kinds()[1]))
def test_what_does_not_know_sage_does_not_speak_of_it(module: str) -> None:
    text = MODULES[module].read_text(encoding="utf-8")
    words = r"\bSage\b|X-Business|\$[a-zA-Z]"
    told = [f"{number}: {line}" for number, line in enumerate(text.splitlines(), 1) if re.search(words, line)]
    assert told == [], f"{MODULES[module]} is on the side of lists, rows, tokens and runs (docs/design.md, 'The seam')"


# What is imported


def test_what_the_package_imports_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = {re.split(r"[^\w.-]", one)[0].lower() for one in project["dependencies"]}
    owners = packages_distributions()
    # What the extra `sync` brings, in an environment of its own, is for what a person types alone.
    extra = {"airbyte", "airbyte_protocol", "rich", "sqlalchemy"}
    for path in PACKAGE.rglob("*.py"):
        brought = extra if path.parent.name == "commands" else set()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            for name in {one.split(".")[0] for one in names} - sys.stdlib_module_names - {"source_sage"} - brought:
                of = {one.lower().replace("_", "-") for one in owners[name]}
                assert of & declared, f"{path} imports {name}: write {of} into the dependencies of pyproject.toml"
