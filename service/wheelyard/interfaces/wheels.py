"""The index of wheels and sdists: the storage of their bytes, and the records of them."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

from packaging.utils import NormalizedName

from wheelyard.domain.builds.records import Claim
from wheelyard.domain.index.check import IndexReport, LastReport
from wheelyard.domain.index.index import HeldFile, Level, PublishedFile
from wheelyard.domain.index.sdists import BroughtSdist, DueSdist, SdistPlace
from wheelyard.domain.index.wheels import (
    IndexChanges,
    IndexedWheel,
    IndexEntry,
    ProjectFilter,
    ProjectPage,
    WheelFilter,
    WheelPage,
)
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.domain.packaging.wheel_contents import WheelContents

Permit = Callable[[], Awaitable[None]]
"""Called right before something is sent to an index; raises an error to prevent it."""


class WheelIndex(Protocol):
    """Our own index, which users install from."""

    async def publish(self, wheel: Path, *, sha256: str, permit: Permit | None = None) -> PublishedFile:
        """Publish a wheel and read it back to verify it; a wheel that is there already is only verified.

        Raises HashMismatchError or UntrustedOutputError if the file is not the promised wheel, IndexConflictError,
        IndexRefusedError, IndexUnavailableError, or PublishUnprovenError.
        """
        ...

    async def publish_sdist(self, sdist: Path, *, sha256: str, metadata: bytes) -> PublishedFile:
        """Publish an sdist and read it back to verify it; one that is there already is only verified.

        ``metadata`` is the METADATA of a wheel of its release: the index has one for all files of a release.

        Raises HashMismatchError or UntrustedOutputError if the file is not the promised sdist, and otherwise as
        ``publish``.
        """
        ...

    async def sha256_of(self, project: NormalizedName, filename: str) -> str | None:
        """Return the sha256 of a file on the index, None if it is not there; raise IndexUnavailableError."""
        ...

    async def ping(self) -> None:
        """Return if the index answers, else raise IndexUnavailableError."""
        ...


class WheelStorage(Protocol):
    """The files of an index server, as the server lists them."""

    def open(self, url: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open a file; raise NotFoundError if it is not there, IndexUnavailableError if the server does not answer."""
        ...

    async def list_files(self) -> tuple[HeldFile, ...]:
        """Return every file; raise IndexUnavailableError."""
        ...

    async def remove(self, project: str, filename: str) -> None:
        """Remove a file from every level; a file that is not there is no error.

        Raises IndexRefusedError or IndexUnavailableError.
        """
        ...


class WheelCopies(Protocol):
    """Copies of the index's files on this host, whose hashes were right."""

    def find(self, wheel: IndexedWheel) -> BinaryIO | None:
        """Open a file's copy; return None if there is none. The caller closes it."""
        ...

    def place_of(self, wheel: IndexedWheel) -> str:
        """Return the path of a file's copy below the folder of all copies."""
        ...

    async def fetch(self, wheel: IndexedWheel, *, caller: str) -> BinaryIO | None:
        """Open a file's copy, and make it first if there is none; return None if it cannot be stored.

        Raises NotFoundError, IndexUnavailableError or HashMismatchError.
        """
        ...

    def stream(self, wheel: IndexedWheel, *, caller: str) -> AsyncGenerator[bytes, None]:
        """Yield a file's bytes from the index, and make its copy meanwhile if it can be stored.

        Raises NotFoundError, IndexUnavailableError, or HashMismatchError before the end of a wrong file.
        """
        ...

    async def verify(self) -> tuple[str, ...]:
        """Hash every copy; remove those that are wrong, and return their file names."""
        ...


class SdistStore(Protocol):
    """The sdists that others brought."""

    async def find(self, filename: str) -> BroughtSdist:
        """Return an sdist; raise NotFoundError."""
        ...

    async def sdists_of(self, project: NormalizedName) -> tuple[IndexFile, ...]:
        """Return the sdists to build a project's releases from, oldest first, without deleted ones."""
        ...

    async def is_own(self, project: NormalizedName) -> bool:
        """Return whether an sdist of the project was ever brought, so that it is the organisation's own."""
        ...

    async def place_of(self, filename: str) -> SdistPlace:
        """Return where the bytes of an sdist are now; raise NotFoundError."""
        ...

    async def due(self) -> tuple[DueSdist, ...]:
        """Return the sdists that are not on our index yet, though it lists a wheel that was made from them.

        A wheel of the release that was brought counts too.
        """
        ...


class WheelStore(Protocol):
    """The records of the wheels and sdists on our index.

    Each change that a person makes is written to the audit log in the same transaction; ``by`` is that person's name.
    """

    async def changes(self, since: int) -> IndexChanges:
        """Return the projects whose wheels have changed since a serial; 0 is the beginning."""
        ...

    async def names(self, *, level: Level, own_only: bool = False) -> tuple[str, ...]:
        """Return the projects with a wheel at this level or above, sorted; ``own_only`` ignores mirrored ones."""
        ...

    async def wheels_of(self, project: str) -> tuple[IndexedWheel, ...]:
        """Return all of a project's files, also deleted ones, oldest upload first; empty if there are none."""
        ...

    async def find(self, filename: str) -> IndexedWheel:
        """Return a wheel, deleted or not; raise NotFoundError."""
        ...

    async def metadata_of(self, filename: str) -> bytes:
        """Return a wheel's METADATA; raise NotFoundError if it is not stored, or the wheel is deleted."""
        ...

    async def provenance_of(self, filename: str) -> bytes:
        """Return a file's provenance object (PEP 740); raise NotFoundError if there is none, or it is deleted."""
        ...

    async def list_wheels(self, wanted: WheelFilter) -> WheelPage:
        """Return wheels and sdists, newest first."""
        ...

    async def versions_of(self, projects: Collection[str]) -> frozenset[tuple[str, str]]:
        """Return the versions of some projects that have a wheel, not deleted, as pairs of project and version."""
        ...

    async def wheels_of_releases(self, releases: Collection[tuple[str, str]]) -> tuple[IndexedWheel, ...]:
        """Return the wheels of some projects' versions that are not deleted."""
        ...

    async def list_projects(self, wanted: ProjectFilter) -> ProjectPage:
        """Return projects that have a wheel, sorted by name."""
        ...

    async def known_projects(self, prefix: str, *, limit: int) -> tuple[str, ...]:
        """Return, sorted, the projects with a wheel or a build whose normalised name begins with a prefix."""
        ...

    async def contents_of(self, filename: str) -> WheelContents:
        """Return the list of a wheel's files, deleted or not; raise NotFoundError if it is not stored."""
        ...

    async def keep_contents(self, filename: str, contents: WheelContents) -> None:
        """Store the list of a wheel's files; raise NotFoundError."""
        ...

    async def record(self, entry: IndexEntry) -> None:
        """Record a wheel; the same again is no error; raise IndexConflictError for other bytes under its name."""
        ...

    async def yank(self, filename: str, *, reason: str, by: str) -> IndexedWheel:
        """Mark a wheel as yanked (PEP 592), or change the reason; raise NotFoundError, also if it was deleted."""
        ...

    async def unyank(self, filename: str, *, by: str) -> IndexedWheel:
        """Remove the mark; raise NotFoundError, also if it was deleted."""
        ...

    async def promote(self, filename: str, *, url: str, by: str) -> IndexedWheel:
        """Record that prod has the wheel, and where; raise NotFoundError, also if it was deleted."""
        ...

    async def keep_metadata(self, filename: str, metadata: bytes, *, by: str) -> IndexedWheel:
        """Store a METADATA that was not stored before, for deleted wheels too; raise NotFoundError."""
        ...

    async def delete(self, filename: str, *, by: str) -> IndexedWheel:
        """Remove a wheel from the lists permanently; its name stays taken, and deleting it again is no error.

        Raises NotFoundError.
        """
        ...

    async def begin_upload(self, claim: Claim, *, filename: str, sha256: str) -> bool:
        """Record that the claim's attempt uploads a file now; return False if the claim was lost: do not upload."""
        ...

    async def is_orphan(self, filename: str, *, sha256: str) -> bool:
        """Return whether these bytes are of an upload whose attempt is over, with no record of the file name."""
        ...

    async def save_report(self, report: IndexReport) -> None:
        """Store a report of how devpi and the database differ, by the store's clock, and replace the former one."""
        ...

    async def last_report(self) -> LastReport | None:
        """Return the newest report; None if there is none."""
        ...
