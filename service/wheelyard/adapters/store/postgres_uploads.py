"""Which uploads attempts have begun, in PostgreSQL. Must not upload."""

from typing import Final

from wheelyard.adapters.store.database import Connection, Database
from wheelyard.domain.builds.records import Claim

_BEGIN: Final = """
insert into uploads (filename, sha256, build_id, attempt)
select %(filename)s, %(sha256)s, id, attempt from builds
where id = %(id)s and attempt = %(number)s and status = 'running'
on conflict (filename, sha256, build_id, attempt) do update set begun_at = now() returning filename
"""
# One look at everything: an upload whose attempt goes on is its own, one that was recorded is a wheel.
_ORPHAN: Final = """
select exists (select from uploads where filename = %(filename)s and sha256 = %(sha256)s)
   and not exists (
       select from uploads u join builds b on b.id = u.build_id and b.attempt = u.attempt and b.status = 'running'
       where u.filename = %(filename)s and u.sha256 = %(sha256)s)
   and not exists (select from wheels where filename = %(filename)s) as orphan
"""
_END: Final = b"delete from uploads where filename = %(filename)s"


class PostgresUploads:
    """The UploadBook on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, claim: Claim, *, filename: str, sha256: str) -> bool:
        """Insert the upload's row, if the claim still holds."""
        values = {"filename": filename, "sha256": sha256, "id": claim.build_id, "number": claim.attempt}
        return await self._database.fetch_one(_BEGIN, values) is not None

    async def is_orphan(self, filename: str, *, sha256: str) -> bool:
        """Look for the upload, its attempt and its wheel."""
        row = await self._database.fetch_one(_ORPHAN, {"filename": filename, "sha256": sha256})
        return row is not None and bool(row["orphan"])


async def forget_uploads(connection: Connection, filename: str) -> None:
    """Forget the uploads of a file that was recorded as a wheel, in the transaction that does it."""
    await connection.execute(_END, {"filename": filename})
