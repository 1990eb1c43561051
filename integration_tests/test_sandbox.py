"""The sandbox behaves like Sage, and its books balance. Real HTTP over loopback."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from integration_tests.sandbox import Company, Sandbox, faults
from integration_tests.sandbox.books import copies
from integration_tests.sandbox.wire.facts import resources

LISTS = sorted(name for name, r in resources().items() if r.is_list)


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    """A sandbox whose data the tests do not change."""
    with Sandbox(size="small", seed=3, businesses=2, enforce_availability=False) as sandbox:
        yield sandbox


@pytest.fixture
def fresh() -> Iterator[Sandbox]:
    """A small sandbox of the test's own."""
    with Sandbox(size="tiny", seed=5) as sandbox:
        yield sandbox


def get(box: Sandbox, path: str, business: str | None = None, **params: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {box.config()['access_token']}"}
    if business:
        headers["X-Business"] = business
    return requests.get(f"{box.url}{path}", headers=headers, params=params, timeout=10)


def items(box: Sandbox, path: str, **params: Any) -> list[dict[str, Any]]:
    answer = get(box, path, **params)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["$items"]
    return found


def everything(box: Sandbox, name: str, **params: Any) -> list[dict[str, Any]]:
    """All pages of a list."""
    rows: list[dict[str, Any]] = []
    page = 1
    while True:
        body = get(box, f"/{name}", page=page, items_per_page=200, **params).json()
        rows += body["$items"]
        if body["$next"] is None:
            return rows
        page += 1


def assert_books_balance(company: Company) -> None:
    """The invariants that must hold whatever was done."""
    sums: dict[tuple[str, bool], Decimal] = defaultdict(Decimal)
    accounts: dict[str, Decimal] = defaultdict(Decimal)
    deleted_transactions = {t["id"] for t in company.rows("transactions") if t["deleted"]}
    for entry in company.rows("ledger_entries"):
        amount = Decimal(entry["debit"]) - Decimal(entry["credit"])
        sums[entry["transaction"]["id"], entry["deleted"]] += amount
        if entry["transaction"]["id"] in deleted_transactions:
            assert entry["deleted"]
        if not entry["deleted"]:
            accounts[entry["ledger_account"]["id"]] += amount
    assert not {key: total for key, total in sums.items() if total}

    def control(name: str) -> Decimal:
        return accounts[company.chart.controls[name].key]

    assert control("RECEIVABLES") == open_amounts(company, "sales")
    assert -control("PAYABLES") == open_amounts(company, "purchase")
    for bank in company.rows("bank_accounts"):
        assert Decimal(bank["balance"]) == accounts[bank["ledger_account"]["id"]], bank["displayed_as"]


def open_amounts(company: Company, side: str) -> Decimal:
    """What is owed by (or to) contacts, out of the documents alone."""
    total = Decimal(0)
    for name in (f"{side}_invoices", f"{side}_credit_notes", f"{side}_quick_entries"):
        for row in company.rows(name):
            credit = "credit" in name or row.get("quick_entry_type", {}).get("id") == "CREDIT_NOTE"
            if row["status"]["id"] != "DRAFT":
                total += Decimal(row["base_currency_outstanding_amount"]) * (-1 if credit else 1)
    kinds = {"sales": "CUSTOMER_RECEIPT", "purchase": "VENDOR_PAYMENT"}
    for payment in company.rows("contact_payments"):
        on_account = payment["payment_on_account"]
        if on_account and payment["transaction_type"]["id"] == kinds[side]:
            total -= Decimal(on_account["base_currency_outstanding_amount"])
    return total


@pytest.mark.parametrize(("size", "plan", "country"), [("small", "Plus", "GB"), ("tiny", "Standard", "IE")])
def test_the_books_balance(size: str, plan: str, country: str) -> None:
    for company in Sandbox(size=size, seed=11, plan=plan, country=country).businesses:
        assert_books_balance(company)


def test_documents_tie_to_lines_payments_and_ledger(box: Sandbox) -> None:
    company = box.businesses[0]
    posted: dict[str, Decimal] = defaultdict(Decimal)
    control = {company.chart.controls[n].key for n in ("RECEIVABLES", "PAYABLES")}
    for entry in company.rows("ledger_entries"):
        if not entry["deleted"] and entry["ledger_account"]["id"] in control:
            posted[entry["transaction"]["id"]] += Decimal(entry["debit"]) + Decimal(entry["credit"])
    foreign = voided = carried = 0
    for name, lines in (
        ("sales_invoices", "invoice_lines"),
        ("sales_credit_notes", "credit_note_lines"),
        ("purchase_invoices", "invoice_lines"),
        ("purchase_credit_notes", "credit_note_lines"),
    ):
        for row in everything(box, name, attributes="all", show_payments_allocations="true"):
            for before, amount in (("", "net"), ("", "tax"), ("", "total"), ("base_currency_", "total")):
                field = f"{before}{amount}_amount"
                carriage = Decimal(row.get(f"{before}shipping_{amount}_amount", 0))
                assert sum(Decimal(line[field]) for line in row[lines]) + carriage == Decimal(row[field])
                carried += carriage > 0
            assert Decimal(row["net_amount"]) + Decimal(row["tax_amount"]) == Decimal(row["total_amount"])
            status = row["status"]["id"]
            if status in {"VOID", "DRAFT"}:
                voided += status == "VOID"
                continue
            paid = sum(Decimal(p["amount"]) for p in row["payments_allocations"])
            assert Decimal(row["outstanding_amount"]) == Decimal(row["total_amount"]) - paid
            assert Decimal(row["total_paid"]) == paid
            assert posted[row["transaction"]["id"]] == Decimal(row["base_currency_total_amount"])
            foreign += row["currency"]["id"] != "GBP"
    assert foreign > 3
    assert voided
    assert carried


def test_the_trial_balance_adds_up(box: Sandbox) -> None:
    report = get(box, "/trial_balance", from_date="2000-01-01", to_date="2100-01-01").json()
    totals = {
        side: sum(Decimal(a["closing_balance"][side]) for a in report["ledger_accounts"])
        for side in ("debit", "credit")
    }
    assert totals["debit"] == totals["credit"] > 0
    live = [e for e in box.businesses[0].rows("ledger_entries") if not e["deleted"]]
    assert sum(Decimal(a["debit"]) for a in report["ledger_accounts"]) == sum(Decimal(e["debit"]) for e in live)
    assert get(box, "/trial_balance").status_code == 400


@pytest.mark.parametrize("name", [n for n in LISTS if n != "businesses"])
def test_every_list_has_whole_rows(box: Sandbox, name: str) -> None:
    row = items(box, f"/{name}", attributes="all", items_per_page=1)[0]
    optional = {"deleted_at", "payments_allocations", "balance_details", "recurring_invoice", "corrections", "file"}
    if name == "contacts":
        optional.add("balance")
    assert set(resources()[name].fields) - optional <= set(row)
    brief = items(box, f"/{name}")[0]
    assert set(brief) <= {"id", "displayed_as", "$path"}
    assert "id" in brief or name.endswith("exchange_rates")


def test_settings_objects_and_user(box: Sandbox) -> None:
    for name in ("business_settings", "cis_settings", "financial_settings", "invoice_settings", "user"):
        body = get(box, f"/{name}").json()
        assert set(resources()[name].fields) <= set(body), name
    assert get(box, "/financial_settings").json()["mtd_authenticated_date"] == ""


def test_the_untidy_values(box: Sandbox) -> None:
    assert items(box, "/stock_items", attributes="all")[0]["weight"] == 0
    assert isinstance(items(box, "/transactions", attributes="all")[0]["audit_trail_id"], int)
    movement = items(box, "/stock_movements", attributes="all")[0]
    assert isinstance(movement["movement_number"], int)
    assert movement["date"].endswith("T00:00:00.000Z")
    assert "quantity_in_stock" in movement["stock_item"]
    kinds = {row["catalog_item_type"]["id"] for row in everything(box, "products", attributes="all")}
    assert kinds == {"PRODUCT", "STOCK_ITEM"}
    assert "ui_visible" in items(box, "/ledger_accounts", attributes="all")[0]
    assert isinstance(
        items(box, "/journals", attributes="all")[0]["journal_lines"][0]["journal_line_foreign_currency"], dict
    )
    assert any(row["last_paid"] == "" for row in everything(box, "purchase_invoices", attributes="all"))
    assert len(items(box, "/attachments")[0]["id"]) == 36
    allocation = items(box, "/contact_allocations", attributes="all")[0]
    assert sum(Decimal(part["amount"]) for part in allocation["allocated_artefacts"]) == 0


def test_the_envelope(box: Sandbox) -> None:
    body = get(box, "/ledger_entries").json()
    assert list(body) == ["$total", "$page", "$next", "$back", "$itemsPerPage", "$items"]
    assert (body["$page"], body["$itemsPerPage"], len(body["$items"]), body["$back"]) == (1, 20, 20, None)
    assert body["$next"].startswith("/ledger_entries?page=2&items_per_page=20")
    total = body["$total"]
    last = get(box, "/ledger_entries", page=-(-total // 200), items_per_page=200).json()
    beyond = get(box, "/ledger_entries", page=999, items_per_page=200).json()
    assert beyond["$items"] == last["$items"]
    assert beyond["$page"] == last["$page"]
    assert beyond["$next"] is None
    assert box.requests[-1].past_end
    assert len({row["id"] for row in everything(box, "ledger_entries")}) == total
    assert get(box, "/ledger_entries", items_per_page=201).status_code == 400
    named = items(box, "/contacts", attributes="name,credit_days", items_per_page=1)[0]
    assert set(named) == {"id", "displayed_as", "$path", "name", "credit_days"}


def test_businesses_have_an_envelope_of_their_own(box: Sandbox) -> None:
    body = get(box, "/businesses").json()
    assert (body["$items_per_page"], body["$total"]) == (25, 2)
    assert "X-Business" not in get(box, "/businesses").headers
    row = get(box, f"/businesses/{box.businesses[1].id}").json()
    assert row["subscriptions"][0] == row["subscriptions"][0] | {"id": "ACCOUNTING", "active": True}
    assert row["country"]["id"] == "GB"
    assert get(box, "/businesses/lead").json()["id"] == box.businesses[0].id
    assert get(box, "/businesses", items_per_page=20).status_code == 400


def test_filters_and_their_edges(fresh: Sandbox) -> None:
    company = fresh.businesses[0]
    stamp = max(row["updated_at"] for row in company.rows("contacts"))
    since = items(fresh, "/contacts", updated_or_created_since=stamp, items_per_page=200)
    assert since, "updated_or_created_since counts its own instant"
    fresh.clock.advance(60)
    key = company.create("contacts", name="New one")
    later = company.row_of("contacts", key)["updated_at"]
    assert [r["id"] for r in items(fresh, "/contacts", updated_or_created_since=later)] == [key]
    company.delete("contacts", key)
    gone = company.tombstones("contacts")[0]["deleted_at"]
    assert items(fresh, "/contacts", deleted_since=gone) == [], "deleted_since does not count its own instant"
    (stone,) = items(fresh, "/contacts", deleted_since="2020-01-01T00:00:00Z", attributes="all")
    assert set(stone) == {"id", "displayed_as", "$path", "deleted_at"}
    assert "deleted_at" not in items(fresh, "/contacts", deleted_since="2020-01-01")[0]
    fresh.settings.tombstones_with_deleted_at = False
    assert "deleted_at" not in items(fresh, "/contacts", deleted_since="2020-01-01", attributes="all")[0]
    assert get(fresh, "/contacts", updated_or_created_since="last week").status_code == 400
    assert get(fresh, "/attachments", deleted_since="2019-06-11").status_code == 400
    day = company.rows("sales_invoices")[3]["date"]
    found = items(fresh, "/sales_invoices", from_date=day, to_date=day, attributes="date")
    assert {row["date"] for row in found} == {day}
    assert len(items(fresh, "/contacts", from_date="2099-01-01")) == 20, "contacts have no from_date"


def test_manners_that_are_not_known_of_sage(fresh: Sandbox) -> None:
    company = fresh.businesses[0]
    fresh.settings.total_cap = 30
    assert get(fresh, "/ledger_entries").json()["$total"] == 30
    fresh.settings.total_goes_missing = True
    body = get(fresh, "/ledger_entries").json()
    assert "$total" not in body
    assert body["$next"]
    day = company.rows("sales_invoices")[3]["date"]
    fresh.settings.dates_inclusive = False
    assert items(fresh, "/sales_invoices", from_date=day, to_date=day) == []
    company.delete("contacts", company.rows("contacts")[0]["id"])
    gone = company.tombstones("contacts")[0]["deleted_at"]
    fresh.settings.deleted_since_inclusive = True
    assert len(items(fresh, "/contacts", deleted_since=gone)) == 1
    fresh.settings.date_header_ahead = -600
    told = parsedate_to_datetime(get(fresh, "/contacts").headers["Date"]).timestamp()
    assert -602 < told - fresh.clock.now() < -598
    fresh.settings.date_header_ahead = None
    assert "Date" not in get(fresh, "/contacts").headers


def test_order(fresh: Sandbox) -> None:
    dates = [r["date"] for r in items(fresh, "/sales_invoices", sort="date:desc", attributes="date")]
    assert dates == sorted(dates, reverse=True)
    for order in ("updated:desc", "name:asc", "date:asc", "random"):
        fresh.settings.default_order = order
        rows = items(fresh, "/transactions", attributes="all", items_per_page=200)
        assert rows == items(fresh, "/transactions", attributes="all", items_per_page=200)
        if order == "updated:desc":
            assert rows == sorted(rows, key=lambda r: str(r["updated_at"]), reverse=True)
    ignored = items(fresh, "/transactions", sort="created_at:desc", items_per_page=200)
    assert [r["id"] for r in ignored] == [r["id"] for r in rows], "transactions cannot be sorted"


def test_oauth_as_in_the_owners_guide(fresh: Sandbox) -> None:
    config, uri = fresh.config(), "http://localhost:8888/callback"
    asked = {"response_type": "code", "client_id": config["client_id"], "redirect_uri": uri, "state": "s 1&2"}
    consent = requests.get(f"{fresh.root}/oauth/authorize", params=asked, timeout=30).text
    assert "Allow" in consent
    assert fresh.businesses[0].name.replace("&", "&amp;") in consent
    denied = _decide(fresh, {**asked, "decision": "deny"})
    assert denied["error"] == ["access_denied"]
    location = requests.get(
        f"{fresh.root}/oauth/authorize", params={**asked, "auto_approve": "1"}, timeout=30, allow_redirects=False
    ).headers["location"]
    assert "code=GB%2F" in location
    allowed = _decide(fresh, {**asked, "decision": "allow"})
    assert allowed["state"] == ["s 1&2"]
    identity = {k: config[k] for k in ("client_id", "client_secret")}
    exchange = {"grant_type": "authorization_code", "code": allowed["code"][0], "redirect_uri": uri, **identity}
    assert _token(fresh, {**exchange, "client_secret": "wrong"}) == (400, {"error": "invalid_client"})
    status, first = _token(fresh, exchange)
    assert status == 200
    assert (first["token_type"], first["expires_in"], first["refresh_token_expires_in"]) == ("bearer", 300, 2678400)
    assert _token(fresh, exchange) == (400, {"error": "invalid_grant"}), "a code works once"
    refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"], **identity}
    status, second = _token(fresh, refresh)
    assert status == 200
    assert _token(fresh, refresh) == (400, {"error": "invalid_grant"}), "a refresh token works once"
    headers = {"Authorization": f"Bearer {second['access_token']}"}
    assert requests.get(f"{fresh.url}/user", headers=headers, timeout=30).status_code == 200
    fresh.clock.advance(301)
    expired = requests.get(f"{fresh.url}/user", headers=headers, timeout=30)
    assert expired.status_code == 401
    assert set(expired.json()[0]) == {"$severity", "$dataCode", "$message", "$source"}
    revoke = {"token": second["refresh_token"], **identity}
    assert requests.post(f"{fresh.root}/oauth/revoke", data=revoke, timeout=30).json() == {"success": "ok"}
    assert _token(fresh, {**refresh, "refresh_token": second["refresh_token"]})[0] == 400


def test_codes_die_and_redirects_must_match(fresh: Sandbox) -> None:
    config = fresh.config()
    asked = {"response_type": "code", "client_id": config["client_id"], "redirect_uri": "http://localhost/cb"}
    exchange = {"grant_type": "authorization_code", "client_id": config["client_id"]}
    exchange |= {"client_secret": config["client_secret"], "redirect_uri": "http://localhost/cb"}
    late = _decide(fresh, {**asked, "decision": "allow"})["code"][0]
    fresh.clock.advance(61)
    assert _token(fresh, {**exchange, "code": late}) == (400, {"error": "invalid_grant"})
    code = _decide(fresh, {**asked, "decision": "allow"})["code"][0]
    other = {**exchange, "code": code, "redirect_uri": "http://localhost/other"}
    assert _token(fresh, other) == (400, {"error": "invalid_grant"})


def _decide(box: Sandbox, form: dict[str, str]) -> dict[str, list[str]]:
    answer = requests.post(f"{box.root}/oauth/authorize", data=form, timeout=30, allow_redirects=False)
    return parse_qs(urlsplit(answer.headers["location"]).query)


def _token(box: Sandbox, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
    answer = requests.post(f"{box.root}/oauth/token", data=form, timeout=30)
    return answer.status_code, answer.json()


def test_businesses_are_kept_apart(box: Sandbox) -> None:
    one, other = box.businesses
    assert get(box, "/contacts", one.id).headers["X-Business"] == one.id
    assert get(box, "/contacts").headers["X-Business"] == one.id
    theirs = {row["id"] for row in get(box, "/contacts", other.id, items_per_page=200).json()["$items"]}
    assert not theirs & {row["id"] for row in one.rows("contacts")}
    assert [r["id"] for r in one.rows("tax_rates")] == [r["id"] for r in other.rows("tax_rates")]
    assert get(box, "/contacts", "f" * 32).status_code == 404
    box.settings.foreign_business_answer, box.settings.business_required = 403, True
    try:
        assert get(box, "/contacts", "f" * 32).status_code == 403
        assert get(box, "/contacts").status_code == 401
    finally:
        box.settings.foreign_business_answer, box.settings.business_required = 404, False
    assert get(box, "/no_such_list").status_code == 404
    assert get(box, "/contacts/nobody").status_code == 404
    assert requests.post(f"{box.url}/contacts", json={}, timeout=30).status_code == 405
    key = one.rows("contacts")[0]["id"]
    assert get(box, f"/contacts/{key}").json() == one.row_of("contacts", key)


def test_plan_role_and_subscription(fresh: Sandbox) -> None:
    company = fresh.businesses[0]
    company.plan = "Start"
    refused = get(fresh, "/stock_items")
    assert (refused.status_code, refused.json()[0]["$dataCode"]) == (401, "AuthorizationFailure")
    fresh.settings.restricted_answer = "empty"
    assert items(fresh, "/stock_items") == []
    company.roles["Journals"] = "No Access"
    refused = get(fresh, "/ledger_entries")
    assert (refused.status_code, refused.json()[0]["$dataCode"]) == (403, "MultiUserAccessDenied")
    company.roles["Contacts"] = "Read Only"
    assert get(fresh, "/contacts").status_code == 200
    assert get(fresh, "/contact_allocations").status_code == 403
    company.subscription_active = False
    assert get(fresh, "/contacts").json()[0]["$message"] == "No active subscription. (MSE)"
    assert get(fresh, f"/businesses/{company.id}").json()["subscriptions"][0]["active"] is False


def test_limits(fresh: Sandbox) -> None:
    fresh.settings.rate_limit = 3
    answers = [get(fresh, "/contacts") for _ in range(4)]
    assert [a.status_code for a in answers] == [200, 200, 200, 429]
    assert 55 <= int(answers[-1].headers["Retry-After"]) <= 60
    fresh.settings.retry_after = "absent"
    assert "Retry-After" not in get(fresh, "/contacts").headers
    fresh.settings.retry_after = "http-date"
    assert get(fresh, "/contacts").headers["Retry-After"].endswith("GMT")
    fresh.clock.advance(61)
    assert get(fresh, "/contacts").status_code == 200
    fresh.settings.rate_limit, fresh.settings.max_concurrent = None, 0
    assert get(fresh, "/contacts").status_code == 429


def test_faults_as_a_client_sees_them(fresh: Sandbox) -> None:
    def once(action: faults.Action) -> requests.Response:
        fresh.faults.clear()
        fresh.faults.add(action, path="*/contacts", times=1)
        return get(fresh, "/contacts")

    with pytest.raises(requests.ConnectionError):
        once(faults.drop())
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        once(faults.cut())
    assert once(faults.status(503, [{"$message": "later"}])).status_code == 503
    assert once(faults.html()).headers["Content-Type"].startswith("text/html")
    assert once(faults.empty()).content == b""
    with pytest.raises(requests.JSONDecodeError):
        once(faults.broken_json()).json()
    with pytest.raises(requests.JSONDecodeError):
        once(faults.truncated_json()).json()
    with pytest.raises(requests.RequestException, match="reset"):
        once(faults.cut(0.5, reset=True))
    first = items(fresh, "/contacts")[0]
    odd = once(faults.odd_item(first["id"], b'"odd"')).json()
    assert (odd["$items"][0], len(odd["$items"])) == ("odd", 20)
    assert once(faults.wrong_business()).headers["X-Business"] == "0" * 32
    begun = time.monotonic()
    assert once(faults.hang(0.15)).status_code == 200
    assert time.monotonic() - begun >= 0.15
    fresh.faults.clear()
    fresh.faults.add(faults.heavy(50))
    assert get(fresh, "/contacts", items_per_page=200).status_code == 504
    assert get(fresh, "/contacts", items_per_page=50).status_code == 200
    fresh.faults.clear()
    fresh.faults.add(faults.status(500), nth=2)
    assert [get(fresh, "/contacts").status_code for _ in range(3)] == [200, 500, 200]


def test_a_lost_token_answer_spends_the_token(fresh: Sandbox) -> None:
    config = fresh.config()
    form = {k: config[k] for k in ("client_id", "client_secret", "refresh_token")} | {"grant_type": "refresh_token"}
    fresh.faults.add(faults.lost_answer(), path="/oauth/token", times=1)
    with pytest.raises(requests.ConnectionError):
        _token(fresh, form)
    assert _token(fresh, form) == (400, {"error": "invalid_grant"})
    assert fresh.tokens.refreshes == 1


def test_rows_change_between_two_pages(fresh: Sandbox) -> None:
    def meddle(name: str, page: int, company: Company) -> None:
        company.delete(name, next(iter(company.tables[name].rows)))

    fresh.faults.add(faults.before_page(meddle), path="*/contacts", when=lambda call: call.page == 2)
    first = get(fresh, "/contacts").json()
    assert get(fresh, "/contacts", page=2).json()["$total"] == first["$total"] - 1


def test_changes_keep_the_books(fresh: Sandbox) -> None:
    company = fresh.businesses[0]
    before = {name: len(company.rows(name)) for name in ("sales_invoices", "contact_payments", "journals")}
    fresh.clock.advance(3600)
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(fresh.clock.now()))
    told = company.day_of_business()
    assert all(len(company.rows(name)) == n + 1 for name, n in before.items())
    changed = {row["id"] for row in items(fresh, "/sales_invoices", updated_or_created_since=since)}
    assert told["invoice"] in changed
    paid = next(r for r in company.rows("sales_invoices") if r["status"]["id"] == "PAID")
    company.delete("sales_invoices", paid["id"])
    assert company.row_of("transactions", paid["transaction"]["id"])["deleted"]
    unpaid = company.create("sales_invoices")
    company.reprice(unpaid)
    company.void("sales_invoices", unpaid)
    assert company.row_of("sales_invoices", unpaid)["status"]["id"] == "VOID"
    for name in LISTS:
        if name in {"businesses", "transactions", "ledger_entries", "unallocated_artefacts"}:
            continue
        made = company.create(name) if not name.endswith("exchange_rates") else None
        if made:
            company.update(name, made)
            company.delete(name, made)
            assert bool(resources()[name].deleted_since) == (made in company.tables[name].tombstones)
    with pytest.raises(ValueError, match="follow from documents"):
        company.delete("ledger_entries", "x")
    assert_books_balance(company)


@pytest.mark.parametrize("seed", range(4))
def test_every_change_can_be_seen(seed: int) -> None:
    """Whatever is done, an incremental read can find it: a changed row's updated_at moved, a lost row left
    a tombstone where its list has them."""
    box = Sandbox(size="tiny", seed=seed)
    (company,), rng = box.businesses, random.Random(seed)  # noqa: S311
    derived = {"businesses", "transactions", "ledger_entries", "unallocated_artefacts"}
    names = [n for n in LISTS if n not in derived and resources()[n].since]
    for _ in range(40):
        before = {name: {r["id"]: r for r in company.rows(name)} for name in [*names, *derived - {"businesses"}]}
        box.clock.advance(10)
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(box.clock.now()))
        name = rng.choice(names)
        keys = list(company.tables[name].rows)
        operation = rng.choice(["create", "update", "delete", "day", "reprice", "void"])
        if operation == "create" or not keys:
            company.create(name)
        elif operation == "update":
            company.update(name, rng.choice(keys))
        elif operation == "delete":
            company.delete(name, rng.choice(keys))
        elif operation == "reprice":
            company.reprice(company.create("sales_quick_entries"))
        elif operation == "void":
            company.void("sales_invoices", rng.choice(list(company.tables["sales_invoices"].rows)))
        else:
            company.day_of_business()
        for name, rows in before.items():
            table = company.tables[name]
            for key, old in rows.items():
                if key in table:
                    new = company.row_of(name, key)
                    assert new == old or name == "unallocated_artefacts" or new["updated_at"] >= at, (operation, name)
                else:
                    assert key in table.tombstones or not table.resource.deleted_since
    assert_books_balance(company)


def test_a_second_look_finds_nothing_new(fresh: Sandbox) -> None:
    hour_ago = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(fresh.clock.now() - 3600))
    for name, resource in resources().items():
        if resource.is_list and resource.since:
            assert get(fresh, f"/{name}", updated_or_created_since=hour_ago).json()["$total"] == 0, name


def after_some_business(seed: int, **settings: Any) -> list[list[dict[str, Any]]]:
    box = Sandbox(size="tiny", seed=seed, until="2026-01-31", **settings)
    box.clock.now = lambda: 1_770_000_000.0  # type: ignore[method-assign]
    (company,) = box.businesses
    for name in ("contacts", "sales_invoices", "journals", "contact_payments"):
        company.create(name)
    company.delete("sales_invoices", company.rows("sales_invoices")[0]["id"])
    return [company.rows(name) + company.tombstones(name) for name in sorted(company.tables)]


def test_the_same_seed_gives_the_same_company(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "KEPT", 0)
    assert after_some_business(7) == after_some_business(7)
    assert after_some_business(7) != after_some_business(8)


def test_a_copy_is_the_company_that_was_played_and_changes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    played = after_some_business(9)
    monkeypatch.setattr(copies.Company, "__init__", None)
    assert after_some_business(9, default_order="name:desc") == played
    assert after_some_business(9) == played


@pytest.mark.parametrize("seed", range(8))
def test_no_list_is_ever_empty(seed: int) -> None:
    (company,) = Sandbox(size="tiny", seed=seed).businesses
    assert not [name for name, table in company.tables.items() if not len(table)]
    assert_books_balance(company)


def test_an_exact_number_of_entries() -> None:
    (company,) = Sandbox(ledger_entries=3_001, seed=2).businesses
    assert len(company.rows("ledger_entries")) == 3_001
    assert_books_balance(company)


def test_control_over_http(fresh: Sandbox) -> None:
    company, control = fresh.businesses[0], f"{fresh.root}/_sandbox"
    asked = {"business": company.id, "changes": [{"op": "create", "list": "contacts", "values": {"name": "X"}}]}
    (made,) = requests.post(f"{control}/changes", json=asked, timeout=30).json()["done"]
    asked["changes"] = [{"op": "delete", "list": "contacts", "id": made}, {"op": "day_of_business"}]
    assert requests.post(f"{control}/changes", json=asked, timeout=30).status_code == 200
    stones = requests.get(f"{control}/tombstones/{company.id}/contacts", timeout=30).json()
    assert [stone["id"] for stone in stones] == [made]
    rows = requests.get(f"{control}/rows/lead/contacts", timeout=30).json()
    assert rows == company.rows("contacts")
    assert requests.post(f"{control}/settings", json={"latency": 0.01}, timeout=30).json()["latency"] == 0.01
    assert requests.post(f"{control}/settings", json={"typo": 1}, timeout=30).status_code == 422
    fault = {"action": "status", "with": {"code": 500}, "path": "*/contacts", "times": 1}
    assert requests.post(f"{control}/faults", json=fault, timeout=30).json()[0]["times"] == 1
    assert get(fresh, "/contacts").status_code == 500
    assert requests.delete(f"{control}/faults", timeout=30).json() == []
    assert requests.post(f"{control}/clock", json={"advance": 5}, timeout=30).json()["offset"] == 5
    log = requests.get(f"{control}/requests", timeout=30).json()
    assert (log[-1]["path"], log[-1]["status"], log[-1]["fault"]) == ("/v3.1/contacts", 500, "status 500")
    assert requests.delete(f"{control}/requests", timeout=30).json() == []
    assert fresh.config()["account_id"] in requests.get(fresh.root, timeout=30).text


def test_many_at_once(fresh: Sandbox) -> None:
    company, failures = fresh.businesses[0], []

    def read() -> None:
        for _ in range(10):
            if get(fresh, "/transactions", attributes="all").status_code != 200:
                failures.append(1)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        company.day_of_business()
    for thread in threads:
        thread.join()
    assert not failures
    assert_books_balance(company)


def test_as_a_command(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    command = [sys.executable, "-m", "integration_tests.sandbox", "--size", "tiny", "--write-config", str(config)]
    root = Path(__file__).parent.parent
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:  # noqa: S603
        assert process.stdout
        lines = iter(process.stdout.readline, "")
        assert any(line.startswith("Press Ctrl+C") for line in lines)
        made = json.loads(config.read_text())
        headers = {"Authorization": f"Bearer {made['access_token']}", "X-Business": made["account_id"]}
        answer = requests.get(f"{made['api_endpoint']}/contacts", headers=headers, timeout=30)
        assert answer.status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
