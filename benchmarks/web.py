"""Measure the web pages: server time and size of each, with 10,000 builds of 2,000 projects in a real PostgreSQL.

The application runs in this process on a PostgreSQL of its own and is called over ASGI, so that the times are the
service's alone: no network, no browser. Each page is requested many times in turn, by a signed-in reader. It prints a
table, and ends with exit code 1 if a page misses its goal (p99 below 100 ms, below 100 KB).

    python -m benchmarks.web [--rounds 100] [--builds 10000] [--projects 2000]
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import httpx
from tests.contract.samples import sample_order, sample_wheel
from tests.unit.api_harness import api_harness
from tests.unit.web_harness import FAILING_LOG, TOKEN

from wheelyard.adapters.servers.postgres import EmbeddedPostgres
from wheelyard.adapters.store.attempts import PostgresAttempts
from wheelyard.adapters.store.builds import PostgresBuilds
from wheelyard.adapters.store.database import Database, migrate
from wheelyard.adapters.store.fleet import PostgresFleet
from wheelyard.adapters.store.logs import PostgresLogs
from wheelyard.adapters.store.metrics import PostgresMetrics
from wheelyard.adapters.store.prebuilds import PostgresPrebuilds
from wheelyard.adapters.store.queue import PostgresQueue
from wheelyard.adapters.store.wake_ups import BuildQueue
from wheelyard.adapters.store.wheels import PostgresWheels
from wheelyard.api.services import ApiServices
from wheelyard.assembly.service import make_app
from wheelyard.assembly.supervisor import freeze_objects
from wheelyard.domain.builds.build import Failure, Stage, Status
from wheelyard.domain.builds.records import Claim, Outcome
from wheelyard.logs import configure_logs
from wheelyard.usecases.browse_index import BrowseIndex
from wheelyard.usecases.queue import ShowQueue

GOAL_SECONDS, GOAL_BYTES = 0.1, 100_000
# Every project is like "project-17"; one in eight builds failed, and the rest have a wheel.
FILL = """
insert into builds (id, key, requirement, project, version, sdist, python, platform, builder, recipe_digest, recipe,
                    status, max_attempts, wheel, failure, created_at, started_at, finished_at)
select gen_random_uuid(), 'key-' || n, requirement, 'project-' || n %% %(projects)s, '1.' || n / %(projects)s, sdist,
       case when n %% 3 = 0 then '3.11' else '3.13' end, platform, builder, recipe_digest, recipe,
       case when n %% 8 = 0 then 'failed' else 'succeeded' end, 3,
       case when n %% 8 = 0 then null else
            jsonb_set(wheel, '{filename}', to_jsonb('project_' || n || '-1.0-1.bookworm-cp313-cp313-linux.whl')) end,
       case when n %% 8 = 0 then %(failure)s::jsonb end,
       now() - n * interval '4 minutes', now() - n * interval '4 minutes' + interval '3 s',
       now() - n * interval '4 minutes' + n %% 900 * interval '1 s'
from builds, generate_series(1, %(builds)s) as n where id = %(template)s
"""
FILL_REST = """
insert into attempts (build_id, number, worker, status, finished_at) select id, 1, 'worker-1', status, finished_at
from builds on conflict do nothing;
insert into requests (build_id, requirement, requested_by, joined, created_at)
select id, requirement, 'benchmark', false, created_at from builds;
insert into wheels (filename, project, version, build_id, python, platform, tag, sha256, size_bytes, level, url)
select wheel->>'filename', project, version, id, python, platform, wheel->>'tag', wheel->>'sha256', 801626, 'prod',
       'memory:' from builds where status = 'succeeded' on conflict do nothing;
insert into index_projects (name, serial) select distinct project, 1 from wheels on conflict do nothing;
analyze
"""


def main() -> None:
    """Fill a database, request every page, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--builds", type=int, default=10_000)
    parser.add_argument("--projects", type=int, default=2_000)
    arguments = parser.parse_args()
    configure_logs(log_format="text", level="error")
    sys.exit(asyncio.run(measure(arguments)))


async def measure(arguments: argparse.Namespace) -> int:
    """Measure all pages; return the exit code."""
    with tempfile.TemporaryDirectory(prefix="wheelyard-web-", dir="/tmp") as folder:
        await asyncio.to_thread(Path(folder).chmod, 0o711)
        async with EmbeddedPostgres(Path(folder) / "state") as url:
            await asyncio.to_thread(migrate, url)
            async with Database(url) as database, api_harness(Path(folder)) as harness:
                pages = await fill(database, arguments)
                services = on_database(harness.services, database)
                async with reader(services) as client:
                    freeze_objects()  # as the service does
                    return report([(path, await ask(client, path, arguments.rounds)) for path in pages])


async def fill(database: Database, arguments: argparse.Namespace) -> list[str]:
    """Insert the builds; return the pages to request."""
    queue = BuildQueue(database.conninfo)
    builds, attempts = PostgresBuilds(database, queue, max_attempts=3), PostgresAttempts(database, queue)
    failed = await finished(builds, attempts, "failing", None)
    template = await finished(builds, attempts, "sample", sample_wheel().filename)
    parameters = {"builds": arguments.builds, "projects": arguments.projects, "template": template}
    async with database.transaction() as connection:
        failure = '{"stage": "build", "code": "build-failed", "summary": "It failed.", "hint": ""}'
        await connection.execute(FILL.encode(), {**parameters, "failure": failure})
        for statement in FILL_REST.split(";"):
            await connection.execute(statement.encode())
    wheel = quote(sample_wheel().filename)
    lists = ["/", "/builds", "/builds?status=failed", "/builds?status=running", "/projects", "/statistics?days=90"]
    details = [f"/builds/{failed}", f"/builds/{failed}/log?find=gcc", "/projects/project-17", f"/wheels/{wheel}"]
    others = ["/recipes", "/recipes/project-17", "/builders", "/request?requirement=project", "/queue", "/requests"]
    return [*lists, *details, *others, "/request/suggestions?q=project-1"]


async def finished(builds: PostgresBuilds, attempts: PostgresAttempts, project: str, filename: str | None) -> str:
    """End a build that has a long log; it fails without a file name."""
    order = sample_order(key=project, project=project)
    build_id = (await builds.submit(order, requested_by="benchmark")).build.id
    claim = await attempts.claim(build_id, worker="worker-1", lease_seconds=60)
    assert isinstance(claim, Claim)
    await attempts.append_log(claim, FAILING_LOG * 40)
    if filename is None:
        failure = Failure(stage=Stage.BUILD, code="build-failed", summary="It failed.", hint="", log_excerpt="x")
        outcome = Outcome(status=Status.FAILED, failure=failure)
    else:
        outcome = Outcome(status=Status.SUCCEEDED, wheel=replace(sample_wheel(), filename=filename))
    assert await attempts.finish(claim, outcome)
    return build_id


def on_database(services: ApiServices, database: Database) -> ApiServices:
    """Put the data of the pages on the database; sessions stay in memory."""
    queue = BuildQueue(database.conninfo)
    builds, wheels = PostgresBuilds(database, queue, max_attempts=3), PostgresWheels(database)
    return replace(
        services,
        builds=builds,
        logs=PostgresLogs(database),
        figures=PostgresMetrics(database),
        prebuilds=replace(services.prebuilds, store=PostgresPrebuilds(database)),
        workers=PostgresFleet(database),
        queue=ShowQueue(
            queue=PostgresQueue(database, queue),
            workers=PostgresFleet(database),
            builds=builds,
            now=lambda: datetime.now(UTC),
        ),
        index=replace(services.index, browse=BrowseIndex(store=wheels)),
    )


@asynccontextmanager
async def reader(services: ApiServices) -> AsyncIterator[httpx.AsyncClient]:
    """Return a browser that is signed in."""
    transport = httpx.ASGITransport(app=make_app(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://wheelyard") as client:
        await client.post("/sign-in", data={"token": TOKEN})
        yield client


async def ask(client: httpx.AsyncClient, path: str, rounds: int) -> tuple[list[float], int]:
    """Request a page repeatedly; return the seconds and the page's size in bytes."""
    seconds, size = [], 0
    for _ in range(rounds + 3):
        begun = time.perf_counter()
        response = await client.get(path)
        seconds.append(time.perf_counter() - begun)
        assert response.status_code == 200, f"{path}: {response.status_code}"  # noqa: PLR2004  OK
        size = len(response.content)
    return seconds[3:], size


def report(results: list[tuple[str, tuple[list[float], int]]]) -> int:
    """Print the table; return 1 if a goal is missed."""
    print(f"{'page':60} {'p50 ms':>8} {'p99 ms':>8} {'KB':>7}")
    missed = 0
    for path, (seconds, size) in results:
        p99 = statistics.quantiles(seconds, n=100)[98]
        missed |= p99 > GOAL_SECONDS or size > GOAL_BYTES
        print(f"{path[:60]:60} {1000 * statistics.median(seconds):8.1f} {1000 * p99:8.1f} {size / 1000:7.1f}")
    print(f"{'MISSED' if missed else 'met'}: p99 below {1000 * GOAL_SECONDS:g} ms, below {GOAL_BYTES / 1000:g} KB")
    return int(missed)


if __name__ == "__main__":
    main()
