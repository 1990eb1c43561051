"""Records as they leave: a page of rows of one stream, written as whole RECORD messages at once.

The CDK makes four objects of each row on its way to stdout (a message, a record, a dictionary, a text), which costs
more than reading and shaping it. Upstream, an entry point that takes bytes for several records would do.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any

import orjson
from airbyte_cdk.models import AirbyteMessage, AirbyteMessageSerializer

from source_sage.lists.rows import UNCONVERTED, Row


@dataclass(frozen=True)
class Records:
    """Some records of one stream.

    Attributes:
        stream: its name.
        keys: for each, the key of the row of the list that it was made of.
        gone: for each, whether it is a tombstone.
        lines: their messages, one a line, the last line ended too.
    """

    stream: str
    keys: list[Any]
    gone: list[bool]
    lines: bytes

    @classmethod
    def of(cls, stream: str, rows: Sequence[Row], key: str, emitted_at: int) -> Records:
        """Write rows.

        Args:
            stream: whose they are.
            rows: shaped; at least one.
            key: the field that holds the key of the row of the list that each was made of.
            emitted_at: milliseconds since 1970.
        """
        before = b'{"type":"RECORD","record":{"stream":' + orjson.dumps(stream) + b',"data":'
        after = b',"emitted_at":%d}}\n' % emitted_at
        written = [orjson.dumps(row) for row in rows]
        for place, row in enumerate(rows):
            if odd := row.get(UNCONVERTED):
                written[place] += _meta(name for name in odd if row.get(name) is None)
        written[0] = before + written[0]
        written[-1] += after
        gone = [bool(row.get("is_deleted")) for row in rows]
        return cls(stream, [row.get(key) for row in rows], gone, (after + before).join(written))

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.keys)

    @property
    def deleted(self) -> int:
        """How many of them are tombstones."""
        return sum(self.gone)

    def without(self, keys: Set[Any]) -> Records:
        """The same without what was made of certain rows of the list."""
        kept = [key not in keys for key in self.keys]
        lines = itertools.compress(self.lines.splitlines(keepends=True), kept)
        return Records(
            self.stream,
            list(itertools.compress(self.keys, kept)),
            list(itertools.compress(self.gone, kept)),
            b"".join(lines),
        )

    def messages(self) -> Iterator[AirbyteMessage]:
        """The same as the CDK's messages."""
        for line in self.lines.splitlines():
            yield AirbyteMessageSerializer.load(orjson.loads(line))


def _meta(places: Iterable[str]) -> bytes:
    """What a record's message says of the values that became null, beside its data: the protocol's own way."""
    changes = [{"field": one, "change": "NULLED", "reason": "SOURCE_SERIALIZATION_ERROR"} for one in places]
    return b',"meta":' + orjson.dumps({"changes": changes})
