"""Statistics from PostgreSQL, in one statement, so that all figures are of one moment. Must not change anything."""

from datetime import date
from typing import Any, Final

from wheelyard.adapters.store.database import Database
from wheelyard.domain.builds.statistics import (
    DURATION_BOUNDS,
    DayBytes,
    DayCount,
    ProjectBytes,
    ProjectCount,
    SlowBuild,
    Statistics,
)


def _count_classes(column: str) -> str:
    """Write the counts of a column's values by class of duration, as one array."""
    bounds = (*map(str, DURATION_BOUNDS), "'infinity'")
    counts = (
        f"count(*) filter (where {column} > {lower} and {column} <= {upper})"
        for lower, upper in zip(("'-infinity'", *bounds), bounds, strict=False)
    )
    return f"jsonb_build_array({', '.join(counts)})"


_QUERY: Final = f"""
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
        from wheels where uploaded_at >= now() - make_interval(days => %(days)s)
        group by (uploaded_at at time zone 'UTC')::date) as added) as published,
    (select coalesce(jsonb_agg(one order by place), '[]') from (
        select row_number() over (order by sum(size_bytes) desc, project) as place, jsonb_build_object(
            'project', project, 'wheels', count(*), 'size_bytes', sum(size_bytes)) as one
        from wheels where deleted_at is null group by project order by sum(size_bytes) desc, project limit 10
        ) as big) as largest,
    (select count(*) from wheels where deleted_at is null) as wheels,
    (select coalesce(sum(size_bytes), 0)::bigint from wheels where deleted_at is null) as index_bytes,
    (select coalesce(sum(log_size), 0)::bigint from attempts) as log_bytes
"""  # noqa: S608  the classes are our own numbers


class PostgresStatistics:
    """The StatisticsStore on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def summarise(self, *, days: int) -> Statistics:
        """Count what ended in the last days."""
        row: dict[str, Any] = await self._database.fetch_one(_QUERY, {"days": days}) or {}
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
