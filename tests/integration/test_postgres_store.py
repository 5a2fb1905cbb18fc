"""The PostgreSQL stores keep the contract, and what only a real database can show."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest
from tests.contract.samples import sample_order
from tests.contract.store_contract import StoreContract
from tests.contract.stores import LEASE_SECONDS, MAX_ATTEMPTS, Stores

from wheelyard.adapters.build_queue import BuildQueue
from wheelyard.adapters.database import Database, migrate
from wheelyard.adapters.postgres_attempts import PostgresAttempts
from wheelyard.adapters.postgres_builds import PostgresBuilds
from wheelyard.adapters.postgres_logs import PostgresLogs
from wheelyard.adapters.postgres_tokens import PostgresTokens
from wheelyard.domain.build import Status
from wheelyard.domain.ledger import Outcome
from wheelyard.errors import DatabaseUnavailableError

TABLES = "log_chunks, attempts, requests, builds, tokens, procrastinate_jobs, procrastinate_events"


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, pool_size=8) as database:
        yield database
        async with database.transaction() as connection:
            await connection.execute(f"truncate {TABLES} cascade".encode())


@pytest.fixture
def stores(database: Database) -> Stores:
    queue = BuildQueue(database.conninfo)
    attempts = PostgresAttempts(database, queue)

    async def expire_leases() -> None:
        # The lease runs by the database's clock, so it is moved instead of waited for.
        async with database.transaction() as connection:
            await connection.execute(b"update builds set lease_until = now() - interval '1 s' where status = 'running'")

    return Stores(
        builds=PostgresBuilds(database, queue, max_attempts=MAX_ATTEMPTS),
        attempts=attempts,
        logs=PostgresLogs(database),
        tokens=PostgresTokens(database),
        expire_leases=expire_leases,
        sweep=attempts.sweep,
    )


class TestPostgresStores(StoreContract):
    """The whole contract."""


async def jobs(database: Database) -> list[str]:
    rows = await database.fetch_all("select args->>'build_id' as id from procrastinate_jobs order by id", {})
    return [row["id"] for row in rows]


async def test_build_and_its_job_are_one_transaction(stores: Stores, database: Database) -> None:
    build_id = await stores.queued()
    assert await jobs(database) == [build_id]


async def test_equal_requests_at_the_same_time_lead_to_one_build(stores: Stores, database: Database) -> None:
    submissions = await asyncio.gather(*(stores.builds.submit(sample_order(), requested_by="x") for _ in range(20)))
    assert len({submission.build.id for submission in submissions}) == 1
    assert [submission.joined for submission in submissions].count(False) == 1
    assert len(await jobs(database)) == 1


async def test_equal_claims_at_the_same_time_give_it_to_one_worker(stores: Stores) -> None:
    build_id = await stores.queued()
    claims = await asyncio.gather(
        *(stores.attempts.claim(build_id, worker=f"w{n}", lease_seconds=LEASE_SECONDS) for n in range(8))
    )
    assert len([claim for claim in claims if claim is not None]) == 1


async def test_sweep_wakes_a_queued_build_that_lost_its_job(stores: Stores, database: Database) -> None:
    build_id = await stores.queued()
    await database.fetch_all("delete from procrastinate_jobs returning id", {})
    assert await stores.sweep() == 1
    assert await jobs(database) == [build_id]
    assert await stores.sweep() == 0


async def test_sweep_wakes_a_running_build_whose_worker_is_gone_once(stores: Stores, database: Database) -> None:
    build_id = await stores.queued()
    await stores.claimed(build_id)
    await database.fetch_all("delete from procrastinate_jobs returning id", {})
    assert await stores.sweep() == 0
    await stores.expire_leases()
    assert [await stores.sweep(), await stores.sweep()] == [1, 0]
    assert await jobs(database) == [build_id]


async def test_log_of_a_finished_attempt_is_kept_compressed_and_its_chunks_are_gone(
    stores: Stores, database: Database
) -> None:
    build_id = await stores.queued()
    claim = await stores.claimed(build_id)
    for _ in range(10):
        await stores.attempts.append_log(claim, b"the same line\n" * 100)
    await stores.attempts.finish(claim, Outcome(status=Status.CANCELLED))
    rows = await database.fetch_all("select octet_length(log_gzip) as size from attempts", {})
    assert rows[0]["size"] < 1000
    assert await database.fetch_all("select 1 from log_chunks", {}) == []
    assert len(await stores.whole_log(build_id)) == 14_000


async def test_watch_wakes_up_when_the_log_grows_without_waiting_for_its_poll(stores: Stores, database_url: str) -> None:
    build_id = await stores.queued()
    claim = await stores.claimed(build_id)
    async with Database(database_url, poll_seconds=3600) as listening, listening.watch(build_id) as changes:
        await anext(changes)

        async def write_until_seen(seen: "asyncio.Task[None]") -> None:
            # The listener may still be connecting when the first piece is written.
            while not seen.done():
                await stores.attempts.append_log(claim, b"x")
                await asyncio.wait({seen}, timeout=0.2)

        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            tasks.create_task(write_until_seen(tasks.create_task(_next(changes))))
    assert await stores.whole_log(build_id)


async def _next(changes: AsyncIterator[None]) -> None:
    await anext(changes)


async def test_database_that_is_away_is_a_typed_error() -> None:
    database = Database("host=/nonexistent user=x dbname=x connect_timeout=1", pool_size=1, wait_seconds=0.2)
    async with database:
        with pytest.raises(DatabaseUnavailableError):
            await database.fetch_one("select 1", {})


async def test_migrating_twice_and_side_by_side_is_no_harm(database_url: str) -> None:
    await asyncio.gather(*(asyncio.to_thread(migrate, database_url) for _ in range(4)))
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        cursor = await connection.execute(b"select count(*) from _yoyo_migration")
        assert await cursor.fetchone() == (1,)
