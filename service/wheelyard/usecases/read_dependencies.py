"""Turn dependency files or plain requirements into the releases that each target needs."""

import asyncio
import posixpath
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from wheelyard.domain.addresses import without_users
from wheelyard.domain.dependencies.files import (
    Dependencies,
    InputKind,
    Origin,
    Pin,
    ResolvedRelease,
    Selection,
    Skipped,
    SourceRelease,
    StatedRelease,
    Wanted,
    WantedFile,
    WantedSource,
    holds,
    kind_of_file,
)
from wheelyard.domain.dependencies.lock_files import read_poetry_lock, read_pylock
from wheelyard.domain.dependencies.pyproject import MOST_STATED, project_name, read_pyproject, read_reference
from wheelyard.domain.dependencies.requirements_file import LineParser, malformed_lines, read_requirements
from wheelyard.domain.dependencies.sources import read_git_address, shown_address
from wheelyard.domain.dependencies.uv_lock import read_uv_lock
from wheelyard.domain.packaging.coverage import serves
from wheelyard.domain.packaging.release import ProjectRequirement, choose_release
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.untrusted.metadata import parse_metadata
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.requirements import find_requirement, read_requirement
from wheelyard.domain.untrusted.versions import MAX_CLAUSES
from wheelyard.errors import (
    CallerError,
    DependencyFileInvalidError,
    DependencyFileMissingError,
    DownloadFailedError,
    GitHostRefusedError,
    GitSourceInvalidError,
    GitUnavailableError,
    HashMismatchError,
    InvalidRequestError,
    InvalidSdistError,
    ProjectError,
    RequirementsUnsatisfiableError,
    ResolutionTooLargeError,
)
from wheelyard.interfaces import ParserPool, ReleaseResolver, SourceIndex

ARGUMENTS: Final = "requirements"
"""The file name of requirements that are in no file."""
_WITH_PYPROJECT: Final = "what its pyproject.toml requires is part of this prebuild"
_NO_PYPROJECT: Final = "its pyproject.toml was not given, so what it requires is not part of this prebuild"
_ADDRESS: Final = "://"
"""Fields of a requirement for something that is on no index."""
_RESOLVED_AT_ONCE: Final = 4
_ASKED_AT_ONCE: Final = 32
MOST_CHOSEN: Final = 2000
"""Requirements of one input that leave a choice: each is looked up upstream."""
MOST_SOURCES: Final = 50
"""Sources in git of one input: each is fetched before there is an answer."""
MOST_FILES: Final = 200
"""Files at addresses of one input: those that no index has are fetched before there is an answer."""
_FOUND_AT_ONCE: Final = 2
_SHOWN: Final = 200
MOST_RELEASES: Final = 10_000
"""Of one target. The largest lock files of public projects have about 2,000."""
_OF_ONE_LINE: Final = (GitUnavailableError, DownloadFailedError, HashMismatchError)
"""Faults of the place that a line names: the rest of an application does not wait for it."""
_OTHER_SHAPE: Final = (TypeError, AttributeError, LookupError, ValueError, RuntimeError)
_OTHER_KINDS: Final = (".toml", ".json", ".yaml", ".yml", ".py", ".cfg")
"""Endings of file names that never are requirements files."""
_TOML_READERS: Final = {InputKind.PYLOCK: read_pylock, InputKind.PYPROJECT: read_pyproject}
_LOCK_READERS: Final = {InputKind.UV_LOCK: read_uv_lock, InputKind.POETRY_LOCK: read_poetry_lock}
"""Kinds of lock files whose tool also reads the pyproject.toml beside them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DependencyInput:
    """Dependency files or requirements as the caller sent them."""

    files: Mapping[str, str] = field(default_factory=dict)
    """Texts by relative path: the first file, and those that it names."""
    start: str | None = None
    """The first file."""
    kind: InputKind | None = None
    """The kind of the file. Default: the kind that its name shows."""
    requirements: tuple[str, ...] = ()
    """Requirements in addition to the file, or without one."""
    selection: Selection = field(default_factory=Selection)
    files_url: str = ""
    """Base URL of our index's files, as the caller reaches it; empty if that is not known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class NeededReleases:
    """The releases that an input needs."""

    by_target: Mapping[Target, tuple[Pin, ...]]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetNeeds:
    """The needs of one target."""

    target: Target
    locked: tuple[Pin, ...] | None
    """The releases that a lock names; None if a resolver must choose."""
    sources: tuple[WantedSource | WantedFile, ...] = ()
    requirements: tuple[str, ...] = ()
    constraints: tuple[str, ...] = ()
    allowed: tuple[ProjectRequirement, ...] = ()
    """The requirements, each with the constraints on its project."""
    origins: Mapping[NormalizedName, Origin] = field(default_factory=dict)
    hashes: Mapping[NormalizedName, frozenset[str]] = field(default_factory=dict)
    """``sha256:…`` of the allowed files, at any place, as for pip."""
    first: str = ARGUMENTS
    """The file of the first requirement."""

    def trace(
        self, release: ResolvedRelease, sources: Iterable[tuple[WantedSource | WantedFile, SourceRelease]] = ()
    ) -> Pin:
        """Return the line that asked for a release; a release that no line names belongs to the first file."""
        for source, found in sources:
            if (release.project, release.version) == (found.release.project, found.release.version):
                return found.pin(source.origin)
        return Pin(
            project=release.project,
            version=release.version,
            origin=self.origins.get(release.project) or Origin(file=self.first),
            hashes=self.hashes.get(release.project, frozenset()),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadInput:
    """What an input says, before a resolver chooses."""

    by_target: tuple[TargetNeeds, ...]
    """In the order of the targets that were asked for."""
    skipped: tuple[Skipped, ...]


FindSource = Callable[[WantedSource | WantedFile, str], Awaitable[SourceRelease | Skipped]]
"""Returns the release of a source in git or of a file for a caller, or why there is none; raises a WheelyardError."""


FoundSources = Mapping[str, SourceRelease]
"""The commits that were found, by the key of what asks for them."""


@dataclass(kw_only=True, slots=True)
class ReadDependencies:
    """Reads an input; a resolver chooses where the input leaves a choice."""

    source: SourceIndex
    resolver: ReleaseResolver
    parsers: ParserPool
    parse_lines: LineParser
    read_metadata: Callable[[Path], bytes | None]
    find_source: FindSource

    async def __call__(self, given: DependencyInput, targets: Sequence[Target], *, caller: str) -> NeededReleases:
        """Return the releases that each target needs; callers share parsers and resolver fairly.

        Args:
            given: The input.
            targets: The targets.
            caller: Whose input it is.

        Raises DependencyFileInvalidError, DependencyFileMissingError, SelectionUnknownError, InvalidRequestError,
        RequirementsUnsatisfiableError if a resolver finds no set of releases, IndexUnavailableError, or
        ResolverBusyError.
        """
        file = given.start or ARGUMENTS
        try:
            read = await self.parsers.run(read_input, given, tuple(targets), self.parse_lines, what=file, caller=caller)
        except RefusedTextError as error:
            raise DependencyFileInvalidError(file=file, problems=[str(error)]) from error
        found, refused = await self._find_sources(read, caller)
        limit = asyncio.Semaphore(_RESOLVED_AT_ONCE)

        async def pins(needs: TargetNeeds) -> tuple[Pin, ...]:
            async with limit:
                return await self._pins(needs, found, caller)

        # The first target fills the caches that the others share.
        first = [await pins(needs) for needs in read.by_target[:1]]
        needed = [*first, *await asyncio.gather(*map(pins, read.by_target[1:]))]
        return NeededReleases(by_target=dict(zip(targets, needed, strict=True)), skipped=(*read.skipped, *refused))

    async def _find_sources(self, read: ReadInput, caller: str) -> tuple[FoundSources, tuple[Skipped, ...]]:
        """Find the commit of each source once, for all targets; a source that cannot be used is left out."""
        wanted = {one.key: one for needs in read.by_target for one in needs.sources}
        fetching, asking = asyncio.Semaphore(_FOUND_AT_ONCE), asyncio.Semaphore(_ASKED_AT_ONCE)

        async def find(one: WantedSource | WantedFile) -> SourceRelease | Skipped:
            async with fetching if isinstance(one, WantedSource) else asking:
                try:
                    return await self.find_source(one, caller)
                except GitHostRefusedError as error:
                    return one.skipped(f"its host is not allowed here. {error.hint}")
                except (*_OF_ONE_LINE, CallerError, ProjectError) as error:
                    return one.skipped(without_users(f"{error.summary} {error.hint}".strip()))

        ended = dict(zip(wanted, await asyncio.gather(*map(find, wanted.values())), strict=True))
        found = {key: one for key, one in ended.items() if isinstance(one, SourceRelease)}
        return found, tuple(one for one in ended.values() if isinstance(one, Skipped))

    async def _pins(self, needs: TargetNeeds, found: FoundSources, caller: str) -> tuple[Pin, ...]:
        sources = [(one, found[one.key]) for one in needs.sources if one.key in found]
        if needs.locked is not None:
            return (*needs.locked, *(release.pin(one.origin) for one, release in sources))
        made = {str(one.commit or one.file): one.release for _, one in sources if not one.is_of_index}
        files = [one.release for _, one in sources if one.is_of_index]
        resolved = await self.resolver.resolve(
            [*needs.requirements, *(release.requirement(one.extras) for one, release in sources)],
            constraints=list(needs.constraints),
            stated=[*await self._stated(needs, files), *made.values()],
            target=needs.target,
            asked_by=caller,
        )
        return tuple(needs.trace(release, sources) for release in resolved)

    async def _stated(self, needs: TargetNeeds, files: Sequence[StatedRelease] = ()) -> list[StatedRelease]:
        """Read the requirements in sdists of requested projects that have no wheel for the target."""
        exact = (ProjectRequirement(project=one.project, specifier=SpecifierSet(f"=={one.version}")) for one in files)
        allowed = tuple(dict.fromkeys((*needs.allowed, *exact)))
        if len(allowed) > MOST_CHOSEN:
            what = f"the input leaves {len(allowed)} releases to choose"
            raise ResolutionTooLargeError(what=what, limit=MOST_CHOSEN)
        turns = asyncio.Semaphore(_ASKED_AT_ONCE)

        async def state(requirement: ProjectRequirement) -> StatedRelease | None:
            async with turns:
                return await self._state(requirement, needs.target)

        found = await asyncio.gather(*map(state, allowed))
        return [release for release in found if release is not None]

    async def _state(self, requirement: ProjectRequirement, target: Target) -> StatedRelease | None:
        try:
            page = await self.source.project(requirement.project)
            # In a thread, because a large project with many clauses takes a while.
            release = await asyncio.to_thread(choose_release, requirement, page, python=target.python)
        except CallerError:
            return None  # the resolver reports the problem, for all requirements at once
        wheels = (file for file in page.files if file.kind == "wheel" and file.version == release.version)
        if any(serves(wheel.filename, target) for wheel in wheels):
            return None
        metadata = await asyncio.to_thread(self.read_metadata, await self.source.fetch(release.sdist))
        if metadata is None:
            return None
        what = f"the PKG-INFO of {release.sdist.filename}"
        try:
            return await self.parsers.run(
                stated_release, release.project, release.version, metadata, what=what, caller=release.project
            )
        except RefusedTextError as error:
            raise InvalidSdistError(file=release.sdist.filename, reason=str(error)) from error


def read_input(given: DependencyInput, targets: Sequence[Target], parse_lines: LineParser) -> ReadInput:
    """Read an input without a resolver, and return what each target needs by it.

    Raises DependencyFileInvalidError, DependencyFileMissingError, SelectionUnknownError, InvalidRequestError or
    RequirementsUnsatisfiableError.
    """
    read = [_read_file(given, parse_lines)] if given.start is not None else []
    if given.requirements:
        read.append(_read_arguments(given.requirements))
    if not read:
        raise InvalidRequestError(problems=["give a file or requirements"])
    dependencies = read[0] if len(read) == 1 else _join(read[0], read[1])
    try:
        _check_python(dependencies, given, targets)
        by_target = tuple(_needs_of(dependencies, target) for target in targets)
    except _OTHER_SHAPE as error:
        problem = f"what it says of its targets cannot be judged ({type(error).__name__}: {str(error)[:_SHOWN]})"
        raise DependencyFileInvalidError(file=given.start or ARGUMENTS, problems=[problem]) from error
    for needs in by_target:
        _check_count(given, len(needs.locked or needs.requirements))
    for kind, what, most in ((WantedSource, "sources in git", MOST_SOURCES), (WantedFile, "files", MOST_FILES)):
        count = len({one.key for needs in by_target for one in needs.sources if isinstance(one, kind)})
        if count > most:
            problem = f"it names {count} {what}; {most} are allowed"
            raise DependencyFileInvalidError(file=given.start or ARGUMENTS, problems=[problem])
    return ReadInput(by_target=by_target, skipped=dependencies.skipped)


def _check_count(given: DependencyInput, count: int) -> None:
    if count > MOST_RELEASES:
        problem = f"it comes down to {count} requirements or releases; {MOST_RELEASES} are allowed"
        raise DependencyFileInvalidError(file=given.start or ARGUMENTS, problems=[problem])


def _needs_of(dependencies: Dependencies, target: Target) -> TargetNeeds:
    if dependencies.lock is not None:
        pins = _within(dependencies.constraints, dependencies.lock.pins(target), target)
        return TargetNeeds(target=target, locked=pins, sources=dependencies.lock.sources(target))
    wanted = [one for one in dependencies.wanted if holds(one.requirement.marker, target)]
    limits = [one for one in dependencies.constraints if holds(one.requirement.marker, target)]
    return TargetNeeds(
        target=target,
        locked=None,
        sources=tuple(one for one in dependencies.sources if holds(one.marker, target)),
        requirements=tuple(map(_without_marker, wanted)),
        constraints=tuple(map(_without_marker, limits)),
        allowed=_allowed(wanted, limits),
        origins=_origins(wanted),
        hashes=_allowed_hashes([*wanted, *limits]),
        first=wanted[0].origin.file if wanted else ARGUMENTS,
    )


def _read_file(given: DependencyInput, parse_lines: LineParser) -> Dependencies:
    start = given.start or ""
    if start not in given.files:
        raise DependencyFileMissingError(file=start, reason="its content was not given")
    kind = given.kind or kind_of_file(start)
    if (lock_reader := _LOCK_READERS.get(kind)) is not None:
        project = given.files.get(project_beside(start))
        if kind is InputKind.POETRY_LOCK:
            lock_reader = partial(read_poetry_lock, files_url=given.files_url)
        return _shaped(kind, start, partial(lock_reader, project=project), given)
    if (reader := _TOML_READERS.get(kind)) is not None:
        return _shaped(kind, start, reader, given)
    if given.kind is None and start.endswith(_OTHER_KINDS):
        kinds = ", ".join(InputKind)
        raise DependencyFileInvalidError(file=start, problems=[f"its name is of no kind that is read ({kinds})"])
    return _with_folders(read_requirements(given.files, start=start, parse=parse_lines), given)


def _with_folders(read: Dependencies, given: DependencyInput) -> Dependencies:
    """Add the requirements of the user's own folders that the input names, where their pyproject.toml is given.

    An input with hashes names everything already. What a folder is itself is required of no index.
    """
    skipped: list[Skipped] = []
    found: dict[tuple[str, frozenset[NormalizedName]], Dependencies | CallerError] = {}
    for folder in read.folders:
        name = "" if folder.path is None else posixpath.normpath(f"{folder.path}/{InputKind.PYPROJECT.value}")
        if read.lock is not None:
            skipped.append(folder.skipped())
        elif name not in given.files:
            skipped.append(folder.skipped(f"{folder.reason}; {_NO_PYPROJECT}"))
        else:
            key = (name, folder.extras)
            if key not in found:
                found[key] = _read_folder(name, replace(given, selection=Selection(extras=folder.extras)))
            one = found[key]
            is_read = isinstance(one, Dependencies)
            reason = _WITH_PYPROJECT if is_read else f"its requirements are not known: {one}"
            skipped.append(folder.skipped(f"{folder.reason}; {reason}"))
    projects = [one for one in found.values() if isinstance(one, Dependencies)]
    own = {project_name(given.files[name]) for name, _ in found}
    wanted = [*read.wanted, *(entry for one in projects for entry in one.wanted)]
    return replace(
        read,
        wanted=tuple(entry for entry in wanted if canonicalize_name(entry.requirement.name) not in own),
        sources=(*read.sources, *(entry for one in projects for entry in one.sources)),
        skipped=(*read.skipped, *skipped, *(entry for one in projects for entry in one.skipped)),
    )


def _read_folder(name: str, given: DependencyInput) -> Dependencies | CallerError:
    try:
        return _shaped(InputKind.PYPROJECT, name, read_pyproject, given)
    except CallerError as error:
        return error


def _allowed(wanted: Iterable[Wanted], limits: Iterable[Wanted]) -> tuple[ProjectRequirement, ...]:
    """Return for each requirement the releases that it allows together with the constraints on its project.

    Raises DependencyFileInvalidError if there are more of these than any project has.
    """
    constraints: dict[NormalizedName, SpecifierSet] = {}
    for limit in limits:
        project = canonicalize_name(limit.requirement.name)
        constraints[project] = _both(constraints.get(project, SpecifierSet()), limit)
    allowed = (
        ProjectRequirement(project=project, specifier=_both(constraints.get(project, SpecifierSet()), one))
        for one in wanted
        if (project := canonicalize_name(one.requirement.name))
    )
    return tuple(dict.fromkeys(allowed))


def _both(specifier: SpecifierSet, one: Wanted) -> SpecifierSet:
    both = specifier & one.requirement.specifier
    if len(both) > MAX_CLAUSES:
        problem = f"{one.origin}: there are {len(both)} version clauses for {one.requirement.name} in all; "
        raise DependencyFileInvalidError(file=one.origin.file, problems=[f"{problem}{MAX_CLAUSES} are allowed"])
    return both


def _origins(wanted: Iterable[Wanted]) -> dict[NormalizedName, Origin]:
    """Return the first line that asked for each project."""
    origins: dict[NormalizedName, Origin] = {}
    for one in wanted:
        origins.setdefault(canonicalize_name(one.requirement.name), one.origin)
    return origins


def _allowed_hashes(lines: Iterable[Wanted]) -> dict[NormalizedName, frozenset[str]]:
    """Return the allowed files of each project; if several lines have hashes, only those that are in all of them."""
    hashes: dict[NormalizedName, frozenset[str]] = {}
    for one in lines:
        project = canonicalize_name(one.requirement.name)
        if one.hashes:
            hashes[project] = hashes.get(project, one.hashes) & one.hashes
    return hashes


def stated_release(project: NormalizedName, version: Version, metadata: bytes) -> StatedRelease:
    """Return what a release's metadata says that it requires (core metadata); malformed entries are ignored.

    Raises ResolutionTooLargeError if it requires more than any release does.
    """
    try:
        stated = parse_metadata(metadata)
    except RefusedTextError:
        stated = {}
    count = len(stated.get("requires_dist", ())) + len(stated.get("provides_extra", ()))
    if count > MOST_STATED:
        what = f"the metadata of {project} {version} states {count} requirements and extras"
        raise ResolutionTooLargeError(what=what, limit=MOST_STATED)
    return StatedRelease(
        project=project,
        version=version,
        requires=tuple(filter(_is_requirement, stated.get("requires_dist", ()))),
        extras=tuple(canonicalize_name(extra) for extra in stated.get("provides_extra", ())),
        requires_python=stated.get("requires_python"),
    )


def _shaped(kind: InputKind, start: str, read: Callable[..., Dependencies], given: DependencyInput) -> Dependencies:
    """Read TOML of any shape; the readers report likely errors, and this reports the rest."""
    try:
        return read(given.files[start], file=start, selection=given.selection)
    except _OTHER_SHAPE as error:
        problem = f"it is not of the form that {kind.value} has ({type(error).__name__}: {str(error)[:_SHOWN]})"
        raise DependencyFileInvalidError(file=start, problems=[problem]) from error


def _within(constraints: Iterable[Wanted], pins: tuple[Pin, ...], target: Target) -> tuple[Pin, ...]:
    """Return a lock's pins, checked against the constraints beside them, as an installer will check them."""
    by_project = {pin.project: pin for pin in pins}
    for limit in constraints:
        pin = by_project.get(canonicalize_name(limit.requirement.name))
        applies = pin is not None and holds(limit.requirement.marker, target)
        if pin is not None and applies and not limit.requirement.specifier.contains(pin.version, prereleases=True):
            reason = f"{pin} ({pin.origin}) does not satisfy the constraint {limit.requirement} ({limit.origin})"
            raise RequirementsUnsatisfiableError(target=str(target), reason=reason)
    return pins


def project_beside(lock: str) -> str:
    """Return the pyproject.toml that a lock file belongs to."""
    return posixpath.join(posixpath.dirname(lock), InputKind.PYPROJECT.value)


def _check_python(dependencies: Dependencies, given: DependencyInput, targets: Iterable[Target]) -> None:
    for target in targets:
        if not dependencies.is_for(target):
            reason = f"{given.start} is for Python {dependencies.requires_python}"
            raise RequirementsUnsatisfiableError(target=str(target), reason=reason)


def _is_requirement(text: str) -> bool:
    requirement = find_requirement(text)
    return requirement is not None and requirement.url is None and "\n" not in text


def _read_arguments(texts: Iterable[str]) -> Dependencies:
    wanted: list[Wanted] = []
    others: list[WantedSource | WantedFile | Skipped] = []
    for text in texts:
        origin = Origin(file=ARGUMENTS)
        if text.startswith("git+"):
            others.append(_read_git_argument(text, origin))
            continue
        try:
            requirement = read_requirement(text)
        except RefusedTextError as error:
            reason = without_users(str(error))
            if _ADDRESS not in text:
                raise malformed_lines(ARGUMENTS, [f"{text[:_SHOWN]!r}: {reason}"]) from error
            others.append(Skipped(origin=origin, text=without_users(text), reason=reason))
            continue
        if requirement.url is None:
            wanted.append(Wanted(requirement=requirement, origin=origin))
        else:
            others.append(read_reference(requirement, requirement.url, origin))
    return Dependencies(
        kind=InputKind.REQUIREMENTS,
        lock=None,
        wanted=tuple(wanted),
        sources=tuple(one for one in others if isinstance(one, WantedSource | WantedFile)),
        skipped=tuple(one for one in others if isinstance(one, Skipped)),
    )


def _read_git_argument(text: str, origin: Origin) -> WantedSource | Skipped:
    shown = shown_address(text)
    try:
        source, extras = read_git_address(text)
    except GitSourceInvalidError as error:
        return Skipped(origin=origin, text=shown, reason=f"it is no source in git that can be used: {error.reason}")
    return WantedSource(source=source, origin=origin, text=shown, extras=extras)


def _join(file: Dependencies, arguments: Dependencies) -> Dependencies:
    if file.lock is not None:
        raise InvalidRequestError(problems=["a lock file is complete; further requirements cannot be added to it"])
    return Dependencies(
        kind=file.kind,
        requires_python=file.requires_python,
        lock=None,
        wanted=(*file.wanted, *arguments.wanted),
        sources=(*file.sources, *arguments.sources),
        constraints=file.constraints,
        skipped=(*file.skipped, *arguments.skipped),
    )


def _without_marker(wanted: Wanted) -> str:
    requirement = read_requirement(str(wanted.requirement))
    requirement.marker = None
    return str(requirement)
