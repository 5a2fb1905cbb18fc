"""Turn files or plain requirements into the releases that each target needs. Must not start anything."""

import asyncio
import posixpath
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes
from functools import partial
from pathlib import Path
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from wheelyard.domain.addresses import without_users
from wheelyard.domain.coverage import serves
from wheelyard.domain.dependencies import (
    Dependencies,
    InputKind,
    Origin,
    Pin,
    ResolvedRelease,
    Selection,
    Skipped,
    StatedRelease,
    Wanted,
    holds,
    kind_of_file,
)
from wheelyard.domain.lock_files import read_poetry_lock, read_pylock
from wheelyard.domain.pyproject_dependencies import read_pyproject
from wheelyard.domain.release import ProjectRequirement, Release, choose_release
from wheelyard.domain.requirements_text import LineParser, malformed_lines, read_requirements
from wheelyard.domain.target import Target
from wheelyard.domain.uv_lock import read_uv_lock
from wheelyard.errors import (
    CallerError,
    DependencyFileInvalidError,
    DependencyFileMissingError,
    InvalidRequestError,
    RequirementsUnsatisfiableError,
)
from wheelyard.interfaces import ReleaseResolver, SourceIndex

ARGUMENTS: Final = "requirements"
"""Where requirements come from that are in no file."""
_ADDRESS: Final = "://"
"""What has one asks for something that is on no index, in whatever form."""
_RESOLVED_AT_ONCE: Final = 4
_OTHER_SHAPE: Final = (TypeError, AttributeError, LookupError, ValueError, RuntimeError)
_OTHER_KINDS: Final = (".toml", ".json", ".yaml", ".yml", ".py", ".cfg")
"""How the names of files end that are no requirements, whatever else they are."""
_TOML_READERS: Final = {InputKind.PYLOCK: read_pylock, InputKind.PYPROJECT: read_pyproject}
_LOCK_READERS: Final = {InputKind.UV_LOCK: read_uv_lock, InputKind.POETRY_LOCK: read_poetry_lock}
"""Of locks whose tool looks into the pyproject.toml beside them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DependencyInput:
    """What somebody hands over."""

    files: Mapping[str, str] = field(default_factory=dict)
    """Texts by relative path: the file to begin with, and those that it names."""
    start: str | None = None
    """The file to begin with."""
    kind: InputKind | None = None
    """What the file is. Default: what its name says."""
    requirements: tuple[str, ...] = ()
    """Requirements beside the file, or without one."""
    selection: Selection = field(default_factory=Selection)


@dataclass(frozen=True, kw_only=True, slots=True)
class NeededReleases:
    """What an input comes down to."""

    by_target: Mapping[Target, tuple[Pin, ...]]
    skipped: tuple[Skipped, ...]


class ReadDependencies:
    """Reads an input, and has a resolver choose where it leaves a choice."""

    def __init__(
        self,
        *,
        source: SourceIndex,
        resolver: ReleaseResolver,
        parse_lines: LineParser,
        read_metadata: Callable[[Path], bytes | None],
    ) -> None:
        self._source = source
        self._resolver = resolver
        self._parse_lines = parse_lines
        self._read_metadata = read_metadata

    async def __call__(self, given: DependencyInput, targets: Sequence[Target]) -> NeededReleases:
        """List the releases that each target needs.

        Raises DependencyFileInvalidError, DependencyFileMissingError, SelectionUnknownError, InvalidRequestError,
        RequirementsUnsatisfiableError if a resolver finds no set of releases, or IndexUnavailableError.
        """
        dependencies = await asyncio.to_thread(self._read, given)
        _check_python(dependencies, given, targets)
        limit = asyncio.Semaphore(_RESOLVED_AT_ONCE)

        async def pins(target: Target) -> tuple[Pin, ...]:
            async with limit:
                return await self._pins(dependencies, target)

        # The first one fills the caches that the others share.
        first = [await pins(target) for target in targets[:1]]
        needed = [*first, *await asyncio.gather(*map(pins, targets[1:]))]
        return NeededReleases(by_target=dict(zip(targets, needed, strict=True)), skipped=dependencies.skipped)

    def _read(self, given: DependencyInput) -> Dependencies:
        read = [self._read_file(given)] if given.start is not None else []
        if given.requirements:
            read.append(_read_arguments(given.requirements))
        if not read:
            raise InvalidRequestError(problems=["give a file or requirements"])
        return read[0] if len(read) == 1 else _join(read[0], read[1])

    def _read_file(self, given: DependencyInput) -> Dependencies:
        start = given.start or ""
        if start not in given.files:
            raise DependencyFileMissingError(file=start, reason="its content was not given")
        kind = given.kind or kind_of_file(start)
        if (lock_reader := _LOCK_READERS.get(kind)) is not None:
            project = given.files.get(project_beside(start))
            return _shaped(kind, start, partial(lock_reader, project=project), given)
        if (reader := _TOML_READERS.get(kind)) is not None:
            return _shaped(kind, start, reader, given)
        if given.kind is None and start.endswith(_OTHER_KINDS):
            kinds = ", ".join(InputKind)
            raise DependencyFileInvalidError(file=start, problems=[f"its name is of no kind that is read ({kinds})"])
        return read_requirements(given.files, start=start, parse=self._parse_lines)

    async def _pins(self, dependencies: Dependencies, target: Target) -> tuple[Pin, ...]:
        if dependencies.lock is not None:
            return _within(dependencies.constraints, dependencies.lock.pins(target), target)
        wanted = [one for one in dependencies.wanted if holds(one.requirement.marker, target)]
        limits = [one for one in dependencies.constraints if holds(one.requirement.marker, target)]
        stated = await self._stated(wanted, limits, target)
        resolved = await self._resolver.resolve(
            list(map(_without_marker, wanted)),
            constraints=list(map(_without_marker, limits)),
            stated=stated,
            target=target,
        )
        return tuple(_pin(release, wanted, limits) for release in resolved)

    async def _stated(self, wanted: Iterable[Wanted], limits: Iterable[Wanted], target: Target) -> list[StatedRelease]:
        """Read what sdists say of themselves, where a project that was asked for has no wheel for the target."""
        found = await asyncio.gather(*(self._state(_limited(one, limits), target) for one in wanted))
        return [release for release in found if release is not None]

    async def _state(self, requirement: ProjectRequirement, target: Target) -> StatedRelease | None:
        try:
            page = await self._source.project(requirement.project)
            release = choose_release(requirement, page, python=target.python)
        except CallerError:
            return None  # the resolver says what is wrong, for all requirements at once
        wheels = (file for file in page.files if file.kind == "wheel" and file.version == release.version)
        if any(serves(wheel.filename, target) for wheel in wheels):
            return None
        metadata = await asyncio.to_thread(self._read_metadata, await self._source.fetch(release.sdist))
        return None if metadata is None else stated_release(release, metadata)


def _limited(wanted: Wanted, limits: Iterable[Wanted]) -> ProjectRequirement:
    """Say which releases a requirement allows together with the constraints on its project."""
    project = canonicalize_name(wanted.requirement.name)
    specifier = wanted.requirement.specifier
    for limit in limits:
        if canonicalize_name(limit.requirement.name) == project:
            specifier &= limit.requirement.specifier
    return ProjectRequirement(project=project, specifier=specifier)


def stated_release(release: Release, metadata: bytes) -> StatedRelease:
    """Read what a release's sdist says that it needs (core metadata); what is malformed is left out."""
    message = message_from_bytes(metadata)
    return StatedRelease(
        project=release.project,
        version=release.version,
        requires=tuple(filter(_is_requirement, message.get_all("Requires-Dist", []))),
        extras=tuple(canonicalize_name(extra) for extra in message.get_all("Provides-Extra", [])),
        requires_python=message.get("Requires-Python"),
    )


def _shaped(kind: InputKind, start: str, read: Callable[..., Dependencies], given: DependencyInput) -> Dependencies:
    """Read TOML of whatever shape was handed over; the readers name what is likely, and this is the rest."""
    try:
        return read(given.files[start], file=start, selection=given.selection)
    except _OTHER_SHAPE as error:
        problem = f"it is not of the form that {kind.value} has ({type(error).__name__}: {error})"
        raise DependencyFileInvalidError(file=start, problems=[problem]) from error


def _within(constraints: Iterable[Wanted], pins: tuple[Pin, ...], target: Target) -> tuple[Pin, ...]:
    """Return a lock's pins, seen to satisfy the constraints beside them, as an installer will want them to."""
    by_project = {pin.project: pin for pin in pins}
    for limit in constraints:
        pin = by_project.get(canonicalize_name(limit.requirement.name))
        applies = pin is not None and holds(limit.requirement.marker, target)
        if pin is not None and applies and not limit.requirement.specifier.contains(pin.version, prereleases=True):
            reason = f"{pin} ({pin.origin}) does not satisfy the constraint {limit.requirement} ({limit.origin})"
            raise RequirementsUnsatisfiableError(target=str(target), reason=reason)
    return pins


def project_beside(lock: str) -> str:
    """Name the pyproject.toml that a lock file belongs to."""
    return posixpath.join(posixpath.dirname(lock), InputKind.PYPROJECT.value)


def _check_python(dependencies: Dependencies, given: DependencyInput, targets: Iterable[Target]) -> None:
    for target in targets:
        if not dependencies.is_for(target):
            reason = f"{given.start} is for Python {dependencies.requires_python}"
            raise RequirementsUnsatisfiableError(target=str(target), reason=reason)


def _is_requirement(text: str) -> bool:
    try:
        return Requirement(text).url is None and "\n" not in text
    except InvalidRequirement:
        return False


def _read_arguments(texts: Iterable[str]) -> Dependencies:
    wanted: list[Wanted] = []
    skipped: list[Skipped] = []
    for text in texts:
        origin = Origin(file=ARGUMENTS)
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            reason = without_users(str(error).splitlines()[0])
            if _ADDRESS not in text:
                raise malformed_lines(ARGUMENTS, [f"{text!r}: {reason}"]) from error
            reason = f"it is no PEP 508 requirement ({reason})"
            skipped.append(Skipped(origin=origin, text=without_users(text), reason=reason))
            continue
        if requirement.url is None:
            wanted.append(Wanted(requirement=requirement, origin=origin))
        else:
            reason = "it is a direct reference, not a release on the index"
            skipped.append(Skipped(origin=origin, text=requirement.name, reason=reason))
    return Dependencies(kind=InputKind.REQUIREMENTS, lock=None, wanted=tuple(wanted), skipped=tuple(skipped))


def _join(file: Dependencies, arguments: Dependencies) -> Dependencies:
    if file.lock is not None:
        raise InvalidRequestError(problems=["a lock file says all; further requirements cannot be added to it"])
    return Dependencies(
        kind=file.kind,
        requires_python=file.requires_python,
        lock=None,
        wanted=(*file.wanted, *arguments.wanted),
        constraints=file.constraints,
        skipped=(*file.skipped, *arguments.skipped),
    )


def _without_marker(wanted: Wanted) -> str:
    requirement = Requirement(str(wanted.requirement))
    requirement.marker = None
    return str(requirement)


def _pin(release: ResolvedRelease, wanted: Sequence[Wanted], limits: Iterable[Wanted]) -> Pin:
    """Trace a release to the line that asked for it; one that nobody asked for by name belongs to the first line.

    Hashes bind wherever they are, and a file is allowed if all lines with hashes have its own, as for pip.
    """
    named = [one for one in (*wanted, *limits) if canonicalize_name(one.requirement.name) == release.project]
    origin = next((one.origin for one in wanted if one in named), Origin(file=wanted[0].origin.file))
    hashes = [one.hashes for one in named if one.hashes]
    allowed = frozenset.intersection(*hashes) if hashes else frozenset()
    return Pin(project=release.project, version=release.version, origin=origin, hashes=allowed)
