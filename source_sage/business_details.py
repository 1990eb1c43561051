"""The stream `businesses`: what Sage says of a business itself, from the answer that told its plan and roles."""

from __future__ import annotations

from source_sage.asking import Steps
from source_sage.reading import SettingsReading


class BusinessReading(SettingsReading):
    """Reads the one record of a business, at no request where its details were asked for beforehand."""

    def run(self) -> Steps[None]:
        """Read the record."""
        details = self._task.business.details
        if details is None:
            yield from super().run()
        else:
            self._task.hand_on(self._task.batch([details]))
