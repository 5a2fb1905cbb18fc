"""The package archives of suites."""

from typing import Protocol

from wheelyard.domain.catalogue.archive_files import PackageFile, WantedFile


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
