"""A set of stores to test, and steps that many tests share. The contracts have the assertions."""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime

from tests.contract.samples import sample_failure, sample_order, sample_timings, sample_wheel

from wheelyard.domain.access import OpenLimits, Scope
from wheelyard.domain.builds.build import BuildOrder, ProofResult, Status
from wheelyard.domain.builds.queue import Allocation, Capacity, Lane, ResourceRequest
from wheelyard.domain.builds.records import Claim, Outcome, Token
from wheelyard.interfaces import (
    AttemptStore,
    AuditStore,
    BuildStore,
    FleetStore,
    LogStore,
    MetricStore,
    MissingReleaseStore,
    PeriodicStore,
    PrebuildStore,
    RecipeStore,
    TokenStore,
    UploadStore,
    WebhookOutbox,
    WheelStore,
    WorkQueue,
)

MAX_ATTEMPTS = 3
LEASE_SECONDS = 20.0
LANE = Lane(architecture="x86_64", suite="bookworm", python="3.13")
ROOM = Capacity(slots=4, cpus=4.0, memory_bytes=8 << 30)
DEFAULT = ResourceRequest(cpus=1.0, memory_bytes=1 << 30)
NOWHERE = str(uuid.UUID(int=1))
SUCCESS = Outcome(status=Status.SUCCEEDED, wheel=sample_wheel(), timings=sample_timings())
AUDITED = replace(
    sample_failure(),
    changes=("Its tag was corrected.",),
    proofs=(
        ProofResult(place="bookworm with Python 3.13"),
        ProofResult(place="trixie with Python 3.13", failure="No."),
    ),
)
FAILURE = Outcome(status=Status.FAILED, failure=AUDITED, timings=sample_timings(), log_truncated=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stores:
    """Empty stores on one state, which allow MAX_ATTEMPTS attempts."""

    builds: BuildStore
    attempts: AttemptStore
    queue: WorkQueue
    fleet: FleetStore
    periodic: PeriodicStore
    logs: LogStore
    figures: MetricStore
    tokens: TokenStore
    audit: AuditStore
    prebuilds: PrebuildStore
    wheels: WheelStore
    uploads: UploadStore
    needs: MissingReleaseStore
    outbox: WebhookOutbox
    recipes: RecipeStore
    expire_leases: Callable[[], Awaitable[None]]
    """End every lease."""
    pass_time: Callable[[float], Awaitable[None]]
    """Let so many seconds pass for everything that was written, except for leases."""

    limit: Callable[[OpenLimits], None]
    """Allow one token so much unfinished work from now on."""

    async def sweep(self) -> int:
        """Do what every worker does each second."""
        return await self.queue.sweep()

    async def taken(
        self,
        *,
        worker: str = "worker-1",
        lanes: tuple[Lane, ...] = (LANE,),
        emulated: tuple[Lane, ...] = (),
        total: Capacity = ROOM,
        free: Capacity = ROOM,
    ) -> str | None:
        """Claim the next build for a worker, and return its id."""
        offer = Allocation(
            worker=worker,
            lease_seconds=LEASE_SECONDS,
            lanes=lanes,
            emulated=emulated,
            total=total,
            free=free,
            default=DEFAULT,
        )
        claim = await self.queue.claim_next(offer)
        return claim.build_id if claim else None

    async def token(
        self,
        name: str,
        *,
        scope: Scope = Scope.READ,
        publishes: tuple[str, ...] = (),
        expires_at: datetime | None = None,
    ) -> Token:
        return await self.tokens.create(
            name=name,
            scope=scope,
            publishes=publishes,
            secret_digest=f"digest of {name}",
            expires_at=expires_at,
            created_by="root",
        )

    async def queued(self, order: BuildOrder | None = None) -> str:
        submission = await self.builds.submit(order or sample_order(), requested_by="tests")
        return submission.build.id

    async def claimed(self, build_id: str, worker: str = "worker-1") -> Claim:
        claim = await self.attempts.claim(build_id, worker=worker, lease_seconds=LEASE_SECONDS)
        assert claim is not None
        return claim

    async def finished(self, outcome: Outcome, order: BuildOrder | None = None) -> str:
        build_id = await self.queued(order)
        assert await self.attempts.finish(await self.claimed(build_id), outcome)
        return build_id

    async def whole_log(self, build_id: str, attempt: int | None = None) -> bytes:
        log = b""
        while (part := await self.logs.read(build_id, attempt=attempt, offset=len(log))).data:
            log += part.data
        return log
