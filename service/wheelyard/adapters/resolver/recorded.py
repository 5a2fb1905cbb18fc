"""The build requirements that a former build had, in place of those that an index offers today."""

import asyncio
from collections.abc import Sequence

from wheelyard.domain.packaging.release import IndexFile
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.provenance.recorded import RecordedBuild, RecordedWheel
from wheelyard.domain.untrusted.file_names import read_wheel_name
from wheelyard.errors import UnknownProjectError
from wheelyard.interfaces import SourceIndex


class RecordedWheels:
    """Answer every question for build requirements with all the wheels that a former build had.

    Only their names and hashes are used, never an address that somebody recorded.
    """

    def __init__(self, source: SourceIndex, recorded: RecordedBuild) -> None:
        self._source = source
        self._recorded = recorded

    async def resolve(
        self, requirements: Sequence[str], *, target: Target, constraints: Sequence[str] = ()
    ) -> tuple[IndexFile, ...]:
        """Return the recorded wheels, as the index has them.

        Raises NotRebuildableError if it no longer has one with these bytes, and IndexUnavailableError.
        """
        del requirements, target, constraints
        return tuple(await asyncio.gather(*map(self._find, self._recorded.requirements)))

    async def _find(self, wheel: RecordedWheel) -> IndexFile:
        try:
            page = await self._source.project(read_wheel_name(wheel.filename).project)
        except UnknownProjectError as error:
            raise self._missing(wheel) from error
        for file in page.files:
            if (file.filename, file.sha256) == (wheel.filename, wheel.sha256):
                return file
        raise self._missing(wheel)

    def _missing(self, wheel: RecordedWheel) -> Exception:
        return self._recorded.refuse(
            f"its build requirement {wheel.filename} (sha256 {wheel.sha256[:12]}…) is not on the upstream index"
        )
