"""The state that the platform keeps between runs: per stream, one place per business.

Small and readable, so that a person can see from it how far a stream is:

    {"version": 1, "businesses": {"0d40…": {"watermark": "2026-11-23T10:00:00Z", "start": "2024-01-01"}}}

A first read that is under way has `began` instead of a watermark, and how many `rows` of a list of how many (`total`)
it has read. Its rows are in the destination already, so the retry must also ask for what was deleted since it began.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from airbyte_cdk.sources.streams import NO_CURSOR_STATE_KEY
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from source_sage.clock import parse_utc
from source_sage.config import Window
from source_sage.errors import config_error

VERSION: Final = 1
EARLIEST_YEAR: Final = 1970


class Place(BaseModel):
    """How far one stream of one business is.

    Attributes:
        watermark: all changes up to this moment (UTC) are in the destination; empty before the first read ended.
        began: when the unfinished first read began, by Sage's clock (UTC).
        walk_began: when the walk through the pages that `rows` counts began; empty if with the read itself.
        rows: how many rows of the list, from its front, that walk has emitted.
        total: how long the list was when the walk began; None if Sage did not say.
        start, end: the accounting dates it was read for, `YYYY-MM-DD`, None for an open end.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    watermark: str = ""
    began: str = ""
    walk_began: str = ""
    rows: int = Field(default=0, ge=0)
    total: int | None = None
    start: str | None = None
    end: str | None = None

    @field_validator("watermark", "began", "walk_began")
    @classmethod
    def _is_moment(cls, value: str) -> str:
        if value and parse_utc(value).year < EARLIEST_YEAR:
            raise ValueError(f"{value} is before there was anything to read")
        return value

    @field_validator("start", "end")
    @classmethod
    def _is_day(cls, value: str | None) -> str | None:
        Window.of_texts(value, None)
        return value

    @model_validator(mode="after")
    def _has_a_moment(self) -> Place:
        if not (self.watermark or self.began):
            raise ValueError("neither watermark nor began")
        return self

    @classmethod
    def for_window(cls, window: Window, **reached: Any) -> Place:
        """A place reached for these dates."""
        return cls(
            **reached,
            start=window.start.isoformat() if window.start else None,
            end=window.end.isoformat() if window.end else None,
        )

    def is_for(self, window: Window) -> bool:
        """Tell whether it was reached for just these dates."""
        return Window.of_texts(self.start, self.end) == window

    def covers(self, window: Window) -> bool:
        """Tell whether all dates wanted now were wanted when this place was reached."""
        return Window.of_texts(self.start, self.end).covers(window)


class StreamState:
    """The places of one stream, by business.

    Args:
        stream: its name, for messages.
        blob: what the platform kept; empty at the first sync.

    Raises:
        AirbyteTracedException: config_error; the blob is none of ours, and reading everything again behind the
            user's back would be worse than to say so.
    """

    def __init__(self, stream: str, blob: Mapping[str, Any]) -> None:
        self._places: dict[str, Place] = {}
        if not blob or NO_CURSOR_STATE_KEY in blob:
            return
        try:
            if blob["version"] != VERSION:
                raise ValueError(f"version {blob['version']!r} is not {VERSION}")
            for business_id, place in dict(blob["businesses"]).items():
                self._places[str(business_id)] = Place.model_validate(place)
        except (KeyError, TypeError, ValueError, ValidationError) as error:
            raise config_error(
                f"The saved state of stream {stream} cannot be read: it is damaged or from another connector. "
                "Refresh or clear this stream in the connection's settings, so that it is read from the beginning.",
                f"state of {stream}: {type(error).__name__}",
            ) from error

    def place(self, business_id: str) -> Place | None:
        """How far that business is; None if it was never read."""
        return self._places.get(business_id)

    def move(self, business_id: str, place: Place) -> None:
        """Note how far that business is now."""
        self._places[business_id] = place

    def blob(self) -> dict[str, Any]:
        """What the platform is to keep."""
        return {
            "version": VERSION,
            "businesses": {one: _readable(place) for one, place in self._places.items()},
        }


def _readable(place: Place) -> dict[str, Any]:
    return {name: value for name, value in place.model_dump().items() if value not in ("", None, 0)}
