"""The PostgreSQL stores keep the contract, and what only a real database can show."""

import asyncio
import gzip
import os
import tracemalloc
from collections.abc import AsyncIterator
from datetime import timedelta

import psycopg
import pytest
from psycopg.types.json import Jsonb
from tests.contract.archive_contract import KEY, PACKED, SharedArchiveStoreContract
from tests.contract.prebuild_contract import sample_prebuild
from tests.contract.samples import sample_order
from tests.contract.store_contract import StoreContract
from tests.contract.stores import LANE, LEASE_SECONDS, MAX_ATTEMPTS, SUCCESS, Stores
from tests.contract.waits_contract import needing, order_of, waiting

from wheelyard.adapters.store.access import PostgresAudit, PostgresTokens
from wheelyard.adapters.store.archives import PostgresArchives
from wheelyard.adapters.store.attempts import PostgresAttempts
from wheelyard.adapters.store.builds import PostgresBuilds
from wheelyard.adapters.store.database import MIGRATIONS, Database, migrate, prefer_order
from wheelyard.adapters.store.fleet import PostgresFleet
from wheelyard.adapters.store.logs import PostgresLogPacking, PostgresLogs
from wheelyard.adapters.store.metrics import PostgresMetrics
from wheelyard.adapters.store.missing_releases import PostgresMissingReleases
from wheelyard.adapters.store.periodic import PostgresPeriodic
from wheelyard.adapters.store.prebuilds import PostgresPrebuilds
from wheelyard.adapters.store.queue import LOCK_FIRST, NEXT_BUILDS, SWEEP_LOCK, PostgresQueue
from wheelyard.adapters.store.recipes import PostgresRecipes
from wheelyard.adapters.store.uploads import PostgresUploads
from wheelyard.adapters.store.wake_ups import ENOUGH_CALLS, BuildQueue
from wheelyard.adapters.store.webhooks import PostgresWebhooks
from wheelyard.adapters.store.wheels import PostgresWheels
from wheelyard.domain.access import OpenLimits
from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.queue import Lane
from wheelyard.domain.builds.records import BuildFilter, Claim, Outcome
from wheelyard.domain.prebuilds.lists import PrebuildFilter
from wheelyard.errors import DatabaseUnavailableError, InvalidRequestError, RecordUnreadableError

TABLES = (
    "totals, totals_news, wheels, index_projects, prebuilds, log_chunks, attempts, requests, builds, sessions, tokens, "
    "audit, workers, "
    "brought_files, brought_chunks, sdists, "
    "periodic_work, image_reports, recipe_revisions, suite_archives, procrastinate_jobs, procrastinate_events"
)
MANY = b"""
insert into builds (id, key, requirement, project, version, sdist, python, platform, builder, recipe_digest, recipe,
                    max_attempts, queued_for, turn)
select gen_random_uuid(), md5(n::text), requirement, project, version, sdist, python, platform, builder, recipe_digest,
       recipe, max_attempts, queued_for, n from builds, generate_series(1, 5000) n where id = %(id)s
"""
LATER = b"""
update builds set not_before = not_before - %(s)s, finished_at = finished_at - %(s)s;
update attempts set finished_at = finished_at - %(s)s;
update workers set started_at = started_at - %(s)s, seen_at = seen_at - %(s)s;
update image_reports set seen_at = seen_at - %(s)s;
update prebuilds set finished_at = finished_at - %(s)s;
update brought_chunks set stored_at = stored_at - %(s)s;
update periodic_work set begun_at = begun_at - %(s)s
"""


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, pool_size=8) as database:
        await clear(database)
        yield database
        await clear(database)


async def clear(database: Database) -> None:
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

    async def pass_time(seconds: float) -> None:
        async with database.transaction() as connection:
            for statement in LATER.split(b";"):
                await connection.execute(statement, {"s": timedelta(seconds=seconds)})

    builds, prebuilds = PostgresBuilds(database, queue, max_attempts=MAX_ATTEMPTS), PostgresPrebuilds(database)

    uploads = PostgresUploads(database, builds, prebuilds)

    def limit(limits: OpenLimits) -> None:
        builds._limits = prebuilds._limits = uploads._limits = limits

    return Stores(
        builds=builds,
        attempts=attempts,
        queue=PostgresQueue(database, queue),
        fleet=PostgresFleet(database),
        periodic=PostgresPeriodic(database),
        logs=PostgresLogs(database),
        figures=PostgresMetrics(database),
        tokens=PostgresTokens(database),
        audit=PostgresAudit(database),
        prebuilds=prebuilds,
        wheels=PostgresWheels(database),
        uploads=uploads,
        needs=PostgresMissingReleases(database, queue, builds),
        outbox=PostgresWebhooks(database),
        recipes=PostgresRecipes(database),
        expire_leases=expire_leases,
        pass_time=pass_time,
        limit=limit,
    )


class TestPostgresStores(StoreContract):
    """The whole contract."""


class TestPostgresArchives(SharedArchiveStoreContract):
    """The contract of archives' indexes."""

    @pytest.fixture
    def store(self, database: Database) -> PostgresArchives:
        return PostgresArchives(database)


async def test_worker_that_dies_while_it_reads_an_archive_blocks_the_others_for_a_while(database: Database) -> None:
    store = PostgresArchives(database)
    dead = store.reading(*KEY)
    assert await dead.__aenter__()
    async with store.reading(*KEY) as ours:
        assert not ours
    async with database.transaction() as connection:
        await connection.execute(b"update suite_archives set reading_until = now() - interval '1 s'")
    async with store.reading(*KEY) as ours:
        assert ours


async def test_index_in_the_format_of_another_release_counts_as_missing(database: Database) -> None:
    store = PostgresArchives(database)
    await store.save(*KEY, PACKED)
    async with database.transaction() as connection:
        await connection.execute(b"update suite_archives set format = 0")
    assert await store.look_up(*KEY) is None
    assert await store.load(*KEY) is None


async def test_clock_that_jumps_forward_costs_nobody_his_build(stores: Stores, database: Database) -> None:
    claim = await stores.claimed(await stores.queued())
    passed = [0.0]  # no time passes for the worker, while a lease does for the database
    queue = PostgresQueue(database, BuildQueue(database.conninfo), lease_seconds=1.0, elapsed=lambda: passed[0])
    assert not (await stores.attempts.beat(claim, lease_seconds=1.0)).cancel_requested
    assert await queue.sweep() == 0
    await asyncio.sleep(1.5)
    assert await queue.sweep() == 0, "the clock has jumped, so the worker gets one lease to beat again"
    assert (await stores.attempts.beat(claim, lease_seconds=1.0)).holds_lease
    await asyncio.sleep(1.5)
    passed[0] = 1.5
    assert await queue.sweep() == 1, "it did not, and this time the clock goes as it should"
    assert not (await stores.attempts.beat(claim, lease_seconds=1.0)).holds_lease


async def test_clock_that_was_ahead_holds_up_no_takeover(stores: Stores, database: Database) -> None:
    await stores.claimed(await stores.queued())
    passed = [0.0]
    queue = PostgresQueue(database, BuildQueue(database.conninfo), lease_seconds=1.0, elapsed=lambda: passed[0])
    await database.fetch_one("update builds set lease_until = now() + interval '1 h' returning id", {})
    assert await queue.sweep() == 0
    passed[0] = 3600.0  # as if the database's clock had been put back by as much
    assert await queue.sweep() == 0
    await asyncio.sleep(1.5)
    passed[0] += 1.5
    assert await queue.sweep() == 1


async def test_server_that_does_not_answer_is_unavailable_in_time(database_url: str) -> None:
    async with Database(database_url, pool_size=1, answer_seconds=0.5) as impatient:
        async with asyncio.timeout(20):
            with pytest.raises(DatabaseUnavailableError):
                await impatient.fetch_one("select pg_sleep(3600)", {})
            with pytest.raises(DatabaseUnavailableError):
                await impatient.ask("select pg_sleep(3600)", {})
        assert await impatient.fetch_one("select 1 as one", {}) == {"one": 1}


async def test_worker_that_falls_silent_in_a_sweep_holds_off_no_other(stores: Stores, database_url: str) -> None:
    await stores.claimed(await stores.queued())
    await stores.expire_leases()

    async def fall_silent(frozen: Database) -> None:
        async with frozen.transaction() as connection:
            await connection.execute(SWEEP_LOCK)
            assert await stores.sweep() == 0
            async with asyncio.timeout(9):  # after 12 seconds it would itself hang up, if it were not frozen
                while await stores.sweep() == 0:  # noqa: ASYNC110  the server tells nobody
                    await asyncio.sleep(0.1)
            await connection.execute(b"select 1")

    async with Database(database_url, answer_seconds=12.0) as frozen:
        with pytest.raises(DatabaseUnavailableError):
            await fall_silent(frozen)
        assert await frozen.fetch_one("select 1 as one", {}) == {"one": 1}


async def calls(database: Database) -> list[str]:
    rows = await database.fetch_all("select queue_name from procrastinate_jobs where status = 'todo' order by id", {})
    return [row["queue_name"] for row in rows]


async def test_build_and_its_wake_up_call_are_one_transaction(stores: Stores, database: Database) -> None:
    await stores.queued()
    assert await calls(database) == [f"builds/{LANE}"]


async def test_many_builds_in_a_lane_lead_to_few_wake_up_calls(stores: Stores, database: Database) -> None:
    for number in range(ENOUGH_CALLS + 5):
        await stores.queued(sample_order(key=f"k{number}"))
    await stores.queued(sample_order(key="other", builder="trixie"))
    assert await calls(database) == [f"builds/{LANE}"] * ENOUGH_CALLS + ["builds/x86_64/trixie/3.13"]


async def test_equal_requests_at_the_same_time_lead_to_one_build(stores: Stores, database: Database) -> None:
    submissions = await asyncio.gather(*(stores.builds.submit(sample_order(), requested_by="x") for _ in range(20)))
    assert len({submission.build.id for submission in submissions}) == 1
    assert [submission.joined for submission in submissions].count(False) == 1
    assert len(await calls(database)) == 1


async def test_equal_claims_at_the_same_time_give_it_to_one_worker(stores: Stores) -> None:
    build_id = await stores.queued()
    claims = await asyncio.gather(
        *(stores.attempts.claim(build_id, worker=f"w{n}", lease_seconds=LEASE_SECONDS) for n in range(8))
    )
    assert len([claim for claim in claims if claim is not None]) == 1


async def test_workers_that_ask_at_the_same_time_get_different_builds(stores: Stores) -> None:
    ids = [await stores.queued(sample_order(key=f"k{n}")) for n in range(8)]
    taken = await asyncio.gather(*(stores.taken(worker=f"w{n}") for n in range(8)))
    assert sorted(build_id for build_id in taken if build_id) == sorted(ids)


async def test_sweep_wakes_a_worker_for_a_build_that_was_lost_once(stores: Stores, database: Database) -> None:
    await stores.claimed(await stores.queued())
    await database.fetch_all("delete from procrastinate_jobs returning id", {})
    assert (await stores.sweep(), await calls(database)) == (0, [])
    await stores.expire_leases()
    assert [await stores.sweep(), await stores.sweep()] == [1, 0]
    assert await calls(database) == [f"builds/{LANE}"]


async def test_sweeps_of_many_workers_at_once_requeue_a_build_once(stores: Stores) -> None:
    await stores.claimed(await stores.queued())
    await stores.expire_leases()
    assert sum(await asyncio.gather(*(stores.sweep() for _ in range(6)))) == 1


async def test_sweep_comes_back_to_builds_that_were_passed_over(stores: Stores, database: Database) -> None:
    """Somebody else held their rows when what they wait for ended: here the end is written by hand."""
    goes_on = await waiting(stores, "goes-on", "made")
    fails = await waiting(stores, "fails", "broken")
    ends = b"update builds set status = %(status)s, finished_at = now() where project = %(project)s"
    async with database.transaction() as connection:
        await connection.execute(ends, {"status": "succeeded", "project": "made"})
        await connection.execute(ends, {"status": "cancelled", "project": "broken"})
    assert [await stores.sweep(), await stores.sweep()] == [2, 0]
    assert await stores.taken() == goes_on
    failure = (await stores.builds.get(fails)).failure
    assert failure is not None
    assert failure.code == "requirement-build-failed"


async def test_build_whose_wait_has_vanished_goes_on(stores: Stores, database: Database) -> None:
    build_id = await waiting(stores, "goes-on", "forgotten")
    await database.fetch_all("delete from build_waits returning build_id", {})
    assert [await stores.sweep(), await stores.sweep()] == [1, 0]
    assert build_id in {await stores.taken(), await stores.taken()}


async def test_ends_at_the_same_time_release_everything_in_the_end(stores: Stores) -> None:
    """Transactions pass over rows that others hold, so that none of them waits for another."""
    waits = [await waiting(stores, f"top{n}", f"left{n % 3}", f"right{n % 4}") for n in range(12)]
    held = []
    while (build_id := await stores.taken()) is not None:
        held.append(await stores.builds.get(build_id))
    done = (
        stores.attempts.finish(Claim(build_id=one.id, attempt=1, worker="worker-1", order=one.order), SUCCESS)
        for one in held
    )
    async with asyncio.timeout(60):
        assert all(await asyncio.gather(*done))
        await stores.sweep()
    assert {await stores.taken() for _ in waits} == set(waits)


async def test_two_builds_that_come_to_need_each_other_at_the_same_time_do_not_wait_for_ever(stores: Stores) -> None:
    left, right = await needing(stores, "left", "right"), await needing(stores, "right", "left")
    first, second = await stores.needs.open_dependencies()
    await asyncio.gather(stores.needs.supply(first, order_of("right")), stores.needs.supply(second, order_of("left")))
    ended = [await stores.builds.get(one) for one in (left, right)]
    assert {build.status for build in ended} == {Status.FAILED}
    assert "requirement-cycle" in {build.failure.code for build in ended if build.failure}


@pytest.mark.parametrize("former", [None, "queued", "failed"])
async def test_claim_reads_the_beginning_of_an_index_however_many_builds_wait(
    stores: Stores, database: Database, former: str | None
) -> None:
    """What a plan touches is counted, because time says little on a busy machine.

    The planner's statistics may be those of a table that was empty, or that had one build of whatever status.
    """
    if former is not None:
        await stores.queued()
        async with database.transaction() as connection:
            await connection.execute(b"update builds set status = %(status)s", {"status": former})
    async with database.transaction() as connection:
        await connection.execute(b"analyze builds")
    await clear(database)
    first = await stores.queued(sample_order(key="first"))
    await stores.builds.submit(sample_order(key="second"), requested_by="somebody else")
    async with database.transaction() as connection:
        await connection.execute(MANY, {"id": first})
        await prefer_order(connection)
        values = {"lanes": [str(LANE)], "memory": 1 << 40}
        ids = [row["id"] for row in await (await connection.execute(NEXT_BUILDS, values)).fetchall()]
        for statement, parameters in ((NEXT_BUILDS, values), (LOCK_FIRST, {"ids": ids})):
            cursor = await connection.execute(b"explain (analyze, buffers, format json) " + statement, parameters)
            plan = (await cursor.fetchall())[0]["QUERY PLAN"][0]["Plan"]
            assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] < 100


async def test_log_of_a_finished_attempt_is_kept_compressed_and_its_chunks_are_gone(
    stores: Stores, database: Database
) -> None:
    build_id = await stores.queued()
    claim = await stores.claimed(build_id)
    for _ in range(10):
        await stores.attempts.append_log(claim, b"the same line\n" * 100)
    await stores.attempts.finish(claim, Outcome(status=Status.CANCELLED))
    await PostgresLogPacking(database)()
    (piece,) = await database.fetch_all("select octet_length(data) as size from log_pieces", {})
    assert piece["size"] < 1000
    assert await database.fetch_all("select 1 from log_chunks", {}) == []
    assert len(await stores.whole_log(build_id)) == 14_000


async def written_log(stores: Stores, pieces: list[bytes]) -> str:
    """Let an attempt write a log and end."""
    build_id = await stores.queued()
    claim = await stores.claimed(build_id)
    for piece in pieces:
        assert await stores.attempts.append_log(claim, piece)
    assert await stores.attempts.finish(claim, Outcome(status=Status.CANCELLED))
    return build_id


async def test_log_reads_the_same_however_far_it_is_packed(stores: Stores, database: Database) -> None:
    pieces = [bytes([n % 251]) * 250_000 for n in range(12)]
    log = b"".join(pieces)
    build_id = await written_log(stores, pieces)
    packing = PostgresLogPacking(database)
    assert await packing._pack_piece(), "of about three"
    for _ in range(2):
        assert await stores.whole_log(build_id) == log
        for offset in (0, 1, 999_999, 1_250_000, 1_250_001, len(log) - 1, len(log), len(log) + 5):
            part = await stores.logs.read(build_id, offset=offset)
            assert part.data == log[offset : offset + len(part.data)]
            assert part.data or offset >= len(log)
            assert part.finished == (offset + len(part.data) >= len(log))
        await packing()
    assert await database.fetch_all("select 1 from log_chunks", {}) == []
    assert len(await database.fetch_all("select 1 from log_pieces", {})) == 3


async def test_running_attempts_log_is_left_alone(stores: Stores, database: Database) -> None:
    build_id = await stores.queued()
    assert await stores.attempts.append_log(await stores.claimed(build_id), b"so far")
    await PostgresLogPacking(database)()
    assert await database.fetch_all("select 1 from log_pieces", {}) == []
    assert await stores.whole_log(build_id) == b"so far"


async def test_reader_of_the_middle_needs_nothing_else(stores: Stores, database: Database) -> None:
    build_id = await written_log(stores, [bytes([n]) * 250_000 for n in range(20)])
    await PostgresLogPacking(database)()
    middle = "select start from log_pieces order by start offset 2 limit 1"
    (place,) = await database.fetch_all(middle, {})
    await database.fetch_all("delete from log_pieces where start <> %(start)s returning start", place)
    part = await stores.logs.read(build_id, offset=place["start"] + 10)
    assert (part.data[:1], len(part.data) > 500_000) == (bytes([place["start"] // 250_000]), True)


async def test_log_that_was_compressed_as_a_whole_is_read_in_parts(stores: Stores, database: Database) -> None:
    build_id = await written_log(stores, [])
    log = os.urandom(3_000_000)
    values = {"log": gzip.compress(log), "id": build_id}
    await database.fetch_one("update attempts set log_gzip = %(log)s where build_id = %(id)s returning number", values)
    assert await stores.whole_log(build_id) == log
    part = await stores.logs.read(build_id, offset=2_500_000)
    assert (part.data, part.finished) == (log[2_500_000 : 2_500_000 + len(part.data)], len(part.data) == 500_000)


async def test_long_log_is_written_packed_and_read_in_little_memory(stores: Stores, database: Database) -> None:
    block = os.urandom(128 << 10) + bytes(128 << 10)
    tracemalloc.start()
    try:
        build_id = await written_log(stores, [block] * 160)
        await PostgresLogPacking(database)()
        size = 0
        while data := (await stores.logs.read(build_id, offset=size)).data:
            size += len(data)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size == 40 << 20
    assert most < 12 << 20


async def test_watch_wakes_up_when_the_log_grows_without_waiting_for_its_poll(
    stores: Stores, database_url: str
) -> None:
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


@pytest.mark.parametrize("query", ["select %(text)s::text", "select %(json)s::jsonb"])
async def test_text_that_no_column_holds_is_the_callers_error(database: Database, query: str) -> None:
    values = {"text": "a\0b", "json": '"a\\u0000b"'}
    with pytest.raises(InvalidRequestError, match="the database cannot hold a value of it"):
        await database.fetch_one(query, values)
    with pytest.raises(InvalidRequestError, match="the database cannot hold a value of it"):
        await database.ask(query, values)
    assert await database.fetch_one("select 1 as one", {}) == {"one": 1}


async def test_migrating_twice_and_side_by_side_is_no_harm(database_url: str) -> None:
    await asyncio.gather(*(asyncio.to_thread(migrate, database_url) for _ in range(4)))
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        cursor = await connection.execute(b"select count(*) from _yoyo_migration")
        assert await cursor.fetchone() == (len(list(MIGRATIONS.glob("*.sql"))),)


@pytest.mark.parametrize(
    "change",
    [
        b"platform = 'manylinux_2_x86_64_of_an_older_version'",
        b"python = '3'",
        b"recipe = '[1]'",
        b"sdist = '{}'",
        b"recipe = jsonb_set(recipe, '{cpus}', '\"many\"')",
    ],
)
async def test_build_that_cannot_be_read_fails_and_hinders_no_other(
    stores: Stores, database: Database, change: bytes
) -> None:
    broken = await stores.queued(sample_order(key="broken"))
    waiting = await stores.queued(sample_order(key="waiting"))
    whole = await stores.queued(sample_order(key="whole"))
    async with database.transaction() as connection:
        await connection.execute(b"update builds set %b where id = %%(id)s" % change, {"id": broken})
        lane = await (await connection.execute(b"select lane from builds where id = %(id)s", {"id": broken})).fetchone()
        await connection.execute(
            b"insert into build_waits (build_id, project, version, for_build_id) values (%(id)s, 'a', '1', %(for)s)",
            {"id": waiting, "for": broken},
        )
        await connection.execute(b"update builds set waiting = true where id = %(id)s", {"id": waiting})
    assert lane is not None
    architecture, suite, python = lane["lane"].split("/")
    lanes = (Lane(architecture=architecture, suite=suite, python=python), LANE)
    assert await stores.taken(lanes=lanes) is None
    assert await stores.taken(lanes=lanes) == whole
    async with database.transaction() as connection:
        rows = await (await connection.execute(b"select id::text, status, failure from builds")).fetchall()
    found = {row["id"]: (row["status"], (row["failure"] or {}).get("code")) for row in rows}
    assert found[broken] == ("failed", "record-unreadable")
    assert found[waiting][0] == "failed"
    listed = {one.id for one in (await stores.builds.list_builds(BuildFilter())).builds}
    assert listed >= {waiting, whole}
    if change.startswith((b"platform", b"python")):
        assert broken not in listed
    with pytest.raises(RecordUnreadableError, match=broken):
        await stores.builds.get(broken)
    assert (await stores.queue.read(limit=10)).total == 0


async def test_build_that_waits_and_cannot_be_read_fails(stores: Stores, database: Database) -> None:
    broken = await needing(stores, "a", "x")
    whole = await needing(stores, "b", "x")
    async with database.transaction() as connection:
        await connection.execute(b"update builds set platform = 'x' where id = %(id)s", {"id": broken})
    assert {need.build_id for need in await stores.needs.open_dependencies()} == {whole}
    row = await database.fetch_one("select status, failure from builds where id = %(id)s", {"id": broken})
    assert row is not None
    assert (row["status"], row["failure"]["code"]) == ("failed", "record-unreadable")


@pytest.mark.parametrize(
    "change",
    [
        b'targets = \'[["3", "manylinux_2_36_x86_64"]]\'',
        b"targets = '5'",
        b"skipped = '[{}]'",
        b"prefer = 'other'",
    ],
)
async def test_request_that_cannot_be_read_ends_and_hinders_no_other(
    stores: Stores, database: Database, change: bytes
) -> None:
    for number in (1, 2):
        await stores.prebuilds.create(sample_prebuild(number))
    broken = sample_prebuild(1).id
    async with database.transaction() as connection:
        await connection.execute(b"alter table prebuilds drop constraint if exists prebuilds_prefer_check")
        await connection.execute(b"update prebuilds set %b where id = %%(id)s" % change, {"id": broken})
    turn = await stores.prebuilds.claim(lease_seconds=60)
    assert turn is not None
    assert turn.prebuild.id == sample_prebuild(2).id
    assert await stores.prebuilds.claim(lease_seconds=60) is None
    assert [one.id for one in await stores.prebuilds.list_prebuilds(limit=9)] == [turn.prebuild.id]
    page = await PostgresPrebuilds(database).page(PrebuildFilter(limit=1))
    assert ([one.id for one in page.prebuilds], page.next_before) == ([turn.prebuild.id], turn.prebuild.id)
    page = await PostgresPrebuilds(database).page(PrebuildFilter(before=page.next_before))
    assert [one.id for one in page.prebuilds] == [broken]
    with pytest.raises(RecordUnreadableError, match=broken):
        await stores.prebuilds.get(broken)


@pytest.mark.parametrize("item", [b"'{}'", b"'[1]'", b"jsonb_set(item, '{status}', '\"other\"')"])
async def test_request_whose_items_cannot_be_read_is_left_out_of_the_list(
    stores: Stores, database: Database, item: bytes
) -> None:
    for number in (1, 2):
        await stores.prebuilds.create(sample_prebuild(number))
    broken, whole = sample_prebuild(2).id, sample_prebuild(1).id
    async with database.transaction() as connection:
        await connection.execute(
            b"update prebuild_items set item = %b where prebuild_id = %%(id)s" % item, {"id": broken}
        )
    page = await PostgresPrebuilds(database).page(PrebuildFilter(limit=1))
    assert (page.prebuilds, page.next_before) == ((), broken)
    page = await PostgresPrebuilds(database).page(PrebuildFilter(before=broken))
    assert [one.id for one in page.prebuilds] == [whole]
    with pytest.raises(RecordUnreadableError, match=broken):
        await stores.prebuilds.get(broken)


async def test_platform_that_an_older_release_took_is_read_and_has_few_tags(stores: Stores, database: Database) -> None:
    stored = sample_prebuild()
    await stores.prebuilds.create(stored)
    async with database.transaction() as connection:
        await connection.execute(
            b"update prebuilds set targets = %(targets)s where id = %(id)s",
            {"targets": Jsonb([["3.13", "manylinux_2_400000_x86_64"]]), "id": stored.id},
        )
    turn = await stores.prebuilds.claim(lease_seconds=60)
    assert turn is not None
    assert len(turn.prebuild.targets[0].tags()) < 5000
