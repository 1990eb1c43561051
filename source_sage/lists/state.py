"""The state that the platform keeps between runs: per stream, one checkpoint per business.

Small and readable, so that a person can see from it how far a stream is:

    {"version": 2, "endpoint": "api.accounting.sage.com", "businesses": {
        "0d40…": {"watermark": "2026-11-23T10:00:00Z", "start": "2024-01-01"}}}

A whole reading that is under way has beside or instead of the watermark when it `began`, for which dates, and which of
them are `done`, as pairs of a first and a last date:

    {"whole": {"began": "2026-11-23T10:00:00Z", "start": "2020-01-01", "done": [["2020-01-01", "2021-03-31"]]}}

Where full pages were too heavy, a checkpoint remembers what `page_sizes` has learnt:

    {"pages": {"rows": 50, "full": 3, "wait": 16}}

Of a list that does not tell of deletions, the keys that `known_keys` knows, if they are few:

    {"keys": {"rights": "5f0c…", "read_at": "2026-11-23T10:10:00Z", "seen": {"2026-11-23T10:10:00Z": ["0a1b…"]}}}

Rows of an unfinished reading are in the destination already, so the retry must also ask for what was deleted since it
began. Version 1, of before the first release, knew no `done`: its watermarks are taken over, and its unfinished
readings begin again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final

from airbyte_cdk.sources.streams import NO_CURSOR_STATE_KEY
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from source_sage.clock import parse_utc
from source_sage.config import Window
from source_sage.errors import config_error
from source_sage.lists.known_keys import STATE_BYTES, KeptKeys
from source_sage.lists.page_sizes import SmallerPages

VERSION: Final = 2
BEFORE: Final = 1
FIELDS_OF_BEFORE: Final = frozenset({"watermark", "began", "walk_began", "rows", "total", "start", "end"})
EARLIEST_YEAR: Final = 1970
RANGES_AT_MOST: Final = 32


def _moment(value: str) -> str:
    if value and parse_utc(value).year < EARLIEST_YEAR:
        raise ValueError(f"{value} is before there was anything to read")
    return value


def _day(value: str | None) -> str | None:
    Window.of_texts(value, None)
    return value


Moment = Annotated[str, AfterValidator(_moment)]
Day = Annotated[str | None, AfterValidator(_day)]


class _Dates(BaseModel):
    """Accounting dates, `YYYY-MM-DD`, None for an open end."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    start: Day = None
    end: Day = None

    @property
    def window(self) -> Window:
        """The same."""
        return Window.of_texts(self.start, self.end)


class Whole(_Dates):
    """A whole reading of some dates that is under way.

    Attributes:
        began: when the first of its tries began, by the server's clock (UTC); empty before its first answer.
        done: the dates of which every row has left.
        of_changes: it reads only what was changed since the watermark, so that `done` says nothing of other rows.
    """

    began: Moment = ""
    of_changes: bool = False
    done: tuple[tuple[Day, Day], ...] = ()

    @classmethod
    def of(cls, window: Window, began: str, done: Iterable[Window], *, of_changes: bool = False) -> Whole:
        """One of these dates."""
        return cls(
            began=began, done=_texts(done), of_changes=of_changes, start=_text(window.start), end=_text(window.end)
        )

    @property
    def ranges(self) -> list[Window]:
        """What is done."""
        return [Window.of_texts(start, end) for start, end in self.done]

    def with_done(self, ranges: Iterable[Window]) -> Whole:
        """The same when these dates are done. Of very many ranges the last ones are left out, and read once more."""
        return self.model_copy(update={"done": _texts(ranges)[:RANGES_AT_MOST]})

    def begun(self, moment: str) -> Whole:
        """The same with the moment of its first answer, unless it had one."""
        return self if self.began else self.model_copy(update={"began": moment})


class Checkpoint(_Dates):
    """How far one stream of one business is.

    Attributes:
        watermark: all changes up to this moment (UTC) are in the destination; empty before the first read ended.
        start, end: the dates that this is true of.
        whole: a whole reading that is under way.
        pages: how many rows a page may have; None where full ones work.
        keys: the keys that are known of a list that does not tell of deletions; None if there are none or too many.
    """

    watermark: Moment = ""
    whole: Whole | None = Field(default=None)
    pages: SmallerPages | None = Field(default=None)
    keys: KeptKeys | None = Field(default=None)

    @model_validator(mode="after")
    def _has_a_moment(self) -> Checkpoint:
        if not (self.watermark or (self.whole and self.whole.began)):
            raise ValueError("neither watermark nor began")
        return self

    @classmethod
    def for_window(cls, window: Window, watermark: str) -> Checkpoint:
        """One that was reached for these dates."""
        return cls(watermark=watermark, start=_text(window.start), end=_text(window.end))

    def reading(self, whole: Whole) -> Checkpoint:
        """The same while something is read whole."""
        return self.model_copy(update={"whole": whole})

    def asking(self, pages: SmallerPages | None) -> Checkpoint:
        """The same with what is known of pages by now."""
        return self.model_copy(update={"pages": pages})

    def knowing(self, keys: KeptKeys | None) -> Checkpoint:
        """The same with the keys that are known by now."""
        return self.model_copy(update={"keys": keys})

    def covers(self, window: Window) -> bool:
        """Tell whether all dates wanted now were wanted when its watermark was reached."""
        return self.window.covers(window)


class StreamState:
    """The checkpoints of one stream, by business.

    Args:
        stream: its name, for messages.
        blob: what the platform kept; empty at the first sync.
        endpoint: the host that is read now; a checkpoint of another one is not taken over.

    Raises:
        AirbyteTracedException: config_error; the blob is none of ours, and reading everything again behind the
            user's back would be worse than to say so.
    """

    def __init__(self, stream: str, blob: Mapping[str, Any], endpoint: str) -> None:
        self._checkpoints: dict[str, Checkpoint] = {}
        self._endpoint = endpoint
        if not blob or NO_CURSOR_STATE_KEY in blob:
            return
        try:
            version = blob["version"]
            if version not in (VERSION, BEFORE):
                raise ValueError(f"version {version!r} is not {VERSION}")
            reached_at = endpoint if version == BEFORE else str(blob["endpoint"])
            for business_id, checkpoint in dict(blob["businesses"]).items():
                known = _of_before(checkpoint) if version == BEFORE else checkpoint
                self._checkpoints[str(business_id)] = Checkpoint.model_validate(known)
        except (AttributeError, KeyError, TypeError, ValueError, ValidationError) as error:
            raise config_error(
                f"The saved state of stream {stream} cannot be read: it is damaged or from another connector. "
                "Refresh or clear this stream in the connection's settings, so that it is read from the beginning.",
                f"state of {stream}: {type(error).__name__}",
            ) from error
        if reached_at != endpoint:
            raise config_error(
                f"The saved state of stream {stream} was reached at another API Endpoint than the one that is entered "
                "now. Enter the former one again, or clear this stream in the connection's settings, so that it is "
                "read from the beginning.",
                f"state of {stream}: another endpoint",
            )

    def checkpoint(self, business_id: str) -> Checkpoint | None:
        """How far that business is; None if it was never read."""
        return self._checkpoints.get(business_id)

    def room_for_keys(self, business_id: str) -> int:
        """How many bytes the known keys of that business may take beside those of all others."""
        others = (one.keys for key, one in self._checkpoints.items() if key != business_id)
        return STATE_BYTES - sum(keys.size for keys in others if keys)

    def move(self, business_id: str, checkpoint: Checkpoint) -> None:
        """Note how far that business is now."""
        self._checkpoints[business_id] = checkpoint

    def blob(self) -> dict[str, Any]:
        """What the platform is to keep."""
        return {
            "version": VERSION,
            "endpoint": self._endpoint,
            "businesses": {one: _readable(checkpoint.model_dump()) for one, checkpoint in self._checkpoints.items()},
        }


def _texts(ranges: Iterable[Window]) -> tuple[tuple[Day, Day], ...]:
    return tuple((_text(one.start), _text(one.end)) for one in ranges)


def _text(day: dt.date | None) -> Day:
    return day.isoformat() if day else None


def _of_before(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint of version 1 as one of today."""
    if unknown := checkpoint.keys() - FIELDS_OF_BEFORE:
        raise ValueError(f"unknown fields {sorted(unknown)}")
    dates = {name: checkpoint.get(name) for name in ("start", "end")}
    if checkpoint.get("watermark"):
        return {"watermark": checkpoint["watermark"], **dates}
    return {"whole": {"began": checkpoint["began"], **dates}}


def _readable(values: Mapping[str, Any]) -> dict[str, Any]:
    told = {name: _readable(value) if isinstance(value, dict) else value for name, value in values.items()}
    return {name: value for name, value in told.items() if value not in ("", None, (), False)}
