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
from typing import Any, Final, Generic, TypeVar

from source_sage.clock import utc_text
from source_sage.pages import Envelope, PageWalk
from source_sage.report import Tally
from source_sage.shifts import Sight
from source_sage.streams import StreamFacts
from source_sage.transport import TRIES, Answer, NoGoodAnswer, NotSagesWord, Transport

TRIES_BEFORE_SHRINKING: Final = 3
PAGES_THAT_WAIT_PER_WORKER: Final = 2
BYTES_THAT_WAIT: Final = 12_000_000
T = TypeVar("T")
_Taken = tuple[Envelope, T]


class Askers:
    """The threads that ask Sage, shared by all readings of a sync.

    Args:
        workers: how many requests run at the same time.
    """

    def __init__(self, workers: int) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="ask")
        self._lock = threading.Lock()
        self._pages = PAGES_THAT_WAIT_PER_WORKER * workers
        self._bytes = BYTES_THAT_WAIT

    def ask(self, get: Callable[..., T], *args: Any) -> Future[T]:
        """Ask for what somebody waits for."""
        return self._pool.submit(get, *args)

    def ask_ahead(self, size: int, get: Callable[..., T], *args: Any) -> Future[T] | None:
        """Ask for what will be wanted soon; None if too much of that waits already.

        Args:
            size: how many bytes it will take while it waits; `taken` gives the room back.
        """
        with self._lock:
            if self._pages <= 0 or self._bytes <= 0:
                return None
            self._pages -= 1
            self._bytes -= size
        return self._pool.submit(get, *args)

    def taken(self, size: int) -> None:
        """Note that something asked for ahead was taken or is not wanted any more."""
        with self._lock:
            self._pages += 1
            self._bytes += size

    def close(self) -> None:
        """Ask for nothing more; requests that run are left to their end."""
        self._pool.shutdown(wait=False, cancel_futures=True)


@dataclass(frozen=True)
class Page(Generic[T]):
    """One page of a walk.

    Attributes:
        taken: what was made of its records; None where Sage repeated a page.
        sight: how it was answered, and how many rows of the list have been read with it.
        moment: Sage's clock when it answered (UTC).
        aligned: a later walk can go on after it.
    """

    taken: T | None
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

    def walk(self, params: Mapping[str, str], take: Callable[[list[Any]], T], rows: int = 0) -> Iterator[Page[T]]:
        """Ask page after page to the end of the list.

        Args:
            params: the query, without page and size.
            take: makes of a page's records what is wanted of them; called on another thread, one page at a time.
            rows: where to begin: how many rows are behind; a multiple of the page size.

        Raises:
            ListRefused, AirbyteTracedException: as the transport says.
        """
        walk = PageWalk(self.facts.page_size, rows)
        asking = _Asking(self, params, take)
        shortest = 0
        try:
            while not walk.finished:
                answer = asking.page(walk, shortest)
                if answer is None:
                    walk.shrink()
                    continue
                envelope, taken = answer.taken
                new = walk.take(envelope)
                shortest = envelope.total or 0
                asking.look_ahead(walk, shortest, answer.size)
                asked = utc_text(answer.moment - dt.timedelta(seconds=answer.took))
                sight = Sight(walk.rows, envelope.total, asked, utc_text(answer.moment))
                yield Page(taken if new else None, sight, answer.moment, walk.aligned)
        finally:
            asking.forget()

    def length(self, params: Mapping[str, str]) -> int | None:
        """`$total` of the list now; one cheap request. None if Sage does not say."""
        return self._now(_paged(params, 1, 1), TRIES, _nothing)[0].total

    def page(self, params: Mapping[str, str], number: int, take: Callable[[list[Any]], T]) -> T:
        """One page of full size, by itself."""
        return self._now(_paged(params, number, self.facts.page_size), TRIES, take)[1]

    def get(self, params: Mapping[str, str], tries: int, take: Callable[[list[Any]], T]) -> Answer[_Taken[T]]:
        """One page, asked for on this thread."""

        def both(body: dict[str, Any]) -> _Taken[T]:
            return Envelope.of(body), take(body["$items"])

        return self.transport.get(
            self.facts.path,
            params,
            both,
            business_id=self.business_id,
            tally=self.tally,
            list_expected=True,
            tries=tries,
        )

    def _now(self, params: Mapping[str, str], tries: int, take: Callable[[list[Any]], T]) -> _Taken[T]:
        return self.askers.ask(self.get, params, tries, take).result().taken


class _Asking(Generic[T]):
    """The pages of one walk that were asked for ahead."""

    def __init__(self, asker: ListAsker, params: Mapping[str, str], take: Callable[[list[Any]], T]) -> None:
        self._asker = asker
        self._askers = asker.askers
        self._params = params
        self._take = take
        self._ahead: dict[int, tuple[Future[Answer[_Taken[T]]], int]] = {}

    def page(self, walk: PageWalk, shortest: int) -> Answer[_Taken[T]] | None:
        """The page that the walk wants next; None where it kept failing and is to be asked for in halves."""
        try:
            if walk.at_full_size and walk.page in self._ahead:
                answer = self._pop(walk.page).result()
                total = answer.taken[0].total
                if total is None or total >= shortest:
                    return answer
            tries = TRIES_BEFORE_SHRINKING if walk.can_shrink else TRIES
            params = {**self._params, **walk.params}
            return self._askers.ask(self._asker.get, params, tries, self._take).result()
        except NoGoodAnswer as problem:
            if walk.can_shrink and not isinstance(problem, NotSagesWord):
                return None
            raise

    def look_ahead(self, walk: PageWalk, total: int, size: int) -> None:
        """Ask for the pages after this one, as far as there is room; forget those that smaller pages went past.

        Args:
            walk: stands before the next page.
            total: length of the list.
            size: bytes of the page before it.
        """
        for past in [number for number in self._ahead if number < walk.page and walk.at_full_size]:
            self._pop(past).cancel()
        for number in walk.ahead(total):
            if number in self._ahead:
                continue
            params = _paged(self._params, number, self._asker.facts.page_size)
            asked = self._askers.ask_ahead(size, self._asker.get, params, TRIES_BEFORE_SHRINKING, self._take)
            if asked is None:
                return
            self._ahead[number] = asked, size

    def forget(self) -> None:
        """Ask for nothing more."""
        for unwanted in list(self._ahead):
            self._pop(unwanted).cancel()

    def _pop(self, number: int) -> Future[Answer[_Taken[T]]]:
        asked, size = self._ahead.pop(number)
        self._askers.taken(size)
        return asked


def _paged(params: Mapping[str, str], page: int, size: int) -> dict[str, str]:
    return {**params, "page": str(page), "items_per_page": str(size)}


def _nothing(items: list[Any]) -> None:
    """What is wanted of the records of a page that is asked for its `$total`."""
