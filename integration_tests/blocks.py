"""The blocks of code in a page of the documentation, in order."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple


class Block(NamedTuple):
    """A block of code.

    Attributes:
        language: bash, python, sql or another.
        code: its text.
        line: where it begins in its page.
    """

    language: str
    code: str
    line: int

    @property
    def is_for_docker(self) -> bool:
        """Tell whether it needs a container engine."""
        return "docker " in self.code


def blocks_of(page: Path) -> list[Block]:
    """All blocks of a page."""
    text = page.read_text(encoding="utf-8")
    return [
        Block(found[1], found[2], text.count("\n", 0, found.start()) + 1)
        for found in re.finditer(r"^```(\w+)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)
    ]
