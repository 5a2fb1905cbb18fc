"""Attempts on in-memory stores: steps that a test scripts, short leases, time that stands still."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.contract.samples import BEGINNING, ManualClock
from tests.fakes.builds import MemoryAttempts, MemoryBuilds, MemoryLogs
from tests.fakes.records import MemoryState
from tests.unit.pipeline_harness import PipelineHarness

from wheelyard.adapters.host.disk import disk_full_error
from wheelyard.domain.builds.build import Build, Stage, Status
from wheelyard.domain.builds.log_text import LineSplitter, gutter_text
from wheelyard.domain.builds.records import Beat, Claim, Outcome
from wheelyard.errors import DatabaseUnavailableError
from wheelyard.interfaces import LeaseKeeper
from wheelyard.pipeline.job import Job, StageFunction, Step, Tools
from wheelyard.usecases.run_build import AttemptOptions, RunBuild

LEASE_SECONDS = 0.02


class WatchedAttempts(MemoryAttempts):
    """The store, whose beats take a quarter of the lease and may fail, and which remembers what was to be recorded."""

    def __init__(self, state: MemoryState) -> None:
        super().__init__(state)
        self.failing_beats: set[int] = set()
        """Numbers of the beats that do not reach the database, from 1."""
        self.beat_error: Exception = DatabaseUnavailableError(reason="it is away")
        self.is_deaf = False
        """Beats get no answer, and cannot be broken off."""
        self.beats = 0
        self.elapsed = 0.0
        """The monotonic clock, in seconds."""
        self.finished: list[Outcome] = []
        self.failing_writes = 0
        """How many of the next writes (stages, ends) do not reach the database."""

    async def beat(self, claim: Claim, *, lease_seconds: float) -> Beat:
        self.beats += 1
        self.elapsed += lease_seconds / 4
        while self.is_deaf:
            # As a driver does that waits for a server to say that it lets go.
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(lease_seconds)
        if self.beats in self.failing_beats:
            raise self.beat_error
        return await super().beat(claim, lease_seconds=lease_seconds)

    async def enter_stage(self, claim: Claim, stage: Stage) -> bool:
        self._fail_in_turn()
        return await super().enter_stage(claim, stage)

    async def finish(self, claim: Claim, outcome: Outcome) -> Status | None:
        self._fail_in_turn()
        self.finished.append(outcome)
        return await super().finish(claim, outcome)

    def _fail_in_turn(self) -> None:
        self.failing_writes -= 1
        if self.failing_writes >= 0:
            raise DatabaseUnavailableError(reason="it is away")


async def pass_through(job: Job, tools: Tools) -> Job:
    """Do a stage that has nothing to do."""
    del tools
    return job


@dataclass(kw_only=True)
class RunHarness:
    """One queued build, and workers that run it."""

    pipeline: PipelineHarness
    folder: Path
    log_bytes_per_second: int = 4 << 20
    log_bytes: int = 1 << 20
    may_wait: bool = True
    lease_seconds: float = LEASE_SECONDS
    keeper: LeaseKeeper | None = None
    clock: ManualClock = field(default_factory=lambda: ManualClock(BEGINNING))

    def __post_init__(self) -> None:
        self.state = MemoryState(clock=self.clock)
        self.builds = MemoryBuilds(self.state)
        self.attempts = WatchedAttempts(self.state)

    async def queued(self) -> str:
        return (await self.builds.submit(self.pipeline.order, requested_by="tests")).build.id

    async def build(self) -> Build:
        """Read the one build that there is."""
        (build_id,) = self.state.records
        return await self.builds.get(build_id)

    async def log(self, attempt: int | None = None) -> str:
        part = await MemoryLogs(self.state).read((await self.build()).id, attempt=attempt)
        splitter = LineSplitter()
        return gutter_text([*splitter.feed(part.data.decode()), *splitter.end()])

    def runner(self, *functions: StageFunction) -> RunBuild:
        """Make a worker whose first stages do this."""
        stages: Sequence[Stage] = list(Stage)[: len(functions)]
        options = AttemptOptions(
            worker="worker-1",
            folder=self.folder,
            lease_seconds=self.lease_seconds,
            log_bytes=self.log_bytes,
            log_ceiling_bytes=2 << 20,
            log_bytes_per_second=self.log_bytes_per_second,
            disk_full=disk_full_error,
            may_wait=self.may_wait,
            now=self.clock,
            elapsed=lambda: self.attempts.elapsed,
        )
        steps = [Step(stage=stage, act=act) for stage, act in zip(stages, functions, strict=True)]
        tools = self.pipeline.tools
        return RunBuild(store=self.attempts, steps=steps, tools=tools, options=options, keeper=self.keeper)

    async def run(self, *functions: StageFunction) -> Build:
        """Queue a build, run one attempt at it and read it."""
        await self.runner(*functions)(await self.queued())
        return await self.build()


class Endless:
    """A stage that goes on until it is stopped."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.stopped = False

    async def __call__(self, job: Job, tools: Tools) -> Job:
        del tools
        (job.folder / "half-done.whl").touch()
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.stopped = True
            raise
        return job


@contextlib.asynccontextmanager
async def running(harness: RunHarness, stage: Endless) -> AsyncIterator[asyncio.Task[None]]:
    """Run an attempt that has come to its endless stage; at the end of the block, wait until it is over."""
    attempt = asyncio.create_task(harness.runner(stage, pass_through)(await harness.queued()))
    await asyncio.wait_for(stage.begun.wait(), 10)
    yield attempt
    await asyncio.wait_for(attempt, 10)
