"""Deletions that Sage does not tell, inferred: which questions are asked for it, and when a tombstone leaves.

The list's length beside the number of its known keys (`known_keys`) says on most days that nothing is missing: one
request. Where they differ, and once a week, all keys are read; in a list that stood still, what is missing may be gone.
But it may as well be hidden from this user by now, lie on a page that moved, or be restored. So a tombstone leaves only
if all of this holds:

* the key is asked for singly, and Sage's own word is 404;
* before and after that, within a minute, other keys of the list are there, for the same business;
* what the user may see is the same as when the key was learnt, before and after.

For the last, keys that a run sees for the first time are kept only if the rights are still the same at its end: one
request more for a list with new rows.

Whatever is in doubt infers nothing, and is asked again by the next sync. A list never fails for it, unless it fails for
what is asked of each list. None of the lists that are read so changes by being asked for a single row
(docs/sage-api.md#deletions).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from enum import Enum
from typing import Any, Final

from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from source_sage.api.rights import digest
from source_sage.api.transport import Answer
from source_sage.clock import utc_text
from source_sage.config import ALL_DATES
from source_sage.errors import ListRefused, OfTheRun
from source_sage.lists.asking import Steps
from source_sage.lists.keys import hash_of
from source_sage.lists.known_keys import BYTES_OF_A_KEY, KEYS_AT_MOST, KeptKeys, KnownKeys
from source_sage.lists.list_reader import ListReader
from source_sage.lists.paging import Page
from source_sage.lists.slices import Slice
from source_sage.lists.state import Checkpoint
from source_sage.lists.task import Batch, Task

logger = logging.getLogger("airbyte.source-sage")

ASKED_AT_MOST: Final = 20
SECONDS_TO_ASK: Final = 40.0
SECONDS_IN_ALL: Final = 60.0
WALKS_OF_KEYS: Final = 2
# Words of Sage's that are about who asks, whatever the status beside them (docs/sage-api.md#errors).
ABOUT_RIGHTS: Final = frozenset(("AuthorizationFailure", "MultiUserAccessDenied"))


class _Standing(Enum):
    """What Sage says of a single row."""

    THERE = "there"
    GONE = "gone"
    UNCLEAR = "unclear"


class InferringReader(ListReader):
    """Reads a list, and learns its keys where Sage does not tell what was deleted in it."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        kept = task.checkpoint.keys if task.checkpoint else None
        self._known = KnownKeys(kept, task.business.rights if task.facts.infers_deletions else "")

    def _note(self, slice_: Slice | None, page: Answer[Page]) -> int:
        # When the run first had an answer of the list: what it shows was not seen before that.
        moment = utc_text(self._began or page.moment)
        self._known.see((item.key for item in page.taken[1].items), moment)
        return super()._note(slice_, page)

    def _save(self, checkpoint: Checkpoint) -> None:
        super()._save(checkpoint.knowing(self._kept()))

    def _kept(self) -> KeptKeys | None:
        """The known keys, if the state has room for them."""
        keys = self._known.kept()
        if keys is not None and keys.size > self._task.room_for_keys():
            self._known.give_up()
        return self._known.kept()

    def _infer_deletions(self) -> Steps[None]:
        """Emit tombstones for what is surely gone, after all else was read."""
        if self._old is not None and self._known.are_kept:
            yield from self._look_for_missing()
        elif not (self._facts.date_field and self._task.window != ALL_DATES):
            self._known.note_all_read(utc_text(self._latest))
        if self._known.has_new:
            # Who signed in is not asked again for what only is learnt: one request more for each list with new rows.
            yield from self._look_at_rights(self._task.business.user)
        if self._kept() is None and self._known.too_many:
            logger.info(
                "%s: what is deleted there is not shown: Sage does not tell of it, and there are more rows than are "
                "remembered to find it out.",
                self._name,
            )

    def _look_for_missing(self) -> Steps[None]:
        known = self._known
        total = yield from self._length(self._of_keys())
        if total is None or known.are_all(total, self._latest):
            return
        if total > KEYS_AT_MOST or total * BYTES_OF_A_KEY > self._task.room_for_keys():
            known.give_up()
            return
        listed = yield from self._read_keys()
        if listed is None or not known.are_kept:
            logger.info("%s: what was deleted cannot be told now; the next sync looks again.", self._name)
            return
        known.note_all_read(utc_text(self._latest))
        hashes = {key: hash_of(key) for key in known.missing(listed)}
        left = self._has_left(hashes.values())
        missing = [key for key, one in hashes.items() if one not in left]
        if missing and listed:
            yield from self._ask_singly(missing[:ASKED_AT_MOST], sorted(listed))

    def _of_keys(self) -> dict[str, str]:
        """A query for all rows whatever their dates, as short as they come."""
        return {name: value for name, value in self._always().items() if name != "attributes"}

    def _read_keys(self) -> Steps[set[str] | None]:
        """Read the keys of all rows; None if the list does not stand still, or its length is in doubt."""
        listed: set[str] = set()
        slice_ = Slice(self._of_keys(), ALL_DATES, ALL_DATES, self._facts.page_size)
        slice_.leaves = False
        slice_.on_page = lambda taken: listed.update(item.key for item in taken.items if item.key is not None)
        self._open.append(slice_)
        for _ in range(WALKS_OF_KEYS):
            yield from self._finish(slice_)
            # What was read beyond a count that is wrong may be all there is; here that is not enough.
            if slice_.stood_still and slice_.first_total == len(listed) and not self._warned:
                self._open.remove(slice_)
                return listed
            listed.clear()
            slice_.begin_again(afresh=True)
        self._open.remove(slice_)
        return None

    def _ask_singly(self, missing: Sequence[str], listed: Sequence[str]) -> Steps[None]:
        """Ask for what is missing, between two rows that must be there; a tombstone leaves for what is gone."""
        clock = self._task.clock
        began = clock.monotonic()
        if (yield from self._standing(listed[0])).taken is not _Standing.THERE:
            return
        gone: list[str] = []
        for key in missing:
            if clock.monotonic() - began > SECONDS_TO_ASK:
                break
            came = yield from self._standing(key)
            if came.taken is _Standing.GONE:
                gone.append(key)
            elif came.taken is _Standing.THERE:
                self._known.hide(key)
        if not gone:
            return
        last = yield from self._standing(listed[-1])
        user = yield from self.answer(lambda: self._told("/user", lambda told: str(told.get("id") or "")))
        yield from self._look_at_rights(user.taken)
        is_sure = last.taken is _Standing.THERE and self._known.are_kept and not self._known.has_new
        if is_sure and clock.monotonic() - began <= SECONDS_IN_ALL:
            self._emit_inferred(gone, utc_text(last.stamp))
        else:
            logger.info("%s: whether %d rows are gone is not clear; the next sync asks again.", self._name, len(gone))

    def _emit_inferred(self, gone: Collection[str], moment: str) -> None:
        self._left.add({hash_of(key) for key in gone})
        last_seen = {key: self._known.last_seen(key) for key in gone}
        for key in gone:
            self._known.forget(key)
        rows = self._to_emit.tombstones([(key, None) for key in gone], moment)
        self._task.tally.tombstones += len(rows)
        self._task.hand_on(Batch(self._task.emit(rows, deletions=True, last_seen=last_seen)))

    def _standing(self, key: str) -> Steps[Answer[_Standing]]:
        def ask() -> Answer[_Standing]:
            task = self._task
            try:
                came = self._one(f"{task.facts.path}/{key}", {"attributes": "id"})
            except ListRefused as refusal:
                is_gone = refusal.status == 404 and refusal.code not in ABOUT_RIGHTS
                return Answer(_Standing.GONE if is_gone else _Standing.UNCLEAR, task.clock.now(), 0.0, 0)
            if came is None:
                return Answer(_Standing.UNCLEAR, task.clock.now(), 0.0, 0)
            is_it = str(came.taken.get("id")) == key
            return came.of(_Standing.THERE if is_it else _Standing.UNCLEAR)

        return self.answer(ask)

    def _look_at_rights(self, user: str | None) -> Steps[None]:
        """Note what the user of this id may see now."""
        key = self._task.business.id

        def rights(told: dict[str, Any]) -> str:
            return digest(user or "", told) if told.get("id") == key else ""

        seen = yield from self.answer(lambda: self._told(f"/businesses/{key}", rights))
        self._known.note_rights(None if user is None else seen.taken)

    def _told(self, path: str, take: Callable[[dict[str, Any]], str]) -> Answer[str | None]:
        """What one record says of the user; empty if Sage refuses it, None if there is no good answer."""
        try:
            came = self._one(path, {})
        except ListRefused:
            return Answer("", self._task.clock.now(), 0.0, 0)
        if came is None:
            return Answer(None, self._task.clock.now(), 0.0, 0)
        return came.of(take(came.taken))

    def _one(self, path: str, params: dict[str, str]) -> Answer[dict[str, Any]] | None:
        """Ask for one record, once; None if there is no good answer.

        Raises:
            ListRefused: Sage refuses it in its own words.
            OfTheRun: nothing can be asked any more.
        """
        task = self._task
        try:
            return task.transport.get(path, params, dict, business_id=task.business.id, tally=task.tally, tries=1)
        except OfTheRun:
            raise
        except AirbyteTracedException:
            return None
