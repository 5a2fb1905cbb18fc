"""Prebuilds: requests for many releases and targets, with an item for each pair."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from packaging.utils import NormalizedName

from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.file_source import FileOrigin
from wheelyard.domain.builds.git_source import GitOrigin
from wheelyard.domain.campaigns.advice import Advice
from wheelyard.domain.dependencies.files import Origin, Skipped
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.prebuilds.webhook import Webhook
from wheelyard.domain.trace import NO_TRACE, Trace
from wheelyard.domain.untrusted.file_names import read_wheel_name


class Prefer(StrEnum):
    """Which wheel to use when upstream has a compatible one."""

    UPSTREAM = "upstream"
    """Upstream's wheel, mirrored byte by byte to our index."""
    OWN = "own"
    """A wheel of our own, built from the sdist."""


class ItemStatus(StrEnum):
    """The status of one release for one target."""

    PRESENT = "present"
    """Our index has a compatible wheel."""
    MIRROR = "mirror"
    """Upstream has a compatible wheel that must still be mirrored."""
    BUILD = "build"
    """It will be built, or is being built."""
    WAITING = "waiting"
    """A build for another target may serve this one too."""
    FAILED = "failed"
    """Its build failed or was cancelled, or upstream's wheel could not be mirrored."""
    IMPOSSIBLE = "impossible"
    """It cannot be built, which is known without an attempt."""

    @property
    def is_final(self) -> bool:
        """Return whether it never changes by itself again."""
        return self in _FINAL


_FINAL: Final = frozenset({ItemStatus.PRESENT, ItemStatus.FAILED, ItemStatus.IMPOSSIBLE})


class Source(StrEnum):
    """The maker of a wheel on our index."""

    OWN = "own"
    UPSTREAM = "upstream"


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One release for one target."""

    project: NormalizedName
    version: str
    """The version that was ordered; see ``made_version``."""
    target: Target
    origin: Origin
    commit: GitOrigin | None = None
    """The commit that it is built from, in place of a release of an index."""
    file: FileOrigin | None = None
    """The file at an address that it is built from, or repaired, in place of a release of an index."""
    hashes: frozenset[str] = frozenset()
    """``sha256:…`` of the upstream files that the input allows; empty if it allows any."""
    status: ItemStatus = ItemStatus.WAITING
    reason: str = ""
    """The reason for the status, as text."""
    hint: str = ""
    """What to do about a failure, if anything is known."""
    code: str = ""
    """The stable code of a failure, if an error caused it."""
    blocked_by: str = ""
    """The project that must have a wheel first, if the lack of one keeps this from being built."""
    advice: Advice | None = None
    """The release that would work instead; only looked up in campaigns."""
    filename: str | None = None
    """The wheel that serves it, or will serve it once it is mirrored."""
    source: Source | None = None
    sha256: str | None = None
    waits_for: Target | None = None
    """The target of the build that it waits for; its own target during its own build."""
    build_id: str | None = None
    """The build that serves it, will serve it, or failed."""
    delays: int = 0
    """How often it was postponed because a service that it needs was unavailable."""

    @property
    def made_version(self) -> str:
        """Return the version to install: that of its wheel.

        Only the build of a commit finds out the commit's version, if files do not state it.
        """
        is_of_index = self.commit is None and self.file is None
        if is_of_index or self.filename is None or self.status is not ItemStatus.PRESENT:
            return self.version
        return str(read_wheel_name(self.filename).version)

    @property
    def needs_lock(self) -> bool:
        """Return whether the input does not lead installers to its wheel: it names another place, or other hashes."""
        if self.commit is not None or self.file is not None:
            return True
        return self.sha256 is not None and bool(self.hashes) and f"sha256:{self.sha256}" not in self.hashes


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelOffer:
    """A wheel that an index has."""

    filename: str
    sha256: str
    source: Source


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """The result of starting a build of a release for a target: a build, or a refusal."""

    project: NormalizedName
    version: str
    target: Target
    build_id: str | None
    """None if it was refused or only planned."""
    status: Status
    """The build's present status; ``failed`` if it was refused."""
    reason: str = ""
    """Why it was refused or failed, as text."""
    hint: str = ""
    """What to do about a failure; for a refusal the reason has it."""
    code: str = ""
    """The stable code of the failure or the refusal."""
    blocked_by: str = ""
    """The project whose missing wheel made the build fail."""
    joined: bool = False
    """True if the build existed already."""
    started_at: datetime | None = None
    """When its first attempt began."""

    @property
    def is_refused(self) -> bool:
        """Return whether the build was refused, so that there will never be one."""
        return self.build_id is None and self.status.is_final


@dataclass(frozen=True, kw_only=True, slots=True)
class Campaign:
    """What makes a prebuild a campaign: it stays open until all is served, and tries again what was mended."""

    source: str
    """What is built for another Python: ``index``, or the name of a file."""
    key: str
    """Digest of what was asked for: of equal campaigns one is open at a time."""


INDEX: Final = "index"
"""The source of a campaign for everything that our index has."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prebuild:
    """A request for everything that an application depends on, for several targets."""

    id: str
    requested_by: str
    created_at: datetime
    finished_at: datetime | None
    cancelled: bool
    targets: tuple[Target, ...]
    prefer: Prefer
    items: tuple[Item, ...]
    skipped: tuple[Skipped, ...]
    started: tuple[Started, ...] = ()
    allow_skipped: bool = False
    """True if requirements that are on no index are ignored, because the caller gets them by other means."""
    trace: Trace = NO_TRACE
    webhook: Webhook | None = None
    """The webhook to call at the end."""
    campaign: Campaign | None = None
    """None for the request of an application."""

    @property
    def is_installable(self) -> bool:
        """Return whether our index serves every item, and no wanted requirement was left out."""
        return self.is_served and not self.missing

    @property
    def is_served(self) -> bool:
        """Return whether our index serves every item; False if there are no items."""
        return all(item.status is ItemStatus.PRESENT for item in self.items) and bool(self.items or not self.skipped)

    @property
    def needs_lock(self) -> bool:
        """Return whether some wheels can only be installed from the lock with our hashes."""
        return any(item.status is ItemStatus.PRESENT and item.needs_lock for item in self.items)

    @property
    def missing(self) -> tuple[Skipped, ...]:
        """Return requested lines that were left out, unless that is allowed."""
        return () if self.allow_skipped else tuple(one for one in self.skipped if one.is_wanted)

    @property
    def is_final(self) -> bool:
        """Return whether it never changes by itself again."""
        if self.campaign is not None:
            return self.cancelled or all(item.status is ItemStatus.PRESENT for item in self.items)
        return self.cancelled or all(item.status.is_final for item in self.items)

    @property
    def open_items(self) -> int:
        """Return the number of items that are not final."""
        return sum(not item.status.is_final for item in self.items)

    def unsettled(self) -> list["ReleaseItems"]:
        """Return the releases that need a decision now: new ones, and those whose builds changed.

        Postponed releases come last, so that they do not delay others.
        """
        live = {one.build_id for one in self.started if one.build_id is not None and not one.status.is_final}
        unsettled = [
            release
            for release in releases_of(self)
            if any(not item.status.is_final and item.build_id not in live for item in release.items)
        ]
        return sorted(unsettled, key=lambda release: release.delays)


@dataclass(frozen=True, kw_only=True, slots=True)
class PrebuildTurn:
    """The right to work on a prebuild for a while."""

    prebuild: Prebuild
    number: int
    """The number of the turn, which is the fencing token: an older turn can write nothing any more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseItems:
    """The items and builds of one release in a prebuild."""

    project: NormalizedName
    version: str
    items: tuple[Item, ...]
    started: tuple[Started, ...]

    @property
    def commit(self) -> GitOrigin | None:
        """Return the commit that it is built from; None for a release of an index."""
        return next((item.commit for item in self.items if item.commit is not None), None)

    @property
    def file(self) -> FileOrigin | None:
        """Return the file at an address that it is made from; None for a release of an index."""
        return next((item.file for item in self.items if item.file is not None), None)

    @property
    def made_version(self) -> str:
        """Return the version to install; see ``Item.made_version``."""
        made = (item.made_version for item in self.items if item.status is ItemStatus.PRESENT)
        return next(made, self.version)

    @property
    def delays(self) -> int:
        """Return how often it was postponed."""
        return max((item.delays for item in self.items), default=0)

    def put_off(self, reason: str, *, filename: str | None = None) -> "ReleaseItems":
        """Return it with open items postponed: all, or those of one file."""
        return self._mark(filename, lambda item: replace(item, reason=reason, delays=item.delays + 1))

    def give_up(self, reason: str, *, hint: str = "", code: str = "", filename: str | None = None) -> "ReleaseItems":
        """Return it with open items failed without a build: all, or those of one file."""

        def fail(item: Item) -> Item:
            ended = replace(item, status=ItemStatus.FAILED, build_id=None, waits_for=None)
            return replace(ended, reason=reason, hint=hint, code=code)

        return self._mark(filename, fail)

    def _mark(self, filename: str | None, mark: Callable[[Item], Item]) -> "ReleaseItems":
        def concerns(item: Item) -> bool:
            return not item.status.is_final and filename in {None, item.filename}

        return replace(self, items=tuple(mark(item) if concerns(item) else item for item in self.items))


def releases_of(prebuild: Prebuild) -> list[ReleaseItems]:
    """Return a prebuild's items and builds by release, in the order of the items."""
    items: defaultdict[tuple[NormalizedName, str], list[Item]] = defaultdict(list)
    started: defaultdict[tuple[NormalizedName, str], list[Started]] = defaultdict(list)
    for item in prebuild.items:
        items[item.project, item.version].append(item)
    for one in prebuild.started:
        started[one.project, one.version].append(one)
    return [
        ReleaseItems(project=project, version=version, items=tuple(own), started=tuple(started[project, version]))
        for (project, version), own in items.items()
    ]


def with_releases(prebuild: Prebuild, releases: Sequence[ReleaseItems]) -> Prebuild:
    """Return a prebuild with new items and builds of releases, in its own order."""
    items = {(item.project, item.version, item.target): item for release in releases for item in release.items}
    started = {(one.project, one.version, one.target): one for one in prebuild.started}
    started |= {(one.project, one.version, one.target): one for release in releases for one in release.started}
    return replace(
        prebuild,
        items=tuple(items.get((item.project, item.version, item.target), item) for item in prebuild.items),
        started=tuple(started.values()),
    )
