"""Archives of suites in memory."""

import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from wheelyard.domain.builds.components import SourcePackage
from wheelyard.domain.catalogue.archive_files import FileKind, PackageFile, StoredArchive, WantedFile
from wheelyard.errors import NotFoundError, WheelyardError


class FakeArchives:
    """SuiteArchives that answer from dictionaries, alike for all architectures."""

    def __init__(
        self,
        packages: Mapping[tuple[FileKind, str], Sequence[str]] | None = None,
        *,
        suites: Sequence[str] = ("bookworm",),
        error: WheelyardError | None = None,
        versions: Mapping[tuple[str, str], str] | None = None,
        sources: Iterable[SourcePackage] = (),
    ) -> None:
        """Prepare the archives.

        Args:
            packages: The packages that hold a file, best first, by its kind and name.
            suites: The suites that there are.
            error: Raised by every call.
            sources: The source packages that there are.
            versions: A package's version by the suite and its name; other packages are 1.0-1.
        """
        self.versions = dict(versions or {})
        self.sources = {(one.name, one.version): one for one in sources}
        self.packages = dict(packages or {})
        self.suites = tuple(suites)
        self.error = error
        self.asked: list[WantedFile] = []

    async def find(self, suite: str, architecture: str, wanted: WantedFile) -> tuple[PackageFile, ...]:  # noqa: ARG002  alike for all
        """Return the packages of a file."""
        self._check(suite)
        self.asked.append(wanted)
        names = self.packages.get((wanted.kind, wanted.name), ())
        path = f"usr/{wanted.kind.value}/{wanted.name}"
        return tuple(
            PackageFile(
                package=name, version=self.versions.get((suite, name), "1.0-1"), path=path, installed_bytes=1000
            )
            for name in names
        )

    async def version(self, suite: str, architecture: str, package: str) -> str | None:  # noqa: ARG002  alike for all
        """Return 1.0-1 for a package that holds a file."""
        self._check(suite)
        return "1.0-1" if any(package in names for names in self.packages.values()) else None

    async def source(self, suite: str, architecture: str, package: SourcePackage) -> SourcePackage | None:  # noqa: ARG002  alike for all
        """Return a source package that the archive has."""
        self._check(suite)
        return self.sources.get((package.name, package.version))

    def _check(self, suite: str) -> None:
        if self.error is not None:
            raise self.error
        if suite not in self.suites:
            raise NotFoundError(kind="suite", name=suite)


class MemoryArchiveStore:
    """ArchiveStore in memory."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.now = now
        self.indexes: dict[tuple[str, str], tuple[bytes, datetime]] = {}
        self.asked: dict[tuple[str, str], datetime] = {}
        self.held: set[tuple[str, str]] = set()
        """Archives that are being read."""

    async def look_up(self, suite: str, architecture: str) -> StoredArchive | None:
        """Return what is known of an index."""
        if (suite, architecture) not in self.indexes:
            return None
        data, read_at = self.indexes[suite, architecture]
        return StoredArchive(digest=hashlib.sha256(data).hexdigest(), read_at=read_at)

    async def load(self, suite: str, architecture: str) -> bytes | None:
        """Return an index."""
        return self.indexes.get((suite, architecture), (None,))[0]

    async def save(self, suite: str, architecture: str, index: bytes) -> None:
        """Replace an index."""
        self.indexes[suite, architecture] = index, self.now()
        self.asked.pop((suite, architecture), None)

    @asynccontextmanager
    async def reading(self, suite: str, architecture: str) -> AsyncIterator[bool]:
        """Yield whether nobody else reads it."""
        key = suite, architecture
        if key in self.held:
            yield False
            return
        self.held.add(key)
        try:
            yield True
        finally:
            self.held.remove(key)

    async def ask_for(self, suite: str, architecture: str) -> None:
        """Note that an archive is asked for."""
        self.asked[suite, architecture] = self.now()

    async def list_asked(self, architecture: str) -> tuple[str, ...]:
        """Return the suites that are asked for."""
        return tuple(suite for suite, one in self.asked if one == architecture)
