"""`source-sage authorize` against the sandbox's consent page: by requests, as a process, and in a real browser."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import requests

from integration_tests import webdriver
from integration_tests.harness import run
from integration_tests.ports import free_port
from integration_tests.sandbox import Sandbox, faults
from source_sage.clock import parse_utc
from source_sage.commands.authorize import Person, main
from source_sage.config import ALLOWED_HOSTS
from source_sage.sign_in import redirect
from source_sage.sign_in.consent import redirect_uri
from source_sage.sign_in.redirect import LOOPBACK

COMMAND = Path(sys.executable).with_name("source-sage")
CHECKED_START = "2024-02-29"


@pytest.fixture
def own() -> Iterator[Sandbox]:
    """A sandbox with three businesses that the test may break."""
    with Sandbox(size="tiny", seed=3, businesses=3) as sandbox:
        yield sandbox


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture(autouse=True)
def _nothing_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SAGE_CLIENT_ID", raising=False)
    monkeypatch.delenv("SAGE_CLIENT_SECRET", raising=False)


def press(address: str, decision: str, *, follow: bool = True) -> requests.Response:
    """Press Allow or Deny on the consent page; gives the page it ends at, or the redirect."""
    consent = requests.get(address, timeout=10)
    assert consent.status_code == 200
    fields = {name: unescape(value) for name, value in re.findall(r'name="(\w+)" value="([^"]*)">', consent.text)}
    action = consent.url.partition("?")[0]
    return requests.post(action, data={**fields, "decision": decision}, timeout=10, allow_redirects=follow)


@dataclass
class Someone:
    """A person who answers from a list, and presses a button when the browser opens."""

    client_id: str
    client_secret: str
    answers: list[str] = field(default_factory=list)
    decision: str = "allow"
    before: Callable[[str], object] | None = None
    """Called with the address that the browser was given, before the button is pressed."""
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    ended_at: requests.Response | None = None

    def ask(self, question: str) -> str:
        self.asked.append(question)
        if question.startswith("Client ID"):
            return self.client_id
        if not self.answers:
            raise EOFError
        return self.answers.pop(0)

    def ask_hidden(self, question: str) -> str:
        self.asked.append(question)
        return self.client_secret

    def browse(self, address: str) -> bool:
        if self.before is not None:
            self.before(address)
        if self.decision:
            self.ended_at = press(address, self.decision)
        return True

    @property
    def person(self) -> Person:
        return Person(self.said.append, self.ask, self.ask_hidden, self.browse)

    @property
    def consent(self) -> str:
        """The consent page's address, as it was shown; the browser was led there from an address of this machine."""
        return str(re.findall(r"http\S+/oauth/authorize\?\S+", "\n".join(self.said))[-1])


@dataclass
class Outcome:
    """What one run came to."""

    code: int
    config: dict[str, Any] | None
    complaint: str


class Signing:
    """Runs the command in this process and looks at what it must never do."""

    def __init__(self, box: Sandbox, port: int, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.box, self.port, self.output, self._capsys = box, port, folder / "config.json", capsys
        self.exchanged: list[dict[str, Any]] = []

    def someone(self, *answers: str, **traits: Any) -> Someone:
        known = {"client_id": self.box.tokens.client_id, "client_secret": self.box.tokens.client_secret}
        return Someone(answers=list(answers), **{**known, **traits})

    def __call__(self, who: Someone, *more: str, start: str | None = CHECKED_START) -> Outcome:
        arguments = ["--api-endpoint", self.box.root, "--port", str(self.port), "--output", str(self.output)]
        if start:
            arguments += ["--start-date", start]
        before = self.output.read_text() if self.output.is_file() else None
        code = main([*arguments, *more], who.person)
        out, complaint = self._capsys.readouterr()
        shown = "\n".join([*who.said, *who.asked, out, complaint])
        secrets = [who.client_secret, *self.box.tokens.codes]
        for grant in self.box.tokens.grants:
            secrets += [grant.refresh_token, *grant.access]
        if who.ended_at is not None:
            secrets += parse_qs(urlsplit(who.ended_at.url).query).get("code", [])
        assert not [secret for secret in secrets if len(secret) > 1 and secret in shown]
        assert "Traceback" not in shown
        folder = self.output.parent
        if code:
            assert complaint.strip().endswith(".")
            assert (self.output.read_text() if self.output.is_file() else None) == before
        else:
            assert complaint == ""
        if folder.is_dir():
            assert not [one for one in folder.iterdir() if one.name.startswith(".")]
        config = json.loads(self.output.read_text()) if code == 0 else None
        return Outcome(code, config, " ".join(complaint.split()))


@pytest.fixture
def signing(own: Sandbox, port: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Signing:
    return Signing(own, port, tmp_path, capsys)


# It works


def test_allow_gives_a_config_that_passes_check(signing: Signing) -> None:
    who = signing.someone("2, 1")
    outcome = signing(who)
    assert outcome.code == 0 and outcome.config is not None
    first, second, _ = signing.box.businesses
    assert list(outcome.config) == [
        "account_id",
        "client_id",
        "client_secret",
        "api_endpoint",
        "access_token",
        "refresh_token",
        "token_expiry_date",
        "start_date",
    ]
    assert outcome.config["account_id"] == f"{second.id},{first.id}"
    assert outcome.config["start_date"] == CHECKED_START
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", outcome.config["token_expiry_date"])
    assert stat.S_IMODE(signing.output.stat().st_mode) == 0o600
    assert signing.box.tokens.grants[-1].scope == "readonly"
    assert who.ended_at is not None and "You can close this window" in who.ended_at.text
    shown = "\n".join(who.said)
    assert all(f"{company.name} ({company.id})" in shown for company in signing.box.businesses)
    assert f"source-sage check --config {signing.output}" in shown

    status = run("check", outcome.config).status
    assert status["status"] == "SUCCEEDED", status
    assert signing.box.tokens.refreshes == 0


def test_with_one_business_there_is_no_question(port: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Sandbox(size="tiny", seed=4) as box:
        signing = Signing(box, port, tmp_path, capsys)
        outcome = signing(signing.someone())
        assert outcome.config is not None and outcome.config["account_id"] == box.businesses[0].id
        assert run("check", outcome.config).status["status"] == "SUCCEEDED"


def test_wrong_answers_are_asked_again(signing: Signing) -> None:
    who = signing.someone("7", "", "all", "2024-02-30", "29/02/2024", " 2024-02-29 ")
    outcome = signing(who, start=None)
    assert outcome.config is not None
    assert (outcome.config["account_id"], outcome.config["start_date"]) == ("all", "2024-02-29")
    assert "Answer with numbers from 1 to 3, or `all`." in who.said
    assert sum("is not a date of the calendar" in line for line in who.said) == 2


def test_enter_takes_the_first_of_january_of_last_year(signing: Signing) -> None:
    outcome = signing(signing.someone("1", ""), start=None)
    assert outcome.config is not None
    assert re.fullmatch(r"20\d\d-01-01", outcome.config["start_date"])


def test_the_client_may_come_from_the_environment(signing: Signing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGE_CLIENT_ID", signing.box.tokens.client_id)
    monkeypatch.setenv("SAGE_CLIENT_SECRET", f" {signing.box.tokens.client_secret}\n")
    who = signing.someone("1")
    outcome = signing(who)
    assert outcome.config is not None and outcome.config["client_secret"] == signing.box.tokens.client_secret
    assert not any("Client" in question for question in who.asked)


def test_the_country_is_sent(signing: Signing) -> None:
    assert signing(signing.someone("1"), "--country", "ie").code == 0
    (asked,) = [one for one in signing.box.requests if one.path == "/oauth/authorize" and one.method == "GET"]
    assert asked.params["country"] == "ie"


def test_force_overwrites_and_tightens_the_mode(signing: Signing) -> None:
    signing.output.write_text("old")
    signing.output.chmod(0o644)
    assert signing(signing.someone("1"), "--force").code == 0
    assert stat.S_IMODE(signing.output.stat().st_mode) == 0o600


def test_tokens_renewed_while_listing_go_into_the_file_and_not_to_the_terminal(signing: Signing) -> None:
    signing.box.faults.add(faults.status(401, {"$dataCode": "NotAuthorized"}), path="*/businesses", times=1)
    outcome = signing(signing.someone("1"))
    assert signing.box.tokens.refreshes == 1
    assert outcome.config is not None
    assert outcome.config["refresh_token"] == signing.box.tokens.grants[-1].refresh_token
    assert run("check", outcome.config).status["status"] == "SUCCEEDED"


# Without a browser here


@pytest.mark.parametrize("whole_address", [True, False])
def test_the_address_or_the_code_can_be_pasted(signing: Signing, whole_address: bool) -> None:
    who = signing.someone()

    def answer(question: str) -> str:
        if question.startswith("\nAddress"):
            address = press(who.consent, "allow", follow=False).headers["Location"]
            assert "code=GB%2F" in address
            return address if whole_address else re.findall(r"code=([^&]+)", address)[0]
        return "1" if question.startswith("Which") else Someone.ask(who, question)

    who.ask = answer  # type: ignore[method-assign]
    outcome = signing(who, "--no-browser")
    assert outcome.code == 0, outcome.complaint
    assert who.ended_at is None


def test_a_wrong_paste_is_asked_again_thrice(signing: Signing) -> None:
    who = signing.someone("no code", "http://localhost/callback?code=GB%2F1&state=old", "")
    outcome = signing(who, "--no-browser")
    assert outcome.code == 1 and "No code was found" in outcome.complaint


def test_a_used_code_is_told(signing: Signing) -> None:
    outcome = signing(signing.someone("GB%2Fused"), "--no-browser")
    assert outcome.code == 1 and "60 seconds" in outcome.complaint


# It does not work, and says why


def test_deny_ends_it(signing: Signing) -> None:
    who = signing.someone(decision="deny")
    outcome = signing(who)
    assert outcome.code == 1 and "Access was denied" in outcome.complaint
    assert who.ended_at is not None and "Access was denied" in who.ended_at.text
    assert not [one for one in signing.box.requests if one.path == "/oauth/token"]


def test_stray_requests_do_not_disturb(signing: Signing) -> None:
    callback = f"http://localhost:{signing.port}"
    seen: list[int] = []

    def stray(address: str) -> None:
        for path in ("/favicon.ico", "/", "/callback", "/callback?code=GB%2F1&state=wrong", "/callback?state=%ff"):
            seen.append(requests.get(f"{callback}{path}", timeout=30).status_code)
        seen.append(requests.post(f"{callback}/callback", timeout=30).status_code)
        for nonsense in (b"\x16\x03\x01nonsense\r\n\r\n", b"GET //[ HTTP/1.1\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", signing.port)) as connection:
                connection.sendall(nonsense)

    with contextlib.ExitStack() as idle:
        who = signing.someone(
            "1",
            before=lambda address: (
                idle.enter_context(socket.create_connection(("127.0.0.1", signing.port))),
                stray(address),
            ),
        )
        assert signing(who).code == 0
    assert seen == [404, 404, 400, 400, 400, 501]


def test_only_the_first_answer_counts(signing: Signing) -> None:
    who = signing.someone("1", decision="")
    pages: list[requests.Response] = []

    def allow_twice(address: str) -> None:
        target = press(address, "allow", follow=False).headers["Location"]
        again = press(who.consent, "allow", follow=False).headers["Location"]
        pages.extend([requests.get(target, timeout=30), requests.get(again, timeout=30)])

    who.before = allow_twice
    assert signing(who).code == 0
    assert [page.status_code for page in pages] == [200, 410]
    assert pages[0].headers["Cache-Control"] == "no-store" and "Python" not in pages[0].headers["Server"]
    assert len([one for one in signing.box.requests if one.path == "/oauth/token"]) == 1


def test_it_listens_on_this_machine_alone_and_frees_the_port(signing: Signing) -> None:
    heard: list[str] = []

    def look(address: str) -> None:
        for table in ("tcp", "tcp6"):
            for line in Path("/proc/net", table).read_text().splitlines()[1:]:
                local, _, state = line.split()[1:4]
                if state == "0A" and int(local.split(":")[1], 16) == signing.port:
                    heard.append(local.split(":")[0])

    if not Path("/proc/net/tcp").exists():
        pytest.skip("needs Linux's /proc")
    assert signing(signing.someone("1", before=look)).code == 0
    assert heard == ["0100007F", "00000000000000000000000001000000"]
    for family, host in LOOPBACK:
        socket.create_server((host, signing.port), family=family).close()


def test_a_machine_without_ipv6_has_one_address(signing: Signing, monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = (socket.AF_INET6, "2001:db8::1")  # not of this machine: what `bind` says is the same
    monkeypatch.setattr(redirect, "LOOPBACK", (LOOPBACK[0], unknown))
    assert signing(signing.someone("1")).code == 0


# Somebody else is on this machine


@pytest.mark.parametrize("query", ["error=access_denied", "code=GB%2F1", "error=server_error&state=", "state=x&code=1"])
def test_an_answer_without_the_state_does_not_end_the_wait(signing: Signing, query: str) -> None:
    pages: list[requests.Response] = []

    def stray(address: str) -> None:
        for host in ("127.0.0.1", "[::1]"):
            pages.append(requests.get(f"http://{host}:{signing.port}/callback?{query}", timeout=30))

    assert signing(signing.someone("1", before=stray)).code == 0
    assert all(page.status_code == 400 and "still waits for its own answer" in page.text for page in pages)


def test_a_code_of_another_sign_in_is_worth_nothing(signing: Signing) -> None:
    """Even if its thief knows the state: Sage compares the verifier with what the code was asked for with."""
    code = signing.box.tokens.new_code("GB", redirect_uri(signing.port), "readonly", "x" * 43, "S256")

    def swap(address: str) -> None:
        state = parse_qs(urlsplit(press(address, "allow", follow=False).headers["Location"]).query)["state"][0]
        query = urlencode({"code": code, "state": state})
        requests.get(f"{redirect_uri(signing.port)}?{query}", timeout=30)

    outcome = signing(signing.someone("1", decision="", before=swap))
    assert outcome.code == 1 and "did not accept the code" in outcome.complaint


def test_a_stolen_code_is_worth_nothing(signing: Signing) -> None:
    stolen: list[str] = []

    def steal(address: str) -> None:
        target = press(address, "allow", follow=False).headers["Location"]
        stolen.extend(parse_qs(urlsplit(target).query)["code"])
        form = {"grant_type": "authorization_code", "code": stolen[0], "redirect_uri": redirect_uri(signing.port)}
        form |= {"client_id": signing.box.tokens.client_id, "client_secret": signing.box.tokens.client_secret}
        answer = requests.post(f"{signing.box.root}/oauth/token", data=form, timeout=30)
        assert (answer.status_code, answer.json()) == (400, {"error": "invalid_grant"})

    signing(signing.someone("1", decision="", before=steal), "--timeout", "1")
    assert stolen and not signing.box.tokens.grants


def test_the_browser_is_led_to_sage_once(signing: Signing) -> None:
    opened: list[requests.Response] = []

    def twice(address: str) -> None:
        assert re.fullmatch(rf"http://localhost:{signing.port}/[\w-]{{22}}", address)
        opened.extend(requests.get(address, timeout=30, allow_redirects=False) for _ in range(2))

    outcome = signing(signing.someone("1", decision="", before=twice))
    assert outcome.code == 1 and "was opened twice" in outcome.complaint
    assert [one.status_code for one in opened] == [303, 404]
    assert not [one for one in signing.box.requests if one.path == "/oauth/token"]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become somebody else")
def test_a_program_of_another_user_is_not_answered(signing: Signing) -> None:
    heard: list[str] = []

    def another(address: str) -> None:
        look = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=30)"
        for host in ("127.0.0.1", "[::1]"):
            done = subprocess.run(  # noqa: S603
                [sys.executable, "-c", look, address.replace("localhost", host)],
                user=65534,
                cwd="/",
                env={},
                capture_output=True,
                text=True,
                timeout=30,
                check=False,
            )
            heard.append(done.stderr)

    assert signing(signing.someone("1", before=another)).code == 0, "and its opening did not count"
    assert all("RemoteDisconnected" in one or "Connection reset" in one for one in heard), heard


@pytest.mark.parametrize("opens", [True, False])
def test_nobody_answers(signing: Signing, opens: bool) -> None:
    who = signing.someone(decision="")
    who.browse = lambda address: opens  # type: ignore[method-assign]
    outcome = signing(who, "--timeout", "1")
    assert outcome.code == 1 and "within 1 seconds" in outcome.complaint and "--no-browser" in outcome.complaint


@pytest.mark.parametrize("wrong", [{"client_secret": "wrong"}, {"client_id": "wrong", "decision": ""}])
def test_a_wrong_client(signing: Signing, wrong: dict[str, str]) -> None:
    outcome = signing(signing.someone(**wrong), "--timeout", "1")
    assert outcome.code == 1 and "Client ID" in outcome.complaint


def test_an_expired_code(signing: Signing) -> None:
    signing.box.settings.code_life = -1
    outcome = signing(signing.someone())
    assert outcome.code == 1 and "60 seconds" in outcome.complaint


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (faults.lost_answer(), "works only once"),
        (faults.cut(), "works only once"),
        (faults.drop(), "works only once"),
        (faults.status(503), "problem of its own"),
        (faults.status(429), "problem of its own"),
        (faults.html(200), "did not answer like Sage"),
        (faults.status(200, {"access_token": "x", "refresh_token": ["y"]}), "did not answer like Sage"),
        (faults.status(302, headers={"Location": "http://127.0.0.1:9/elsewhere"}), "HTTP 302"),
        (faults.status(400, {"error": "invalid_request"}), "HTTP 400"),
        (faults.status(400, {"error": {"code": 1}}), "HTTP 400"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_the_code_is_given_to_sage_once(signing: Signing, fault: faults.Action, words: str) -> None:
    signing.box.faults.add(fault, path="/oauth/token")
    outcome = signing(signing.someone("1"))
    assert outcome.code == 1 and words in outcome.complaint
    assert len([one for one in signing.box.requests if one.path == "/oauth/token"]) == 1


@pytest.mark.parametrize("life", ["1e99", None, "soon", "nan"])
def test_a_life_that_makes_no_sense_becomes_five_minutes(signing: Signing, life: str | None) -> None:
    grant = signing.box.tokens.new_grant()
    (access,) = grant.access
    odd = {"access_token": access, "refresh_token": grant.refresh_token, "expires_in": life}
    signing.box.faults.add(faults.status(200, odd), path="/oauth/token")
    outcome = signing(signing.someone("1"))
    assert outcome.config is not None
    left = parse_utc(outcome.config["token_expiry_date"]) - dt.datetime.now(dt.UTC)
    assert dt.timedelta(seconds=280) < left <= dt.timedelta(seconds=300)


def test_a_sign_in_without_a_business(signing: Signing) -> None:
    signing.box.faults.add(faults.status(200, {"$items": []}), path="*/businesses")
    outcome = signing(signing.someone())
    assert outcome.code == 1 and "covers no business" in outcome.complaint


@pytest.mark.parametrize(
    ("fault", "words"), [(faults.status(503), "HTTP 503"), (faults.status(403), "HTTP 403"), (faults.html(404), "404")]
)
def test_the_list_of_businesses_cannot_be_had(signing: Signing, fault: faults.Action, words: str) -> None:
    signing.box.faults.add(fault, path="*/businesses")
    outcome = signing(signing.someone())
    assert outcome.code == 1 and "The sign-in worked, but" in outcome.complaint and words in outcome.complaint


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("https://sage.invalid", "its host name is not known"),
        ("https://127.0.0.1:{tls}", "did not answer"),
        ("http://127.0.0.1:{closed}", "did not answer: no connection"),
    ],
)
def test_sage_cannot_be_reached(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    own: Sandbox,
    port: int,
    address: str,
    words: str,
) -> None:
    monkeypatch.setenv(ALLOWED_HOSTS, "sage.invalid")
    address = address.format(tls=urlsplit(own.root).port, closed=port)
    who = Someone("c", "s3cret", ["GB/1"])
    arguments = ["--api-endpoint", address, "--output", str(tmp_path / "config.json"), "--no-browser"]
    assert main([*arguments, "--start-date", "2024-01-01"], who.person) == 1
    complaint = capsys.readouterr().err
    assert words in complaint and "Traceback" not in complaint
    assert list(tmp_path.iterdir()) == []


# What is wrong before Sage is asked


def early(signing: Signing, *more: str, **traits: Any) -> str:
    """The complaint of a run that must fail before a browser opens."""
    outcome = signing(signing.someone(before=lambda _: pytest.fail("the browser was opened"), **traits), *more)
    assert outcome.code == 1
    assert signing.box.requests == []
    return outcome.complaint


def test_a_file_is_not_overwritten(signing: Signing) -> None:
    signing.output.write_text("mine")
    assert "already there" in early(signing)
    assert signing.output.read_text() == "mine"


def test_nor_is_one_that_appears_meanwhile(signing: Signing) -> None:
    who = signing.someone("1", "")
    ask = who.ask

    def slow(question: str) -> str:
        signing.output.write_text("somebody else's")
        return ask(question)

    who.ask = slow  # type: ignore[method-assign]
    code = main(
        ["--api-endpoint", signing.box.root, "--port", str(signing.port), "--output", str(signing.output)], who.person
    )
    assert code == 1 and who.answers == []
    assert signing.output.read_text() == "somebody else's"


def test_a_folder_is_no_file(signing: Signing) -> None:
    signing.output.mkdir()
    assert "already there" in early(signing, "--force")


def test_a_folder_that_is_not_there(signing: Signing) -> None:
    signing.output = signing.output.parent / "nowhere" / "config.json"
    assert "No such file or directory" in early(signing)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--start-date", "2024-02-30"], "Start Date"),
        (["--api-endpoint", "http://sage.example"], "https://"),
        (["--api-endpoint", "sage"], "https://"),
    ],
)
def test_options_are_judged_first(signing: Signing, options: list[str], words: str) -> None:
    assert words in early(signing, *options)


@pytest.mark.parametrize(("field_name", "title"), [("client_id", "Client ID"), ("client_secret", "Client Secret")])
def test_nothing_typed(signing: Signing, field_name: str, title: str) -> None:
    assert f"{title} is missing" in early(signing, **{field_name: " "})


@pytest.mark.parametrize(("family", "host"), LOOPBACK)
def test_a_port_in_use_on_either_address(signing: Signing, family: socket.AddressFamily, host: str) -> None:
    with socket.create_server((host, signing.port), family=family):
        complaint = early(signing)
    assert f"Port {signing.port}" in complaint and "--port" in complaint and host in complaint
    for one, address in LOOPBACK:  # none of them is held on to
        socket.create_server((address, signing.port), family=one).close()


def test_nobody_there_to_answer(signing: Signing) -> None:
    outcome = signing(signing.someone())
    assert outcome.code == 1 and "Nobody can answer questions here" in outcome.complaint


@pytest.mark.parametrize("option", [["--port", "0"], ["--port", "x"], ["--timeout", "0"], ["--country", "fr"]])
def test_options_out_of_bounds(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(option)
    assert ended.value.code == 2
    assert option[0] in capsys.readouterr().err


# As a process


def environment(box: Sandbox, browser: str) -> dict[str, str]:
    known = {"SAGE_CLIENT_ID": box.tokens.client_id, "SAGE_CLIENT_SECRET": box.tokens.client_secret}
    return {**os.environ, **known, "BROWSER": browser, "PYTHONIOENCODING": "ascii"}


def arguments(box: Sandbox, port: int, output: Path) -> list[str]:
    options = ["--api-endpoint", box.root, "--port", str(port), "--output", str(output), "--start-date", CHECKED_START]
    return [str(COMMAND), "authorize", *options]


def test_the_command_opens_the_browser_that_the_system_names(own: Sandbox, port: int, tmp_path: Path) -> None:
    script, seen = tmp_path / "browser.py", tmp_path / "seen.json"
    script.write_text(
        "import json, os, pathlib, sys, requests\n"
        f"pathlib.Path({str(seen)!r}).write_text(json.dumps([sys.argv, dict(os.environ)]))\n"
        "requests.get(requests.get(sys.argv[1], timeout=10).url + '&auto_approve=1', timeout=10)\n"
    )
    output = tmp_path / "my config.json"
    own.businesses[0].name = "Café Zoë"  # the terminal has no é
    own.faults.add(
        faults.status(503), path="*/businesses", times=1
    )  # the connector logs for Airbyte that it asks again
    done = subprocess.run(  # noqa: S603
        arguments(own, port, output),
        input="1\n",
        env=environment(own, f"{sys.executable} {script} %s"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    config = json.loads(output.read_text())
    assert config["account_id"] == own.businesses[0].id
    assert "source-sage check --config '" in done.stdout
    assert "Caf? Zo?" in done.stdout and '"type"' not in done.stdout
    assert config["access_token"] not in done.stdout and config["refresh_token"] not in done.stdout
    assert run("check", config).status["status"] == "SUCCEEDED"

    # What other users can see of a browser, and what whatever it starts inherits.
    started, inherited = json.loads(seen.read_text())
    (state,) = {one.params["state"] for one in own.requests if one.path == "/oauth/authorize"}
    assert state not in " ".join(started)
    assert own.tokens.client_secret not in "\n".join(inherited.values())


def test_ctrl_c_stops_it(own: Sandbox, port: int, tmp_path: Path) -> None:
    # A shell starts what runs in the background deaf to it, tests too, and the process would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    command = arguments(own, port, tmp_path / "config.json")
    process = subprocess.Popen(  # noqa: S603
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(own, "true"),
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Waiting"):
            break
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate(timeout=30)
    assert process.returncode == 1
    assert complaint.strip() == "Stopped. Nothing was saved."
    assert list(tmp_path.iterdir()) == []


# In a real browser


@pytest.mark.skipif(bool(webdriver.missing()), reason=webdriver.missing() or "there is a browser")
@pytest.mark.parametrize("decision", ["allow", "deny"])
def test_a_person_presses_a_button_in_chromium(signing: Signing, decision: str, tmp_path: Path) -> None:
    pictures = Path(os.environ.get("SCREENSHOTS") or tmp_path / "pictures")
    pictures.mkdir(parents=True, exist_ok=True)
    signing.output = tmp_path / "out" / "config.json"
    signing.output.parent.mkdir()
    done: list[Outcome] = []
    came: list[str] = []
    opened = threading.Event()
    who = signing.someone("all")
    # A browser opens beside the command: what it does must not need the command to wait for it.
    who.browse = lambda address: came.append(address) or opened.set() or True  # type: ignore[method-assign, func-returns-value]
    with webdriver.chromium() as browser:
        command = threading.Thread(target=lambda: done.append(signing(who)))
        command.start()
        assert opened.wait(30)
        browser.open(came[0])
        consent = browser.text()
        browser.screenshot(pictures / f"consent-{decision}.png")
        browser.click(f"button[value={decision}]")
        browser.arrive(f"http://localhost:{signing.port}/callback?")
        closing = browser.text()
        browser.screenshot(pictures / f"closing-{decision}.png")
        title = browser.title
        command.join(60)
    assert all(company.name in consent for company in signing.box.businesses)
    assert "cannot change" in consent
    assert "You can close this window" in closing
    (outcome,) = done
    if decision == "deny":
        assert title == "Not signed in - source-sage" and "Access was denied" in closing
        assert outcome.code == 1 and "Access was denied" in outcome.complaint
    else:
        assert title == "Access allowed - source-sage"
        assert outcome.config is not None
        assert run("check", outcome.config).status["status"] == "SUCCEEDED"
