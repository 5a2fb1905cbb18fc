"""How devpi and the database compared at the last look, in PostgreSQL. Must not compare them."""

from typing import Final

from psycopg.types.json import Jsonb
from pydantic import TypeAdapter

from wheelyard.adapters.store.database import Database
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
