"""The pure parts of the sign-in: the consent page's address, what a redirect says, which businesses were picked."""

from __future__ import annotations

from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils.traced_exception import AirbyteTracedException
from hypothesis import given
from hypothesis import strategies as st

from source_sage.api.businesses import Business
from source_sage.commands.authorize import picked
from source_sage.config import ALLOWED_HOSTS, SAGE_API, Endpoints
from source_sage.sign_in.consent import NotTheAnswer, SignIn, code_in, code_in_pasted, consent_address, redirect_uri
from source_sage.sign_in.redirect import page

SAGE = Endpoints.of(SAGE_API)
STATE = "the-state"
SIGN_IN = SignIn(STATE, "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")  # the example of RFC 7636
SHOP, FARM, MILL = businesses = [Business("a" * 32, "Shop"), Business("b" * 32, "Farm"), Business("c" * 32, "")]
a_code = st.builds(
    "{}/{}".format, st.sampled_from(["GB", "IE", "CA"]), st.from_regex(r"[A-Za-z0-9._~-]+", fullmatch=True)
)


def asked(address: str) -> dict[str, str]:
    return {name: value for name, (value,) in parse_qs(urlsplit(address).query, strict_parsing=True).items()}


# The consent page's address


def test_at_sage_it_asks_for_reading_only_and_for_this_api() -> None:
    address = consent_address(SAGE, "id/with/slashes", redirect_uri(8765), SIGN_IN)
    assert address.startswith("https://www.sageone.com/oauth2/auth/central?")
    assert asked(address) == {
        "response_type": "code",
        "client_id": "id/with/slashes",
        "redirect_uri": "http://localhost:8765/callback",
        "scope": "readonly",
        "state": STATE,
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
        "filter": "apiv3.1",
    }


def test_the_country_is_named_if_it_is_known() -> None:
    assert asked(consent_address(SAGE, "id", redirect_uri(1), SIGN_IN, "ie"))["country"] == "ie"


def test_elsewhere_there_is_no_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ALLOWED_HOSTS, "gateway.example")
    address = consent_address(Endpoints.of("https://gateway.example/sage"), "id", redirect_uri(1), SIGN_IN)
    assert address.startswith("https://gateway.example/oauth/authorize?")
    assert "filter" not in asked(address)


# What a redirect says


@given(a_code)
def test_a_code_is_decoded_once_wherever_it_comes_from(code: str) -> None:
    query = urlencode({"code": code, "country": "gb", "state": STATE})
    assert code_in(query, STATE) == code
    for pasted in (
        f"http://localhost:8765/callback?{query}",
        f" localhost:8765/callback?{query}#\n",
        quote(code, safe=""),
        code,
    ):
        assert code_in_pasted(pasted, STATE) == code


@pytest.mark.parametrize("query", ["code=GB%2F1", "code=GB%2F1&state=", "code=GB%2F1&state=Other", "", "state=é"])
def test_without_its_state_it_is_another_sign_ins(query: str) -> None:
    with pytest.raises(NotTheAnswer):
        code_in(query, STATE)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        ("access_denied", FailureType.config_error, "choose Allow"),
        ("temporarily_unavailable", FailureType.transient_error, "ten minutes"),
        ("server_error", FailureType.transient_error, "ten minutes"),
        ("unauthorized_client", FailureType.config_error, "Client ID"),
        ("invalid_scope", FailureType.config_error, "developer portal"),
        ("<script>", FailureType.config_error, "does not document"),
    ],
)
def test_a_refusal_says_what_to_do(error: str, kind: FailureType, words: str) -> None:
    query = urlencode({"error": error, "state": STATE})
    with pytest.raises(AirbyteTracedException) as caught:
        code_in(query, STATE)
    message = str(caught.value.message)
    assert caught.value.failure_type == kind
    assert words in message and "run the command again" in message.lower() and "<" not in message


@pytest.mark.parametrize("more", ["", "&state=other", "&state="])
def test_a_refusal_of_another_sign_in_does_not_end_this_one(more: str) -> None:
    with pytest.raises(NotTheAnswer):
        code_in(f"error=access_denied{more}", STATE)


def test_no_two_sign_ins_are_alike() -> None:
    one, other = SignIn.new(), SignIn.new()
    assert len({one.state, one.verifier, other.state, other.verifier}) == 4
    assert 43 <= len(one.verifier) <= 128 and len(one.state) >= 43


def test_an_answer_without_a_code_is_the_end() -> None:
    with pytest.raises(AirbyteTracedException, match="without a code"):
        code_in(f"state={STATE}", STATE)


@pytest.mark.parametrize(
    "pasted",
    [
        "",
        "  ",
        "http://localhost:8765/callback",
        consent_address(SAGE, "id", redirect_uri(8765), SIGN_IN),
        "code=GB%2F1",
        "GB/1 and more",
        "http://localhost:8765/callback?code=GB%2F1&state=other",
    ],
)
def test_what_holds_no_code_may_be_pasted_again(pasted: str) -> None:
    with pytest.raises(NotTheAnswer):
        code_in_pasted(pasted, STATE)


def test_a_denial_may_be_pasted() -> None:
    with pytest.raises(AirbyteTracedException, match="denied"):
        code_in_pasted(f"http://localhost:8765/callback?error=access_denied&state={STATE}", STATE)


# Which businesses were picked


@pytest.mark.parametrize(
    ("answer", "account_id"),
    [
        ("2", FARM.id),
        (" 3 , 1 ", f"{MILL.id},{SHOP.id}"),
        ("1 1,1", SHOP.id),
        ("1 2", f"{SHOP.id},{FARM.id}"),
        ("All ", "all"),
    ],
)
def test_numbers_and_all_become_the_account_id(answer: str, account_id: str) -> None:
    assert picked(answer, businesses) == account_id


@pytest.mark.parametrize("answer", ["", " , ", "0", "4", "-1", "1,x", "1-2", "²", "1.0"])
def test_anything_else_is_asked_again(answer: str) -> None:
    with pytest.raises(ValueError, match=r"numbers from 1 to 3|Nothing"):
        picked(answer, businesses)


# The closing page


def test_the_page_shows_text_as_text() -> None:
    assert "<script" not in page("<script>", "<script>&")
