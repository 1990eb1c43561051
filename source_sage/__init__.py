"""An Airbyte source for Sage Accounting."""

from source_sage.source import SourceSage

__all__ = ["SourceSage"]
