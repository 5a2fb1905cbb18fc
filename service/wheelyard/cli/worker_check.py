"""Whether the worker of this host and state directory is at work, for health checks."""

import asyncio

from wheelyard.assembly.access import open_workers
from wheelyard.assembly.worker_parts import worker_name
from wheelyard.cli.console import note
from wheelyard.cli.exit_codes import ExitCode
from wheelyard.domain.builds.queue import WorkerState
from wheelyard.settings import load_settings

_AT_WORK = (WorkerState.ACTIVE, WorkerState.DRAINING)


def check_worker() -> ExitCode:
    """Look for the worker's last report in the database."""
    settings = load_settings()
    name = worker_name(settings)

    async def look() -> WorkerState | None:
        async with open_workers(settings) as book:
            return next((one.card.state for one in await book.list_workers() if one.card.name == name), None)

    state = asyncio.run(look())
    note(f"worker {name} is {state.value if state else 'unknown'}")
    return ExitCode.OK if state in _AT_WORK else ExitCode.OPERATOR
