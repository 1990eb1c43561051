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


def _written(value: Any) -> Any:
    """The same without halves of surrogate pairs, which are no characters."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_written(one) for one in value]
    if isinstance(value, dict):
        return {_written(name): _written(one) for name, one in value.items()}
    return value
