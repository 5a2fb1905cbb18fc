"""What is due in a campaign: what to look at, what to try again because it was mended, and what to start.

Nothing is kept of a mend. It follows from what is stored anyway: the key that a failed build has and the one that it
would have today, the wheels on our index and when they came, and whether somebody has retried a build. So a restart
loses nothing, and only what depends on the mend is built again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from wheelyard.domain.builds.build import Build, Failure, Status
from wheelyard.domain.dependencies.files import holds
from wheelyard.domain.index.wheels import IndexedWheel
from wheelyard.domain.packaging.coverage import serves
from wheelyard.domain.packaging.release import allows_python
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.prebuilds.prebuild import (
    INDEX,
    Item,
    ItemStatus,
    Prebuild,
    ReleaseItems,
    Started,
    releases_of,
    with_releases,
)
from wheelyard.domain.untrusted.requirements import find_requirement
from wheelyard.domain.untrusted.versions import find_version, read_version
from wheelyard.errors import (
    NetworkRefusedError,
    NotFoundError,
    PackagesMissingError,
    RecipeInvalidError,
    ReleaseUnsupportedError,
    SourceUnreachableError,
    SuiteUnsupportedError,
    ToolchainTooOldError,
    UnknownTargetError,
)
from wheelyard.interfaces import BuildStore, WheelStore
from wheelyard.usecases.campaigns.advice import FindAdvice
from wheelyard.usecases.release_facts import FindRelease, is_offered
from wheelyard.usecases.request_build import PlanBuild

LIVE_BUILDS: Final = 8
"""The most builds of one campaign that are queued or running at a time."""
_LOOKS_A_TURN: Final = 16
_CANDIDATES_A_TURN: Final = 64
_UPSTREAM_SECONDS: Final = 1800.0
"""How often upstream is asked whether it now has what a release lacked, such as an sdist."""
_BUSY_SECONDS: Final = 2.0
_QUIET_SECONDS: Final = 15.0
_ENDED: Final = frozenset({ItemStatus.FAILED, ItemStatus.IMPOSSIBLE})
_LOCAL: Final = frozenset(
    {
        NetworkRefusedError.code,
        PackagesMissingError.code,
        RecipeInvalidError.code,
        ReleaseUnsupportedError.code,
        SourceUnreachableError.code,
        SuiteUnsupportedError.code,
        ToolchainTooOldError.code,
        UnknownTargetError.code,
    }
)
"""Refusals by a recipe, the catalogue or what workers reported: they are judged again without asking upstream."""

Held = Mapping[str, Sequence[IndexedWheel]]
"""The offered wheels of our index, by project."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DueReleases:
    """What one turn of a campaign does."""

    campaign: Prebuild
    """The campaign, with what was mended open again and what is blocked marked."""
    looks: tuple[ReleaseItems, ...]
    """Releases to decide on, without starting a build."""
    starts: tuple[ReleaseItems, ...]
    """Releases to build."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CampaignTurns:
    """Decides what is due in a campaign."""

    wheels: WheelStore
    builds: BuildStore
    find: FindRelease
    plan: PlanBuild
    advise: FindAdvice
    now: Callable[[], datetime]
    live_builds: int = LIVE_BUILDS
    busy_seconds: float = _BUSY_SECONDS
    quiet_seconds: float = _QUIET_SECONDS
    _asked_upstream: dict[str, datetime] = field(default_factory=dict)

    async def due(self, campaign: Prebuild) -> DueReleases:
        """Return what is due; raise DatabaseUnavailableError."""
        unserved = [release for release in releases_of(campaign) if _item_of(release).status is not ItemStatus.PRESENT]
        held = await self._held(campaign, unserved)
        asks_upstream = self._asks_upstream(campaign)
        mended = [await self._mend(release, campaign, held, asks_upstream=asks_upstream) for release in unserved]
        campaign = _reopened(campaign, unserved, mended)
        ordered = sorted(mended, key=lambda release: release.delays)
        undecided = [release for release in ordered if _is_undecided(release)]
        rest = [release for release in ordered if not _is_undecided(release)]
        looks = [*undecided, *(release for release in rest if _is_served(_item_of(release), held))]
        waiting = [release for release in rest if _may_start(release) and not _is_served(_item_of(release), held)]
        room = self.live_builds - sum(not one.status.is_final for one in campaign.started)
        starts, marked = await self._choose(waiting, campaign, room)
        campaign = with_releases(campaign, marked)
        return DueReleases(campaign=campaign, looks=tuple(looks[:_LOOKS_A_TURN]), starts=tuple(starts))

    def pause_seconds(self, campaign: Prebuild) -> float:
        """Return how long a campaign rests after a turn that changed nothing."""
        is_busy = any(not one.status.is_final for one in campaign.started)
        return self.busy_seconds if is_busy else self.quiet_seconds

    async def with_advice(self, release: ReleaseItems) -> ReleaseItems:
        """Return a release with what would work in its place, if it has just failed."""
        item = _item_of(release)
        if item.status not in _ENDED or item.blocked_by or item.advice is not None:
            return release
        if item.code == SourceUnreachableError.code:
            return release  # no release of the project would work either
        advice = await self.advise(item, is_refused=item.status is ItemStatus.IMPOSSIBLE)
        return replace(release, items=(replace(item, advice=advice),))

    def _asks_upstream(self, campaign: Prebuild) -> bool:
        """Return whether upstream is asked again in this turn. Kept in memory alone: a restart may ask once more."""
        asked, now = self._asked_upstream.get(campaign.id), self.now()
        if asked is not None and now - asked < timedelta(seconds=_UPSTREAM_SECONDS):
            return False
        self._asked_upstream[campaign.id] = now
        return asked is not None

    async def _held(self, campaign: Prebuild, unserved: Sequence[ReleaseItems]) -> Held:
        """Return the wheels that may have changed something: of what failed, of what is blocked and of what blocks."""
        watched = {item.project for item in map(_item_of, unserved) if item.status in _ENDED or item.blocked_by}
        names: set[str] = {*watched, *filter(None, (item.blocked_by for item in campaign.items))}
        found: dict[str, list[IndexedWheel]] = {name: [] for name in names}
        if names:
            for wheel in await self.wheels.wheels_of_releases(await self.wheels.versions_of(names)):
                if is_offered(wheel):
                    found[wheel.project].append(wheel)
        return found

    async def _mend(
        self, release: ReleaseItems, campaign: Prebuild, held: Held, *, asks_upstream: bool
    ) -> ReleaseItems:
        """Return a release as it is now: open again if somebody has mended it, or has retried its build."""
        item, started = _item_of(release), _started_of(release)
        if started is not None and not started.status.is_final:
            return replace(release, items=(_open_again(item),)) if item.status in _ENDED else release
        if item.status not in _ENDED:
            return release
        if campaign.campaign is not None and campaign.campaign.source == INDEX:
            newer = _newest_version(held.get(item.project, ()))
            if newer is not None and newer > read_version(item.version):
                moved = replace(_open_again(item), version=str(newer))
                return ReleaseItems(project=release.project, version=str(newer), items=(moved,), started=())
        if await self._is_mended(item, started, campaign, held, asks_upstream=asks_upstream):
            return replace(release, items=(_open_again(item),), started=())
        return release

    async def _is_mended(
        self, item: Item, started: Started | None, campaign: Prebuild, held: Held, *, asks_upstream: bool
    ) -> bool:
        """Return whether a failed release may be built now."""
        if started is None or started.build_id is None:
            if item.code in _LOCAL:
                return self.plan.why_refused(item.project, read_version(item.version), item.target) != item.code
            return asks_upstream
        build = await self._find(started.build_id)
        if build is None or self.plan.is_outdated(build.order):
            return True
        if build.status is not Status.FAILED or build.failure is None or not build.failure.chain:
            return False
        return await self._is_unblocked(item, build, build.failure, campaign, held)

    async def _is_unblocked(self, item: Item, build: Build, failure: Failure, campaign: Prebuild, held: Held) -> bool:
        """Return whether the last of the releases that a build needed has a wheel since, or would be built anew."""
        project, _, version = failure.chain[-1].partition(" ")
        for wheel in held.get(project, ()):
            is_newer = build.finished_at is not None and wheel.uploaded_at > build.finished_at
            if is_newer and _serves(wheel, item.target):
                return True
        if any(one.project == project and one.version == version for one in campaign.items):
            return False  # the campaign builds it first
        blocking = None if failure.chain_build_id is None else await self._find(failure.chain_build_id)
        return blocking is not None and blocking.status.is_final and self.plan.is_outdated(blocking.order)

    async def _find(self, build_id: str) -> Build | None:
        try:
            return await self.builds.get(build_id)
        except NotFoundError:
            return None

    async def _choose(
        self, waiting: Sequence[ReleaseItems], campaign: Prebuild, room: int
    ) -> tuple[list[ReleaseItems], list[ReleaseItems]]:
        """Return the releases to build now, and those that turn out to be blocked, or not to be any more."""
        broken = {item.project: item for item in campaign.items if item.status in _ENDED or item.blocked_by}
        unready = {item.project for item in campaign.items if item.status is not ItemStatus.PRESENT}
        candidates = list(waiting[:_CANDIDATES_A_TURN]) if room > 0 else []
        # What blocked a release is awaited, also while it is being built again.
        blockers = {_item_of(one).project: _item_of(one).blocked_by for one in candidates}
        free = [_item_of(one) for one in candidates if _item_of(one).blocked_by not in unready]
        needs = {item.project: await self._needs(item) for item in free} if broken else {}
        blockers |= _spread(free, needs, broken)
        changed = [one for one in candidates if blockers[_item_of(one).project] != _item_of(one).blocked_by]
        marked = {
            _item_of(one).project: replace(one, items=(_blocked(_item_of(one), blockers[_item_of(one).project]),))
            for one in changed
        }
        starts = [marked.get(_item_of(one).project, one) for one in candidates if not blockers[_item_of(one).project]]
        return starts[:room], list(marked.values())

    async def _needs(self, item: Item) -> list[Requirement]:
        """Return what a release requires on its target by its METADATA on our index; nothing if we have none of it."""
        offered = [] if item.commit is not None else await self.find.offered(item.project, read_version(item.version))
        if not offered:
            return []
        # The wheels of a release require the same, but for markers.
        found = map(find_requirement, await self.find.needs(offered[0].filename))
        return [one for one in found if one is not None and holds(one.marker, item.target)]


def _spread(
    items: Sequence[Item], needs: Mapping[NormalizedName, Sequence[Requirement]], broken: Mapping[NormalizedName, Item]
) -> dict[NormalizedName, str]:
    """Return which project blocks each release, if any: one that it requires, or what blocks that one in turn."""
    found: dict[NormalizedName, str] = {item.project: "" for item in items}
    held = {project: item for project, item in broken.items() if project not in found}
    roots = {project: (item, item.blocked_by or item.project) for project, item in held.items()}
    is_spreading = True
    while is_spreading:
        is_spreading = False
        for item in items:
            if item.project in roots:
                continue
            required = ((one, roots.get(canonicalize_name(one.name))) for one in needs.get(item.project, ()))
            root = next((other[1] for one, other in required if other is not None and _concerns(one, other[0])), "")
            if root and root != item.project:
                found[item.project], is_spreading = root, True
                roots[item.project] = (item, root)
    return found


def _concerns(requirement: Requirement, item: Item) -> bool:
    return requirement.specifier.contains(item.version, prereleases=True)


def _item_of(release: ReleaseItems) -> Item:
    """Return a release's only item: a campaign has one target."""
    return release.items[0]


def _started_of(release: ReleaseItems) -> Started | None:
    return next((one for one in release.started if one.target == _item_of(release).target), None)


def _open_again(item: Item) -> Item:
    opened = replace(item, status=ItemStatus.WAITING, reason="", hint="", code="", build_id=None, waits_for=None)
    return replace(opened, blocked_by="", advice=None, delays=0)


def _blocked(item: Item, blocker: str) -> Item:
    reason = f"it requires {blocker}, which has no wheel" if blocker else "no wheel fits"
    status = ItemStatus.WAITING if blocker else ItemStatus.BUILD
    return replace(item, status=status, blocked_by=blocker, reason=reason, waits_for=None)


def _is_undecided(release: ReleaseItems) -> bool:
    """Return whether a release was not looked at yet, or its build has ended since, or was retried."""
    item, started = _item_of(release), _started_of(release)
    if item.status in _ENDED:
        return False
    if started is None:
        return (item.status is ItemStatus.WAITING and not item.reason) or item.status is ItemStatus.MIRROR
    return started.status.is_final or item.build_id != started.build_id


def _may_start(release: ReleaseItems) -> bool:
    return _item_of(release).status not in _ENDED and _started_of(release) is None


def _is_served(item: Item, held: Held) -> bool:
    """Return whether a wheel of the release has come meanwhile, for what had failed or is blocked."""
    version = find_version(item.version)
    return any(
        find_version(wheel.version) == version and _serves(wheel, item.target) for wheel in held.get(item.project, ())
    )


def _serves(wheel: IndexedWheel, target: Target) -> bool:
    return allows_python(wheel.requires_python, target.python) and serves(wheel.filename, target)


def _newest_version(wheels: Sequence[IndexedWheel]) -> Version | None:
    found = (find_version(wheel.version) for wheel in wheels)
    return max((version for version in found if version is not None and not version.is_prerelease), default=None)


def _reopened(campaign: Prebuild, before: Sequence[ReleaseItems], after: Sequence[ReleaseItems]) -> Prebuild:
    """Return a campaign with what was mended open, and without the builds that had failed for it."""
    changed = {(old.project, old.version): new for old, new in zip(before, after, strict=True) if new is not old}
    dropped = {key for key, new in changed.items() if not new.started}
    items = tuple(
        _item_of(changed[item.project, item.version]) if (item.project, item.version) in changed else item
        for item in campaign.items
    )
    started = tuple(one for one in campaign.started if (one.project, one.version) not in dropped)
    return replace(campaign, items=items, started=started)
