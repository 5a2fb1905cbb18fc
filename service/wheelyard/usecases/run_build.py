"""Run one attempt at a build: extend its lease, run the steps, record the result."""

import asyncio
import contextlib
import functools
import shutil
import time
import uuid
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

from wheelyard.build_events import note_ended, note_waiting
from wheelyard.domain.builds.build import BuildOrder, Failure, MissingRelease, Stage, StageTiming, Status
from wheelyard.domain.builds.queue import retry_delay
from wheelyard.domain.builds.records import Claim, Outcome
from wheelyard.domain.healing.findings import Finding, FindingKind
from wheelyard.domain.healing.healing import Healing
from wheelyard.domain.healing.log_findings import explain, host_findings, lost_findings, read_findings
from wheelyard.domain.healing.wheel_claims import claim_findings
from wheelyard.errors import (
    BuildFailedError,
    DatabaseUnavailableError,
    EngineUnavailableError,
    ExtensionMissingError,
    ImageBuildFailedError,
    InternalError,
    InvalidWheelError,
    OperatorError,
    PackageUnknownError,
    ProjectError,
    UntrustedOutputError,
    VerifyFailedError,
    WheelClaimsFalseError,
    WheelsMissingError,
    WheelyardError,
    WorkerStoppedError,
)
from wheelyard.interfaces import AttemptStore, LeaseKeeper
from wheelyard.logs import get_logger, log_context
from wheelyard.pipeline.attempt_log import AttemptLog, Throttle
from wheelyard.pipeline.container_job import BUILD_LABEL
from wheelyard.pipeline.heal import conclude, heal, was_guess
from wheelyard.pipeline.job import Job, Step, Tools, granted_limits, is_emulated
from wheelyard.pipeline.limits import grant_log_bytes
from wheelyard.pipeline.newer_suites import name_newer_pythons, name_newer_suites

_log = get_logger(__name__)
_unheard: Final[set[asyncio.Task[Any]]] = set()
"""Calls whose answers are awaited or come too late.

They are held here because the event loop only keeps weak references (https://github.com/python/cpython/issues/91887).
"""
T = TypeVar("T")
_TRIES_PER_LEASE: Final = 8
_LOOK_SECONDS: Final = 1.0
"""Longest time between two heartbeats; a heartbeat finds a cancellation whose signal was missed."""
_HAND_BACK_SECONDS: Final = 10.0
_CLEAR_SECONDS: Final = 30.0
_NAME_SUITES_SECONDS: Final = 180.0
"""How long a failure may take to say which suites have a newer library; their archives may have to be read first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AttemptOptions:
    """How this worker runs attempts."""

    worker: str
    """The worker's name, as attempts record it."""
    folder: Path
    """The directory with a directory for each running attempt."""
    lease_seconds: float
    log_bytes: int
    """The limit of a log if the recipe names none."""
    log_ceiling_bytes: int
    """The highest limit that a recipe may set."""
    log_bytes_per_second: int
    """How fast a log may grow for a long time."""
    disk_full: Callable[[OSError, Path], WheelyardError | None]
    """Return the error for a full disk if an OSError in a folder means that, else None."""
    may_wait: bool = True
    """False if releases that an attempt finds missing would not be built."""
    retry_seconds: float = 15.0
    """The pause after the first attempt that failed for a reason that may pass."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    elapsed: Callable[[], float] = time.monotonic


class RunBuild:
    """What a worker does with a build."""

    def __init__(
        self,
        *,
        store: AttemptStore,
        steps: Sequence[Step],
        tools: Tools,
        options: AttemptOptions,
        keeper: LeaseKeeper | None = None,
    ) -> None:
        """Keep what attempts need; without a keeper, only the loop's own heartbeats extend leases."""
        self._store = store
        self._keeper = keeper
        self._steps = tuple(steps)
        self._tools = tools
        self._options = options

    async def __call__(self, build_id: str) -> None:
        """Claim this build and run an attempt, unless another worker has the build or it is over."""
        lease = self._options.lease_seconds
        claim = await self._store.claim(build_id, worker=self._options.worker, lease_seconds=lease)
        if claim is not None:
            await self.run(claim)

    async def run(self, claim: Claim) -> None:
        """Run the attempt that was claimed; if this is cancelled, the build goes back into the queue at once."""
        identity = {"build": claim.build_id, "attempt": claim.attempt, "project": claim.order.project}
        with log_context(**identity, **claim.trace.log_fields):
            _log.info(
                "attempt-started", version=claim.order.version, target=str(claim.order.target), worker=claim.worker
            )
            attempt = _Attempt(self._store, self._steps, self._tools, self._options, claim, self._keeper)
            try:
                outcome = await attempt.run()
            except asyncio.CancelledError:
                await self._hand_back(claim)
                raise
            await self._record(claim, outcome and _tried_again(outcome, claim, self._options.retry_seconds))

    async def _record(self, claim: Claim, outcome: Outcome | None) -> None:
        """Record how the attempt ended, unless its lease was lost, and log what becomes of the build."""
        if outcome is None:
            _log.info("attempt-ended", status="lost", code=None, recorded=False)
            return
        status = await _insist(lambda: self._store.finish(claim, outcome), self._options.lease_seconds)
        code = outcome.failure.code if outcome.failure else None
        _log.info("attempt-ended", status=outcome.attempt_status.value, code=code, recorded=status is not None)
        if status is Status.QUEUED:
            note_waiting(claim.build_id, seconds=outcome.wait_seconds, code=code, needs=outcome.needs)
        elif status is not None:
            note_ended(claim.build_id, status, code=code)

    async def _hand_back(self, claim: Claim) -> None:
        """Release the build now; if that cannot be written, its lease expires."""
        failure = Failure.of(WorkerStoppedError(worker=claim.worker), stage=None)
        outcome = Outcome(status=Status.QUEUED, failure=failure, counts=False)
        status: Status | None = None
        with contextlib.suppress(DatabaseUnavailableError, TimeoutError):
            async with asyncio.timeout(_HAND_BACK_SECONDS):
                status = await self._store.finish(claim, outcome)
        _log.info("attempt-handed-back", status=status.value if status else None, recorded=status is not None)


def _tried_again(outcome: Outcome, claim: Claim, first_seconds: float) -> Outcome:
    """Return the result with a pause before another try if the failure may pass; the store limits the tries."""
    if outcome.status is not Status.FAILED or outcome.failure is None or not outcome.failure.retryable:
        return outcome
    return replace(outcome, status=Status.QUEUED, wait_seconds=retry_delay(claim.tries, first_seconds=first_seconds))


def _again(steps: Sequence[Step], again: Collection[Stage], failed: Step) -> list[Step]:
    """Return the steps that run again once what one lacked was added, and those after it, in order."""
    later = list(steps[list(steps).index(failed) + 1 :])
    return [one for one in steps if one.stage in again or one is failed or one in later]


def _order_of_commit(job: Job) -> BuildOrder | None:
    """Return the order of a commit with the version and the sdist that it turned out to have; None for other orders."""
    order = job.claim.order
    return order if order.origin is not None and order.origin.version is not None else None


def _rounds_of(job: Job) -> Healing | None:
    """Return how a failed attempt tried to heal itself; None if it did not."""
    return job.healing if job.healing is not None and job.healing.rounds else None


class _Attempt:
    """An attempt while it runs."""

    def __init__(  # noqa: PLR0913, PLR0917  (RunBuild's own parts, and the claim)
        self,
        store: AttemptStore,
        steps: Sequence[Step],
        tools: Tools,
        options: AttemptOptions,
        claim: Claim,
        keeper: LeaseKeeper | None,
    ) -> None:
        self._store = store
        self._keeper = keeper
        self._steps = steps
        self._tools = tools
        self._options = options
        self._claim = claim
        self._timings: list[StageTiming] = []
        self._cancelled = False
        self._lost = False
        self._begun = options.elapsed()
        self._healed: Failure | None = None
        """The failure that the newest round of healing is about."""

    async def run(self) -> Outcome | None:
        """Run to the end; return None if the lease was lost, and with it the right to record a result."""
        options = self._options
        limit = grant_log_bytes(self._claim.order.recipe, default=options.log_bytes, ceiling=options.log_ceiling_bytes)
        async with AttemptLog(
            self._store.append_log,
            self._claim,
            limit_bytes=limit,
            throttle=Throttle(options.log_bytes_per_second, elapsed=options.elapsed),
            patience_seconds=options.lease_seconds / 2,
            now=options.now,
        ) as log:
            work = asyncio.create_task(self._work(log), name=f"attempt-{self._claim.build_id}")
            beats = asyncio.create_task(self._keep_lease(work), name=f"lease-{self._claim.build_id}")
            beats.add_done_callback(functools.partial(self._note_end_of_keeper, work))
            try:
                outcome = await work
            except asyncio.CancelledError:
                if not (self._cancelled or self._lost):
                    work.cancel()
                    await asyncio.gather(work, return_exceptions=True)
                    log.end_soon()
                    raise
                outcome = Outcome(status=Status.CANCELLED)
            finally:
                beats.cancel()
                await asyncio.gather(beats, return_exceptions=True)
        if self._lost:
            return None
        return replace(outcome, timings=tuple(self._timings), log_truncated=log.truncated)

    async def _work(self, log: AttemptLog) -> Outcome:
        try:
            await self._clear_the_way()
        except OperatorError as error:
            return Outcome(status=Status.FAILED, failure=Failure.of(error, stage=None))
        folder = self._options.folder / uuid.uuid4().hex
        try:
            await asyncio.to_thread(folder.mkdir, parents=True)
        except OSError as error:
            return self._crash(error, None, log)
        try:
            return await self._go_through(
                Job(claim=self._claim, folder=folder, log=log, started_at=self._options.now()), log
            )
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    async def _clear_the_way(self) -> None:
        """Remove containers that earlier attempts left: a worker that froze, or that died with its host, cannot.

        Raises:
            OperatorError: it is unknown what is left, so this attempt must not begin.
        """
        if self._claim.attempt == 1:
            return
        try:
            async with asyncio.timeout(_CLEAR_SECONDS):
                count = await self._tools.engine.remove_leftovers({BUILD_LABEL: self._claim.build_id})
        except TimeoutError as error:
            reason = f"it did not say within {_CLEAR_SECONDS:.0f} s which containers it has"
            raise EngineUnavailableError(engine="of this worker", reason=reason) from error
        _log.info("leftovers-removed", build=self._claim.build_id, count=count)

    async def _go_through(self, job: Job, log: AttemptLog) -> Outcome:
        todo = list(self._steps)
        while todo:
            step = todo.pop(0)
            enter = functools.partial(self._store.enter_stage, self._claim, step.stage)
            if not await _insist(enter, self._options.lease_seconds):
                self._lost = True
                return Outcome(status=Status.CANCELLED)
            _log.info("stage-entered", stage=step.stage.value)
            try:
                went = await self._go(step, job, log)
            except Exception as error:  # noqa: BLE001  the one broad except: an attempt must not end its worker
                return self._crash(error, step.stage, log)
            if isinstance(went, Outcome):
                return replace(went, order=_order_of_commit(job))
            job, again = went
            if again:
                todo = _again(self._steps, again, step)
        if job.wheel is not None and job.published is not None:
            _log.info("wheel-published", filename=job.wheel.filename, sha256=job.wheel.sha256)
        return Outcome(
            status=Status.SUCCEEDED,
            wheel=job.wheel,
            published=job.published,
            provenance=job.provenance,
            healing=await conclude(job),
            order=_order_of_commit(job),
        )

    async def _go(self, step: Step, job: Job, log: AttemptLog) -> tuple[Job, frozenset[Stage]] | Outcome:
        """Do a step; return the job, and the stages that run again if what it lacked was added, or how it all ended."""
        try:
            return await self._time(step, job), frozenset()
        except WheelyardError as error:
            if isinstance(error, WheelsMissingError) and self._options.may_wait:
                return await self._wait(error, step.stage, job)
            if self._healed is not None and isinstance(error, ImageBuildFailedError | PackageUnknownError):
                await job.note(f"what was added cannot be installed: {error}")
                return Outcome(status=Status.FAILED, failure=self._healed, healing=_rounds_of(job))
            findings = await self._read_findings(error, log)
            job, again = await self._heal(job, error, step.stage, findings, log.telling())
            if again:
                self._healed = self._explain(error, step.stage, log, findings)
                log.begin_anew()
                return job, again
            await job.note(f"{step.stage.value} failed: {error}")
            if self._healed is not None and isinstance(error, ProjectError) and was_guess(job, step.stage):
                return Outcome(status=Status.FAILED, failure=self._healed, healing=_rounds_of(job))
            failure = self._explain(error, step.stage, log, await self._name_others(findings))
            failure = replace(failure, changes=job.repaired.changes if job.repaired else ())
            return Outcome(status=Status.FAILED, failure=failure, healing=_rounds_of(job))

    async def _heal(
        self, job: Job, error: WheelyardError, stage: Stage, findings: Sequence[Finding], log: str
    ) -> tuple[Job, frozenset[Stage]]:
        """Return the job with what may mend a project's failure, and the stages to run again; none if nothing may."""
        limit = granted_limits(job.claim.order, self._tools).limits.time_seconds
        if not isinstance(error, ProjectError) or self._options.elapsed() - self._begun > limit:
            return job, frozenset()
        try:
            return await heal(job, self._tools, error, stage, findings, log) or (job, frozenset())
        except WheelyardError as unknown:
            await job.note(f"what would mend it is not known: {unknown}")
            return job, frozenset()

    @staticmethod
    async def _wait(error: WheelsMissingError, stage: Stage, job: Job) -> Outcome:
        """Return the result that lets the build wait for the wheels that it lacks; its container is gone by now."""
        await job.note(f"{stage.value} stops: {error.summary} These are built first, and then this is tried again.")
        needs = {MissingRelease(project=project, version=version) for project, version in error.releases}
        failure = Failure.of(error, stage=stage)
        return Outcome(status=Status.QUEUED, failure=failure, counts=False, needs=tuple(sorted(needs)))

    def _explain(self, error: WheelyardError, stage: Stage, log: AttemptLog, findings: tuple[Finding, ...]) -> Failure:
        """Turn an error into data, with the cause and the remedy that the first finding names."""
        proofs = error.proofs
        if isinstance(error, BuildFailedError):
            error = self._with_cause(error, stage, findings)
        elif isinstance(error, WheelClaimsFalseError) and findings:
            error = WheelClaimsFalseError(wheel=error.wheel, lies=error.lies, remedy=findings[0].remedy)
        elif isinstance(error, UntrustedOutputError) and findings:
            remedy = findings[0].remedy
            error = UntrustedOutputError(stage=error.stage, reason=error.reason, lies=error.lies, remedy=remedy)
        error.proofs = proofs
        failure = Failure.of(error, stage=stage, log_excerpt=log.excerpt(), findings=findings)
        return self._name_emulation(failure) if isinstance(error, ProjectError) else failure

    def _name_emulation(self, failure: Failure) -> Failure:
        """Let a failure of a project say that it was emulated, because the emulator may be the cause."""
        order = self._claim.order
        if not is_emulated(order, self._tools):
            return failure
        return failure.with_hint(
            f"It ran emulated (qemu-user, {order.target.policy.architecture}), which is slower and has faults of its "
            "own: a native worker shows whether the project is at fault."
        )

    def _with_cause(self, error: BuildFailedError, stage: Stage, findings: Sequence[Finding]) -> WheelyardError:
        """Return the error that the most specific finding means; the same one if there is none."""
        if not findings:
            return error
        if findings[0].kind is FindingKind.LIMIT:
            granted = granted_limits(self._claim.order, self._tools)
            reached = granted.reached(findings[0].name, stage, error.use)
            if reached is not None:
                return reached
        cause, remedy = explain(findings, error.network)
        return BuildFailedError(
            release=error.release,
            exit_reason=error.exit_reason,
            cause=cause,
            remedy=remedy,
            network=error.network,
            use=error.use,
        )

    async def _read_findings(self, error: WheelyardError, log: AttemptLog) -> tuple[Finding, ...]:
        """Return what a failure says; a log is read in another process, and says nothing if it is too much for it."""
        release = f"{self._claim.order.project} {self._claim.order.version}"
        if isinstance(error, VerifyFailedError):
            libraries = (f"{name}: cannot open shared object file" for name in error.missing_libraries)
            modules = (f"No module named '{name}'" for name in error.missing_modules)
            look = self._tools.parsers.run(
                host_findings, (*libraries, *modules, *error.problems), what=f"the proof of {release}", caller=release
            )
        elif isinstance(error, InvalidWheelError | UntrustedOutputError | WheelClaimsFalseError):
            return claim_findings(error.lies)
        elif isinstance(error, BuildFailedError | ExtensionMissingError):
            calls = error.network if isinstance(error, BuildFailedError) else ()
            look = self._tools.parsers.run(
                read_findings, log.telling(), tuple(calls), what=f"the log of {release}", caller=release
            )
        else:
            return ()
        lost = lost_findings(error.missing) if isinstance(error, ExtensionMissingError) else ()
        try:
            return (*await look, *lost)
        except (ValueError, WheelyardError) as refusal:
            _log.warning("log-not-explained", build=self._claim.build_id, reason=str(refusal))
            return lost

    async def _name_others(self, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
        """Let findings of what is too old say which Pythons and suites have newer ones, if that is known soon."""
        order = self._claim.order
        findings = name_newer_pythons(findings, order.target, self._tools.builders, self._tools.reach())
        others = [suite for suite in self._tools.suites if suite != order.builder]
        try:
            async with asyncio.timeout(_NAME_SUITES_SECONDS):
                return await name_newer_suites(findings, self._tools.archives, others, order.target.policy.architecture)
        except TimeoutError:
            return findings

    def _crash(self, error: Exception, stage: Stage | None, log: AttemptLog) -> Outcome:
        """Log the exception that is being handled, and return an error with its reference.

        A disk that filled up under the attempt's own files is no fault of ours, and may have room again.
        """
        full = self._options.disk_full(error, self._options.folder) if isinstance(error, OSError) else None
        if full is not None:
            return Outcome(status=Status.FAILED, failure=Failure.of(full, stage=stage, log_excerpt=log.excerpt()))
        reference = uuid.uuid4().hex[:12]
        place = stage.value if stage else None
        _log.exception("attempt-crashed", build=self._claim.build_id, stage=place, reference=reference)
        failure = Failure.of(InternalError(reference=reference), stage=stage, log_excerpt=log.excerpt())
        return Outcome(status=Status.FAILED, failure=failure)

    async def _time(self, step: Step, job: Job) -> Job:
        started_at, begin = self._options.now(), self._options.elapsed()
        await job.log.note(f"stage {step.stage.value}", stage=step.stage.value)
        try:
            return await step.act(job, self._tools)
        finally:
            seconds = self._options.elapsed() - begin
            _log.info("stage-left", stage=step.stage.value, seconds=round(seconds, 3))
            self._timings.append(StageTiming(stage=step.stage, started_at=started_at, seconds=seconds))

    async def _keep_lease(self, work: asyncio.Task[Outcome]) -> None:
        """Send heartbeats; stop the work when the lease is lost, cancelled, or not extended for 3/4 of its length.

        The last quarter is for ending the container, so nothing here may take longer than the time until then. A lease
        that the keeper has extended while this loop was blocked counts as extended.
        """
        lease = self._options.lease_seconds
        deadline = self._options.elapsed() + lease * 3 / 4
        kept = self._keeper.holding(self._claim) if self._keeper else contextlib.nullcontext()
        with kept:
            await self._keep_until(deadline, lease)
        work.cancel()

    async def _keep_until(self, deadline: float, lease: float) -> None:
        async with self._store.cancel_asked(self._claim.build_id) as asked:
            while not (self._lost or self._cancelled):
                # Not wait_for: in Python 3.11 it loses a cancellation that comes together with the event
                # (https://github.com/python/cpython/issues/86296).
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(lease / 4, _LOOK_SECONDS, self._left_until(deadline))):
                        await asked.wait()
                asked.clear()
                if self._keeper is not None:
                    deadline = max(deadline, self._keeper.last_beat(self._claim) + lease * 3 / 4)
                sent = self._options.elapsed()
                if await self._beat(min(lease / 8, self._left_until(deadline))):
                    deadline = sent + lease * 3 / 4
                elif self._left_until(deadline) == 0:
                    _log.warning("lease-given-up", build=self._claim.build_id, attempt=self._claim.attempt)
                    self._lost = True

    def _left_until(self, deadline: float) -> float:
        return max(deadline - self._options.elapsed(), 0.0)

    def _note_end_of_keeper(self, work: asyncio.Task[Outcome], keeper: asyncio.Task[None]) -> None:
        """Stop the work if the keeper failed: a lost lease would not be noticed."""
        if not keeper.cancelled() and (error := keeper.exception()) is not None:
            _log.error("lease-keeper-failed", build=self._claim.build_id, reason=str(error) or type(error).__name__)
            self._lost = True
            work.cancel()

    async def _beat(self, seconds: float) -> bool:
        """Extend the lease and note what is new; return False if the store did not answer in time."""
        lease = self._options.lease_seconds
        try:
            beat = await _answer_within(seconds, self._store.beat(self._claim, lease_seconds=lease))
        except Exception as error:  # noqa: BLE001  if this loop ended silently, the work would outlive its lease
            _log.warning("beat-failed", build=self._claim.build_id, reason=str(error) or type(error).__name__)
            return False
        self._lost, self._cancelled = not beat.holds_lease, beat.cancel_requested
        return True


async def _answer_within(seconds: float, asked: Coroutine[Any, Any, T]) -> T:
    """Return the answer; raise TimeoutError at once when it does not come in time.

    Not ``asyncio.timeout``: that waits until the cancelled call has ended, and a database driver may take long to
    cancel a query on a server that does not answer.
    """
    task = asyncio.create_task(asked)
    _unheard.add(task)
    task.add_done_callback(_forget)
    done, _ = await asyncio.wait({task}, timeout=seconds)
    if not done:
        task.cancel()
        raise TimeoutError("there was no answer in time")
    return task.result()


def _forget(task: asyncio.Task[Any]) -> None:
    """Drop an answer that came too late, or its error."""
    _unheard.discard(task)
    if not task.cancelled():
        task.exception()


async def _insist(write: Callable[[], Awaitable[T]], lease_seconds: float) -> T:
    """Write, and repeat while the database is unavailable, for as long as the lease may still be ours.

    A moment without a database must not cost an hour of building. The fence makes a second write harmless: if the first
    one had arrived without an answer, the second reports a lost claim.
    """
    for _ in range(_TRIES_PER_LEASE - 1):
        with contextlib.suppress(DatabaseUnavailableError):
            return await write()
        await asyncio.sleep(lease_seconds / _TRIES_PER_LEASE)
    return await write()
