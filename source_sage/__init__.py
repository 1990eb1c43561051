"""An Airbyte source for Sage Accounting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from source_sage.source import SourceSage

__all__ = ["SourceSage"]


def __getattr__(name: str) -> Any:
    """`SourceSage`, imported when it is asked for: whoever wants the help alone should not wait for the CDK."""
    if name == "SourceSage":
        from source_sage.source import SourceSage

        return SourceSage
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
