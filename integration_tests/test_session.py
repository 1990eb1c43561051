"""The three places that send requests, each asked to talk to a stranger: API, token renewal, exchange of a code."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import requests
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from integration_tests import stranger
from integration_tests.stranger import MEBIBYTE, Stranger
from source_sage.api import transport as module
from source_sage.api.transport import Transport
from source_sage.clock import Clock
from source_sage.config import Endpoints, SageConfig
from source_sage.session import TooLarge, body_of, open_session
from source_sage.sign_in.consent import exchange, redirect_uri
from source_sage.sign_in.tokens import SageTokens
from source_sage.source import error_handler

SECRET: Final = "the-client-secret"
TOKENS: Final = b'{"access_token":"new","refresh_token":"newer","expires_in":300}'


class Leaping(Clock):
    """A second goes by whenever somebody looks, so that what takes long is over soon."""

    def __init__(self) -> None:
        self.looked = 0.0

    def monotonic(self) -> float:
        self.looked += 1
        return self.looked

    def sleep(self, seconds: float) -> None:
        self.looked += seconds


def form(address: str, access_token: str) -> dict[str, Any]:
    return {
        "client_id": "the-client-id",
        "client_secret": SECRET,
        "access_token": access_token,
        "refresh_token": "the-refresh-token",
        "start_date": "2024-01-01",
        "api_endpoint": address,
    }


def renew(address: str, clock: Clock) -> None:
    endpoints = Endpoints.of(address)
    SageTokens(form(address, ""), endpoints.token, reading=False, clock=clock).get_access_token()


def exchange_a_code(address: str, clock: Clock) -> None:
    exchange(SageConfig.parse(form(address, "")), "GB/1", redirect_uri(8765), "the-verifier", clock)


def ask(address: str, clock: Clock) -> None:
    endpoints = Endpoints.of(address)
    tokens = SageTokens(form(address, "the-access-token"), endpoints.token, reading=False, clock=clock)
    transport = Transport(endpoints.api, tokens, error_handler(), connections=1, clock=clock)
    transport.get("/things", {}, dict, tries=1)


Sender = Callable[[str, Clock], None]
SENDERS: Final[dict[str, Sender]] = {"renewal": renew, "exchange": exchange_a_code, "api": ask}
ALL: Final = pytest.mark.parametrize("send", SENDERS.values(), ids=SENDERS)
OAUTH: Final = pytest.mark.parametrize("send", [renew, exchange_a_code], ids=["renewal", "exchange"])


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


# What goes out


@ALL
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_proxy_does_not_see_what_stays_on_this_machine(
    send: Sender, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Stranger(stranger.json_answer(TOKENS)) as proxy, Stranger(stranger.json_answer(TOKENS)) as sage:
        for name in ("HTTP_PROXY", "http_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy.address)
        send(sage.address.replace("127.0.0.1", host), Clock())
        assert proxy.requests == []
        assert len(sage.requests) == 1


@ALL
def test_a_password_that_lies_about_is_not_sent(send: Sender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login somebody password else\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("NETRC", raising=False)
    with Stranger(stranger.json_answer(TOKENS)) as sage:
        send(sage.address, Clock())
        (request,) = sage.requests
    assert b"Basic" not in request


# What comes in


@OAUTH
@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"access_token":' * 100_000, b'{"access_token":"\xff\\ud800"}', b"[]", b"NaN"]
)
def test_an_answer_that_nobody_can_read_is_told_as_such(send: Sender, body: bytes) -> None:
    with Stranger(stranger.json_answer(body)) as sage, pytest.raises(AirbyteTracedException) as caught:
        send(sage.address, Leaping())
    assert caught.value.failure_type is not FailureType.system_error


ENDLESS: Final = {
    "head": stranger.never_ending(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"),
    "heads": stranger.never_ending(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
    "interim answers": stranger.never_ending(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "body": stranger.never_ending(stranger.head(), b" "),
    "chunks": stranger.never_ending(stranger.head("Transfer-Encoding: chunked"), b"1\r\n \r\n"),
    "refusal": stranger.never_ending(stranger.head(status="400 Bad Request"), b" "),
    "redirect": stranger.never_ending(stranger.head("Location: /elsewhere", status="302 Found"), b" "),
}


@OAUTH
@pytest.mark.parametrize("answer", ENDLESS.values(), ids=ENDLESS)
def test_an_answer_that_does_not_end_is_a_failure(send: Sender, answer: stranger.Answer) -> None:
    with Stranger(answer) as sage, pytest.raises(AirbyteTracedException):
        send(sage.address, Leaping())


@pytest.mark.parametrize("answer", ENDLESS.values(), ids=ENDLESS)
def test_nor_does_the_api_keep_a_thread_for_ever(answer: stranger.Answer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REQUEST_SECONDS", 0.3)
    with Stranger(answer) as sage, pytest.raises(AirbyteTracedException):
        ask(sage.address, Clock())


def test_a_proxy_that_does_not_come_to_an_end_is_a_failure() -> None:
    with Stranger(stranger.never_ending(b"HTTP/1.1 200 Connection established\r\n", b"X: y\r\n")) as proxy:
        session = open_session("https://sage.invalid", total_seconds=5, monotonic=Leaping().monotonic)
        session.proxies["https"] = proxy.address
        with pytest.raises(requests.exceptions.RequestException):
            session.get("https://sage.invalid", timeout=(30, 30), stream=True)
        assert [one.split(b" ")[0] for one in proxy.requests] == [b"CONNECT"]


def test_a_connection_is_used_again_with_its_usual_patience() -> None:
    """Each answer has all of its time, also the one after an answer that came at the last moment."""
    clock = Leaping()
    ended = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
    with Stranger(lambda _: iter([ended]), keeps=True) as sage:
        session = open_session(sage.address, total_seconds=6, monotonic=clock.monotonic)
        for _ in range(3):
            response = session.get(sage.address, timeout=(5, 30), stream=True)
            assert body_of(response, 2) == b"{}"
        session.close()
        assert (len(sage.requests), sage.connections) == (3, 1)


@pytest.mark.parametrize("size", [0, 1, 999, 1000])
def test_a_body_may_be_as_large_as_is_allowed(size: int) -> None:
    with Stranger(stranger.json_answer(b"x" * size)) as sage:
        session = open_session(sage.address, total_seconds=60)
        response = session.get(sage.address, stream=True, timeout=30)
        assert body_of(response, 1000, piece=7) == b"x" * size == response.content


def test_one_byte_more_is_too_large() -> None:
    with Stranger(stranger.json_answer(b"x" * 1001)) as sage:
        response = open_session(sage.address, total_seconds=60).get(sage.address, stream=True, timeout=30)
        with pytest.raises(TooLarge):
            body_of(response, 1000, piece=7)


def test_nothing_that_a_server_leaves_behind_comes_back_to_it() -> None:
    with Stranger(stranger.json_answer(b"{}", "Set-Cookie: who=you; Path=/")) as sage:
        session = open_session(sage.address, total_seconds=60)
        for _ in range(2):
            body_of(session.get(sage.address, stream=True, timeout=30), 10)
        assert not [one for one in sage.requests if b"Cookie" in one]


@pytest.mark.parametrize("follow", [True, False])
def test_a_redirect_is_an_answer_like_any_other(follow: bool) -> None:
    with Stranger(stranger.json_answer(b"{}")) as elsewhere:
        away = stranger.head(f"Location: {elsewhere.address}", "Content-Length: 0", status="307 Temporary Redirect")
        with Stranger(lambda _: iter([away])) as sage:
            session = open_session(sage.address, total_seconds=60)
            response = session.post(sage.address, data={"a": "b"}, allow_redirects=follow, stream=True, timeout=30)
        assert response.status_code == 307 and elsewhere.requests == []


@pytest.fixture
def memory() -> Iterator[Callable[[], int]]:
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


BOMBS: Final = {
    "plain": lambda: stranger.bomb(64),
    "chunked": lambda: stranger.bomb(64, chunked=True),
    "packed twice": lambda: stranger.bomb(64, layers=2),
}


@OAUTH
@pytest.mark.parametrize("make", BOMBS.values(), ids=BOMBS)
def test_a_small_answer_that_unpacks_to_much_takes_no_memory(
    send: Sender, make: Callable[[], stranger.Answer], memory: Callable[[], int]
) -> None:
    with Stranger(make()) as sage:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        with pytest.raises(AirbyteTracedException):
            send(sage.address, Leaping())
        assert memory() - before < 16 * MEBIBYTE
