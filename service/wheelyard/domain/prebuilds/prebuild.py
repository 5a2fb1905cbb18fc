"""Prebuilds: many releases for many targets, and what is to be done for each of them. Must not do any of it."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from packaging.utils import NormalizedName

from wheelyard.domain.builds.build import Status
from wheelyard.domain.dependencies.files import Origin, Skipped
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.prebuilds.webhook import Webhook
from wheelyard.domain.trace import NO_TRACE, Trace


class Prefer(StrEnum):
    """What is taken where upstream has a wheel that fits."""

    UPSTREAM = "upstream"
    """Upstream's wheel, the very same bytes, served by our index too."""
    OWN = "own"
    """A wheel of our own, built from the sdist."""


class ItemStatus(StrEnum):
    """Where one release for one target stands."""

    PRESENT = "present"
    """Our index has a wheel that fits."""
    MIRROR = "mirror"
    """Upstream has one that fits; it has yet to be brought to our index."""
    BUILD = "build"
    """It is to be built, or is being built."""
    WAITING = "waiting"
    """A build for another target may serve this one too."""
    FAILED = "failed"
    """Its build failed or was cancelled, or upstream's wheel could not be mirrored."""
    IMPOSSIBLE = "impossible"
    """It cannot be built, which is known without trying."""

    @property
    def is_final(self) -> bool:
        """Tell whether nothing more will happen by itself."""
        return self in _FINAL


_FINAL: Final = frozenset({ItemStatus.PRESENT, ItemStatus.FAILED, ItemStatus.IMPOSSIBLE})


class Source(StrEnum):
    """Who made a wheel that our index serves."""

    OWN = "own"
    UPSTREAM = "upstream"


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One release for one target."""

    project: NormalizedName
    version: str
    target: Target
    origin: Origin
    hashes: frozenset[str] = frozenset()
    """``sha256:…`` of the upstream files that the input allows; none if it allows any."""
    status: ItemStatus = ItemStatus.WAITING
    reason: str = ""
    """Why, for people."""
    hint: str = ""
    """What to do about it, if it failed and anything is known."""
    filename: str | None = None
    """The wheel that serves it, or that will once it is mirrored."""
    source: Source | None = None
    sha256: str | None = None
    waits_for: Target | None = None
    """The target of the build that it waits for; its own while that is built."""
    build_id: str | None = None
    """The build that serves it or will, or that failed."""
    delays: int = 0
    """How often it was put off, since something that it needs was away."""

    @property
    def needs_lock(self) -> bool:
        """Tell whether installers take its wheel only with our hash in the lock."""
        return self.sha256 is not None and bool(self.hashes) and f"sha256:{self.sha256}" not in self.hashes


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelOffer:
    """A wheel that an index has."""

    filename: str
    sha256: str
    source: Source


@dataclass(frozen=True, kw_only=True, slots=True)
class Started:
    """What became of starting a build of a release for a target: it is there, or it was refused."""

    project: NormalizedName
    version: str
    target: Target
    build_id: str | None
    """None if it was refused, or only planned."""
    status: Status
    """Of the build, as it is now; a refused one has failed."""
    reason: str = ""
    """Why it was refused or failed, for people."""
    hint: str = ""
    """What to do about a failure; of a refusal the reason says it."""
    joined: bool = False
    """True if the build was there already."""
    started_at: datetime | None = None
    """When its first attempt began."""

    @property
    def is_refused(self) -> bool:
        """Tell whether there is no build and never will be."""
        return self.build_id is None and self.status.is_final


@dataclass(frozen=True, kw_only=True, slots=True)
class Prebuild:
    """Somebody's request for everything that an application depends on, for several targets."""

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
    """True if what is on no index does not count, since whoever asks gets it by other means."""
    trace: Trace = NO_TRACE
    webhook: Webhook | None = None
    """Whom to tell when it is over."""

    @property
    def is_installable(self) -> bool:
        """Tell whether our index serves every item, and nothing was left out that it would have to serve too."""
        return self.is_served and not self.missing

    @property
    def is_served(self) -> bool:
        """Tell whether our index serves every item; an input of which nothing was understood has none."""
        return all(item.status is ItemStatus.PRESENT for item in self.items) and bool(self.items or not self.skipped)

    @property
    def needs_lock(self) -> bool:
        """Tell whether some wheels can be installed only from the lock with our hashes."""
        return any(item.status is ItemStatus.PRESENT and item.needs_lock for item in self.items)

    @property
    def missing(self) -> tuple[Skipped, ...]:
        """List what was left out although it was asked for, unless that is allowed."""
        return () if self.allow_skipped else tuple(one for one in self.skipped if one.is_wanted)

    @property
    def is_final(self) -> bool:
        """Tell whether nothing more will happen by itself."""
        return self.cancelled or all(item.status.is_final for item in self.items)

    @property
    def open_items(self) -> int:
        """Count the items over which something may still happen."""
        return sum(not item.status.is_final for item in self.items)

    def unsettled(self) -> list["ReleaseItems"]:
        """List the releases over which there is something to decide now: new ones, and those with news of a build.

        Those that were put off come last, so that they keep nobody else waiting.
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
    """A prebuild that somebody may bring on for a while."""

    prebuild: Prebuild
    number: int
    """Counts the turns. It is the fencing token: who holds an older one writes nothing any more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReleaseItems:
    """One release's part of a prebuild."""

    project: NormalizedName
    version: str
    items: tuple[Item, ...]
    started: tuple[Started, ...]

    @property
    def delays(self) -> int:
        """Tell how often it was put off."""
        return max((item.delays for item in self.items), default=0)

    def put_off(self, reason: str, *, filename: str | None = None) -> "ReleaseItems":
        """Leave open items for later, all or those that are to get one file."""
        return self._mark(filename, lambda item: replace(item, reason=reason, delays=item.delays + 1))

    def give_up(self, reason: str, *, hint: str = "", filename: str | None = None) -> "ReleaseItems":
        """Let open items fail, all or those that are to get one file; no build of theirs is to blame."""

        def fail(item: Item) -> Item:
            ended = replace(item, status=ItemStatus.FAILED, build_id=None, waits_for=None)
            return replace(ended, reason=reason, hint=hint)

        return self._mark(filename, fail)

    def _mark(self, filename: str | None, mark: Callable[[Item], Item]) -> "ReleaseItems":
        def concerns(item: Item) -> bool:
            return not item.status.is_final and filename in {None, item.filename}

        return replace(self, items=tuple(mark(item) if concerns(item) else item for item in self.items))


def releases_of(prebuild: Prebuild) -> list[ReleaseItems]:
    """Sort a prebuild's items and builds by release, in the order of the items."""
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
    """Put releases' new items and builds into a prebuild, in its own order."""
    items = {(item.project, item.version, item.target): item for release in releases for item in release.items}
    started = {(one.project, one.version, one.target): one for one in prebuild.started}
    started |= {(one.project, one.version, one.target): one for release in releases for one in release.started}
    return replace(
        prebuild,
        items=tuple(items.get((item.project, item.version, item.target), item) for item in prebuild.items),
        started=tuple(started.values()),
    )
