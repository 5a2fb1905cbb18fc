"""An index that never accepts other bytes under a name that it has had before. devpi alone would after a deletion.

A file that an attempt uploaded without recording it was never a wheel of the index, so it is replaced.
"""

import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

from packaging.utils import NormalizedName

from wheelyard.domain.index.index import PublishedFile
from wheelyard.domain.untrusted.file_names import read_wheel_name
from wheelyard.errors import IndexConflictError, NotFoundError
from wheelyard.interfaces import Permit, WheelIndex, WheelStore
from wheelyard.logs import get_logger

_log = get_logger(__name__)


class RetainedIndex:
    """A WheelIndex that consults our records before it publishes."""

    def __init__(
        self,
        index: WheelIndex,
        *,
        wheels: WheelStore,
        remove: Callable[[str, str], Awaitable[None]],
    ) -> None:
        """Set the index, our records of wheels and uploads, and what removes a project's file from the index."""
        self._index = index
        self._wheels = wheels
        self._remove = remove

    async def publish(self, wheel: Path, *, sha256: str, permit: Permit | None = None) -> PublishedFile:
        """Publish a wheel whose name is new or has always had these bytes; see WheelIndex."""
        try:
            former = await self._wheels.find(wheel.name)
        except NotFoundError:
            return await self._publish_new(wheel, sha256=sha256, permit=permit)
        if former.sha256 != sha256:
            raise IndexConflictError(filename=wheel.name, held=former.sha256, ours=sha256)
        return await self._index.publish(wheel, sha256=sha256, permit=permit)

    async def _publish_new(self, wheel: Path, *, sha256: str, permit: Permit | None) -> PublishedFile:
        try:
            return await self._index.publish(wheel, sha256=sha256, permit=permit)
        except IndexConflictError as conflict:
            if not await self._wheels.is_orphan(wheel.name, sha256=conflict.held):
                raise
        if permit is not None:
            await permit()
        _log.warning("orphan-removed", filename=wheel.name)
        await self._remove(read_wheel_name(wheel.name)[0], wheel.name)
        return await self._index.publish(wheel, sha256=sha256, permit=permit)

    async def publish_sdist(self, sdist: Path, *, sha256: str, metadata: bytes) -> PublishedFile:
        """Publish an sdist whose name is new or has always had these bytes; see WheelIndex."""
        with contextlib.suppress(NotFoundError):
            former = await self._wheels.find(sdist.name)
            if former.sha256 != sha256:
                raise IndexConflictError(filename=sdist.name, held=former.sha256, ours=sha256)
        return await self._index.publish_sdist(sdist, sha256=sha256, metadata=metadata)

    async def sha256_of(self, project: NormalizedName, filename: str) -> str | None:
        """Return the sha256 of a file on the index, None if it is missing; see WheelIndex."""
        return await self._index.sha256_of(project, filename)

    async def ping(self) -> None:
        """Return if the index answers; see WheelIndex."""
        await self._index.ping()
