"""How devpi and the database compared at the last look, in PostgreSQL. Must not compare them."""

from typing import Final

from psycopg.types.json import Jsonb
from pydantic import TypeAdapter

from wheelyard.adapters.store.database import Connection, Database
from wheelyard.domain.builds.records import Claim
from wheelyard.domain.index.check import Finding, IndexReport, LastReport

_FINDINGS: Final = TypeAdapter(tuple[Finding, ...])
_SAVE: Final = b"""
insert into index_report (checked_at, wheels, files, found, findings)
values (now(), %(wheels)s, %(files)s, %(found)s, %(findings)s)
on conflict (id) do update set checked_at = excluded.checked_at, wheels = excluded.wheels, files = excluded.files,
    found = excluded.found, findings = excluded.findings
"""
_LAST: Final = "select checked_at, wheels, files, found, findings from index_report"


class PostgresIndexReports:
    """The IndexReports on PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def save(self, report: IndexReport) -> None:
        """Put a report in the place of the last one."""
        last = LastReport.of(report)
        values = {
            "wheels": report.wheels,
            "files": report.files,
            "found": last.found,
            "findings": Jsonb(_FINDINGS.dump_python(last.findings, mode="json")),
        }
        async with self._database.transaction() as connection:
            await connection.execute(_SAVE, values)

    async def last(self) -> LastReport | None:
        """Read the newest report."""
        row = await self._database.fetch_one(_LAST, {})
        return None if row is None else LastReport(**{**row, "findings": _FINDINGS.validate_python(row["findings"])})


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
    """The UploadStore on PostgreSQL."""

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
