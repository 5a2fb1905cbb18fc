"""Metrics and statistics from PostgreSQL: the present is counted, the past is kept in totals.

The cost of reading grows with what waits, runs and is listed, not with all that was ever built.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any, Final

from wheelyard.adapters.store.database import Database
from wheelyard.adapters.store.fleet import PostgresFleet
from wheelyard.adapters.store.rows import Row
from wheelyard.domain.builds.metrics import Count, IndexSize, Metrics, QueueDepth, Total
from wheelyard.domain.builds.queue import Lane, Priority
from wheelyard.domain.builds.statistics import (
    DURATION_BOUNDS,
    DayBytes,
    DayCount,
    ProjectBytes,
    ProjectCount,
    SlowBuild,
    Statistics,
)
from wheelyard.domain.index.index import Level

_QUEUE: Final = """
select lane, priority, count(*) filter (where not_before is null and not waiting) as ready,
       count(*) filter (where not_before is not null) as paused,
       count(*) filter (where not_before is null and waiting) as waiting,
       coalesce(extract(epoch from now() - min(created_at) filter (
           where not_before is null and not waiting)), 0)::float8 as oldest
from builds where status = 'queued' group by lane, priority order by lane, priority
"""
_RUNNING: Final = "select lane, count(*) as builds from builds where status = 'running' group by lane order by lane"
_INDEX: Final = """
select level, count(*) filter (where kind = 'wheel') as wheels, coalesce(sum(size_bytes), 0)::bigint as size
from wheels where deleted_at is null group by level order by level
"""
_COUNTERS: Final = """
select name, labels, bucket, sum(count)::bigint as count, sum(amount) as amount
from (select * from totals union all select * from totals_news) all_of_them
group by name, labels, bucket order by name, labels, bucket
"""
_REST: Final = """
select (select count(*) from prebuilds where finished_at is null) as prebuilds,
       pg_database_size(current_database()) as database_bytes
"""
_ADD: Final = b"""
insert into totals_news (name, labels, bucket, count, amount)
values (%(name)s, %(labels)s, %(bucket)s, %(count)s, %(amount)s)
"""
# One statement, so that readers see each row in exactly one of the two tables.
_COMPACT: Final = """
with news as (delete from totals_news returning *), added as (
    insert into totals select name, labels, bucket, sum(count), sum(amount) from news
    group by name, labels, bucket order by name, labels, bucket
    on conflict (name, labels, bucket) do update
        set count = totals.count + excluded.count, amount = totals.amount + excluded.amount
    returning 1)
select count(*) as rows from added
"""


def _count_classes(column: str) -> str:
    """Return SQL that counts a column's values by class of duration, as one array."""
    bounds = (*map(str, DURATION_BOUNDS), "'infinity'")
    counts = (
        f"count(*) filter (where {column} > {lower} and {column} <= {upper})"
        for lower, upper in zip(("'-infinity'", *bounds), bounds, strict=False)
    )
    return f"jsonb_build_array({', '.join(counts)})"


_STATISTICS: Final = f"""
with ended as (
    select id, project, version, status, finished_at,
           extract(epoch from started_at - created_at)::float8 as waited,
           extract(epoch from finished_at - started_at)::float8 as took
    from builds
    where finished_at >= now() - make_interval(days => %(days)s) and status in ('succeeded', 'failed', 'cancelled')
)
select
    (select coalesce(jsonb_agg(one order by one->>'day'), '[]') from (
        select jsonb_build_object(
            'day', (finished_at at time zone 'UTC')::date,
            'succeeded', count(*) filter (where status = 'succeeded'),
            'failed', count(*) filter (where status = 'failed'),
            'cancelled', count(*) filter (where status = 'cancelled')) as one
        from ended group by (finished_at at time zone 'UTC')::date) as days) as days,
    (select {_count_classes("waited")} from ended) as waits,
    (select {_count_classes("took")} from ended where status = 'succeeded') as durations,
    (select coalesce(jsonb_agg(one order by place), '[]') from (
        select row_number() over (order by took desc, id) as place, jsonb_build_object(
            'build_id', id, 'project', project, 'version', version, 'seconds', took) as one
        from ended where took is not null order by took desc, id limit 10) as slow) as slowest,
    (select coalesce(jsonb_agg(one order by place), '[]') from (
        select row_number() over (order by count(*) desc, project) as place, jsonb_build_object(
            'project', project, 'requests', count(*)) as one
        from requests join builds on builds.id = requests.build_id
        where requests.created_at >= now() - make_interval(days => %(days)s)
        group by project order by count(*) desc, project limit 10) as asked) as requested,
    (select coalesce(jsonb_agg(one order by one->>'day'), '[]') from (
        select jsonb_build_object('day', (uploaded_at at time zone 'UTC')::date, 'wheels', count(*),
                                  'size_bytes', sum(size_bytes)) as one
        from wheels where kind = 'wheel' and uploaded_at >= now() - make_interval(days => %(days)s)
        group by (uploaded_at at time zone 'UTC')::date) as added) as published,
    (select coalesce(jsonb_agg(one order by place), '[]') from (
        select row_number() over (order by sum(size_bytes) desc, project) as place, jsonb_build_object(
            'project', project, 'wheels', count(*), 'size_bytes', sum(size_bytes)) as one
        from wheels where kind = 'wheel' and deleted_at is null
        group by project order by sum(size_bytes) desc, project limit 10
        ) as big) as largest,
    (select count(*) from wheels where kind = 'wheel' and deleted_at is null) as wheels,
    (select coalesce(sum(size_bytes), 0)::bigint from wheels where deleted_at is null) as index_bytes,
    (select coalesce(sum(log_size), 0)::bigint from attempts) as log_bytes
"""  # noqa: S608  the classes are our own numbers


class PostgresMetrics:
    """Read and write metrics in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> Metrics:
        """Return the counts of the present and the totals of the past."""
        rest = (await self._database.ask(_REST, {}))[0]
        return Metrics(
            queue=tuple(map(_depth_of, await self._database.ask(_QUEUE, {}))),
            running=tuple((_lane_of(row), row["builds"]) for row in await self._database.ask(_RUNNING, {})),
            index=tuple(map(_size_of, await self._database.ask(_INDEX, {}))),
            unfinished_prebuilds=rest["prebuilds"],
            tallies=tuple(map(_count_of, await self._database.ask(_COUNTERS, {}))),
            workers=await PostgresFleet(self._database).list_workers(),
            database_bytes=rest["database_bytes"],
        )

    async def add(self, tallies: Sequence[Count]) -> None:
        """Insert counts; no transaction waits for another one."""
        async with self._database.transaction() as connection, connection.cursor() as cursor:
            await cursor.executemany(_ADD, list(map(_columns, tallies)))

    async def fold(self) -> None:
        """Compact the counts that were added since the last time."""
        await self._database.fetch_one(_COMPACT, {})

    async def summarise(self, *, days: int) -> Statistics:
        """Return what ended in the last days."""
        row: dict[str, Any] = await self._database.fetch_one(_STATISTICS, {"days": days}) or {}
        return Statistics(
            days=tuple(DayCount(**{**one, "day": date.fromisoformat(one["day"])}) for one in row["days"]),
            waits=tuple(row["waits"]),
            durations=tuple(row["durations"]),
            slowest=tuple(SlowBuild(**one) for one in row["slowest"]),
            requested=tuple(ProjectCount(**one) for one in row["requested"]),
            published=tuple(DayBytes(**{**one, "day": date.fromisoformat(one["day"])}) for one in row["published"]),
            largest=tuple(ProjectBytes(**one) for one in row["largest"]),
            wheels=row["wheels"],
            index_bytes=row["index_bytes"],
            log_bytes=row["log_bytes"],
        )


def _columns(tally: Count) -> Row:
    return {
        "name": tally.name.value,
        "labels": list(tally.labels),
        "bucket": tally.bucket,
        "count": tally.count,
        "amount": tally.amount,
    }


def _lane_of(row: Row) -> Lane:
    architecture, suite, python = row["lane"].split("/")
    return Lane(architecture=architecture, suite=suite, python=python)


def _depth_of(row: Row) -> QueueDepth:
    return QueueDepth(
        lane=_lane_of(row),
        priority=list(Priority)[row["priority"]],
        ready=row["ready"],
        paused=row["paused"],
        waiting=row["waiting"],
        oldest_seconds=row["oldest"],
    )


def _size_of(row: Row) -> IndexSize:
    return IndexSize(level=Level(row["level"]), wheels=row["wheels"], size_bytes=row["size"])


def _count_of(row: Row) -> Count:
    return Count(
        name=Total(row["name"]),
        labels=tuple(row["labels"]),
        bucket=row["bucket"],
        count=row["count"],
        amount=row["amount"],
    )
