"""Show the workers that there are. Must not change anything."""

from typing import Final

from rich.console import Group, RenderableType
from rich.text import Text

from wheelyard.api.schemas.workers import WorkerView
from wheelyard.cli.client import WheelyardClient
from wheelyard.cli.console import format_size, note, output, print_json
from wheelyard.cli.exit_codes import ExitCode
from wheelyard.cli.log_text import plain_text
from wheelyard.domain.builds.queue import WorkerState

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
    for worker in workers:
        output().print(_describe(worker), soft_wrap=True)
    if not any(worker.state is WorkerState.ACTIVE for worker in workers):
        note("no worker is active: nothing is built until one is ('wheelyard up' has one, 'wheelyard worker' is one)")
    return ExitCode.OK


def _describe(worker: WorkerView) -> RenderableType:
    room = f"{worker.slots} builds, {worker.cpus:g} cpus, {format_size(worker.memory_bytes)}"
    state = Text(str(worker.state), style=_STYLES[worker.state])
    return Group(
        Text.assemble(
            (plain_text(worker.name), "bold"), f" on {plain_text(worker.host)} ({worker.architecture})  ", state
        ),
        Text(f"  room for {room}"),
        *(Text(f"  builds with {builder}") for builder in _builders(worker)),
        *(Text(f"  runs {build}") for build in worker.builds),
    )


def _builders(worker: WorkerView) -> list[str]:
    suites: dict[str, list[str]] = {}
    for served in worker.builders:
        suites.setdefault(served.suite, []).append(served.python)
    return [f"{suite}: Python {', '.join(pythons)}" for suite, pythons in suites.items()]
