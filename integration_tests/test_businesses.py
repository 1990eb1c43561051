"""Many businesses behind one sign-in, over real HTTP: what can be read is read, what cannot stays alone."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import pytest

from integration_tests.forty_businesses import ENDED, SEED, forty_businesses
from integration_tests.harness import Destination, Message, Output, catalog_of, run
from integration_tests.pipeline import SandboxClock
from integration_tests.sandbox import Company, Sandbox, faults
from integration_tests.sandbox.wire.facts import Resource, resources
from source_sage.clock import Clock
from source_sage.streams import every_stream

# Their parents' rows bring them, or a request a month.
NOT_HERE = {"trial_balance", "deleted_records"}
FEW = ("contacts", "sales_invoices", "stock_items", "countries")


def listed(streams: dict[str, Message]) -> list[str]:
    """The streams that are one of the sandbox's lists or settings objects."""
    return [name for name in streams if name in resources() and name not in NOT_HERE]


def may_read(resource: Resource, company: Company) -> bool:
    """By the sandbox's own rules, which do not know the connector's."""
    if resource.name in ("businesses", "user"):
        return True
    return resource.sold_to(company.plan, company.country) and resource.allowed(company.roles)


def rows_by_business(output: Output, stream: str) -> dict[str, set[Any]]:
    found: dict[str, set[Any]] = defaultdict(set)
    for row in output.rows(stream):
        found[row["business_id"]].add(row.get("id") or row.get("currency_id") or "")
    return found


def truth(company: Company, stream: str) -> set[Any]:
    """The keys of all rows of a list."""
    return {row.get("id") or row["currency"]["id"] for row in company.rows(stream)}


# Of them something else is said below.
SEVERAL = ("businesses", "contacts", "ledger_entries", "sales_invoices", "stock_movements")


class Two(NamedTuple):
    """A first sync of forty businesses, and a second after one edit in each."""

    box: Sandbox
    names: list[str]
    catalog: dict[str, Any]
    first: Output
    first_requests: list[Any]
    edited: dict[str, str]
    second: Output
    second_requests: list[Any]


@pytest.fixture(scope="module", params=["a third of the lists", pytest.param("every list", marks=pytest.mark.slow)])
def two(streams: dict[str, Message], request: pytest.FixtureRequest) -> Iterator[Two]:
    with Sandbox(size="tiny", seed=SEED, businesses=forty_businesses(), token_life=3_600) as box:
        names = listed(streams)
        if request.param != "every list":
            names = sorted({*names[::4], *SEVERAL})
        catalog = catalog_of(streams.values(), names)
        first = run("read", box.config(), catalog=catalog)
        first_requests = list(box.requests)
        box.clear_requests()
        edited = {}
        for company in box.businesses:
            key = company.rows("contacts")[0]["id"]
            company.update("contacts", key, notes="Edited between the syncs")
            edited[company.id] = key
        second = run("read", box.config(), catalog=catalog, state=first.state)
        yield Two(box, names, catalog, first, first_requests, edited, second, list(box.requests))


def alive(box: Sandbox) -> list[Company]:
    return [company for company in box.businesses if company.subscription_active]


def test_one_sync_reads_all_that_may_be_read_and_nothing_else(two: Two) -> None:
    wrong = []
    for name in two.names:
        resource, rows = resources()[name], rows_by_business(two.first, name)
        for company in two.box.businesses:
            got = rows.get(company.id, set())
            if company not in alive(two.box) or not may_read(resource, company):
                expected: set[Any] = set()
            elif resource.is_list and name != "businesses":
                expected = truth(company, name)
            else:
                expected = got if len(got) == 1 else {"one row"}
            if got != expected:
                wrong.append((name, company.name, len(got), len(expected)))
    assert wrong == []


def test_each_list_that_is_refused_has_one_warning_with_stream_business_reason_and_remedy(two: Two) -> None:
    for output in (two.first, two.second):
        skips = [line for line in output.log("WARN") if " is skipped (" in line]
        expected = {
            f"{name} of {company.name} ({company.id}) is skipped"
            for name in two.names
            for company in alive(two.box)
            if not may_read(resources()[name], company)
        }
        assert {line.partition(" (Sage")[0].partition(" skipped")[0] + " skipped" for line in skips} == expected
        assert len(skips) == len(expected) > 100
        assert [line for line in skips if not line.partition("). ")[2].endswith(".")] == []


def test_what_sage_tells_of_a_business_spares_the_request(two: Two) -> None:
    refused = [one for one in two.first_requests if one.status in (401, 403, 404)]
    by_id = {company.id: company for company in two.box.businesses}
    unforeseen = [
        (by_id[one.business].name, one.list) for one in refused if _is_clear(by_id[one.business], resources()[one.list])
    ]
    assert unforeseen == []
    skips = [line for line in two.first.log("WARN") if " is skipped (" in line]
    assert len(refused) < len(skips) / 2


def _is_clear(company: Company, resource: Resource) -> bool:
    """Whether plan, country and roles as told leave no doubt; of areas that are all needed, one alone is no proof."""
    known_plan = company.plan_id in ("START", "ACCOUNTS", "ACCOUNTING_10", "ACCOUNTING")
    sold = resource.plans or {}
    by_plan = known_plan and resource.plans is not None and not sold.get(company.plan)
    by_country = resource.plans is not None and not any(company.country in some for some in sold.values())
    roles = [company.roles[area] for area in resource.roles["areas"]] if resource.roles else []
    needs_all = resource.roles is not None and resource.roles["need"] == "all" and len(roles) > 1
    by_role = bool(roles) and company.tells_roles and not needs_all and not resource.allowed(company.roles)
    return by_plan or by_country or by_role


def test_reading_asks_once_for_the_details_of_each_business_and_once_more_where_keys_are_learnt(two: Two) -> None:
    inferring = sum(every_stream()[name].infers_deletions for name in two.names)
    for requests in (two.first_requests, two.second_requests):
        details = [one.path for one in requests if one.path.startswith("/v3.1/businesses/")]
        assert len(set(details[:40])) == len(set(details)) == 40
        assert len(details) <= 40 * (1 + inferring)
        assert sum(one.path == "/v3.1/businesses" for one in requests) == 1


def test_the_businesses_without_a_subscription_are_not_asked_and_fail_alone(two: Two) -> None:
    ended = [two.box.businesses[number] for number in ENDED]
    for output, requests in ((two.first, two.first_requests), (two.second, two.second_requests)):
        assert {one.business for one in requests if one.list != "businesses"}.isdisjoint({one.id for one in ended})
        told = [error["message"] for error in output.errors]
        assert len(told) == len(ended) + 1  # one each, and the end of the sync
        for company in ended:
            assert sum(message.startswith(f"{company.name} ({company.id}) has no active") for message in told) == 1
            assert company.id in told[-1]
        assert told[-1].endswith("Everything else was read and is saved.")
        assert {error["failure_type"] for error in output.errors} == {"config_error"}
        assert {output.statuses(name)[-1] for name in two.names} == {"INCOMPLETE"}


def test_the_state_of_every_other_business_is_kept(two: Two) -> None:
    for output in (two.first, two.second):
        places = output.place("contacts")
        assert set(places) == {one.id for one in alive(two.box) if may_read(resources()["contacts"], one)}
        assert all("watermark" in place for place in places.values())


def test_a_second_sync_is_incremental_for_each_business(two: Two) -> None:
    readable = [one.id for one in alive(two.box) if may_read(resources()["contacts"], one)]
    assert rows_by_business(two.second, "contacts") == {one: {two.edited[one]} for one in readable}
    by_id = {company.id: company for company in two.box.businesses}
    asked = [
        one
        for one in two.second_requests
        if one.list in ("contacts", "ledger_entries", "sales_invoices")
        and may_read(resources()[one.list], by_id[one.business])
    ]
    assert len({one.business for one in asked}) == len(alive(two.box))
    assert [one.path for one in asked if not {"updated_or_created_since", "deleted_since"} & one.params.keys()] == []


def test_the_report_explains_each_business(two: Two) -> None:
    for output in (two.first, two.second):
        (block,) = [line for line in output.log("INFO") if line.startswith("Sync report")]
        sections = {section.partition("\n")[0]: section for section in block.split("\n\n")}
        for number, company in enumerate(two.box.businesses):
            section = sections[f"{company.name} ({company.id})".removeprefix("Sync report\n")] if number else block
            if number in ENDED:
                assert "FAILED, all" in section and "has no active Sage subscription" in section
            for name in two.names:
                if company.subscription_active and not may_read(resources()[name], company):
                    assert name in section.partition("skipped (")[2], (company.name, name)
        assert max(map(len, block.splitlines())) <= 130
        assert block.splitlines()[-2].startswith("all: 40 businesses")


def test_the_report_of_forty_businesses_stays_readable(two: Two) -> None:
    lengths = []
    for output in (two.first, two.second):
        (block,) = [line for line in output.log("INFO") if line.startswith("Sync report")]
        lengths.append(len(block.splitlines()))
    assert max(lengths) < 40 * 24


# Few streams, few businesses


@pytest.fixture
def three(streams: dict[str, Message]) -> Iterator[tuple[Sandbox, dict[str, Any]]]:
    with Sandbox(size="tiny", seed=3, businesses=3, token_life=3_600) as box:
        yield box, catalog_of(streams.values(), FEW)


def ids(companies: Iterable[Company]) -> str:
    return ",".join(company.id for company in companies)


def businesses_of(output: Output, stream: str) -> set[str]:
    return {row["business_id"] for row in output.rows(stream)}


def test_an_unknown_id_among_several_fails_alone(three: tuple[Sandbox, dict[str, Any]]) -> None:
    box, catalog = three
    first, second, third = box.businesses
    unknown = "0" * 32
    output = run("read", box.config(account_id=f"{second.id}, {unknown}, {first.id}"), catalog=catalog)
    assert businesses_of(output, "contacts") == {first.id, second.id}
    assert set(output.place("contacts")) == {first.id, second.id}
    own, end = [error["message"] for error in output.errors]
    assert own.startswith(f"Account ID {unknown} is not among the businesses of this sign-in.")
    assert all(company.name in own and company.id in own for company in box.businesses)
    assert own in end
    assert output.statuses("contacts") == ["STARTED", "RUNNING", "INCOMPLETE"]
    assert third.id not in {one.business for one in box.requests}


def test_unknown_ids_alone_end_the_read_at_once(three: tuple[Sandbox, dict[str, Any]]) -> None:
    box, catalog = three
    output = run("read", box.config(account_id="b1,b2"), catalog=catalog)
    (error,) = output.errors
    assert error["failure_type"] == "config_error" and "Account ID b1, b2 are not among" in error["message"]
    assert {one.list for one in box.requests} == {"businesses"}


def test_the_only_business_without_a_subscription_ends_every_stream_incomplete(streams: dict[str, Message]) -> None:
    with Sandbox(size="tiny", businesses=[{"active": False}]) as box:
        output = run("read", box.config(), catalog=catalog_of(streams.values(), FEW))
        assert {one.list for one in box.requests} == {"businesses"}
        assert [output.statuses(name) for name in FEW] == [["STARTED", "INCOMPLETE"]] * len(FEW)
        own, end = [error["message"] for error in output.errors]
        assert "has no active Sage subscription" in own and own in end
        assert "Everything else" not in end
        assert output.state == []


def test_order_and_repeats_of_ids_do_not_matter(three: tuple[Sandbox, dict[str, Any]]) -> None:
    box, catalog = three
    first, second, _ = box.businesses
    typed = f" {second.id},{first.id} ,{second.id},"
    output = run("read", box.config(account_id=typed), catalog=catalog)
    assert output.failure is None
    assert rows_by_business(output, "contacts") == {one.id: truth(one, "contacts") for one in (first, second)}
    assert len(output.rows("contacts")) == sum(len(truth(one, "contacts")) for one in (first, second))


def test_a_business_added_later_starts_its_own_history_and_a_removed_one_stops(
    three: tuple[Sandbox, dict[str, Any]],
) -> None:
    box, catalog = three
    first, second, third = box.businesses
    destination = Destination(catalog)

    def sync(account_id: str) -> Output:
        destination.begin()
        box.clear_requests()
        output = run(
            "read", box.config(account_id=account_id), catalog=catalog, state=destination.saved(), seen=destination.take
        )
        assert output.failure is None
        return output

    def filtered(company: Company) -> bool:
        asked = [one for one in box.requests if one.list == "contacts" and one.business == company.id]
        assert asked
        return all({"updated_or_created_since", "deleted_since"} & one.params.keys() for one in asked)

    sync(ids([first, second]))
    sync("all")
    assert (filtered(first), filtered(second), filtered(third)) == (True, True, False)
    gone = third.rows("contacts")[0]["id"]
    output = sync(ids([first, second]))
    assert third.id not in {one.business for one in box.requests}
    # Its place stays: were it dropped, a later return would not ask for what was deleted meanwhile.
    assert set(output.place("contacts")) == {first.id, second.id, third.id}
    third.delete("contacts", gone)
    third.update("contacts", third.rows("contacts")[0]["id"])
    sync("all")
    assert filtered(third)
    expected = {(company.id, key) for company in box.businesses for key in truth(company, "contacts")}
    assert {(row["business_id"], row["id"]) for row in destination.rows("contacts")} == expected


def test_a_business_that_refuses_everything_fails_alone_though_nothing_told_so(
    three: tuple[Sandbox, dict[str, Any]],
) -> None:
    box, catalog = three
    first, second, _ = box.businesses
    second.subscription_status = "expired"  # beside `active: true`, as in Sage's own sample
    body = [{"$severity": "error", "$dataCode": "AuthorizationFailure", "$message": "No active subscription. (MSE)"}]
    refusal = faults.status(401, body)
    own = lambda call: call.company is second and call.list != "businesses"  # noqa: E731
    box.faults.add(refusal, when=own)
    output = run("read", box.config(), catalog=catalog)
    own_error, end = output.errors
    assert own_error["message"].startswith(f"Sage gives nothing that was selected of {second.name} ({second.id}).")
    assert "HTTP 401 AuthorizationFailure" in end["message"]
    assert {output.statuses(name)[-1] for name in FEW} == {"INCOMPLETE"}
    assert second.id not in output.place("contacts") and first.id in output.place("contacts")
    assert box.tokens.refreshes == 0


def test_a_list_that_one_business_refuses_leaves_the_stream_complete(three: tuple[Sandbox, dict[str, Any]]) -> None:
    box, catalog = three
    box.businesses[1].roles["Sales"] = "No Access"
    output = run("read", box.config(), catalog=catalog)
    assert output.failure is None
    assert {output.statuses(name)[-1] for name in FEW} == {"COMPLETE"}
    assert businesses_of(output, "sales_invoices") == {box.businesses[0].id, box.businesses[2].id}


def test_the_lines_of_a_list_that_is_refused_are_skipped_with_it(streams: dict[str, Message]) -> None:
    names = ("sales_invoices", "sales_invoice_lines", "payment_allocations", "contacts")
    with Sandbox(size="tiny", seed=3, businesses=[{}, {"roles": {"Sales": "No Access", "Bank": "No Access"}}]) as box:
        whole, part = box.businesses
        output = run("read", box.config(), catalog=catalog_of(streams.values(), names))
        assert output.failure is None
        assert {output.statuses(name)[-1] for name in names} == {"COMPLETE"}
        assert "sales_invoices" not in {one.list for one in box.requests if one.business == part.id}
        told = [line for line in output.log("WARN") if part.name in line]
        assert sum("sales_invoice_lines" in line and "sales_invoices" in line for line in told) == 1
        assert businesses_of(output, "sales_invoice_lines") == {whole.id}
        (block,) = [line for line in output.log("INFO") if line.startswith("Sync report")]
        section = next(one for one in block.split("\n\n") if f"{part.name} ({part.id})\n" in one)
        assert (
            "skipped (the person who signed in has no access to Sales): sales_invoice_lines, sales_invoices" in section
        )


def test_lines_alone_of_a_list_that_is_refused_fail_the_sync(streams: dict[str, Message]) -> None:
    with Sandbox(size="tiny", businesses=[{"roles": {"Sales": "No Access"}}]) as box:
        output = run("read", box.config(), catalog=catalog_of(streams.values(), ["sales_invoice_lines"]))
        assert {one.list for one in box.requests} == {"businesses"}
        assert output.statuses("sales_invoice_lines") == ["STARTED", "INCOMPLETE"]
        assert "has no access to Sales" in output.errors[-1]["message"]


def test_all_selected_streams_refused_beforehand_fail_the_sync_with_the_reasons(
    streams: dict[str, Message],
) -> None:
    with Sandbox(size="tiny", plan="Start", country="IE") as box:
        output = run("read", box.config(), catalog=catalog_of(streams.values(), ["stock_items", "cis_settings"]))
        assert {one.list for one in box.requests} == {"businesses"}
        own, end = [error["message"] for error in output.errors]
        assert "stock_items: the plan Start does not include it. Sage offers it with Plus" in own
        assert "cis_settings: Sage does not offer it in Ireland. It exists in the United Kingdom alone" in own
        assert own in end
        assert {output.statuses(name)[-1] for name in ("stock_items", "cis_settings")} == {"INCOMPLETE"}


def test_no_list_is_left_out_without_a_clear_word_of_sages(streams: dict[str, Message]) -> None:
    doubts = [{"plan_id": "MICRO"}, {"tells_roles": False}, {"roles": dict.fromkeys(("Bank", "Sales"), "Approver")}]
    with Sandbox(size="tiny", businesses=doubts, plan="Start", country="IE", enforce_roles=False) as box:
        run(
            "read", box.config(), catalog=catalog_of(streams.values(), ["stock_items", "bank_accounts", "sales_quotes"])
        )
        asked = {(one.business, one.list) for one in box.requests}
        unknown_plan, *others = box.businesses
        assert (unknown_plan.id, "stock_items") in asked
        assert [one for one in others if (one.id, "stock_items") in asked] == []
        expected = {(one.id, name) for one in box.businesses for name in ("bank_accounts", "sales_quotes")}
        assert expected <= asked


def test_details_that_cannot_be_had_cost_no_stream(three: tuple[Sandbox, dict[str, Any]]) -> None:
    box, catalog = three
    first, second, third = box.businesses
    box.faults.add(faults.status(404), path=f"*/businesses/{first.id}")
    box.faults.add(faults.status(400), path=f"*/businesses/{second.id}")
    box.faults.add(faults.wrong_business(), path=f"*/businesses/{third.id}")
    output = run("read", box.config(), catalog=catalog, clock=SandboxClock(box))
    assert output.failure is None
    assert businesses_of(output, "contacts") == {company.id for company in box.businesses}


def test_an_answer_for_another_business_never_leaves_the_connector(
    three: tuple[Sandbox, dict[str, Any]],
) -> None:
    box, catalog = three
    first, second, third = box.businesses
    box.faults.add(
        faults.wrong_business(first.id), path="*/contacts", when=lambda call: call.company is second and call.page == 1
    )
    output = run("read", box.config(), catalog=catalog)
    assert businesses_of(output, "contacts") == {first.id, third.id}
    assert set(output.place("contacts")) == {first.id, third.id}
    own, _ = output.errors
    assert own["failure_type"] == "system_error"
    assert first.id in own["message"] and second.id in own["message"]
    assert output.statuses("contacts")[-1] == "INCOMPLETE"
    assert output.statuses("countries")[-1] == "COMPLETE"


@pytest.mark.parametrize("name", ["contacts", "journals", "business_settings", "exchange_rates", "trial_balance"])
def test_the_echo_is_checked_on_every_kind_of_answer(box: Sandbox, streams: dict[str, Message], name: str) -> None:
    box.faults.add(faults.wrong_business(), path=f"*/{name}")
    try:
        output = run("read", box.config(), catalog=catalog_of(streams.values(), [name]))
    finally:
        box.faults.clear()
    assert output.rows(name) == []
    assert "Nothing of that answer was passed on" in output.errors[0]["message"]


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-10:00"])
def test_a_moment_outside_the_calendar_in_the_state_is_told(
    box: Sandbox, streams: dict[str, Message], moment: str
) -> None:
    state = {"version": 1, "businesses": {box.businesses[0].id: {"watermark": moment}}}
    saved = [{"type": "STREAM", "stream": {"stream_descriptor": {"name": "contacts"}, "stream_state": state}}]
    output = run("read", box.config(), catalog=catalog_of(streams.values(), ["contacts"]), state=saved)
    error, last = output.errors  # the stream's own, and how the run ended
    assert error["failure_type"] == last["failure_type"] == "config_error"
    assert error["message"].startswith("The saved state of stream contacts cannot be read")


class Hurried(Clock):
    """Runs a thousand times as fast."""

    def monotonic(self) -> float:
        """Seconds of a fast clock."""
        return super().monotonic() * 1_000


def test_a_long_sync_tells_now_and_then_how_far_it_is(streams: dict[str, Message]) -> None:
    with Sandbox(size="small", seed=4, latency=0.02, token_life=10_000_000) as box:
        catalog = catalog_of(streams.values(), ["ledger_entries", "transactions", "countries"])
        began = time.monotonic()
        output = run("read", box.config(num_workers=1), catalog=catalog, clock=Hurried())
        lines = [line for line in output.log("INFO") if " rows so far, " in line]
        assert 1 <= len(lines) <= (time.monotonic() - began) * 1_000 / 30
        name = f"{box.businesses[0].name} ({box.businesses[0].id})"
        pages = re.findall(rf"In work: (\w+) of {re.escape(name)}, page ([\d,]+) of ([\d,]+)", " ".join(lines))
        assert {list_name for list_name, _, _ in pages} & {"ledger_entries", "transactions"}
        assert all(int(page) <= int(of) for _, page, of in pages)


# Names and ids of strangers

EVIL = "\x1b]0;owned\x07\x1b[2J\u202edtL"
SHOWN = "\\x1b]0;owned\\x07\\x1b[2J\\u202edtL"


def test_a_name_that_would_do_something_to_a_terminal_is_written_out(streams: dict[str, Message]) -> None:
    with Sandbox(size="tiny", seed=3, businesses=2) as box:
        box.businesses[0].name = EVIL
        checked = run("check", box.config(account_id="all"))
        read = run(
            "read", box.config(account_id="all"), catalog=catalog_of(streams.values(), ["contacts", "cis_settings"])
        )
        refused = run("check", box.config(account_id=""))
        said = [checked.status["message"], refused.status["message"], *read.log("INFO"), *read.log("WARN")]
        assert sum(SHOWN in one for one in said) >= 3
        assert not [one for one in said if "\x1b" in one or "\u202e" in one]


@pytest.mark.parametrize(
    "key", ["../../other?x=1#", "a\r\nX-Business: b", "\u0430" * 32, "x" * 65, "", None, 7, ["a"], {"a": 1}]
)
def test_a_business_id_that_is_none_is_never_asked_for(key: Any) -> None:
    with Sandbox(size="tiny", seed=3) as box:
        (good,) = box.businesses
        items = [{"id": key, "displayed_as": "Evil"}, {"id": good.id, "displayed_as": {"a": 1}}, 7, None]
        box.faults.add(
            faults.status(200, {"$items": items, "$total": 4, "$page": 1, "$itemsPerPage": 500}), path="*/businesses"
        )
        checked = run("check", box.config(account_id="all"))
        assert checked.status["status"] == "SUCCEEDED" and "Evil" not in checked.status["message"]
        assert any("an id that is none" in one for one in checked.log("WARN"))
        assert {one.business for one in box.requests if one.business} == {good.id}
