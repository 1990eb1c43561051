"""The console script `source-sage`: spec, check, discover and read on the command line, as Airbyte calls it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.logger import PRINT_BUFFER
from airbyte_cdk.models import ConnectorSpecification
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.config import SageConfig
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


def run() -> None:
    """Run one command, its messages to stdout. Exits with 1 if it failed; a foreseen failure shows no traceback."""
    entrypoint = SageEntrypoint(SourceSage())
    arguments = entrypoint.parse_args(sys.argv[1:] or ["--help"])
    try:
        with PRINT_BUFFER:
            for message in entrypoint.run(arguments):
                print(f"{message}\n", end="")  # noqa: T201 (stdout is the protocol)
    except AirbyteTracedException as failure:
        failure.emit_message()
        sys.exit(1)
