"""dlt's rest_api source: `dlt_rest.py extract|normalize URL BUSINESS FOLDER STREAM ...`.

`extract` writes the pages to disk as they come; `normalize` then types the records and splits them into tables, which
is dlt's shaping. Prints how many records were extracted.
"""

from __future__ import annotations

import os
import sys
from typing import Any

os.environ["RUNTIME__DLTHUB_TELEMETRY"] = "false"
os.environ["RUNTIME__LOG_LEVEL"] = "ERROR"

import dlt
from dlt.sources.helpers.requests import Response
from dlt.sources.helpers.rest_client.paginators import PageNumberPaginator
from dlt.sources.rest_api import rest_api_source

from benchmarks.peers.shaping import schema_of

PAGE_SIZE = 200


class SagePages(PageNumberPaginator):
    """Ends at a short page: Sage repeats the last page instead of giving an empty one."""

    def __init__(self) -> None:
        super().__init__(base_page=1, page_param="page", total_path=None)

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        """Note one page."""
        super().update_state(response, data)
        self._has_next_page = len(data or ()) == PAGE_SIZE


def resource(stream: str) -> dict[str, Any]:
    """One list; incremental by updated_at where its records have it."""
    params: dict[str, Any] = {"items_per_page": PAGE_SIZE, "attributes": "all"}
    made: dict[str, Any] = {"name": stream, "primary_key": "id", "write_disposition": "merge"}
    if "updated_at" in schema_of(stream)["properties"]:
        params["updated_or_created_since"] = {
            "type": "incremental",
            "cursor_path": "updated_at",
            "initial_value": "2000-01-01T00:00:00Z",
        }
    endpoint = {"path": stream, "params": params, "data_selector": "'$items'", "paginator": SagePages()}
    return {**made, "endpoint": endpoint}


def main(step: str, url: str, business_id: str, folder: str, streams: list[str]) -> None:
    """Extract, and perhaps normalize, into a folder of its own."""
    source = rest_api_source(
        {
            "client": {
                "base_url": url,
                "auth": {"type": "bearer", "token": "bench"},
                "headers": {"X-Business": business_id},
            },
            "resources": [resource(stream) for stream in streams],
        },
        parallelized=True,
    )
    pipeline = dlt.pipeline("bench", destination=dlt.destinations.dummy(), pipelines_dir=folder)
    extracted = pipeline.extract(source)
    if step == "normalize":
        pipeline.normalize()
    counts = [
        metrics["table_metrics"][stream].items_count
        for steps in extracted.metrics.values()
        for metrics in steps
        for stream in streams
        if stream in metrics["table_metrics"]
    ]
    sys.stdout.write(f"{sum(counts)}\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5:])
