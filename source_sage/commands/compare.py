"""`source-sage compare`: whether a warehouse holds what Sage holds now, and what differs."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.api.businesses import Business, chosen, covered_by_sign_in, not_covered
from source_sage.clock import Clock
from source_sage.commands import person
from source_sage.commands.warehouse import DEFAULT_FILE, place_of
from source_sage.comparing.comparison import LEDGER, Comparison
from source_sage.comparing.differences import Difference
from source_sage.comparing.tables import Tables
from source_sage.config import SageConfig
from source_sage.counts import Tally
from source_sage.errors import ListRefused, config_error
from source_sage.selection import selected
from source_sage.sign_in.config_file import ConfigFile
from source_sage.source import connected
from source_sage.streams import StreamFacts, every_stream
from source_sage.views import TABLES

EQUAL, FAILED, DIFFERENT = 0, 1, 3


def main(arguments: Sequence[str], clock: Clock | None = None) -> int:
    """Run the command; gives its exit code: 0 if nothing differs, 3 if something does, 1 if it could not be told."""
    parser = person.parser(
        "compare",
        "Compares what Sage holds now with the tables of a sync (append + deduped), and names what differs. "
        "Reads alone, on both sides.",
        "source-sage compare --config sage-config.json",
    )
    add = parser.add_argument
    where = "DuckDB file, or postgresql://USER@HOST/DATABASE with the password in PGPASSWORD (%(default)s)"
    add("--database", default=DEFAULT_FILE, metavar="WHERE", help=where)
    add("--schema", default=TABLES, help="where its tables are (%(default)s)")
    add("--streams", type=person.names, default=[], metavar="NAME,NAME", help="these alone (all that have a table)")
    every = "long lists row by row as well: a request for every 200 rows"
    add("--every-row", action="store_true", help=every)
    return person.run(lambda options: _compare(options, clock or Clock()), parser.parse_args(arguments))


def _compare(options: argparse.Namespace, clock: Clock) -> int:
    form = person.config_of(options.config)
    config = SageConfig.parse(form)
    place_of(options.database, "--database")
    tables = Tables(options.database, options.schema)
    try:
        with person.unheard() as say:
            streams = _lists(config, tables, options.streams)
            code, lines = _verdict(form, config, tables, streams, clock, options)
            say("\n".join(lines))
    finally:
        tables.close()
    return code


def _lists(config: SageConfig, tables: Tables, names: Sequence[str]) -> list[StreamFacts]:
    wanted = selected(config, names)
    if names and (without := [one.name for one in wanted if one.name not in tables]):
        raise config_error(f"The warehouse has no table {', '.join(without)}: name others, or sync these.")
    return [one for one in wanted if one.is_list and one.name in tables]


def _verdict(
    form: dict[str, Any],
    config: SageConfig,
    tables: Tables,
    streams: Sequence[StreamFacts],
    clock: Clock,
    options: argparse.Namespace,
) -> tuple[int, list[str]]:
    _, transport = connected(form, config.endpoints, clock, config_file=ConfigFile(options.config))
    tally = Tally()
    covered = covered_by_sign_in(transport, tally=tally)
    choice = chosen(config, covered)
    if choice.unknown:
        raise not_covered(choice.unknown, covered)
    compared = []
    for business in choice.businesses:
        one = Comparison(transport, tables, config, business.id, clock.now().date(), options.every_row, tally)
        compared.append(_compared(one, business, streams))
    told = [line for one in compared for line in one.lines()]
    told += others(tables, streams, [one.id for one in choice.businesses], [one.id for one in covered])
    told.append(what_was_asked(compared, tally.requests))
    failed = any(one.failures for one in compared)
    return DIFFERENT if any(one.found for one in compared) else FAILED if failed else EQUAL, told


@dataclass(frozen=True)
class Compared:
    """What came out for one business.

    Attributes:
        title: of the business.
        lists, rows: how many were compared.
        sums: whether the ledger was compared with the trial balance.
        by_numbers: the long lists of which numbers alone were compared.
        found: the differences.
        refused: names of lists that Sage does not open.
        failures: what else was not compared, in words.
    """

    title: str
    lists: int
    rows: int
    sums: bool
    by_numbers: Sequence[str]
    found: Sequence[Difference]
    refused: Sequence[str]
    failures: Sequence[str]

    def lines(self) -> Iterator[str]:
        """The verdict, and what it rests on."""
        names = {one.stream for one in self.found}
        lists = f"{self.lists} {'list' if self.lists == 1 else 'lists'}"
        if self.found:
            which = f"{len(names)} of {lists}"
            yield f"{self.title}: the warehouse DIFFERS from Sage in {which}:"
            yield from (f"- {one}" for one in self.found)
        elif self.failures:
            yield f"{self.title}: no difference was found, but not everything could be compared:"
        else:
            sums = "; by month and account, its ledger adds up to Sage's trial balance" if self.sums else ""
            yield f"{self.title}: the warehouse is equal to Sage, {self.rows:,} rows in {lists}{sums}."
        yield from (f"? {one}" for one in self.failures)
        if self.refused:
            yield f"Not compared, since Sage does not open it to this business or user: {', '.join(self.refused)}."


def what_was_asked(compared: Iterable[Compared], requests: int) -> str:
    """What the verdicts rest on, and what they cannot show."""
    long_lists = sorted({name for one in compared for name in one.by_numbers})
    if not long_lists:
        return f"Every row was compared, in {requests:,} requests."
    which = f"{len(long_lists)} long lists" if len(long_lists) > 1 else long_lists[0]
    return (
        f"{requests:,} requests. Of {which} the numbers of rows and of changes were compared, which hides a row "
        "missing where another is too much, and values changed here alone; --every-row reads each row."
    )


def _compared(comparison: Comparison, business: Business, streams: Sequence[StreamFacts]) -> Compared:
    found: list[Difference] = []
    refused: list[str] = []
    failures: list[str] = []
    steps: list[tuple[str, Callable[[], list[Difference]]]]
    steps = [(facts.name, partial(comparison.of_list, facts)) for facts in streams]
    has_ledger = LEDGER in {facts.name for facts in streams}
    if has_ledger:
        steps.append(("sums of the ledger", partial(comparison.of_sums, every_stream()[LEDGER])))
    for number, (name, step) in enumerate(steps, 1):
        person.progress(f"{number} of {len(steps)}: {name}")
        try:
            found.extend(one for one in step() if one not in found)
        except ListRefused:
            refused.append(name)
        except AirbyteTracedException as failure:
            failures.append(f"{name}: no good answer; {failure.message}")
    person.progress("")
    failed = len(refused) + len(failures)
    sums = has_ledger and not any(one.startswith(("sums", LEDGER)) for one in [*refused, *failures])
    return Compared(
        str(business),
        len(steps) - has_ledger - failed,
        comparison.rows,
        sums,
        comparison.by_numbers,
        found,
        refused,
        failures,
    )


def others(
    tables: Tables, streams: Sequence[StreamFacts], compared: Sequence[str], covered: Sequence[str]
) -> Iterator[str]:
    """What is said of rows of other businesses. They are no difference: a warehouse may hold the books of many."""
    rows: dict[str, int] = {}
    for facts in streams:
        for business, count in tables.businesses(facts.name).items():
            if business not in compared:
                rows[business] = rows.get(business, 0) + count
    for business, count in sorted(rows.items()):
        why = "Account ID leaves it out" if business in covered else "this sign-in does not cover it"
        yield f"Not compared: {count:,} {'row' if count == 1 else 'rows'} of business {business}; {why}."
