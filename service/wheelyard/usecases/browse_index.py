"""Read what is on our index, for the API and the web pages: wheels, projects, releases."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from packaging.utils import canonicalize_name

from wheelyard.domain.builds.build import SdistSource, Wheel
from wheelyard.domain.builds.components import SourcePackage
from wheelyard.domain.index.wheels import (
    IndexedWheel,
    ProjectDetails,
    ProjectFilter,
    ProjectPage,
    ReleaseWheels,
    WheelFilter,
    WheelPage,
    releases_of,
)
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.packaging.wheel_contents import WheelContents
from wheelyard.domain.untrusted.versions import read_version
from wheelyard.errors import NotFoundError, OperatorError
from wheelyard.interfaces import BuildStore, SuiteArchives, WheelStore
from wheelyard.memory_cache import MemoryCache
from wheelyard.usecases.simple_pages import TRUSTED_SECONDS, Freshness

_KEPT_WHEELS: Final = 4096


class BrowseIndex:
    """The use cases behind ``GET /v1/wheels`` and ``GET /v1/projects``."""

    def __init__(self, *, store: WheelStore) -> None:
        self._store = store

    async def wheels(self, wanted: WheelFilter) -> WheelPage:
        """Return wheels, newest first."""
        return await self._store.list_wheels(wanted)

    async def wheel(self, filename: str) -> IndexedWheel:
        """Return a wheel, deleted or not; raise NotFoundError."""
        return await self._store.find(filename)

    async def contents(self, filename: str) -> WheelContents:
        """Return the files inside a wheel; raise NotFoundError if they are not known."""
        return await self._store.contents_of(filename)

    async def projects(self, wanted: ProjectFilter) -> ProjectPage:
        """Return projects, sorted by name."""
        return await self._store.list_projects(wanted)

    async def known_projects(self, prefix: str, *, limit: int) -> tuple[str, ...]:
        """Return the projects with a wheel or a build whose normalised name begins with a prefix."""
        return await self._store.known_projects(prefix, limit=limit)

    async def newest_releases(self, projects: Collection[str]) -> Mapping[str, ReleaseWheels]:
        """Return the newest release of each project with its wheels; projects without a wheel are omitted."""
        versions: defaultdict[str, list[str]] = defaultdict(list)
        for project, version in await self._store.versions_of(projects):
            versions[project].append(version)
        newest = [(project, max(found, key=read_version)) for project, found in versions.items()]
        wheels: defaultdict[str, list[IndexedWheel]] = defaultdict(list)
        for wheel in await self._store.wheels_of_releases(newest):
            wheels[wheel.project].append(wheel)
        return {project: releases_of(own)[0] for project, own in wheels.items()}

    async def project(self, name: str) -> ProjectDetails:
        """Return a project, in any spelling of its name; raise NotFoundError."""
        project = canonicalize_name(name)
        wheels = await self._store.wheels_of(project)
        if not wheels:
            raise NotFoundError(kind="project", name=name)
        return ProjectDetails(name=project, releases=releases_of(wheels))


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelSources:
    """What a wheel was made from."""

    wheel: IndexedWheel
    made: Wheel | None
    """None for a wheel that was not built or brought here, or whose build was deleted."""
    sdist: SdistSource | None
    """The sdist that it was built from; None if none is known."""
    packages: tuple[SourcePackage, ...]
    """The source packages of what others made; one without files is in no archive any more."""


async def find_sources(browse: BrowseIndex, builds: BuildStore, archives: SuiteArchives, filename: str) -> WheelSources:
    """Return what a wheel was made from; raise NotFoundError.

    Source packages are recorded with the wheel. Those that the archive did not have then are looked up again.
    """
    wheel = await browse.wheel(filename)
    try:
        build = None if wheel.build_id is None else await builds.get(wheel.build_id)
    except NotFoundError:
        build = None
    made = build.wheel if build else None
    if build is None or made is None:
        return WheelSources(wheel=wheel, made=None, sdist=None, packages=())
    found = [
        one if one.files else await _look_up(archives, build.order.builder, build.order.target, one)
        for one in made.source_packages
    ]
    sdist = None if build.order.is_brought or not build.order.sdist.filename else build.order.sdist
    return WheelSources(wheel=wheel, made=made, sdist=sdist, packages=tuple(found))


async def _look_up(archives: SuiteArchives, suite: str, target: Target, package: SourcePackage) -> SourcePackage:
    try:
        return await archives.source(suite, target.policy.architecture, package) or package
    except (OperatorError, NotFoundError):
        return package


class WheelBytes:
    """The use cases behind ``/files/``: here it is decided whether a file may be downloaded.

    A file is looked up once, and again when its project changes; ``simple_pages`` says how old an answer may be.
    """

    def __init__(self, *, store: WheelStore, trusted_seconds: float = TRUSTED_SECONDS) -> None:
        self._store = store
        self._found: MemoryCache[str, IndexedWheel] = MemoryCache(limit=_KEPT_WHEELS)
        self._freshness = Freshness(store, self._forget, trusted_seconds)

    async def find(self, filename: str) -> IndexedWheel:
        """Return a wheel that may be downloaded, yanked or not; raise NotFoundError."""
        serial = await self._freshness.check()
        if (known := self._found.last(filename)) is not None:
            return known
        wheel = await self._store.find(filename)
        if wheel.deleted_at is not None:
            raise NotFoundError(kind="wheel", name=filename)
        # A change may have come after the serial that was read.
        if serial == self._freshness.serial:
            self._found.keep(filename, wheel)
        return wheel

    async def metadata_of(self, filename: str) -> bytes:
        """Return the METADATA of a wheel that may be downloaded; raise NotFoundError."""
        return await self._store.metadata_of(filename)

    async def provenance_of(self, filename: str) -> bytes:
        """Return the provenance object of a file that may be downloaded; raise NotFoundError."""
        return await self._store.provenance_of(filename)

    def doubt(self) -> None:
        """Ask the store before the next answer, because something has just changed."""
        self._freshness.doubt()

    def _forget(self, projects: frozenset[str]) -> None:
        self._found.forget_where(lambda wheel: wheel.project in projects)
