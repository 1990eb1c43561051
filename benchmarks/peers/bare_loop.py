"""The floor: requests and orjson in a loop, the same shaping, RECORD lines. Retries nothing, remembers nothing."""

from __future__ import annotations

import sys
import time

import orjson
import requests

from benchmarks.peers.shaping import compiled, schema_of


def main(url: str, business_id: str, streams: list[str]) -> None:
    """Read the streams one after another, page after page."""
    session = requests.Session()
    session.headers.update({"Authorization": "Bearer bench", "X-Business": business_id})
    for stream in streams:
        shape = compiled(schema_of(stream))
        start = b'{"type":"RECORD","record":{"stream":"%s","data":' % stream.encode()
        page, following = 0, "first"
        while following:
            page += 1
            params = {"page": str(page), "items_per_page": "200", "attributes": "all"}
            response = session.get(f"{url}/{stream}", params=params, timeout=90)
            response.raise_for_status()
            body = orjson.loads(response.content)
            end = b',"emitted_at":%d}}\n' % (time.time() * 1000)
            lines: list[bytes] = []
            for record in body["$items"]:
                shape(record)
                record["business_id"] = business_id
                lines += (start, orjson.dumps(record), end)
            sys.stdout.buffer.write(b"".join(lines))
            following = body["$next"]


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
