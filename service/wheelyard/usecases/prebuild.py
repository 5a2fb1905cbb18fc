"""Plan, request and watch prebuilds: every dependency of an application, for several targets.

``advance_prebuild`` requests the builds, through the same use case as any other caller.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from wheelyard.build_events import note_ended
from wheelyard.domain.access import Scope
from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.queue import WorkerState
from wheelyard.domain.builds.records import Token
from wheelyard.domain.dependencies.files import Pin, kind_of_file
from wheelyard.domain.dependencies.lock_out import Release, ServedReleases, lock_to_index
from wheelyard.domain.dependencies.requirements_file import LineParser
from wheelyard.domain.index.sdists import BroughtSdist
from wheelyard.domain.index.wheels import IndexedWheel
from wheelyard.domain.packaging.coverage import best_wheel
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.prebuilds.estimate import projects_ahead, seconds_left
from wheelyard.domain.prebuilds.lists import PrebuildFilter, PrebuildPage
from wheelyard.domain.prebuilds.prebuild import (
    Item,
    ItemStatus,
    Prebuild,
    Prefer,
    ReleaseItems,
    releases_of,
    with_releases,
)
from wheelyard.domain.prebuilds.sdists import ALL_TARGETS, NamedTargets, default_targets, items_of, usable_targets
from wheelyard.domain.prebuilds.webhook import Webhook
from wheelyard.domain.trace import NO_TRACE, Trace
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.versions import read_version
from wheelyard.errors import DependencyFileInvalidError, InvalidRequestError, NoTargetFitsError, NotYoursError
from wheelyard.interfaces import BuildStore, FleetStore, ParserPool, PrebuildStore, WheelStore
from wheelyard.logs import get_logger
from wheelyard.usecases.advance_prebuild import AdvancePrebuild, note_end
from wheelyard.usecases.read_dependencies import DependencyInput, NeededReleases, ReadDependencies
from wheelyard.usecases.send_webhooks import WebhookRules

_AT_ONCE: Final = 16
MOST_ITEMS: Final = 50_000
"""Of one request: 2,000 releases on 25 targets."""
_log = get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class PrebuildRequest:
    """A request for the dependencies of an application."""

    given: DependencyInput
    targets: tuple[Target, ...]
    prefer: Prefer
    requested_by: str
    allow_skipped: bool = False
    """True if lines that ask for something that is on no index are ignored."""
    trace: Trace = NO_TRACE
    webhook_url: str | None = None
    """The webhook to call when it is over."""


async def _know() -> None:
    """Wait for nothing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Prebuilds:
    """The use cases behind ``/v1/requests``."""

    read: ReadDependencies
    store: PrebuildStore
    wheels: WheelStore
    builds: BuildStore
    workers: FleetStore
    advance: AdvancePrebuild
    webhooks: WebhookRules
    parsers: ParserPool
    parse_lines: LineParser
    now: Callable[[], datetime]
    new_id: Callable[[], uuid.UUID] = uuid.uuid4
    settle_reach: Callable[[], Awaitable[None]] = _know
    """Waits until it is known which Pythons can be had, if the service has just begun."""

    @property
    def may_mirror(self) -> bool:
        """Return whether upstream's wheels may be mirrored on our index at all."""
        return self.advance.find.may_mirror

    async def plan(self, request: PrebuildRequest) -> Prebuild:
        """Return what would be done, without doing it.

        Raises a CallerError if the input cannot be read, RequirementsUnsatisfiableError if it has no solution, or an
        OperatorError.
        """
        prebuild = await asyncio.to_thread(self._new, request, await self._needed(request))
        limit = asyncio.Semaphore(_AT_ONCE)

        async def plan(release: ReleaseItems) -> ReleaseItems:
            async with limit:
                return await self.advance.plan(release, prebuild)

        releases = await asyncio.to_thread(releases_of, prebuild)
        return await asyncio.to_thread(with_releases, prebuild, await asyncio.gather(*map(plan, releases)))

    async def order(self, request: PrebuildRequest) -> Prebuild:
        """Store a prebuild; ``advance_prebuild`` starts its builds.

        Raises as ``plan``, and WebhookRefusedError.
        """
        if request.webhook_url is not None:
            self.webhooks.check(request.webhook_url)
        prebuild = await asyncio.to_thread(self._new, request, await self._needed(request))
        finished = replace(prebuild, finished_at=self.now() if prebuild.is_final else None)
        await self.store.create(finished)
        _log.info(
            "prebuild-ordered", prebuild=finished.id, items=len(finished.items), requested_by=finished.requested_by
        )
        note_end(finished)
        return finished

    async def wheels_of(
        self, sdist: BroughtSdist, *, named: NamedTargets = ALL_TARGETS, trace: Trace = NO_TRACE
    ) -> Prebuild:
        """Return the request for the wheels of an sdist, to be stored with it.

        Args:
            sdist: The sdist, and who brought it.
            named: The Pythons and platforms that are named; without any, all targets that a worker can build.
            trace: The request that it came with.

        Raises NoTargetFitsError if it can have a wheel for none of the targets, UnknownTargetError, and
        SourceUnreachableError if nothing can be built for a named target now.
        """
        plan = self.advance.request_build
        await self.settle_reach()
        known, reachable = plan.targets(), plan.reachable_targets()
        if named:
            wanted = named.among(known, reachable=frozenset(reachable))
            for target in wanted:
                plan.check_reach(target)
        else:
            wanted = default_targets(reachable or known, await self._architectures())
        chosen = await asyncio.to_thread(self._usable, sdist, wanted)
        if not chosen:
            raise NoTargetFitsError(
                wheel=sdist.filename, requires_python=sdist.requires_python, known=[str(target) for target in wanted]
            )
        return Prebuild(
            id=str(self.new_id()),
            requested_by=sdist.brought_by,
            created_at=self.now(),
            finished_at=None,
            cancelled=False,
            targets=chosen,
            prefer=Prefer.OWN,
            items=items_of(sdist, chosen),
            skipped=(),
            trace=trace,
        )

    def _usable(self, sdist: BroughtSdist, targets: Sequence[Target]) -> tuple[Target, ...]:
        version, plan = read_version(sdist.version), self.advance.request_build
        return usable_targets(
            sdist, targets, is_supported=lambda target: plan.is_supported(sdist.project, version, target)
        )

    async def _architectures(self) -> frozenset[str]:
        """Return the architectures that a worker can build for now."""
        active = [one.registration for one in await self.workers.list_workers()]
        lanes = (lane for one in active if one.state is WorkerState.ACTIVE for lane in one.lanes)
        return frozenset(lane.architecture for lane in lanes)

    async def get(self, prebuild_id: str) -> Prebuild:
        """Return a prebuild; raise NotFoundError."""
        return await self.store.get(prebuild_id)

    async def newest(self, *, limit: int) -> tuple[Prebuild, ...]:
        """Return the newest prebuilds, without their items."""
        return await self.store.list_prebuilds(limit=limit)

    async def page(self, wanted: PrebuildFilter) -> PrebuildPage:
        """Return prebuilds, newest first, with the number of items in each state; raise NotFoundError."""
        return await self.store.page(wanted)

    async def cancel(self, prebuild_id: str, *, by: Token) -> Prebuild:
        """Start nothing more for a prebuild, and cancel its queued builds that nothing else wants.

        Raises NotFoundError, and NotYoursError for another caller's. A prebuild that is over stays as it is.
        """
        former = await self.store.get(prebuild_id)
        if not _is_of(former, by):
            raise NotYoursError(kind="request", name=prebuild_id)
        prebuild = await self.store.cancel(prebuild_id, cancelled_by=by.actor)
        if former.finished_at is None and prebuild.cancelled:
            _log.info("prebuild-cancelled", prebuild=prebuild.id, requested_by=by.actor)
            _note_cancelled(former, prebuild)
        return prebuild

    @staticmethod
    def may_cancel(prebuild: Prebuild, *, by: Token) -> bool:
        """Return whether ``cancel`` would do anything."""
        return prebuild.finished_at is None and by.scope.allows(Scope.REQUEST) and _is_of(prebuild, by)

    async def seconds_left(self, prebuild: Prebuild) -> float | None:
        """Estimate the remaining time from former builds and the number of workers.

        None if nothing is to be built, or nothing is known of any of its projects.
        """
        # In a thread, because thousands of items take a while.
        projects = await asyncio.to_thread(projects_ahead, prebuild)
        typical = await self.builds.typical_seconds(projects) if projects else {}
        if not typical:
            return None
        workers = await self.workers.list_workers()
        slots = sum(one.registration.capacity.slots for one in workers if one.registration.state is WorkerState.ACTIVE)
        return await asyncio.to_thread(seconds_left, prebuild, typical, now=self.now(), slots=slots)

    async def served_wheels(self, prebuild: Prebuild) -> dict[Release, dict[IndexedWheel, list[Target]]]:
        """Return the wheels that serve each item of a prebuild, with their targets; an item may have none."""
        served: dict[Release, dict[IndexedWheel, list[Target]]] = {}
        for release in releases_of(prebuild):
            found = served.setdefault((release.project, read_version(release.made_version)), {})
            offered = {wheel.filename: wheel for wheel in await self.advance.find.served(release)}
            for item in release.items:
                if (wheel := _wheel_for(item, offered, prebuild.prefer)) is not None:
                    found.setdefault(wheel, []).append(item.target)
        return served

    async def lock(self, given: DependencyInput, served: ServedReleases, *, caller: str) -> dict[str, str]:
        """Rewrite a lock file, or requirements and the files that they include, so that they install from our index.

        Returns their texts by name; raises DependencyFileInvalidError.
        """
        file = given.start or ""
        try:
            return await self.parsers.run(
                lock_files, given, served, self.parse_lines, what=f"{file} to be locked", caller=caller
            )
        except RefusedTextError as error:
            raise DependencyFileInvalidError(file=file, problems=[str(error)]) from error

    async def _needed(self, request: PrebuildRequest) -> NeededReleases:
        return await self.read(request.given, request.targets, caller=request.requested_by)

    def _new(self, request: PrebuildRequest, needed: NeededReleases) -> Prebuild:
        return Prebuild(
            id=str(self.new_id()),
            requested_by=request.requested_by,
            created_at=self.now(),
            finished_at=None,
            cancelled=False,
            targets=request.targets,
            prefer=request.prefer,
            items=items_for(needed, request.targets),
            skipped=needed.skipped,
            allow_skipped=request.allow_skipped,
            trace=request.trace,
            webhook=Webhook(url=request.webhook_url) if request.webhook_url else None,
        )


def _is_of(prebuild: Prebuild, token: Token) -> bool:
    """Return whether a token may cancel a prebuild: its own, or any if it has the scope for that."""
    return prebuild.requested_by == token.actor or token.scope.allows(Scope.OPERATE)


def lock_files(given: DependencyInput, served: ServedReleases, parse_lines: LineParser) -> dict[str, str]:
    """Rewrite a lock file, or requirements and their included files, for our index; raise as ``lock`` does."""
    start = given.start or ""
    kind = given.kind or kind_of_file(start)
    return lock_to_index(kind, given.files, served, start=start, parse_lines=parse_lines)


def _wheel_for(item: Item, offered: Mapping[str, IndexedWheel], prefer: Prefer) -> IndexedWheel | None:
    """Return the wheel that an item got, or the one that has replaced it since."""
    if item.status is not ItemStatus.PRESENT:
        return None
    if item.filename is not None and item.filename in offered:
        return offered[item.filename]
    own = [name for name, wheel in offered.items() if wheel.is_own]
    best = best_wheel(own, item.target) or (best_wheel(offered, item.target) if prefer is Prefer.UPSTREAM else None)
    return None if best is None else offered[best]


def _note_cancelled(former: Prebuild, prebuild: Prebuild) -> None:
    """Log the builds that were cancelled with it."""
    ended = {one.build_id for one in former.started if one.status.is_final}
    for one in prebuild.started:
        if one.build_id and one.status is Status.CANCELLED and one.build_id not in ended:
            note_ended(one.build_id, one.status)


def _in_order(needed: NeededReleases, targets: Sequence[Target]) -> list[tuple[Pin, Target]]:
    """Return what each target needs, sorted by project."""
    wanted = {
        (pin.project, pin.version, number): (pin, target)
        for number, target in enumerate(targets)
        for pin in needed.by_target.get(target, ())
    }
    return [wanted[key] for key in sorted(wanted)]


def items_for(needed: NeededReleases, targets: Sequence[Target]) -> tuple[Item, ...]:
    """Return an item for each release and target; raise InvalidRequestError if these are too many."""
    count = sum(map(len, needed.by_target.values()))
    if count > MOST_ITEMS:
        problem = f"{count} releases and targets are more than the {MOST_ITEMS} of one request; ask for fewer targets"
        raise InvalidRequestError(problems=[problem])
    return tuple(_item(pin, target) for pin, target in _in_order(needed, targets))


def _item(pin: Pin, target: Target) -> Item:
    return Item(
        project=pin.project,
        version=str(pin.version),
        target=target,
        origin=pin.origin,
        hashes=pin.hashes,
        commit=pin.commit,
        file=pin.file,
    )
