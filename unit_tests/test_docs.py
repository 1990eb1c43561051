"""The documentation says what the package does: tables, diagrams, quoted messages, names, links, versions."""

import ast
import dataclasses
import functools
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import duckdb
import pytest
import yaml

from integration_tests.sandbox import faults
from integration_tests.sandbox.settings import Settings
from scripts import make_docs
from source_sage.api import answers, pace, transport
from source_sage.lists import inferred, known_keys, list_reader, paging, proofs, still
from source_sage.sign_in import tokens
from source_sage.streams import PACKAGE, every_stream, manifest

ROOT: Final = Path(__file__).parents[1]
USER_DOCS: Final = (ROOT / "docs/sage.md").read_text(encoding="utf-8")
AGENTS: Final = (ROOT / "AGENTS.md").read_text(encoding="utf-8")
DESIGN: Final = (ROOT / "docs/design.md").read_text(encoding="utf-8")
PAGES: Final = sorted([*ROOT.glob("*.md"), *ROOT.glob("changes/*.md"), *ROOT.glob("docs/*.md")])
FIELDS: Final[dict[str, Any]] = manifest()["spec"]["connection_specification"]["properties"]
# Where the repository's paths begin that lie in the package: elsewhere, if that was installed from a wheel.
BESIDE_THE_PACKAGE: Final = PACKAGE.parent
# What stands in a message for something that differs: an f-string's value, or a place of a log's format.
PLACE: Final = "\0"


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next one of its level or above."""
    level = len(heading) - len(heading.lstrip("#"))
    found = re.search(rf"^{re.escape(heading)}$\n(.*?)(?=^#{{1,{level}}} |\Z)", text, re.DOTALL | re.MULTILINE)
    assert found is not None, heading
    return found[1]


def table(text: str) -> list[list[str]]:
    """The rows of the first table, without its head."""
    lines = text.split("\n")
    start = next(number for number, line in enumerate(lines) if line.startswith("|:"))
    rows = []
    for line in lines[start + 1 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def code(text: str) -> list[str]:
    """What is set in backticks."""
    return re.findall(r"`([^`]+)`", text)


# Made from the manifest


@pytest.mark.parametrize(("path", "text"), make_docs.documents().items(), ids=lambda one: getattr(one, "name", ""))
def test_what_is_made_is_up_to_date(path: Path, text: str) -> None:
    assert path.read_text(encoding="utf-8") == text, "run make docs"


def test_the_tables_hold_every_stream_once_with_its_facts() -> None:
    found = re.findall(r"^\| `(\w+)`(.*)$", section(USER_DOCS, "## Supported streams"), re.MULTILINE)
    rows = [(name, rest) for name, rest in found if name in every_stream()]
    assert sorted(name for name, _ in rows) == sorted(every_stream())
    for name, rest in rows:
        facts = every_stream()[name]
        modes = "full, incremental" if facts.cursor_field else "full"
        assert f"| {modes} |" in rest
        assert not facts.parents or all(f"`{parent}`" in rest for parent in facts.parents)
    told = dict(rows)
    assert (
        "| Plus |" in told["stock_items"] and "| GB |" in told["cis_settings"] and "Full Access" in told["tax_returns"]
    )


def test_where_deletions_are_inferred_it_is_said() -> None:
    inferred = {name for name, facts in every_stream().items() if make_docs.deletions(facts).endswith(", inferred")}
    assert inferred == {
        name
        for name, facts in every_stream().items()
        if facts.cursor_field
        and not facts.fed_by_others
        and not any(
            every_stream()[one].tombstones or every_stream()[one].keeps_deleted for one in facts.parents or [name]
        )
    }
    named = code(section(USER_DOCS, "### Known limits").split("\n* ")[1])
    assert named and set(named) <= inferred


def test_every_reference_of_the_schemas_is_resolved_or_known_to_point_nowhere() -> None:
    known = {field for field, target in make_docs.ODD_REFERENCES.items() if target is None} | {"status"}
    odd = {field for _, field in make_docs.unresolved()} - known
    assert not odd, f"scripts/make_docs.py, ODD_REFERENCES: write which stream, or None, {sorted(odd)} points at"
    for one in make_docs.references():
        assert one.target in every_stream() and one.field in every_stream()[one.stream].schema_["properties"]


def test_every_line_stream_points_at_its_parents() -> None:
    found = {(one.stream, one.target) for one in make_docs.references()}
    assert {(name, parent) for name, facts in every_stream().items() for parent in facts.parents} <= found


@pytest.mark.parametrize("picture", make_docs.PICTURES, ids=lambda one: str(one.title))
def test_in_a_picture_nothing_stands_alone(picture: make_docs.Picture) -> None:
    drawn = re.findall(r"^  (\w+) [|}]o--o\{ (\w+) : ", make_docs.mermaid(picture), re.MULTILINE)
    assert set(picture.streams) == {name for pair in drawn for name in pair}


# The rule about lines


def test_the_rule_about_live_lines_is_sql_that_keeps_them() -> None:
    rows = [  # business, parent, line, updated_at, read_at, is_deleted
        ("a", "edited", "1", "10:00", "10:05", None),
        ("a", "edited", "2", "10:00", "10:05", None),
        ("a", "edited", "1", "11:00", "11:05", None),
        ("a", "gone", "1", "10:00", "10:05", None),
        ("a", "gone", "*", "11:00", "11:05", True),
        ("a", "read twice", "1", "10:00", "10:05", None),
        ("a", "read twice", "2", "10:00", "10:06", None),
        ("b", "gone", "1", "10:00", "10:05", None),
    ]
    sql = re.search(r"```sql\n(.*?)```", section(USER_DOCS, "### Lines, prices and allocations"), re.DOTALL)
    assert sql is not None
    with duckdb.connect() as warehouse:
        fields = "business_id, sales_invoice_id, id, updated_at, read_at, is_deleted"
        warehouse.execute("CREATE TABLE all_rows (b TEXT, p TEXT, l TEXT, u TEXT, r TEXT, d BOOLEAN)")
        warehouse.executemany("INSERT INTO all_rows VALUES (?, ?, ?, ?, ?, ?)", rows)
        warehouse.execute(f"CREATE VIEW sales_invoice_lines ({fields}) AS FROM all_rows")
        live = {row[:3] for row in warehouse.execute(sql[1]).fetchall()}
    assert live == {("a", "edited", "1"), ("a", "read twice", "2"), ("b", "gone", "1")}


# The form and the types


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_of_the_form_is_explained_under_its_title(name: str) -> None:
    anchored = re.search(rf'<FieldAnchor field="{name}">\n\n(.*?)\n\n</FieldAnchor>', USER_DOCS, re.DOTALL)
    assert anchored is not None
    assert anchored[1].startswith(f"**{FIELDS[name]['title']}**")
    required = name in manifest()["spec"]["connection_specification"]["required"]
    assert ("(required)" in anchored[1]) == required
    assert not required or FIELDS[name]["title"] in section(USER_DOCS, "## Prerequisites")


def kinds(schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Type and format of a schema and of all in it."""
    declared = schema.get("type", [])
    for kind in [declared] if isinstance(declared, str) else declared:
        if kind != "null":
            yield kind, schema.get("format", "")
    for nested in (*schema.get("properties", {}).values(), *([schema["items"]] if "items" in schema else [])):
        yield from kinds(nested)


def test_the_data_type_map_has_the_types_of_the_schemas() -> None:
    told = {tuple([*code(row[1]), ""][:2]) for row in table(section(USER_DOCS, "## Data type map"))}
    assert told == {kind for facts in every_stream().values() for kind in kinds(facts.schema_)}


# Quoted messages


def texts_of(tree: ast.AST) -> Iterator[str]:
    """Every text that a module's code can say, with PLACE for what is filled in."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield re.sub(r"%(\.\d)?[sdg]|\{\w+\}", PLACE, node.value)
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(one.value) if isinstance(one, ast.Constant) else PLACE for one in node.values)


@functools.cache
def messages() -> list[str]:
    """Every text of the package and the manifest."""
    said = [text for path in sorted(PACKAGE.rglob("*.py")) for text in texts_of(ast.parse(path.read_text("utf-8")))]
    filters = manifest()["definitions"]["error_handler"]["response_filters"]
    return [*said, *(one.get("error_message", "") for one in filters)]


def quoted() -> list[str]:
    """What the docs say that users see."""
    rows = table(section(USER_DOCS, "### Messages"))
    assert all(re.fullmatch(r"\*[^*]+\*", row[0]) and row[1] and row[2] for row in rows)
    return [row[0].strip("*") for row in rows]


@pytest.mark.parametrize("message", quoted())
def test_a_quoted_message_is_one_of_the_connector_s_own(message: str) -> None:
    fragments = [re.escape(one.strip()) for one in message.split("…")]
    pattern = re.compile(rf"[^a-z]*{PLACE}.*?".join(fragments), re.DOTALL)
    assert any(pattern.search(text) for text in messages())


def test_every_refusal_of_the_error_handler_is_explained() -> None:
    filters = manifest()["definitions"]["error_handler"]["response_filters"]
    for one in filters:
        if said := one.get("error_message"):
            assert any(said.startswith(message) for message in quoted()), said


def test_everything_that_test_connection_was_seen_to_refuse_is_explained() -> None:
    seen = re.findall(
        r"^FAILED: (.*)$", (ROOT / "integration_tests/approved/check.md").read_text("utf-8"), re.MULTILINE
    )
    patterns = [".*".join(re.escape(one.strip()) for one in message.split("…")) for message in quoted()]
    assert [text for text in seen if not any(re.search(pattern, text) for pattern in patterns)] == []


# What AGENTS.md says


def test_the_table_of_answers_is_the_error_handler() -> None:
    told = []
    for answer, action, failure, why in table(section(DESIGN, "## What an answer means *(tested)*")):
        assert why
        codes = [int(one) for one in re.findall(r"\b\d{3}\b", answer)]
        told.append((codes or code(answer)[0], code(action)[0], code(failure)[0] if failure else None))
    filters = manifest()["definitions"]["error_handler"]["response_filters"]
    assert [codes if isinstance(codes, list) else "text" for codes, _, _ in told] == [
        one.get("http_codes", "text") for one in filters
    ]
    assert all(str(what) in filters[at]["predicate"] for at, (what, _, _) in enumerate(told) if isinstance(what, str))
    assert [told_one[1:] for told_one in told] == [(one["action"], one.get("failure_type")) for one in filters]


NUMBERS: Final = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


def test_the_figures_are_the_package_s() -> None:
    agents, users = " ".join(DESIGN.split()), " ".join(USER_DOCS.split())
    known = " ".join((ROOT / "docs/sage-api.md").read_text(encoding="utf-8").split())
    overlap = NUMBERS[list_reader.OVERLAP.seconds // 60]
    assert f"began, less {overlap} minutes**" in agents and f"| {overlap} minutes of overlap" in known
    assert f"the {still.LATE_EDITS.days} days before the watermark" in agents
    assert f"since {still.LATE_EDITS.days} days before the sync before it" in users
    assert f"then the slice, {NUMBERS[proofs.WALKS]} times at most" in agents
    assert f"renewed {tokens.LEEWAY_SECONDS:.0f} seconds before it dies" in agents
    assert f"tried once more after {NUMBERS[int(tokens.PAUSE_AFTER_LOST_ANSWER_SECONDS)]} seconds" in agents
    assert f"not used for {tokens.GRANT_LIFE.days} days dies" in users
    statuses = ", ".join(map(str, sorted(transport.OUT_OF_TIME)))
    assert f"After {statuses} or no answer in time a page is asked for in halves at once" in agents
    assert f"else after {NUMBERS[paging.TRIES_BEFORE_SHRINKING]} failures" in agents
    assert f"down to {paging.SMALLEST_PAGE} rows (`page_sizes`); {NUMBERS[transport.TRIES]} end the stream" in agents
    assert f"A try takes {transport.REQUEST_SECONDS:.0f} seconds at most" in agents
    assert f"cut off at {answers.LARGEST_PAGE_BYTES >> 20} MB, an error at 1 MB" in agents
    assert f"more than {NUMBERS[int(pace.LONGEST_OBEYED_SECONDS) // 60]} minutes, the sync ends" in users
    assert f"A list has more than {known_keys.KEYS_AT_MOST:,} rows, or" in users
    assert f"take more than {known_keys.STATE_BYTES // 1_000_000} MB in a stream's state" in users
    assert f"More than {inferred.ASKED_AT_MOST} rows of a list are missing" in users
    assert f"{FIELDS['look_back_days']['maximum']} is the most" in users
    assert f"{FIELDS['num_workers']['default']} unless you change it" in users
    assert f"every {next(iter(every_stream().values())).page_size} rows" in users
    lists = [facts for facts in every_stream().values() if not facts.parents and not facts.fed_by_others]
    later = len(lists) + sum(facts.tombstones or facts.infers_deletions for facts in lists)
    assert 110 <= later <= 120 and "about 115 for each" in users
    flat = [facts for facts in every_stream().values() if facts.parents]
    changing = [facts for facts in every_stream().values() if facts.changes and not facts.parents]
    assert len(flat) == 12 and "Twelve streams are flat" in users and "twelve streams are flat" in agents
    assert f"{len(changing)} lists and their lines" in agents, f"docs/design.md, Incremental: {len(changing)} lists"


def test_what_plays_the_unknown_exists() -> None:
    names = {field.name for field in dataclasses.fields(Settings)} | {name for name in dir(faults) if name[0] != "_"}
    names |= {path.name for folder in ("unit_tests", "integration_tests") for path in (ROOT / folder).glob("test_*.py")}
    known = (ROOT / "docs/sage-api.md").read_text(encoding="utf-8")
    rows = table(section(known, "## What is not known"))
    assert {one for row in rows for one in code(row[2])} <= names


def test_every_file_and_command_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in (AGENTS, USER_DOCS, (ROOT / "README.md").read_text()):
        assert {one.split()[1] for one in code(page) if one.startswith("make ")} <= targets
        files = [
            one
            for one in code(page)
            if re.fullmatch(r"(scripts|unit_tests|integration_tests|source_sage)/[\w/.]+", one)
        ]
        assert [one for one in files if not (ROOT / one).exists() and not (BESIDE_THE_PACKAGE / one).exists()] == []


@pytest.mark.parametrize("name", ["CLAUDE.md", "CONTRIBUTING.md"])
def test_other_names_lead_to_agents_md(name: str) -> None:
    assert (ROOT / name).read_text(encoding="utf-8") == AGENTS


# Links and versions


def anchors(page: Path) -> set[str]:
    """The anchors that a page's headings make."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda one: str(one.relative_to(ROOT)))
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", link):
            assert link.startswith("https://"), link
            continue
        name, _, anchor = unquote(link).partition("#")
        target = (page.resolve().parent / name).resolve() if name else page
        if name.startswith(f"{PACKAGE.name}/"):
            target = BESIDE_THE_PACKAGE / name
        assert target.is_relative_to(ROOT) or target.is_relative_to(PACKAGE), link
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_version_is_the_same_everywhere() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert yaml.safe_load((ROOT / "metadata.yaml").read_text())["data"]["dockerImageTag"] == version
    assert table(section(USER_DOCS, "## Changelog"))[0][0] == version
    released = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert released[:1] in ([], [version])


def test_the_number_of_streams_is_told_rightly() -> None:
    number = len(every_stream())
    groups = {int(one) for one in re.findall(r"\((\d+) streams\)", USER_DOCS)}
    told = [
        (int(one), f"{page.relative_to(ROOT)}:{at}: {line.strip()[:60]}")
        for page in PAGES
        for at, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1)
        for found in re.findall(r"(\d+) streams of|: (?<!\d)(\d+) streams|^(\d+) streams: |\*\*: (\d+) streams", line)
        for one in found
        if one
    ]
    assert told
    wrong = [where for one, where in told if one != number and one not in groups]
    assert not wrong, f"there are {number} streams: correct {wrong}"
