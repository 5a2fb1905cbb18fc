"""Find what a prebuild must know about one release: its wheels here and its wheels upstream."""

from dataclasses import dataclass

from packaging.utils import NormalizedName
from packaging.version import Version

from wheelyard.domain.index.wheels import IndexedWheel, Listing, Standing
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.domain.prebuilds.decision import ReleaseFacts
from wheelyard.domain.prebuilds.prebuild import ReleaseItems, Source, WheelOffer
from wheelyard.domain.untrusted.metadata import parse_metadata
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.versions import find_version, read_version
from wheelyard.errors import NotFoundError, OwnProjectError, UnknownProjectError
from wheelyard.interfaces import SourceIndex, WheelStore


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundRelease:
    """Facts about a release, and the files behind its upstream wheels."""

    facts: ReleaseFacts
    upstream: tuple[IndexFile, ...]
    sdist_is_allowed: bool
    """False if the input has hashes, and none of them is an sdist's."""


class FindRelease:
    """Looks a release up here and upstream."""

    def __init__(self, *, source: SourceIndex, wheels: WheelStore, listing: Listing, may_mirror: bool = True) -> None:
        self._source = source
        self._wheels = wheels
        self._listing = listing
        self.may_mirror = may_mirror
        """False if no upstream wheel may be mirrored."""

    async def __call__(self, release: ReleaseItems) -> FoundRelease:
        """Look a release up; raise IndexUnavailableError or DatabaseUnavailableError."""
        held = await self._held(release.project, read_version(release.version))
        files = await self._files(release)
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
            own=tuple(map(_offer_of, filter(_is_offered, self._listing.choose(held)))),
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
        return list(filter(_is_offered, self._listing.choose(await self._held(project, version))))

    async def _held(self, project: NormalizedName, version: Version) -> list[IndexedWheel]:
        files = await self._wheels.wheels_of(project)
        return [file for file in files if file.is_wheel and _is_version(file.version, version)]

    async def needs(self, filename: str) -> tuple[str, ...]:
        """Return what a wheel of ours requires; nothing if it is gone. Raise DatabaseUnavailableError."""
        try:
            metadata = await self._wheels.metadata_of(filename)
            return tuple(parse_metadata(metadata).get("requires_dist", ()))
        except (NotFoundError, RefusedTextError):
            return ()

    async def _files(self, release: ReleaseItems) -> list[IndexFile]:
        """Return upstream's files of the release; a yanked file counts only for a lock (PEP 592)."""
        try:
            page = await self._source.project(release.project)
        except (UnknownProjectError, OwnProjectError):
            return []
        version = read_version(release.version)
        return [file for file in page.files if file.version == version]


def _is_allowed(file: IndexFile, hashes: frozenset[str]) -> bool:
    return f"sha256:{file.sha256}" in hashes if hashes else not file.yanked


def _offer_of(wheel: IndexedWheel) -> WheelOffer:
    source = Source.OWN if wheel.is_own else Source.UPSTREAM
    return WheelOffer(filename=wheel.filename, sha256=wheel.sha256, source=source)


def _is_offered(wheel: IndexedWheel) -> bool:
    return wheel.standing is Standing.OFFERED


def _is_version(text: str, version: Version) -> bool:
    return find_version(text) == version
