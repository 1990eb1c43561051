"""Misspelt keys: which keys of a config are nearly ours. Pure.

Platforms put keys of their own into a config, so unknown ones are left alone. One that is nearly a field of the form
was meant for it, and would be ignored without a word.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

# Of 1 for the same letters. `endpoint` is not yet `api_endpoint`, `end_dat` is `end_date`.
LIKENESS: Final = 0.87
LONGEST_KEY: Final = 40


def misspelt(keys: Iterable[str], names: Iterable[str]) -> dict[str, str]:
    """The keys that are nearly a name, each with that name.

    Args:
        keys: what somebody typed. Only what is nearly a name is given back, so that it may be quoted.
        names: as they should be.
    """
    right = {_letters(name): name for name in names}
    found = {}
    for key in keys:
        if key in right.values() or len(key) > LONGEST_KEY or not key.isprintable():
            continue
        if like := difflib.get_close_matches(_letters(key), right, n=1, cutoff=LIKENESS):
            found[key] = right[like[0]]
    return found


def _letters(name: str) -> str:
    return "".join(one for one in name.lower() if one.isalnum())
