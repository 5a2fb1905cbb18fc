"""Advance prebuilds: start the builds that are due, mirror upstream wheels, note which items are served.

Everything here may be repeated at any time: equal builds are joined, and equal bytes are published once.
"""

import asyncio
import contextlib
import hashlib
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from wheelyard.build_events import note_withdrawn
from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.queue import Priority
from wheelyard.domain.index.index import PublishedFile
from wheelyard.domain.index.wheels import IndexedWheel, IndexEntry, WheelOrigin, requires_python_of
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.prebuilds.decision import built_for, check_needs, decide
from wheelyard.domain.prebuilds.prebuild import ItemStatus, Prebuild, PrebuildTurn, ReleaseItems, Started, with_releases
from wheelyard.domain.untrusted.file_names import read_wheel_name
from wheelyard.errors import (
    CallerError,
    DatabaseUnavailableError,
    DiskFullError,
    IndexUnavailableError,
    InternalError,
    ProjectError,
    RecipeError,
    SourceUnreachableError,
    TooMuchOpenError,
    WheelyardError,
)
from wheelyard.interfaces import BuildStore, PrebuildStore, SourceIndex, WheelIndex, WheelStore
from wheelyard.logs import get_logger, log_context
from wheelyard.usecases.campaigns.turns import CampaignTurns
from wheelyard.usecases.release_facts import FindRelease, FoundRelease
from wheelyard.usecases.request_build import BuildRequest, RequestBuild

LEASE_SECONDS: Final = 120.0
_RELEASES_A_TURN: Final = 16
_AT_ONCE: Final = 4
"""As many uploads as our index accepts at once."""
_MOST_DELAYS: Final = 5
_AWAY: Final = (IndexUnavailableError, DiskFullError, TooMuchOpenError)
"""Faults that are waited out, however long that takes; others that may pass are given up after a few tries."""
_NOT_IN_LOCK: Final = "the input's hashes allow no wheel that fits, and no sdist to build one from"
_NOT_LISTED: Final = "upstream's wheel was mirrored, but our index does not list it"

_log = get_logger(__name__)

Start = Callable[[ReleaseItems, Target, Prebuild], Awaitable[Started]]
Mirror = Callable[[IndexFile, Target], Awaitable[None]]
"""Copies an upstream wheel to our index, for the target that needs it; raises an OperatorError."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AdvancePrebuild:
    """Decides what each release of a prebuild needs next, and does it."""

    store: PrebuildStore
    builds: BuildStore
    find: FindRelease
    request_build: RequestBuild
    mirror: Mirror
    now: Callable[[], datetime]
    campaigns: CampaignTurns
    lease_seconds: float = LEASE_SECONDS

    async def once(self) -> bool:
        """Advance each unfinished prebuild by a few releases; return whether anything has changed.

        Raises DatabaseUnavailableError. If an index is unavailable, the release is tried again later.
        """
        seen: set[str] = set()
        moved = False
        while (turn := await self.store.claim(lease_seconds=self.lease_seconds)) is not None:
            moved |= await self._take(turn)
            if turn.prebuild.id in seen:
                break
            seen.add(turn.prebuild.id)
        return moved

    async def _take(self, turn: PrebuildTurn) -> bool:
        """Advance a few releases and save them, unless the lease was lost: then another process has done it."""
        if turn.prebuild.campaign is not None:
            return await self._take_campaign(turn)
        prebuild = turn.prebuild
        # In a thread, because thousands of items take a while.
        due = (await asyncio.to_thread(prebuild.unsettled))[:_RELEASES_A_TURN]
        done: dict[int, ReleaseItems] = {}
        with log_context(prebuild=prebuild.id, **prebuild.trace.log_fields):
            async with self._holding(turn) as lost:
                try:
                    await self._advance_all(due, turn, done, lost)
                finally:
                    updated = await asyncio.to_thread(with_releases, prebuild, list(done.values()))
                    advanced = await self._ended(updated)
                    saved = await self.store.save(replace(turn, prebuild=advanced))
            if saved:
                _note_changes(prebuild, advanced)
        return saved and _has_moved(due, done)

    async def _take_campaign(self, turn: PrebuildTurn) -> bool:
        """Advance what is due in a campaign, save it, and let the campaign rest if nothing has changed."""
        former, done = turn.prebuild, dict[int, ReleaseItems]()
        with log_context(prebuild=former.id, **former.trace.log_fields):
            async with self._holding(turn) as lost:
                campaign, releases = former, tuple[ReleaseItems, ...]()
                try:
                    due = await self.campaigns.due(former)
                    campaign, releases = due.campaign, (*due.looks, *due.starts)
                    await self._advance_all(releases, turn, done, lost, looks=len(due.looks))
                finally:
                    updated = await asyncio.to_thread(with_releases, campaign, list(done.values()))
                    advanced = replace(updated, finished_at=self.now() if updated.is_final else None)
                    # What was only put off, because an index is away, would be tried again without a pause.
                    moved = campaign != former or _has_moved(releases, done)
                    pause = 0.0 if moved else self.campaigns.pause_seconds(advanced)
                    saved = await self.store.save(replace(turn, prebuild=advanced), pause_seconds=pause)
            if saved:
                _note_changes(former, advanced)
        return saved and moved

    async def _advance_all(
        self,
        due: Sequence[ReleaseItems],
        turn: PrebuildTurn,
        done: dict[int, ReleaseItems],
        lost: asyncio.Event,
        *,
        looks: int = 0,
    ) -> None:
        """Advance several releases at once, and note the number of each that is done; stop when the lease is lost.

        No build is started for the first ``looks`` of them.
        """
        limit = asyncio.Semaphore(_AT_ONCE)

        async def advance(number: int, release: ReleaseItems) -> None:
            async with limit:
                if not lost.is_set():
                    done[number] = await self._try(release, turn, may_start=number >= looks)

        ended = await asyncio.gather(*map(advance, range(len(due)), due), return_exceptions=True)
        for fault in filter(None, ended):
            raise fault

    @contextlib.asynccontextmanager
    async def _holding(self, turn: PrebuildTurn) -> AsyncIterator[asyncio.Event]:
        """Extend the lease for a block, and yield an event that is set once the lease is lost."""
        lost = asyncio.Event()
        keeper = asyncio.create_task(self._keep_lease(turn, lost), name=f"lease-{turn.prebuild.id}")
        try:
            yield lost
        finally:
            keeper.cancel()
            await asyncio.gather(keeper, return_exceptions=True)

    async def _keep_lease(self, turn: PrebuildTurn, lost: asyncio.Event) -> None:
        while not lost.is_set():
            await asyncio.sleep(self.lease_seconds / 4)
            # If the database is unavailable, the next query of the turn fails with that error and ends the turn.
            try:
                if not await self.store.renew(turn, lease_seconds=self.lease_seconds):
                    lost.set()
            except DatabaseUnavailableError:
                continue
            except Exception:  # noqa: BLE001  if this loop ended silently, another process would take the lease
                _log.exception("routine-failed", routine="prebuild lease")

    async def plan(self, release: ReleaseItems, prebuild: Prebuild) -> ReleaseItems:
        """Return what would be done for a release, without doing it."""
        found = await self.find(release)
        planned, _ = await self._decide_and_start(release, prebuild, found, self._plan_build)
        return planned

    async def _try(self, release: ReleaseItems, turn: PrebuildTurn, *, may_start: bool) -> ReleaseItems:
        """Advance a release; record any error in its items, so that other releases are still processed."""
        try:
            advanced = await self._advance(release, turn, start=self._start_build if may_start else None)
            return advanced if turn.prebuild.campaign is None else await self.campaigns.with_advice(advanced)
        except DatabaseUnavailableError:
            raise
        except WheelyardError as error:
            return _note_fault(release, error)
        except Exception:  # noqa: BLE001  as around an attempt: one release must not end all prebuilds
            reference = uuid.uuid4().hex[:12]
            _log.exception("prebuild-release-crashed", project=release.project, reference=reference)
            return _note_fault(release, InternalError(reference=reference))

    async def _advance(self, release: ReleaseItems, turn: PrebuildTurn, *, start: Start | None) -> ReleaseItems:
        prebuild = turn.prebuild
        found = await self.find(release)
        decided, idle = await self._decide_and_start(release, prebuild, found, start)
        if idle:
            for build_id in await self.store.withdraw(turn, idle):
                note_withdrawn(build_id, requested_by=prebuild.requested_by)
        wanted = {item.filename: item.target for item in decided.items if item.status is ItemStatus.MIRROR}
        if not wanted:
            return decided
        faults = {
            file.filename: await self._mirror(file, wanted[file.filename])
            for file in found.upstream
            if file.filename in wanted
        }
        facts = (await self.find(decided)).facts
        decided = replace(decided, items=decide(decided.items, facts, prefer=prebuild.prefer).items)
        for filename, fault in faults.items():
            # Items that are served by now are final; the fault does not concern them.
            decided = (
                _note_fault(decided, fault, filename=filename)
                if fault
                else decided.give_up(_NOT_LISTED, filename=filename)
            )
        return decided

    async def _mirror(self, file: IndexFile, target: Target) -> WheelyardError | None:
        """Mirror a file, and return the error, which concerns only the items that need the file."""
        try:
            await self.mirror(file, target)
        except DatabaseUnavailableError:
            raise
        except WheelyardError as error:
            return error
        return None

    async def _decide_and_start(
        self,
        release: ReleaseItems,
        prebuild: Prebuild,
        found: FoundRelease,
        start: Start | None,
    ) -> tuple[ReleaseItems, tuple[str, ...]]:
        """Decide and start what is due, and repeat with the result until nothing is due; only decide without a start.

        Returns the release as it is then, and the builds that it no longer needs.
        """
        facts = found.facts
        while (decision := decide(release.items, facts, prefer=prebuild.prefer)).starts and start is not None:
            for target in decision.starts:
                one = (
                    await start(release, target, prebuild)
                    if found.sdist_is_allowed
                    else _refused(release, target, _NOT_IN_LOCK)
                )
                facts = replace(facts, started=(*facts.started, one))
            if any(one.status is Status.SUCCEEDED for one in facts.started):
                # Its wheel may have been published after the look-up.
                facts = (await self.find(replace(release, started=tuple(facts.started)))).facts
        return replace(release, items=decision.items, started=tuple(facts.started)), decision.cancels

    async def _start_build(self, release: ReleaseItems, target: Target, prebuild: Prebuild) -> Started:
        try:
            submission = await self.request_build(_build_request(release, target, prebuild))
        except TooMuchOpenError:
            # There will be room once other builds of the same caller have ended.
            raise
        except (CallerError, RecipeError, ProjectError, SourceUnreachableError) as error:
            return _refused(release, target, str(error), code=error.code)
        build = submission.build
        started = _refused(release, target, build.failure.summary if build.failure else "")
        hint = build.failure.hint if build.failure else ""
        return replace(started, hint=hint, build_id=build.id, status=build.status, joined=submission.joined)

    async def _plan_build(self, release: ReleaseItems, target: Target, prebuild: Prebuild) -> Started:
        """Check whether a build could be started, and treat it as queued."""
        try:
            order = await self.request_build.decide(_build_request(release, target, prebuild))
        except (CallerError, RecipeError, ProjectError, SourceUnreachableError) as error:
            return _refused(release, target, str(error), code=error.code)
        equal = await self.builds.find_equal(order.key)
        planned = replace(_refused(release, target, ""), status=Status.QUEUED)
        return replace(planned, build_id=equal.id, status=equal.status, joined=True) if equal else planned

    async def _ended(self, prebuild: Prebuild) -> Prebuild:
        """Record the end of a prebuild if it is over and a last look finds nothing missing."""
        if not prebuild.is_final:
            return prebuild
        needs = {filename: await self.find.needs(filename) for filename in sorted(built_for(prebuild))}
        return replace(check_needs(prebuild, needs), finished_at=self.now())


class MirrorWheel:
    """Copies an upstream wheel to our index, with the same bytes and the same name: fetches, publishes, records it."""

    def __init__(
        self, *, source: SourceIndex, index: WheelIndex, wheels: WheelStore, now: Callable[[], datetime]
    ) -> None:
        self._source = source
        self._index = index
        self._wheels = wheels
        self._now = now

    async def __call__(self, file: IndexFile, target: Target) -> None:
        """Mirror a wheel; repeating it is harmless.

        Raises HashMismatchError, DownloadFailedError, DiskFullError, UntrustedOutputError, IndexConflictError,
        IndexRefusedError, IndexUnavailableError or PublishUnprovenError.
        """
        path = await self._source.fetch(file)
        published = await self._index.publish(path, sha256=file.sha256)
        wheel = self._describe(file, target, published, size_bytes=path.stat().st_size)
        await self._wheels.record(IndexEntry(wheel=wheel, metadata=published.metadata, contents=published.contents))

    def _describe(self, file: IndexFile, target: Target, published: PublishedFile, *, size_bytes: int) -> IndexedWheel:
        project, version, _, _ = read_wheel_name(file.filename)
        return IndexedWheel(
            filename=file.filename,
            project=project,
            version=str(version),
            origin=WheelOrigin.MIRRORED,
            build_id=None,
            python=target.python,
            platform=target.platform,
            tag="-".join(file.filename.removesuffix(".whl").split("-")[-3:]),
            sha256=file.sha256,
            size_bytes=size_bytes,
            requires_python=requires_python_of(published.metadata),
            metadata_sha256=hashlib.sha256(published.metadata).hexdigest(),
            level=published.level,
            url=published.url,
            uploaded_at=self._now(),
            file_count=published.contents.total if published.contents else None,
        )


def _note_changes(former: Prebuild, prebuild: Prebuild) -> None:
    """Log how each item has changed."""
    for old, new in zip(former.items, prebuild.items, strict=True):
        if new.status is not old.status:
            _log.info(
                "prebuild-item-changed",
                project=new.project,
                version=new.version,
                target=str(new.target),
                former=old.status.value,
                status=new.status.value,
            )
    note_end(prebuild)


def note_end(prebuild: Prebuild) -> None:
    """Log that a prebuild is over, if it is."""
    if prebuild.finished_at is not None:
        failed = sum(item.status is ItemStatus.FAILED for item in prebuild.items)
        _log.info("prebuild-ended", prebuild=prebuild.id, items=len(prebuild.items), failed=failed)


def _has_moved(before: Sequence[ReleaseItems], after: Mapping[int, ReleaseItems]) -> bool:
    """Return whether a release is not only put off again."""
    return any(new != before[number] and new.delays == before[number].delays for number, new in after.items())


def _build_request(release: ReleaseItems, target: Target, prebuild: Prebuild) -> BuildRequest:
    commit = release.commit
    return BuildRequest(
        git=None if commit is None else commit.request(release.project),
        commit=commit,
        file=release.file,
        requirement=f"{release.project}=={release.version}",
        python=target.python,
        platform=target.platform,
        requested_by=prebuild.requested_by,
        priority=Priority.BATCH,
        prebuild_id=prebuild.id,
        trace=prebuild.trace,
    )


def _refused(release: ReleaseItems, target: Target, reason: str, *, code: str = "") -> Started:
    return Started(
        project=release.project,
        version=release.version,
        target=target,
        build_id=None,
        status=Status.FAILED,
        reason=reason,
        code=code,
    )


def _note_fault(release: ReleaseItems, fault: WheelyardError, *, filename: str | None = None) -> ReleaseItems:
    """Postpone what may pass; give up what will not pass, and what has not passed after a few tries."""
    lasting = not fault.retryable or (release.delays >= _MOST_DELAYS and not isinstance(fault, _AWAY))
    reason = fault.summary.rstrip(".")
    if lasting:
        return release.give_up(reason, hint=fault.hint, code=fault.code, filename=filename)
    return release.put_off(reason, filename=filename)
