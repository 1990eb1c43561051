"""The probe tells apart what Sage may be like, one by one, with few requests, and says nothing of the business."""

from __future__ import annotations

import json
from typing import Any

import pytest

from integration_tests.sandbox import Sandbox, faults
from source_sage.clock import Clock
from source_sage.commands.probe import main, probe
from source_sage.probing.findings import UNSETTLED, Finding, Report
from source_sage.probing.looker import REQUESTS_AT_MOST


class Patient(Clock):
    """Sleeps without losing time."""

    def sleep(self, seconds: float) -> None:
        pass


def probed(box: Sandbox, **form: Any) -> Report:
    return probe(dict(box.config(**form)), box.businesses[0].id, Patient())


def finding(report: Report, unknown: str) -> Finding:
    (one,) = [one for one in report.findings if one.unknown == unknown]
    return one


@pytest.fixture(scope="module")
def usual() -> Report:
    with Sandbox(size="small", seed=1) as box:
        return probed(box)


PLAYED: list[tuple[str, dict[str, Any], str, bool]] = [
    ("default order", {"default_order": "updated:desc"}, "updated_at descending", False),
    ("default order", {"default_order": "date:asc"}, "date ascending", False),
    ("default order", {"default_order": "random"}, "by none of its fields", False),
    ("from_date and to_date", {"dates_inclusive": False}, "both days are out", False),
    ("deleted_since", {"deleted_since_inclusive": True}, "its own second is in", False),
    ("deleted rows", {"tombstones_with_deleted_at": False}, "without deleted_at", False),
    ("$next", {"next_goes_missing": True}, "goes missing", False),
    ("$total", {"total_goes_missing": True}, "not told", True),
    ("$total", {"total_cap": 150}, "too low", True),
    ("a business that is none", {"foreign_business_answer": 403}, "HTTP 403", False),
    ("how a list is refused", {"restricted_answer": 403}, "HTTP 403", False),
    ("how a list is refused", {"restricted_answer": "empty"}, "an empty list", False),
    ("Sage's clock", {"date_header_ahead": None}, "no `Date`", True),
]


@pytest.mark.parametrize(("unknown", "manner", "answer", "is_doubt"), PLAYED, ids=lambda one: str(one)[:40])
def test_each_possibility_is_told_apart(
    usual: Report, unknown: str, manner: dict[str, Any], answer: str, is_doubt: bool
) -> None:
    with Sandbox(size="small", seed=1, **manner) as box:
        report = probed(box)
    found = finding(report, unknown)
    assert answer in found.answer
    assert finding(usual, unknown).answer != found.answer
    assert bool(found.doubt) is is_doubt
    assert (found.doubt in report.verdict) and (not is_doubt or "but for this" in report.verdict)


def test_a_sage_of_the_usual_manners_can_be_trusted(usual: Report) -> None:
    assert usual.doubts == []
    assert "can be trusted." in usual.verdict
    assert usual.requests <= REQUESTS_AT_MOST
    unsettled = {one.unknown for one in usual.findings if not one.settled}
    assert unsettled <= {"Sage's clock", "limits", "token life times"}
    assert len(usual.findings) == len({one.unknown for one in usual.findings}) > 20


def test_a_fresh_row_shows_that_date_and_rows_are_of_one_clock() -> None:
    with Sandbox(size="small", seed=1) as box:
        company = box.businesses[0]
        company.update("contacts", company.rows("contacts")[0]["id"], notes="now")
        assert "one clock" in finding(probed(box), "Sage's clock").answer
    with Sandbox(size="small", seed=1, date_header_ahead=-1_000) as box:
        company = box.businesses[0]
        company.update("contacts", company.rows("contacts")[0]["id"], notes="now")
        found = finding(probed(box), "Sage's clock")
        assert found.answer == "rows are ahead of `Date`"
        assert found.doubt


def test_a_lie_in_a_page_is_found() -> None:
    """A field that no schema has, a value of another type, lines that do not come."""
    with Sandbox(size="small", seed=1) as box:
        key = box.businesses[0].rows("journals")[0]["id"]
        odd = json.dumps({"id": key, "brand_new": 1, "total": "a lot", "journal_lines": []}).encode()
        box.faults.add(faults.odd_item(key, odd), path="*/journals")
        report = probed(box)
        assert "journals.brand_new" in finding(report, "undeclared fields").seen
        misfit = finding(report, "values of another type")
        assert "journals.total" in misfit.seen
        assert misfit.doubt
        assert "some without: journals" in finding(report, "lines of documents").seen
        assert "a lot" not in json.dumps(report.as_json())


def test_an_answer_for_another_business_forbids_a_sync() -> None:
    with Sandbox(size="tiny", seed=1) as box:
        box.faults.add(faults.wrong_business(), path="*/contacts")
        report = probed(box)
        assert "Do not sync" in finding(report, "which business an answer is for").doubt
        assert "Do not sync" in report.verdict


def test_answers_that_name_no_business_are_told() -> None:
    with Sandbox(size="tiny", seed=1) as box:
        box.faults.add(faults.no_business(), path="*/contacts")
        found = finding(probed(box), "which business an answer is for")
        assert found.answer == "not on every list"
        assert "answers named no business" in found.seen


def test_a_payment_that_moves_no_document_is_found() -> None:
    for moves, answer in ((True, "moves it"), (False, "does not move it")):
        with Sandbox(size="small", seed=1, payment_touches_document=moves) as box:
            box.clock.advance(86_400)
            box.businesses[0].create("contact_payments")
            found = finding(probed(box), "payments and updated_at")
            assert (found.answer, bool(found.doubt)) == (answer, not moves)


def test_a_limit_that_comes_is_noted_and_none_is_provoked(usual: Report) -> None:
    assert finding(usual, "limits").answer == UNSETTLED
    with Sandbox(size="small", seed=1) as box:
        box.faults.add(faults.status(429, "", {"Retry-After": "7"}), path="*/contacts", nth=1)
        assert finding(probed(box), "limits").answer == "with Retry-After"


def test_nothing_of_the_business_is_told(usual: Report) -> None:
    """No name, no id, no amount: the words of the report are ours and those of Sage's API."""
    told = "\n".join((json.dumps(usual.as_json()), usual.as_markdown(), usual.as_text(100)))
    with Sandbox(size="small", seed=1) as box:
        company = box.businesses[0]
        held = {company.id, company.name}
        for name in ("contacts", "sales_invoices", "bank_accounts"):
            for row in company.rows(name):
                held |= {row["id"], str(row.get("name") or row["id"]), str(row.get("total_amount") or row["id"])}
    assert [value for value in held if len(value) > 3 and value in told] == []


def test_it_stops_at_its_bound() -> None:
    with Sandbox(size="tiny", seed=1) as box:
        box.faults.add(faults.status(503), path="*/address_regions")
        probed(box)
        assert len(box.requests) <= REQUESTS_AT_MOST + 1


def test_the_command_writes_both_files(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with Sandbox(size="tiny", seed=1) as box:
        (tmp_path / "sage-config.json").write_text(json.dumps(box.config()))
        config, as_json, as_markdown = (str(tmp_path / one) for one in ("sage-config.json", "p.json", "markdown"))
        assert main(["--config", config, "--json", as_json, "--markdown", as_markdown], Patient()) == 0
        assert main(["--config", config, "--business", "0" * 32], Patient()) == 1
    said = capsys.readouterr()
    assert "a sync of this business can be trusted" in " ".join(said.out.split())
    assert "--business" in said.err
    assert json.loads((tmp_path / "p.json").read_text())["findings"]
    assert (tmp_path / "markdown").read_text().startswith("source-sage ")
