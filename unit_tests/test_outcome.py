import pytest
from airbyte_cdk.models import FailureType

from source_sage.api.businesses import Business
from source_sage.errors import ListRefused, RefusedBeforehand, config_error, system_error, transient_error
from source_sage.sync.outcome import Admissions, sync_failure

SHOP, FARM = Business("s", "Shop"), Business("f", "Farm")
STREAMS = ("contacts", "journals", "products")
REFUSED = ListRefused(403, "MultiUserAccessDenied", "Ask the owner.")
NOT_SOLD = RefusedBeforehand("the plan Start does not include it", "Change the plan.")


def admissions() -> Admissions:
    return Admissions((stream, business) for stream in STREAMS for business in (SHOP, FARM))


def test_a_business_that_gives_one_stream_is_not_shut() -> None:
    some = admissions()
    assert [
        some.note(stream, SHOP, error) for stream, error in zip(STREAMS, (REFUSED, None, REFUSED), strict=True)
    ] == [
        None,
        None,
        None,
    ]
    assert some.anything_read


def test_a_business_that_refuses_all_fails_at_its_last_reading_with_reasons_and_remedies() -> None:
    some = admissions()
    assert some.note("contacts", SHOP, REFUSED) is None
    assert some.note("journals", SHOP, REFUSED) is None
    assert some.note("contacts", FARM, None) is None
    failure = some.note("products", SHOP, NOT_SOLD)
    assert failure is not None and failure.failure_type is FailureType.config_error
    assert failure.message == (
        "Sage gives nothing that was selected of Shop (s). contacts, journals: HTTP 403 MultiUserAccessDenied. Ask the "
        "owner. products: the plan Start does not include it. Change the plan. Check as well that its subscription is "
        "active and that the person who signed in has access to it."
    )


def test_a_failure_is_no_refusal() -> None:
    some = admissions()
    errors = (REFUSED, transient_error("It broke."), REFUSED)
    assert [some.note(stream, SHOP, error) for stream, error in zip(STREAMS, errors, strict=True)] == [None] * 3
    assert not some.anything_read


def test_a_stream_is_undecided_while_a_business_that_refused_it_may_refuse_all() -> None:
    some = admissions()
    some.note("contacts", FARM, None)
    assert not some.undecided("contacts")
    some.note("contacts", SHOP, REFUSED)
    assert some.undecided("contacts") and not some.undecided("journals")
    some.note("journals", SHOP, REFUSED)
    assert some.undecided("contacts") and some.undecided("journals")
    some.note("products", SHOP, None)
    assert not (some.undecided("contacts") or some.undecided("journals"))


def test_a_stream_is_decided_once_the_business_has_refused_all() -> None:
    some = admissions()
    for stream in STREAMS:
        some.note(stream, SHOP, REFUSED)
    assert not any(map(some.undecided, STREAMS))


def test_no_failures_make_no_failure() -> None:
    assert sync_failure(3, [], read=True) is None


def test_each_reason_is_told_once_and_the_rest_is_said_to_be_safe() -> None:
    closed = config_error("Shop is closed.")
    failures = [("contacts", closed), ("journals", closed), ("contacts", config_error("No role."))]
    failure = sync_failure(3, failures, read=True)
    assert failure is not None
    assert failure.message == (
        "2 of 3 streams did not finish (contacts, journals). Shop is closed. No role. Everything else was read and is "
        "saved."
    )


def test_very_many_streams_and_reasons_are_cut_short() -> None:
    failures = [(f"stream_{one}", config_error(f"Reason {one}.")) for one in range(30)]
    failure = sync_failure(30, failures, read=False)
    assert failure is not None
    message = str(failure.message)
    assert (
        message.startswith("30 of 30 streams did not finish (stream_0, ")
        and "stream_9 and 20 more). Reason 0." in message
    )
    assert message.endswith("Reason 4. And 25 more reasons in the log.")


@pytest.mark.parametrize(
    ("makers", "worst"),
    [
        ([config_error], FailureType.config_error),
        ([config_error, transient_error], FailureType.transient_error),
        ([system_error, transient_error], FailureType.transient_error),
        ([config_error, system_error], FailureType.system_error),
    ],
)
def test_the_platform_may_try_again_if_anything_may_pass_by_itself(makers: list[object], worst: FailureType) -> None:
    failures = [("contacts", make("It broke.")) for make in makers]  # type: ignore[operator]
    failure = sync_failure(1, failures, read=False)
    assert failure is not None and failure.failure_type is worst
