"""Builds, attempts and logs in memory: fakes of the PostgreSQL stores, on one shared state.

They keep the same promises (tests/contract/store_contract.py) in one process, and lose everything when it ends.
"""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import timedelta
from statistics import median
from typing import Final

from tests.fakes.counts import count_of_request
from tests.fakes.dependencies import begin_waiting, release_dependents, submit, unwanted
from tests.fakes.records import BuildRecord, MemoryState, RequestRecord

from wheelyard.domain.access import Action, Change
from wheelyard.domain.builds.audit_entries import cancellation_of, retry_of
from wheelyard.domain.builds.build import Build, BuildOrder, BuildSummary, Stage, Status
from wheelyard.domain.builds.queue import MAX_DEATHS, Priority
from wheelyard.domain.builds.records import (
    MAX_PAGE_SIZE,
    Beat,
    BuildFilter,
    BuildPage,
    Claim,
    LogPart,
    Outcome,
    Submission,
)
from wheelyard.domain.index.wheels import IndexEntry
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.trace import NO_TRACE, Trace
from wheelyard.errors import DatabaseUnavailableError, NotFoundError, NotYoursError, RequestCancelledError

_PART_BYTES: Final = 1 << 16


class MemoryBuilds:
    """The BuildStore in memory."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state
        self.fault: DatabaseUnavailableError | None = None
        """Raised by ``ping`` while it is set."""

    async def submit(  # noqa: PLR0913  what the protocol takes
        self,
        order: BuildOrder,
        *,
        requested_by: str,
        priority: Priority = Priority.INTERACTIVE,
        prebuild_id: str | None = None,
        token_id: str | None = None,
        trace: Trace = NO_TRACE,
    ) -> Submission:
        """Queue a build, or join the equal one."""
        self._state.check_token(token_id)
        if prebuild_id in self._state.cancelled_prebuilds:
            raise RequestCancelledError(request=str(prebuild_id))
        if self._state.find_equal(order.key) is None:
            self._state.check_queued(requested_by, for_prebuild=prebuild_id is not None)
        build_id, joined = submit(self._state, order, requested_by=requested_by, priority=priority)
        if not joined:
            self._state.find(build_id).trace = trace
        request = RequestRecord(
            build_id=build_id,
            requirement=order.requirement,
            requested_by=requested_by,
            joined=joined,
            prebuild_id=prebuild_id,
            trace=trace,
        )
        self._state.requests.append(request)
        build = self._state.find(build_id).build
        self._state.counts.append(count_of_request(joined=joined, status=build.status))
        return Submission(build=build, joined=joined)

    async def retry(self, build_id: str, *, requested_by: str, trace: Trace = NO_TRACE) -> Submission:
        """Queue it again, or join the equal build that was requested in between."""
        record = self._state.find(build_id)
        if record.build.status in {Status.FAILED, Status.CANCELLED}:
            equal = self._state.find_equal(record.build.order.key)
            if equal is not None:
                self._state.want_again(equal.id, requested_by, trace)
                return Submission(build=equal, joined=True)
            self._state.check_queued(requested_by, for_prebuild=False)
            self._queue_anew(record, requested_by)
            record.trace = trace
        elif record.build.not_before is None:
            return Submission(build=record.build, joined=True)
        record.satisfied = set()
        record.change(not_before=None)
        self._state.want_again(build_id, requested_by, trace)
        self._state.record_change(retry_of(record.build, requested_by))
        self._state.notify(build_id)
        return Submission(build=record.build, joined=False)

    def _queue_anew(self, record: BuildRecord, requested_by: str) -> None:
        record.turn = self._state.next_turn(record.build.order.lane, record.build.priority, requested_by)
        record.queued_for, record.uncounted = requested_by, len(record.build.attempts)
        record.deaths = []
        record.change(status=Status.QUEUED, finished_at=None, failure=None, cancel_requested=False)

    async def get(self, build_id: str) -> Build:
        """Return a build."""
        return self._state.find(build_id).build

    async def find_equal(self, key: str) -> Build | None:
        """Return the build that has this key and has not failed."""
        return self._state.find_equal(key)

    async def find_commit(self, url: str, *, tag: str) -> str | None:
        """Return the commit of the newest build of a tag."""
        origins = [record.build.order.sdist.git for record in self._state.records.values()]
        found = [one.commit for one in origins if one is not None and (one.url, one.tag) == (url, tag)]
        return found[-1] if found else None

    async def list_builds(self, wanted: BuildFilter) -> BuildPage:
        """Return builds, newest first; nothing comes before an id that no build has."""
        builds = [record.build for record in self._state.records.values()]
        if wanted.before is not None:
            builds = _created_before(builds, wanted.before)
        fitting = [build for build in reversed(builds) if _fits(build, wanted) and self._is_asked_for(build, wanted)]
        if wanted.is_newest:
            newest = {_release_of(build): build.id for build in map(_build_of, self._state.records.values())}
            fitting = [build for build in fitting if newest[_release_of(build)] == build.id]
        limit = min(wanted.limit, MAX_PAGE_SIZE)
        shown = tuple(summary_of(build) for build in fitting[:limit])
        return BuildPage(builds=shown, next_before=shown[-1].id if len(fitting) > limit else None)

    async def newest_of(self, projects: Collection[str], *, is_final: bool = False) -> Mapping[str, BuildSummary]:
        """Return the newest build of each project, or the newest that is over."""
        builds = (record.build for record in self._state.records.values() if record.build.order.project in projects)
        shown = (build for build in builds if build.status.is_final or not is_final)
        return {build.order.project: summary_of(build) for build in shown}

    def _is_asked_for(self, build: Build, wanted: BuildFilter) -> bool:
        asked = [one.requested_by for one in self._state.requests if one.build_id == build.id]
        names = [self._state.records[build.id].queued_for, *asked]
        by = wanted.requested_by
        return by is None or any(name == by or name.startswith(f"{by} (") for name in names)

    async def request_cancel(self, build_id: str, *, requested_by: str) -> Build:
        """Cancel at once if no worker has it, else ask the worker to stop."""
        record = self._state.find(build_id)
        if not record.build.status.is_final:
            self._state.record_change(cancellation_of(record.build, requested_by))
            self._state.withdraw_requests(build_id)
        awaited = record.build.waits_for
        if record.build.status is Status.QUEUED:
            ended = {"finished_at": self._state.clock(), "not_before": None, "waits_for": ()}
            record.change(status=Status.CANCELLED, cancel_requested=True, **ended)
        elif not record.build.status.is_final:
            record.change(cancel_requested=True)
        self._state.notify(build_id)
        self._state.notify(cancel_topic(build_id))
        release_dependents(self._state, build_id)
        for one in unwanted(self._state, awaited):
            await self.request_cancel(one, requested_by=requested_by)
        return record.build

    async def leave(self, build_id: str, *, requested_by: str) -> Build:
        """Withdraw a caller's request, and cancel the build if that was the last one."""
        record = self._state.find(build_id)
        if all((one.build_id, one.requested_by) != (build_id, requested_by) for one in self._state.requests):
            raise NotYoursError(kind="build", name=build_id)
        left = self._state.withdraw_requests(build_id, by=requested_by)
        if record.build.status.is_final:
            return record.build
        if not self._state.is_wanted(build_id):
            return await self.request_cancel(build_id, requested_by=requested_by)
        others = [one for one in self._state.requests if one.build_id == build_id and not one.withdrawn]
        if others and record.queued_for == requested_by:
            record.queued_for = others[0].requested_by
        if left:
            self._state.record_change(_leaving_of(record.build, requested_by))
        return record.build

    async def is_wanted_by(self, build_id: str, requested_by: str) -> bool:
        """Return whether there is a request that was not withdrawn."""
        return any(
            (one.build_id, one.requested_by, one.withdrawn) == (build_id, requested_by, False)
            for one in self._state.requests
        )

    async def typical_seconds(self, projects: Collection[str]) -> Mapping[str, float]:
        """Return each project's median."""
        seconds: defaultdict[str, list[float]] = defaultdict(list)
        for build in (record.build for record in self._state.records.values()):
            if build.status is Status.SUCCEEDED and build.order.project in projects and build.started_at:
                ended = build.finished_at or build.started_at
                seconds[build.order.project].append((ended - build.started_at).total_seconds())
        return {project: median(values) for project, values in seconds.items()}

    async def ping(self) -> None:
        """Answer, unless a fault is switched on."""
        if self.fault is not None:
            raise self.fault


class MemoryAttempts:
    """The AttemptStore in memory."""

    def __init__(self, state: MemoryState) -> None:
        self._state = state

    async def claim(self, build_id: str, *, worker: str, lease_seconds: float) -> Claim | None:
        """Claim the build and open an attempt; the former attempt is lost if it is still open."""
        record = self._state.records.get(build_id)
        if record is None or not self._may_claim(record):
            return None
        now = self._state.clock()
        record.close_lost_attempt(now)
        number = record.open_attempt(worker, now)
        record.lease_until = now + timedelta(seconds=lease_seconds)
        record.change(status=Status.RUNNING, stage=None, started_at=record.build.started_at or now)
        self._state.notify(build_id)
        return Claim(
            build_id=build_id,
            attempt=number,
            worker=worker,
            order=record.build.order,
            tries=record.tries,
            trace=record.trace,
            alone=bool(record.deaths),
        )

    def _may_claim(self, record: BuildRecord) -> bool:
        free = record.is_claimable or record.is_overdue(self._state.clock())
        allowed = record.tries < self._state.max_attempts and len(record.deaths) < MAX_DEATHS
        return free and not record.build.cancel_requested and allowed

    def cancel_asked(self, build_id: str) -> AbstractAsyncContextManager[asyncio.Event]:
        """Yield an event for the build's cancellation."""
        return self._state.event(cancel_topic(build_id))

    async def beat(self, claim: Claim, *, lease_seconds: float) -> Beat:
        """Extend the lease if it is still the caller's."""
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
        """Append to the attempt's log."""
        record = self._state.find(claim.build_id)
        if not record.is_held_by(claim):
            return False
        record.append_log(data)
        self._state.notify(claim.build_id)
        return True

    async def finish(self, claim: Claim, outcome: Outcome) -> Status | None:
        """End the attempt and the build."""
        record = self._state.find(claim.build_id)
        if not record.is_held_by(claim):
            return None
        if outcome.order is not None:
            learnt = replace(record.build.order, version=outcome.order.version, sdist=outcome.order.sdist)
            record.change(order=learnt)
        if outcome.wheel is not None and outcome.published is not None:
            order, now = record.build.order, self._state.clock()
            entry = IndexEntry.of(order, outcome.wheel, outcome.published, build_id=claim.build_id, now=now)
            self._state.record_wheel(entry)
        record.finish(outcome, self._state.clock(), max_attempts=self._state.max_attempts)
        if record.build.status is Status.QUEUED and outcome.needs:
            begin_waiting(self._state, record, outcome.needs)
        release_dependents(self._state, record.build.id)
        self._state.notify(record.build.id)
        return record.build.status


class MemoryLogs:
    """The LogStore in memory; parts are small, so that readers have to read several."""

    def __init__(self, state: MemoryState, *, part_bytes: int = _PART_BYTES) -> None:
        self._state = state
        self._part_bytes = part_bytes

    async def read(self, build_id: str, *, attempt: int | None = None, offset: int = 0) -> LogPart:
        """Return a part from the offset on."""
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
    return (
        wanted.project in {None, build.order.project}
        and wanted.status in {None, build.status}
        and (wanted.ids is None or build.id in wanted.ids)
        and wanted.failure_code in {None, build.failure.code if build.failure else ""}
        and wanted.python in {None, build.order.target.python}
        and wanted.platform in {None, build.order.target.platform}
    )


def _build_of(record: BuildRecord) -> Build:
    return record.build


def _release_of(build: Build) -> tuple[str, str, Target]:
    return build.order.project, build.order.version, build.order.target


def summary_of(build: Build) -> BuildSummary:
    """Return a build as lists show it."""
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
        failure=build.failure,
        priority=build.priority,
        not_before=build.not_before,
        waits=bool(build.waits_for),
    )


def cancel_topic(build_id: str) -> str:
    """Return the topic that the worker of a build watches."""
    return f"cancel {build_id}"


def _leaving_of(build: Build, by: str) -> Change:
    """Return the audit entry of a caller who no longer wants a build that others still want."""
    return Change(actor=by, action=Action.BUILD_LEFT, object=build.id, details={"project": build.order.project})
