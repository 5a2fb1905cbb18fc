"""The REST API of benchmarks/queue.py, as a process of its own on real sockets, and a client that costs little.

All data of a request is on PostgreSQL. Only the upstream index and the recipes are in memory, where the service also
has them while they are fresh.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self

import uvicorn
from benchmarks.queue_bench import Bench, Harness, milliseconds, percentile, processor_seconds, verdict
from tests.contract.samples import TARGET, sample_wheel
from tests.unit.api_harness import access_on, api_harness

from wheelyard.adapters.store.database import Database
from wheelyard.adapters.store.logs import PostgresLogs
from wheelyard.adapters.store.metrics import PostgresMetrics
from wheelyard.api.services import ApiServices
from wheelyard.assembly.access import tokens_of
from wheelyard.assembly.listening import holding_port, open_port
from wheelyard.assembly.service import make_app
from wheelyard.domain.access import Scope
from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.records import Outcome
from wheelyard.settings import Settings
from wheelyard.usecases.follow_log import FollowLog
from wheelyard.usecases.queue import RetryBuilds
from wheelyard.usecases.request_build import RequestBuild

_OK = 200
_GOAL_SECONDS = 0.010


async def serve_api(conninfo: str) -> None:
    """Serve until stopped; write URL and token as the first line."""
    settings = Settings(host="127.0.0.1", port=0)
    with tempfile.TemporaryDirectory() as cache, holding_port(settings) as listener:
        async with Database(conninfo) as database, api_harness(Path(cache)) as harness:
            tokens = tokens_of(database)
            _, secret = await tokens.create(name="bench", scope=Scope.ADMIN, created_by="bench")
            services = _on_database(harness.services, database, Path(cache))
            services = replace(services, tokens=tokens, access=access_on(tokens))
            open_port(settings, listener)
            config = uvicorn.Config(make_app(services), log_config=None, access_log=False)
            announced = {"port": listener.getsockname()[1], "token": secret}
            sys.stdout.write(json.dumps(announced) + "\n")
            sys.stdout.flush()
            await uvicorn.Server(config).serve(sockets=[listener])


def _on_database(services: ApiServices, database: Database, folder: Path) -> ApiServices:
    """Return the API's services on memory stores, with builds, logs and metrics on PostgreSQL."""
    builds, logs = Bench(database, folder).builds, PostgresLogs(database)
    former = services.request_build
    request = RequestBuild(
        source=former._source, store=builds, recipes=former._recipes, facts=former._facts  # noqa: SLF001
    )  # fmt: skip
    return replace(
        services,
        request_build=request,
        builds=builds,
        retries=RetryBuilds(builds=builds),
        logs=logs,
        follow_log=FollowLog(builds=builds, logs=logs),
        figures=PostgresMetrics(database),
        default_target=lambda: TARGET,
    )


class Caller:
    """One connection that stays open, and requests on it, one after the other."""

    def __init__(self, announced: str) -> None:
        facts: Mapping[str, str] = json.loads(announced)
        self._port, self._token = int(facts["port"]), facts["token"]
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 24)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        self._writer.close()

    async def send(self, method: str, path: str, *, body: bytes = b"", accept: str = "*/*") -> asyncio.StreamReader:
        """Send a request, check that the answer has status 200 or 202, and return its body."""
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {self._token}\r\nAccept: {accept}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)
        self._head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        status = int(self._head.split(b" ", 2)[1])
        assert status in {_OK, 202}, self._head
        return self._reader

    async def post(self, path: str, document: Mapping[str, str]) -> dict[str, object]:
        """Post JSON and return the answer's JSON."""
        reader = await self.send("POST", path, body=json.dumps(document).encode())
        length = int(self._head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
        answer: dict[str, object] = json.loads(await reader.readexactly(length))
        return answer


async def measure_satisfied(harness: Harness) -> None:
    """Request a wheel that exists, in turn and eight at a time."""
    bench, announced, count = harness.bench, harness.api, harness.sizes.requests
    body = {"requirement": "pyyaml"}
    async with Caller(announced) as caller:
        build_id = str((await caller.post("/v1/builds", body))["id"])
        claim = await bench.attempts.claim(build_id, worker="bench", lease_seconds=60)
        assert claim is not None
        assert await bench.attempts.finish(claim, Outcome(status=Status.SUCCEEDED, wheel=sample_wheel()))
        await _ask(caller, body, min(count, 50))  # until everything is warm
        used = processor_seconds(harness.api_pid)
        times = await _ask(caller, body, count)
        used = processor_seconds(harness.api_pid) - used
    callers = [Caller(announced) for _ in range(8)]
    start = time.monotonic()
    await asyncio.gather(*(_ask_alone(caller, body, count // 8) for caller in callers))
    rate = count // 8 * 8 / (time.monotonic() - start)
    goal = verdict(met=percentile(times, 0.99) <= _GOAL_SECONDS, target="p99 at most 10 ms")
    print(
        f"satisfied   one at a time              {milliseconds(times)}   {1 / (sum(times) / len(times)):.0f} requests/s"
    )
    print(f"            eight at a time            {rate:.0f} requests/s   {goal}")
    print(f"            the API used {used / count * 1000:.1f} ms of processor time for a request")
    await bench.clear()


async def _ask(caller: Caller, body: Mapping[str, str], count: int) -> list[float]:
    times = []
    for _ in range(count):
        start = time.monotonic()
        answer = await caller.post("/v1/builds", body)
        times.append(time.monotonic() - start)
        assert answer["status"] == "succeeded"
    return times


async def _ask_alone(caller: Caller, body: Mapping[str, str], count: int) -> None:
    async with caller:
        await _ask(caller, body, count)
