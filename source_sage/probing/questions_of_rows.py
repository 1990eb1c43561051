"""What is asked of the rows in Sage's lists: deletions, fields, lines, payments. Each question gives findings."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from source_sage.clock import DAY, SECOND, utc_text
from source_sage.lists.rows import RowShaper
from source_sage.probing.findings import UNSETTLED, Finding, either, named
from source_sage.probing.subject import Record, Subject, moment_of
from source_sage.streams import StreamFacts

ATTACHMENTS_TOO_OLD: Final = "2019-06-11T00:00:00Z"
YEARS_OF_DELETIONS: Final = 2


def tombstones(subject: Subject) -> Iterator[Finding]:
    """What deleted rows look like, and whether `deleted_since` counts its own second in."""
    asked = f"`deleted_since` {YEARS_OF_DELETIONS} years ago, of every list that takes it"
    since = utc_text(subject.details.at.replace(microsecond=0) - YEARS_OF_DELETIONS * 365 * DAY)
    shapes: Counter[str] = Counter()
    oldest: list[dt.datetime] = []
    dated: tuple[StreamFacts, Record, dt.datetime] | None = None
    refused = Counter[str]()
    for name, facts in subject.lists.items():
        if not facts.tombstones or not subject.first[name].good:
            continue
        seen = subject.looker.page(name, deleted_since=since)
        if not seen.good:
            refused[seen.outcome] += 1
        for row in seen.items:
            at = moment_of(row.get("deleted_at"))
            shapes["with deleted_at" if at else "without deleted_at"] += 1
            if at:
                oldest.append(at)
                dated = dated or (facts, row, at)
    words = "; ".join(f"{count} rows {shape}" for shape, count in shapes.items()) or "no deleted row in any list"
    if refused:
        words += "; " + "; ".join(f"{count} lists answered {what}" for what, count in refused.items())
    if oldest:
        words += f"; the oldest is {(subject.details.at - min(oldest)).days} days old"
    means = "Without deleted_at a deletion gets the time at which Sage told it."
    yield Finding(
        "deleted rows",
        asked,
        words,
        " / ".join(sorted(shapes)) or UNSETTLED,
        means if shapes else "A deleted row would show it.",
    )

    asked = "`deleted_since` at the second of a deletion"
    if dated is None:
        yield Finding("deleted_since", asked, "no deleted row with a time", UNSETTLED, "A deleted row would show it.")
        return
    facts, row, at = dated
    inside = subject.holds(facts, row, deleted_since=utc_text(at.replace(microsecond=0)))
    exact = at.microsecond == 0
    answer = "its own second is out" if not inside else "its own second is in" if exact else UNSETTLED
    yield Finding(
        "deleted_since", asked, facts.name, answer, "The source asks from a second earlier, so that either does."
    )


def attachments_bound(subject: Subject) -> Finding:
    """Whether attachments still refuse to tell of deletions before June 2019."""
    asked = f"deleted attachments since {ATTACHMENTS_TOO_OLD[:10]}"
    if not subject.first["attachments"].good:
        return Finding(
            "old deletions of attachments",
            asked,
            subject.first["attachments"].outcome,
            UNSETTLED,
            "The list must be readable.",
        )
    seen = subject.looker.page("attachments", attributes="", deleted_since=ATTACHMENTS_TOO_OLD)
    answer = "told" if seen.good else "refused"
    return Finding(
        "old deletions of attachments", asked, seen.outcome, answer, "The source never asks for earlier ones."
    )


def fields(subject: Subject) -> Iterator[Finding]:
    """Whether `attributes=all` brings what is declared, and what comes beside it or in another form."""
    asked = "the first page of every list, `attributes=all`, beside the schema"
    absent: list[str] = []
    undeclared: list[str] = []
    unfit: list[str] = []
    for facts, seen in subject.pages():
        declared = {
            name for name in facts.schema_["properties"] if name not in ("business_id", "is_deleted", "deleted_at")
        }
        came = {name for one in seen.items for name in one if not name.startswith("$")}
        absent += [f"{facts.name}.{name}" for name in sorted(declared - came)]
        undeclared += [f"{facts.name}.{name}" for name in sorted(came - facts.schema_["properties"].keys() - {"links"})]
        unfit += [f"{facts.name}.{name}" for name in misfits(facts, seen.items)]
    yield Finding(
        "attributes=all",
        asked,
        f"{len(absent)} declared fields never came{_list_of(absent)}",
        "brings every declared field" if not absent else "leaves fields out",
        "A field that does not come is null.",
    )
    yield Finding(
        "undeclared fields",
        asked,
        f"{len(undeclared)} came that no schema has{_list_of(undeclared)}",
        "there are some" if undeclared else "there are none",
        "They pass through, and a sync names them once.",
    )
    yield Finding(
        "values of another type",
        asked,
        f"{len(unfit)} fields hold some{_list_of(unfit)}",
        "there are some" if unfit else "there are none",
        "Such a value becomes null in its column; what came is kept beside it.",
        f"These columns are null where Sage sent another type: {named(unfit)}." if unfit else "",
    )


def misfits(facts: StreamFacts, items: Sequence[Record]) -> list[str]:
    """Fields, by their path, with a value that does not fit its declared type."""
    shaper = RowShaper(facts.name, facts.schema_)
    found: dict[str, None] = {}
    for item in items:
        for row in shaper.shape([item], "", key=None):
            found.update(dict.fromkeys(_lost(item, row, "")))
    return sorted(found)


def _lost(raw: Any, shaped: Any, path: str) -> Iterator[str]:
    if isinstance(raw, dict) and isinstance(shaped, dict):
        for name, value in raw.items():
            if not name.startswith("$") and name in shaped:
                yield from _lost(value, shaped[name], f"{path}.{name}" if path else name)
    elif isinstance(raw, list) and isinstance(shaped, list) and len(raw) == len(shaped):
        for one, other in zip(raw, shaped, strict=True):
            yield from _lost(one, other, f"{path}[]")
    elif shaped is None and raw not in (None, ""):
        yield path


def lines(subject: Subject) -> Finding:
    """Whether a list of documents brings their lines."""
    asked = "the lines in the first page of each list of documents"
    results: dict[str, list[str]] = {}
    for name, field in (
        ("sales_invoices", "invoice_lines"),
        ("purchase_invoices", "invoice_lines"),
        ("journals", "journal_lines"),
        ("sales_credit_notes", "credit_note_lines"),
        ("other_payments", "payment_lines"),
    ):
        rows = subject.first[name].items if name in subject.first else []
        if rows:
            with_lines = sum(bool(one.get(field)) for one in rows)
            answer = (
                "with their lines" if with_lines == len(rows) else "without lines" if not with_lines else "some without"
            )
            results.setdefault(answer, []).append(name)
    doubt = ""
    if bare := results.get("without lines"):
        doubt = f"The lines of {named(bare)} do not come with the list: their tables stay empty."
    return either("lines of documents", asked, results, "Lines are read from their documents.", "a document", doubt)


def payments(subject: Subject) -> Finding:
    """Whether a payment moves the time of change of what it pays."""
    asked = "times of allocations beside those of the documents they pay"
    documents: dict[str, dt.datetime] = {}
    for name in ("sales_invoices", "purchase_invoices"):
        for one in subject.first[name].items if name in subject.first else ():
            if at := moment_of(one.get("updated_at")):
                documents[str(one.get("id"))] = at
    moved = stayed = 0
    for name in ("contact_allocations", "contact_payments"):
        for one in subject.first[name].items if name in subject.first else ():
            paid_at = moment_of(one.get("created_at"))
            paid = one.get("allocated_artefacts")
            for artefact in paid if isinstance(paid, list) else ():
                inner = artefact.get("artefact") if isinstance(artefact, dict) else None
                at = documents.get(str(inner.get("id"))) if isinstance(inner, dict) else None
                if at and paid_at:
                    moved, stayed = (moved, stayed + 1) if at < paid_at - 60 * SECOND else (moved + 1, stayed)
    words = f"{moved + stayed} documents and their payments; {stayed} were changed last before they were paid"
    if not moved + stayed:
        return Finding("payments and updated_at", asked, words, UNSETTLED, "A paid document would show it.")
    if stayed:
        return Finding(
            "payments and updated_at",
            asked,
            words,
            "does not move it",
            "What a document still owes is then right in the allocations alone, and after a refresh.",
            "A payment does not move the updated_at of what it pays: outstanding amounts and statuses of paid "
            "documents stay as they were. Refresh these streams now and then.",
        )
    return Finding("payments and updated_at", asked, words, "moves it", "Paid documents come with the next sync.")


QUESTIONS: Final[Sequence[Callable[[Subject], Finding | Iterator[Finding]]]] = (
    tombstones,
    attachments_bound,
    fields,
    lines,
    payments,
)


def _list_of(names: Sequence[str]) -> str:
    return f": {named(names)}" if names else ""
