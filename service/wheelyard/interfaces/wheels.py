"""The index of wheels: what holds their bytes, and what is known of them. Must not import what implements it."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from packaging.utils import NormalizedName

from wheelyard.domain.builds.records import Claim
from wheelyard.domain.index.check import IndexReport, LastReport
from wheelyard.domain.index.index import HeldFile, Level, PublishedFile
from wheelyard.domain.index.wheels import (
    IndexChanges,
    IndexedWheel,
    IndexEntry,
    ProjectFilter,
    ProjectPage,
    WheelFilter,
    WheelPage,
)
from wheelyard.domain.packaging.wheel_contents import WheelContents

Permit = Callable[[], Awaitable[None]]
"""Asked right before something is sent to an index; raises what stands in the way."""


class WheelIndex(Protocol):
    """Our own index, which users install from."""

    async def publish(self, wheel: Path, *, sha256: str, permit: Permit | None = None) -> PublishedFile:
        """Publish a wheel and read it back to prove it; a wheel that is there already is proven only.

        Raises HashMismatchError or UntrustedOutputError if the file is not the promised wheel, IndexConflictError,
        IndexRefusedError, IndexUnavailableError, or PublishUnprovenError.
        """
        ...

    async def sha256_of(self, project: NormalizedName, filename: str) -> str | None:
        """Tell the sha256 that the index holds a file under, None if it does not; raises IndexUnavailableError."""
        ...

    async def ping(self) -> None:
        """Return if the index answers, else raise IndexUnavailableError."""
        ...


class WheelStorage(Protocol):
    """The files that an index server holds, as it sees them."""

    def open(self, url: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Read a file; raises NotFoundError if it is not there, IndexUnavailableError if the server does not answer."""
        ...

    async def list_files(self) -> tuple[HeldFile, ...]:
        """List everything that is held; raises IndexUnavailableError."""
        ...

    async def remove(self, project: str, filename: str) -> None:
        """Remove a file from every level; one that is not there is no error.

        Raises IndexRefusedError or IndexUnavailableError.
        """
        ...


class WheelStore(Protocol):
    """What is known of the wheels on our index.

    Each change that a person makes is written to the audit log in one step with it; ``by`` says who makes it.
    """

    async def changes(self, since: int) -> IndexChanges:
        """Tell which projects' wheels have changed since a serial; 0 is the beginning."""
        ...

    async def names(self, *, level: Level, own_only: bool = False) -> tuple[str, ...]:
        """Name every project that has a wheel at this level or above, sorted; of our own if asked for."""
        ...

    async def wheels_of(self, project: str) -> tuple[IndexedWheel, ...]:
        """Read all of a project's wheels, deleted ones too, the oldest upload first; empty if there are none."""
        ...

    async def find(self, filename: str) -> IndexedWheel:
        """Read one wheel, deleted or not; raises NotFoundError."""
        ...

    async def metadata_of(self, filename: str) -> bytes:
        """Read a wheel's METADATA; raises NotFoundError if it is not kept, or the wheel is deleted."""
        ...

    async def list_wheels(self, wanted: WheelFilter) -> WheelPage:
        """List wheels, newest first."""
        ...

    async def versions_of(self, projects: Collection[str]) -> frozenset[tuple[str, str]]:
        """Read which versions of some projects have a wheel that was not deleted, as pairs of project and version."""
        ...

    async def wheels_of_releases(self, releases: Collection[tuple[str, str]]) -> tuple[IndexedWheel, ...]:
        """Read the wheels of some projects' versions that were not deleted."""
        ...

    async def list_projects(self, wanted: ProjectFilter) -> ProjectPage:
        """List projects that have a wheel, by name."""
        ...

    async def known_projects(self, prefix: str, *, limit: int) -> tuple[str, ...]:
        """Name, sorted, projects of which there is a wheel or a build and whose normalised name begins so."""
        ...

    async def contents_of(self, filename: str) -> WheelContents:
        """Read what a wheel contains, deleted or not; raises NotFoundError if it is not kept."""
        ...

    async def keep_contents(self, filename: str, contents: WheelContents) -> None:
        """Take note of what a wheel contains; raises NotFoundError."""
        ...

    async def record(self, entry: IndexEntry) -> None:
        """Record a wheel; the same again is no error; raises IndexConflictError for other bytes under its name."""
        ...

    async def yank(self, filename: str, *, reason: str, by: str) -> IndexedWheel:
        """Mark a wheel as yanked (PEP 592), or give another reason; raises NotFoundError, also if it was deleted."""
        ...

    async def unyank(self, filename: str, *, by: str) -> IndexedWheel:
        """Take the mark away; raises NotFoundError, also if it was deleted."""
        ...

    async def promote(self, filename: str, *, url: str, by: str) -> IndexedWheel:
        """Record that prod holds the wheel, and where; raises NotFoundError, also if it was deleted."""
        ...

    async def keep_metadata(self, filename: str, metadata: bytes, *, by: str) -> IndexedWheel:
        """Keep a METADATA that was not kept before, for deleted wheels too; raises NotFoundError."""
        ...

    async def delete(self, filename: str, *, by: str) -> IndexedWheel:
        """Take a wheel off the lists for good; its name stays taken, and deleting it again is no error.

        Raises NotFoundError.
        """
        ...

    async def begin_upload(self, claim: Claim, *, filename: str, sha256: str) -> bool:
        """Note that the claim's attempt uploads a file now; False if the claim was lost, and with it the right to."""
        ...

    async def is_orphan(self, filename: str, *, sha256: str) -> bool:
        """Tell whether these bytes are of an upload whose attempt is over, and nothing of the name was recorded."""
        ...

    async def save_report(self, report: IndexReport) -> None:
        """Keep a report of how devpi and the database compare, by the store's clock, in the place of the last one."""
        ...

    async def last_report(self) -> LastReport | None:
        """Read the newest of these reports; None if there never was one."""
        ...
