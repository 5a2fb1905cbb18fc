"""Find what a prebuild must know about one release: its wheels here and its wheels upstream."""

import asyncio
import posixpath
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from packaging.utils import NormalizedName
from packaging.version import Version

from wheelyard.domain.builds.file_source import FileOrigin
from wheelyard.domain.builds.git_source import GitOrigin, may_be_of
from wheelyard.domain.builds.local_source import version_of_wheel
from wheelyard.domain.dependencies.files import Skipped, SourceRelease, StatedRelease, WantedFile, WantedSource
from wheelyard.domain.dependencies.pyproject import stated_by_files
from wheelyard.domain.index.wheels import IndexedWheel, Listing, Standing
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.domain.prebuilds.decision import ReleaseFacts
from wheelyard.domain.prebuilds.prebuild import ReleaseItems, Source, WheelOffer
from wheelyard.domain.untrusted.file_names import find_sdist_name, find_wheel_name
from wheelyard.domain.untrusted.metadata import parse_metadata
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.versions import find_version, read_version
from wheelyard.errors import GitSourceRefusedError, NotFoundError, OwnProjectError, UnknownProjectError
from wheelyard.interfaces import BuildStore, ParserPool, SourceIndex, WheelStore
from wheelyard.usecases.read_dependencies import stated_release
from wheelyard.usecases.request_build import PlanBuild
from wheelyard.wheel_files.reader import RefusedWheelError, check_wheel

ReadMetadata = Callable[[Path, str], bytes]
"""Returns the PKG-INFO of an sdist with this file name; raises RefusedTextError. It runs in a parser process."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundRelease:
    """Facts about a release, and the files behind its upstream wheels."""

    facts: ReleaseFacts
    upstream: tuple[IndexFile, ...]
    sdist_is_allowed: bool
    """False if the input has hashes, and none of them is an sdist's."""


class FindRelease:
    """Looks a release up here and upstream."""

    def __init__(
        self,
        *,
        source: SourceIndex,
        wheels: WheelStore,
        builds: BuildStore,
        listing: Listing,
        may_mirror: bool = True,
    ) -> None:
        self._source = source
        self._wheels = wheels
        self._builds = builds
        self._listing = listing
        self.may_mirror = may_mirror
        """False if no upstream wheel may be mirrored."""

    async def __call__(self, release: ReleaseItems) -> FoundRelease:
        """Look a release up; raise IndexUnavailableError or DatabaseUnavailableError."""
        if (origin := release.commit or release.file) is not None:
            offered = await self.offered_of(release.project, origin)
            facts = ReleaseFacts(own=tuple(map(_offer_of, offered)), upstream=(), started=release.started)
            return FoundRelease(facts=facts, upstream=(), sdist_is_allowed=True)
        held = await self._held(release.project, read_version(release.version))
        files = await self._files(release.project, read_version(release.version))
        hashes = frozenset(digest for item in release.items for digest in item.hashes)
        # A wheel that our index would not list needs no mirroring.
        upstream = tuple(
            file
            for file in files
            if file.kind == "wheel"
            and _is_allowed(file, hashes)
            and not self._listing.replaces(held, file.filename, file.requires_python)
        )
        facts = ReleaseFacts(
            own=tuple(map(_offer_of, filter(is_offered, self._listing.choose(held)))),
            upstream=tuple(
                WheelOffer(filename=file.filename, sha256=file.sha256, source=Source.UPSTREAM) for file in upstream
            ),
            may_mirror=self.may_mirror,
            started=release.started,
        )
        sdist_is_allowed = not hashes or any(file.kind == "sdist" and _is_allowed(file, hashes) for file in files)
        return FoundRelease(facts=facts, upstream=upstream, sdist_is_allowed=sdist_is_allowed)

    async def offered(self, project: NormalizedName, version: Version) -> list[IndexedWheel]:
        """Return the wheels of a release that our index lists for installers; raise DatabaseUnavailableError."""
        return list(filter(is_offered, self._listing.choose(await self._held(project, version))))

    async def offered_of(self, project: NormalizedName, origin: GitOrigin | FileOrigin) -> list[IndexedWheel]:
        """Return the wheels made of a commit or of a file that our index lists; raise DatabaseUnavailableError.

        All are of one version: a changed recipe can give the same commit another version, and then the newest counts.
        """
        listed = self._listing.choose(file for file in await self._wheels.wheels_of(project) if file.is_wheel)
        made = [wheel for wheel in filter(is_offered, listed) if await self._is_made_of(wheel, origin)]
        if not made:
            return []
        newest = max(made, key=lambda wheel: wheel.uploaded_at).version
        return [wheel for wheel in made if wheel.version == newest]

    async def _is_made_of(self, wheel: IndexedWheel, origin: GitOrigin | FileOrigin) -> bool:
        version = find_version(wheel.version)
        if wheel.build_id is None or version is None:
            return False
        if not (may_be_of(version, origin) if isinstance(origin, GitOrigin) else origin.mark in (version.local or "")):
            return False
        try:
            source = (await self._builds.get(wheel.build_id)).order.sdist
        except NotFoundError:
            return False
        if isinstance(origin, GitOrigin):
            return source.git is not None and source.git.is_same(origin)
        return source.file is not None and source.file.sha256 == origin.sha256

    async def served(self, release: ReleaseItems) -> list[IndexedWheel]:
        """Return the wheels of a release, or of its commit or file, that our index lists.

        Raises DatabaseUnavailableError.
        """
        if (origin := release.commit or release.file) is not None:
            return await self.offered_of(release.project, origin)
        return await self.offered(release.project, read_version(release.version))

    async def _held(self, project: NormalizedName, version: Version) -> list[IndexedWheel]:
        files = await self._wheels.wheels_of(project)
        return [file for file in files if file.is_wheel and _is_version(file.version, version)]

    async def needs(self, filename: str) -> tuple[str, ...]:
        """Return what a wheel of ours requires; nothing if it is gone. Raise DatabaseUnavailableError."""
        try:
            return tuple(parse_metadata(await self.metadata_of(filename)).get("requires_dist", ()))
        except RefusedTextError:
            return ()

    async def metadata_of(self, filename: str) -> bytes:
        """Return the METADATA of a wheel of ours; nothing if it is gone. Raise DatabaseUnavailableError."""
        try:
            return await self._wheels.metadata_of(filename)
        except NotFoundError:
            return b""

    async def has_file(self, project: NormalizedName, version: Version, hashes: frozenset[str]) -> bool:
        """Return whether our index or upstream has a file of a release with one of these hashes.

        Raise IndexUnavailableError or DatabaseUnavailableError.
        """
        own = filter(is_offered, await self._held(project, version))
        digests = [*(file.sha256 for file in own), *(file.sha256 for file in await self._files(project, version))]
        return any(f"sha256:{digest}" in hashes for digest in digests)

    async def _files(self, project: NormalizedName, version: Version) -> list[IndexFile]:
        """Return upstream's files of a release; a yanked file counts only for a lock (PEP 592)."""
        try:
            page = await self._source.project(project)
        except (UnknownProjectError, OwnProjectError):
            return []
        return [file for file in page.files if file.version == version]


class FindSource:
    """Finds the commit of a source in git or the file at an address, and the release that its wheel will be."""

    def __init__(
        self,
        *,
        plan: PlanBuild,
        find: FindRelease,
        parsers: ParserPool,
        source: SourceIndex,
        read_sdist: ReadMetadata,
    ) -> None:
        self._plan = plan
        self._find = find
        self._parsers = parsers
        self._source = source
        self._read_sdist = read_sdist

    async def __call__(self, wanted: WantedSource | WantedFile, caller: str) -> SourceRelease | Skipped:
        """Return the release, with the requirements of its wheel if there is one, else with those that files state.

        Raise as ``PlanBuild.find_commit`` does, or as a fetch of the file does, and ResolutionTooLargeError.
        """
        if isinstance(wanted, WantedSource):
            return await self._find_commit(wanted, caller)
        if not await self._find.has_file(wanted.project, wanted.version, wanted.hashes):
            return await self._find_file(wanted, caller)
        release = StatedRelease(project=wanted.project, version=wanted.version, requires=())
        return SourceRelease(release=release, hashes=wanted.hashes)

    async def _find_file(self, wanted: WantedFile, caller: str) -> SourceRelease | Skipped:
        """Fetch the file at an address that no index has, and read what its metadata requires."""
        filename = unquote(posixpath.basename(urlsplit(wanted.address).path))
        name = find_wheel_name(filename) or find_sdist_name(filename)
        if name is None or (name.project, name.version) != (wanted.project, wanted.version):
            return wanted.skipped(f"the name of its file is not that of {wanted.project} {wanted.version}")
        if len(wanted.hashes) != 1:
            return wanted.skipped("it has several hashes, and which one is that of the file is not known")
        (digest,) = wanted.hashes
        origin = FileOrigin(
            address=wanted.address,
            name=filename,
            sha256=digest.removeprefix("sha256:"),
            version=str(wanted.version),
        )
        file = IndexFile(
            filename=filename,
            url=origin.url,
            sha256=origin.sha256,
            kind="wheel" if origin.is_wheel else "sdist",
            version=wanted.version,
        )
        path = await self._source.fetch(file)
        version = version_of_wheel(wanted.version, origin)
        try:
            metadata = await self._read(path, origin, caller)
            release = await self._parsers.run(
                stated_release, wanted.project, version, metadata, what=filename, caller=caller
            )
        except RefusedTextError as error:
            return wanted.skipped(f"{filename}: {error}")
        size = (await asyncio.to_thread(path.stat)).st_size
        origin = replace(origin, size_bytes=size, requires_python=release.requires_python)
        return SourceRelease(release=release, file=origin)

    async def _read(self, path: Path, origin: FileOrigin, caller: str) -> bytes:
        """Return the metadata of a file, once all of it was checked as data; raise RefusedTextError."""
        if origin.is_wheel:
            return await asyncio.to_thread(_wheel_metadata, path, origin.name)
        return await self._parsers.run(self._read_sdist, path, origin.name, what=origin.name, caller=caller)

    async def _find_commit(self, wanted: WantedSource, caller: str) -> SourceRelease:
        found = await self._plan.find_commit(wanted.source, locked=wanted.commit)
        project, commit = found.project, found.origin
        held = await self._find.offered_of(project, commit)
        try:
            if held and (metadata := await self._find.metadata_of(held[0].filename)):
                version, what = read_version(held[0].version), f"the METADATA of {held[0].filename}"
                release = await self._parsers.run(stated_release, project, version, metadata, what=what, caller=caller)
            else:
                what, text = f"the pyproject.toml of {commit}", found.texts.get("pyproject.toml", "")
                release = await self._parsers.run(
                    stated_by_files, project, found.version, text, what=what, caller=caller
                )
        except RefusedTextError as error:
            raise GitSourceRefusedError(source=str(commit), reason=str(error)) from error
        return SourceRelease(release=release, commit=commit)


def _wheel_metadata(path: Path, filename: str) -> bytes:
    """Return the METADATA of a wheel whose parts agree; raise RefusedTextError. Blocks."""
    try:
        return check_wheel(path, filename=filename).metadata
    except RefusedWheelError as error:
        raise RefusedTextError(str(error)) from error


def _is_allowed(file: IndexFile, hashes: frozenset[str]) -> bool:
    return f"sha256:{file.sha256}" in hashes if hashes else not file.yanked


def _offer_of(wheel: IndexedWheel) -> WheelOffer:
    source = Source.OWN if wheel.is_own else Source.UPSTREAM
    return WheelOffer(filename=wheel.filename, sha256=wheel.sha256, source=source)


def is_offered(wheel: IndexedWheel) -> bool:
    """Return whether installers get a file."""
    return wheel.standing is Standing.OFFERED


def _is_version(text: str, version: Version) -> bool:
    return find_version(text) == version
