"""Lists whose deletions Sage does not tell: what was edited lately is no reason to fail them once nothing moves."""

import pytest

from integration_tests.pipeline import Pipeline, page_size
from integration_tests.sandbox import Sandbox

LISTS = ("sales_estimates", "sales_quotes")


@pytest.mark.parametrize("name", LISTS)
def test_pages_of_changes_made_just_before_a_sync_are_whole(name: str) -> None:
    """Pages of four rows: the list of what was changed meanwhile is longer than one answer, and stands still."""
    with Sandbox(size="small", seed=1) as box, page_size(4):
        company, pipeline = box.businesses[0], Pipeline(box, [name])
        for note in ("before the first sync", "before the second"):
            for row in company.rows(name)[:9]:
                company.update(name, row["id"], notes=note)
            box.clock.advance(5)
            output = pipeline.sync()
            assert output.failure is None
            assert output.statuses(name)[-1] == "COMPLETE"
            assert {row["notes"] for row in output.rows(name)} >= {note}
            assert len(pipeline.asked(name)) < 40
        pipeline.assert_equal(name)
