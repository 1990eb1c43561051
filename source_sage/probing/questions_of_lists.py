"""What is asked of Sage's lists: order, pages, filters. Each question gives one finding."""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final

from source_sage.clock import DAY, SECOND, parse_utc, utc_text
from source_sage.probing.findings import UNSETTLED, Finding, either, named
from source_sage.probing.looker import Seen
from source_sage.probing.subject import Record, Subject, moment_of
from source_sage.streams import StreamFacts

LISTS_TRIED: Final = 4
FAT_ROWS: Final = 50
PAGE_SIZES: Final = (200, 100, 50)
ORDERED_BY: Final = ("created_at", "updated_at", "date", "displayed_as")


def order(subject: Subject) -> Finding:
    """In which order a list comes when nobody asks for one."""
    found: dict[str, list[str]] = {}
    for facts, seen in subject.pages(changes=True):
        if words := order_of(seen.items):
            found.setdefault(words, []).append(facts.name)
    asked = "the first page of every list, without `sort`"
    means = "The source relies on no order: it proves each slice by keys and `$total`."
    if not found:
        return Finding(
            "default order",
            asked,
            "no list has three rows that differ",
            UNSETTLED,
            "A list of more rows would show it.",
        )
    seen_words = "; ".join(f"{words}: {named(names)}" for words, names in found.items())
    return Finding("default order", asked, seen_words, " / ".join(sorted(found)), means)


def order_of(items: Sequence[Record]) -> str:
    """By which field, and which way, records are in order; empty if too few of them differ."""
    enough = False
    for field in ORDERED_BY:
        values = [str(one[field]) for one in items if one.get(field)]
        if len(values) < len(items) or len(set(values)) < 3:
            continue
        enough = True
        if all(a <= b for a, b in pairwise(values)):
            return f"{field} ascending"
        if all(a >= b for a, b in pairwise(values)):
            return f"{field} descending"
    return "by none of its fields" if enough else ""


def sort(subject: Subject) -> Finding:
    """Whether `sort=updated_at:asc` sorts."""
    asked = "`sort=updated_at:asc` of the lists that take it"
    results: dict[str, list[str]] = {}
    for facts, first in subject.pages(sort=True):
        stamps = [one.get("updated_at") for one in first.items]
        if len(set(stamps)) < 3 or order_of(first.items) == "updated_at ascending" or len(results) >= LISTS_TRIED:
            continue
        seen = subject.looker.page(facts.name, sort="updated_at:asc", **facts.query)
        got = [str(one.get("updated_at")) for one in seen.items]
        how = "not allowed" if not seen.good else "sorted" if got == sorted(got) else "not sorted"
        results.setdefault(how, []).append(facts.name)
    means = "The source does not use it."
    return either("sort", asked, results, means, "a list with `sort` whose rows are not in order of change anyway")


def dates(subject: Subject) -> Finding:
    """Whether `from_date` and `to_date` count their own days in."""
    asked = "one day of a dated list, and that day with a neighbour"
    results: dict[str, list[str]] = {}
    for facts, first in subject.pages(dates=True):
        days = [str(one.get(facts.date_field or "date") or "")[:10] for one in first.items]
        others = Counter(one for one in days if one)
        if not others or sum(map(len, results.values())) >= LISTS_TRIED:
            continue
        one_day = others.most_common()[-1][0]
        results.setdefault(_counted_in(subject, facts, one_day, len(others) > 1), []).append(facts.name)
    doubt = ""
    if "the filter is not applied" in results:
        doubt = f"Dates are not filtered by Sage in {named(results['the filter is not applied'])}: all rows are read."
    means = "The source asks for a day more on each side until an answer shows that the edges are in."
    return either("from_date and to_date", asked, results, means, "a dated list with rows", doubt)


def _counted_in(subject: Subject, facts: StreamFacts, one_day: str, has_others: bool) -> str:
    field = facts.date_field or "date"

    def days(first: str, last: str) -> list[str]:
        seen = subject.looker.page(facts.name, from_date=first, to_date=last, **facts.query)
        return [str(one.get(field) or "")[:10] for one in seen.items]

    own = days(one_day, one_day)
    if has_others and any(day != one_day for day in own):
        return "the filter is not applied"
    if own:
        return "both days are in"
    day = dt.date.fromisoformat(one_day)
    if one_day in days(one_day, (day + DAY).isoformat()):
        return "from_date is in, to_date is out"
    if one_day in days((day - DAY).isoformat(), one_day):
        return "from_date is out, to_date is in"
    return "both days are out"


def changes(subject: Subject) -> Finding:
    """Whether `updated_or_created_since` counts its own second in, and how fine Sage's times are."""
    asked = "`updated_or_created_since` at the newest change of a page"
    results: dict[str, list[str]] = {}
    for facts, first in subject.pages(changes=True):
        stamped = [one for one in first.items if moment_of(one.get("updated_at"))]
        if not stamped or sum(map(len, results.values())) >= LISTS_TRIED:
            continue
        newest = max(stamped, key=lambda one: str(one["updated_at"]))
        moment = moment_of(newest["updated_at"])
        assert moment is not None
        at = moment.replace(microsecond=0)
        if subject.holds(facts, newest, updated_or_created_since=utc_text(at)):
            answer = "its own second is in" if moment == at else "not to be told from finer times"
        elif subject.holds(facts, newest, updated_or_created_since=utc_text(at - SECOND)):
            answer = "its own second is out"
        else:
            answer = "a changed row does not come"
        results.setdefault(answer, []).append(facts.name)
    doubt = ""
    if "a changed row does not come" in results:
        doubt = f"{named(results['a changed row does not come'])}: changes are not told by updated_or_created_since."
    means = "The source asks from ten minutes before its last read, so that either does."
    return either("updated_or_created_since", asked, results, means, "a list of rows with updated_at", doubt)


def both_filters(subject: Subject) -> Finding:
    """Whether dates and the filter for changes hold together."""
    asked = "one day and one moment of change at once, where each alone would leave rows out"
    results: dict[str, list[str]] = {}
    for facts, first in subject.pages(dates=True, changes=True):
        if sum(map(len, results.values())) >= LISTS_TRIED:
            break
        choice = _telling(first.items, facts.date_field or "date")
        if choice is None:
            continue
        day, since = choice
        seen = subject.looker.page(
            facts.name, from_date=day, to_date=day, updated_or_created_since=since, **facts.query
        )
        off_date = any(str(one.get(facts.date_field or "date"))[:10] != day for one in seen.items)
        off_change = any(
            (moment_of(one.get("updated_at")) or parse_utc(since)) < parse_utc(since) for one in seen.items
        )
        answer = {
            (False, False): "both hold",
            (True, False): "only the change counts",
            (False, True): "only the dates count",
            (True, True): "neither holds",
        }[off_date, off_change]
        results.setdefault(answer if seen.good else "refused together", []).append(facts.name)
    means = (
        "Long reads of changes are cut by date only where an answer shows that both hold; else whole lists are read."
    )
    return either("dates and changes together", asked, results, means, "a dated list edited on different days")


def _telling(items: Sequence[Record], field: str) -> tuple[str, str] | None:
    """A day and a moment of change such that each filter alone lets through what the other does not."""
    rows = [(str(one.get(field) or "")[:10], moment_of(one.get("updated_at"))) for one in items]
    known = [(day, moment) for day, moment in rows if day and moment]
    for day in {day for day, _ in known}:
        inside = [moment for its_day, moment in known if its_day == day]
        outside = [moment for its_day, moment in known if its_day != day]
        for since in sorted(inside, reverse=True):
            if min(inside) < since and outside and max(outside) >= since:
                return day, utc_text(since.replace(microsecond=0))
    return None


def undated(subject: Subject) -> Finding:
    """Whether rows without a date are hidden by the filter of dates."""
    asked = "`$total` of dated lists, without dates and with a `to_date` far off"
    results: dict[str, list[str]] = {}
    for facts, first in subject.pages(dates=True):
        if first.total is None or sum(map(len, results.values())) >= 2 * LISTS_TRIED:
            continue
        far = subject.looker.page(facts.name, to_date="9999-12-31", items_per_page=1, **facts.query)
        answer = (
            "not told" if far.total is None else "none hidden" if far.total == first.total else "some rows are hidden"
        )
        results.setdefault(answer, []).append(facts.name)
    doubt = ""
    if names := results.get("some rows are hidden"):
        doubt = f"With a Start or End Date rows without a date are left out of {named(names)}."
    means = "A list with hidden rows is not cut by date; with a Start or End Date such rows are outside."
    return either("rows without a date", asked, results, means, "a dated list with rows", doubt)


def pages(subject: Subject) -> Iterator[Finding]:
    """Whether `$total` and `$next` are true, and what a page past the end is."""
    walked = next((one for one in (_walk(subject, *pair) for pair in subject.pages()) if one), None)
    asked = "three pages of one list, and the page after its last"
    needs = "A list of 3 to 600 rows would show it."
    if walked is None:
        for name in ("$total", "$next", "page past the end"):
            yield Finding(name, asked, "no list is of the right length", UNSETTLED, needs)
        return
    facts, walk, past = walked
    keys = [one.get("id") for seen in walk for one in seen.items]
    told, distinct = {seen.total for seen in walk}, len(set(keys))
    here = f"{facts.name}: {len(keys)} rows on {len(walk)} pages, {distinct} different, $total {_numbers(told)}"
    more = {one.get("id") for one in past.items} - set(keys)
    if told == {None}:
        answer, doubt = "not told", "Lists are proven by standing still alone, which takes more requests."
    elif more:
        answer, doubt = "too low", f"`$total` of {facts.name} is too low: it proves nothing there."
    elif told == {distinct}:
        answer, doubt = "as many as there are", ""
    else:
        answer, doubt = "wrong", f"`$total` of {facts.name} is wrong: it proves nothing there."
    yield Finding("$total", asked, here, answer, "The source believes `$total` until a list shows it wrong.", doubt)

    nexts = [bool(seen.body.get("$next")) for seen in walk]
    answer = "on all pages but the last" if nexts == [True] * (len(walk) - 1) + [False] else "goes missing"
    if nexts[-1] and answer == "goes missing" and all(nexts):
        answer = "on the last page too"
    means = "Where `$next`, `$total` and the length of a page disagree, the source asks for one page more."
    yield Finding("$next", asked, f"{facts.name}: {sum(nexts)} of {len(nexts)} pages have it", answer, means)

    last = {one.get("id") for one in walk[-1].items}
    if not past.good:
        answer = f"refused: {past.outcome}"
    elif not past.items:
        answer = "an empty page"
    else:
        answer = "the last page again" if {one.get("id") for one in past.items} == last else "another page"
    means = "Either is the end for the source, which never reads until a page is empty."
    yield Finding("page past the end", asked, f"{facts.name}: {past.outcome}, {len(past.items)} rows", answer, means)


def _walk(subject: Subject, facts: StreamFacts, first: Seen) -> tuple[StreamFacts, list[Seen], Seen] | None:
    rows = first.total if first.total is not None else len(first.items)
    if not 3 <= rows <= 600 or (first.total is None and rows >= 200):
        return None
    size = math.ceil(rows / 3)
    count = math.ceil(rows / size)
    walk = [
        subject.looker.page(facts.name, page=number, items_per_page=size, **facts.query)
        for number in range(1, count + 2)
    ]
    return (facts, walk[:-1], walk[-1]) if all(seen.items for seen in walk[:-1]) else None


def page_length(subject: Subject) -> Finding:
    """Whether 200 rows a page are given."""
    asked = "pages of 200 rows"
    long = [(facts, seen) for facts, seen in subject.pages() if (seen.total or 0) >= 200 or len(seen.items) >= 200]
    if not long:
        return Finding("rows a page", asked, "no list has 200 rows", UNSETTLED, "A list of 200 rows would show it.")
    counts = Counter(len(seen.items) for _, seen in long)
    words = "; ".join(f"{rows} rows in {lists} lists" for rows, lists in counts.items())
    answer = "as many as asked for" if set(counts) == {200} else "fewer"
    return Finding("rows a page", asked, words, answer, "The source goes by what a first page really holds.")


def speed(subject: Subject) -> Finding:
    """How long pages of the fattest lists take."""
    asked = "the fattest lists by 200, 100 and 50 rows"
    fat = sorted(
        ((facts, seen) for facts, seen in subject.pages() if len(seen.items) >= FAT_ROWS),
        key=lambda one: -one[1].size / len(one[1].items),
    )[:2]
    if not fat:
        return Finding("seconds a page", asked, "no list has 50 rows", UNSETTLED, "A list of 50 rows would show it.")
    words, slowest = [], 0.0
    for facts, first in fat:
        times = []
        for size in PAGE_SIZES:
            seen = first if size == 200 else subject.looker.page(facts.name, items_per_page=size, **facts.query)
            times.append(f"{size}: {seen.took:.1f} s" if seen.good else f"{size}: {seen.outcome}")
            slowest = max(slowest, seen.took)
        words.append(f"{facts.name}, {first.size / len(first.items) / 1000:.1f} KB a row, {', '.join(times)}")
    means = "A page that fails or takes too long is asked for in smaller ones, and their size is remembered."
    return Finding("seconds a page", asked, "; ".join(words), f"up to {slowest:.1f} s", means)


QUESTIONS: Final[Sequence[Callable[[Subject], Finding | Iterator[Finding]]]] = (
    order,
    sort,
    dates,
    changes,
    both_filters,
    undated,
    pages,
    page_length,
    speed,
)


def _numbers(told: set[int | None]) -> str:
    return ", ".join(sorted("none" if one is None else str(one) for one in told))
