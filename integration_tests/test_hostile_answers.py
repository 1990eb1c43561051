"""Answers that are meant badly or come from something broken: each ends soon, in little memory, as a plain failure."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from starlette.responses import Response

from integration_tests.pipeline import Pipeline
from integration_tests.sandbox import Sandbox, faults
from source_sage.api import answers
from source_sage.api import transport as module
from source_sage.api.transport import Answer, NoGoodAnswer, NotSagesWord, Transport
from source_sage.clock import Clock
from source_sage.errors import ListRefused
from source_sage.sign_in.tokens import SageTokens
from source_sage.source import error_handler

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
GOOD = b'{"$items": [], "$total": 0}'


class Hasty(Clock):
    """Who waits lets time pass at once."""

    def __init__(self) -> None:
        self._slept = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self._slept

    def sleep(self, seconds: float) -> None:
        self._slept += seconds


Talk = Callable[[socket.socket], None]


@contextmanager
def server(talk: Talk) -> Iterator[str]:
    """A server that says to each request what it likes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(peer: socket.socket) -> None:
        with peer:
            try:
                while peer.recv(65536):
                    talk(peer)
            except OSError:
                pass

    def accept() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(peer,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.close()


def get(address: str, tries: int = 2) -> Answer[dict[str, Any]]:
    form = {name: f"made-up-{name}" for name in ("client_id", "client_secret", "access_token", "refresh_token")}
    tokens = SageTokens(form, f"{address}/token", reading=True)
    transport = Transport(address, tokens, error_handler(), connections=2, clock=Hasty())
    return transport.get("/contacts", {}, dict, tries=tries)


def slowly(head: bytes, rest: bytes) -> Talk:
    """A byte now and then, for ever."""

    def talk(peer: socket.socket) -> None:
        peer.sendall(head)
        while True:
            for byte in rest:
                peer.sendall(bytes([byte]))
                time.sleep(0.02)

    return talk


def whole(head: bytes, body: bytes) -> Talk:
    return lambda peer: peer.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)


SLOW: dict[str, Talk] = {
    "a body": slowly(OK + b"Content-Length: 1000000\r\n\r\n", b" "),
    "a body in chunks": slowly(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "a body until the end": slowly(OK + b"\r\n", b" "),
    "headers": slowly(OK, b"X-Never: ends\r\n"),
    "nothing": lambda peer: time.sleep(5),
}


@pytest.mark.parametrize("what", SLOW)
def test_a_byte_now_and_then_for_ever_ends(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REQUEST_SECONDS", 0.2)
    with server(SLOW[what]) as address, pytest.raises(NoGoodAnswer) as caught:
        get(address)
    assert caught.value.internal_message == "no answer in time"


def test_an_error_that_comes_slowly_is_believed_by_its_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REQUEST_SECONDS", 0.2)
    talk = slowly(b"HTTP/1.1 503 Down\r\nContent-Length: 1000000\r\n\r\n", b" ")
    with server(talk) as address, pytest.raises(NoGoodAnswer) as caught:
        get(address)
    assert caught.value.internal_message == "HTTP 503"


def endless(head: bytes) -> Talk:
    def talk(peer: socket.socket) -> None:
        peer.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
        while True:
            peer.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")

    return talk


# 256 MB of spaces; a gzip file may be made of several.
BOMB = gzip.compress(b" " * (4 << 20)) * 64


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Sizes that are reached soon; and no more memory than a few times those."""
    monkeypatch.setattr(answers, "LARGEST_PAGE_BYTES", 4 << 20)
    tracemalloc.start()
    yield
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 40 << 20


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("zipped", [False, True])
def test_a_page_without_end_is_cut_off(zipped: bool) -> None:
    talk = whole(OK + b"Content-Encoding: gzip\r\n", BOMB) if zipped else endless(OK)
    with server(talk) as address, pytest.raises(NoGoodAnswer) as caught:
        get(address)
    assert caught.value.internal_message == "the answer was too large"


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize(("status", "error"), [(503, NoGoodAnswer), (404, NotSagesWord)])
def test_an_error_without_end_is_cut_off(status: int, error: type[Exception]) -> None:
    with server(endless(b"HTTP/1.1 %d No\r\n" % status)) as address, pytest.raises(error):
        get(address)


DEEP = b'{"$items": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"


@pytest.mark.parametrize(
    ("head", "error"),
    [
        (OK, NoGoodAnswer),
        (b"HTTP/1.1 503 Down\r\n", NoGoodAnswer),
        (b"HTTP/1.1 403 No\r\n", NotSagesWord),
    ],
)
def test_json_deeper_than_anybody_reads(head: bytes, error: type[Exception]) -> None:
    with server(whole(head, DEEP)) as address, pytest.raises(error):
        get(address)


def test_sages_refusal_is_still_one_beside_odd_fields() -> None:
    body = b'[{"$dataCode": "MultiUserAccessDenied", "n": NaN, "big": ' + b"9" * 40 + b"}]"
    with server(whole(b"HTTP/1.1 403 No\r\n", body)) as address, pytest.raises(ListRefused):
        get(address)


@pytest.mark.parametrize(
    "date",
    [
        "Fri, 31 Dec 9999 23:59:59 -2300",
        "Mon, 01 Jan 0001 00:00:00 +2300",
        "Fri, 31 Dec 9999 23:59:59 GMT",
        "Fri, 99 Foo 99999 99:99:99",
        "x" * 5000,
    ],
)
@pytest.mark.parametrize("status", [b"200 OK", b"429 Slow down"])
def test_a_date_at_the_end_of_the_calendar(status: bytes, date: str) -> None:
    answers = iter([status, b"200 OK"] if status[:3] == b"429" else [status])

    def talk(peer: socket.socket) -> None:
        head = b"HTTP/1.1 %s\r\nRetry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\nDate: %s\r\n"
        whole(head % (next(answers), date.encode()), GOOD)(peer)

    with server(talk) as address:
        moment = get(address).moment
    assert moment <= Clock().now()


# A whole sync


ODD: dict[str, Callable[[dict[str, Any]], bytes]] = {
    "deep": lambda envelope: DEEP,
    "NaN beside an integer of 80 digits": lambda envelope: (
        json.dumps(envelope).replace('"$page"', '"nan": NaN, "huge": ' + "9" * 80 + ', "$page"').encode()
    ),
    "an integer of 5,000 digits": lambda envelope: (
        json.dumps(envelope).replace('"$page"', '"huge": ' + "9" * 5000 + ', "$page"').encode()
    ),
}


@pytest.mark.parametrize("what", ODD)
def test_no_odd_page_harms_another_list(what: str) -> None:
    def spoil(answer: Response) -> Response:
        return Response(ODD[what](json.loads(bytes(answer.body))), headers={"X-Business": box.businesses[0].id})

    with Sandbox(size="tiny", seed=5, token_life=10**9) as box:
        pipeline = Pipeline(box, ("contacts", "countries"))
        box.faults.add(faults.Spoiled("odd", spoil), path="*/contacts")
        output = pipeline.sync()
        assert output.statuses("countries")[-1] == "COMPLETE"
        assert all("nobody foresaw" not in error["message"] for error in output.errors)
        assert not [line for line in output.log("ERROR") if "Traceback" in line]
        if output.statuses("contacts")[-1] == "COMPLETE":
            pipeline.assert_equal()
        else:
            assert {error["failure_type"] for error in output.errors} == {"transient_error"}


# Lists that lie about where they end


@dataclass
class Told(faults.Action):
    """A list whose pages a function makes up, by their number and size."""

    page: Callable[[int, int], dict[str, Any]]
    business: str
    name: str = "told"

    async def before(self, call: faults.Call) -> Response | None:
        body = {"$page": call.page, "$items": [], **self.page(call.page, call.page_size)}
        return Response(json.dumps(body), headers={"X-Business": self.business})


def some_rows(first: int, count: int) -> list[dict[str, Any]]:
    times = {"created_at": "2024-05-01T10:00:00Z", "updated_at": "2024-05-01T10:00:00Z", "date": "2024-05-01"}
    return [{"id": f"{row:032x}", **times} for row in range(first, first + count)]


def in_turns(number: int, size: int) -> dict[str, Any]:
    return {"$items": some_rows(size * (number % 2), size), "$next": "/more", "$total": 10**6}


LIES: dict[str, Callable[[int, int], dict[str, Any]]] = {
    "pages A, B, A, B": in_turns,
    "pages A, B, A, B, of nobody knows how many": lambda number, size: {**in_turns(number, size), "$total": None},
    "10^18 rows, the last page again and again": lambda number, size: {
        "$items": some_rows(0, min(size, 50)),
        "$page": 1,
        "$total": 10**18,
        "$next": "/more",
    },
    "10^18 rows, the same page under every number": lambda number, size: {
        "$items": some_rows(0, size),
        "$total": 10**18,
        "$next": "/more",
    },
    "10^18 rows of which none come": lambda number, size: {"$total": 10**18, "$next": "/more"},
    "more rows than can be counted": lambda number, size: {"$items": some_rows(0, 3), "$total": 2**64 - 1},
    "rows counted in words": lambda number, size: {"$items": some_rows(0, 3), "$total": "9" * 5000, "$page": {}},
    "less than no rows": lambda number, size: {"$items": some_rows(0, 3), "$total": -1, "$page": -1, "$next": [1]},
}


@pytest.fixture(scope="module")
def tiny() -> Iterator[Sandbox]:
    with Sandbox(size="tiny", seed=5, token_life=10**9) as box:
        box.clock.advance(86_400)
        yield box


@pytest.mark.quick(
    "10^18 rows of which none come-contacts",
    "10^18 rows, the last page again and again-ledger_entries",
    "10^18 rows, the same page under every number-currencies",
    "less than no rows-contacts",
    "more rows than can be counted-ledger_entries",
    "rows counted in words-stock_movements",
    "pages A, B, A, B, of nobody knows how many-ledger_entries",
    "pages A, B, A, B-currencies",
    "pages A, B, A, B-stock_movements",
)
@pytest.mark.parametrize("name", ["contacts", "ledger_entries", "stock_movements", "currencies"])
@pytest.mark.parametrize("what", LIES)
def test_a_list_that_lies_about_its_end_ends_soon_and_alone(what: str, name: str, tiny: Sandbox) -> None:
    tiny.faults.clear()
    tiny.faults.add(Told(LIES[what], tiny.businesses[0].id), path=f"*/{name}")
    pipeline = Pipeline(tiny, (name, "countries"))
    output = pipeline.sync()
    tiny.faults.clear()
    assert len(pipeline.asked(name)) < 1000
    assert output.statuses("countries")[-1] == "COMPLETE"
    assert output.statuses(name)[-1] in ("COMPLETE", "INCOMPLETE")
    assert all("nobody foresaw" not in error["message"] for error in output.errors)
    assert not [line for line in output.log("ERROR") if "Traceback" in line]
