"""Workers, as the REST API shows them."""

from datetime import datetime
from typing import Self

from wheelyard.api.schemas.base import View
from wheelyard.domain.builds.queue import WorkerState, WorkerStatus


class ServedView(View):
    """A builder that a worker has."""

    suite: str
    """Name of the suite, such as `bookworm`."""
    python: str


class WorkerView(View):
    """A worker."""

    name: str
    """The same at each start on one host and state directory."""
    host: str
    architecture: str
    """The machine that it builds on; only builds for it go there."""
    builders: tuple[ServedView, ...]
    """What it builds with; only builds for these go there."""
    slots: int
    """How many builds it runs at the same time, at most."""
    cpus: float
    """Processors that its builds may take together."""
    memory_bytes: int
    """Memory that its builds may take together."""
    state: WorkerState
    """`active`; `draining` if it takes nothing new; `stopped`; `lost` if it was silent for half a minute."""
    started_at: datetime
    seen_at: datetime
    """When it was last heard of."""
    builds: tuple[str, ...]
    """Ids of the builds that it runs."""

    @classmethod
    def of(cls, worker: WorkerStatus) -> Self:
        """Show a worker."""
        registration = worker.registration
        return cls(
            name=registration.name,
            host=registration.host,
            architecture=registration.architecture,
            builders=tuple(ServedView(suite=lane.suite, python=lane.python) for lane in registration.lanes),
            slots=registration.capacity.slots,
            cpus=registration.capacity.cpus,
            memory_bytes=registration.capacity.memory_bytes,
            state=registration.state,
            started_at=worker.started_at,
            seen_at=worker.seen_at,
            builds=worker.builds,
        )
