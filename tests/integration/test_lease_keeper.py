"""A worker's leases are kept while it is busy, and only while it can do something: processes on a real database."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.acceptance.processes import descendants
from tests.contract.samples import sample_order

from wheelyard.adapters.store.builds import PostgresBuilds
from wheelyard.adapters.store.database import Database
from wheelyard.adapters.store.queue import PostgresQueue
from wheelyard.adapters.store.wake_ups import BuildQueue

LEASE_SECONDS = 2.0
_STATE = """
select b.status, b.deaths, coalesce(bool_or(a.worker_died), false) as died,
       coalesce(b.lease_until < now(), true) as overdue
from builds b left join attempts a on a.build_id = b.id where b.id = %(id)s group by b.id
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Holder:
    """A process that holds a build."""

    process: asyncio.subprocess.Process
    build_id: str
    database: Database
    queue: PostgresQueue

    async def said(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), 120)
        said: dict[str, Any] = json.loads(line)
        return said

    async def state(self) -> dict[str, Any]:
        row = await self.database.fetch_one(_STATE, {"id": self.build_id})
        assert row is not None
        return row

    async def until(self, **wanted: object) -> None:
        async with asyncio.timeout(30):
            while not wanted.items() <= (await self.state()).items():  # noqa: ASYNC110 - another process changes it
                await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def holding(
    database_url: str, *, do: str, seconds: float, patience_seconds: float = 60.0
) -> AsyncIterator[Holder]:
    async with Database(database_url) as database:
        queue = BuildQueue(database.conninfo)
        builds = PostgresBuilds(database, queue, max_attempts=3)
        order = sample_order(key=f"lease-{do}-{seconds}-{patience_seconds}-{os.urandom(4).hex()}")
        build_id = (await builds.submit(order, requested_by="tests")).build.id
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.integration.lease_holder"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        told = {"conninfo": database_url, "build_id": build_id, "lease_seconds": LEASE_SECONDS, "do": do}
        told |= {"seconds": seconds, "patience_seconds": patience_seconds}
        assert process.stdin is not None
        process.stdin.write(json.dumps(told).encode() + b"\n")
        holder = Holder(process=process, build_id=build_id, database=database, queue=PostgresQueue(database, queue))
        try:
            assert await holder.said() == {"held": True}
            yield holder
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            await builds.request_cancel(build_id, requested_by="tests")


async def test_lease_is_kept_while_a_pattern_holds_up_the_loop_and_every_thread(database_url: str) -> None:
    async with holding(database_url, do="pattern", seconds=3 * LEASE_SECONDS) as holder:
        report = asyncio.create_task(holder.said())
        while not report.done():
            await holder.queue.sweep()
            assert not (await holder.state())["overdue"]
            await asyncio.sleep(0.2)
        said = await report
        assert said["blocked"] > 3 * LEASE_SECONDS
        assert said["holds"]
        assert said["since_beat"] < LEASE_SECONDS * 3 / 4
        assert await holder.process.wait() == 0
        assert (await holder.state())["deaths"] == 0


async def test_worker_that_is_stopped_loses_its_lease(database_url: str) -> None:
    async with holding(database_url, do="nothing", seconds=60) as holder:
        os.kill(holder.process.pid, signal.SIGSTOP)
        await holder.until(overdue=True)
        os.kill(holder.process.pid, signal.SIGCONT)


async def test_loop_that_stands_still_is_not_believed_in_for_ever(database_url: str) -> None:
    async with holding(database_url, do="sleep", seconds=60, patience_seconds=1.5) as holder:
        await holder.until(overdue=True)


async def test_death_of_a_worker_is_noted_at_once_and_its_keeper_ends(database_url: str) -> None:
    async with holding(database_url, do="nothing", seconds=60) as holder:
        (keeper,) = descendants(holder.process.pid)
        os.kill(holder.process.pid, signal.SIGKILL)
        await holder.until(status="running", deaths=1, died=True)
        async with asyncio.timeout(10):
            while keeper.is_alive():  # noqa: ASYNC110 - a process that is no child of ours
                await asyncio.sleep(0.1)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_keeper_outlives_what_ends_a_service_in_order(database_url: str, number: signal.Signals) -> None:
    async with holding(database_url, do="sleep", seconds=3 * LEASE_SECONDS) as holder:
        (keeper,) = descendants(holder.process.pid)
        keeper.send(number)
        said = await holder.said()
        assert said["holds"]
        assert await holder.process.wait() == 0
        assert (await holder.state())["deaths"] == 0


async def test_keeper_that_is_killed_is_replaced(database_url: str) -> None:
    async with holding(database_url, do="nothing", seconds=60) as holder:
        (keeper,) = descendants(holder.process.pid)
        keeper.send(signal.SIGKILL)
        async with asyncio.timeout(20):
            while [one for one in descendants(holder.process.pid) if one != keeper] == []:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        await asyncio.sleep(1)
        os.kill(holder.process.pid, signal.SIGKILL)
        await holder.until(deaths=1)
