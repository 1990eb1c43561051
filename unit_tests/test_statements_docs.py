"""docs/statements.md names what the dbt package has: its models, tests and vars; its picture is up to date."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml

from source_sage.views import TABLES

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "dbt"
TEXT = (ROOT / "docs" / "statements.md").read_text(encoding="utf-8")
PAIRS = {"payables_equal_open_items": "`payables_…`", "ap_aging_equals_control_account": "`ap_aging_…`"}


def test_every_mart_is_told_with_its_key() -> None:
    described = yaml.safe_load((PACKAGE / "models" / "marts" / "_marts.yml").read_text(encoding="utf-8"))["models"]
    assert {one["name"] for one in described} == {path.stem for path in (PACKAGE / "models" / "marts").glob("*.sql")}
    rows = {line.split("|")[1]: line.split("|")[3] for line in TEXT.splitlines() if line.count("|") == 4}
    for one in described:
        first, *key = one["data_tests"][0]["key"]["arguments"]["columns"]
        assert first == "business_id"
        (told,) = [last for names, last in rows.items() if f"`{one['name']}`" in names and "`" in last and key]
        assert told.strip() == ", ".join(f"`{column}`" for column in key)


def test_every_test_and_var_is_told() -> None:
    for path in (PACKAGE / "tests").glob("*.sql"):
        assert PAIRS.get(path.stem, f"`{path.stem}`") in TEXT, path.stem
    project = yaml.safe_load((PACKAGE / "dbt_project.yml").read_text(encoding="utf-8"))
    for name in project["vars"]:
        assert f"| `{name}` |" in TEXT
        assert f"{name}:" in (PACKAGE / "README.md").read_text(encoding="utf-8")


def test_without_vars_the_tables_of_source_sage_sync_are_read() -> None:
    project = yaml.safe_load((PACKAGE / "dbt_project.yml").read_text(encoding="utf-8"))
    assert project["vars"]["sage_schema"] == TABLES
    assert f"| `sage_schema` | schema (BigQuery: data set) of the connector's tables | `{TABLES}`" in TEXT
    assert f"sage_schema: {TABLES} " in (PACKAGE / "README.md").read_text(encoding="utf-8")


def test_every_model_and_seed_has_tests() -> None:
    described: set[str] = set()
    for path in PACKAGE.glob("*/**/_*.yml"):
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        described |= {one["name"] for kind in ("models", "seeds") for one in content.get(kind, []) if one["data_tests"]}
    files = [*PACKAGE.glob("models/**/*.sql"), *PACKAGE.glob("seeds/*.csv")]
    assert {path.stem for path in files} == described


def test_the_picture_of_the_models_is_up_to_date() -> None:
    done = subprocess.run(  # noqa: S603
        [sys.executable, str(ROOT / "scripts" / "make_lineage.py"), "--check"], check=False
    )
    assert done.returncode == 0, "make docs"


def test_the_package_needs_nothing_outside_its_folder() -> None:
    assert not (PACKAGE / "packages.yml").exists()
    for path in PACKAGE.rglob("*"):
        if path.suffix in {".sql", ".yml"} and not {"target", "logs"} & set(path.parts):
            assert "../" not in path.read_text(encoding="utf-8"), path
