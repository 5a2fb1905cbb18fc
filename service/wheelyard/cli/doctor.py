"""Check this host and print what was found. Must not judge: ``wheelyard.usecases.doctor`` does."""

from dataclasses import asdict
from typing import Final

from rich.table import Table
from rich.text import Text

from wheelyard.assembly.host_checks import inspect_host
from wheelyard.cli.connection import read_service
from wheelyard.cli.console import is_live, messages, note, output, print_json
from wheelyard.cli.exit_codes import ExitCode
from wheelyard.cli.log_text import plain_line
from wheelyard.domain.host import HostFacts
from wheelyard.settings import Settings, load_settings
from wheelyard.usecases.doctor import Check, CheckStatus, diagnose, has_failure

_STYLES: Final = {CheckStatus.OK: "green", CheckStatus.WARN: "yellow", CheckStatus.FAIL: "bold red"}


def run_doctor(*, as_json: bool) -> ExitCode:
    """Check everything; the exit code tells whether something must be mended."""
    settings = load_settings()
    checks = diagnose(_inspect(settings), settings)
    failed = has_failure(checks)
    if as_json:
        print_json({"ok": not failed, "checks": [asdict(check) for check in checks]})
    else:
        output().print(_table(checks))
        if failed:
            note("what fails must be mended before Wheelyard can work")
    return ExitCode.OPERATOR if failed else ExitCode.OK


def _inspect(settings: Settings) -> HostFacts:
    service = read_service(settings.state_dir)
    own_url = service.url if service else None
    console = messages()
    if not is_live(console):
        return inspect_host(settings, own_url=own_url)
    with console.status("looking at this host"):
        return inspect_host(settings, own_url=own_url)


def _table(checks: tuple[Check, ...]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("CHECK", "", "FOUND"):
        table.add_column(column, overflow="fold")
    for check in checks:
        table.add_row(check.name, Text(str(check.status), style=_STYLES[check.status]), plain_line(check.found))
        if check.remedy:
            table.add_row("", "", Text(check.remedy, style="italic"))
    return table
