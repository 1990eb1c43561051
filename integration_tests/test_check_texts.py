"""What Test Connection says, word for word, beside the texts that were approved: `approved/check.md`.

After a text was changed on purpose, `APPROVE=1 pytest integration_tests/test_check_texts.py` writes the file anew; read
its difference before it is committed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from integration_tests.forty_businesses import SEED, forty_businesses
from integration_tests.harness import run
from integration_tests.ports import free_port
from integration_tests.sandbox import Company, Sandbox, faults
from source_sage.clock import Clock
from source_sage.config import ALLOWED_HOSTS

APPROVED: Final = Path(__file__).parent / "approved" / "check.md"
HEAD: Final = "# What Test Connection says\n\nThe sandbox's address is written as http://sandbox.\n"
Case = Callable[[], str]
CASES: dict[str, Case] = {}


class Hasty(Clock):
    """Does not wait between tries."""

    def sleep(self, seconds: float) -> None:
        """Go on at once."""


def told(box: Sandbox, **form: Any) -> str:
    """Status and message of check, with the sandbox's passing address taken out."""
    output = run("check", box.config(**form), clock=Hasty())
    assert output.failure is None
    text = f"{output.status['status']}: {output.status['message']}"
    return text.replace(box.root, "http://sandbox").replace(box.root.replace("http", "https"), "https://sandbox")


def case(title: str, wishes: list[dict[str, Any]] | None = None, **form: Any) -> Callable[[Any], Any]:
    """A case with a sandbox of its own, whose first business the decorated function may spoil.

    Args:
        title: of its section in the file.
        wishes: the businesses; one on the plan Plus in Britain if None.
        form: what the user typed otherwise than right. `{0}` stands for the id of the first business, and so on.
    """

    def keep(spoil: Callable[[Sandbox, Company], None]) -> None:
        def play() -> str:
            with Sandbox(size="tiny", seed=SEED, businesses=wishes or [{}]) as box:
                spoil(box, box.businesses[0])
                ids = [company.id for company in box.businesses]
                typed = {
                    name: value.replace("{root}", box.root).format(*ids) if isinstance(value, str) else value
                    for name, value in form.items()
                }
                return told(box, **typed)

        CASES[title] = play

    return keep


def nothing(box: Sandbox, company: Company) -> None:
    """The sandbox is left as it is."""


FIVE: Final[list[dict[str, Any]]] = [
    {},
    {"plan": "Start"},
    {"country": "IE"},
    {"plan": "Standard", "country": "IE"},
    {},
]
case("One business, all is well")(nothing)
case("One business on a small plan in Ireland", [{"plan": "Start", "country": "IE"}])(nothing)
case("One business whose plan and roles Sage does not tell", [{"plan_id": "PARTNERS", "tells_roles": False}])(nothing)
case("A role that lacks what few streams need", [{"roles": {"Statutory reporting": "Read Only"}}])(nothing)
case("Five businesses, all of them", FIVE, account_id="all")(nothing)
case("Five businesses, two of them", FIVE, account_id="{3},{1}")(nothing)
case("Five businesses, the first without a subscription, all of them", [{"active": False}, *FIVE], account_id="all")(
    nothing
)
case("The first of five lacks a role", [{"roles": {"Sales": "No Access"}}, *FIVE], account_id="all")(nothing)
case("Forty businesses of every kind", forty_businesses(), account_id="all")(nothing)

case("Account ID empty, several businesses", FIVE[:3], account_id="")(nothing)
case("Account ID of no business", FIVE[:3], account_id="0d40342d0287cd6b13555c54afca6c90")(nothing)
case("Account ID of several, two of them unknown", FIVE[:3], account_id="{0}, b2, {1}, b3")(nothing)
case("Account ID with all and an id", FIVE[:3], account_id="all, {0}")(nothing)
case("Account ID with a name", FIVE[:3], account_id="Juniper & Pike Ltd")(nothing)
case("Account ID with a secret in it", account_id="s3cr3tS3cr3tS3cr3t")(nothing)
case("Account ID with the wrong comma", FIVE[:3], account_id="{0}; {1}")(nothing)
case("Account ID of commas", account_id=",,")(nothing)

case("Subscription ended", [{"active": False, "status": "expired"}])(nothing)
case("Subscription of one of two that were typed ended", [{"active": False}, {}], account_id="{0},{1}")(nothing)
case("Subscription active and expired at once, and the lists are open", [{"status": "expired"}])(nothing)
case("No access to Journals and Bank", [{"roles": {"Journals": "No Access", "Bank": "No Access"}}])(nothing)
case("No access to Sales and Contacts", [{"roles": {"Sales": "No Access", "Contacts": "No Access"}}])(nothing)
case("No access to Sales, and Sage does not tell", [{"roles": {"Sales": "No Access"}, "tells_roles": False}])(nothing)

case("End Date before Start Date", start_date="2024-05-01", end_date="2024-04-30")(nothing)
case("Start Date in the wrong form", start_date="01/05/2024")(nothing)
case("Start Date with a time", start_date="2024-05-01T00:00:00Z")(nothing)
case("Start Date in the future", start_date="2942-01-01")(nothing)
case("A misspelt key", end_date="", enddate="2024-12-31")(nothing)
case("A switch in words", replicate_financial_data="yes")(nothing)
case("Several fields wrong", start_date="", client_id="", num_workers=99)(nothing)
case("No token at all", access_token="", refresh_token="")(nothing)

case("Endpoint of another version", api_endpoint="{root}/v2")(nothing)
case("Endpoint with an unknown host that is allowed", api_endpoint="https://sage.invalid")(nothing)
case("Endpoint of somebody else", api_endpoint="https://api.accounting.sage.com.evil.example/v3.1")(nothing)
case("Endpoint with a user in it", api_endpoint="https://api.accounting.sage.com@evil.example")(nothing)
case("Endpoint without https", api_endpoint="http://api.accounting.sage.com")(nothing)

case("Wrong Client Secret", client_secret="wrong", access_token="")(nothing)
case("Dead sign-in", access_token="", refresh_token="used up")(nothing)
case("Access Token that is not good, and no Refresh Token", access_token="old", refresh_token="")(nothing)


@case("Subscription active and expired at once, and the lists are shut", [{"status": "expired"}])
def _(box: Sandbox, company: Company) -> None:
    refusal = [{"$severity": "error", "$dataCode": "AuthorizationFailure", "$message": "No active subscription. (MSE)"}]
    box.faults.add(faults.status(401, refusal), when=lambda call: call.list not in ("businesses", None))


@case("A web page where Sage should be")
def _(box: Sandbox, company: Company) -> None:
    box.faults.add(faults.html(200), path="*/businesses")


@case("An address that sends on to another")
def _(box: Sandbox, company: Company) -> None:
    box.faults.add(faults.status(302, headers={"Location": "https://sage.invalid"}), path="*/businesses")


@case("Sage is down")
def _(box: Sandbox, company: Company) -> None:
    box.faults.add(faults.status(503), path="*/businesses")


@case("Sage answers, but its lists are down")
def _(box: Sandbox, company: Company) -> None:
    box.faults.add(faults.status(503), path="*/journals")


@case("Sage refuses the person everything")
def _(box: Sandbox, company: Company) -> None:
    box.faults.add(faults.refused(403), path="/v3.1/*")


@case("A gateway refuses everything")
def _(box: Sandbox, company: Company) -> None:
    box.faults.add(faults.html(403), path="/v3.1/*")


@case("A gateway refuses a list")
def _(box: Sandbox, company: Company) -> None:
    box.faults.add(faults.html(403), path="*/journals")


@case("Sage refuses every token")
def _(box: Sandbox, company: Company) -> None:
    box.faults.add(faults.status(401), path="/v3.1/*")


@case("Answers for another business")
def _(box: Sandbox, company: Company) -> None:
    box.faults.add(faults.wrong_business(), path="*/products")


def nobody_there() -> str:
    address = f"http://127.0.0.1:{free_port()}"
    with Sandbox(size="tiny", seed=SEED) as box:
        return told(box, api_endpoint=address).replace(address, "http://nobody")


def no_tls() -> str:
    with Sandbox(size="tiny", seed=SEED) as box:
        return told(box, api_endpoint=box.root.replace("http", "https"))


CASES |= {"Nobody listens at the endpoint": nobody_there, "Endpoint that does not speak https": no_tls}


@pytest.fixture(scope="module", autouse=True)
def _one_host_is_allowed() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(ALLOWED_HOSTS, "sage.invalid")
        yield


@pytest.fixture(scope="module")
def approved() -> dict[str, str]:
    """The approved texts by title."""
    if os.environ.get("APPROVE"):
        texts = {title: play() for title, play in CASES.items()}
        body = "".join(f"\n## {title}\n\n{text}\n" for title, text in texts.items())
        APPROVED.write_text(HEAD + body, "utf-8")
    sections = re.split(r"^## ", APPROVED.read_text("utf-8"), flags=re.MULTILINE)[1:]
    return {title: text.strip() for title, _, text in (section.partition("\n") for section in sections)}


@pytest.mark.parametrize("title", CASES)
def test_the_message_is_the_approved_one(title: str, approved: dict[str, str]) -> None:
    assert CASES[title]() == approved[title]


def test_no_text_is_approved_that_nothing_says(approved: dict[str, str]) -> None:
    assert set(approved) == set(CASES)


def test_every_approved_text_is_one_paragraph_of_plain_words(approved: dict[str, str]) -> None:
    for title, text in approved.items():
        assert "\n" not in text and text.endswith("."), title
        assert not re.search(r"Traceback|Error\(|None|\{|\}|  |\.\.| \.", text), title
