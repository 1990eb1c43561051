"""What is read out of a body, whatever it is."""

import json

import orjson
import pytest

from source_sage.bodies import data_code, kind, parsed

ERROR = {"$severity": "error", "$dataCode": "MultiUserAccessDenied", "$message": "No.", "$source": ""}


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ([ERROR], "MultiUserAccessDenied"),
        ([ERROR, {"$dataCode": "Other"}], "MultiUserAccessDenied"),
        (ERROR, "MultiUserAccessDenied"),
        ([{**ERROR, "$dataCode": None}], ""),
        ([{**ERROR, "$dataCode": 7}], "7"),
    ],
)
def test_sages_code_is_found_in_an_array_and_in_an_object(said: object, code: str) -> None:
    assert data_code(json.dumps(said).encode()) == code


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>AuthorizationFailure</html>",
        b"null",
        b"[]",
        b"[[]]",
        b'"$dataCode"',
        b'["$dataCode"]',
        b'{"message": "$dataCode"}',
        b'[{"error": {"$dataCode": "AuthorizationFailure"}}]',
        b'[{"$dataCode": "AuthorizationFailure"',
        b'[{"$dataCode": ' + b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_what_is_none_of_sages_has_no_code(body: bytes) -> None:
    assert data_code(body) is None


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b" \n", "an empty body"),
        (b"\n<!doctype html>", "a web page"),
        (b' {"a": 1}', "other JSON"),
        (b"[]", "other JSON"),
        (b"upstream", "a text"),
    ],
)
def test_a_body_is_told_by_its_kind_alone(body: bytes, words: str) -> None:
    assert kind(body) == words


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("1e400", "1e400"),
        ("9" * 80, "9" * 80),
        ("9" * 5000, "9" * 5000),
        ("-" + "9" * 20, "-" + "9" * 20),
        (str(2**64 - 1), 2**64 - 1),
        (str(2**64), str(2**64)),
        (str(-(2**63)), -(2**63)),
        ("1.5", 1.5),
    ],
)
def test_beside_a_nan_every_number_is_one_that_can_be_written_or_a_text(written: str, said: object) -> None:
    body, spoiled = parsed(f'{{"nan": NaN, "value": {written}}}'.encode())
    assert (body, spoiled) == ({"nan": "NaN", "value": said}, False)
    orjson.dumps(body)
