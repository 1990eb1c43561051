"""Asking for the pages of one list of one business, smaller ones where the full size keeps failing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from source_sage.pages import PageWalk
from source_sage.report import Tally
from source_sage.streams import StreamFacts
from source_sage.transport import TRIES, Answer, NoGoodAnswer, Transport

TRIES_BEFORE_SHRINKING: Final = 3


@dataclass(frozen=True)
class Page:
    """One page of a walk.

    Attributes:
        items: its records; none where Sage repeated a page.
        total: `$total`; None if Sage did not say.
        moment: Sage's clock when it answered (UTC).
        rows: rows of the list read so far, this page included.
        aligned: a later walk can go on after it.
    """

    items: list[Any]
    total: int | None
    moment: dt.datetime
    rows: int
    aligned: bool


@dataclass(frozen=True)
class ListAsker:
    """Asks for the list of one stream and business."""

    facts: StreamFacts
    business_id: str
    transport: Transport
    tally: Tally

    def walk(self, params: Mapping[str, str], rows: int = 0) -> Iterator[Page]:
        """Ask page after page to the end of the list.

        Args:
            params: the query, without page and size.
            rows: where to begin: how many rows are behind; a multiple of the page size.

        Raises:
            ListRefused, AirbyteTracedException: as the transport says.
        """
        walk = PageWalk(self.facts.page_size, rows)
        while not walk.finished:
            answer = self._page(walk, params)
            if answer is None:
                walk.shrink()
                continue
            items = walk.take(answer.body)
            yield Page(items, _total(answer), answer.moment, walk.rows, walk.aligned)

    def length(self, params: Mapping[str, str]) -> int | None:
        """`$total` of the list now; one cheap request. None if Sage does not say."""
        return _total(self._get({**params, "page": "1", "items_per_page": "1"}, TRIES))

    def _page(self, walk: PageWalk, params: Mapping[str, str]) -> Answer | None:
        """One page; None where it kept failing and is to be asked for in halves."""
        try:
            return self._get({**params, **walk.params}, TRIES_BEFORE_SHRINKING if walk.can_shrink else TRIES)
        except NoGoodAnswer:
            if walk.can_shrink:
                return None
            raise

    def _get(self, params: Mapping[str, str], tries: int) -> Answer:
        return self.transport.get(
            self.facts.path,
            params,
            business_id=self.business_id,
            tally=self.tally,
            list_expected=True,
            tries=tries,
        )


def _total(answer: Answer) -> int | None:
    total = answer.body.get("$total")
    return total if isinstance(total, int) else None
