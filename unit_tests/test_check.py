"""Which requests Test Connection makes, with how many businesses soever; no sockets."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

import pytest
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from hypothesis import given, settings
from hypothesis import strategies as st

from source_sage.api.transport import Answer
from source_sage.check import check, require_sense
from source_sage.clock import Clock
from source_sage.config import SageConfig
from source_sage.errors import ListRefused
from unit_tests.form import a_form

ALIVE = {"id": "ACCOUNTING", "active": True, "status": "active"}
ENDED = {"id": "ACCOUNTING", "active": False, "status": "expired"}


TODAY = dt.date(2024, 5, 1)


def sense(**form: Any) -> str:
    """What is said before anything is asked for; empty if nothing is."""
    try:
        require_sense(a_form(**form), SageConfig.parse(a_form(**form)), TODAY)
    except AirbyteTracedException as failure:
        assert failure.failure_type is FailureType.config_error
        return str(failure.message)
    return ""


def test_a_start_date_in_the_future_is_told() -> None:
    assert sense(start_date="2042-01-01").startswith("Start Date (2042-01-01) is in the future: no entry")
    assert sense(start_date="2024-05-03")
    # Somewhere it is tomorrow already; and history is read whatever the Start Date.
    assert sense(start_date="2024-05-02") == sense(start_date="2042-01-01", include_historical_data=True) == ""


def test_a_misspelt_key_fails_only_where_its_field_is_missing() -> None:
    told = "`enddate` is not a field of this source; it is called `end_date`."
    assert sense(enddate="2024-02-01") == sense(enddate="2024-02-01", end_date="") == told
    assert sense(enddate="2024-02-01", end_date="2024-03-01") == ""
    assert sense(credentials={}) == ""


class Sage:
    """Answers as Sage would for some businesses, and keeps what was asked.

    Args:
        details: of each business, by id.
        shut: ids of businesses whose lists are refused.
        knows_active: the list of businesses takes `active_only`.
    """

    def __init__(
        self, details: Mapping[str, dict[str, Any]], shut: frozenset[str] = frozenset(), knows_active: bool = True
    ) -> None:
        self._details, self._shut, self._knows_active = details, shut, knows_active
        self.asked: list[tuple[str, str | None]] = []

    def get(
        self,
        path: str,
        params: Mapping[str, str],
        take: type[dict[str, Any]],
        *,
        business_id: str | None = None,
        **_: Any,
    ) -> Answer[dict[str, Any]]:
        self.asked.append((path, business_id))
        if path == "/businesses":
            return self._list(params)
        if path.startswith("/businesses/"):
            return self._answer(self._details[path.removeprefix("/businesses/")])
        if business_id in self._shut:
            raise ListRefused(401, "AuthorizationFailure", "It is shut.")
        return self._answer({"$items": []})

    def _list(self, params: Mapping[str, str]) -> Answer[dict[str, Any]]:
        only = self._knows_active and params.get("active_only") == "true"
        ids = [one for one, told in self._details.items() if not only or told["subscriptions"][0]["active"]]
        size, page = int(params["items_per_page"]), int(params["page"])
        items = [{"id": one, "displayed_as": f"Business {one}"} for one in ids[(page - 1) * size : page * size]]
        more = "/businesses?page=2" if page * size < len(ids) else None
        return self._answer({"$items": items, "$total": len(ids), "$page": page, "$next": more})

    def _answer(self, body: dict[str, Any]) -> Answer[dict[str, Any]]:
        return Answer(body, Clock().now(), 0.1, 100)


def businesses(count: int, ended: frozenset[int] = frozenset()) -> dict[str, dict[str, Any]]:
    return {
        f"b{number}": {"id": f"b{number}", "subscriptions": [ENDED if number in ended else ALIVE]}
        for number in range(count)
    }


def checked(sage: Sage, account_id: str = "all") -> str:
    return check(SageConfig.parse(a_form(account_id=account_id)), sage)  # type: ignore[arg-type]


def budget(count: int) -> int:
    return 5 + (count - 1) // 10


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_requests_stay_within_a_handful_and_one_for_ten_businesses_more(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 120) | st.sampled_from([499, 500, 501, 1_200]))
    numbers = st.integers(0, count - 1)
    ended = data.draw(st.frozensets(numbers) | st.just(frozenset(range(count))))
    shut = data.draw(st.frozensets(numbers))
    sage = Sage(businesses(count, ended), frozenset(f"b{one}" for one in shut), data.draw(st.booleans()))
    try:
        checked(sage)
    except AirbyteTracedException as failure:
        assert count == 1 or ended
        assert str(failure.message).startswith("Business b")
    assert len(sage.asked) <= budget(count)
    assert len(set(sage.asked)) == len(sage.asked) or count > 10  # there, the list is asked for twice


@pytest.mark.parametrize("count", [1, 5, 11, 40, 200])
def test_a_healthy_sign_in_succeeds(count: int) -> None:
    told = checked(Sage(businesses(count)))
    assert told.startswith("Connected to Sage: ")
    assert ("Looked at" in told) is (count > 1)


@pytest.mark.parametrize("number", [0, 17, 39])
def test_among_many_the_one_that_ended_is_found_and_looked_at(number: int) -> None:
    sage = Sage(businesses(40, frozenset([number])))
    told = checked(sage)
    assert (f"/businesses/b{number}", f"b{number}") in sage.asked
    assert f"Will be missing: Business b{number} (b{number}) has no active Sage subscription" in told


@pytest.mark.parametrize("count", [2, 5, 12, 40])
def test_an_ended_one_that_was_typed_fails_where_it_was_looked_at(count: int) -> None:
    sage = Sage(businesses(count, frozenset([0])))
    with pytest.raises(AirbyteTracedException, match=r"b0.*no active Sage subscription"):
        checked(sage, ",".join(businesses(count)))


@pytest.mark.parametrize("count", [1, 2, 5, 12, 40])
def test_if_all_have_ended_it_fails(count: int) -> None:
    with pytest.raises(AirbyteTracedException, match="no active Sage subscription"):
        checked(Sage(businesses(count, frozenset(range(count)))))


@pytest.mark.parametrize("count", [2, 12, 40])
def test_the_lists_are_asked_of_a_business_that_can_be_read(count: int) -> None:
    sage = Sage(businesses(count, frozenset(range(count - 1))))
    told = checked(sage)
    assert "Connected" in told
    assert {business for path, business in sage.asked if not path.startswith("/businesses")} <= {f"b{count - 1}"}
