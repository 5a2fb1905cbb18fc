"""Ask the suites' archives: their indexes come from a store, and are looked up in files that this process maps."""

import asyncio
import contextlib
import mmap
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from wheelyard.adapters.host.disk import disk_errors
from wheelyard.adapters.host.files import write_atomic
from wheelyard.domain.builds.components import SourcePackage
from wheelyard.domain.catalogue.archive_files import PackageFile, StoredArchive, WantedFile
from wheelyard.domain.catalogue.archive_index import ArchiveIndex, unpack_index
from wheelyard.domain.catalogue.catalogue import Catalogue
from wheelyard.domain.catalogue.package_ranking import rank_packages
from wheelyard.errors import ArchiveNotReadError, NotFoundError, OperatorError
from wheelyard.interfaces import ArchiveStore
from wheelyard.logs import get_logger

_LOOK_SECONDS: Final = 60.0
"""How long an index that is in use is not compared with the store's."""
_PAUSE_SECONDS: Final = 1800.0
"""Pause after an archive that was asked for could not be read."""
_WAIT_SECONDS: Final = 1.0
_OLD_FOR_SOURCES: Final = timedelta(hours=1)
"""Age at which an index without a version of a source package is read anew."""
_log = get_logger(__name__)

ReadArchive = Callable[[str, str], Awaitable[bytes]]
"""Reads the archive of a suite for an architecture, and returns its compressed index."""
_Key = tuple[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class _OpenIndex:
    index: ArchiveIndex
    digest: str
    looked_at: float


class StoredArchives:
    """Answer from the indexes in a store, and read archives that are missing if this process can.

    The look-ups of an index take less than a millisecond, so they run in the event loop.
    """

    def __init__(  # noqa: PLR0913  (each is one thing of the host)
        self,
        store: ArchiveStore,
        *,
        catalogue: Catalogue,
        cache: Path,
        architectures: Sequence[str],
        read: ReadArchive | None,
        keep_seconds: float,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Prepare it.

        Args:
            store: Where the indexes are kept.
            catalogue: The suites that there are.
            cache: Folder for the unpacked indexes.
            architectures: Those of this host, its own and emulated ones, whose archives ``read`` reads.
            read: Reads an archive; None if this process cannot.
            keep_seconds: Age at which an index is read anew; 0 is never.
            clock: Seconds, to look at the store now and then only.
            now: The time, to judge the age of an index.
        """
        self._store = store
        self._catalogue = catalogue
        self._cache = cache
        self._architectures = tuple(architectures)
        self._read = read
        self._keep_seconds = keep_seconds
        self._clock = clock
        self._now = now
        self._open: dict[_Key, _OpenIndex] = {}
        self._locks: defaultdict[_Key, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._failed: dict[_Key, float] = {}

    async def find(self, suite: str, architecture: str, wanted: WantedFile) -> tuple[PackageFile, ...]:
        """Return the packages that hold a file, best first; empty if the archive has none.

        Raises:
            NotFoundError: There is no such suite for this architecture.
            ArchiveNotReadError: No worker has read the archive yet.
            OperatorError: The archive cannot be read now.
        """
        return rank_packages(await self._index(suite, architecture), wanted)

    async def version(self, suite: str, architecture: str, package: str) -> str | None:
        """Return a package's newest version in the archive; None if it has none. Raises as ``find`` does."""
        found = (await self._index(suite, architecture)).find_package(package)
        return found.version if found else None

    async def source(self, suite: str, architecture: str, package: SourcePackage) -> SourcePackage | None:
        """Return a source package with its files; None if the archive does not have this version.

        No build waits for sources: an archive that nobody has read yet is only asked for, and so is one whose index is
        older than an image with a newer version.

        Raises:
            ArchiveNotReadError: Nobody has read the archive yet.
            NotFoundError: There is no such suite for this architecture.
            OperatorError: The index cannot be had now.
        """
        self._check_suite(suite, architecture)
        stored = await self._store.look_up(suite, architecture)
        if stored is None:
            await self._store.ask_for(suite, architecture)
            raise ArchiveNotReadError(suite=suite, architecture=architecture)
        found = (await self._index(suite, architecture)).find_source(package.name, package.version)
        if found is None and self._now() - stored.read_at > _OLD_FOR_SOURCES:
            await self._store.ask_for(suite, architecture)
        return found

    async def read_asked(self) -> None:
        """Read the archives that other processes asked for, or that are too old."""
        for architecture in self._architectures:
            for suite in await self._store.list_asked(architecture):
                await self._read_one(suite, architecture)

    async def _read_one(self, suite: str, architecture: str) -> None:
        entry, key = self._catalogue.suite.get(suite), (suite, architecture)
        rests = self._clock() - self._failed.get(key, -_PAUSE_SECONDS) < _PAUSE_SECONDS
        if entry is None or architecture not in entry.architectures or rests:
            return
        try:
            if await self._read_alone(key):
                _log.info("archive-read", suite=suite, architecture=architecture)
        except OperatorError as error:
            self._failed[key] = self._clock()
            _log.warning("archive-failed", suite=suite, code=error.code, reason=error.summary)

    async def _index(self, suite: str, architecture: str) -> ArchiveIndex:
        self._check_suite(suite, architecture)
        key = suite, architecture
        async with self._locks[key]:
            known = self._open.get(key)
            if known is None or self._clock() - known.looked_at >= _LOOK_SECONDS:
                known = self._open[key] = await self._renew(key, known)
            return known.index

    def _check_suite(self, suite: str, architecture: str) -> None:
        entry = self._catalogue.suite.get(suite)
        if entry is None:
            names = ", ".join(sorted(self._catalogue.suite))
            raise NotFoundError(kind="suite", name=suite, where=f"in the catalogue, which has {names}")
        if architecture not in entry.architectures:
            raise NotFoundError(kind=f"suite for {architecture}", name=suite)

    async def _renew(self, key: _Key, known: _OpenIndex | None) -> _OpenIndex:
        """Return the store's newest index, unpacked if it is not yet."""
        stored = await self._store.look_up(*key) or await self._read_first(key)
        if self._keep_seconds and self._now() - stored.read_at > timedelta(seconds=self._keep_seconds):
            await self._store.ask_for(*key)
        looked_at = self._clock()
        if known is not None and known.digest == stored.digest:
            return _OpenIndex(index=known.index, digest=known.digest, looked_at=looked_at)
        index = await self._unpack(key, stored)
        return _OpenIndex(index=index, digest=stored.digest, looked_at=looked_at)

    async def _read_first(self, key: _Key) -> StoredArchive:
        """Read an archive that nobody has read yet, or wait for another process that does."""
        if self._read is None or key[1] not in self._architectures:
            await self._store.ask_for(*key)
            raise ArchiveNotReadError(suite=key[0], architecture=key[1])
        while (stored := await self._store.look_up(*key)) is None:
            if not await self._read_alone(key):
                await asyncio.sleep(_WAIT_SECONDS)
        return stored

    async def _read_alone(self, key: _Key) -> bool:
        """Read an archive unless another process does; return whether it was read here."""
        async with self._store.reading(*key) as ours:
            if ours and self._read is not None:
                await self._store.save(*key, await self._read(*key))
            return ours

    async def _unpack(self, key: _Key, stored: StoredArchive) -> ArchiveIndex:
        suite, architecture = key
        path = self._cache / f"{suite}-{architecture}-{stored.digest[:32]}.index"
        index = await asyncio.to_thread(_map_index, path)
        if index is not None:
            return index
        packed = await self._store.load(*key)
        if packed is None:
            raise ArchiveNotReadError(suite=suite, architecture=architecture)
        try:
            await asyncio.to_thread(self._write, path, packed, f"{suite}-{architecture}-*.index")
            index = await asyncio.to_thread(_map_index, path)
        except ValueError:
            _log.warning("archive-damaged", suite=suite, architecture=architecture)
        if index is None:
            await self._store.ask_for(*key)
            raise ArchiveNotReadError(suite=suite, architecture=architecture)
        return index

    def _write(self, path: Path, packed: bytes, others: str) -> None:
        """Write an index to the cache in the place of its predecessors, which stay readable while they are mapped."""
        with disk_errors(self._cache):
            self._cache.mkdir(parents=True, exist_ok=True)
            write_atomic(path, unpack_index(packed), mode=0o644)
            for old in self._cache.glob(others):
                if old != path:
                    old.unlink(missing_ok=True)


def _map_index(path: Path) -> ArchiveIndex | None:
    """Return the index in a file; None if the file is missing, or no index."""
    with contextlib.suppress(FileNotFoundError, ValueError), path.open("rb") as stream:
        return ArchiveIndex(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ))
    return None
