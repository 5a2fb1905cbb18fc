"""The upstream index and the wheel resolver in memory: real rules, no network, faults on demand."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement
from packaging.utils import (
    NormalizedName,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from wheelyard.adapters.resolver.wheels import applicable_requirements
from wheelyard.adapters.upstream.cache import ContentCache, PartialFile
from wheelyard.domain.builds.file_source import ADDRESS_SCHEME, FileHosts
from wheelyard.domain.dependencies.files import ResolvedRelease, StatedRelease
from wheelyard.domain.packaging.release import IndexFile, ProjectFiles
from wheelyard.domain.packaging.target import Target
from wheelyard.errors import (
    BuildRequirementsError,
    DownloadFailedError,
    RequirementsUnsatisfiableError,
    UnknownProjectError,
    WheelsMissingError,
    WheelyardError,
)

_ADDRESS = "memory://index"


class MemorySourceIndex:
    """The fake of SimpleSourceIndex. Files are what ``add`` was given; fetched ones are in the same kind of cache."""

    def __init__(self, cache_dir: Path) -> None:
        self._cache = ContentCache(root=cache_dir, floor_bytes=0)
        self._files: dict[NormalizedName, list[IndexFile]] = {}
        self._contents: dict[str, bytes] = {}
        self.project_fault: WheelyardError | None = None
        """Raised by every ``project`` while it is set."""
        self.fetch_fault: WheelyardError | None = None
        """Raised by every ``fetch`` while it is set."""
        self.altered = False
        """While true, fetched bytes are not the promised ones, as from a bad mirror."""
        self.calls: Counter[str] = Counter()
        """How often each method was called."""

    def add(  # noqa: PLR0913  a test names only what it is about
        self,
        filename: str,
        content: bytes = b"",
        *,
        requires_python: str | None = None,
        yanked: bool = False,
        yanked_reason: str | None = None,
        upload_time: datetime | None = None,
    ) -> IndexFile:
        """Add a file; project, version and kind come from its name."""
        project, version, kind = _read_filename(filename)
        file = IndexFile(
            filename=filename,
            url=f"{_ADDRESS}/{filename}",
            sha256=hashlib.sha256(content).hexdigest(),
            kind=kind,
            version=version,
            size_bytes=len(content),
            requires_python=requires_python,
            yanked=yanked,
            yanked_reason=yanked_reason,
            upload_time=upload_time,
        )
        self._files.setdefault(project, []).append(file)
        self._contents[file.url] = content
        return file

    async def project(self, name: NormalizedName) -> ProjectFiles:
        """Return what was added; raise UnknownProjectError if nothing was, or the fault that is switched on."""
        self.calls["project"] += 1
        if self.project_fault is not None:
            raise self.project_fault
        if name not in self._files:
            raise UnknownProjectError(project=name)
        return ProjectFiles(project=name, files=tuple(self._files[name]))

    async def fetch(self, file: IndexFile) -> Path:
        """Write a file into the content cache, with the checks of the real one."""
        self.calls["fetch"] += 1
        if self.fetch_fault is not None:
            raise self.fetch_fault
        held = await asyncio.to_thread(self._cache.find, file)
        return held if held is not None else await asyncio.to_thread(self._write, file)

    def _write(self, file: IndexFile) -> Path:
        if file.url not in self._contents:
            raise DownloadFailedError(what=file.filename, tried=[f"{file.url} (it answered 404 Not Found)"])
        content = self._contents[file.url]
        partial = PartialFile(self._cache, file)
        try:
            partial.write(content[::-1] + b"!" if self.altered else content)
            return partial.keep()
        finally:
            partial.discard()


@dataclass(kw_only=True)
class MemoryAddresses:
    """The fake of FileAddresses: files by their addresses, on hosts that the rules allow."""

    cache: ContentCache
    hosts: FileHosts = field(default_factory=lambda: FileHosts.of(["files.example"]))
    files: dict[str, bytes] = field(default_factory=dict)

    async def fetch(self, file: IndexFile) -> Path:
        """Write a file into the content cache, with the checks of the real one."""
        address = self.hosts.check(file.url.removeprefix(f"{ADDRESS_SCHEME}:"))
        if address not in self.files:
            raise DownloadFailedError(what=file.filename, tried=[f"{address} (it answered 404 Not Found)"])
        partial = PartialFile(self.cache, file)
        partial.write(self.files[address])
        return partial.keep()


class MemoryWheelResolver:
    """The fake of UvWheelResolver: the newest fitting wheel of each named project.

    It knows no wheel's own requirements; name all that a test needs.
    """

    def __init__(self, wheels: Sequence[IndexFile] = ()) -> None:
        self.wheels = list(wheels)
        """What there is to choose from."""
        self.buildable: dict[str, str] = {}
        """Version that could be built of each project that has no wheel."""
        self.fault: WheelyardError | None = None
        """Raised by every ``resolve`` while it is set."""
        self.calls: Counter[str] = Counter()
        """How often each method was called."""

    async def resolve(
        self, requirements: Sequence[str], *, target: Target, constraints: Sequence[str] = ()
    ) -> tuple[IndexFile, ...]:
        """Choose one wheel for each project.

        Raises WheelsMissingError, BuildRequirementsError or the fault that is switched on.
        """
        self.calls["resolve"] += 1
        if self.fault is not None:
            raise self.fault
        wanted = applicable_requirements(requirements, target=target)
        limits = applicable_requirements(constraints, target=target)
        missing = [
            (name, version) for name, version in self.buildable.items() if any(one.name == name for one in wanted)
        ]
        if missing:
            raise WheelsMissingError(releases=missing, target=str(target))
        chosen = {self._choose(one, limits, requirements, target) for one in wanted}
        return tuple(sorted(chosen, key=lambda wheel: wheel.filename))

    def _choose(
        self, wanted: Requirement, limits: Sequence[Requirement], requirements: Sequence[str], target: Target
    ) -> IndexFile:
        tags = frozenset(target.tags())
        fitting = [
            wheel
            for wheel in self.wheels
            if tags & parse_wheel_filename(wheel.filename)[3] and _satisfies(wheel, [wanted, *limits])
        ]
        candidates = [*wanted.specifier.filter(fitting, key=lambda wheel: wheel.version)]
        if not candidates:
            raise BuildRequirementsError(requirements=requirements, reason=f"there is no wheel for '{wanted}'")
        return max(candidates, key=lambda wheel: wheel.version)


def _satisfies(wheel: IndexFile, requirements: Sequence[Requirement]) -> bool:
    """Return whether a wheel is of the first requirement's project and satisfies all requirements on that project."""
    name = parse_wheel_filename(wheel.filename)[0]
    if name != canonicalize_name(requirements[0].name):
        return False
    own = [one for one in requirements if canonicalize_name(one.name) == name]
    return all(one.specifier.contains(wheel.version, prereleases=True) for one in own)


def _read_filename(filename: str) -> tuple[NormalizedName, Version, Literal["sdist", "wheel"]]:
    if filename.endswith(".whl"):
        name, version, _, _ = parse_wheel_filename(filename)
        return name, version, "wheel"
    name, version = parse_sdist_filename(filename)
    return name, version, "sdist"


class MemoryReleaseResolver:
    """The fake of UvReleaseResolver. It knows no release's own requirements; name all that a test needs."""

    def __init__(self) -> None:
        self.releases: dict[NormalizedName, list[Version]] = {}
        """What there is to choose from."""
        self.stated: list[StatedRelease] = []
        """The releases without a wheel that it was given."""
        self.asked_by = ""
        """The caller of the last request."""
        self.fault: WheelyardError | None = None
        """Raised by every ``resolve`` while it is set."""

    def add(self, project: str, *versions: str) -> None:
        """Add releases to choose from."""
        self.releases.setdefault(canonicalize_name(project), []).extend(map(Version, versions))

    async def resolve(
        self,
        requirements: Sequence[str],
        *,
        constraints: Sequence[str],
        stated: Sequence[StatedRelease],
        target: Target,
        asked_by: str = "",
    ) -> tuple[ResolvedRelease, ...]:
        """Choose; raise RequirementsUnsatisfiableError or the fault that is switched on."""
        if self.fault is not None:
            raise self.fault
        self.stated, self.asked_by = list(stated), asked_by
        limits = [Requirement(text) for text in constraints]
        return tuple(self._choose(Requirement(text), limits, target) for text in requirements)

    def _choose(self, wanted: Requirement, limits: Sequence[Requirement], target: Target) -> ResolvedRelease:
        project = canonicalize_name(wanted.name)
        specifiers = [one.specifier for one in (wanted, *limits) if canonicalize_name(one.name) == project]
        known = [*self.releases.get(project, ()), *(one.version for one in self.stated if one.project == project)]
        fitting = [version for version in known if all(specifier.contains(version) for specifier in specifiers)]
        if not fitting:
            raise RequirementsUnsatisfiableError(target=str(target), reason=f"there is no release for '{wanted}'")
        return ResolvedRelease(project=project, version=max(fitting))


class MemoryCrates:
    """CrateCache that stores the archives' paths, and copies none."""

    def __init__(self) -> None:
        self.archives: dict[str, Path] = {}
        """The stored archives, by key."""

    async def find(self, key: str) -> Path | None:
        """Return what was stored under a key."""
        return self.archives.get(key)

    async def keep(self, key: str, archive: Path) -> Path:
        """Store an archive's path."""
        return self.archives.setdefault(key, archive)
