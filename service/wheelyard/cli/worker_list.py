"""Show the workers that there are. Must not change anything."""

from collections.abc import Iterable
from typing import Final

from rich.table import Table
from rich.text import Text

from wheelyard.api.schemas.workers import WorkerView
from wheelyard.cli.client import WheelyardClient
from wheelyard.cli.console import format_size, note, output, print_json
from wheelyard.cli.exit_codes import ExitCode
from wheelyard.cli.log_text import plain_text
from wheelyard.domain.queue import WorkerState

_STYLES: Final = {
    WorkerState.ACTIVE: "green",
    WorkerState.DRAINING: "yellow",
    WorkerState.STOPPED: "dim",
    WorkerState.LOST: "bold red",
}


def list_workers(client: WheelyardClient, *, as_json: bool) -> ExitCode:
    """Print every worker."""
    workers = client.workers()
    if as_json:
        print_json([worker.model_dump(mode="json") for worker in workers])
        return ExitCode.OK
    output().print(worker_table(workers))
    if not any(worker.state is WorkerState.ACTIVE for worker in workers):
        note("no worker is active: nothing is built until one is ('wheelyard up' has one, 'wheelyard worker' is one)")
    return ExitCode.OK


def worker_table(workers: Iterable[WorkerView]) -> Table:
    """Show each worker in a line."""
    table = Table("NAME", "HOST", "MACHINE", "BUILDERS", "ROOM", "STATE", "BUILDS", box=None, pad_edge=False)
    for worker in workers:
        state = Text(str(worker.state), style=_STYLES[worker.state])
        room = f"{worker.slots} builds, {worker.cpus:g} cpus, {format_size(worker.memory_bytes)}"
        name, host = plain_text(worker.name), plain_text(worker.host)
        table.add_row(name, host, worker.architecture, _builders(worker), room, state, "\n".join(worker.builds))
    return table


def _builders(worker: WorkerView) -> str:
    suites: dict[str, list[str]] = {}
    for served in worker.builders:
        suites.setdefault(served.suite, []).append(served.python)
    return "\n".join(f"{suite} {', '.join(pythons)}" for suite, pythons in suites.items())
