"""Records as they leave: a page of rows of one stream, written as whole RECORD messages at once.

The CDK makes four objects of each row on its way to stdout (a message, a record, a dictionary, a text), which costs
more than reading and shaping it. Upstream, an entry point that takes bytes for several records would do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import orjson
from airbyte_cdk.models import AirbyteMessage, AirbyteRecordMessage, Type

from source_sage.rows import Row


@dataclass(frozen=True)
class Records:
    """Some records of one stream.

    Attributes:
        stream: its name.
        count: how many there are.
        lines: their messages, one a line, the last line ended too.
    """

    stream: str
    count: int
    lines: bytes

    @classmethod
    def of(cls, stream: str, rows: Sequence[Row], emitted_at: int) -> Records:
        """Write rows.

        Args:
            stream: whose they are.
            rows: shaped; at least one.
            emitted_at: milliseconds since 1970.
        """
        before = b'{"type":"RECORD","record":{"stream":' + orjson.dumps(stream) + b',"data":'
        after = b',"emitted_at":%d}}\n' % emitted_at
        return cls(stream, len(rows), before + (after + before).join(map(orjson.dumps, rows)) + after)

    def messages(self) -> Iterator[AirbyteMessage]:
        """The same as the CDK's messages."""
        for line in self.lines.splitlines():
            record = orjson.loads(line)["record"]
            yield AirbyteMessage(type=Type.RECORD, record=AirbyteRecordMessage(**record))
