"""`source-sage compare`: whether a warehouse holds what Sage holds now, and what differs."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.api.businesses import Business, chosen, covered_by_sign_in, not_covered
from source_sage.clock import Clock
from source_sage.commands import person
from source_sage.comparing.comparison import LEDGER, Comparison
from source_sage.comparing.differences import STRANGERS, Difference
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
        "source-sage compare --config sage-config.json --database books.duckdb",
    )
    parser.add_argument(
        "--database", required=True, metavar="WHERE", help="a DuckDB file, or postgresql://user@host/database"
    )
    parser.add_argument("--schema", default=TABLES, help="where its tables are (%(default)s)")
    parser.add_argument(
        "--streams",
        type=person.names,
        default=[],
        metavar="NAME,NAME",
        help="these alone (all that have a table)",
    )
    return person.run(lambda options: _compare(options, clock or Clock()), parser.parse_args(arguments))


def _compare(options: argparse.Namespace, clock: Clock) -> int:
    form = person.config_of(options.config)
    config = SageConfig.parse(form)
    tables = Tables(options.database, options.schema)
    try:
        streams = _lists(config, tables, options.streams)
        with person.unheard() as say:
            code, lines = _verdict(form, config, tables, streams, clock, ConfigFile(options.config))
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
    file: ConfigFile,
) -> tuple[int, list[str]]:
    _, transport = connected(form, config.endpoints, clock, config_file=file)
    tally = Tally()
    covered = covered_by_sign_in(transport, tally=tally)
    choice = chosen(config, covered)
    if choice.unknown:
        raise not_covered(choice.unknown, covered)
    lines, failures = [], 0
    differences = strangers(tables, streams, [one.id for one in covered])
    lines += [f"- {one}" for one in differences]
    for business in choice.businesses:
        one = Comparison(transport, tables, config, business.id, clock.now().date(), tally)
        found, problems = _of_business(one, business, streams)
        told = "equal" if not found else f"{len(found)} differences"
        lines += [f"{business}: {told}.", *(f"- {each}" for each in found), *(f"? {each}" for each in problems)]
        differences, failures = [*differences, *found], failures + sum("no good answer" in each for each in problems)
    lines.append(
        f"{len(streams)} lists were compared in {tally.requests} requests: "
        + ("all rows that were counted are there." if not differences else "the warehouse is not equal to Sage.")
    )
    return DIFFERENT if differences else FAILED if failures else EQUAL, lines


def _of_business(
    comparison: Comparison, business: Business, streams: Sequence[StreamFacts]
) -> tuple[list[Difference], list[str]]:
    found: list[Difference] = []
    problems: list[str] = []
    steps: list[tuple[str, Callable[[], list[Difference]]]]
    steps = [(facts.name, partial(comparison.of_list, facts)) for facts in streams]
    if LEDGER in {facts.name for facts in streams}:
        steps.append(("sums of the ledger", partial(comparison.of_sums, every_stream()[LEDGER])))
    for name, step in steps:
        try:
            found.extend(one for one in step() if one not in found)
        except ListRefused as refusal:
            problems.append(f"{name}: not compared; {refusal.message}")
        except AirbyteTracedException as failure:
            problems.append(f"{name}: no good answer; {failure.message}")
    return found, problems


def strangers(tables: Tables, streams: Sequence[StreamFacts], covered: Sequence[str]) -> list[Difference]:
    """Rows of businesses that the sign-in does not cover."""
    return [
        Difference(facts.name, STRANGERS, "", (), key, count)
        for facts in streams
        for key, count in tables.businesses(facts.name).items()
        if key not in covered
    ]
