"""Rows: from what Sage puts on the wire to what the schema promises.

Sage writes decimals as strings, now and then as numbers; empty dates as `""`; adds `$path` and `links` to every
record (docs/sage-api.md#values). A plan is compiled once per stream from its schema and runs over whole pages.

What always holds: a number equals Sage's text digit for digit; a value that does not fit its declared type becomes
null with one WARNING per field, and is kept as it came in the row's `unconverted_values`, under the place where it
stood, such as `invoice_lines[0].quantity`; where text is declared, an object or a list becomes its JSON text; an
undeclared field passes through with one WARNING; no name with a `$` and no payment-page link leaves the connector.
"""

from __future__ import annotations

import datetime as dt
import functools
import logging
import math
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

import orjson

logger = logging.getLogger("airbyte.source-sage")

Row = dict[str, Any]
Convert = Callable[[Any], Any]

# The field of every stream that holds, by their places, the values that do not fit what is declared.
UNCONVERTED: Final = "unconverted_values"
EXACT_DIGITS: Final = 15
DEEPEST: Final = 100
REMEMBERED_TEXTS: Final = 20_000
SECONDS: Final = len("YYYY-MM-DDThh:mm:ss")
_UNFIT: Final = object()
_NOTHING: Final = object()
_DECIMAL: Final = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_USUAL_MOMENT: Final = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}")


class _Odd(NamedTuple):
    """A value that does not fit: its field with `[]` for each list around it, its position in each, and itself."""

    field: str
    positions: tuple[int, ...]
    value: Any

    @property
    def place(self) -> str:
        """Where it stands in its row."""
        place = self.field
        for position in self.positions:
            place = place.replace("[]", f"[{position}]", 1)
        return place


class RowShaper:
    """Shapes the rows of one stream, a page at a time, as the transport takes answers.

    Args:
        stream: its name, for warnings.
        schema: its JSON Schema.
    """

    def __init__(self, stream: str, schema: Mapping[str, Any]) -> None:
        self._stream = stream
        self._named: set[str] = set()
        # What does not fit of the row that is being shaped.
        self._odd: list[_Odd] = []
        self._shape = self._object(schema, "")

    def shape(self, items: Iterable[Any], business_id: str, *, key: str | None = None) -> list[Row]:
        """Shape the items of one page.

        Args:
            items: the records as parsed from JSON.
            business_id: goes into every row.
            key: the field that tells the rows of a business from each other; None if there is one row.

        Returns:
            A row for each record; an item that is no record, or has no key, is left out with one WARNING.
        """
        shape, odd = self._shape, self._odd
        rows = []
        for item in items:
            if not isinstance(item, dict):
                self._warn_once("", "an item that is not a record was left out")
                continue
            if key is not None and (type(item.get(key)) not in (str, int) or item[key] == ""):
                self._warn_once("", f"a record without {key} was left out: in a table it could take another's place")
                continue
            row = shape(item)
            row["business_id"] = business_id
            if odd:
                kept = {one.place: _as_it_came(one.value) for one in odd}
                odd.clear()
                if kept.get("business_id") == business_id:
                    del kept["business_id"]
                if kept:
                    row[UNCONVERTED] = kept
            rows.append(row)
        return rows

    def _warn_once(self, field: str, what: str) -> None:
        if field not in self._named:
            self._named.add(field)
            name = f"{self._stream}.{field}" if field else self._stream
            logger.warning("%s: %s.", name, what)

    def _unfit(self, field: str, value: Any) -> None:
        self._odd.append(_Odd(field, (), value))
        self._warn_once(
            field,
            f"a value does not fit the declared type and became null; it is kept in {UNCONVERTED}, said once per sync",
        )

    def _object(self, schema: Mapping[str, Any], path: str) -> Convert:
        plan = {
            name: (_FITTING.get(_kind(declared)), self._convert(declared, f"{path}{name}"))
            for name, declared in schema.get("properties", {}).items()
        }
        if not path:  # what Sage itself might send under our names must not pass for ours, nor be lost
            plan[UNCONVERTED] = (None, functools.partial(self._unfit, UNCONVERTED))
            plan["business_id"] = (None, lambda value: self._odd.append(_Odd("business_id", (), value)))
        undeclared = self._undeclared

        def shape(record: Any) -> Any:
            if type(record) is not dict:
                return self._unfit(path.rstrip("."), record)
            row = {}
            for name, value in record.items():
                known = plan.get(name)
                if known is not None:
                    fitting, convert = known
                    row[name] = value if type(value) is fitting or value is None else convert(value)
                elif not name.startswith("$") and name != "links":
                    row[name] = undeclared(value, f"{path}{name}")
            return row

        return shape

    def _convert(self, schema: Mapping[str, Any], path: str) -> Convert:
        kind = _kind(schema)
        if kind == ("object", ""):
            return self._object(schema, f"{path}.") if schema.get("properties") else self._open_object(path)
        if kind == ("array", ""):
            return self._array(schema, path)
        if kind not in _SCALARS:
            return lambda value: self._open(value, path)
        scalar, of_text, unfit = _SCALARS[kind], _OF_TEXT[kind], self._unfit

        def convert(value: Any) -> Any:
            fitted = of_text(value) if type(value) is str else scalar(value)
            return unfit(path, value) if fitted is _UNFIT else fitted

        return convert

    def _open_object(self, path: str) -> Convert:
        return lambda value: self._open(value, path) if isinstance(value, dict) else self._unfit(path, value)

    def _open(self, value: Any, path: str) -> Any:
        """A value whose inside is not declared."""
        made = _without_dollars(value)
        return self._unfit(path, value) if made is _UNFIT else made

    def _array(self, schema: Mapping[str, Any], path: str) -> Convert:
        convert = self._convert(schema.get("items", {}), f"{path}[]")
        odd = self._odd

        def shape(value: Any) -> Any:
            if not isinstance(value, list):
                return self._unfit(path, value)
            before = len(odd)
            made = [None if one is None else convert(one) for one in value]
            if len(odd) > before:  # once more, item by item, to learn which ones they are
                del odd[before:]
                for position, one in enumerate(value):
                    before = len(odd)
                    made[position] = None if one is None else convert(one)
                    odd[before:] = [_Odd(it.field, (position, *it.positions), it.value) for it in odd[before:]]
            return made

        return shape

    def _undeclared(self, value: Any, path: str) -> Any:
        self._warn_once(path, "Sage sent this undeclared field; it is passed on as it came, said once per sync")
        return self._open(value, path)


def currency_of(item: Mapping[str, Any]) -> str | None:
    """The key of an exchange rate, which has no id: its currency, else the last part of its `$path`."""
    currency, path = item.get("currency"), item.get("$path")
    if isinstance(currency, dict) and isinstance(currency.get("id"), str) and currency["id"]:
        return str(currency["id"])
    return path.rpartition("/")[2] or None if isinstance(path, str) else None


def _kind(schema: Mapping[str, Any]) -> tuple[str, str]:
    """Type and format that a field is declared as; two empty texts where it may be of several types."""
    declared = schema.get("type")
    kinds = [kind for kind in (declared if isinstance(declared, list) else [declared]) if kind != "null"]
    return (str(kinds[0]), str(schema.get("format", ""))) if len(kinds) == 1 else ("", "")


def _without_dollars(value: Any, levels: int = DEEPEST) -> Any:
    """An undeclared value without the names that never leave; unfit if it is nested too deep to be written."""
    if not isinstance(value, dict | list):
        return value
    if not levels:
        return _UNFIT
    if isinstance(value, list):
        made: Any = [_without_dollars(one, levels - 1) for one in value]
        return _UNFIT if _UNFIT in made else made
    made = {
        name: _without_dollars(one, levels - 1)
        for name, one in value.items()
        if not name.startswith("$") and name != "links"
    }
    return _UNFIT if _UNFIT in made.values() else made


def _as_it_came(value: Any) -> Any:
    """A value that does not fit, as it leaves: without the names that never do; as text what is nested too deep."""
    if type(value) is float and not math.isfinite(value):
        return str(value)
    made = _without_dollars(value)
    return json_text(value) if made is _UNFIT else made


def json_text(value: Any) -> str:
    """The JSON text of a value, however deep, without the names that never leave."""
    texts: list[str] = []
    to_write: list[tuple[str, Any]] = [("", value)]  # text to write, then a value, the last one first
    while to_write:
        before, one = to_write.pop()
        texts.append(before)
        if isinstance(one, dict):
            names = [name for name in one if not name.startswith("$") and name != "links"]
            heads = [f"{',' if at else ''}{orjson.dumps(name).decode()}:" for at, name in enumerate(names)]
            texts.append("{")
            to_write.append(("}", _NOTHING))
            to_write.extend(zip(reversed(heads), (one[name] for name in reversed(names)), strict=True))
        elif isinstance(one, list):
            texts.append("[")
            to_write.append(("]", _NOTHING))
            to_write.extend(("," if at else "", one[at]) for at in reversed(range(len(one))))
        elif one is not _NOTHING:
            texts.append(orjson.dumps(one).decode())
    return "".join(texts)


def number(value: Any) -> Any:
    """A JSON number equal to the text: int or float where they hold it exactly, else the digits themselves."""
    if type(value) is not str:
        fits = (type(value) is float and math.isfinite(value)) or type(value) is int
        return value if fits else _UNFIT
    if value == "":
        return None
    if len(value) <= EXACT_DIGITS and not value.strip("0123456789.-"):
        try:
            return float(value) if "." in value else int(value)
        except ValueError:
            return _UNFIT
    exact = _decimal(value)
    if exact is None:
        return _UNFIT
    nearest = float(exact)
    if Decimal(repr(nearest)) == exact:
        return nearest
    return orjson.Fragment(f"{exact:f}".encode())


def _decimal(text: str) -> Decimal | None:
    """The decimal that a text is; None if it is none, or so large that nobody can have meant it: beyond a double."""
    text = text.strip()
    if not _DECIMAL.fullmatch(text) or not math.isfinite(float(text)):
        return None
    return Decimal(text)


def integer(value: Any) -> Any:
    """A whole number, from a number or its text."""
    if type(value) is int:
        return value
    if value == "":
        return None
    exact = _decimal(str(value)) if type(value) in (str, float) else None
    if exact is None or exact != exact.to_integral_value():
        return _UNFIT
    whole = int(exact)
    return whole if -(2**63) <= whole < 2**64 else orjson.Fragment(str(whole).encode())


def boolean(value: Any) -> Any:
    """A truth value, from itself or its English text."""
    if type(value) is bool:
        return value
    return {"true": True, "false": False, "": None}.get(value, _UNFIT) if type(value) is str else _UNFIT


def text(value: Any) -> Any:
    """A text; a number is written as one, since Sage declares some counters as strings, all else as its JSON text."""
    if type(value) is str:
        return value
    return str(value) if type(value) in (int, float) else json_text(value)


def day(value: Any) -> Any:
    """A calendar date; of a date-time, its date."""
    if type(value) is not str:
        return _UNFIT
    if value == "":
        return None
    try:
        # `fromisoformat` reads week dates and dates without hyphens too, hence written anew.
        return (
            dt.date.fromisoformat(value) if len(value) == 10 else dt.datetime.fromisoformat(value).date()
        ).isoformat()
    except ValueError:
        return _UNFIT


def moment(value: Any) -> Any:
    """A date-time with its zone; a bare date or a time without a zone is taken as UTC."""
    if type(value) is not str:
        return _UNFIT
    if value == "":
        return None
    try:
        parsed = dt.datetime.fromisoformat(value)
    except ValueError:
        return _UNFIT
    if _USUAL_MOMENT.match(value):
        return value if parsed.tzinfo is not None else f"{value}Z"
    zoned = parsed if parsed.tzinfo is not None else parsed.replace(tzinfo=dt.UTC)
    return zoned.isoformat().replace("+00:00", "Z")


def moment_or_none(value: Any) -> str | None:
    """A date-time as a row would hold it; None if it is none."""
    fitted = moment(value)
    return fitted if isinstance(fitted, str) else None


# Values of these types leave as they came.
_FITTING: Final[dict[tuple[str, str], type]] = {
    ("integer", ""): int,
    ("boolean", ""): bool,
    ("string", ""): str,
}
_SCALARS: Final[dict[tuple[str, str], Convert]] = {
    ("number", ""): number,
    ("integer", ""): integer,
    ("boolean", ""): boolean,
    ("string", ""): text,
    ("string", "date"): day,
    ("string", "date-time"): moment,
}
# The same amounts, dates and moments come again and again.
_OF_TEXT: Final = {kind: functools.lru_cache(REMEMBERED_TEXTS)(scalar) for kind, scalar in _SCALARS.items()}


def second_of(stamp: Any) -> str:
    """A time of change to the second, so that two can be compared; empty if it is none."""
    return stamp[:SECONDS] if type(stamp) is str and _USUAL_MOMENT.match(stamp) else ""


def extremes(stamps: Iterable[Any]) -> list[str]:
    """The least and the greatest time of change, to the second; nothing if there is none."""
    moments = [moment for moment in stamps if type(moment) is str]
    ends = [min(moments), max(moments)] if moments else []
    if all(map(second_of, ends)):
        return [second_of(end) for end in ends]
    return extremes([moment for moment in moments if second_of(moment)])
