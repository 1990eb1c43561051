"""What the fake Sage and those who ask it have to agree on."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PAGE_SIZE: Final = 200
BUSINESS_ID: Final = "0d40342d0287cd6b13555c54afca6c90"


def id_tag(name: str) -> str:
    """The last 16 digits that the ids of a list's rows have in common."""
    return hashlib.sha256(name.encode()).hexdigest()[:16]
