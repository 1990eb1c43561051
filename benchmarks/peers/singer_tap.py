"""A tap made with the Singer SDK, as its documentation shows: `singer_tap.py --config FILE`.

Its config names the streams to read. Records leave as Sage sent them but for what the SDK itself does to them.
"""

from __future__ import annotations

from typing import Any

from requests import Response
from singer_sdk import Tap
from singer_sdk import typing as th
from singer_sdk.authenticators import BearerTokenAuthenticator
from singer_sdk.pagination import PageNumberPaginator
from singer_sdk.streams import RESTStream

from benchmarks.peers.shaping import schema_of


class SagePages(PageNumberPaginator):
    """Goes on as long as Sage names a next page."""

    def has_more(self, response: Response) -> bool:
        """Tell whether there is another page."""
        return response.json()["$next"] is not None


class SageStream(RESTStream[int]):
    """One list."""

    records_jsonpath = "$['$items'][*]"
    primary_keys = ("id",)

    def __init__(self, tap: Tap, name: str) -> None:
        super().__init__(tap, name=name, schema=schema_of(name), path=f"/{name}")
        if "updated_at" in self.schema["properties"]:
            self.replication_key = "updated_at"

    @property
    def url_base(self) -> str:
        """Where the API is."""
        return str(self.config["api_url"])

    @property
    def authenticator(self) -> BearerTokenAuthenticator:
        """A token that never ends."""
        return BearerTokenAuthenticator(token="bench")  # noqa: S106

    @property
    def http_headers(self) -> dict[str, str]:
        """Name the business."""
        return {"X-Business": self.config["business_id"]}

    def get_new_paginator(self) -> SagePages:
        """Pages from 1."""
        return SagePages(1)

    def get_url_params(self, context: Any, next_page_token: int | None) -> dict[str, Any]:
        """The query of one page."""
        params: dict[str, Any] = {"page": next_page_token or 1, "items_per_page": 200, "attributes": "all"}
        if since := self.get_starting_timestamp(context):
            params["updated_or_created_since"] = since.strftime("%Y-%m-%dT%H:%M:%SZ")
        return params


class SageTap(Tap):
    """The tap."""

    name = "tap-sage-bench"
    config_jsonschema = th.PropertiesList(
        th.Property("api_url", th.StringType, required=True),
        th.Property("business_id", th.StringType, required=True),
        th.Property("streams", th.ArrayType(th.StringType), required=True),
        th.Property("start_date", th.DateTimeType),
    ).to_dict()

    def discover_streams(self) -> list[SageStream]:
        """The lists of the config."""
        return [SageStream(self, name) for name in self.config["streams"]]


if __name__ == "__main__":
    SageTap.cli()
