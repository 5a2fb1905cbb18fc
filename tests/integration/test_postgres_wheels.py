"""The wheels in PostgreSQL keep the contract, and an older database is brought up to date."""

import json
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict
from pathlib import Path

import psycopg
import psycopg.conninfo
import pytest
import yoyo
from tests.contract.samples import TARGET, sample_wheel
from tests.contract.sdist_contract import SdistContract
from tests.contract.wheel_contract import WheelContract, WheelStores
from tests.fakes.index import MemoryIndex
from tests.fakes.sources import MemorySourceIndex
from tests.unit.pipeline_harness import PURE_TAGGED, make_wheel

from wheelyard.adapters.store import database as database_module
from wheelyard.adapters.store.access import PostgresAudit
from wheelyard.adapters.store.attempts import PostgresAttempts
from wheelyard.adapters.store.builds import PostgresBuilds
from wheelyard.adapters.store.database import Database, migrate
from wheelyard.adapters.store.wake_ups import BuildQueue
from wheelyard.adapters.store.wheels import PostgresSdists, PostgresWheels, record_sdist
from wheelyard.assembly.index import IndexBackends
from wheelyard.assembly.prebuilds import mirror_wheel
from wheelyard.domain.index.index import Level
from wheelyard.domain.index.sdists import BroughtSdist
from wheelyard.errors import IndexConflictError

TABLES = (
    "index_report, audit, sdists, wheels, index_projects, log_chunks, attempts, requests, builds, "
    "procrastinate_jobs, procrastinate_events"
)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    async with Database(database_url, pool_size=4) as database:
        await clear(database)
        yield database
        await clear(database)


async def clear(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute(f"truncate {TABLES} cascade".encode())


@pytest.fixture
def wheel_stores(database: Database) -> WheelStores:
    wheels, queue = PostgresWheels(database), BuildQueue(database.conninfo)

    async def forget_metadata(filename: str) -> None:
        statement = "update wheels set metadata = null where filename = %(filename)s returning 1"
        assert await database.fetch_all(statement, {"filename": filename})

    async def bring(sdist: BroughtSdist) -> BroughtSdist:
        async with database.transaction() as connection:
            return await record_sdist(connection, sdist)

    return WheelStores(
        wheels=wheels,
        sdists=PostgresSdists(database),
        bring=bring,
        builds=PostgresBuilds(database, queue, max_attempts=3),
        attempts=PostgresAttempts(database, queue),
        audit=PostgresAudit(database),
        forget_metadata=forget_metadata,
    )


async def test_mirrored_wheel_never_takes_a_name_that_other_bytes_had(
    wheel_stores: WheelStores, database: Database, tmp_path: Path
) -> None:
    await wheel_stores.publish(PURE_TAGGED)
    await wheel_stores.wheels.delete(PURE_TAGGED, by="alice")
    source, held = MemorySourceIndex(tmp_path), MemoryIndex()
    file = source.add(PURE_TAGGED, make_wheel(PURE_TAGGED))
    backends = IndexBackends(indexes={Level.PROD: held}, storage=held)
    mirror = mirror_wheel(database, source, backends)
    with pytest.raises(IndexConflictError):
        await mirror(file, TARGET)
    assert list(held.filenames()) == []


class TestPostgresWheels(WheelContract):
    """The whole contract."""


class TestPostgresSdists(SdistContract):
    """The whole contract."""


@pytest.fixture
def older_database(database_url: str) -> Iterator[str]:
    """Give a database as it was before there were wheels."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("create database older")
    url = psycopg.conninfo.make_conninfo(database_url, dbname="older")
    backend = yoyo.get_backend(database_module._yoyo_url(url))
    first = [one for one in yoyo.read_migrations(str(database_module.MIGRATIONS)) if one.id == "0001.initial"]
    backend.apply_migrations(backend.to_apply(yoyo.migrations.MigrationList(first)))
    backend.connection.close()
    yield url
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("drop database older with (force)")


async def test_builds_that_had_published_before_are_on_the_index(older_database: str) -> None:
    wheel = asdict(sample_wheel())
    del wheel["level"]
    with psycopg.connect(older_database, autocommit=True) as connection:
        for status, document in (("succeeded", wheel), ("failed", None)):
            connection.execute(
                "insert into builds (id, key, requirement, project, version, sdist, python, platform, builder,"
                " recipe_digest, recipe, max_attempts, status, wheel) values"
                " (%s, %s, 'pyyaml', 'pyyaml', '6.0.3', '{}', '3.13', 'manylinux_2_36_x86_64', 'bookworm', '', '{}',"
                " 3, %s, %s)",
                (uuid.uuid4(), status, status, None if document is None else json.dumps(document)),
            )

    migrate(older_database)

    async with Database(older_database, pool_size=2) as database:
        wheels = PostgresWheels(database)
        (found,) = await wheels.wheels_of("pyyaml")
        assert (found.filename, found.sha256, found.level) == (wheel["filename"], wheel["sha256"], Level.PROD)
        assert (found.url, found.metadata_sha256) == (wheel["url"], None)
        assert await wheels.names(level=Level.PROD) == ("pyyaml",)
        assert (await wheels.changes(0)).projects == {"pyyaml"}
