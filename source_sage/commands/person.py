"""What a person's commands share: their options, how they fail, and the config file they are given."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final, TextIO

from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage import given
from source_sage.errors import config_error
from source_sage.sync.stopping import Stop

CONFIG_FILE: Final = "sage-config.json"
SOURCE_LOG: Final = "airbyte.source-sage"


def parser(name: str, description: str, example: str) -> argparse.ArgumentParser:
    """The options that a command has in any case: `--config` and `--help`."""
    made = argparse.ArgumentParser(
        prog=f"source-sage {name}",
        description=description,
        epilog=f"Example: {example}",
        allow_abbrev=False,
    )
    made.add_argument(
        "--config",
        type=Path,
        default=Path(CONFIG_FILE),
        metavar="FILE",
        help="as `source-sage authorize` writes it (%(default)s)",
    )
    return made


def names(text: str) -> list[str]:
    """An argparse type: names with commas or blanks between them."""
    return text.replace(",", " ").split()


def run(
    command: Callable[[argparse.Namespace], int],
    options: argparse.Namespace,
    stop: Stop | None = None,
    seconds: float = 0.0,
) -> int:
    """Run a command; a foreseen failure is one plain paragraph on stderr.

    Args:
        command: gives the exit code.
        options: its.
        stop: how it is asked to end; None where it has nothing to bring to an end.
        seconds: how long it has for that.

    Returns:
        The exit code.
    """
    try:
        with (stop or Stop(lambda: say("Stopped."))).listening(seconds):
            return command(options)
    except AirbyteTracedException as failure:
        say(str(failure.message))
        return 1
    except BrokenPipeError:  # nobody listens any more, so there is nobody to tell
        return 1
    except Exception as error:
        say(filter_secrets(traceback.format_exc()))
        say(
            f"The command failed for a reason that nobody foresaw ({type(error).__name__}). Please report it with this."
        )
        return 1


def say(text: str) -> None:
    """A paragraph for the person, beside what the command is asked for, which goes to stdout."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def tell(stream: TextIO, text: str) -> None:
    """Write a line; what the stream has no letters for, such as parts of a business's name, becomes `?`."""
    encoding = stream.encoding or "utf-8"
    stream.write(f"{text}\n".encode(encoding, "replace").decode(encoding))
    stream.flush()


def progress(doing: str) -> None:
    """One line on a terminal, written over; none elsewhere."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\033[K{doing}")
        sys.stderr.flush()


@contextlib.contextmanager
def unheard() -> Iterator[Callable[[str], None]]:
    """Keep stdout for what a command says: what the source says there is for platforms, renewed tokens among it.

    The source's warnings become plain paragraphs on stderr, the rest of its log goes nowhere.

    Yields:
        Says a paragraph on stdout.
    """
    told, root = partial(tell, sys.stdout), logging.getLogger()
    before = root.handlers[:]
    root.handlers[:] = [_Warnings(logging.WARNING)]

    try:
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, contextlib.redirect_stdout(nowhere):
            yield told
    finally:
        root.handlers[:] = before


class _Warnings(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith(SOURCE_LOG):
            say(filter_secrets(record.getMessage()))


def config_of(path: Path) -> dict[str, Any]:
    """The form's values from a file.

    Raises:
        AirbyteTracedException: config_error that names the file and what to do.
    """
    if not path.exists():
        raise config_error(
            f"There is no {path}. `source-sage authorize` signs you in and writes {CONFIG_FILE}; --config names "
            "another file."
        )
    return given.config_of(str(path))
