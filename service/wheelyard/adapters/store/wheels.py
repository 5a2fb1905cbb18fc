"""What is on our index, in PostgreSQL, for those who read it. Must not change it."""

from collections.abc import Collection
from typing import Final

from wheelyard.adapters.store.database import Database
from wheelyard.adapters.store.wheel_rows import COLUMNS, Row, find, wheel_of
from wheelyard.domain.builds.records import MAX_PAGE_SIZE
from wheelyard.domain.index.index import Level
from wheelyard.domain.index.wheels import (
    IndexChanges,
    IndexedWheel,
    ProjectFilter,
    ProjectPage,
    ProjectSummary,
    WheelFilter,
    WheelOrigin,
    WheelPage,
)
from wheelyard.errors import NotFoundError

_CHANGES: Final = "select name, serial from index_projects where serial > %(since)s"
_NAMES: Final = """
select name from index_projects p
where exists (select from wheels w where w.project = p.name and w.deleted_at is null
              and (w.level = 'prod' or %(level)s = 'staging') and (w.origin <> 'mirrored' or not %(own_only)s))
order by name
"""
_OF_PROJECT: Final = f"select {COLUMNS} from wheels where project = %(project)s order by sequence"  # noqa: S608
_VERSIONS: Final = (
    "select distinct project, version from wheels where project = any(%(projects)s) and deleted_at is null"
)
_OF_RELEASES: Final = f"""
select {COLUMNS} from wheels
where project = any(%(projects)s) and deleted_at is null
  and (project, version) in (select * from unnest(%(projects)s::text[], %(versions)s::text[]))
order by sequence
"""  # noqa: S608  (constants)
_METADATA: Final = "select metadata from wheels where filename = %(filename)s and deleted_at is null"
_LIST: Final = f"""
select {COLUMNS} from wheels
where (%(project)s::text is null or project = %(project)s) and (%(level)s::text is null or level = %(level)s)
  and (%(origin)s::text is null or origin = %(origin)s)
  and (%(standing)s::text is null or %(standing)s = case when deleted_at is not null then 'deleted'
       when yanked_at is not null then 'yanked' else 'offered' end)
  and (%(before)s::text is null or sequence < (select sequence from wheels where filename = %(before)s))
order by sequence desc limit %(limit)s
"""  # noqa: S608  (constants)
# A look-up for each project that is shown: what it costs does not depend on how many there are. The names are in the
# order of the C collation, the wheels' index in the default one.
_PROJECTS: Final = """
select p.name, found.releases, found.wheels, found.origins, found.newest_upload_at
from index_projects p cross join lateral (
    select count(distinct w.version) as releases, count(*) as wheels,
           array_agg(distinct w.origin order by w.origin) as origins, max(w.uploaded_at) as newest_upload_at
    from wheels w where w.project = p.name collate "default" and w.deleted_at is null
) as found
where found.wheels > 0 and (%(after)s::text is null or p.name > %(after)s) and starts_with(p.name, %(prefix)s)
order by p.name limit %(limit)s
"""


class PostgresWheels:
    """The WheelStore and the WheelLists on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def changes(self, since: int) -> IndexChanges:
        """Look which pages have changed; the index on the serial makes that cheap when there are none."""
        rows = await self._database.ask(_CHANGES, {"since": since})
        serial = max((row["serial"] for row in rows), default=since)
        return IndexChanges(serial=serial, projects=frozenset(row["name"] for row in rows))

    async def names(self, *, level: Level, own_only: bool = False) -> tuple[str, ...]:
        """Name every project that has a wheel at this level or above."""
        rows = await self._database.fetch_all(_NAMES, {"level": level.value, "own_only": own_only})
        return tuple(row["name"] for row in rows)

    async def wheels_of(self, project: str) -> tuple[IndexedWheel, ...]:
        """Read all of a project's wheels, deleted ones too, the oldest upload first."""
        rows = await self._database.ask(_OF_PROJECT, {"project": project})
        return tuple(map(wheel_of, rows))

    async def versions_of(self, projects: Collection[str]) -> frozenset[tuple[str, str]]:
        """Read which versions of some projects have a wheel."""
        rows = await self._database.fetch_all(_VERSIONS, {"projects": list(projects)})
        return frozenset((row["project"], row["version"]) for row in rows)

    async def wheels_of_releases(self, releases: Collection[tuple[str, str]]) -> tuple[IndexedWheel, ...]:
        """Read the wheels of some projects' versions."""
        wanted = {"projects": [project for project, _ in releases], "versions": [version for _, version in releases]}
        return tuple(map(wheel_of, await self._database.fetch_all(_OF_RELEASES, wanted)))

    async def find(self, filename: str) -> IndexedWheel:
        """Read one wheel."""
        return await find(self._database, filename)

    async def metadata_of(self, filename: str) -> bytes:
        """Read a wheel's METADATA."""
        row = await self._database.fetch_one(_METADATA, {"filename": filename})
        if row is None or row["metadata"] is None:
            raise NotFoundError(kind="metadata", name=filename)
        return bytes(row["metadata"])

    async def list_wheels(self, wanted: WheelFilter) -> WheelPage:
        """List wheels, newest first; one row more than asked for tells whether there is a next page."""
        limit = min(wanted.limit, MAX_PAGE_SIZE)
        parameters: Row = {
            "project": wanted.project,
            "origin": wanted.origin and wanted.origin.value,
            "level": wanted.level and wanted.level.value,
            "standing": wanted.standing and wanted.standing.value,
            "before": wanted.before,
            "limit": limit + 1,
        }
        wheels = tuple(map(wheel_of, await self._database.fetch_all(_LIST, parameters)))
        next_before = wheels[limit - 1].filename if len(wheels) > limit else None
        return WheelPage(wheels=wheels[:limit], next_before=next_before)

    async def list_projects(self, wanted: ProjectFilter) -> ProjectPage:
        """List projects by name."""
        limit = min(wanted.limit, MAX_PAGE_SIZE)
        parameters: Row = {"after": wanted.after, "prefix": wanted.prefix, "limit": limit + 1}
        rows = await self._database.fetch_all(_PROJECTS, parameters)
        projects = tuple(ProjectSummary(**{**row, "origins": tuple(map(WheelOrigin, row["origins"]))}) for row in rows)
        next_after = projects[limit - 1].name if len(projects) > limit else None
        return ProjectPage(projects=projects[:limit], next_after=next_after)
