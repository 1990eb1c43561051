"""What is read out of a body, whatever it is."""

import json

import pytest

from source_sage.bodies import data_code, kind

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
