"""What workers say of their engines' images, in PostgreSQL: one row an engine. Must not ask an engine."""

from typing import Final

from psycopg.types.json import Jsonb
from pydantic import TypeAdapter

from wheelyard.adapters.store.database import Database
from wheelyard.domain.catalogue.status import EngineImages

SILENT_SECONDS: Final = 900.0
"""An engine of which nobody has told for so long is not listed."""

_FORM: Final = TypeAdapter(EngineImages)
_REPORT: Final = """
insert into image_reports (engine, host, found) values (%(engine)s, %(host)s, %(found)s)
on conflict (engine) do update set host = excluded.host, found = excluded.found, seen_at = now()
returning engine
"""
_LIST: Final = """
select found from image_reports where seen_at >= now() - make_interval(secs => %(silent)s) order by host, engine
"""


class PostgresImageReports:
    """The ImageReports on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def report(self, found: EngineImages) -> None:
        """Insert or renew the engine's row."""
        document = Jsonb(_FORM.dump_python(found, mode="json"))
        values = {"engine": found.engine, "host": found.host, "found": document}
        await self._database.fetch_one(_REPORT, values)

    async def list_engines(self) -> tuple[EngineImages, ...]:
        """Read what was reported lately."""
        rows = await self._database.fetch_all(_LIST, {"silent": SILENT_SECONDS})
        return tuple(_FORM.validate_python(row["found"]) for row in rows)
