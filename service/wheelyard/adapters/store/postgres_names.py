"""Names of projects by their beginning, in PostgreSQL. Must not list any other thing."""

from typing import Final

from wheelyard.adapters.store.database import Database

# Normalised names have no character beyond "z", so that a range of the index holds those that begin so.
_NAMES: Final = """
select name from (
    (select name from index_projects where name >= %(prefix)s and name < %(prefix)s || '~'
     order by name limit %(limit)s)
    union
    (select distinct project collate "C" from builds
     where project collate "C" >= %(prefix)s and project collate "C" < %(prefix)s || '~'
     order by project collate "C" limit %(limit)s)
) as found order by name limit %(limit)s
"""


class PostgresNames:
    """The NameStore on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def names(self, prefix: str, *, limit: int) -> tuple[str, ...]:
        """Name projects of which there is a wheel or a build."""
        rows = await self._database.fetch_all(_NAMES, {"prefix": prefix, "limit": limit})
        return tuple(row["name"] for row in rows)
