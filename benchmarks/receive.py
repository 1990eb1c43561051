"""A client that receives pages and looks at nothing: `receive.py ROOT LIST PAGES REQUESTS`.

Prints the seconds it took.
"""

from __future__ import annotations

import re
import socket
import sys
import time
from urllib.parse import urlsplit


def main(root: str, name: str, pages: int, requests: int) -> None:
    """Ask for the pages one after another, round and round, over one connection."""
    address = urlsplit(root)
    buffer = bytearray(1 << 17)
    with socket.create_connection((address.hostname, address.port)) as sock:
        begun = time.perf_counter()
        for number in range(requests):
            target = f"/v3.1/{name}?page={number % pages + 1}&items_per_page=200"
            sock.sendall(f"GET {target} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
            got = sock.recv_into(buffer)
            head = bytes(buffer[: buffer.index(b"\r\n\r\n") + 4])
            length = re.search(rb"Content-Length: (\d+)", head)
            assert length is not None
            left = int(length[1]) + len(head) - got
            while left > 0:
                left -= sock.recv_into(buffer)
        sys.stdout.write(f"{time.perf_counter() - begun}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
