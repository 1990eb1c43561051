"""Every fault of the transport by name, over real HTTP: in the end the destination equals Sage, or one clear error.

Each ordinary fault strikes twice: page by page during a first read, then at everything that an incremental read asks.
"""

from __future__ import annotations

import datetime as dt
import socket
from collections.abc import Callable, Iterator
from email.utils import format_datetime

import pytest

from integration_tests.harness import Output
from integration_tests.pipeline import Pipeline, SandboxClock, is_walk, page_size, rows_answered
from integration_tests.sandbox import Sandbox, faults
from integration_tests.sandbox.manners.faults import Action, Call
from source_sage.api import transport

# Many pages without tombstones, a few without, two with, one with, and one that always comes whole.
STREAMS = ("ledger_entries", "transactions", "addresses", "contacts", "countries")
SMALL_PAGE = 40
SERVER_ERRORS = (408, 500, 502, 503, 504, *range(520, 528))


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(size="small", seed=5, token_life=10**9) as sandbox:
        yield sandbox


@pytest.fixture
def pipeline(box: Sandbox) -> Pipeline:
    return Pipeline(box, STREAMS)


@pytest.fixture
def quick() -> Iterator[Pipeline]:
    """A small company with small pages."""
    with Sandbox(size="tiny", seed=5, token_life=10**9) as box, page_size(SMALL_PAGE):
        yield Pipeline(box, STREAMS)


def assert_survived(pipeline: Pipeline, fault: Action) -> None:
    """A first read with the fault at a page of each list, then an incremental one with it at everything asked."""
    box, company = pipeline.box, pipeline.box.businesses[0]
    for name in STREAMS:
        box.faults.add(fault, path=f"*/{name}", nth=2 if len(pipeline.truth(name)) > SMALL_PAGE else 1)
    struck(pipeline, pipeline.sync(), len(STREAMS))
    pipeline.assert_equal()

    box.clock.advance(3600)
    for name in STREAMS[:-1]:
        company.update(name, company.rows(name)[3]["id"])
    for name in ("addresses", "contacts"):
        company.delete(name, company.rows(name)[0]["id"])
        company.create(name)
    box.clock.advance(600)
    for name in STREAMS:
        box.faults.add(fault, path=f"*/{name}", nth=1)
        if name in ("addresses", "contacts"):
            box.faults.add(fault, path=f"*/{name}", when=lambda call: "deleted_since" in call.params, times=1)
    struck(pipeline, pipeline.sync(), len(STREAMS) + 2)
    pipeline.assert_equal()


def struck(pipeline: Pipeline, output: Output, least: int) -> None:
    """The run went well although all faults struck; they are gone afterwards."""
    assert output.failure is None, output.failure
    assert sum(fault.hits for fault in pipeline.box.faults.all) >= least
    assert all(fault.hits for fault in pipeline.box.faults.all)
    assert all(output.statuses(name)[-1] == "COMPLETE" for name in STREAMS)
    pipeline.box.faults.clear()


@pytest.mark.quick("408", "500", "503", "504", "522")
@pytest.mark.parametrize("code", SERVER_ERRORS)
def test_a_server_error(code: int, quick: Pipeline) -> None:
    assert_survived(quick, faults.status(code))


WHOLE_BUT_WRONG: dict[str, Callable[[], Action]] = {
    "html with status 200": lambda: faults.html(200),
    "html with status 502": lambda: faults.html(502),
    "an empty body": lambda: faults.empty(200),
    "truncated JSON": lambda: faults.truncated_json(0.5),
    "invalid JSON": faults.broken_json,
    "a JSON array": lambda: faults.status(200, []),
    "a JSON string": lambda: faults.status(200, '"maintenance"'),
    "a JSON null": lambda: faults.status(200, "null"),
    "an object without $items": lambda: faults.status(200, {"$message": "maintenance"}),
    "$items that are null": lambda: faults.status(200, {"$total": 0, "$page": 1, "$next": None, "$items": None}),
    "$items that are an object": lambda: faults.status(200, {"$total": 0, "$page": 1, "$next": None, "$items": {}}),
}


@pytest.mark.quick(
    "$items that are null", "an object without $items", "html with status 200", "truncated JSON", "an empty body"
)
@pytest.mark.parametrize("what", WHOLE_BUT_WRONG)
def test_an_answer_that_is_no_list(what: str, quick: Pipeline) -> None:
    assert_survived(quick, WHOLE_BUT_WRONG[what]())


CUT: dict[str, Callable[[], Action]] = {
    "closed without an answer": faults.drop,
    "closed in the middle of the body": lambda: faults.cut(0.5),
    "closed after the headers": lambda: faults.cut(0),
    "reset in the middle of the body": lambda: faults.cut(0.5, reset=True),
}


@pytest.mark.parametrize("what", CUT)
def test_a_connection_that_breaks(what: str, quick: Pipeline) -> None:
    assert_survived(quick, CUT[what]())


def test_a_read_time_out(quick: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "READ_TIMEOUT_SECONDS", 0.3)
    assert_survived(quick, faults.hang(0.6, then_drop=True))


def test_a_connect_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "CONNECT_TIMEOUT_SECONDS", 0.2)
    with socket.socket() as deaf, socket.socket() as caller:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        caller.connect(deaf.getsockname())  # its queue is full now: who calls next is not answered
        assert_reached_at_last(deaf.getsockname()[1], lambda: (caller.close(), deaf.close()))


def test_a_refused_connection() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert_reached_at_last(closed.getsockname()[1], closed.close)


def assert_reached_at_last(port: int, free: Callable[[], object]) -> None:
    """Sage cannot be reached at first; it comes up while the connector waits to try again."""
    box = Sandbox(size="tiny", seed=5, token_life=10**9, port=port)
    waits = 0

    def woken() -> None:
        nonlocal waits
        waits += 1
        if waits == 2:
            free()
            box.start()

    box._state.root = f"http://127.0.0.1:{port}"
    pipeline = Pipeline(box, STREAMS)
    pipeline.clock = SandboxClock(box, woken=woken)
    try:
        output = pipeline.sync()
        assert output.failure is None, output.failure
        assert waits >= 2
        pipeline.assert_equal()
    finally:
        box.stop()


class Throttled:
    """A 429 whose Retry-After is made when it is sent."""

    def __init__(self, box: Sandbox, kind: str, seconds: int) -> None:
        self.box, self.kind, self.seconds = box, kind, seconds

    def action(self) -> Action:
        later = dt.datetime.fromtimestamp(int(self.box.clock.now()) + self.seconds, dt.UTC)
        told = {
            "seconds": str(self.seconds),
            "http-date": format_datetime(later, usegmt=True),
            "absent": "",
            "negative": f"-{self.seconds}",
            "a year": "31536000",
            "words": "soon",
        }
        headers = {"Retry-After": told[self.kind]} if told[self.kind] else None
        return faults.status(429, [{"$dataCode": "TooManyRequests"}], headers)


@pytest.mark.parametrize("kind", ["seconds", "http-date", "absent", "a year"])
def test_a_429_waits_as_asked_and_goes_on(kind: str, box: Sandbox, pipeline: Pipeline) -> None:
    fault = Throttled(box, kind, 50).action()
    box.faults.add(fault, path="*/ledger_entries", nth=3)
    began = box.clock.now()
    struck(pipeline, pipeline.sync(), 1)
    pipeline.assert_equal()
    (refused,) = [one for one in pipeline.asked("ledger_entries") if one.status == 429]
    asked = [one.time for one in pipeline.asked("ledger_entries") if one.params == refused.params]
    assert asked[1] - asked[0] > (48 if kind in ("seconds", "http-date") else 1)
    assert box.clock.now() - began < 300


@pytest.mark.parametrize("kind", ["seconds", "http-date", "absent", "negative", "a year", "words"])
def test_a_429_strikes_at_every_list(kind: str, quick: Pipeline) -> None:
    assert_survived(quick, Throttled(quick.box, kind, 20).action())


def test_a_429_that_breaks_off_leaves_nobody_waiting_for_it(quick: Pipeline) -> None:
    refused = faults.Response(b"[" + b" " * 500 + b"]", 429)
    assert_survived(quick, faults.Spoiled("half a 429", lambda answer: faults.HalfAnswer(refused, 0.5, False)))


@pytest.mark.parametrize("kind", ["seconds", "http-date", "absent"])
def test_a_real_request_limit_is_only_waited_for(kind: str, box: Sandbox, pipeline: Pipeline) -> None:
    box.settings.change({"rate_limit": 4, "rate_window": 20, "retry_after": kind})
    output = pipeline.sync()
    assert output.failure is None, output.failure
    assert [one for one in box.requests if one.status == 429]
    pipeline.assert_equal()


# Refusals: Sage's own JSON, or somebody else's word


STRANGE: dict[str, Callable[[], Action]] = {
    "a 403 of a gateway": lambda: faults.html(403),
    "a 404 of a gateway": lambda: faults.html(404),
    "a 403 without a body": lambda: faults.empty(403),
    "a 404 with other JSON": lambda: faults.status(404, {"message": "no Route matched with those values"}),
    "a 403 with an empty array": lambda: faults.status(403, []),
    "a 403 with JSON that ends early": lambda: faults.status(403, '[{"$dataCode": "MultiUserAccessDenied"'),
    "a 403 nested deeper than anybody reads": lambda: faults.status(403, "[" * 100_000),
}


@pytest.mark.parametrize("what", STRANGE)
def test_a_refusal_that_is_not_sages_is_asked_again(what: str, quick: Pipeline) -> None:
    assert_survived(quick, STRANGE[what]())


@pytest.mark.parametrize("what", STRANGE)
def test_a_refusal_that_is_not_sages_and_stays_fails_its_list_alone_and_is_no_skip(what: str, quick: Pipeline) -> None:
    box = quick.box
    box.faults.add(STRANGE[what](), path="*/contacts")
    began = box.clock.now()
    output = quick.sync()
    assert {error["failure_type"] for error in output.errors} == {"transient_error"}
    assert "most likely by a proxy, a firewall or a gateway" in output.errors[0]["message"]
    assert "check the API Endpoint" in output.errors[0]["message"]
    assert len(quick.asked("contacts")) == 3
    assert sum(quick.clock.slept) < 30 and box.clock.now() - began < 60
    assert output.statuses("contacts")[-1] == "INCOMPLETE"
    assert {output.statuses(name)[-1] for name in STREAMS if name != "contacts"} == {"COMPLETE"}
    assert [line for line in output.log("WARN") if "skipped" in line] == []
    box.faults.clear()
    assert quick.sync().failure is None
    quick.assert_equal()


@pytest.mark.parametrize("code", [401, 403, 404])
def test_a_refusal_of_sages_own_is_a_skip_at_once(code: int, quick: Pipeline) -> None:
    quick.box.faults.add(faults.refused(code), path="*/contacts")
    output = quick.sync()
    assert output.failure is None
    assert len(quick.asked("contacts")) == 1
    (skip,) = [line for line in output.log("WARN") if line.startswith("contacts of ")]
    assert f"is skipped (HTTP {code} " in skip


@pytest.mark.parametrize("code", [401, 403, 404])
def test_the_sandbox_refuses_what_a_plan_lacks_in_sages_json(code: int) -> None:
    with Sandbox(size="tiny", plan="Start") as box:
        box.businesses[0].plan_id = "MICRO"  # no plan that would spare the request
        box.settings.change({"restricted_answer": code})
        pipeline = Pipeline(box, ("stock_items", "countries"))
        output = pipeline.sync()
        assert output.failure is None
        assert [one.status for one in pipeline.asked("stock_items")] == [code]
        assert output.statuses("stock_items")[-1] == "COMPLETE"


@pytest.mark.parametrize("code", [307, 429, 500, 503])
def test_a_code_of_sages_that_stands_in_a_text_is_no_refusal(code: int, quick: Pipeline) -> None:
    text = "Contact 'AuthorizationFailure Ltd' could not be loaded"
    quick.box.faults.add(faults.status(code, [{"$dataCode": "UnexpectedError", "$message": text}]), path="*/contacts")
    quick.box.faults.all[0].times = None if code == 307 else 2
    output = quick.sync()
    assert [line for line in output.log("WARN") if "skipped" in line] == []
    if code == 307:
        assert "sends requests on to another address" in output.errors[0]["message"]
    else:
        assert output.failure is None
        quick.assert_equal()


@pytest.mark.parametrize("code", [307, 429, 500, 503])
def test_even_sages_code_decides_with_401_and_403_alone(code: int, quick: Pipeline) -> None:
    quick.box.faults.add(faults.status(code, [{"$dataCode": "AuthorizationFailure"}]), path="*/contacts", times=1)
    output = quick.sync()
    assert [line for line in output.log("WARN") if "skipped" in line] == []
    assert (output.failure is None) == (code != 307)


@pytest.mark.parametrize("text", ["AuthorizationFailure", {"$message": "AuthorizationFailure"}])
def test_a_401_that_only_speaks_of_the_code_is_about_the_token(text: object, quick: Pipeline) -> None:
    quick.box.faults.add(faults.status(401, text), path="*/contacts", times=1)
    output = quick.sync()
    assert output.failure is None and quick.box.tokens.refreshes == 1
    quick.assert_equal()


# The echo


def test_an_answer_that_names_no_business_is_told_once_a_list_and_in_the_report(quick: Pipeline) -> None:
    for name in ("contacts", "ledger_entries"):
        quick.box.faults.add(faults.no_business(), path=f"*/{name}")
    output = quick.sync()
    assert output.failure is None
    quick.assert_equal()
    told = [line.partition(":")[0] for line in output.log("WARN") if "which business they are for" in line]
    assert sorted(told) == ["contacts", "ledger_entries"]
    (report,) = [line for line in output.log("INFO") if line.startswith("Sync report")]
    assert "answers that named no business: contacts, ledger_entries" in report


def test_where_sage_promises_no_echo_none_is_missed(quick: Pipeline) -> None:
    quick.select(["businesses", "contacts"])
    output = quick.sync()
    assert output.failure is None
    assert [line for line in output.log("WARN") if "which business" in line] == []


def in_rows(first: int, last: int) -> Callable[[Call], bool]:
    """Tell whether a page holds one of the rows from `first` up to but not including `last`."""

    def test(call: Call) -> bool:
        begin = (call.page - 1) * call.page_size
        return begin < last and begin + call.page_size > first and "updated_or_created_since" not in call.params

    return test


@pytest.mark.parametrize("code", [500, 502, 504])
def test_a_page_too_heavy_at_200_is_asked_for_in_halves_and_then_grows_back(
    code: int, box: Sandbox, pipeline: Pipeline
) -> None:
    box.faults.add(faults.heavy(50, code), path="*/ledger_entries", when=in_rows(400, 600))
    output = pipeline.sync()
    assert output.failure is None, output.failure
    pipeline.assert_equal()
    ids = [row["id"] for row in output.rows("ledger_entries")]
    assert len(set(ids)) == len(ids) == len(pipeline.truth("ledger_entries"))
    walk = [one for one in pipeline.asked("ledger_entries") if is_walk(one)]
    halves = [(400, 50), (450, 50), (500, 50), (550, 50)]
    assert rows_answered(walk) == [(0, 200), (200, 200), *halves, *((row, 200) for row in range(600, len(ids), 200))]
    assert len([one for one in walk if one.status == code]) <= 12


def test_a_page_that_never_works_ends_its_stream_only_and_the_next_run_goes_on(
    box: Sandbox, pipeline: Pipeline
) -> None:
    box.faults.add(faults.status(503), path="*/ledger_entries", when=in_rows(1000, 1200))
    output = pipeline.sync()
    assert getattr(output.failure, "failure_type", None) is not None
    assert {error["failure_type"] for error in output.errors} == {"transient_error"}
    assert all("ledger_entries" in error["message"] for error in output.errors)
    assert output.statuses("ledger_entries")[-1] == "INCOMPLETE"
    others = [name for name in STREAMS if name != "ledger_entries"]
    assert all(output.statuses(name)[-1] == "COMPLETE" for name in others)
    pipeline.assert_equal(*others)
    assert "watermark" not in output.place("ledger_entries")[box.businesses[0].id]

    # While it stays broken, another run says the same and loses nothing.
    again = pipeline.sync()
    assert {error["failure_type"] for error in again.errors} == {"transient_error"}
    box.faults.clear()
    mended = pipeline.sync()
    assert mended.failure is None
    assert "watermark" in mended.place("ledger_entries")[box.businesses[0].id]
    pipeline.assert_equal()


@pytest.mark.parametrize("page", [1, 3])
def test_an_answer_for_another_business_stops_the_stream_hard_and_is_not_emitted(
    page: int, box: Sandbox, pipeline: Pipeline
) -> None:
    foreign = "f" * 32
    box.faults.add(faults.wrong_business(foreign), path="*/ledger_entries", when=lambda call: call.page == page)
    output = pipeline.sync()
    assert output.errors
    for error in output.errors:
        assert error["failure_type"] in ("system_error", "config_error")
        assert foreign in error["message"] and box.businesses[0].id in error["message"]
    assert output.statuses("ledger_entries")[-1] == "INCOMPLETE"
    order = [row["id"] for row in pipeline.truth("ledger_entries")]
    emitted = {row["id"] for row in output.rows("ledger_entries")}
    assert not emitted & set(order[(page - 1) * 200 : page * 200])
    assert len([one for one in pipeline.asked("ledger_entries") if int(one.params["page"]) == page]) == 1
    assert foreign not in str(output.rows("ledger_entries"))
    box.faults.clear()
    assert pipeline.sync().failure is None
    pipeline.assert_equal()


def test_a_page_without_rows_of_a_list_that_has_some_is_not_believed(quick: Pipeline) -> None:
    nothing = {"$total": 8, "$page": 1, "$next": None, "$back": None, "$itemsPerPage": SMALL_PAGE, "$items": []}
    quick.box.faults.add(faults.status(200, nothing), path="*/contacts", nth=1)
    assert quick.sync().failure is None
    quick.assert_equal()
