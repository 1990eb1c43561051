"""What must not be said, and that nothing else goes with it."""

from __future__ import annotations

import json
import logging
import string
from collections.abc import Iterator
from typing import Any

import pytest
from airbyte_cdk.models import (
    AirbyteConnectionStatus,
    AirbyteLogMessage,
    AirbyteMessage,
    AirbyteMessageSerializer,
    Level,
    Status,
    Type,
)
from hypothesis import given
from hypothesis import strategies as st

from source_sage import secrecy
from source_sage.errors import config_error
from source_sage.run import as_line
from source_sage.secrecy import SHORTEST_SECRET, SecretsLogFormatter, keep_secret, visible, without_secrets

a_secret = st.text(st.characters(exclude_characters="*", exclude_categories=["Cs"]), min_size=SHORTEST_SECRET)
a_text = st.text(st.characters(exclude_categories=["Cs"]))
LEVELS = [logging.DEBUG, logging.INFO, logging.WARNING, logging.FATAL]


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    forget()
    yield
    forget()


def forget() -> None:
    secrecy._kept.clear()
    keep_secret()


def logged(level: int, text: str, extra: str = "") -> Any:
    record = logging.LogRecord("airbyte", level, __file__, 1, "%s", (text,), None)
    record.extra = extra
    return json.loads(SecretsLogFormatter("%(message)s").format(record))


@given(secret=a_secret, before=a_text, after=a_text, level=st.sampled_from(LEVELS))
def test_a_log_line_is_json_and_holds_no_secret(secret: str, before: str, after: str, level: int) -> None:
    forget()
    keep_secret(secret)
    line = logged(level, before + secret + after, extra=secret)
    assert secret not in (line["message"] if line["type"] == "DEBUG" else line["log"]["message"])


@given(secret=a_secret, before=a_text, after=a_text)
def test_a_failure_is_told_as_json_without_secrets(secret: str, before: str, after: str) -> None:
    forget()
    keep_secret(secret)
    error = json.loads(as_line(config_error(before + secret + after)))["trace"]["error"]
    assert error["failure_type"] == "config_error"
    assert not [text for text in (error["message"], error["internal_message"]) if secret in text]


WORDS = ["config_error", "CONNECTION_STATUS", '"type":"TRACE"', '","failure_type":"', "stack_trace", "internal_message"]


@pytest.mark.parametrize("secret", [*WORDS, "\\" * 8])
def test_a_secret_that_is_a_word_of_the_protocol_leaves_the_protocol_whole(secret: str) -> None:
    keep_secret(secret)
    trace = json.loads(as_line(config_error(f"It was {secret}.")))
    assert (trace["type"], trace["trace"]["type"]) == ("TRACE", "ERROR")
    assert trace["trace"]["error"]["failure_type"] == "config_error"
    assert trace["trace"]["error"]["message"] == "It was ****."
    for level in LEVELS:
        line = logged(level, f"It was {secret}.", extra=secret)
        said = line["message"] if line["type"] == "DEBUG" else line["log"]["message"]
        assert said.startswith("It was ****.")


@pytest.mark.parametrize("length", range(1, SHORTEST_SECRET))
def test_what_is_too_short_is_no_secret(length: int) -> None:
    for letter in {*string.printable, "\u00e9", "\u0416", "\N{GRINNING FACE}"}:
        keep_secret(letter * length)
    text = string.printable * 2
    assert json.loads(as_line(config_error(text)))["trace"]["error"]["message"] == text
    assert logged(logging.INFO, text)["log"]["message"] == text
    assert logged(logging.DEBUG, text)["message"] == text


def test_a_secret_is_known_by_each_way_it_may_be_written() -> None:
    keep_secret("  first-half\n second-half ", ["in-a-list"], {"a": {"b": "in-an-object"}}, None, 12345678)
    said = without_secrets(
        AirbyteMessage(
            type=Type.LOG,
            log=AirbyteLogMessage(
                level=Level.INFO,
                message="first-halfsecond-half, second-half, in-a-list, in-an-object",
                stack_trace="first-half\n second-half",
            ),
        )
    )
    assert said.log is not None
    assert (said.log.message, said.log.stack_trace) == ("****, ****, ****, ****", "****")


def test_one_secret_within_another_hides_both() -> None:
    keep_secret("secret-one", "secret-one-and-more")
    assert logged(logging.INFO, "secret-one-and-more secret-one")["log"]["message"] == "**** ****"


def test_the_outcome_of_check_is_looked_through_too() -> None:
    keep_secret("the-secret")
    status = AirbyteConnectionStatus(status=Status.FAILED, message="the-secret is wrong")
    told = AirbyteMessageSerializer.dump(
        without_secrets(AirbyteMessage(type=Type.CONNECTION_STATUS, connectionStatus=status))
    )
    assert told["connectionStatus"] == {"status": "FAILED", "message": "**** is wrong"}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Juniper & Pike Ltd", "Juniper & Pike Ltd"),
        ("Caf\u00e9 Zo\u00eb \U0001f469\u200d\U0001f33e", "Caf\u00e9 Zo\u00eb \U0001f469\u200d\U0001f33e"),
        (
            "\u0634\u0631\u06a9\u062a \u0645\u06cc\u200c\u0634\u0648\u062f",
            "\u0634\u0631\u06a9\u062a \u0645\u06cc\u200c\u0634\u0648\u062f",
        ),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x1b]0;title\x07\x08\x7f\x9b", "\\x1b]0;title\\x07\\x08\\x7f\\x9b"),
        ("Ltd \u202etxt.exe\u2066\u200f", "Ltd \\u202etxt.exe\\u2066\\u200f"),
        ("one\ntwo\r\tthree\u2028four\u00a0five", "one two three four five"),
        ("\ue000\ufeff\U000e0001", "\\ue000\\ufeff\\U000e0001"),
        ("x" * 201, "x" * 200 + "..."),
    ],
)
def test_what_a_stranger_calls_itself_is_shown_letter_by_letter(name: str, shown: str) -> None:
    assert visible(name) == shown


@given(st.text())
def test_no_name_does_anything_to_a_terminal(name: str) -> None:
    shown = visible(name)
    assert len(shown) <= 203 and (shown.replace("\u200d", "").replace("\u200c", "")).isprintable()
