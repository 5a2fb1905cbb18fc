"""What builds learnt when they healed themselves."""

from typing import Final

from wheelyard.adapters.store.database import Database
from wheelyard.adapters.store.rows import healing_of, reading
from wheelyard.domain.healing.healing import Healing

_NEWEST: Final = """
select b.id, b.version, a.healing from attempts a join builds b on b.id = a.build_id
where b.project = %(project)s and b.status = 'succeeded' and a.status = 'succeeded' and a.healing ->> 'recipe' <> ''
order by b.sequence desc limit 1
"""


class PostgresHealings:
    """Read them from PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest_of(self, project: str) -> tuple[str, Healing] | None:
        """Return the version and the healing of the newest build of a project that healed itself; None without one."""
        row = await self._database.fetch_one(_NEWEST, {"project": project})
        if row is None:
            return None
        with reading("build", row["id"]):
            healing = healing_of(row)
        return None if healing is None else (row["version"], healing)
