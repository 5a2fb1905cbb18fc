"""Build and verify a release, or repair and verify a wheel, without publishing it.

It uses the same planner and the same stages as the service. The build has one attempt and is not stored.
"""

import asyncio
import contextlib
import uuid
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from wheelyard.domain.builds.build import Attempt, Build, BuildOrder, Stage, Status
from wheelyard.domain.builds.records import Beat, Claim, Outcome
from wheelyard.domain.healing.wheel_claims import invalid_wheel
from wheelyard.errors import InvalidWheelError, NotFoundError
from wheelyard.pipeline.job import Step, Tools
from wheelyard.usecases.request_build import BroughtWheel, BuildRequest, PlanBuild
from wheelyard.usecases.run_build import AttemptOptions, RunBuild
from wheelyard.wheel_files.reader import RefusedWheelError, check_wheel


class LocalBuilds:
    """Runs orders to the end on this host, without storing them; a failure is a result, not an error."""

    def __init__(self, *, plan: PlanBuild, steps: Sequence[Step], tools: Tools, options: AttemptOptions) -> None:
        """Keep what attempts need; a missing dependency is not built."""
        self.plan = plan
        self._steps = steps
        self._tools = tools
        self._options = replace(options, may_wait=False)

    async def run(self, order: BuildOrder, show: Callable[[bytes], None]) -> Build:
        """Run an order to its end, and show the log as it comes."""
        trial = _Trial(order, show=show, now=self._options.now)
        await RunBuild(store=trial, steps=self._steps, tools=self._tools, options=self._options)(trial.build.id)
        return trial.build


class TryRecipe(LocalBuilds):
    """The use case behind ``wheelyard recipe test``."""

    async def __call__(self, request: BuildRequest, *, show: Callable[[bytes], None]) -> Build:
        """Build and verify a release, and show the log as it comes.

        ``show`` gets the log as stores keep it (``wheelyard.domain.builds.log_text``). Raises what PlanBuild raises.
        """
        return await self.run(await self.plan.decide(request), show)


class RepairWheel(LocalBuilds):
    """The use case behind ``wheelyard repair``. The tools' source must find files by ``file:`` URLs."""

    async def __call__(self, path: Path, *, suite: str | None = None, show: Callable[[bytes], None]) -> Build:
        """Audit, repair and verify a wheel of this host, and show the log as it comes.

        Raises NotFoundError, InvalidWheelError, and what ``PlanBuild.bring`` raises.
        """
        return await self.run(self.plan.bring(await asyncio.to_thread(_read_brought, path, suite)), show)


def _read_brought(path: Path, suite: str | None) -> BroughtWheel:
    """Return what a file's name and metadata say. Blocks."""
    if not path.is_file():
        raise NotFoundError(kind="file", name=str(path))
    try:
        file = check_wheel(path)
    except RefusedWheelError as error:
        raise invalid_wheel(path.name, str(error), error.kind) from error
    except OSError as error:
        raise InvalidWheelError(file=path.name, reason=f"it cannot be read ({error.strerror or error})") from error
    return BroughtWheel(
        filename=path.name,
        url=path.absolute().as_uri(),
        sha256=file.sha256,
        size_bytes=file.size_bytes,
        requires_python=file.core.get("requires_python"),
        suite=suite,
    )


class _Trial:
    """A build that is not stored, with its only attempt: the AttemptStore of one RunBuild."""

    def __init__(self, order: BuildOrder, *, show: Callable[[bytes], None], now: Callable[[], datetime]) -> None:
        self._show = show
        self._now = now
        self.build = Build(
            id=str(uuid.uuid4()),
            order=order,
            status=Status.QUEUED,
            stage=None,
            created_at=now(),
            started_at=None,
            finished_at=None,
            cancel_requested=False,
            attempts=(),
            failure=None,
            wheel=None,
        )

    async def claim(self, build_id: str, *, worker: str, lease_seconds: float) -> Claim:  # noqa: ARG002  one worker
        """Begin the attempt."""
        now = self._now()
        attempt = Attempt(
            number=1,
            worker=worker,
            status=Status.RUNNING,
            started_at=now,
            finished_at=None,
            timings=(),
            failure=None,
            log_size_bytes=0,
            log_truncated=False,
        )
        self.build = replace(self.build, status=Status.RUNNING, started_at=now, attempts=(attempt,))
        return Claim(build_id=build_id, attempt=attempt.number, worker=worker, order=self.build.order)

    async def beat(self, claim: Claim, *, lease_seconds: float) -> Beat:  # noqa: ARG002
        """Report a valid lease: no other worker can take the build, and no caller can cancel it."""
        return Beat(holds_lease=True, cancel_requested=False)

    async def enter_stage(self, claim: Claim, stage: Stage) -> bool:  # noqa: ARG002  the log names the stage
        """Accept the stage that begins."""
        return True

    async def append_log(self, claim: Claim, data: bytes) -> bool:  # noqa: ARG002
        """Show a piece of the log, and count it."""
        self._show(data)
        (attempt,) = self.build.attempts
        longer = replace(attempt, log_size_bytes=attempt.log_size_bytes + len(data))
        self.build = replace(self.build, attempts=(longer,))
        return True

    async def finish(self, claim: Claim, outcome: Outcome) -> Status:  # noqa: ARG002
        """End the attempt and the build: there is no second try."""
        now = self._now()
        status = Status.FAILED if outcome.status is Status.QUEUED else outcome.status
        (attempt,) = self.build.attempts
        ended = replace(
            attempt,
            status=status,
            finished_at=now,
            timings=outcome.timings,
            failure=outcome.failure,
            log_truncated=outcome.log_truncated,
            healing=outcome.healing,
        )
        self.build = replace(
            self.build,
            status=status,
            finished_at=now,
            attempts=(ended,),
            failure=outcome.failure,
            wheel=outcome.wheel,
        )
        return status

    def cancel_asked(self, build_id: str) -> AbstractAsyncContextManager[asyncio.Event]:  # noqa: ARG002
        """Return an event that is never set."""
        return contextlib.nullcontext(asyncio.Event())
