"""The console script `source-sage`: spec, check, discover and read on the command line, as Airbyte calls it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.logger import PRINT_BUFFER
from airbyte_cdk.models import ConnectorSpecification
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.config import SageConfig
from source_sage.errors import config_error
from source_sage.source import SourceSage


class SageEntrypoint(AirbyteEntrypoint):
    """The CDK's entry point, but a wrong config is told by the field's title and remedy.

    The CDK would quote the pattern that a value does not match, without the name of the field.
    """

    @staticmethod
    def validate_connection(source_spec: ConnectorSpecification, config: Mapping[str, Any]) -> None:
        """Check the config by the same rules as the form, and those that the form cannot say.

        Raises:
            AirbyteTracedException: config_error that names each wrong field.
        """
        SageConfig.parse(config)


def require_files(arguments: argparse.Namespace) -> None:
    """Look at the files named on the command line before the CDK does, which would answer with a traceback.

    Raises:
        AirbyteTracedException: config_error that names the file and what is wrong with it.
    """
    for name in ("config", "catalog", "state"):
        path = getattr(arguments, name, None)
        if not path:
            continue
        try:
            json.loads(Path(path).read_text(encoding="utf-8"))
        except OSError as error:
            raise config_error(f"--{name} {path} cannot be read: {error.strerror}.") from error
        except ValueError as error:
            raise config_error(f"--{name} {path} is not valid JSON ({error}).") from error


def run() -> None:
    """Run one command, its messages to stdout. Exits with 1 if it failed; a foreseen failure shows no traceback."""
    entrypoint = SageEntrypoint(SourceSage())
    arguments = entrypoint.parse_args(sys.argv[1:] or ["--help"])
    try:
        require_files(arguments)
        with PRINT_BUFFER:
            for message in entrypoint.run(arguments):
                print(f"{message}\n", end="")  # noqa: T201 (stdout is the protocol)
    except AirbyteTracedException as failure:
        failure.emit_message()
        sys.exit(1)
