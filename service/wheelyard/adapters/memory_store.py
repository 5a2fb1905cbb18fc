"""Builds, attempts and logs in memory: twins of the PostgreSQL ones, on one shared state, for tests and experiments.

They keep the same promises (tests/contract/store_contract.py) in one process, and forget everything with it.
"""

import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Final

from wheelyard.adapters.memory_state import BuildRecord, MemoryState, RequestRecord
from wheelyard.domain.build import Build, BuildOrder, BuildSummary, Failure, Stage, Status
from wheelyard.domain.ledger import (
    MAX_PAGE_SIZE,
    Beat,
    BuildFilter,
    BuildPage,
    Claim,
    LogPart,
    Outcome,
    Submission,
)
from wheelyard.errors import AttemptsExhaustedError, DatabaseUnavailableError, NotFoundError

_PART_BYTES: Final = 1 << 16


class MemoryBuilds:
    """The BuildStore in memory."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state
        self.fault: DatabaseUnavailableError | None = None
        """Raised by ``ping`` while it is set."""

    async def submit(self, order: BuildOrder, *, requested_by: str) -> Submission:
        """Queue a build, or join the equal one."""
        equal = self._state.find_equal(order.key)
        build = equal or self._state.add(order)
        joined = equal is not None
        request = RequestRecord(
            build_id=build.id, requirement=order.requirement, requested_by=requested_by, joined=joined
        )
        self._state.requests.append(request)
        return Submission(build=build, joined=joined)

    async def get(self, build_id: str) -> Build:
        """Read one build."""
        return self._state.find(build_id).build

    async def list_builds(self, wanted: BuildFilter) -> BuildPage:
        """List builds, newest first; an id that is no build's, but could be, has nothing before it."""
        builds = [record.build for record in self._state.records.values()]
        if wanted.before is not None:
            builds = _created_before(builds, wanted.before)
        fitting = [build for build in reversed(builds) if _fits(build, wanted)]
        limit = min(wanted.limit, MAX_PAGE_SIZE)
        shown = tuple(_summary_of(build) for build in fitting[:limit])
        return BuildPage(builds=shown, next_before=shown[-1].id if len(fitting) > limit else None)

    async def request_cancel(self, build_id: str) -> Build:
        """Cancel at once if nobody works on it, else ask the worker to stop."""
        record = self._state.find(build_id)
        if record.build.status is Status.QUEUED:
            record.change(status=Status.CANCELLED, finished_at=self._state.clock(), cancel_requested=True)
        elif not record.build.status.is_final:
            record.change(cancel_requested=True)
        self._state.notify(build_id)
        return record.build

    async def ping(self) -> None:
        """Answer, unless a fault is switched on."""
        if self.fault is not None:
            raise self.fault


class MemoryAttempts:
    """The AttemptStore in memory."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    async def claim(self, build_id: str, *, worker: str, lease_seconds: float) -> Claim | None:
        """Take the build and open an attempt; the former attempt, if it is still open, was lost."""
        record = self._state.records.get(build_id)
        if record is None or not self._may_claim(record):
            return None
        now = self._state.clock()
        record.close_lost_attempt(now)
        number = record.open_attempt(worker, now)
        record.lease_until = now + timedelta(seconds=lease_seconds)
        record.change(status=Status.RUNNING, stage=None, started_at=record.build.started_at or now)
        self._state.notify(build_id)
        return Claim(build_id=build_id, attempt=number, worker=worker, order=record.build.order)

    def _may_claim(self, record: BuildRecord) -> bool:
        free = record.build.status is Status.QUEUED or record.is_overdue(self._state.clock())
        return free and not record.build.cancel_requested and len(record.build.attempts) < self._state.max_attempts

    async def beat(self, claim: Claim, *, lease_seconds: float) -> Beat:
        """Extend the lease if it is still ours."""
        record = self._state.find(claim.build_id)
        if not record.is_held_by(claim):
            return Beat(holds_lease=False, cancel_requested=False)
        record.lease_until = self._state.clock() + timedelta(seconds=lease_seconds)
        return Beat(holds_lease=True, cancel_requested=record.build.cancel_requested)

    async def enter_stage(self, claim: Claim, stage: Stage) -> bool:
        """Record the stage that begins."""
        record = self._state.find(claim.build_id)
        if not record.is_held_by(claim):
            return False
        record.change(stage=stage)
        self._state.notify(claim.build_id)
        return True

    async def append_log(self, claim: Claim, data: bytes) -> bool:
        """Add to the attempt's log."""
        record = self._state.find(claim.build_id)
        if not record.is_held_by(claim):
            return False
        record.append_log(data)
        self._state.notify(claim.build_id)
        return True

    async def finish(self, claim: Claim, outcome: Outcome) -> bool:
        """End the attempt and the build."""
        record = self._state.find(claim.build_id)
        if not record.is_held_by(claim):
            return False
        self._end(record, outcome)
        return True

    async def sweep(self) -> int:
        """End overdue builds that nobody may take over; returns how many there were."""
        overdue = [record for record in self._state.records.values() if record.is_overdue(self._state.clock())]
        hopeless = [record for record in overdue if not self._may_claim(record)]
        for record in hopeless:
            record.close_lost_attempt(self._state.clock())
            self._end(record, _given_up(record.build))
        return len(hopeless)

    def _end(self, record: BuildRecord, outcome: Outcome) -> None:
        now = self._state.clock()
        if record.build.attempts[-1].finished_at is None:
            record.close_attempt(outcome, now)
        record.lease_until = None
        record.change(status=outcome.status, stage=None, finished_at=now, failure=outcome.failure, wheel=outcome.wheel)
        self._state.notify(record.build.id)


class MemoryLogs:
    """The LogStore in memory; parts are small, so that readers have to read on."""

    def __init__(self, state: MemoryState, *, part_bytes: int = _PART_BYTES) -> None:
        self._state = state
        self._part_bytes = part_bytes

    async def read(self, build_id: str, *, attempt: int | None = None, offset: int = 0) -> LogPart:
        """Read a part from the offset on."""
        record = self._state.find(build_id)
        number = len(record.build.attempts) if attempt is None else attempt
        if number == 0:
            return LogPart(attempt=0, offset=0, data=b"", finished=False)
        if number not in record.logs:
            raise NotFoundError(kind="attempt", name=f"{build_id}/{number}")
        log = record.logs[number]
        data = bytes(log[offset : offset + self._part_bytes])
        over = record.build.attempts[number - 1].finished_at is not None
        return LogPart(attempt=number, offset=offset, data=data, finished=over and offset + len(data) >= len(log))

    def watch(self, build_id: str) -> AbstractAsyncContextManager[AsyncIterator[None]]:
        """Wake up at each change of the build."""
        return self._state.watch(build_id)


def _created_before(builds: list[Build], build_id: str) -> list[Build]:
    try:
        uuid.UUID(build_id)
    except ValueError as error:
        raise NotFoundError(kind="build", name=build_id) from error
    places = [place for place, build in enumerate(builds) if build.id == build_id]
    return builds[: places[0]] if places else []


def _fits(build: Build, wanted: BuildFilter) -> bool:
    return wanted.project in {None, build.order.project} and wanted.status in {None, build.status}


def _summary_of(build: Build) -> BuildSummary:
    return BuildSummary(
        id=build.id,
        project=build.order.project,
        version=build.order.version,
        target=build.order.target,
        status=build.status,
        stage=build.stage,
        created_at=build.created_at,
        finished_at=build.finished_at,
        wheel_filename=build.wheel.filename if build.wheel else None,
        failure_code=build.failure.code if build.failure else None,
    )


def _given_up(build: Build) -> Outcome:
    if build.cancel_requested:
        return Outcome(status=Status.CANCELLED)
    error = AttemptsExhaustedError(attempts=len(build.attempts))
    return Outcome(status=Status.FAILED, failure=Failure.of(error, stage=None))
