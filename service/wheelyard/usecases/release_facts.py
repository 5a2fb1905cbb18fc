"""Find what a prebuild must know about one release: its wheels here and its wheels upstream."""

from dataclasses import dataclass
from typing import Final

from packaging.utils import NormalizedName
from packaging.version import Version

from wheelyard.domain.builds.git_source import GitOrigin, may_be_of
from wheelyard.domain.dependencies.files import Skipped, SourceRelease, StatedRelease, WantedFile, WantedSource
from wheelyard.domain.dependencies.pyproject import stated_by_files
from wheelyard.domain.index.wheels import IndexedWheel, Listing, Standing, WheelOrigin
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.domain.prebuilds.decision import ReleaseFacts
from wheelyard.domain.prebuilds.prebuild import ReleaseItems, Source, WheelOffer
from wheelyard.domain.untrusted.metadata import parse_metadata
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.versions import find_version, read_version
from wheelyard.errors import GitSourceRefusedError, NotFoundError, OwnProjectError, UnknownProjectError
from wheelyard.interfaces import BuildStore, ParserPool, SourceIndex, WheelStore
from wheelyard.usecases.read_dependencies import stated_release
from wheelyard.usecases.request_build import PlanBuild

_UNKNOWN_FILE: Final = (
    "addresses are not asked, and no index has a file with its hash; 'wheelyard push FILE' brings it, or name its "
    "repository with git+https://"
)


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
        if release.commit is not None:
            offered = await self.offered_of(release.project, release.commit)
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

    async def offered_of(self, project: NormalizedName, commit: GitOrigin) -> list[IndexedWheel]:
        """Return the wheels made of a commit that our index lists; raise DatabaseUnavailableError.

        All are of one version: a changed recipe can give the same commit another version, and then the newest counts.
        """
        listed = self._listing.choose(file for file in await self._wheels.wheels_of(project) if file.is_wheel)
        made = [wheel for wheel in filter(is_offered, listed) if await self._is_made_of(wheel, commit)]
        if not made:
            return []
        newest = max(made, key=lambda wheel: wheel.uploaded_at).version
        return [wheel for wheel in made if wheel.version == newest]

    async def _is_made_of(self, wheel: IndexedWheel, commit: GitOrigin) -> bool:
        version = find_version(wheel.version)
        if wheel.origin is not WheelOrigin.BUILT or version is None or not may_be_of(version, commit):
            return False
        if wheel.build_id is None:
            return False
        try:
            origin = (await self._builds.get(wheel.build_id)).order.sdist.git
        except NotFoundError:
            return False
        return origin is not None and origin.is_same(commit)

    async def served(self, release: ReleaseItems) -> list[IndexedWheel]:
        """Return the wheels of a release, or of its commit, that our index lists; raise DatabaseUnavailableError."""
        if release.commit is not None:
            return await self.offered_of(release.project, release.commit)
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
    """Finds the commit of a source in git, and the release that its wheel will be."""

    def __init__(self, *, plan: PlanBuild, find: FindRelease, parsers: ParserPool) -> None:
        self._plan = plan
        self._find = find
        self._parsers = parsers

    async def __call__(self, wanted: WantedSource | WantedFile, caller: str) -> SourceRelease | Skipped:
        """Return the release, with the requirements of its wheel if there is one, else with those that files state.

        Raise as ``PlanBuild.find_commit`` does, and ResolutionTooLargeError.
        """
        if isinstance(wanted, WantedSource):
            return await self._find_commit(wanted, caller)
        if not await self._find.has_file(wanted.project, wanted.version, wanted.hashes):
            return wanted.skipped(_UNKNOWN_FILE)
        release = StatedRelease(project=wanted.project, version=wanted.version, requires=())
        return SourceRelease(release=release, hashes=wanted.hashes)

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
