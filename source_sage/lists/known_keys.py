"""The keys that are known of a list that does not tell of deletions, and what follows where one is missing. Pure.

Keys that were known and are not in the list any more may be gone. They are kept whole, as ids, as long as they are few
(`KEYS_AT_MOST` a list, `STATE_BYTES` a state), each with when it was last seen. A key is known as soon as an answer
showed it, whatever became of its row; nothing is concluded but from a later reading of all keys that is whole. What is
missing there is still no deletion: it is asked for singly (`inferred`), and stays known until that is settled. A key
that is there for whoever asks, and not in the list, is hidden: the list is as long as the keys that are not.

Keys hold only for the rights with which they were seen: with other ones, all is learnt anew. So keys that a run sees
for the first time are kept only if the rights were the same after that: a row that was shown to other rights for a
moment would else be missed later, and be nowhere for those that there are.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Collection, Iterable
from typing import Final

from pydantic import BaseModel, ConfigDict, Field, field_validator

from source_sage.clock import parse_utc

KEYS_AT_MOST: Final = 5_000
STATE_BYTES: Final = 1_000_000
READ_ANEW_AFTER: Final = dt.timedelta(days=7)
# Any other id might lead to another address.
_PLAIN: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
# What JSON takes beside the letters of a key, and for each moment of `seen`; a key has 32 letters as a rule.
_BESIDE_A_KEY: Final = 3
BYTES_OF_A_KEY: Final = 32 + _BESIDE_A_KEY
_A_MOMENT: Final = 26


class KeptKeys(BaseModel):
    """The known keys of a list of one business, as a state keeps them.

    Attributes:
        rights: what the user might see when they were seen, as a digest.
        read_at: when all of them were last read (UTC); empty if that never was.
        seen: the keys, by when they were last seen (UTC).
        hidden: those of them that were not in the list, and are there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rights: str
    read_at: str = ""
    seen: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    hidden: tuple[str, ...] = ()

    @field_validator("read_at")
    @classmethod
    def _is_moment(cls, value: str) -> str:
        if value:
            parse_utc(value)
        return value

    @field_validator("seen")
    @classmethod
    def _are_moments(cls, value: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for moment in value:
            parse_utc(moment)
        return value

    @functools.cached_property
    def size(self) -> int:
        """About how many bytes of a state they take."""
        keys = [*self.hidden, *(key for some in self.seen.values() for key in some)]
        return sum(map(len, keys)) + _BESIDE_A_KEY * len(keys) + _A_MOMENT * len(self.seen)

    def with_those_of(self, other: KeptKeys | None) -> KeptKeys:
        """The same and what another one knows beside, if it was seen with the same rights."""
        if other is None or other.rights != self.rights:
            return self
        known = {key for keys in self.seen.values() for key in keys}
        seen = dict(self.seen)
        for moment, keys in other.seen.items():
            if more := tuple(key for key in keys if key not in known):
                seen[moment] = (*seen.get(moment, ()), *more)
        return KeptKeys(rights=self.rights, read_at=self.read_at, seen=seen, hidden=self.hidden)


class KnownKeys:
    """The known keys of a list of one business during a run.

    Args:
        kept: what earlier runs have left.
        rights: what the user may see now, as a digest; empty if that is not known, or the list needs no keys: then
            nothing is known, and nothing kept.

    Attributes:
        too_many: there are more than are kept.
        has_new: some were seen for the first time, with rights that nobody has looked at since.
    """

    def __init__(self, kept: KeptKeys | None, rights: str) -> None:
        self._rights = rights
        self._seen: dict[str, str] = {}
        self._hidden: set[str] = set()
        self._read_at = ""
        self.too_many = False
        self.has_new = False
        self._kept = kept if kept is not None and rights and kept.rights == rights else None
        if kept is not None and kept is self._kept:
            self._seen = {key: moment for moment, keys in kept.seen.items() for key in keys}
            self._hidden = set(kept.hidden) & self._seen.keys()
            self._read_at = kept.read_at

    @property
    def are_kept(self) -> bool:
        """Tell whether anything is to be known of this list."""
        return bool(self._rights) and not self.too_many

    def see(self, keys: Iterable[str | None], moment: str) -> None:
        """Note keys that an answer shows.

        Args:
            keys: of all its rows; None where a row has none.
            moment: not later than the answer, UTC.
        """
        if not self.are_kept:
            return
        shown = [key for key in keys if key is not None]
        self.has_new = self.has_new or any(key not in self._seen for key in shown)
        self._seen.update(dict.fromkeys(shown, moment))
        self._hidden.difference_update(shown)
        if len(self._seen) > KEYS_AT_MOST:
            self.give_up()

    def give_up(self) -> None:
        """There are too many to know them."""
        self.too_many = True
        self._forget_all()

    def note_rights(self, rights: str | None) -> None:
        """Note what the user may see now that all keys were seen; if it is not what it was, none is known.

        Where nobody could find out (None), what earlier runs have left stays as it is.
        """
        self.has_new = rights is None
        if rights is not None and rights != self._rights:
            self._rights = ""
            self._forget_all()

    def _forget_all(self) -> None:
        self._seen, self._hidden, self._read_at, self._kept = {}, set(), "", None
        self.has_new = False

    def are_all(self, total: int, now: dt.datetime) -> bool:
        """Tell whether the length of the list says that nothing is missing, and that was looked at lately."""
        is_fresh = bool(self._read_at) and abs(now - parse_utc(self._read_at)) < READ_ANEW_AFTER
        return is_fresh and total == len(self._seen) - len(self._hidden)

    def note_all_read(self, moment: str) -> None:
        """All keys of the list were read, and have been noted."""
        self._read_at = moment if self.are_kept else ""

    def missing(self, listed: Collection[str]) -> list[str]:
        """The keys that are not among those of a whole reading and can be asked for singly, in the order in which to
        ask: those that were hidden come last."""
        away = sorted(self._seen.keys() - set(listed), key=lambda key: (key in self._hidden, key))
        for key in away:
            if not _PLAIN.fullmatch(key):
                self.hide(key)
        return [key for key in away if _PLAIN.fullmatch(key)]

    def hide(self, key: str) -> None:
        """A key is not in the list, and is there."""
        self._hidden.add(key)

    def last_seen(self, key: str) -> str:
        """When a known key was last seen, UTC."""
        return self._seen[key]

    def forget(self, key: str) -> None:
        """A key is gone."""
        del self._seen[key]
        self._hidden.discard(key)

    def kept(self) -> KeptKeys | None:
        """What later runs should know; None for nothing. While there are new keys, it is what was known before."""
        if not self.are_kept or self.has_new:
            return self._kept
        seen: dict[str, list[str]] = {}
        for key, moment in self._seen.items():
            seen.setdefault(moment, []).append(key)
        return KeptKeys(
            rights=self._rights,
            read_at=self._read_at,
            seen={moment: tuple(keys) for moment, keys in seen.items()},
            hidden=tuple(sorted(self._hidden)),
        )
