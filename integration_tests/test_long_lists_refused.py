"""Refusals of long lists, at their beginning and in their midst: nothing half is told as whole, and only Sage's own
refusal of a whole list is a skip."""

from __future__ import annotations

import pytest

from integration_tests.long_lists import (
    Connection,
    LongSage,
    Reply,
    gateway,
    plan_lacks_it,
    role_missing,
    sage_error,
)
from integration_tests.test_long_lists import ALL_TRIES, assert_cost

REFUSED_IN_MID_LIST = {"403, HTML": gateway(403), "404, HTML": gateway(404), "403, Sage's": role_missing()}


@pytest.mark.parametrize("refusal", REFUSED_IN_MID_LIST)
@pytest.mark.parametrize(
    ("name", "rows", "nth"),
    [
        ("contacts", 1_000, 3),
        ("stock_movements", 1_000, 2),
        pytest.param("ledger_entries", 26_000, 60, marks=pytest.mark.slow),
    ],
)
def test_a_list_that_answered_well_and_then_refuses_has_failed(
    name: str, rows: int, nth: int, refusal: str, sage: LongSage
) -> None:
    sage.add(name, rows)
    sage.answer_with(REFUSED_IN_MID_LIST[refusal], name, when=lambda call: call.nth >= nth, times=1_000)
    connection = Connection(sage, name)
    sync = connection.sync(expect_failure=True)
    assert sync.output.statuses(name)[-1] == "INCOMPLETE"
    assert {one["failure_type"] for one in sync.output.errors} == {"transient_error"}
    connection.settle()
    if rows > 5_000:
        # What was under way in the slices that had not ended is read again.
        assert_cost(connection.requests, rows, ALL_TRIES[60])


@pytest.mark.parametrize("status", [403, 404])
def test_a_refusal_that_passes_is_asked_again(status: int, sage: LongSage) -> None:
    sage.add("contacts", 1_000)
    sage.answer_with(gateway(status), "contacts", when=lambda call: call.nth >= 3, times=1)
    connection = Connection(sage, "contacts")
    assert connection.sync().complete("contacts")
    connection.assert_each_once("contacts")


@pytest.mark.parametrize("status", [403, 404])
def test_a_gateways_refusal_as_the_first_answer_is_a_failure(status: int, sage: LongSage) -> None:
    sage.add("contacts", 1_000)
    sage.add("addresses", 1_000)
    sage.answer_with(gateway(status), "contacts", times=1_000)
    connection = Connection(sage, "contacts", "addresses")
    sync = connection.sync(expect_failure=True)
    assert sync.output.statuses("contacts")[-1] == "INCOMPLETE"
    assert sync.complete("addresses")
    assert 3 <= len(sync.asked("contacts")) <= 5
    connection.settle()


@pytest.mark.parametrize("refusal", [role_missing(), plan_lacks_it()], ids=["role", "plan"])
def test_sages_own_refusal_as_the_first_answer_is_a_skip(refusal: Reply, sage: LongSage) -> None:
    sage.add("contacts", 1_000)
    sage.add("addresses", 1_000)
    sage.answer_with(refusal, "contacts", times=1_000)
    connection = Connection(sage, "contacts", "addresses")
    sync = connection.sync(look=False)
    assert sync.complete("addresses")
    assert sync.records == {"addresses": 1_000}
    assert len([text for text in sync.warnings if "contacts" in text]) == 1
    assert len(sync.asked("contacts")) == 1


@pytest.mark.parametrize("refusal", REFUSED_IN_MID_LIST)
def test_a_month_of_the_trial_balance_is_refused(refusal: str, sage: LongSage) -> None:
    second = {"from_date": "2025-02-01", "to_date": "2025-02-28"}
    sage.answer_with(
        REFUSED_IN_MID_LIST[refusal], "trial_balance", when=lambda call: call.params == second, times=1_000
    )
    sage.add("addresses", 10)
    sage.add("ledger_entries", 10)
    connection = Connection(sage, "trial_balance", "addresses", start_date="2025-01-15")
    sync = connection.sync(expect_failure=True)
    assert sync.output.statuses("trial_balance")[-1] == "INCOMPLETE"


AUTHORIZATION_FAILURE_LTD = "Contact 'AuthorizationFailure Ltd' could not be loaded"


@pytest.mark.parametrize("status", [500, 503, 429])
def test_the_word_authorizationfailure_in_another_answer(status: int, sage: LongSage) -> None:
    sage.add("contacts", 1_000)
    sage.answer_with(sage_error(status, "UnexpectedError", AUTHORIZATION_FAILURE_LTD), "contacts", times=1)
    connection = Connection(sage, "contacts")
    assert connection.sync().complete("contacts")
    connection.assert_each_once("contacts")


def test_a_redirect_with_that_word_is_no_skip(sage: LongSage) -> None:
    sage.add("contacts", 1_000)
    sage.answer_with(sage_error(307, "UnexpectedError", AUTHORIZATION_FAILURE_LTD), "contacts", times=1_000)
    sync = Connection(sage, "contacts").sync(expect_failure=True)
    assert not sync.complete("contacts")
