"""The stream `businesses`: what Sage says of a business itself, from the answer that told its plan and roles."""

from __future__ import annotations

from collections.abc import Iterator

from source_sage.reading import SettingsReading
from source_sage.task import Batch, Task


class BusinessReading:
    """Reads the one record of a business, at no request where its details were asked for beforehand."""

    def __init__(self, task: Task) -> None:
        self._task = task

    def run(self) -> Iterator[Batch]:
        """Read the record.

        Yields:
            Its one row.
        """
        task = self._task
        if task.business.details is None:
            yield from SettingsReading(task).run()
            return
        yield task.batch([task.business.details])
