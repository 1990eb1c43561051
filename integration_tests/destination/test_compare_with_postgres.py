"""`source-sage compare` with a real PostgreSQL that `source-sage sync` has filled; differences are planted in it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration_tests.destination.postgres import PASSWORD, USER, Cluster, PostgresMissing, cluster
from integration_tests.pyairbyte import PYTHON
from integration_tests.sandbox import Sandbox

pytestmark = [pytest.mark.destination_tests, pytest.mark.timeout(900)]

STREAMS = "addresses,bank_transfers,contacts,ledger_entries,trial_balance"
ONE = "SELECT {} FROM sage_raw.{} WHERE is_deleted IS NOT TRUE AND {} ORDER BY id LIMIT 1"


class Books:
    """A business and the database that its books were synced into."""

    def __init__(self, folder: Path, box: Sandbox, warehouse: Cluster) -> None:
        self.folder, self.warehouse = folder, warehouse
        (folder / "sage-config.json").write_text(json.dumps(box.config()))
        self.address = f"postgresql://{USER}@127.0.0.1:{warehouse.port}/warehouse"
        done = self.run("sync", "--into", self.address, "--streams", STREAMS)
        assert done.returncode == 0, done.stderr[-3000:]

    def run(self, *words: str, password: str = PASSWORD) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(PYTHON.with_name("source-sage")), *words],
            cwd=self.folder,
            env={**os.environ, "PGPASSWORD": password},
            capture_output=True,
            text=True,
            check=False,
        )

    def compared(self, *options: str) -> subprocess.CompletedProcess[str]:
        return self.run("compare", "--database", self.address, *options)

    def key(self, stream: str, where: str = "TRUE") -> str:
        ((key,),) = self.warehouse.rows(ONE.format("id", stream, where))
        return key


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    if not PYTHON.exists():
        pytest.skip("PyAirbyte's environment is missing: make .venv-demo/installed")
    try:
        with cluster() as warehouse, Sandbox(size="small", seed=5, token_life=10**9) as box:
            yield Books(tmp_path_factory.mktemp("books"), box, warehouse)
    except PostgresMissing as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("options", [(), ("--every-row",)])
def test_equal_after_a_sync(books: Books, options: tuple[str, ...]) -> None:
    done = books.compared(*options)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "the warehouse is equal to Sage, " in done.stdout
    assert "by month and account, its ledger adds up to Sage's trial balance" in done.stdout


OF_THE_LEDGER = "debit > 0 AND NOT deleted"
PLANTED = [
    ("missing", "ledger_entries", ["DELETE FROM {0} WHERE id = '{1}'"], "missing in the warehouse: {1}"),
    (
        "too much",
        "ledger_entries",
        ["CREATE TEMP TABLE one AS SELECT * FROM {0} WHERE id = '{1}'", "UPDATE one SET id = 'ghost'"],
        "no longer at Sage: ghost",
    ),
    (
        "stale",
        "addresses",
        ["UPDATE {0} SET updated_at = updated_at - INTERVAL '9 years' WHERE id = '{1}'"],
        "stale: changed at Sage since: {1}",
    ),
    (
        "its tombstone is missing",
        "contacts",
        ["CREATE TEMP TABLE one AS SELECT * FROM {0} WHERE id = '{1}'", "UPDATE one SET id = 'ghost'"],
        "no longer at Sage: ghost",
    ),
    (
        "another amount",
        "bank_transfers",
        ["UPDATE {0} SET amount = amount + 0.01 WHERE id = '{1}'"],
        "the same version with other values (amount): {1}",
    ),
    (
        "another amount, in the ledger",
        "ledger_entries",
        ["UPDATE {0} SET debit = debit + 0.01 WHERE id = '{1}'"],
        "the same version with other values (debit): {1}",
    ),
    (
        "another month",
        "ledger_entries",
        ["UPDATE {0} SET \"date\" = \"date\" - INTERVAL '2 months' WHERE id = '{1}'"],
        "the same version with other values (date): {1}",
    ),
    (
        "doubled",
        "contacts",
        ["CREATE TEMP TABLE one AS SELECT * FROM {0} WHERE id = '{1}'"],
        "more than once in the warehouse: {1}",
    ),
]


@pytest.mark.parametrize(("what", "stream", "statements", "words"), PLANTED, ids=[one[0] for one in PLANTED])
def test_what_is_planted_is_named(books: Books, what: str, stream: str, statements: list[str], words: str) -> None:
    table, kept = f"sage_raw.{stream}", f"public.{stream}_kept"
    key = books.key(stream, OF_THE_LEDGER if stream == "ledger_entries" else "TRUE")
    script = [one.format(table, key) for one in statements]
    if any("TEMP TABLE" in one for one in script):
        script.append(f"INSERT INTO {table} SELECT * FROM one")
    books.warehouse.rows(f"CREATE TABLE {kept} AS SELECT * FROM {table}")
    try:
        books.warehouse.rows("; ".join(script))
        done = books.compared()
    finally:
        books.warehouse.rows(f"TRUNCATE {table}; INSERT INTO {table} SELECT * FROM {kept}; DROP TABLE {kept}")
    assert (done.returncode, done.stderr) == (3, ""), f"{what}: {done.stdout}"
    first, *told = done.stdout.splitlines()
    assert "the warehouse DIFFERS from Sage in 1 of 4 lists:" in first
    assert any(line.startswith(f"- {stream}") and words.format(table, key) in line for line in told), done.stdout


def test_a_wrong_password_is_told_and_not_repeated(books: Books) -> None:
    done = books.run("compare", "--database", books.address, password="hunter22")
    assert done.returncode == 1
    assert done.stderr.startswith("PostgreSQL cannot be reached: ") and "hunter22" not in done.stdout + done.stderr


def test_a_password_in_the_address_is_refused(books: Books) -> None:
    done = books.run("compare", "--database", books.address.replace("@", ":hunter22@"))
    assert done.returncode == 1
    assert done.stderr.startswith("--database holds a password") and "hunter22" not in done.stderr
