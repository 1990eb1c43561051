"""The statements of one DuckDB file, for a person: in the terminal, and as a page with plots that needs no network.

    python -m integration_tests.statements.show books.duckdb run_results.json statements.html

Runs in dbt's environment, which has the plots' library. Exits with 1 if a test did not pass.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import duckdb

from integration_tests.statements.figures import Book, Proof, books, proofs
from integration_tests.statements.page import page


def main(database: str, results: str, target: str) -> int:
    """Show everything; gives the exit code."""
    told = (Path(results), Path(results).with_name("manifest.json"))
    proven = proofs(*(json.loads(path.read_text(encoding="utf-8")) for path in told))
    with duckdb.connect(database, read_only=True) as connection:
        found = books(connection)
    for book in found:
        _say(f"\n{book.name}, in {book.currency}")
        for table in book.tables:
            _say(f"\n== {table.title}")
            for line in table.lines():
                _say(line)
    _tell(proven)
    Path(target).write_text(page(found, proven), encoding="utf-8")
    _say(f"\nThe same with plots: file://{Path(target).resolve()}")
    return _exit_code(found, proven)


def _tell(proven: list[Proof]) -> None:
    _say("\n== What proved it")
    for proof in proven:
        if proof.is_statement:
            _say(f"  {proof.verdict:<12} {proof.name.replace('_', ' '):<42} {proof.words}")
    others = [proof for proof in proven if not proof.is_statement]
    passed = sum(proof.verdict == "proven" for proof in others)
    _say(f"  {passed} of {len(others)} further tests of keys, references, values and rules passed")
    for proof in others:
        if proof.verdict != "proven":
            _say(f"  {proof.verdict:<12} {proof.name}")


def _exit_code(found: list[Book], proven: list[Proof]) -> int:
    return int(not found or not proven or any(proof.verdict == "DIFFERS" for proof in proven))


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    raise SystemExit(main(*sys.argv[1:]))
