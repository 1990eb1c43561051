"""The package's SQL as another warehouse would get it, made by that warehouse's own dbt adapter and parsed.

    python -m integration_tests.statements.dialects snowflake FOLDER

Runs in an environment of its own (.venv-dialects). Nothing is connected to: it is no proof that the SQL runs there, but
that each macro has a form for that warehouse, and that its grammar knows what comes out. The answer, one JSON object:
the `files` that were parsed, and what is `wrong` by file.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from dbt.adapters.base import available
from dbt.cli.main import dbtRunner
from sqlfluff.core import FluffConfig, Linter

PACKAGE: Final = Path(__file__).parents[2] / "dbt"
_NOBODY: Final = {"user": "nobody", "password": "nobody", "schema": "statements", "threads": 1}
PROFILES: Final[dict[str, dict[str, Any]]] = {
    "snowflake": {"account": "nobody", "database": "warehouse", "warehouse": "nobody", **_NOBODY},
    "bigquery": {"method": "oauth-secrets", "token": "nobody", "project": "warehouse", "schema": "statements"},
    "databricks": {
        "host": "nobody",
        "http_path": "/",
        "token": "nobody",
        "catalog": "warehouse",
        "schema": "statements",
    },
    "redshift": {"host": "nobody", "port": 1, "dbname": "warehouse", **_NOBODY},
}
_KINDS: Final = ("text", "amount", "integer", "flag", "date", "moment", "json")
# What is there if a stream is not: --no-introspect takes every table to be there.
_NO_ROWS: Final = f"{{{{ sage_accounting.no_rows({[[kind, kind, kind] for kind in _KINDS]}) }}}}"


def main(dialect: str, folder: Path) -> None:
    """Compile and parse, and write the answer."""
    folder.mkdir(parents=True, exist_ok=True)
    profile = {"target": "it", "outputs": {"it": {"type": dialect, "threads": 1, **PROFILES[dialect]}}}
    (folder / "profiles.yml").write_text(json.dumps({"sage_accounting": profile}), encoding="utf-8")
    if dialect == "databricks":
        _take_for_a_sql_warehouse()
    answer = check(compiled(folder), dialect)
    (folder / "answer.json").write_text(json.dumps(answer), encoding="utf-8")


def _take_for_a_sql_warehouse() -> None:
    """Databricks' adapter asks the connection what it can; each of its SQL warehouses can all of it."""
    from dbt.adapters.databricks.impl import DatabricksAdapter

    DatabricksAdapter.has_dbr_capability = available(lambda self, name: True)


def compiled(folder: Path) -> dict[str, str]:
    """The SQL of the models, of the tests that hold statements against something, and of one test of each other kind.

    Raises:
        SystemExit: dbt could not compile it; what it said is on stdout.
    """
    places = ["--profiles-dir", folder, "--project-dir", PACKAGE, "--target-path", folder, "--log-path", folder]
    # `empty`: not all tests of the models that are chosen.
    options = [
        *places,
        "--indirect-selection",
        "empty",
        "--no-introspect",
        "--no-populate-cache",
        "--vars",
        '{"sage_first_month": "2025-04-01"}',
    ]
    parsed = dbtRunner().invoke(["parse", "--quiet", *map(str, options)])
    runner = dbtRunner(manifest=parsed.result)
    found = {}
    for line in (["--select", "resource_type:model", "test_type:singular", *_one_of_each()], ["--inline", _NO_ROWS]):
        done = runner.invoke(["compile", "--quiet", *line, *map(str, options)])
        if not done.success:
            raise SystemExit(f"dbt compile failed: {done.exception or [one.message for one in done.result]}")
        found.update({one.node.name: one.node.compiled_code for one in done.result})
    return found


def _one_of_each() -> list[str]:
    return [f"dim_account,test_type:generic,test_name:{name}" for name in ("key", "one_of", "not_null")]


def check(files: dict[str, str], dialect: str) -> dict[str, Any]:
    """Parse by the dialect's grammar; a WHERE without a FROM is wrong too, which the grammars let pass."""
    linter = Linter(config=FluffConfig(overrides={"dialect": dialect, "large_file_skip_byte_limit": 0}))
    wrong = {}
    for name, sql in files.items():
        parsed = linter.parse_string(sql)
        said = [str(one.desc()) for one in parsed.violations]
        tree = parsed.root_variant().tree if parsed.parsed_variants else None
        if tree is None:
            said.append("no tree")
        else:
            said += [f"WHERE without FROM: {text}" for text in _without_from(tree)]
        if said:
            wrong[name] = said
    return {"files": sorted(files), "wrong": wrong}


def _without_from(tree: Any) -> Iterator[str]:
    for select in tree.recursive_crawl("select_statement"):
        kinds = {child.type for child in select.segments}
        if "where_clause" in kinds and "from_clause" not in kinds:
            yield re.sub(r"\s+", " ", select.raw)[:80]


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
