"""Run one attempt at a build: claim it, keep its lease alive, go through the steps, record how it ended.

Must not know the queue, nor what the steps do.
"""

import asyncio
import contextlib
import functools
import shutil
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from wheelyard.domain.build import Failure, Stage, StageTiming, Status
from wheelyard.domain.diagnosis import diagnose
from wheelyard.domain.ledger import Claim, Outcome
from wheelyard.errors import BuildFailedError, DatabaseUnavailableError, InternalError, WheelyardError
from wheelyard.interfaces import AttemptStore
from wheelyard.logs import get_logger
from wheelyard.pipeline.attempt_log import AttemptLog
from wheelyard.pipeline.job import Job, Step, Tools

_log = get_logger(__name__)
_TRIES_PER_LEASE: Final = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class AttemptOptions:
    """How this worker runs attempts."""

    worker: str
    """The worker's name, as attempts record it."""
    folder: Path
    """Where each attempt gets a directory of its own while it runs."""
    lease_seconds: float
    log_bytes: int
    """Where a log is cut."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    elapsed: Callable[[], float] = time.monotonic


class RunBuild:
    """What a worker does with a build that the queue names."""

    def __init__(self, *, store: AttemptStore, steps: Sequence[Step], tools: Tools, options: AttemptOptions) -> None:
        self._store = store
        self._steps = tuple(steps)
        self._tools = tools
        self._options = options

    async def __call__(self, build_id: str) -> None:
        """Run one attempt, unless somebody else has the build or it is over."""
        lease = self._options.lease_seconds
        claim = await self._store.claim(build_id, worker=self._options.worker, lease_seconds=lease)
        if claim is None:
            return
        log = _log.bind(build=claim.build_id, attempt=claim.attempt, project=claim.order.project)
        log.info("attempt-started", version=claim.order.version, target=str(claim.order.target))
        attempt = _Attempt(self._store, self._steps, self._tools, self._options, claim)
        outcome = await attempt.run()
        recorded = outcome is not None and await _insist(lambda: self._store.finish(claim, outcome), lease)
        code = outcome.failure.code if outcome and outcome.failure else None
        log.info("attempt-ended", status=outcome.status.value if outcome else "lost", code=code, recorded=recorded)


class _Attempt:
    """One attempt while it runs."""

    def __init__(
        self, store: AttemptStore, steps: Sequence[Step], tools: Tools, options: AttemptOptions, claim: Claim
    ) -> None:
        self._store = store
        self._steps = steps
        self._tools = tools
        self._options = options
        self._claim = claim
        self._timings: list[StageTiming] = []
        self._cancelled = False
        self._lost = False

    async def run(self) -> Outcome | None:
        """Run to the end; None if the lease was lost, and with it the right to say how it ended."""
        async with AttemptLog(self._store, self._claim, limit_bytes=self._options.log_bytes) as log:
            work = asyncio.create_task(self._work(log), name=f"attempt-{self._claim.build_id}")
            beats = asyncio.create_task(self._keep_lease(work), name=f"lease-{self._claim.build_id}")
            try:
                outcome = await work
            except asyncio.CancelledError:
                if not (self._cancelled or self._lost):
                    work.cancel()
                    await asyncio.gather(work, return_exceptions=True)
                    raise
                outcome = Outcome(status=Status.CANCELLED)
            finally:
                beats.cancel()
                await asyncio.gather(beats, return_exceptions=True)
        if self._lost:
            return None
        return replace(outcome, timings=tuple(self._timings), log_truncated=log.truncated)

    async def _work(self, log: AttemptLog) -> Outcome:
        folder = self._options.folder / uuid.uuid4().hex
        try:
            await asyncio.to_thread(folder.mkdir, parents=True)
        except OSError:
            return self._crash(None, log)
        try:
            return await self._go_through(Job(claim=self._claim, folder=folder, log=log), log)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _go_through(self, job: Job, log: AttemptLog) -> Outcome:
        for step in self._steps:
            enter = functools.partial(self._store.enter_stage, self._claim, step.stage)
            if not await _insist(enter, self._options.lease_seconds):
                self._lost = True
                return Outcome(status=Status.CANCELLED)
            try:
                job = await self._time(step, job)
            except WheelyardError as error:
                await job.note(f"{step.stage.value} failed: {error}")
                return Outcome(status=Status.FAILED, failure=_explain(error, step.stage, log))
            except Exception:  # noqa: BLE001  the one broad except: whatever an attempt meets must not end its worker
                return self._crash(step.stage, log)
        return Outcome(status=Status.SUCCEEDED, wheel=job.wheel)

    def _crash(self, stage: Stage | None, log: AttemptLog) -> Outcome:
        """Keep the exception that is being handled in our own log, and give its reference to everybody else."""
        reference = uuid.uuid4().hex[:12]
        place = stage.value if stage else None
        _log.exception("attempt-crashed", build=self._claim.build_id, stage=place, reference=reference)
        failure = Failure.of(InternalError(reference=reference), stage=stage, log_excerpt=log.excerpt())
        return Outcome(status=Status.FAILED, failure=failure)

    async def _time(self, step: Step, job: Job) -> Job:
        started_at, begin = self._options.now(), self._options.elapsed()
        await job.note(f"stage {step.stage.value}")
        try:
            return await step.act(job, self._tools)
        finally:
            seconds = self._options.elapsed() - begin
            self._timings.append(StageTiming(stage=step.stage, started_at=started_at, seconds=seconds))

    async def _keep_lease(self, work: asyncio.Task[Outcome]) -> None:
        """Beat each quarter of the lease; stop the work if it was lost, cancelled, or unheard of for three quarters."""
        lease = self._options.lease_seconds
        heard = self._options.elapsed()
        while True:
            await asyncio.sleep(lease / 4)
            try:
                # A beat that hangs must not outlast the lease either.
                async with asyncio.timeout(lease / 8):
                    beat = await self._store.beat(self._claim, lease_seconds=lease)
            except (DatabaseUnavailableError, TimeoutError):
                self._lost = self._options.elapsed() - heard >= lease * 3 / 4
            else:
                heard = self._options.elapsed()
                self._lost, self._cancelled = not beat.holds_lease, beat.cancel_requested
            if self._lost or self._cancelled:
                work.cancel()
                return


async def _insist(write: Callable[[], Awaitable[bool]], lease_seconds: float) -> bool:
    """Write, and while the database is away again and again, for as long as the lease may still be ours.

    A moment without a database must not cost an hour of building. The fence makes a second write harmless: one that had
    arrived without an answer only says False then.
    """
    for _ in range(_TRIES_PER_LEASE - 1):
        with contextlib.suppress(DatabaseUnavailableError):
            return await write()
        await asyncio.sleep(lease_seconds / _TRIES_PER_LEASE)
    return await write()


def _explain(error: WheelyardError, stage: Stage, log: AttemptLog) -> Failure:
    """Turn an error into data; a build backend's own words are looked through for the cause."""
    found = diagnose(log.tail()) if isinstance(error, BuildFailedError) else None
    if found is not None and isinstance(error, BuildFailedError):
        error = BuildFailedError(
            release=error.release, exit_reason=error.exit_reason, cause=found.cause, remedy=found.remedy
        )
    return Failure.of(error, stage=stage, log_excerpt=log.excerpt())
