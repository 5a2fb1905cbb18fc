"""The package archives of suites."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from wheelyard.domain.builds.components import SourcePackage
from wheelyard.domain.catalogue.archive_files import PackageFile, StoredArchive, WantedFile


class SuiteArchives(Protocol):
    """Which packages of a suite's signed archive hold which files."""

    async def find(self, suite: str, architecture: str, wanted: WantedFile) -> tuple[PackageFile, ...]:
        """Return the packages that hold a file, best first; empty if the archive has none.

        Raises NotFoundError for an unknown suite, and OperatorError if the archive cannot be read now.
        """
        ...

    async def version(self, suite: str, architecture: str, package: str) -> str | None:
        """Return a package's newest version in the archive; None if it has none. Raises as ``find`` does."""
        ...

    async def source(self, suite: str, architecture: str, package: SourcePackage) -> SourcePackage | None:
        """Return a source package with its files; None if the archive does not have this version.

        Raises as ``find`` does.
        """
        ...


class ArchiveStore(Protocol):
    """Where the indexes of archives are kept, for processes that cannot read the archives themselves."""

    async def look_up(self, suite: str, architecture: str) -> StoredArchive | None:
        """Return what is known of an archive's index; None if it was never read, or by another release of ours."""
        ...

    async def load(self, suite: str, architecture: str) -> bytes | None:
        """Return an archive's index, compressed; None if it was never read."""
        ...

    async def save(self, suite: str, architecture: str, index: bytes) -> None:
        """Replace an archive's index."""
        ...

    def reading(self, suite: str, architecture: str) -> AbstractAsyncContextManager[bool]:
        """Hold the right to read an archive; yield whether it is ours, or another process holds it."""
        ...

    async def ask_for(self, suite: str, architecture: str) -> None:
        """Ask those who can to read an archive anew."""
        ...

    async def list_asked(self, architecture: str) -> tuple[str, ...]:
        """Return the suites whose archives were asked for and not read since."""
        ...
