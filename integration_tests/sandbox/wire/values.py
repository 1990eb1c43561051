"""How values look on the wire: money as untidy strings, whole-second times, references."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import Any

Reference = dict[str, Any]


def money(pence: int) -> str:
    """Pence as Sage writes an amount: as many decimals as needed, but at least one (`110.0`, `0.25`)."""
    sign, pence = ("-", -pence) if pence < 0 else ("", pence)
    whole, rest = divmod(pence, 100)
    return f"{sign}{whole}.{rest // 10}" if rest % 10 == 0 else f"{sign}{whole}.{rest:02d}"


def tidy_zero(pence: int) -> str:
    """The same, but nothing is a bare `0`: Sage is not of one mind about it."""
    return money(pence) if pence else "0"


def divided(amount: int, divisor: int) -> int:
    """Division of non-negative or negative pence, rounded half away from zero."""
    sign = -1 if amount < 0 else 1
    return sign * ((2 * abs(amount) + divisor) // (2 * divisor))


def reference(path: str, key: str, shown: str) -> Reference:
    """A linked row: `{id, displayed_as, $path}`."""
    return {"id": key, "displayed_as": shown, "$path": f"{path}/{key}"}


def hex_id(rng: random.Random) -> str:
    """A business row's id: 32 lower-case hex digits."""
    return f"{rng.getrandbits(128):032x}"


def guid(rng: random.Random) -> str:
    """The hyphenated form, as attachments and users have."""
    h = hex_id(rng)
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


@lru_cache(maxsize=4096)
def day_text(day: int) -> str:
    """`YYYY-MM-DD` of a day number (days since 1970)."""
    return date.fromordinal(719163 + day).isoformat()


def day_number(text: str) -> int:
    """The day number of `YYYY-MM-DD`."""
    return date.fromisoformat(text).toordinal() - 719163


def instant(epoch: float) -> str:
    """`YYYY-MM-DDThh:mm:ssZ`, whole seconds."""
    day, second = divmod(int(epoch), 86400)
    return f"{day_text(day)}T{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}Z"


def instant_ms(epoch: float) -> str:
    """The form with milliseconds that a few fields have."""
    return instant(epoch)[:-1] + ".000Z"


def parse_instant(text: str) -> float:
    """Epoch seconds of a date or date-time as Sage's filters take them; ValueError if it is neither."""
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def http_date(epoch: float) -> str:
    """An instant for the `Date` and `Retry-After` headers."""
    return format_datetime(datetime.fromtimestamp(int(epoch), UTC), usegmt=True)
