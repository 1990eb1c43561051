"""Bodies: from the bytes of an answer to what they say, also where one odd value would spoil a whole page."""

from __future__ import annotations

import json
import math
from typing import Any, Final

import orjson

LONGEST_INTEGER: Final = len(str(-(2**63)))


def parsed(content: bytes) -> tuple[Any, bool]:
    """Read JSON.

    Args:
        content: the body as it came.

    Returns:
        What it says, and whether characters that nobody can write had to be replaced by a question mark. A bare NaN
        or Infinity, and a number too large to be written again, come as texts.

    Raises:
        ValueError: it is not whole JSON.
    """
    try:
        return orjson.loads(content), False
    except orjson.JSONDecodeError:
        pass
    text = content.decode("utf-8", "replace")
    try:
        said = json.loads(text, parse_int=_integer, parse_float=_float, parse_constant=str)
        written = _written(said)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    return written, repr(written) != repr(said) or "\N{REPLACEMENT CHARACTER}" in text


def json_object(content: bytes) -> dict[str, Any]:
    """What an object of JSON says; nothing where the body is anything else."""
    try:
        said, _ = parsed(content)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def data_code(content: bytes) -> str | None:
    """Sage's `$dataCode` of an error.

    Args:
        content: the body as it came: Sage's is a JSON array of errors, perhaps a single one (docs/sage-api.md#errors).

    Returns:
        None if the body is none of Sage's: a gateway's page, another kind of JSON, half an answer.
    """
    try:
        said, _ = parsed(content)
    except ValueError:
        return None
    first = said[0] if isinstance(said, list) and said else said
    return str(first["$dataCode"] or "") if isinstance(first, dict) and "$dataCode" in first else None


def kind(content: bytes) -> str:
    """What kind of body it is that is none of Sage's, in a few words; never a word of its own."""
    text = content.lstrip()
    if not text:
        return "an empty body"
    if text.startswith(b"<"):
        return "a web page"
    return "other JSON" if text[:1] in (b"{", b"[") else "a text"


def _integer(text: str) -> int | str:
    """A whole number of 64 bits; a longer one as it came."""
    whole = int(text) if len(text) <= LONGEST_INTEGER else None
    return whole if whole is not None and -(2**63) <= whole < 2**64 else text


def _float(text: str) -> float | str:
    """A number; one that no double holds as it came."""
    number = float(text)
    return number if math.isfinite(number) else text


def _written(value: Any) -> Any:
    """The same without halves of surrogate pairs, which are no characters."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_written(one) for one in value]
    if isinstance(value, dict):
        return {_written(name): _written(one) for name, one in value.items()}
    return value
