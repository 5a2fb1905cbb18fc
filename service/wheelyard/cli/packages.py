"""Say which packages of a suite hold a file."""

import time
from collections.abc import Callable
from typing import Final

from rich.table import Table
from rich.text import Text

from wheelyard.api.schemas.packages import FilePackagesView
from wheelyard.cli.client import WheelyardClient
from wheelyard.cli.console import format_size, note, output, print_json
from wheelyard.cli.problem import ExitCode, ProblemError
from wheelyard.errors import ArchiveNotReadError, NotFoundError

_PAUSE_SECONDS: Final = 3.0
_MOST_TRIES: Final = 100


def show_packages(  # noqa: PLR0913  (the options of the command)
    client: WheelyardClient,
    file: str,
    *,
    suite: str,
    architecture: str | None,
    as_json: bool,
    sleep: Callable[[float], None] = time.sleep,
) -> ExitCode:
    """Print the packages that hold a file, best first; wait while a worker reads the suite's archive."""
    found = _ask(lambda: client.packages(suite, file, architecture=architecture), sleep)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return ExitCode.OK
    if not found.packages:
        raise NotFoundError(kind="file", name=file, where=f"in the packages of {found.suite} for {found.architecture}")
    table = Table("PACKAGE", "VERSION", "SIZE", "FILE", "WHY", box=None, pad_edge=False)
    for one in found.packages:
        size = format_size(one.installed_bytes) if one.installed_bytes else "-"
        table.add_row(Text(one.package), Text(one.version), size, Text(f"/{one.path}"), Text(one.reason))
    output().print(table)
    return ExitCode.OK


def _ask(ask: Callable[[], FilePackagesView], sleep: Callable[[float], None]) -> FilePackagesView:
    for tries in range(_MOST_TRIES):
        try:
            return ask()
        except ProblemError as error:
            if error.problem.code != ArchiveNotReadError.code:
                raise
            if tries == 0:
                note("a worker reads the suite's package archive, which takes about a minute the first time")
            sleep(_PAUSE_SECONDS)
    return ask()
