"""Which keys are known of a list, and what is missing: by examples, and by whatever hypothesis thinks of."""

import datetime as dt
import json
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from source_sage.clock import parse_utc, utc_text
from source_sage.lists import known_keys
from source_sage.lists.known_keys import READ_ANEW_AFTER, KeptKeys, KnownKeys

RIGHTS: Final = "of today"
EARLIER: Final = "2026-11-23T10:00:00Z"
NOW: Final = "2026-11-24T10:00:00Z"
KEYS: Final = st.sets(st.text("abcdef0123456789-_", min_size=1, max_size=8), max_size=12)
MOMENTS: Final = st.datetimes(dt.datetime(2020, 1, 1), dt.datetime(2030, 1, 1), timezones=st.just(dt.UTC)).map(utc_text)


def known(*keys: str, rights: str = RIGHTS) -> KnownKeys:
    """Keys of a list that was read whole earlier."""
    made = KnownKeys(None, rights)
    made.see(keys, EARLIER)
    made.note_all_read(EARLIER)
    made.note_rights(rights)
    return made


def again(one: KnownKeys, rights: str = RIGHTS) -> KnownKeys:
    """The same in a later run, by way of the state."""
    kept = one.kept()
    return KnownKeys(KeptKeys.model_validate(json.loads(kept.model_dump_json())) if kept else None, rights)


@given(KEYS, KEYS, KEYS)
def test_missing_is_what_was_seen_and_is_not_listed(first: set[str], second: set[str], listed: set[str]) -> None:
    one = again(known(*first))
    one.see(second, NOW)
    assert one.has_new is bool(second - first)
    assert set(one.missing(listed)) == (first | second) - listed
    for key in first | second:
        assert one.last_seen(key) == (NOW if key in second else EARLIER)


@given(KEYS, KEYS)
def test_a_list_as_long_as_its_keys_lacks_none_for_a_week(keys: set[str], hidden: set[str]) -> None:
    one = known(*keys, *hidden)
    for key in hidden:
        one.hide(key)
    one, total = again(one), len(keys - hidden)
    read_at = parse_utc(EARLIER)
    assert one.are_all(total, read_at + READ_ANEW_AFTER - dt.timedelta(seconds=1))
    assert not one.are_all(total, read_at + READ_ANEW_AFTER)
    assert not one.are_all(total, read_at - READ_ANEW_AFTER), "a moment to come is none to rest on"
    assert not one.are_all(total + 1, read_at)
    assert not one.are_all(total - 1, read_at)


def test_keys_that_were_never_read_whole_are_not_all() -> None:
    one = KnownKeys(None, RIGHTS)
    one.see(["a"], NOW)
    one.note_rights(RIGHTS)
    assert not again(one).are_all(1, parse_utc(NOW))


@given(KEYS, KEYS)
def test_a_key_that_is_gone_is_forgotten_and_all_others_stay(keys: set[str], gone: set[str]) -> None:
    one = known(*keys, *gone)
    for key in gone:
        one.hide(key)
        one.forget(key)
    assert set(again(one).missing(())) == keys - gone


@pytest.mark.parametrize(("before", "now"), [(RIGHTS, "others"), (RIGHTS, ""), ("", ""), ("", RIGHTS)])
def test_with_other_rights_or_unknown_ones_nothing_is_known(before: str, now: str) -> None:
    one = again(known("a", "b", rights=before), now)
    assert one.missing(()) == []
    assert not one.are_all(2, parse_utc(EARLIER))
    one.see(["c"], NOW)
    assert one.has_new is bool(now)
    one.note_rights(now)
    assert again(one, now).missing(()) == (["c"] if now else [])


def test_without_rights_nothing_is_kept() -> None:
    assert known("a", rights="").kept() is None


def test_a_key_that_is_seen_again_is_hidden_no_more() -> None:
    one = known("a", "b")
    one.hide("a")
    one.see(["a"], NOW)
    assert one.are_all(2, parse_utc(EARLIER))


def test_what_was_hidden_is_asked_for_last() -> None:
    one = known("a", "b", "c")
    one.hide("a")
    assert one.missing(()) == ["b", "c", "a"]


@pytest.mark.parametrize("key", ["..", "a/b", "a?b", "a%2Fb", "", "ä", "a" * 65, "a b", "a\n"])
def test_a_key_that_might_lead_elsewhere_is_never_asked_for(key: str) -> None:
    one = known("a", key)
    assert one.missing(["a"]) == []
    assert one.are_all(1, parse_utc(EARLIER)), "it counts as hidden, so that the rest is not read again each time"


def test_rows_without_a_key_are_not_known() -> None:
    one = known()
    one.see([None], NOW)
    assert not one.has_new


def test_more_keys_than_are_kept_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_keys, "KEYS_AT_MOST", 3)
    one = known("a", "b", "c")
    assert one.are_kept
    one.see(["d"], NOW)
    assert one.too_many and not one.are_kept
    assert one.kept() is None
    one.see(["a"], NOW)
    one.note_all_read(NOW)
    assert one.missing(()) == []
    assert again(one).are_kept


@given(st.dictionaries(MOMENTS, KEYS.map(tuple), max_size=4), KEYS)
def test_the_size_is_about_that_of_the_json(seen: dict[str, tuple[str, ...]], hidden: set[str]) -> None:
    kept = KeptKeys(rights="r" * 32, read_at=NOW, seen=seen, hidden=tuple(hidden))
    size = len(json.dumps(kept.model_dump(), separators=(",", ":")))
    assert size - 120 <= kept.size <= size


@given(KEYS, KEYS)
def test_two_states_know_together_what_either_knows(keys: set[str], others: set[str]) -> None:
    one, other = known(*keys).kept(), KnownKeys(None, RIGHTS)
    other.see(others, NOW)
    other.note_rights(RIGHTS)
    assert one is not None
    together = one.with_those_of(other.kept())
    assert together.read_at == EARLIER
    assert sorted(key for some in together.seen.values() for key in some) == sorted(keys | others)
    assert together.size >= max(one.size, 0)
    assert one.with_those_of(known(*others, rights="others").kept()) == one
    assert one.with_those_of(None) == one


@pytest.mark.parametrize(
    "kept",
    [
        {},
        {"rights": RIGHTS, "read_at": "yesterday"},
        {"rights": RIGHTS, "seen": {"yesterday": ["a"]}},
        {"rights": RIGHTS, "seen": {NOW: [1]}},
        {"rights": RIGHTS, "seen": ["a"]},
        {"rights": RIGHTS, "more": 1},
    ],
)
def test_what_is_damaged_is_refused(kept: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        KeptKeys.model_validate(kept)


@given(KEYS, KEYS)
def test_new_keys_are_kept_only_once_the_rights_are_known_to_be_the_same(keys: set[str], new: set[str]) -> None:
    one = again(known(*keys))
    before = one.kept()
    one.see(new, NOW)
    if new - keys:
        assert one.kept() == before
    one.note_rights(RIGHTS)
    assert set(again(one).missing(())) == keys | new


@pytest.mark.parametrize("now", ["", "others"])
def test_with_other_rights_in_the_end_none_is_known(now: str) -> None:
    one = known("a")
    one.see(["b"], NOW)
    one.note_rights(now)
    assert one.missing(()) == []
    assert one.kept() is None
    assert not one.are_kept and not one.too_many


@given(KEYS, KEYS)
def test_where_nobody_can_tell_the_rights_what_was_known_stays_as_it_is(keys: set[str], new: set[str]) -> None:
    before = known(*keys)
    one = again(before)
    one.see(new, NOW)
    one.note_rights(None)
    assert one.are_kept
    assert one.has_new, "so that it is asked once more at the end"
    assert one.kept() == before.kept()
