"""Show the audit log of the database that the settings name."""

import asyncio
from collections.abc import Iterable
from dataclasses import asdict

from rich.table import Table

from wheelyard.assembly.access import open_audit
from wheelyard.cli.console import output, print_json
from wheelyard.cli.exit_codes import ExitCode
from wheelyard.domain.access import AuditEntry, AuditFilter
from wheelyard.settings import load_settings


def show_audit(wanted: AuditFilter, *, as_json: bool) -> ExitCode:
    """Print entries, newest first."""
    entries = asyncio.run(_read(wanted))
    if as_json:
        print_json([{"id": entry.id, "at": entry.at, **asdict(entry.change)} for entry in entries])
    else:
        output().print(_table(entries))
    return ExitCode.OK


async def _read(wanted: AuditFilter) -> tuple[AuditEntry, ...]:
    async with open_audit(load_settings()) as audit:
        return await audit.list_entries(wanted)


def _table(entries: Iterable[AuditEntry]) -> Table:
    table = Table("WHEN", "WHO", "WHAT", "OBJECT", "DETAILS", box=None, pad_edge=False)
    for entry in entries:
        change = entry.change
        details = " ".join(f"{name}={value}" for name, value in change.details.items())
        when = entry.at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(when, change.actor, change.action, change.object, details)
    return table
