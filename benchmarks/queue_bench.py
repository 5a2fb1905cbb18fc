"""The tools of benchmarks/queue.py: the stores on one database, workers, child processes, measurements.

A part that runs as a process of its own is a program of one line: ``python -m benchmarks.queue --role …``.
"""

import asyncio
import contextlib
import os
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.contract.samples import sample_order, sample_wheel
from tests.contract.stores import DEFAULT, LANE

from wheelyard.adapters.host.disk import disk_full_error
from wheelyard.adapters.store.attempts import PostgresAttempts
from wheelyard.adapters.store.builds import PostgresBuilds
from wheelyard.adapters.store.database import Database
from wheelyard.adapters.store.queue import PostgresQueue
from wheelyard.adapters.store.wake_ups import BuildQueue
from wheelyard.domain.builds.build import Stage
from wheelyard.domain.builds.queue import Capacity, Priority
from wheelyard.pipeline.job import Job, Step, Tools
from wheelyard.settings import Settings
from wheelyard.usecases.run_build import AttemptOptions, RunBuild
from wheelyard.usecases.take_builds import TakeBuilds, TakeOptions

ROOM = Capacity(slots=4, cpus=64.0, memory_bytes=1 << 40)
ELSEWHERE = "trixie"
_ROOT = Path(__file__).parents[1]
_LOG_BYTES = 4 << 30

Act = Callable[[Job, Tools], Awaitable[Job]]

# Copies of one build, so that many wait at once.
_COPIES = b"""
insert into builds (id, key, requirement, project, version, sdist, python, platform, builder, recipe_digest, recipe,
                    max_attempts, queued_for, turn)
select gen_random_uuid(), md5(random()::text || n), requirement, project, version, sdist, python, platform, builder,
       recipe_digest, recipe, max_attempts, queued_for, n from builds, generate_series(1, %(count)s) n where id = %(id)s
"""


async def nothing(job: Job, tools: Tools) -> Job:
    """Finish a build at once."""
    del tools
    return job.knowing(wheel=sample_wheel())


class Bench:
    """The stores on one database, and workers in this process."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.folder = folder
        self.calls = BuildQueue(database.conninfo)
        self.builds = PostgresBuilds(database, self.calls, max_attempts=1)
        self.attempts = PostgresAttempts(database, self.calls)
        self.queue = PostgresQueue(database, self.calls)

    async def submit(self, count: int, *, by: str = "bench", builder: str = "bookworm") -> list[str]:
        """Submit so many different builds."""
        ids = []
        for _ in range(count):
            order = sample_order(key=uuid.uuid4().hex, builder=builder)
            submission = await self.builds.submit(order, requested_by=by, priority=Priority.BATCH)
            ids.append(submission.build.id)
        return ids

    async def fill(self, count: int, *, builder: str) -> None:
        """Queue so many builds quickly."""
        (first,) = await self.submit(1, builder=builder)
        async with self.database.transaction() as connection:
            await connection.execute(_COPIES, {"id": first, "count": count - 1})
        await self.database.fetch_all("select pg_stat_force_next_flush()", {})

    async def clear(self) -> None:
        """Delete everything."""
        async with self.database.transaction() as connection:
            await connection.execute(b"truncate builds, procrastinate_jobs cascade")

    @contextlib.asynccontextmanager
    async def worker(self, act: Act = nothing) -> AsyncIterator[None]:
        """Run a worker for the block."""
        name = f"bench-{os.getpid()}-{uuid.uuid4().hex[:6]}"
        options = AttemptOptions(
            worker=name,
            folder=self.folder,
            lease_seconds=20.0,
            log_bytes=_LOG_BYTES,
            log_ceiling_bytes=_LOG_BYTES,
            log_bytes_per_second=Settings.model_fields["log_bytes_per_second"].default,
            disk_full=disk_full_error,
        )
        steps = [Step(stage=Stage.BUILD, act=act)]
        run = RunBuild(store=self.attempts, steps=steps, tools=None, options=options)  # type: ignore[arg-type]
        take = TakeOptions(worker=name, lease_seconds=20.0, lanes=(LANE,), capacity=ROOM, default=DEFAULT)
        taking = TakeBuilds(queue=self.queue, run_build=run, options=take)
        tasks = [
            asyncio.create_task(taking.run()),
            asyncio.create_task(self.calls.run(taking.wake, lanes=[str(LANE)], name=name)),
        ]
        await asyncio.sleep(1.5)  # until it listens
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def unfinished(self) -> int:
        """Return the number of unfinished builds."""
        statement = "select count(*) as n from builds where status in ('queued', 'running') and builder = 'bookworm'"
        row = await self.database.fetch_one(statement, {})
        return int(row["n"]) if row else 0

    async def drained(self) -> float:
        """Wait until the queue is empty; return the time."""
        while await self.unfinished():  # noqa: ASYNC110 - the worker may be another process
            await asyncio.sleep(0.05)
        return time.monotonic()


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """How much of everything is measured."""

    pick_ups: int
    waiting: tuple[int, ...]
    claims: int
    requests: int
    cancels: int
    builds: int
    flood_mib: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Harness:
    """What the parts run on."""

    bench: Bench
    conninfo: str
    api: str
    """The first line of the API's output."""
    api_pid: int
    sizes: Sizes


@contextlib.asynccontextmanager
async def child(role: str, *arguments: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """Run a part as a process of its own for the block; yield it with the first line that it has written."""
    command = (sys.executable, "-m", "benchmarks.queue", "--role", role, *arguments)
    process = await asyncio.create_subprocess_exec(*command, cwd=_ROOT, stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        line = await process.stdout.readline()
        assert line, f"the {role} has ended"
        yield process, line.decode()
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of all does not exceed."""
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def milliseconds(values: Sequence[float]) -> str:
    """Return a distribution as text."""
    return f"p50 {statistics.median(values) * 1000:7.1f} ms   p99 {percentile(values, 0.99) * 1000:7.1f} ms"


def verdict(*, met: bool, target: str) -> str:
    """Return as text whether a target is met."""
    return f"target {target}: {'met' if met else 'NOT MET'}"


def resident_mib(pid: int) -> float:
    """Return the peak memory of a process."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024


def processor_seconds(pid: int) -> float:
    """Return the processor time of a process, which other load hardly changes, unlike elapsed time."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def shared_out_mib(pids: Sequence[int]) -> float:
    """Return the memory of processes, with shared pages counted once (PSS); ended processes count nothing."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError, StopIteration):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
            total += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total / 1024


def open_folder() -> Path:
    """Create a directory that the database's own user can enter."""
    folder = Path(tempfile.mkdtemp(prefix="wheelyard-bench-", dir="/tmp"))
    folder.chmod(0o711)
    return folder
