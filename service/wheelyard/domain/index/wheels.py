"""Wheels and sdists on our index, and lists of them.

The fields follow the Simple API: PEP 503, 592 (yanked), 658 and 714 (metadata), 691 and 700.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from packaging.version import Version

from wheelyard.domain.builds.build import BuildOrder, Wheel
from wheelyard.domain.index.index import Level, PublishedFile
from wheelyard.domain.packaging.coverage import targets_served
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.packaging.wheel_contents import WheelContents
from wheelyard.domain.untrusted.metadata import parse_metadata
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.versions import read_version

MAX_REASON: Final = 500
"""Longest reason of a yank, in characters."""


class Standing(StrEnum):
    """How installers treat a listed wheel."""

    OFFERED = "offered"
    YANKED = "yanked"
    DELETED = "deleted"


class FileKind(StrEnum):
    """The kinds of files on our index."""

    WHEEL = "wheel"
    SDIST = "sdist"
    """An sdist that somebody brought, beside the wheels of its release."""


class WheelOrigin(StrEnum):
    """The origin of a file on our index."""

    BUILT = "built"
    """A build of this service made it."""
    BROUGHT = "brought"
    """Somebody uploaded it; a wheel was audited, repaired where needed, and verified here."""
    MIRRORED = "mirrored"
    """The upstream index has it; the same bytes are served here."""


def origin_of(order: BuildOrder) -> WheelOrigin:
    """Return the origin of the wheel that an order leads to."""
    return WheelOrigin.BROUGHT if order.is_brought else WheelOrigin.BUILT


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexedWheel:
    """A wheel or an sdist on our index; its file name always stands for the same bytes."""

    filename: str
    project: str
    version: str
    origin: WheelOrigin
    build_id: str | None
    """The build that made it; None if it is mirrored or an sdist, or the build is no longer stored."""
    python: str | None
    """The Python that it was made for; None for an sdist, which is for no target."""
    platform: str | None
    tag: str | None
    """Its compatibility tags, such as ``cp313-cp313-manylinux_2_17_x86_64``; None for an sdist."""
    sha256: str
    size_bytes: int
    requires_python: str | None
    metadata_sha256: str | None
    """Digest of its METADATA; None if its bytes are not stored, and so not served (PEP 658).

    Of an sdist, it is the digest of its PKG-INFO, if every wheel made from it has the same metadata (PEP 643).
    """
    level: Level
    url: str
    """The URL of its bytes in devpi."""
    uploaded_at: datetime
    yanked_at: datetime | None = None
    yanked_reason: str | None = None
    deleted_at: datetime | None = None
    file_count: int | None = None
    """Number of its files; None if it is not known."""
    provenance_sha256: str | None = None
    """Digest of its provenance object (PEP 740); None if nothing was signed of it yet."""

    @property
    def kind(self) -> FileKind:
        """Return whether it is a wheel or an sdist."""
        return FileKind.WHEEL if self.filename.endswith(".whl") else FileKind.SDIST

    @property
    def is_wheel(self) -> bool:
        """Return whether it is a wheel."""
        return self.kind is FileKind.WHEEL

    @property
    def is_own(self) -> bool:
        """Return whether it was built or brought here, and is not a copy of upstream's."""
        return self.origin is not WheelOrigin.MIRRORED

    @property
    def standing(self) -> Standing:
        """Return how installers treat it."""
        if self.deleted_at is not None:
            return Standing.DELETED
        return Standing.OFFERED if self.yanked_at is None else Standing.YANKED


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexEntry:
    """A newly published file with its metadata and contents, to be recorded."""

    wheel: IndexedWheel
    metadata: bytes | None
    """Its METADATA; None if it is not to be served, because wheels made from this sdist may differ."""
    contents: WheelContents | None = None
    provenance: bytes | None = None
    """Its provenance object (PEP 740); None if it is signed later."""

    @classmethod
    def of(  # noqa: PLR0913  (the parts of a record)
        cls,
        order: BuildOrder,
        wheel: Wheel,
        published: PublishedFile,
        *,
        build_id: str,
        now: datetime,
        provenance: bytes | None = None,
    ) -> "IndexEntry":
        """Return the entry of a build's published wheel."""
        indexed = IndexedWheel(
            filename=wheel.filename,
            project=order.project,
            version=order.version,
            origin=origin_of(order),
            build_id=build_id,
            python=order.target.python,
            platform=order.target.platform,
            tag=wheel.tag,
            sha256=wheel.sha256,
            size_bytes=wheel.size_bytes,
            requires_python=requires_python_of(published.metadata),
            metadata_sha256=hashlib.sha256(published.metadata).hexdigest(),
            level=published.level,
            url=published.url,
            uploaded_at=now,
            file_count=published.contents.total if published.contents else None,
            provenance_sha256=None if provenance is None else hashlib.sha256(provenance).hexdigest(),
        )
        return cls(wheel=indexed, metadata=published.metadata, contents=published.contents, provenance=provenance)


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """The rules for the files on a project's page for installers.

    Installers rank tags, not origins: they prefer upstream's ``manylinux_2_28`` wheel to our ``manylinux_2_17`` one. So
    a mirrored wheel is left out once our own wheels serve every target that it serves
    (docs/decisions/0033).

    An sdist is listed beside a wheel of its release that is our own. Alone it would have installers build it on the
    user's machine.
    """

    targets: tuple[Target, ...] = ()
    """All targets of this service."""
    level: Level = Level.PROD
    own_only: bool = False
    """List no mirrored wheel at all."""

    def choose(self, wheels: Iterable[IndexedWheel]) -> list[IndexedWheel]:
        """Return the files of a project to list, in their order."""
        seen = [wheel for wheel in wheels if self._shows(wheel)]
        own: dict[Version | str, list[IndexedWheel]] = {}
        for wheel in seen:
            if wheel.is_own and wheel.is_wheel:
                own.setdefault(_release_of(wheel), []).append(wheel)
        return [wheel for wheel in seen if self._lists(wheel, own)]

    def replaces(self, own: Iterable[IndexedWheel], filename: str, requires_python: str | None) -> bool:
        """Return whether our own wheels of a release serve every target that an upstream wheel of it serves.

        A wheel that serves no target of the catalogue is never replaced. Yanked wheels replace nothing, because
        installers skip them.
        """
        left = targets_served(filename, requires_python, self.targets)
        offered = [wheel for wheel in own if wheel.is_own and wheel.standing is Standing.OFFERED and self._shows(wheel)]
        serving = (targets_served(wheel.filename, wheel.requires_python, left) for wheel in offered)
        return bool(left) and left == frozenset[Target]().union(*serving)

    def _lists(self, wheel: IndexedWheel, own: Mapping[Version | str, Sequence[IndexedWheel]]) -> bool:
        of_release = own.get(_release_of(wheel), ())
        if not wheel.is_wheel:
            return bool(of_release)
        return wheel.is_own or not self.replaces(of_release, wheel.filename, wheel.requires_python)

    def _shows(self, wheel: IndexedWheel) -> bool:
        """Return whether a wheel is on this level; staging includes prod, because new wheels may depend on it."""
        is_on_level = wheel.level is Level.PROD or self.level is Level.STAGING
        return wheel.deleted_at is None and is_on_level and (wheel.is_own or not self.own_only)


def _release_of(wheel: IndexedWheel) -> Version | str:
    """Return the version as PEP 440 compares it; an invalid version is only equal to itself."""
    try:
        return read_version(wheel.version)
    except RefusedTextError:
        return wheel.version


@dataclass(frozen=True, kw_only=True, slots=True)
class IndexChanges:
    """The projects whose pages changed since a serial number."""

    serial: int
    projects: frozenset[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelFilter:
    """Which wheels a list shows, newest first."""

    project: str | None = None
    kind: FileKind | None = None
    origin: WheelOrigin | None = None
    standing: Standing | None = None
    level: Level | None = None
    before: str | None = None
    """Show wheels uploaded before this file name (keyset paging)."""
    limit: int = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelPage:
    """One page of a list of wheels."""

    wheels: tuple[IndexedWheel, ...]
    next_before: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectFilter:
    """Which projects a list shows, by name."""

    prefix: str = ""
    """Show only names with this prefix."""
    after: str | None = None
    """Show only names that sort after this one (keyset paging)."""
    limit: int = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectSummary:
    """A project with published wheels."""

    name: str
    releases: int
    """Number of versions with a wheel that is not deleted."""
    wheels: int
    origins: tuple[WheelOrigin, ...]
    """The origins of these wheels, each once, sorted."""
    newest_upload_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectPage:
    """One page of a list of projects."""

    projects: tuple[ProjectSummary, ...]
    next_after: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseWheels:
    """A release with its wheels and its sdist, the newest upload first."""

    version: str
    wheels: tuple[IndexedWheel, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class ProjectDetails:
    """A project with all its published files, including deleted ones."""

    name: str
    releases: tuple[ReleaseWheels, ...]
    """The newest version first."""


def releases_of(wheels: Iterable[IndexedWheel]) -> tuple[ReleaseWheels, ...]:
    """Return wheels by release, the newest version first."""
    by_version: dict[str, list[IndexedWheel]] = {}
    for wheel in sorted(wheels, key=lambda wheel: (wheel.uploaded_at, wheel.filename), reverse=True):
        by_version.setdefault(wheel.version, []).append(wheel)
    versions = sorted(by_version, key=read_version, reverse=True)
    return tuple(ReleaseWheels(version=version, wheels=tuple(by_version[version])) for version in versions)


def requires_python_of(metadata: bytes) -> str | None:
    """Return the Requires-Python of core metadata; None if it has none."""
    try:
        return parse_metadata(metadata).get("requires_python")
    except RefusedTextError:
        return None
