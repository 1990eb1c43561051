"""The "Sign in" button: the platform's part, played from the spec alone.

How the platform does it: airbyte-platform, `DeclarativeOAuthFlow`, `DeclarativeOAuthSpecHandler`, `BaseOAuth2Flow` and
`BaseOAuthFlow` (read in 2026). It renders templates, posts the code, takes the fields named by `extract_output` out of
the answer (a missing one ends the sign-in), makes `token_expiry_date` of `expires_in`, and keeps what the output
specifications name.
"""

from __future__ import annotations

import datetime as dt
import re
import secrets
import string
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, quote_plus, urlsplit

import pytest
import requests

from integration_tests.harness import Message, catalog_of, run
from integration_tests.sandbox import Sandbox
from source_sage.config import SAGE_AUTHORIZE, SAGE_TOKEN

REDIRECT = "https://cloud.airbyte.com/auth_flow?of=us&on=one page"
STATE_LETTERS = string.ascii_letters + string.digits + ".-_"


@pytest.fixture
def own() -> Sandbox:
    return Sandbox(size="tiny")


class Platform:
    """What Airbyte does between the click and the filled-in form, at the sandbox instead of Sage.

    Args:
        spec: as the connector printed it.
        client: Client ID and Client Secret that the workspace's admin has stored.
        box: stands for Sage.
    """

    def __init__(self, spec: Mapping[str, Any], client: Mapping[str, str], box: Sandbox) -> None:
        auth = spec["advanced_auth"]
        assert auth["auth_flow_type"] == "oauth2.0"
        self.oauth = auth["oauth_config_specification"]
        self.asked = self.oauth["oauth_connector_input_specification"]
        self.client = client
        self.box = box
        limits = self.asked["state"]
        length = limits["min"] + secrets.randbelow(limits["max"] - limits["min"] + 1)
        self.state = "".join(secrets.choice(STATE_LETTERS) for _ in range(length))

    def consent_url(self) -> str:
        """Where the person is sent."""
        return self._at_sandbox(self._rendered(self.asked["consent_url"], self._values()))

    def complete(self, returned_to: str) -> dict[str, Any]:
        """What is written into the form once the person came back."""
        query = {name: values[0] for name, values in parse_qs(urlsplit(returned_to).query).items()}
        assert query["state"] == self.state
        values = self._values(code=query["code"])
        answer = requests.post(
            self._at_sandbox(self._rendered(self.asked["access_token_url"], values)),
            data=self._body({self._rendered(k, values): self._rendered(v, values) for k, v in self._params().items()}),
            headers={self._rendered(k, values): self._rendered(v, values) for k, v in self._headers().items()},
            timeout=10,
        )
        assert answer.status_code < 400, answer.text
        return self._outputs(answer.json())

    def _values(self, code: str | None = None) -> dict[str, str | None]:
        """The platform's table of placeholders."""
        own = {
            "client_id": self.client["client_id"],
            "client_secret": self.client["client_secret"],
            "code": code,
            "redirect_uri": REDIRECT,
            "scope": self.asked["scope"],
            "state": self.state,
        }
        values: dict[str, str | None] = {}
        for name, value in own.items():
            key = self.asked.get(f"{'auth_code' if name == 'code' else name}_key", name)
            prefix = "auth_code" if name == "code" else name
            encoded = quote_plus(str(value)) if name in ("redirect_uri", "scope") else value
            values |= {f"{prefix}_key": key, f"{prefix}_value": value, f"{prefix}_param": f"{key}={encoded}"}
        return values

    @staticmethod
    def _rendered(template: str, values: Mapping[str, str | None]) -> str:
        def value(match: re.Match[str]) -> str:
            text = values[match[1].strip()]  # the platform's filters (base64, code challenge) are not needed
            assert text is not None
            return text

        rendered = re.sub(r"\{\{([^{}]*)\}\}", value, template)
        assert "{" not in rendered
        return rendered

    def _at_sandbox(self, address: str) -> str:
        own = {SAGE_AUTHORIZE: f"{self.box.root}/oauth/authorize", SAGE_TOKEN: f"{self.box.root}/oauth/token"}
        base, _, rest = address.partition("?")
        return own[base] + (f"?{rest}" if rest else "")

    def _params(self) -> dict[str, str]:
        return dict(self.asked["access_token_params"])

    def _headers(self) -> dict[str, str]:
        return dict(self.asked["access_token_headers"])

    def _body(self, params: Mapping[str, str]) -> str:
        # The platform sends a form only if it is told so in exactly these words; otherwise JSON.
        assert self._headers()["Content-Type"] == "application/x-www-form-urlencoded"
        return "&".join(f"{key}={quote_plus(value)}" for key, value in params.items())

    def _outputs(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, str] = {}
        for path in self.asked["extract_output"]:
            value: Any = answer
            for step in path.split("."):
                value = value[step]
            key = path.split(".")[-1]
            if key == self.asked.get("token_expiry_key", "expires_in"):
                expires = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=int(value))
                found["token_expiry_date"] = expires.isoformat(timespec="microseconds").replace("+00:00", "789Z")
            found[key] = str(value)
        filled: dict[str, Any] = {}
        for part, values in (
            ("complete_oauth_server_output_specification", self.client),
            ("complete_oauth_output_specification", found),
        ):
            wanted = self.oauth[part]
            assert set(wanted["required"]) <= set(values)
            for key, facts in wanted["properties"].items():
                if key in values:
                    assert facts["type"] == "string"
                    _put(filled, facts["path_in_connector_config"], values[key])
        return filled


def _put(config: dict[str, Any], path: list[str], value: str) -> None:
    for step in path[:-1]:
        config = config.setdefault(step, {})
    config[path[-1]] = value


def the_spec() -> Message:
    (message,) = run("spec", None).of("SPEC")  # type: ignore[arg-type]
    return dict(message["spec"])


def test_the_button_signs_in_and_check_and_read_work_without_a_renewal(
    own: Sandbox, streams: dict[str, Message]
) -> None:
    with own as box:
        client = {name: box.config()[name] for name in ("client_id", "client_secret")}
        box.tokens.grants.clear()
        platform = Platform(the_spec(), client, box)

        consent = platform.consent_url()
        asked = parse_qs(urlsplit(consent).query)
        assert asked == {
            "filter": ["apiv3.1"],
            "response_type": ["code"],
            "client_id": [client["client_id"]],
            "redirect_uri": [REDIRECT],
            "scope": ["readonly"],
            "state": [platform.state],
        }
        page = requests.get(consent, timeout=10)
        assert page.ok and "Allow" in page.text
        answer = requests.get(f"{consent}&auto_approve=1", allow_redirects=False, timeout=10)
        filled = platform.complete(answer.headers["Location"])
        assert set(filled) == {"client_id", "client_secret", "access_token", "refresh_token", "token_expiry_date"}
        assert box.tokens.grants[0].scope == "readonly"

        # The rest of the form is typed. The first check must not renew: there is no source yet to keep a config.
        config = filled | {"start_date": "2020-01-01", "api_endpoint": box.url}
        checked = run("check", config)
        assert checked.status["status"] == "SUCCEEDED"
        read = run("read", config, catalog=catalog_of(streams.values(), ["contacts"]))
        assert read.failure is None and read.rows("contacts")
        assert (checked.configs, read.configs, box.tokens.refreshes) == ([], [], 0)

        # Later the pair is renewed like any other, and lands where the button put it.
        past = config | {"token_expiry_date": "2026-01-01T00:00:00.000000789Z"}
        (kept,) = run("check", past).configs
        assert kept == past | {key: kept[key] for key in ("access_token", "refresh_token", "token_expiry_date")}
        assert kept["refresh_token"] == box.tokens.grants[0].refresh_token != config["refresh_token"]


def test_the_outputs_say_the_same_in_both_forms_that_the_platform_reads() -> None:
    oauth = the_spec()["advanced_auth"]["oauth_config_specification"]
    outputs = oauth["complete_oauth_output_specification"]["properties"]
    paths = [".".join(facts["path_in_oauth_response"]) for facts in outputs.values()]
    assert paths == oauth["oauth_connector_input_specification"]["extract_output"]


def test_a_denied_consent_comes_back_with_the_state_and_without_a_code(own: Sandbox) -> None:
    with own as box:
        client = {name: box.config()[name] for name in ("client_id", "client_secret")}
        platform = Platform(the_spec(), client, box)
        form = {name: values[0] for name, values in parse_qs(urlsplit(platform.consent_url()).query).items()}
        answer = requests.post(
            f"{box.root}/oauth/authorize", data=form | {"decision": "deny"}, allow_redirects=False, timeout=10
        )
        query = parse_qs(urlsplit(answer.headers["Location"]).query)
        assert (query["error"], query["state"]) == (["access_denied"], [platform.state])
        assert "code" not in query
