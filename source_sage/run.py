"""The console script `source-sage`: spec, check, discover and read on the command line, as Airbyte calls it."""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import logging
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.logger import PRINT_BUFFER, AirbyteLogFormatter, is_platform_debug_log_enabled
from airbyte_cdk.models import (
    AirbyteMessage,
    AirbyteMessageSerializer,
    ConnectorSpecification,
    FailureType,
    Type,
)
from airbyte_cdk.utils.airbyte_secrets_utils import get_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.config import SageConfig
from source_sage.given import catalog_of, config_of, state_of
from source_sage.lists.records import Records
from source_sage.secrecy import SecretsLogFormatter, keep_secret, without_secrets
from source_sage.sign_in.config_file import ConfigFile
from source_sage.source import SourceSage
from source_sage.stdout import put
from source_sage.sync.stopping import SECONDS_TO_END, Stop

M_ARENA_MAX: Final = -8  # malloc.h
OBJECTS_BETWEEN_COLLECTIONS: Final = 50_000
RENEWING: Final = ("check", "read")


class SageEntrypoint(AirbyteEntrypoint):
    """The CDK's entry point, with some things done otherwise.

    A wrong config is told by the field's title and remedy; the CDK would quote the pattern that a value does not
    match, without the name of the field. Records leave a page at a time; the CDK takes them one by one, and calls
    its own class by name where they become text. Secrets are taken out of messages, not out of lines (`secrecy`). And
    there is no temporary folder, into which the CDK would write the config with all that is secret in it.
    """

    def __init__(self, source: SourceSage) -> None:
        super().__init__(source)
        self._sage = source
        for handler in logging.getLogger().handlers:
            if isinstance(handler.formatter, AirbyteLogFormatter):
                handler.setFormatter(SecretsLogFormatter("%(message)s"))

    def run(self, parsed_args: argparse.Namespace) -> Iterator[str]:
        """Run one command.

        Yields:
            Messages, one a line; a page of records as the many lines that it is. No last line break.
        """
        for lines in self.lines(parsed_args):
            yield lines.decode().removesuffix("\n")

    def lines(self, parsed_args: argparse.Namespace) -> Iterator[bytes]:
        """Run one command.

        Yields:
            What goes to stdout: whole lines.
        """
        level = logging.DEBUG if parsed_args.debug or is_platform_debug_log_enabled() else logging.INFO
        for logger in (self.logger, logging.getLogger("airbyte")):
            logger.setLevel(level)
        self.logger.debug("Debug logs enabled")
        spec = self._sage.spec(self.logger)
        if parsed_args.command == "spec":
            yield self._line(AirbyteMessage(type=Type.SPEC, spec=spec))
            return
        config = config_of(parsed_args.config)
        if parsed_args.command == "check":
            yield from map(self._line, self.check(spec, config))
        elif parsed_args.command == "discover":
            yield from map(self._line, self.discover(spec, config))
        else:
            self.set_up_secret_filter(config, spec.connectionSpecification)
            self.validate_connection(spec, config)
            catalog = catalog_of(parsed_args.catalog)
            state = state_of(parsed_args.state)
            for one in self._sage.read_pages(self.logger, config, catalog, state):
                yield one.lines if isinstance(one, Records) else self._line(one)

    def _line(self, message: AirbyteMessage) -> bytes:
        return f"{self.airbyte_message_to_string(without_secrets(message))}\n".encode()

    @staticmethod
    def set_up_secret_filter(config: Mapping[str, Any], connection_specification: Mapping[str, Any]) -> None:
        """Hide what the form marks as secret from now on."""
        keep_secret(*get_secrets(connection_specification, config))

    @staticmethod
    def validate_connection(source_spec: ConnectorSpecification, config: Mapping[str, Any]) -> None:
        """Check the config by the same rules as the form, and those that the form cannot say.

        Raises:
            AirbyteTracedException: config_error that names each wrong field.
        """
        SageConfig.parse(config)


def save_memory_and_time() -> None:
    """Fit the interpreter to pages: many objects and large texts that come and go together.

    The C library on Linux gives every thread a heap of its own that hardly shrinks: with many threads and pages of
    megabytes that is the better part of the memory. Elsewhere this does nothing. And the search for garbage that
    refers to itself, of which pages have none, looks at what was imported no more, and at pages seldom.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_COLLECTIONS)


def arguments_of(words: list[str]) -> argparse.Namespace:
    """The command line: `--save-config` is ours, the rest is the CDK's. Exits with 2 if it is wrong."""
    ours = argparse.ArgumentParser(prog="source-sage", add_help=False, allow_abbrev=False)
    ours.add_argument("--save-config", action="store_true")
    own, rest = ours.parse_known_args(words)
    arguments = SageEntrypoint.parse_args(rest or ["--help"])
    arguments.save_config = own.save_config
    if own.save_config and arguments.command not in RENEWING:
        ours.error(f"--save-config goes with {' and '.join(RENEWING)} alone: nothing else renews tokens")
    return arguments


def run() -> None:
    """Run one command, its messages to stdout. Exits with 1 if it failed; a foreseen failure shows no traceback.

    A signal ends it with 128 and the signal's number.
    """
    save_memory_and_time()
    arguments = arguments_of(sys.argv[1:])
    file = ConfigFile(arguments.config) if arguments.save_config else None
    stop = Stop(lambda: say_if_spent(arguments, source))
    source = SourceSage(config_file=file, stop=stop)
    entrypoint = SageEntrypoint(source)
    stop.listen(SECONDS_TO_END if arguments.command == "read" else 0.0)
    code = 1
    try:
        if file is not None:
            file.require_replaceable()
        with PRINT_BUFFER:
            for lines in entrypoint.lines(arguments):
                put(lines)
        code = 0
    except AirbyteTracedException as failure:
        put(as_line(failure))
    except BrokenPipeError:  # nobody listens any more, so there is nobody to tell
        pass
    except Exception as error:  # the CDK's last resort would look for secrets in the line
        put(as_line(unforeseen(error)))
    if stop.asked:
        stop.end()
    say_if_spent(arguments, source)
    sys.exit(code)


def say_if_spent(arguments: argparse.Namespace, source: SourceSage) -> None:
    """Tell a person at a terminal that the config file holds a token that Sage takes no more."""
    terminal = sys.__stderr__
    if terminal is None or not source.has_renewed or arguments.save_config or not terminal.isatty():
        return
    terminal.write(
        f"{arguments.config} now holds a refresh token that is used up: Sage replaced it, and the new one stands only "
        "in the CONTROL message on stdout. Copy its access_token, refresh_token and token_expiry_date into the file, "
        "or sign in again; with --save-config they are kept in the file.\n"
    )
    terminal.flush()


def unforeseen(error: Exception) -> AirbyteTracedException:
    """A failure that is nobody's but ours, with where it happened."""
    name = type(error).__name__
    return AirbyteTracedException(
        message=f"The source failed for a reason that nobody foresaw ({name}). Please report it with the log.",
        internal_message=str(error),
        failure_type=FailureType.system_error,
        exception=error,
    )


def as_line(failure: AirbyteTracedException) -> bytes:
    """What is said of a failure that ends the run: a TRACE message."""
    trace = AirbyteMessageSerializer.dump(without_secrets(failure.as_airbyte_message()))
    return orjson.dumps(trace) + b"\n"
