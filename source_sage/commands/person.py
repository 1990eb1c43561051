"""What a person's commands share: their options, how they fail, and the config file they are given."""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage import given
from source_sage.errors import config_error
from source_sage.sign_in.config_file import ConfigFile

CONFIG_FILE: Final = "sage-config.json"
STOPPED: Final = 130


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


def run(command: Callable[[argparse.Namespace], int], options: argparse.Namespace) -> int:
    """Run a command; a foreseen failure is one plain paragraph on stderr.

    Returns:
        The exit code.
    """
    try:
        return command(options)
    except AirbyteTracedException as failure:
        say(str(failure.message))
        return 1
    except KeyboardInterrupt:
        say("Stopped.")
        return STOPPED
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


@contextlib.contextmanager
def stdout_to_oneself() -> Iterator[Callable[[str], None]]:
    """Keep stdout for what a command says: what the source and libraries write there, tokens too, goes nowhere.

    Yields:
        Says a paragraph on stdout.
    """
    sys.stdout.flush()
    own = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        with open(own, "w", encoding=sys.stdout.encoding or "utf-8", errors="replace", closefd=False) as shown:
            os.dup2(nowhere, 1)

            def say_there(text: str) -> None:
                shown.write(f"{text}\n")
                shown.flush()

            yield say_there
    finally:
        sys.stdout.flush()
        os.dup2(own, 1)
        os.close(own)
        os.close(nowhere)


@contextlib.contextmanager
def tokens_kept(path: Path) -> Iterator[ConfigFile]:
    """Keep renewed tokens in the config file, and nowhere else: what is said of them on stdout is for platforms."""
    file = ConfigFile(path)
    with contextlib.redirect_stdout(io.StringIO()):
        yield file


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
