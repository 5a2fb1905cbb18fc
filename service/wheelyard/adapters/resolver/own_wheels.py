"""Our own index's wheels as build requirements, and a source that fetches them from there."""

import asyncio
import functools
from pathlib import Path

from packaging.utils import NormalizedName

from wheelyard.adapters.upstream.cache import ContentCache, PartialFile
from wheelyard.domain.index.index import Level
from wheelyard.domain.index.wheels import IndexedWheel
from wheelyard.domain.packaging.release import IndexFile, ProjectFiles
from wheelyard.domain.untrusted.versions import find_version
from wheelyard.errors import DownloadFailedError, NotFoundError
from wheelyard.interfaces import SourceIndex, WheelStorage, WheelStore
from wheelyard.memory_cache import SingleFlight
from wheelyard.wheel_files.reader import RefusedWheelError, read_wheel


class OwnWheels:
    """What our index lists, down to a level: the next build on staging may need what is already there."""

    def __init__(
        self, *, store: WheelStore, storage: WheelStorage, cache: ContentCache, level: Level = Level.PROD
    ) -> None:
        self._store = store
        self._storage = storage
        self._cache = cache
        self._level = level
        self._fetching: SingleFlight[str, Path] = SingleFlight()

    async def files_of(self, project: NormalizedName) -> tuple[IndexFile, ...]:
        """Return a project's wheels; raise DatabaseUnavailableError."""
        listed = (wheel for wheel in await self._store.wheels_of(project) if self._lists(wheel))
        files = map(_file_of, listed)
        return tuple(file for file in files if file is not None)

    async def metadata_of(self, file: IndexFile) -> bytes:
        """Return a wheel's METADATA, read from the wheel itself if it was not saved."""
        try:
            return await self._store.metadata_of(file.filename)
        except NotFoundError:
            path = await self.fetch(file)
            try:
                return (await asyncio.to_thread(read_wheel, path)).metadata
            except RefusedWheelError as error:
                raise DownloadFailedError(what=file.filename, tried=[f"our own index ({error})"]) from error

    async def fetch(self, file: IndexFile) -> Path:
        """Fetch a wheel into the content cache, check its sha256, and return its path.

        Raise HashMismatchError, DownloadFailedError, IndexUnavailableError or DiskFullError.
        """
        return await self._fetching.run(file.sha256, functools.partial(self._obtain, file))

    def _lists(self, wheel: IndexedWheel) -> bool:
        return (
            wheel.is_wheel and wheel.deleted_at is None and (wheel.level is Level.PROD or self._level is Level.STAGING)
        )

    async def _obtain(self, file: IndexFile) -> Path:
        held = await asyncio.to_thread(self._cache.find, file)
        return held if held is not None else await self._download(file)

    async def _download(self, file: IndexFile) -> Path:
        await asyncio.to_thread(self._cache.check_room, file.size_bytes or 0)
        partial = PartialFile(self._cache, file)
        try:
            async with self._storage.open(file.url) as chunks:
                async for chunk in chunks:
                    await asyncio.to_thread(partial.write, chunk)
            return await asyncio.to_thread(partial.keep)
        except NotFoundError as error:
            raise DownloadFailedError(what=file.filename, tried=["our own index (it does not have it)"]) from error
        finally:
            partial.discard()


class MixedSource:
    """A SourceIndex that fetches our own wheels from our index, and everything else from upstream."""

    def __init__(self, upstream: SourceIndex, own: OwnWheels) -> None:
        self._upstream = upstream
        self._own = own

    async def project(self, name: NormalizedName) -> ProjectFiles:
        """Return a project's upstream page; see SourceIndex."""
        return await self._upstream.project(name)

    async def fetch(self, file: IndexFile) -> Path:
        """Fetch a file into the content cache; see SourceIndex."""
        return await (self._own if file.own else self._upstream).fetch(file)


def _file_of(wheel: IndexedWheel) -> IndexFile | None:
    """Return a wheel as an index's file; None for a version that PEP 440 does not allow."""
    version = find_version(wheel.version)
    if version is None:
        return None
    return IndexFile(
        filename=wheel.filename,
        url=wheel.url,
        sha256=wheel.sha256,
        kind="wheel",
        version=version,
        size_bytes=wheel.size_bytes,
        requires_python=wheel.requires_python,
        yanked=wheel.yanked_at is not None,
        yanked_reason=wheel.yanked_reason,
        upload_time=wheel.uploaded_at,
        own=True,
    )
