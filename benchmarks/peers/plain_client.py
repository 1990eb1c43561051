"""A client as many write it: threads that ask for a page each, wait when they are refused themselves, and try a request
three times. A page that fails then is left out, and the client says so at its end. The same shaping, RECORD lines.
"""

from __future__ import annotations

import math
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import orjson
import requests

from benchmarks.peers.shaping import compiled, schema_of

TRIES: Final = 3
PAUSE_SECONDS: Final = 1.0
PAGE_SIZE: Final = 200


class Client:
    """Asks for pages and prints their rows.

    Args:
        url: the API's base.
        business_id: whose.
    """

    def __init__(self, url: str, business_id: str) -> None:
        self._url, self._business_id = url, business_id
        self._own = threading.local()
        self._printing = threading.Lock()
        self.left_out = 0

    def page(self, stream: str, number: int) -> int:
        """Print the rows of a page; gives how many rows the list has, as far as Sage says."""
        failures = 0
        while failures < TRIES:
            try:
                response = self._session().get(
                    f"{self._url}/{stream}",
                    params={"page": str(number), "items_per_page": str(PAGE_SIZE), "attributes": "all"},
                    timeout=90,
                )
                if response.status_code == requests.codes.too_many_requests:
                    time.sleep(float(response.headers["Retry-After"]))
                    continue
                response.raise_for_status()
                body = orjson.loads(response.content)
            except (requests.RequestException, ValueError):
                failures += 1
                if failures < TRIES:
                    time.sleep(PAUSE_SECONDS * failures)
                continue
            self._print(stream, body["$items"])
            return int(body["$total"])
        self.left_out += 1
        return 0

    def _session(self) -> requests.Session:
        if not hasattr(self._own, "session"):
            self._own.session = requests.Session()
            self._own.session.headers.update({"Authorization": "Bearer bench", "X-Business": self._business_id})
        session: requests.Session = self._own.session
        return session

    def _print(self, stream: str, records: list[dict[str, Any]]) -> None:
        shape = compiled(schema_of(stream))
        start = b'{"type":"RECORD","record":{"stream":"%s","data":' % stream.encode()
        end = b',"emitted_at":%d}}\n' % (time.time() * 1000)
        lines: list[bytes] = []
        for record in records:
            shape(record)
            record["business_id"] = self._business_id
            lines += (start, orjson.dumps(record), end)
        with self._printing:
            sys.stdout.buffer.write(b"".join(lines))


def main(url: str, business_id: str, workers: int, streams: list[str]) -> int:
    """Read the first page of each list, then all others; 1 if pages were left out."""
    client = Client(url, business_id)
    with ThreadPoolExecutor(workers) as executor:
        totals = list(executor.map(lambda stream: client.page(stream, 1), streams))
        rest = [
            (stream, number)
            for stream, total in zip(streams, totals, strict=True)
            for number in range(2, math.ceil(total / PAGE_SIZE) + 1)
        ]
        list(executor.map(lambda one: client.page(*one), rest))
    return 1 if client.left_out else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:]))
