"""A set of stores to test, and what tests do with it over and over. Must not assert what a contract promises."""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.contract.samples import sample_failure, sample_order, sample_timings, sample_wheel

from wheelyard.domain.build import BuildOrder, Status
from wheelyard.domain.ledger import Claim, Outcome
from wheelyard.interfaces import AttemptStore, BuildStore, LogStore, TokenStore

MAX_ATTEMPTS = 3
LEASE_SECONDS = 20.0
NOWHERE = str(uuid.UUID(int=1))
SUCCESS = Outcome(status=Status.SUCCEEDED, wheel=sample_wheel(), timings=sample_timings())
FAILURE = Outcome(status=Status.FAILED, failure=sample_failure(), timings=sample_timings(), log_truncated=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stores:
    """Four empty stores on one state, which allow MAX_ATTEMPTS attempts."""

    builds: BuildStore
    attempts: AttemptStore
    logs: LogStore
    tokens: TokenStore
    expire_leases: Callable[[], Awaitable[None]]
    """Let every lease that is held run out."""
    sweep: Callable[[], Awaitable[int]]
    """Do what every worker does each second: end what nobody may take over."""

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
