"""Lists of prebuilds in PostgreSQL, with how many of their items stand where. Must not change any."""

import uuid
from typing import Final

from wheelyard.adapters.store.database import Database
from wheelyard.adapters.store.rows import Row, readable
from wheelyard.domain.builds.records import MAX_PAGE_SIZE
from wheelyard.domain.prebuilds.lists import PrebuildFilter, PrebuildPage, PrebuildSummary
from wheelyard.domain.prebuilds.prebuild import ItemStatus
from wheelyard.errors import NotFoundError

_LIST: Final = """
select p.id, p.requested_by, p.created_at, p.finished_at, p.cancelled,
       case jsonb_typeof(p.targets) when 'array' then jsonb_array_length(p.targets) else 0 end as targets,
       (select coalesce(jsonb_object_agg(status, amount), '{}') from (
            select coalesce(item->>'status', '') as status, count(*) as amount from prebuild_items i
            where i.prebuild_id = p.id group by 1) as counted) as counts
from prebuilds p
where (%(state)s::text is null or %(state)s = case when p.cancelled then 'cancelled'
       when p.finished_at is null then 'open' else 'done' end)
  and (%(first)s::uuid is null or p.id between %(first)s::uuid and %(last)s::uuid)
  and (%(before)s::uuid is null or p.sequence < (select sequence from prebuilds where id = %(before)s))
order by p.sequence desc limit %(limit)s
"""


class PostgresPrebuildLists:
    """The PrebuildLists on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, wanted: PrebuildFilter) -> PrebuildPage:
        """List prebuilds, newest first; one row more than asked for tells whether there is a next page."""
        limit = min(wanted.limit, MAX_PAGE_SIZE)
        parameters: Row = {
            "state": wanted.state and wanted.state.value,
            "first": wanted.ids and wanted.ids.first,
            "last": wanted.ids and wanted.ids.last,
            "before": None,
            "limit": limit + 1,
        }
        if wanted.before is not None:
            try:
                parameters["before"] = uuid.UUID(wanted.before)
            except ValueError as error:
                raise NotFoundError(kind="request", name=wanted.before) from error
        rows = await self._database.fetch_all(_LIST, parameters)
        shown = readable("request", rows[:limit], _summary_of)
        return PrebuildPage(prebuilds=shown, next_before=str(rows[limit - 1]["id"]) if len(rows) > limit else None)


def _summary_of(row: Row) -> PrebuildSummary:
    counts = {ItemStatus(status): amount for status, amount in row["counts"].items()}
    return PrebuildSummary(**{**row, "id": str(row["id"]), "counts": counts})
