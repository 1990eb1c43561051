"""The console script `source-sage`: Airbyte's four commands, and those that a person types.

Airbyte's four go to `run` at once, with all their arguments. A person's commands are a module each in `commands`, with
a `main` that takes the arguments after the command's name and gives the exit code. Nothing but the command that was
asked for is imported, so that the four start as if they were alone.
"""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from typing import Final

EXIT_WRONG_USE: Final = 2


@dataclass(frozen=True)
class Command:
    """One command of the help.

    Attributes:
        does: what, in a few words.
        example: how it is called.
        options: of Airbyte's four, whose options nothing else explains here; empty for a person's.
    """

    does: str
    example: str
    options: str = ""


CONFIG: Final = "  --config FILE   the form's values as JSON, as `source-sage authorize` writes them\n"
DEBUG: Final = "  --debug         log what helps to find a fault\n"
FOR_PEOPLE: Final = {
    "authorize": Command("sign in to Sage in your browser; writes sage-config.json", "source-sage authorize"),
    "sync": Command(
        "read everything into DuckDB or PostgreSQL, later what changed", "source-sage sync --config sage-config.json"
    ),
    "catalog": Command(
        "write what `read` is to read, and how", "source-sage catalog --config sage-config.json > catalog.json"
    ),
    "compare": Command(
        "tell whether your warehouse holds what Sage holds, and what differs",
        "source-sage compare --config sage-config.json",
    ),
    "probe": Command("find out how Sage answers for your business", "source-sage probe --config sage-config.json"),
}
FOR_AIRBYTE: Final = {
    "spec": Command("the form", "source-sage spec", DEBUG),
    "check": Command("Test Connection", "source-sage check --config sage-config.json", CONFIG + DEBUG),
    "discover": Command(
        "the streams and their fields", "source-sage discover --config sage-config.json", CONFIG + DEBUG
    ),
    "read": Command(
        "records and states",
        "source-sage read --config sage-config.json --catalog catalog.json --state state.json",
        CONFIG
        + "  --catalog FILE  which streams, and how; `source-sage catalog` writes it\n"
        + "  --state FILE    what the last run said of its states; left out, everything is read\n"
        + DEBUG,
    ),
}
HELP: Final = """\
source-sage: Sage Accounting, into your warehouse.

For people
{people}
As Airbyte calls it: JSON messages on stdout, one a line
{airbyte}
`source-sage COMMAND --help` tells all options of a command."""


def main() -> int:
    """Run what the command line asks for.

    Returns:
        The exit code: 0 if it went well, 1 if not, 2 if there is no such command.
    """
    name, *arguments = sys.argv[1:] or ["--help"]
    if name in FOR_PEOPLE:
        code: int = importlib.import_module(f"source_sage.commands.{name}").main(arguments)
        return code
    if name in FOR_AIRBYTE and not {"-h", "--help"} & set(arguments):
        importlib.import_module("source_sage.run").run()
        return 0
    if name in FOR_AIRBYTE:
        one = FOR_AIRBYTE[name]
        sys.stdout.write(f"source-sage {name}: {one.does}.\n\n{one.options}\nExample: {one.example}\n")
        return 0
    if name in ("-h", "--help", "help"):
        sys.stdout.write(f"{help_text()}\n")
        return 0
    sys.stderr.write(f"There is no command `{name}`.\n\n{help_text()}\n")
    return EXIT_WRONG_USE


def help_text() -> str:
    """All commands, each with an example."""
    return HELP.format(people=_listed(FOR_PEOPLE), airbyte=_listed(FOR_AIRBYTE))


def _listed(commands: dict[str, Command]) -> str:
    return "".join(f"  {name:10} {one.does}\n{'':13}{one.example}\n" for name, one in commands.items())
