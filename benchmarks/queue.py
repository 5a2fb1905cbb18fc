"""Measure the queue on a real PostgreSQL of its own, with builds that do nothing: no engine and no index are needed.

It prints a paragraph for each part, with ratios and whether targets are met:
  pick-up     from the submission to the beginning of the attempt on an idle worker, while others wait elsewhere
  claim       the cost of claiming the next build with 100, 1,000 and 10,000 waiting, and the ratio to the first
  satisfied   a request for a wheel that exists, over HTTP on a real socket of a real server process
  cancel      from the request to the end of an attempt that would run for ever
  throughput  builds a second from a full queue, with one worker and with two, each a process of its own
  flood       a build that writes its log as fast as it can, with readers over HTTP: rate, delay, memory
  scrape      the cost of /metrics with 10,000 builds waiting
  idle        memory of 'wheelyard up' with all its processes when nothing happens (installs devpi: a minute)

    python -m benchmarks.queue [--parts pick-up,claim] [--flood-mib 1024] [--builds 500] [--quick]

Run it from the root of a checkout. Without --parts, all but 'idle' run. Ratios say more than times, because this shares
its processors with whatever else runs. It leaves nothing behind. docs/benchmarks.md has the results of a run.
"""

import argparse
import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from benchmarks.queue_bench import (
    ELSEWHERE,
    ROOM,
    Bench,
    Harness,
    Sizes,
    child,
    milliseconds,
    nothing,
    open_folder,
    shared_out_mib,
    verdict,
)
from benchmarks.queue_flood import flood, measure_flood
from benchmarks.queue_http import Caller, measure_satisfied, serve_api
from tests.acceptance.processes import descendants
from tests.contract.stores import DEFAULT, LANE

from wheelyard.adapters.servers.postgres import EmbeddedPostgres
from wheelyard.adapters.store.database import Database, migrate
from wheelyard.domain.builds.queue import Allocation
from wheelyard.logs import configure_logs
from wheelyard.pipeline.job import Job, Tools

_FLAT_RATIO = 1.5
_CANCEL_SECONDS = 2.0
_UP_SECONDS = 600
_SETTLE_SECONDS = 20


async def measure_pick_up(harness: Harness) -> None:
    """Submit builds one after another to an idle worker."""
    for waiting in (0, *harness.sizes.waiting[1:]):
        await _measure_pick_up(harness.bench, waiting=waiting, count=harness.sizes.pick_ups)


async def _measure_pick_up(bench: Bench, *, waiting: int, count: int) -> None:
    if waiting:
        await bench.fill(waiting, builder=ELSEWHERE)
    delays: list[float] = []
    begun: asyncio.Queue[float] = asyncio.Queue()

    async def note(job: Job, tools: Tools) -> Job:
        begun.put_nowait(time.monotonic())
        return await nothing(job, tools)

    async with bench.worker(note):
        for _ in range(count):
            start = time.monotonic()
            await bench.submit(1)
            delays.append(await begun.get() - start)
            await asyncio.sleep(0.01)
    print(f"pick-up     {waiting:6} waiting elsewhere   {milliseconds(delays)}")
    await bench.clear()


async def measure_claims(harness: Harness) -> None:
    """Claim builds from queues of several lengths."""
    bench, first, ratio = harness.bench, 0.0, 1.0
    for waiting in harness.sizes.waiting:
        await bench.fill(waiting, builder="bookworm")
        lanes = (LANE, replace(LANE, suite=ELSEWHERE))
        offer = Allocation(worker="bench", lease_seconds=600, lanes=lanes, total=ROOM, free=ROOM, default=DEFAULT)
        times = []
        for _ in range(harness.sizes.claims):
            start = time.monotonic()
            assert await bench.queue.claim_next(offer) is not None
            times.append(time.monotonic() - start)
        median = statistics.median(times)
        first = first or median
        ratio = median / first
        print(f"claim       {waiting:6} waiting             {milliseconds(times)}   ratio {ratio:.2f}")
        await bench.clear()
    goal = verdict(met=ratio <= _FLAT_RATIO, target="the longest queue costs at most 1.5 times the shortest")
    print(f"            {goal}")


async def measure_throughput(harness: Harness) -> None:
    """Empty a full queue with one worker process and with two."""
    bench, rates = harness.bench, list[float]()
    for workers in (1, 2):
        async with AsyncExitStack() as stack:
            for _ in range(workers):
                await stack.enter_async_context(child("worker", harness.conninfo, str(bench.folder)))
            await bench.fill(harness.sizes.builds, builder="bookworm")
            start, left = time.monotonic(), await bench.unfinished()
            rates.append(left / (await bench.drained() - start))
        print(f"throughput  {workers} worker(s)   {rates[-1]:6.1f} builds/s   ratio {rates[-1] / rates[0]:.2f}")
        await bench.clear()


async def measure_cancel(harness: Harness) -> None:
    """Cancel attempts that would run for ever."""
    bench = harness.bench
    begun: asyncio.Queue[str] = asyncio.Queue()
    ended: asyncio.Queue[float] = asyncio.Queue()

    async def for_ever(job: Job, tools: Tools) -> Job:
        del tools
        begun.put_nowait(job.claim.build_id)
        try:
            await asyncio.Event().wait()
        finally:
            ended.put_nowait(time.monotonic())
        return job

    times = []
    async with bench.worker(for_ever):
        for _ in range(harness.sizes.cancels):
            await bench.submit(1)
            build_id = await begun.get()
            await asyncio.sleep(0.05)
            start = time.monotonic()
            await bench.builds.request_cancel(build_id, requested_by="bench")
            times.append(await ended.get() - start)
    goal = verdict(met=max(times) <= _CANCEL_SECONDS, target="2 s")
    print(f"cancel      request to end of the work {milliseconds(times)}   {goal}")
    await bench.clear()


async def measure_scrape(harness: Harness) -> None:
    """Read the metrics while many wait."""
    waiting = harness.sizes.waiting[-1]
    await harness.bench.fill(waiting, builder="bookworm")
    times = []
    for _ in range(20):
        async with Caller(harness.api) as caller:
            start = time.monotonic()
            await caller.send("GET", "/metrics")
            times.append(time.monotonic() - start)
    print(f"scrape      {waiting:6} waiting             {milliseconds(times)}")
    await harness.bench.clear()


PARTS: dict[str, Callable[[Harness], Awaitable[None]]] = {
    "pick-up": measure_pick_up,
    "claim": measure_claims,
    "satisfied": measure_satisfied,
    "cancel": measure_cancel,
    "throughput": measure_throughput,
    "flood": measure_flood,
    "scrape": measure_scrape,
}


async def run(parts: list[str], sizes: Sizes) -> None:
    """Measure parts on a new database."""
    folder = open_folder()
    try:
        async with EmbeddedPostgres(folder) as conninfo:
            await asyncio.to_thread(migrate, conninfo)
            async with Database(conninfo) as database, child("api", conninfo) as (api, announced):
                bench = Bench(database, folder / "attempts")
                harness = Harness(bench=bench, conninfo=conninfo, api=announced, api_pid=api.pid, sizes=sizes)
                for part in parts:
                    await PARTS[part](harness)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure_idle() -> None:
    """Start the whole service on a new state directory and measure its idle memory."""
    folder = open_folder()
    environment = {**os.environ, "WHEELYARD_STATE_DIR": str(folder), "WHEELYARD_PORT": "0"}
    with (folder / "up.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "wheelyard", "up"], env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + _UP_SECONDS
        while not (folder / "api.json").exists():
            assert process.poll() is None, (folder / "up.log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.5)
        time.sleep(_SETTLE_SECONDS)
        own = shared_out_mib([process.pid])
        others = shared_out_mib([mark.pid for mark in descendants(process.pid)])
        parts = f"API and worker {own:.0f}, PostgreSQL and devpi {others:.0f}"
        print(f"idle        'wheelyard up' {own + others:.0f} MiB (PSS): {parts}")
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


async def be_a_worker(conninfo: str, folder: str) -> None:
    """Work on another process's database until stopped."""
    async with Database(conninfo) as database, Bench(database, Path(folder)).worker():
        print("ready", flush=True)
        await asyncio.Event().wait()


ROLES: dict[str, Callable[..., Awaitable[None]]] = {"worker": be_a_worker, "api": serve_api, "flood": flood}


def main() -> None:
    """Parse the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", default=",".join(PARTS), help=f"of {', '.join([*PARTS, 'idle'])}")
    parser.add_argument("--flood-mib", type=int, default=64)
    parser.add_argument("--builds", type=int, default=500)
    parser.add_argument("--quick", action="store_true", help="as little as possible of everything: does it run at all?")
    parser.add_argument("--role", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    configure_logs(log_format="text", level="error")
    if arguments.role:
        role, *given = arguments.role
        asyncio.run(_be(role, given))
        return
    sizes = Sizes(
        pick_ups=50, waiting=(100, 1_000, 10_000), claims=60, requests=800, cancels=15, builds=arguments.builds,
        flood_mib=arguments.flood_mib,
    )  # fmt: skip
    if arguments.quick:
        sizes = Sizes(pick_ups=2, waiting=(4, 8), claims=2, requests=8, cancels=1, builds=8, flood_mib=1)
    parts = arguments.parts.split(",")
    if measured := [part for part in parts if part in PARTS]:
        asyncio.run(run(measured, sizes))
    if "idle" in parts:
        measure_idle()


async def _be(role: str, given: list[str]) -> None:
    await ROLES[role](*given)


if __name__ == "__main__":
    main()
