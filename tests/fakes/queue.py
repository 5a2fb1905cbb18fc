"""The queue and the workers in memory: fakes of the PostgreSQL stores, on the state that the in-memory stores share.

They keep the same promises (tests/contract/queue_contract.py) in one process, and lose everything when it ends.
"""

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from tests.fakes.builds import MemoryAttempts, summary_of
from tests.fakes.dependencies import release_dependents
from tests.fakes.records import BuildRecord, MemoryState

from wheelyard.build_events import note_lost, note_rested
from wheelyard.domain.builds.build import Attempt, Build, Failure, Status
from wheelyard.domain.builds.estimate import LiveBuild, LiveQueue
from wheelyard.domain.builds.log_text import LogNote
from wheelyard.domain.builds.queue import MAX_DEATHS, Allocation, Lane, WorkerRegistration, WorkerState, WorkerStatus
from wheelyard.domain.builds.records import Claim, Outcome
from wheelyard.domain.catalogue.status import EngineImages
from wheelyard.errors import AttemptsExhaustedError, WorkerKilledError, WorkerLostError

_SILENT: Final = timedelta(seconds=30)
_AT_ONCE: Final = datetime.min.replace(tzinfo=UTC)
_FORGOTTEN: Final = timedelta(minutes=15)
_NOTE: Final = LogNote.of("this log was kept for as long as the operator wants logs kept, and removed then").encode()


class MemoryQueue:
    """The WorkQueue in memory."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state
        self._attempts = MemoryAttempts(state)

    async def claim_next(self, offer: Allocation) -> Claim | None:
        """Claim the first build in the queue, if there is room for it."""
        record = min(
            (record for record in self._state.records.values() if _is_for(record, offer, self._native_lanes())),
            key=lambda record: record.place,
            default=None,
        )
        if record is None:
            return None
        resource_request = record.build.order.resource_request
        if not offer.free.covers(offer.total if record.deaths else offer.total.share(resource_request, offer.default)):
            return None
        return await self._attempts.claim(record.build.id, worker=offer.worker, lease_seconds=offer.lease_seconds)

    def _native_lanes(self) -> frozenset[Lane]:
        since = self._state.clock() - _SILENT
        active = (one for one in self._state.workers.values() if one.registration.state is WorkerState.ACTIVE)
        return frozenset(lane for one in active if one.seen_at >= since for lane in one.registration.lanes)

    async def sweep(self) -> int:
        """Handle overdue builds and those whose pause is over."""
        now = self._state.clock()
        overdue = [record for record in self._state.records.values() if record.is_overdue(now)]
        for record in overdue:
            self._end_lost(record, now)
        rested = [record for record in self._state.records.values() if _is_rested(record.build, now)]
        for record in rested:
            record.change(not_before=None)
            note_rested(record.build.id)
        for record in (*overdue, *rested):
            self._state.notify(record.build.id)
        return len(overdue) + len(rested)

    async def note_death(self, worker: str, *, seconds: float) -> int:
        """Count the death for each build that the worker had; end those that wait and have had enough."""
        now, count = self._state.clock(), 0
        for record in self._state.records.values():
            numbers = [one.number for one in record.build.attempts if _died_with(worker, one, now, seconds)]
            fresh = {one for one in numbers if one > record.uncounted} - record.dead_attempts
            if record.build.status.is_final or not fresh:
                continue
            record.dead_attempts |= fresh
            record.deaths += [worker] * len(fresh)
            count += 1
            if record.build.status is Status.QUEUED and len(record.deaths) >= MAX_DEATHS:
                self._end_lost(record, now)
        return count

    async def read(self, *, limit: int) -> LiveQueue:
        """Return what runs and the first of what waits."""
        records = list(self._state.records.values())
        queued = [one for one in records if one.build.status is Status.QUEUED]
        waiting = sorted((one for one in queued if not one.build.waits_for), key=_order)
        running = (one for one in records if one.build.status is Status.RUNNING)
        return LiveQueue(
            running=tuple(map(_live, running)),
            waiting=tuple(map(_live, waiting[:limit])),
            total=len(waiting),
            blocked=len(queued) - len(waiting),
        )

    def _end_lost(self, record: BuildRecord, now: datetime) -> None:
        record.close_lost_attempt(now)
        outcome = Outcome(status=Status.QUEUED)
        if not record.build.cancel_requested and len(record.deaths) >= MAX_DEATHS:
            killed = WorkerKilledError(workers=record.deaths)
            outcome = Outcome(status=Status.FAILED, failure=Failure.of(killed, stage=None))
        elif not record.build.cancel_requested and record.tries >= self._state.max_attempts:
            error = AttemptsExhaustedError(attempts=record.tries)
            outcome = Outcome(status=Status.FAILED, failure=Failure.of(error, stage=None))
        record.finish(outcome, now, max_attempts=self._state.max_attempts)
        build = record.build
        note_lost(build.id, worker=build.attempts[-1].worker, status=build.status, failure=build.failure)
        release_dependents(self._state, build.id)


class MemoryFleet:
    """The FleetStore in memory."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    async def report_worker(self, registration: WorkerRegistration) -> None:
        """Store the registration and the time."""
        now = self._state.clock()
        former = self._state.workers.get(registration.name)
        begins = former is None or former.registration.state is WorkerState.STOPPED
        started_at = now if former is None or begins else former.started_at
        self._state.workers[registration.name] = WorkerStatus(
            registration=registration, started_at=started_at, seen_at=now, builds=()
        )

    async def list_workers(self) -> tuple[WorkerStatus, ...]:
        """Return every worker."""
        return tuple(self._shown(worker) for _, worker in sorted(self._state.workers.items()))

    async def report_images(self, found: EngineImages) -> None:
        """Store it, with the time."""
        self._state.image_reports[found.engine] = (self._state.clock(), found)

    async def list_engines(self) -> tuple[EngineImages, ...]:
        """Return what was reported lately."""
        since = self._state.clock() - _FORGOTTEN
        lately = (found for seen_at, found in self._state.image_reports.values() if seen_at >= since)
        return tuple(sorted(lately, key=lambda found: (found.host, found.engine)))

    def _shown(self, worker: WorkerStatus) -> WorkerStatus:
        silent = worker.seen_at < self._state.clock() - _SILENT
        lost = silent and worker.registration.state is not WorkerState.STOPPED
        builds = (record.build for record in self._state.records.values())
        return replace(
            worker,
            registration=replace(worker.registration, state=WorkerState.LOST) if lost else worker.registration,
            builds=tuple(build.id for build in builds if _holds(worker.registration.name, build)),
        )


class MemoryPeriodic:
    """The PeriodicStore in memory."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    async def begin(self, name: str, *, interval_seconds: float) -> bool:
        """Record the time, if the interval is over."""
        begun = self._state.periodic.get(name)
        if begun is not None and self._ago(interval_seconds) < begun <= self._state.clock():
            return False
        self._state.periodic[name] = self._state.clock()
        return True

    async def drop_logs(self, *, days: float) -> int:
        """Replace old logs with a note."""
        before, count = self._ago(days * 86_400), 0
        for record in self._state.records.values():
            for attempt in record.build.attempts:
                if attempt.finished_at and attempt.finished_at < before and record.logs[attempt.number] != _NOTE:
                    record.logs[attempt.number] = bytearray(_NOTE)
                    count += 1
        return count

    async def drop_builds(self, *, days: float) -> int:
        """Delete old builds without a wheel."""
        before = self._ago(days * 86_400)
        old = [build_id for build_id, record in self._state.records.items() if _is_useless(record.build, before)]
        for build_id in old:
            del self._state.records[build_id]
        return len(old)

    async def drop_workers(self, *, days: float) -> int:
        """Delete workers that are gone for good."""
        before = self._ago(days * 86_400)
        old = [name for name, worker in self._state.workers.items() if worker.seen_at < before]
        for name in old:
            del self._state.workers[name]
        return len(old)

    def _ago(self, seconds: float) -> datetime:
        return self._state.clock() - timedelta(seconds=seconds)


def _is_for(record: BuildRecord, offer: Allocation, native: Collection[Lane]) -> bool:
    order = record.build.order
    memory = order.resource_request.memory_bytes or 0
    lanes = {*offer.lanes, *(set(offer.emulated) - set(native))}
    return record.is_claimable and order.lane in lanes and memory <= offer.total.memory_bytes


def _died_with(worker: str, attempt: Attempt, now: datetime, seconds: float) -> bool:
    lost = attempt.failure is not None and attempt.failure.code == WorkerLostError.code
    recent = attempt.started_at > now - timedelta(seconds=seconds)
    return attempt.worker == worker and recent and (attempt.finished_at is None or lost)


def _is_rested(build: Build, now: datetime) -> bool:
    return build.status is Status.QUEUED and build.not_before is not None and build.not_before <= now


def _is_useless(build: Build, before: datetime) -> bool:
    over = build.status in {Status.FAILED, Status.CANCELLED}
    return over and build.finished_at is not None and build.finished_at < before


def _holds(worker: str, build: Build) -> bool:
    return build.status is Status.RUNNING and build.attempts[-1].worker == worker


def _order(record: BuildRecord) -> tuple[datetime, int, int, int]:
    build = record.build
    return build.not_before or _AT_ONCE, build.priority.rank, record.turn, record.sequence


def _live(record: BuildRecord) -> LiveBuild:
    build = record.build
    return LiveBuild(build=summary_of(build), lane=build.order.lane, started_at=build.started_at)
