"""A company whose history was played before is copied: most tests begin with one of the same few, and change it.

A copy takes a fifth of the time. What lies outside the books (the sandbox's settings, its clock and its lock) and the
facts about Sage's lists are not copied: the copy gets those of its own sandbox.
"""

from __future__ import annotations

import io
import pickle
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, Final

from ..clock import Clock
from ..settings import Settings
from ..wire.facts import resources
from .company import Company

KEPT: Final = 12
"""How many companies of a few megabytes each."""
SMALL: Final = ("tiny", "small")
FIRST_OF_A_SANDBOX: Final = 3
"""Of forty businesses each would be written and few read again."""

_played: OrderedDict[str, bytes] = OrderedDict()


def played(
    number: int,
    seed: int,
    size: str | int,
    *,
    plan: str,
    country: str,
    settings: Settings,
    clock: Clock,
    lock: threading.RLock,
    end: int,
) -> Company:
    """A company of its own with its history, as `Company` makes it; no setting and no clock has a say in a history."""
    outside = (settings, clock, lock)
    key = f"{number} {seed} {size} {plan} {country} {end}"
    if key in _played:
        _played.move_to_end(key)
        return _copied(_played[key], outside)
    made = Company(number, seed, size, plan=plan, country=country, settings=settings, clock=clock, lock=lock, end=end)
    if size in SMALL and number < FIRST_OF_A_SANDBOX:
        _played[key] = _written(made, outside)
        while len(_played) > KEPT:
            _played.popitem(last=False)
    return made


def _written(made: Company, outside: Sequence[object]) -> bytes:
    names: dict[int, int | str] = {id(one): number for number, one in enumerate(outside)}
    names |= {id(one): name for name, one in resources().items()}

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: Any) -> Any:
            return names.get(id(obj))

    buffer = io.BytesIO()
    Pickler(buffer, pickle.HIGHEST_PROTOCOL).dump(made)
    return buffer.getvalue()


def _copied(content: bytes, outside: Sequence[object]) -> Company:
    class Unpickler(pickle.Unpickler):
        def persistent_load(self, pid: Any) -> Any:
            return outside[pid] if isinstance(pid, int) else resources()[pid]

    copy: Company = Unpickler(io.BytesIO(content)).load()
    return copy
