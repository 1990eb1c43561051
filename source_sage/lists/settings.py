"""The streams that are one record per business: settings, the user, and the business itself."""

from __future__ import annotations

from functools import partial

from source_sage.lists.asking import Reader, Steps
from source_sage.lists.task import Task


class SettingsReading(Reader):
    """Reads one record."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self._task = task

    def run(self) -> Steps[None]:
        """Read the record."""
        task = self._task
        record = yield from self.answer(
            partial(task.get, task.facts.path.replace("{business_id}", task.business.id), {})
        )
        task.hand_on(task.batch([record.taken]))


class BusinessReading(SettingsReading):
    """Reads a business, at no request where its details were asked for beforehand, with its plan and roles."""

    def run(self) -> Steps[None]:
        """Read the record."""
        details = self._task.business.details
        if details is None:
            yield from super().run()
        else:
            self._task.hand_on(self._task.batch([details]))
