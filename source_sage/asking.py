"""Asking for the pages of one list of one business: side by side, and smaller ones where the full size keeps failing.

The first answer tells how long the list is; from then on pages are asked for ahead of the one that is wanted next, as
far as there are free threads and room for pages that wait. They are handed on in their order, so that whoever reads
them knows at each page that all before it were read.

A page asked for ahead may have been answered before a row entered in front of it while the page before it was answered
after that: the row between them would be in neither. Its `$total` is then smaller, and it is asked for again.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from source_sage.clock import utc_text
from source_sage.pages import PageWalk
from source_sage.report import Tally
from source_sage.shifts import Sight
from source_sage.streams import StreamFacts
from source_sage.transport import TRIES, Answer, NoGoodAnswer, Transport

TRIES_BEFORE_SHRINKING: Final = 3
PAGES_THAT_WAIT_PER_WORKER: Final = 2
T = TypeVar("T")


class Askers:
    """The threads that ask Sage, shared by all readings of a sync.

    Args:
        workers: how many requests run at the same time.
    """

    def __init__(self, workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="ask")
        self._room = threading.Semaphore(PAGES_THAT_WAIT_PER_WORKER * workers)

    def ask(self, get: Callable[..., T], *args: Any) -> Future[T]:
        """Ask for what somebody waits for."""
        return self._pool.submit(get, *args)

    def ask_ahead(self, get: Callable[..., T], *args: Any) -> Future[T] | None:
        """Ask for what will be wanted soon, if there is room for it; `taken` gives the room back."""
        return self._pool.submit(get, *args) if self._room.acquire(blocking=False) else None

    def taken(self) -> None:
        """Note that something asked for ahead was taken or is not wanted any more."""
        self._room.release()

    def close(self) -> None:
        """Ask for nothing more; requests that run are left to their end."""
        self._pool.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True)
class Page:
    """One page of a walk.

    Attributes:
        items: its records; none where Sage repeated a page.
        sight: how it was answered, and how many rows of the list have been read with it.
        moment: Sage's clock when it answered (UTC).
        aligned: a later walk can go on after it.
    """

    items: list[Any]
    sight: Sight
    moment: dt.datetime
    aligned: bool


@dataclass(frozen=True)
class ListAsker:
    """Asks for the list of one stream and business."""

    facts: StreamFacts
    business_id: str
    transport: Transport
    tally: Tally
    askers: Askers

    def walk(self, params: Mapping[str, str], rows: int = 0) -> Iterator[Page]:
        """Ask page after page to the end of the list.

        Args:
            params: the query, without page and size.
            rows: where to begin: how many rows are behind; a multiple of the page size.

        Raises:
            ListRefused, AirbyteTracedException: as the transport says.
        """
        walk = PageWalk(self.facts.page_size, rows)
        ahead: dict[int, Future[Answer]] = {}
        longest = 0
        try:
            while not walk.finished:
                answer = self._page(walk, params, ahead, longest)
                if answer is None:
                    walk.shrink()
                    continue
                items = walk.take(answer.body)
                longest = _total(answer) or 0
                self._look_ahead(walk, params, ahead, longest)
                asked = utc_text(answer.moment - dt.timedelta(seconds=answer.took))
                sight = Sight(walk.rows, _total(answer), asked, utc_text(answer.moment))
                yield Page(items, sight, answer.moment, walk.aligned)
        finally:
            for unwanted in ahead.values():
                unwanted.cancel()
                self.askers.taken()

    def length(self, params: Mapping[str, str]) -> int | None:
        """`$total` of the list now; one cheap request. None if Sage does not say."""
        return _total(self._now(_paged(params, 1, 1), TRIES))

    def page(self, params: Mapping[str, str], number: int) -> list[Any]:
        """The records of one page of full size, by itself."""
        items: list[Any] = self._now(_paged(params, number, self.facts.page_size), TRIES).body["$items"]
        return items

    def _page(
        self, walk: PageWalk, params: Mapping[str, str], ahead: dict[int, Future[Answer]], shortest: int
    ) -> Answer | None:
        """The page that the walk wants next; None where it kept failing and is to be asked for in halves."""
        try:
            if walk.at_full_size and walk.page in ahead:
                self.askers.taken()
                answer = ahead.pop(walk.page).result()
                total = _total(answer)
                if total is None or total >= shortest:
                    return answer
            tries = TRIES_BEFORE_SHRINKING if walk.can_shrink else TRIES
            return self._now({**params, **walk.params}, tries)
        except NoGoodAnswer:
            if walk.can_shrink:
                return None
            raise

    def _look_ahead(
        self, walk: PageWalk, params: Mapping[str, str], ahead: dict[int, Future[Answer]], total: int
    ) -> None:
        for page in walk.ahead(total):
            if page in ahead:
                continue
            wanted = _paged(params, page, self.facts.page_size)
            asked = self.askers.ask_ahead(self._get, wanted, TRIES_BEFORE_SHRINKING)
            if asked is None:
                return
            ahead[page] = asked

    def _now(self, params: Mapping[str, str], tries: int) -> Answer:
        return self.askers.ask(self._get, params, tries).result()

    def _get(self, params: Mapping[str, str], tries: int) -> Answer:
        return self.transport.get(
            self.facts.path,
            params,
            business_id=self.business_id,
            tally=self.tally,
            list_expected=True,
            tries=tries,
        )


def _paged(params: Mapping[str, str], page: int, size: int) -> dict[str, str]:
    return {**params, "page": str(page), "items_per_page": str(size)}


def _total(answer: Answer) -> int | None:
    total = answer.body.get("$total")
    return total if isinstance(total, int) else None
