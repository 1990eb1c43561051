"""`source-sage catalog`: the configured catalog that `read` wants, made from the config."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import orjson
from airbyte_cdk.models import ConfiguredAirbyteCatalogSerializer

from source_sage.commands import person
from source_sage.config import SageConfig
from source_sage.selection import configured, selected


def main(arguments: Sequence[str]) -> int:
    """Run the command; gives its exit code."""
    parser = person.parser(
        "catalog",
        "Writes to stdout what `read` is to read, and how: by change and deduplicated where a stream can be, else "
        "whole and replacing. Asks Sage for nothing.",
        "source-sage catalog --config sage-config.json > catalog.json",
    )
    parser.add_argument(
        "--streams",
        type=person.names,
        default=[],
        metavar="NAME,NAME",
        help="these alone (all that the config leaves on)",
    )
    return person.run(_write, parser.parse_args(arguments))


def _write(options: argparse.Namespace) -> int:
    streams = selected(SageConfig.parse(person.config_of(options.config)), options.streams)
    catalog = ConfiguredAirbyteCatalogSerializer.dump(configured(streams))
    text = orjson.dumps(_told(catalog), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()
    sys.stdout.write(text)
    sys.stdout.flush()
    by_change = sum(facts.cursor_field is not None for facts in streams)
    person.say(f"{len(streams)} streams; {by_change} of them are read by change after the first time.")
    return 0


def _told(value: object) -> object:
    """Without what is null, which says nothing."""
    if isinstance(value, dict):
        return {key: _told(one) for key, one in value.items() if one is not None}
    return value
