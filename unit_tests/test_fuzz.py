"""Whatever comes from outside: a result, or one of the failures that are meant for it; nothing else, and no hang.

A hundred examples each; `make fuzz` takes as many as FUZZ_EXAMPLES says. What an API Endpoint may be is tried in
`test_config.py`, what a name may do to a terminal in `test_secrecy.py`.
"""

from __future__ import annotations

import argparse
import base64
import datetime as dt
import json
import logging
import os
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, cast

import orjson
import pytest
import requests
import requests_mock as mocking
from airbyte_cdk.models import (
    AirbyteMessageSerializer,
    ConfiguredAirbyteCatalog,
    ConfiguredAirbyteStream,
    DestinationSyncMode,
    FailureType,
    SyncMode,
)
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from source_sage.api.businesses import covered_by_sign_in
from source_sage.api.rights import Profile
from source_sage.api.transport import Answer, Transport
from source_sage.clock import Clock
from source_sage.config import BUSINESS_ID, SAGE_API, SageConfig
from source_sage.lists.records import Records
from source_sage.lists.rows import UNCONVERTED
from source_sage.run import SageEntrypoint, as_line
from source_sage.sign_in.consent import NotTheAnswer, SignIn, code_in, code_in_pasted, exchange, redirect_uri
from source_sage.sign_in.redirect import RedirectListener
from source_sage.sign_in.token_call import can_be_sent
from source_sage.sign_in.tokens import SageTokens
from source_sage.source import SourceSage
from source_sage.streams import every_stream
from unit_tests.form import a_form
from unit_tests.test_rows import nulls

QUERY_NAMES: Final = st.sampled_from(["code", "state", "error", "x"])
EXAMPLES: Final = int(os.environ.get("FUZZ_EXAMPLES", "100"))
fuzz: Final = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))

TOKEN_ADDRESS: Final = "https://oauth.accounting.sage.com/token"
CANARY: Final = "c4n4ry-c4n4ry-c4n4ry-c4n4ry"
DEEP: Final = b"[" * 100_000
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([CANARY, "", "é", 2**70])
)
anything = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8)


class Hasty(Clock):
    """Does not wait."""

    def sleep(self, seconds: float) -> None:
        """Go on at once."""


def objects(*names: str) -> st.SearchStrategy[dict[str, Any]]:
    """Objects with some of the names, and anything behind them."""
    return st.dictionaries(st.sampled_from(names), anything) | st.dictionaries(st.text(), anything)


def bodies(*names: str) -> st.SearchStrategy[bytes]:
    """Bytes of an answer: JSON with these names, other JSON, JSON that was cut, anything."""
    whole = (objects(*names) | anything).map(lambda value: json.dumps(value).encode())
    cut = st.tuples(whole, st.integers(0, 40)).map(lambda pair: pair[0][: -pair[1] or None])
    return whole | cut | st.binary() | st.just(DEEP)


# What people give


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@fuzz
@given(objects(*SageConfig.model_fields))
def test_any_form_is_taken_or_refused_in_words_that_quote_nothing(changes: dict[str, Any]) -> None:
    try:
        config = SageConfig.parse({**a_form(), **changes})
    except AirbyteTracedException as refusal:
        assert refusal.failure_type is FailureType.config_error
        message = str(refusal.message)
        assert message.endswith(".") and CANARY not in message and message.isprintable()
    else:
        assert config.endpoints and config.window and config.business_ids is not None


FILES: Final = ("config", "catalog", "state")
KNOWN: Final = {
    "streams": ("stream", "sync_mode", "destination_sync_mode", "name", "json_schema"),
    "state": ("type", "stream", "state", "stream_descriptor", "stream_state", "name", "version", "businesses"),
}
NAMES: Final = (*SageConfig.model_fields, "streams", *KNOWN["streams"], *KNOWN["state"], "startdate", "catalog")
# What is read by the right names is read farther.
nearly_right = st.recursive(
    scalars | st.sampled_from(["STREAM", "STATE", "CATALOG", "contacts", "incremental", "append"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=12,
)


@fuzz
@given(
    st.sampled_from(FILES),
    st.sampled_from(["check", "discover", "read"]),
    nearly_right.map(json.dumps) | bodies("streams", "type"),
)
@example("config", "read", DEEP)
@example("config", "check", b"[]")
@example("config", "discover", b"7")
@example("config", "check", json.dumps(a_form(token_expiry_date=5)))
@example("config", "read", json.dumps(a_form(client_secret=["x"], startdate="2024-01-01")))
@example("catalog", "read", b"[]")
@example("catalog", "read", b"{}")
@example("catalog", "read", b'{"streams": [{"stream": {"name": 1}}]}')
@example("state", "read", b"7")
@example("state", "read", b'{"contacts": {}}')
@example("state", "read", b'[{"type": "LEGACY", "data": {}}]')
def test_any_file_is_read_or_refused_by_its_name(
    tmp_path_factory: pytest.TempPathFactory, name: str, command: str, body: bytes | str
) -> None:
    """Through the entry point; Sage is not there."""
    folder = tmp_path_factory.getbasetemp() / "fuzz"
    folder.mkdir(exist_ok=True)
    catalog = b'{"streams": [{"stream": {"name": "contacts", "json_schema": {}, "supported_sync_modes": []}, '
    catalog += b'"sync_mode": "full_refresh", "destination_sync_mode": "append"}]}'
    files = {"config": json.dumps(a_form()).encode(), "catalog": catalog, "state": b"[]"}
    files[name] = body.encode() if isinstance(body, str) else body
    for one, content in files.items():
        (folder / one).write_bytes(content)
    paths = {one: str(folder / one) for one in files}
    arguments = argparse.Namespace(command=command, debug=False, **paths)
    with mocking.Mocker() as sage:
        sage.register_uri(mocking.ANY, mocking.ANY, status_code=403, json=[{"$dataCode": "Nobody", "$message": "No."}])
        try:
            said = b"".join(SageEntrypoint(SourceSage(Hasty())).lines(arguments)).decode()
        except AirbyteTracedException as refusal:
            assert refusal.failure_type is FailureType.config_error
            said = str(refusal.message)
            assert sage.called or said.isprintable()
    assert "nobody foresaw" not in said and "Something went wrong" not in said and CANARY not in said


@fuzz
@given(st.text() | st.text(alphabet="http://localhost:8765/callback?code=GB%2F1&state=#[]"))
@example("http://[")
@example("?code=%ff%00")
def test_whatever_is_pasted_is_a_code_or_none(pasted: str) -> None:
    try:
        code = code_in_pasted(pasted, "the-state")
    except NotTheAnswer:
        return
    except AirbyteTracedException as refusal:
        assert refusal.failure_type is not FailureType.system_error
        return
    assert code


@fuzz
@given(
    st.lists(st.tuples(st.sampled_from(["code", "state", "error", "x"]), st.text() | st.just("the-state"))), st.text()
)
def test_a_redirect_gives_a_code_only_with_the_state(fields: list[tuple[str, str]], rest: str) -> None:
    query = "&".join(f"{name}={value}" for name, value in fields) + rest
    try:
        code = code_in(query, "the-state")
    except (NotTheAnswer, AirbyteTracedException):
        return
    assert code and "state=the-state" in query


def test_whatever_comes_to_the_listener_the_answer_is_still_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])

    with RedirectListener(port, "the-state", "https://sage.example/") as listener:

        @fuzz
        @given(st.binary() | st.builds(b"GET %b HTTP/1.1\r\n%b\r\n\r\n".__mod__, st.tuples(st.binary(), st.binary())))
        @example(b"GET /callback?state=the-state\xff HTTP/9.9\r\n\r\n")
        @example(b"GET //[/callback HTTP/1.1\r\n\r\n")
        def throw(data: bytes) -> None:
            with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
                connection.sendall(data)

        throw()
        answer = requests.get(f"{redirect_uri(port)}?code=GB%2F1&state=the-state", timeout=30)
        assert (answer.status_code, listener.wait(5)) == (200, "GB/1")


# What a sign-in service answers

STATUSES: Final = st.sampled_from([200, 200, 200, 201, 204, 302, 400, 401, 403, 404, 418, 429, 500, 503])
TOKEN_FIELDS: Final = ("access_token", "refresh_token", "expires_in", "error", "error_description", "token_type")


@fuzz
@given(STATUSES, bodies(*TOKEN_FIELDS))
@example(200, json.dumps({"access_token": "a\nb", "refresh_token": "c"}).encode())
@example(200, json.dumps({"access_token": "a", "refresh_token": "c", "expires_in": -(10**400)}).encode())
def test_any_answer_to_a_code_is_tokens_or_a_failure(status: int, body: bytes) -> None:
    config = SageConfig.parse(a_form())
    with mocking.Mocker() as sage:
        sage.post(config.endpoints.token, status_code=status, content=body)
        try:
            got = exchange(config, "GB/1", redirect_uri(8765), SignIn.new().verifier, Hasty())
        except AirbyteTracedException as failure:
            assert failure.failure_type is not FailureType.system_error
            assert CANARY not in str(failure.message)
            return
    assert can_be_sent(got["access_token"]) and can_be_sent(got["refresh_token"])
    assert got["token_expiry_date"].endswith("Z")


@fuzz
@given(STATUSES, bodies(*TOKEN_FIELDS))
def test_any_answer_to_a_renewal_is_tokens_or_a_failure(status: int, body: bytes) -> None:
    form = a_form(access_token="")
    with mocking.Mocker() as sage:
        sage.post(TOKEN_ADDRESS, status_code=status, content=body)
        tokens = SageTokens(form, TOKEN_ADDRESS, reading=False, clock=Hasty())
        try:
            got = tokens.get_access_token()
        except AirbyteTracedException as failure:
            assert failure.failure_type is not FailureType.system_error
            assert CANARY not in str(failure.message)
            return
    assert can_be_sent(got) and (len(got) < 8 or filter_secrets(got) == "****")


@fuzz
@given(st.text() | anything.map(json.dumps), st.text() | st.integers().map(str))
@example("[" * 100_000, "")
@example('{"exp": 1e400, "iat": -1e400}', "9999-12-31T23:59:59-23:59")
def test_any_token_can_be_typed(claims: str, date: str) -> None:
    payload = base64.urlsafe_b64encode(claims.encode("utf-8", "replace")).decode().rstrip("=")
    form = a_form(access_token=f"e30.{payload}.e30", refresh_token=f"e30.{payload}.e30", token_expiry_date=date)
    SageTokens(form, TOKEN_ADDRESS, reading=True, clock=Hasty()).token_has_expired()
    SageTokens(a_form(access_token=claims), TOKEN_ADDRESS, reading=True, clock=Hasty())


# What the list of businesses holds


def transport_that_answers(body: dict[str, Any]) -> Transport:
    answer = Answer(body, Clock().now(), 0.0, 0)
    return cast(Transport, SimpleNamespace(get=lambda *_, **__: answer))


@fuzz
@given(st.lists(objects("id", "displayed_as") | anything, max_size=4))
def test_any_list_of_businesses_gives_ids_and_names_that_do_no_harm(items: list[Any]) -> None:
    for business in covered_by_sign_in(transport_that_answers({"$items": items, "$total": len(items)})):
        assert BUSINESS_ID.fullmatch(business.id)
        assert str(business).replace("\u200d", "").replace("\u200c", "").isprintable()


@fuzz
@given(objects("subscriptions", "country", "user_permissions"), objects("id", "active", "displayed_as", "area", "role"))
def test_any_details_of_a_business_can_be_read(details: dict[str, Any], part: dict[str, Any]) -> None:
    for one in (details, {"subscriptions": [part], "country": part, "user_permissions": [part]}):
        assert str(Profile.of(one)).isprintable()


# What lists and reports answer

BUSINESS: Final = "0d40342d0287cd6b13555c54afca6c90"
STREAMS: Final = every_stream()
READ: Final = sorted(name for name, facts in STREAMS.items() if name in facts.lists and name != "businesses")
REQUESTS_AT_MOST: Final = 2_000
ENVELOPE: Final = ("$items", "$total", "$page", "$next", "$itemsPerPage", "id", "trial_balance", "ledger_accounts")


def field_names(name: str) -> st.SearchStrategy[str]:
    return st.sampled_from([*sorted(STREAMS[name].schema_["properties"]), "unknown"])


def records_of(name: str) -> st.SearchStrategy[Any]:
    """Records with the stream's own fields, and with other things in them; now and then no record."""
    fields = st.dictionaries(field_names(name), anything, max_size=6)
    keyed = st.tuples(fields, st.sampled_from("abc") | st.integers(1, 3)).map(lambda one: {**one[0], "id": one[1]})
    return keyed | keyed | fields | anything


def read(name: str, answer: bytes) -> tuple[list[dict[str, Any]], int]:
    """What a whole read says of one list, and the lines of it, while Sage always answers the same; and the requests."""
    names = [name, *(one for one, facts in STREAMS.items() if name in facts.parents)]
    catalog = ConfiguredAirbyteCatalog(
        streams=[
            ConfiguredAirbyteStream(STREAMS[one].as_airbyte_stream(), SyncMode.full_refresh, DestinationSyncMode.append)
            for one in names
        ]
    )
    form = a_form(include_historical_data=True, num_workers=2, start_date=dt.date.today().isoformat())
    with mocking.Mocker() as sage:
        sage.get(mocking.ANY, content=answer, headers={"X-Business": BUSINESS})
        sage.get(f"{SAGE_API}/businesses", json={"$items": [{"id": BUSINESS}], "$total": 1})
        sage.get(f"{SAGE_API}/businesses/{BUSINESS}", json={"id": BUSINESS})
        said: list[dict[str, Any]] = []
        try:
            for one in SourceSage(Hasty()).read_pages(logging.getLogger(), form, catalog):
                lines = one.lines if isinstance(one, Records) else orjson.dumps(AirbyteMessageSerializer.dump(one))
                said.extend(map(orjson.loads, lines.splitlines()))
        except AirbyteTracedException as failure:
            said.append(orjson.loads(as_line(failure)))
        return said, len(sage.request_history)


def require_a_plain_end(said: list[dict[str, Any]], requests_made: int) -> None:
    texts = [one["trace"]["error"]["message"] for one in said if one["type"] == "TRACE" and "error" in one["trace"]]
    assert not [text for text in texts if "nobody foresaw" in text or "Something went wrong" in text or CANARY in text]
    assert requests_made < REQUESTS_AT_MOST
    ends = [one["trace"]["stream_status"]["status"] for one in said if "stream_status" in one.get("trace", {})]
    assert ends[-1] in ("COMPLETE", "INCOMPLETE")


@fuzz
@given(st.sampled_from(READ), bodies(*ENVELOPE))
@example("trial_balance", b'{"trial_balance": "x"}')
@example("contacts", b'{"$items": [], "$total": 1000000000000000000}')
@example("stock_movements", b'{"$items": [], "$total": 18446744073709551615}')
@example("exchange_rates", b'{"$items": [{"currency": {"id": {"a": 1}}, "$path": 5}]}')
def test_any_answer_of_any_list_ends_it_plainly(name: str, body: bytes) -> None:
    require_a_plain_end(*read(name, body))


@fuzz
@given(st.sampled_from(READ).flatmap(lambda name: st.tuples(st.just(name), st.lists(records_of(name), max_size=4))))
@example(("contacts", [{"id": "a", "statement_run": {"id": "x"}, "last_paid": "05/01/2022"}]))
@example(("sales_invoices", [{"id": "a", "invoice_lines": {"not": "a list"}}]))
@example(("sales_invoices", [{"id": "a", "invoice_lines": ["x", {"quantity": "y", "unconverted_values": 5}]}]))
def test_nothing_of_any_record_is_lost(case: tuple[str, list[Any]]) -> None:
    name, items = case
    is_list = not STREAMS[name].class_name.endswith(("SettingsReading", "TrialBalanceReading"))
    answer: Any = {"$items": items, "$total": len(items), "$page": 1, "$next": None} if is_list else {"record": items}
    # What no JSON can hold comes as text.
    sent = json.loads(json.dumps(answer), parse_constant=str)
    said, requests_made = read(name, json.dumps(answer).encode())
    require_a_plain_end(said, requests_made)
    rows = {
        one["record"]["data"].get("id"): one["record"]["data"]
        for one in said
        if one["type"] == "RECORD" and one["record"]["stream"] == name
    }
    assert CANARY not in json.dumps([one for one in said if one["type"] == "LOG"])
    if not is_list or STREAMS[name].primary_key[-1] != "id":
        return
    first: dict[str, Any] = {}
    for item in sent["$items"]:
        if isinstance(item, dict) and type(item.get("id")) in (str, int) and item["id"] != "":
            first.setdefault(str(item["id"]), item)
    assert rows.keys() == first.keys()
    for key, item in first.items():
        kept = rows[key].get(UNCONVERTED) or {}
        # Sage's own field under our name is kept inside ours.
        own = {name: value for name, value in item.items() if name != UNCONVERTED}
        assert [place for place in nulls(own, rows[key], "") if place not in kept] == []
