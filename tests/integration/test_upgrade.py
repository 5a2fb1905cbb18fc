"""An upgrade keeps what is there: rows as the first release left them, on its schema, read by the stores of today."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import psycopg
import psycopg.conninfo
import pytest
import yoyo
from procrastinate.schema import SchemaManager
from tests.contract.stores import LEASE_SECONDS

from wheelyard.adapters.store.access import PostgresTokens
from wheelyard.adapters.store.attempts import PostgresAttempts
from wheelyard.adapters.store.builds import PostgresBuilds
from wheelyard.adapters.store.database import MIGRATIONS, Database, _yoyo_url, migrate
from wheelyard.adapters.store.wake_ups import BuildQueue
from wheelyard.adapters.store.wheels import PostgresWheels
from wheelyard.domain.access import Scope
from wheelyard.domain.builds.build import Status
from wheelyard.usecases.tokens import Tokens

NAME: Final = "upgraded"
DONE, WAITING = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
FILENAME: Final = "pyyaml-6.0.3-1.bookworm-cp313-cp313-manylinux_2_17_x86_64.whl"
SECRET: Final = "wy_from-before"
WHEEL: Final = {
    "filename": FILENAME,
    "sha256": "ab" * 32,
    "size_bytes": 4711,
    "tag": "cp313-cp313-manylinux_2_17_x86_64",
    "tag_before_repair": "cp313-cp313-linux_x86_64",
    "policy": "manylinux_2_17_x86_64",
    "url": f"http://127.0.0.1:3141/wheels/prod/+f/abc/{FILENAME}",
    "index_url": "http://127.0.0.1:3141/wheels/prod/+simple/",
    "is_pure": False,
    "grafted": [],
    "extensions": ["yaml._yaml"],
    "imported_modules": ["yaml", "yaml._yaml"],
    "build_requirements": [{"filename": "setuptools-80.9.0-py3-none-any.whl", "sha256": "ef" * 32}],
    "builder_image": "sha256:01",
    "runtime_image": "sha256:02",
    "policy_reason": None,
    "warnings": [],
}
BUILD: Final = b"""
insert into builds (id, key, requirement, project, version, sdist, python, platform, builder, recipe_digest, recipe,
                    status, attempt, max_attempts, wheel, finished_at)
values (%(id)s, %(key)s, 'pyyaml', 'pyyaml', '6.0.3', %(sdist)s, '3.13', 'manylinux_2_36_x86_64', 'bookworm', 'd', '{}',
        %(status)s, %(attempt)s, 5, %(wheel)s, case when %(wheel)s::jsonb is not null then now() end)
"""
REST: Final = b"""
insert into attempts (build_id, number, worker, status) values (%(done)s, 1, 'old-worker', 'succeeded');
insert into requests (build_id, requirement, requested_by, joined) values (%(done)s, 'pyyaml', 'somebody', false);
insert into tokens (id, name, secret_digest) values (gen_random_uuid(), 'from before', %(digest)s)
"""


@pytest.fixture
async def upgraded(database_url: str) -> AsyncIterator[Database]:
    """Give a database that was on the first release's schema, with its rows, and was then brought up to date."""
    url = psycopg.conninfo.make_conninfo(database_url, dbname=NAME)
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as admin:
        await admin.execute(f"create database {NAME}".encode())
        try:
            await asyncio.to_thread(_first_release, url)
            await _fill(url)
            await asyncio.to_thread(migrate, url)
            async with Database(url, pool_size=2) as database:
                yield database
        finally:
            await admin.execute(f"drop database {NAME} with (force)".encode())


def _first_release(url: str) -> None:
    backend = yoyo.get_backend(_yoyo_url(url))
    (first,) = (migration for migration in yoyo.read_migrations(str(MIGRATIONS)) if migration.id == "0001.initial")
    backend.apply_migrations(yoyo.migrations.MigrationList([first]))
    backend.connection.close()
    with psycopg.connect(url) as connection:
        connection.execute(SchemaManager.get_schema().encode())
        connection.execute(b"create index on procrastinate_jobs ((args->>'build_id'))")


async def _fill(url: str) -> None:
    sdist = json.dumps(
        {"filename": "pyyaml-6.0.3.tar.gz", "url": "http://files.example/p", "sha256": "cd" * 32, "size_bytes": 130611}
    )
    done = {
        "id": DONE,
        "key": "a" * 64,
        "sdist": sdist,
        "status": "succeeded",
        "attempt": 1,
        "wheel": json.dumps(WHEEL),
    }
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute(BUILD, done)
        waiting = {"id": WAITING, "key": "b" * 64, "status": "queued", "attempt": 0, "wheel": None}
        await connection.execute(BUILD, {**done, **waiting})
        values = {"done": DONE, "digest": hashlib.sha256(SECRET.encode()).hexdigest()}
        for statement in REST.split(b";"):
            await connection.execute(
                statement, {key: values[key] for key in values if f"%({key})".encode() in statement}
            )


async def test_builds_wheels_tokens_and_the_queue_of_the_first_release_go_on(upgraded: Database) -> None:
    queue = BuildQueue(upgraded.conninfo)
    builds = PostgresBuilds(upgraded, queue, max_attempts=3)

    done = await builds.get(DONE)
    assert (done.status, done.wheel and done.wheel.sha256) == (Status.SUCCEEDED, WHEEL["sha256"])
    listed = await PostgresWheels(upgraded).find(FILENAME)
    assert listed is not None
    assert listed.sha256 == WHEEL["sha256"]
    claim = await PostgresAttempts(upgraded, queue).claim(WAITING, worker="w", lease_seconds=LEASE_SECONDS)
    assert claim is not None
    tokens = Tokens(store=PostgresTokens(upgraded), new_secret=lambda: "unused")
    assert (await tokens.authenticate(f"Bearer {SECRET}")).scope is Scope.ADMIN


async def test_queue_of_an_older_procrastinate_gets_its_migrations(database_url: str) -> None:
    url = psycopg.conninfo.make_conninfo(database_url, dbname=NAME)
    async with await psycopg.AsyncConnection.connect(database_url, autocommit=True) as admin:
        await admin.execute(f"create database {NAME}".encode())
        try:
            await asyncio.to_thread(_older_queue, url)
            await asyncio.to_thread(migrate, url)
            await asyncio.to_thread(migrate, url)
            async with Database(url, pool_size=2) as database:
                written = await database.fetch_all("select name from queue_migrations order by name", {})
                added = await database.fetch_all("select to_regproc('procrastinate_retry_job_v2')::text as name", {})
        finally:
            await admin.execute(f"drop database {NAME} with (force)".encode())
    assert [row["name"][:8] for row in written] == ["03.03.00", "03.04.00", "03.04.00"]
    assert added == [{"name": "procrastinate_retry_job_v2"}]


def _older_queue(url: str) -> None:
    """Leave the queue as procrastinate 3.3 has it."""
    shipped = sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"))
    older = [file for file in shipped if file.name < "03.04"]
    with psycopg.connect(url, autocommit=True) as connection:
        for file in older:
            connection.execute(file.read_bytes())
        connection.execute(b"create table queue_migrations (name text primary key)")
        connection.execute(b"insert into queue_migrations values (%s)", [older[-1].name])


async def test_second_upgrade_changes_nothing(upgraded: Database) -> None:
    before = await upgraded.fetch_all("select * from builds order by sequence", {})
    await asyncio.to_thread(migrate, upgraded.conninfo)
    assert await upgraded.fetch_all("select * from builds order by sequence", {}) == before
