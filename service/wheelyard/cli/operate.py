"""Back up and restore the service, print its audit log, and check the host."""
# ruff: noqa: PLC0415  what a command needs is imported when it runs: doctor must start on a host where nothing else does

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.table import Table
from rich.text import Text

from wheelyard.cli.connection import read_service
from wheelyard.cli.console import is_live, messages, note, output, print_json
from wheelyard.cli.problem import ExitCode
from wheelyard.domain.access import AuditEntry, AuditFilter
from wheelyard.domain.builds.log_text import plain_line
from wheelyard.domain.builds.queue import WorkerState
from wheelyard.domain.host import HostFacts
from wheelyard.settings import Settings, load_settings
from wheelyard.usecases.doctor import Check, CheckStatus, diagnose, has_failure

if TYPE_CHECKING:
    from wheelyard.assembly.backup import Contents


def run_backup(folder: Path, *, as_json: bool) -> ExitCode:
    """Back up the service, and print which parts were here."""
    from wheelyard.assembly.backup import back_up

    return _run(back_up, folder, "backed up to", as_json=as_json)


def run_restore(folder: Path, *, as_json: bool) -> ExitCode:
    """Restore a backup, and print which parts it had."""
    from wheelyard.assembly.backup import restore

    return _run(restore, folder, "restored from", as_json=as_json)


def _run(
    act: Callable[[Settings, Path], Coroutine[None, None, "Contents"]], folder: Path, did: str, *, as_json: bool
) -> ExitCode:
    contents = asyncio.run(act(load_settings(), folder.absolute()))
    if as_json:
        print_json(asdict(contents))
        return ExitCode.OK
    parts = {"the database": contents.database, "devpi's files": contents.devpi}
    keys = ["the authority's keys"] if contents.authority else []
    note(f"{' and '.join([*(name for name, there in parts.items() if there), *keys])} {did} {folder}")
    for name in (name for name, there in parts.items() if not there):
        note(f"not {name}: run this on the host of devpi too" if name.endswith("s files") else f"not {name}")
    return ExitCode.OK


def show_audit(wanted: AuditFilter, *, as_json: bool) -> ExitCode:
    """Print entries of the audit log, newest first."""
    entries = asyncio.run(_read(wanted))
    if as_json:
        print_json([{"id": entry.id, "at": entry.at, **asdict(entry.change)} for entry in entries])
    else:
        output().print(_audit_table(entries))
    return ExitCode.OK


async def _read(wanted: AuditFilter) -> tuple[AuditEntry, ...]:
    from wheelyard.assembly.access import open_audit

    async with open_audit(load_settings()) as audit:
        return await audit.list_entries(wanted)


def _audit_table(entries: Iterable[AuditEntry]) -> Table:
    table = Table("WHEN", "WHO", "WHAT", "OBJECT", "DETAILS", box=None, pad_edge=False)
    for entry in entries:
        change = entry.change
        details = " ".join(f"{name}={value}" for name, value in change.details.items())
        when = entry.at.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        table.add_row(when, change.actor, change.action, change.object, details)
    return table


_STYLES: Final = {CheckStatus.OK: "green", CheckStatus.WARN: "yellow", CheckStatus.FAIL: "bold red"}


def run_doctor(*, as_json: bool) -> ExitCode:
    """Print all checks of this host; return an exit code other than 0 if one fails."""
    settings = load_settings()
    checks = diagnose(_inspect(settings), settings)
    failed = has_failure(checks)
    if as_json:
        print_json({"ok": not failed, "checks": [asdict(check) for check in checks]})
    else:
        output().print(_check_table(checks))
        if failed:
            note("fix the failed checks before you use Wheelyard")
    return ExitCode.OPERATOR if failed else ExitCode.OK


def _inspect(settings: Settings) -> HostFacts:
    from wheelyard.assembly.host_checks import inspect_host

    service = read_service(settings.state_dir)
    own_url = service.url if service else None
    console = messages()
    if not is_live(console):
        return inspect_host(settings, own_url=own_url)
    with console.status("checking this host"):
        return inspect_host(settings, own_url=own_url)


def _check_table(checks: tuple[Check, ...]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("CHECK", "", "FOUND"):
        table.add_column(column, overflow="fold")
    for check in checks:
        table.add_row(check.name, Text(str(check.status), style=_STYLES[check.status]), plain_line(check.found))
        if check.remedy:
            table.add_row("", "", Text(check.remedy, style="italic"))
    return table


_AT_WORK = (WorkerState.ACTIVE, WorkerState.DRAINING)


def check_worker() -> ExitCode:
    """Print the state of this host's worker by its last heartbeat; return exit code 0 if it is alive."""
    from wheelyard.assembly.access import open_workers
    from wheelyard.assembly.worker import worker_name

    settings = load_settings()
    name = worker_name(settings)

    async def look() -> WorkerState | None:
        async with open_workers(settings) as registry:
            return next(
                (one.registration.state for one in await registry.list_workers() if one.registration.name == name), None
            )

    state = asyncio.run(look())
    note(f"worker {name} is {state.value if state else 'unknown'}")
    return ExitCode.OK if state in _AT_WORK else ExitCode.OPERATOR
