"""Archives of suites in memory."""

from collections.abc import Mapping, Sequence

from wheelyard.domain.catalogue.archive_files import FileKind, PackageFile, WantedFile
from wheelyard.errors import NotFoundError, WheelyardError


class FakeArchives:
    """SuiteArchives that answer from dictionaries, alike for all architectures."""

    def __init__(
        self,
        packages: Mapping[tuple[FileKind, str], Sequence[str]] | None = None,
        *,
        suites: Sequence[str] = ("bookworm",),
        error: WheelyardError | None = None,
    ) -> None:
        """Prepare the archives.

        Args:
            packages: The packages that hold a file, best first, by its kind and name.
            suites: The suites that there are.
            error: Raised by every call.
        """
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
        return tuple(PackageFile(package=name, version="1.0-1", path=path, installed_bytes=1000) for name in names)

    async def version(self, suite: str, architecture: str, package: str) -> str | None:  # noqa: ARG002  alike for all
        """Return 1.0-1 for a package that holds a file."""
        self._check(suite)
        return "1.0-1" if any(package in names for names in self.packages.values()) else None

    def _check(self, suite: str) -> None:
        if self.error is not None:
            raise self.error
        if suite not in self.suites:
            raise NotFoundError(kind="suite", name=suite)
