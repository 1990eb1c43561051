"""What the user's form means: the rules that JSON Schema cannot say, and the addresses that follow from it.

Source of the addresses: docs/sage-api.md#addresses.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from source_sage.errors import config_error
from source_sage.misspelt import misspelt
from source_sage.secrecy import SHORTEST_SECRET
from source_sage.session import is_loopback

SAGE_API: Final = "https://api.accounting.sage.com/v3.1"
SAGE_AUTHORIZE: Final = "https://www.sageone.com/oauth2/auth/central"
SAGE_TOKEN: Final = "https://oauth.accounting.sage.com/token"  # noqa: S105 (an address, not a token)
SAGE_HOST: Final = "api.accounting.sage.com"
API_VERSION_PATH: Final = "/v3.1"
# Of the environment, not of the form: who may fill in the form is not always who may say where secrets go.
ALLOWED_HOSTS: Final = "SOURCE_SAGE_ALLOWED_HOSTS"
# A path is short: a token that was pasted into the wrong field does not fit, and so is never quoted.
HOST_PORT_PATH: Final = re.compile(
    r"(?P<host>(?=[^:/]{1,253}(?:[:/]|$))[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*|\[[0-9A-Fa-f:]{2,39}\])"
    r"(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:/[A-Za-z0-9._~-]{0,32}){0,8})"
)
CALENDAR_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
DAY_AND_TIME: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ][0-9:.]{4,15}(Z|[+-][0-9:]{2,6})?")
# What people write for a date, and too short or too plain to be a secret in the wrong field.
LOOKS_LIKE_A_DATE: Final = re.compile(
    r"[0-9]{1,4}[-./ ][0-9A-Za-z]{1,9}[-./ ][0-9]{1,4}(?:[T ][0-9:.]{1,15}(?:Z|[+-][0-9:]{2,6})?)?"
    r"|[A-Za-z]{3,9} [0-9]{1,2},? [0-9]{4}|[0-9]{1,8}"
    rf"|.{{1,{SHORTEST_SECRET - 1}}}"
)
ALL_BUSINESSES: Final = "all"
# The least and the most that a number may be, by its field.
RANGES: Final = {"num_workers": (1, 32), "look_back_days": (0, 366)}
BUSINESS_ID: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
# Sage's are 32 hexadecimal digits. A text that is too short to be a secret may be quoted as well.
LOOKS_LIKE_AN_ID: Final = re.compile(
    rf"[0-9a-f]{{32}}|[0-9a-f]{{8}}(-[0-9a-f]{{4}}){{3}}-[0-9a-f]{{12}}|.{{1,{SHORTEST_SECRET - 1}}}", re.IGNORECASE
)

# What a value of the wrong kind is told, by the kind wanted.
WANTED: Final[dict[Any, str]] = {
    str: "must be a text, in quotes in JSON",
    bool: "must be on or off, true or false in JSON",
    int: "must be a whole number from {} to {}",
}


@dataclass(frozen=True)
class Window:
    """The accounting dates that are wanted, both inclusive; None is an open end."""

    start: dt.date | None
    end: dt.date | None

    def holds(self, day: dt.date) -> bool:
        """Tell whether a row of that accounting date is wanted."""
        return (self.start is None or day >= self.start) and (self.end is None or day <= self.end)

    @classmethod
    def of_texts(cls, start: str | None, end: str | None) -> Window:
        """A window from `YYYY-MM-DD` texts.

        Raises:
            ValueError: a text is no date.
        """
        return cls(dt.date.fromisoformat(start) if start else None, dt.date.fromisoformat(end) if end else None)

    def covers(self, other: Window) -> bool:
        """Tell whether all that `other` wants is wanted here as well."""
        starts_early_enough = self.start is None or (other.start is not None and self.start <= other.start)
        ends_late_enough = self.end is None or (other.end is not None and self.end >= other.end)
        return starts_early_enough and ends_late_enough


ALL_DATES: Final = Window(None, None)


@dataclass(frozen=True)
class Endpoints:
    """Where Sage is: the API's base without a trailing slash, and the two OAuth addresses."""

    api: str
    authorize: str
    token: str

    @classmethod
    def of(cls, api_endpoint: str) -> Endpoints:
        """Derive all addresses from the API Endpoint as typed.

        Client Secret and Refresh Token are sent to that host, so it is Sage's, or this machine, or one that whoever
        runs the source has named in the environment (ALLOWED_HOSTS). What was typed is taken apart here, strictly,
        and put together anew: nothing is left that another reader of addresses could understand otherwise.

        Args:
            api_endpoint: an https address (http for loopback hosts alone), with or without a path.

        Raises:
            ValueError: the text is no such address; its message names the remedy, and quotes a host at most.
        """
        typed = re.fullmatch(r"(https?)://(.+)", api_endpoint.strip(), re.IGNORECASE | re.DOTALL)
        if typed is None:
            raise ValueError(f"must be a full address that begins with https://, such as {SAGE_API}")
        parts = HOST_PORT_PATH.fullmatch(typed[2])
        if parts is None or {"", ".", ".."} & set((parts["path"] or "/x").rstrip("/").split("/")[1:]):
            raise ValueError(f"must hold a plain host and path and nothing else, such as {SAGE_API}")
        scheme, host, port = typed[1].lower(), parts["host"].lower(), parts["port"]
        if port and not 0 < int(port) < 65536:
            raise ValueError("has a port that cannot be: it is a number from 1 to 65535")
        bare = host.strip("[]")
        if scheme == "http" and not is_loopback(bare):
            raise ValueError(
                "must begin with https://: over http your token could be read on the way "
                "(http is accepted for this machine alone, such as http://127.0.0.1)"
            )
        if bare != SAGE_HOST and not is_loopback(bare) and bare not in allowed_hosts():
            named = bare if "." in bare else "a host"  # without a dot it may be anything that was pasted
            raise ValueError(
                f"leads to {named}, which is not Sage's: your Client Secret and tokens would be sent there. The usual "
                f"one is {SAGE_API}. If it is a gateway that you trust, whoever runs this source must allow its host, "
                f"by name, in the environment variable {ALLOWED_HOSTS}"
            )
        root = f"{scheme}://{host}{f':{port}' if port else ''}"
        api = root + ((parts["path"] or "").rstrip("/") or API_VERSION_PATH)
        if bare == SAGE_HOST:
            return cls(api=api, authorize=SAGE_AUTHORIZE, token=SAGE_TOKEN)
        return cls(api=api, authorize=f"{root}/oauth/authorize", token=f"{root}/oauth/token")


def allowed_hosts() -> frozenset[str]:
    """The hosts beside Sage's that whoever runs the source has allowed, in lower case, without brackets."""
    return frozenset(one.strip().strip("[]").lower() for one in os.environ.get(ALLOWED_HOSTS, "").split(","))


class SageConfig(BaseModel):
    """The form, checked. Unknown keys are left alone: the platform may add its own."""

    model_config = ConfigDict(extra="ignore", str_strip_whitespace=True, frozen=True)

    account_id: str = Field(default="", title="Account ID")
    client_id: str = Field(min_length=1, title="Client ID")
    client_secret: str = Field(min_length=1, title="Client Secret", repr=False)
    api_endpoint: str = Field(default=SAGE_API, title="API Endpoint")
    access_token: str = Field(default="", title="Access Token", repr=False)
    refresh_token: str = Field(default="", title="Refresh Token", repr=False)
    token_expiry_date: str = Field(default="", title="Token Expiry Date")
    start_date: dt.date = Field(title="Start Date")
    end_date: dt.date | None = Field(default=None, title="End Date")
    replicate_financial_data: bool = Field(default=True, strict=True, title="Replicate Financial Data")
    replicate_inventory_data: bool = Field(default=True, strict=True, title="Replicate Inventory Data")
    replicate_customer_data: bool = Field(default=True, strict=True, title="Replicate Customer Data")
    include_historical_data: bool = Field(default=False, strict=True, title="Include Historical Data")
    num_workers: int = Field(default=8, title="Parallel Requests")
    look_back_days: int = Field(default=0, title="Look-back Window (days)")

    @model_validator(mode="before")
    @classmethod
    def _null_is_the_default(cls, form: Any) -> Any:
        """Some tools write null for a field that was left empty."""
        defaults = {name for name, one in cls.model_fields.items() if not one.is_required()}
        return {name: value for name, value in form.items() if value is not None or name not in defaults}

    @field_validator("account_id")
    @classmethod
    def _ids(cls, value: str) -> str:
        ids = _entries(value)
        if odd := [str(place) for place, one in enumerate(ids, 1) if not BUSINESS_ID.fullmatch(one)]:
            # It is told by its place: it may be a secret that was pasted into the wrong field.
            raise PydanticCustomError(
                "ids",
                "holds what is no business id ({odd} of {count}). Enter the id of a business (32 letters and digits, "
                "not its name), several with commas between them, or `all`. If you do not know the id, leave the "
                "field empty or enter `all`: Test Connection names the businesses and their ids",
                {"odd": f"entry {' and '.join(odd)}", "count": len(ids)},
            )
        if value and not ids:
            raise PydanticCustomError(
                "ids", "holds no id. Enter the id of a business, several with commas between them, or `all`"
            )
        others = list(dict.fromkeys(one for one in ids if one.lower() != ALL_BUSINESSES))
        if others and len(others) < len(set(ids)):
            raise PydanticCustomError(
                "ids",
                "holds both `all` and {others}. Enter either `all` for every business of your sign-in, or only the "
                "ids of those you want",
                {"others": ", ".join(map(quoted_id, others))},
            )
        return value

    @field_validator("start_date", "end_date", mode="before")
    @classmethod
    def _day(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None or (isinstance(value, str) and not value.strip()):
            if info.field_name == "start_date":
                raise PydanticCustomError("day", "is missing: fill in the first day you want to read")
            return None
        typed = str(value).strip()
        if isinstance(value, str) and (timed := DAY_AND_TIME.fullmatch(typed)) and _is_day(timed[1]):
            raise PydanticCustomError(
                "day", "{typed} has a time; write the date alone: {day}", {"typed": typed, "day": timed[1]}
            )
        if not isinstance(value, str) or not _is_day(typed):
            quoted = f"{typed} " if LOOKS_LIKE_A_DATE.fullmatch(typed) and typed.isprintable() else ""
            raise PydanticCustomError(
                "day",
                "{quoted}is not a date of the calendar; write it as YYYY-MM-DD, such as 2024-01-31",
                {"quoted": quoted},
            )
        return dt.date.fromisoformat(typed)

    @field_validator(*RANGES)
    @classmethod
    def _number(cls, value: int, info: ValidationInfo) -> int:
        least, most = RANGES[str(info.field_name)]
        if not least <= value <= most:
            raise ValueError("not within its range")
        return value

    @field_validator("api_endpoint")
    @classmethod
    def _endpoint(cls, value: str) -> str:
        try:
            Endpoints.of(value or SAGE_API)
        except ValueError as error:
            raise PydanticCustomError("endpoint", "{reason}", {"reason": str(error)}) from None
        return value or SAGE_API

    @model_validator(mode="after")
    def _fields_agree(self) -> SageConfig:
        if self.end_date is not None and self.end_date < self.start_date:
            raise PydanticCustomError(
                "dates",
                "End Date ({end}) is before Start Date ({start}). Choose an End Date on or after the Start Date, "
                "or leave it empty to read up to today.",
                {"end": self.end_date.isoformat(), "start": self.start_date.isoformat()},
            )
        if not self.access_token and not self.refresh_token:
            raise PydanticCustomError(
                "tokens",
                "Access Token and Refresh Token are both empty. Sign in with Sage, or paste the Refresh Token "
                "that Sage gave you for the authorization code; an Access Token alone works for five minutes.",
            )
        return self

    @classmethod
    def parse(cls, config: Mapping[str, Any]) -> SageConfig:
        """Check the user's config.

        Raises:
            AirbyteTracedException: config_error whose message names each wrong field and its remedy.
        """
        if not isinstance(config, Mapping):
            raise config_error('The config is no object of fields: it must look like {"client_id": "…", …}.')
        try:
            return cls.model_validate(dict(config))
        except ValidationError as error:
            sentences = [_sentence(problem) for problem in error.errors()]
            raise config_error(" ".join([*sentences, *cls.misspelt_in(config).values()])) from None

    @classmethod
    def misspelt_in(cls, config: Mapping[str, Any], *, only_missing: bool = True) -> dict[str, str]:
        """What to say of each key that is nearly a field's name; by default only if that field is not filled in."""
        return {
            key: f"`{key}` is not a field of this source; it is called `{name}`."
            for key, name in misspelt(config, cls.model_fields).items()
            if not only_missing or config.get(name) in (None, "")
        }

    @property
    def endpoints(self) -> Endpoints:
        """The addresses to talk to."""
        return Endpoints.of(self.api_endpoint)

    @property
    def window(self) -> Window:
        """The accounting dates wanted: historical data opens the lower end, the End Date stays."""
        return Window(None if self.include_historical_data else self.start_date, self.end_date)

    @property
    def wants_all_businesses(self) -> bool:
        """Tell whether every business of the sign-in is to be read."""
        return ALL_BUSINESSES in map(str.lower, _entries(self.account_id))

    @property
    def business_ids(self) -> tuple[str, ...]:
        """The ids that were typed, in their order and without repeats; empty for `all` and for nothing typed."""
        if self.wants_all_businesses:
            return ()
        return tuple(dict.fromkeys(_entries(self.account_id)))


def _entries(account_id: str) -> list[str]:
    return [part for part in map(str.strip, account_id.split(",")) if part]


def _is_day(text: str) -> bool:
    try:
        return CALENDAR_DAY.fullmatch(text) is not None and dt.date.fromisoformat(text) is not None
    except ValueError:
        return False


def quoted_id(typed: str) -> str:
    """A business id for a message, if it looks like one; it may be a secret in the wrong field."""
    return typed if LOOKS_LIKE_AN_ID.fullmatch(typed) else "(not quoted, since it does not look like one of Sage's)"


def _sentence(problem: Any) -> str:
    """One sentence for one pydantic problem; the value is left out, since it may be a secret."""
    if not problem["loc"]:
        return str(problem["msg"])
    name = str(problem["loc"][0])
    if name == "token_expiry_date":
        return f"`{name}`, which the source itself fills in and the form does not show, must be a text: leave it out."
    field = SageConfig.model_fields[name]
    if problem["type"] in ("day", "endpoint", "ids"):
        return f"{field.title} {problem['msg']}."
    if problem["type"] in ("missing", "string_too_short") or problem["input"] is None:
        return f"{field.title} is missing: fill it in."
    return f"{field.title} {WANTED[field.annotation].format(*RANGES.get(name, ()))}."
