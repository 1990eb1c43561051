"""Bodies: from the bytes of an answer to what they say, also where one odd value would spoil a whole page."""

from __future__ import annotations

import json
from typing import Any

import orjson


def parsed(content: bytes) -> tuple[Any, bool]:
    """Read JSON.

    Args:
        content: the body as it came.

    Returns:
        What it says, and whether characters that nobody can write had to be replaced by a question mark. A bare NaN
        or Infinity, and a number too large for a double, come as such floats.

    Raises:
        ValueError: it is not whole JSON.
    """
    try:
        return orjson.loads(content), False
    except orjson.JSONDecodeError:
        pass
    text = content.decode("utf-8", "replace")
    try:
        said = json.loads(text)
        written = _written(said)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    return written, repr(written) != repr(said) or "\N{REPLACEMENT CHARACTER}" in text


def _written(value: Any) -> Any:
    """The same without halves of surrogate pairs, which are no characters."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_written(one) for one in value]
    if isinstance(value, dict):
        return {_written(name): _written(one) for name, one in value.items()}
    return value
