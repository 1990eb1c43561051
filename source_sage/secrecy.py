"""What must not be said as it is: secrets, and signs that are no letters.

Secrets are taken out of what leaves before it becomes JSON.

The CDK looks for secrets in whole lines of JSON. A secret of one letter, or one that is a word of the protocol, then
spoils the line itself; and one with a quotation mark in it is not found, since JSON writes it otherwise. So here only
what is free text is looked through, while it still is text, and what is too short to keep anybody out is not taken for
a secret: to hide every `e` would tell which letter it is.

Records, states and CONTROL messages are left as they are: they are what the source is for.
"""

from __future__ import annotations

import json
import logging
import threading
import unicodedata
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote, quote_plus

import orjson
from airbyte_cdk.logger import AirbyteLogFormatter, is_platform_debug_log_enabled
from airbyte_cdk.models import AirbyteLogMessage, AirbyteMessage, AirbyteMessageSerializer, Level, Type
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets, update_secrets

SHORTEST_SECRET: Final = 8
LONGEST_NAME: Final = 200
JOINERS: Final = "\N{ZERO WIDTH JOINER}\N{ZERO WIDTH NON-JOINER}"

# How a text may be written inside another one: as it is, in a literal of Python or JSON, in an address, in a form.
WAYS: Final[tuple[Callable[[str], str], ...]] = (
    str,
    lambda text: repr(text)[1:-1],
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    lambda text: quote(text, safe="", errors="replace"),
    lambda text: quote_plus(text, errors="replace"),
)

_lock: Final = threading.Lock()
_kept: set[str] = set()


def keep_secret(*values: Any) -> None:
    """Hide texts from now on, in what this process says itself and in what the CDK says.

    Args:
        values: as they were typed. A text is hidden with and without the blanks in it, in each of the WAYS; of a
            list or an object, where somebody typed one instead, every text.
    """
    with _lock:
        for value in values:
            _kept.update(one for one in _spellings(value) if len(one) >= SHORTEST_SECRET)
        # The longest first: were a shorter one in it hidden before, its rest would stay.
        update_secrets(sorted(_kept, key=len, reverse=True))


def _spellings(value: Any) -> set[str]:
    if isinstance(value, str):
        return {way(text) for text in (value, value.strip(), "".join(value.split()), *value.split()) for way in WAYS}
    if isinstance(value, dict):
        value = list(value.values())
    return set().union(*map(_spellings, value)) if isinstance(value, list) else set()


def without_secrets(message: AirbyteMessage) -> AirbyteMessage:
    """The same message; what is free text in it holds no secret."""
    if message.log is not None:
        message.log.message = filter_secrets(message.log.message)
        message.log.stack_trace = _filtered(message.log.stack_trace)
    if message.trace is not None and message.trace.error is not None:
        error = message.trace.error
        error.message = filter_secrets(error.message)
        error.internal_message = _filtered(error.internal_message)
        error.stack_trace = _filtered(error.stack_trace)
    if message.connectionStatus is not None:
        message.connectionStatus.message = _filtered(message.connectionStatus.message)
    return message


def _filtered(text: str | None) -> str | None:
    return None if text is None else filter_secrets(text)


def visible(text: str) -> str:
    """What a stranger calls itself, fit for a terminal and a log.

    Signs that move the cursor, change colours or turn the direction of reading are written out, such as `\\x1b`; lines
    become blanks; what goes on and on is cut off. The joiners that some scripts need stay.
    """
    told = "".join(one if _is_plain(one) else one.encode("unicode_escape").decode() for one in " ".join(text.split()))
    return told if len(told) <= LONGEST_NAME else f"{told[:LONGEST_NAME]}..."


def _is_plain(one: str) -> bool:
    return one in JOINERS or unicodedata.category(one) not in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


class SecretsLogFormatter(AirbyteLogFormatter):
    """Log lines as Airbyte's messages, without secrets at every level.

    The CDK's own looks for them in the JSON of lines of level DEBUG; all others it does right.
    """

    def format(self, record: logging.LogRecord) -> str:
        """One line, without its line break."""
        if self.level_mapping.get(record.levelno, Level.INFO) is not Level.DEBUG:
            return super().format(record)
        said = filter_secrets(record.getMessage())
        extras = {name: filter_secrets(text) for name, text in self.extract_extra_args_from_record(record).items()}
        if not is_platform_debug_log_enabled():
            return json.dumps({"type": "DEBUG", "message": said, "data": extras})
        message = f"{said} ///\nExtra logs: {json.dumps(extras)}"
        log = AirbyteMessage(type=Type.LOG, log=AirbyteLogMessage(level=Level.DEBUG, message=message))
        return orjson.dumps(AirbyteMessageSerializer.dump(log)).decode()
