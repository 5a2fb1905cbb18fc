"""The flood of benchmarks/queue.py: a build that writes as fast as it can, and readers over HTTP.

Each piece of the log begins with the time at which it was written, so that a reader knows how late it is. All of it is
on one machine, and the clock is the same for every process there.
"""

import asyncio
import re
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.queue_bench import Bench, Harness, child, milliseconds, nothing, percentile, resident_mib, verdict
from benchmarks.queue_http import Caller

from wheelyard.adapters.store.database import Database
from wheelyard.adapters.store.logs import PostgresLogPacking
from wheelyard.pipeline.job import Job, Tools

PIECE_BYTES = 64 << 10
_MARK = re.compile(rb"@([0-9]{6,20})@")
_LINE = b"a line of a build's log, as long as such lines are\n"
_GOAL_SECONDS = 0.5
_EVENTS = "text/event-stream"
_READERS = 3
_END_SECONDS = 120
"""How long readers may take to reach the end once the build is over."""
_GROWTH_MIB = 128


async def flood(conninfo: str, folder: str, size_bytes: str) -> None:
    """Run the worker whose one build writes so much."""
    pieces = int(size_bytes) // PIECE_BYTES

    async def write(job: Job, tools: Tools) -> Job:
        for _ in range(pieces):
            mark = f"@{time.monotonic_ns()}@\n".encode()
            await job.log.write((mark + _LINE * (PIECE_BYTES // len(_LINE)))[: PIECE_BYTES - 1] + b"\n")
        return await nothing(job, tools)

    async with Database(conninfo) as database, Bench(database, Path(folder)).worker(write):
        print("ready", flush=True)
        while True:
            await PostgresLogPacking(database)()
            await asyncio.sleep(1)


class Reader:
    """Follows a log as server-sent events."""

    def __init__(self, announced: str, build_id: str) -> None:
        self._announced = announced
        self._build_id = build_id
        self.delays: list[float] = []
        """The delays of the oldest piece in each received block."""
        self.received_bytes = 0

    async def read(self) -> None:
        """Read to the end; look for marks in the text, and drop it."""
        async with Caller(self._announced) as caller:
            stream = await caller.send("GET", f"/v1/builds/{self._build_id}/log", accept=_EVENTS)
            rest = b""
            while b"event: end" not in rest:
                block = await stream.read(1 << 20)
                if not block:
                    break
                self.received_bytes += len(block)
                now = time.monotonic_ns()
                text = rest + block
                marks = list(_MARK.finditer(text))
                if marks:
                    self.delays.append((now - int(marks[0][1])) / 1e9)
                # The rest may contain the beginning of a mark, but no whole one.
                rest = text[max(len(text) - 64, marks[-1].end() if marks else 0) :]


async def measure_flood(harness: Harness) -> None:
    """Let a build write a lot while several readers follow it."""
    bench, size_mib = harness.bench, harness.sizes.flood_mib
    before = resident_mib(harness.api_pid)
    async with child("flood", harness.conninfo, str(bench.folder), str(size_mib << 20)) as (worker, _):
        worker_before = resident_mib(worker.pid)
        start = time.monotonic()
        (build_id,) = await bench.submit(1)
        following = [Reader(harness.api, build_id) for _ in range(_READERS)]
        tasks = [asyncio.create_task(one.read()) for one in following]
        await bench.drained()
        seconds = time.monotonic() - start
        await asyncio.wait_for(asyncio.gather(*tasks), _END_SECONDS)
        packing = await _packed(bench, build_id) - start - seconds
        grown = resident_mib(worker.pid) - worker_before
    _report(following, size_mib=size_mib, seconds=seconds, grown=(grown, resident_mib(harness.api_pid) - before))
    print(f"            its log was compressed {packing:.1f} s later")
    await bench.clear()


async def _packed(bench: Bench, build_id: str) -> float:
    """Wait until the log is compressed; return the time."""
    statement = "select 1 from attempts where build_id = %(id)s and log_packed"
    while await bench.database.fetch_one(statement, {"id": build_id}) is None:  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.1)
    return time.monotonic()


def _report(following: Sequence[Reader], *, size_mib: int, seconds: float, grown: tuple[float, float]) -> None:
    delays = [delay for one in following for delay in one.delays]
    late = verdict(met=percentile(delays, 0.99) <= _GOAL_SECONDS, target="p99 at most 500 ms")
    bounded = verdict(met=max(grown) <= _GROWTH_MIB, target=f"it grows by at most {_GROWTH_MIB} MiB")
    received = min(one.received_bytes for one in following) >> 20
    print(f"log flood   {size_mib} MiB, {len(following)} readers   {size_mib / seconds:.1f} MiB/s")
    print(f"            to a reader {milliseconds(delays)}   {late}   (each got {received} MiB of events)")
    print(f"            peak memory grew by {grown[0]:.0f} MiB (worker) and {grown[1]:.0f} MiB (API)   {bounded}")
