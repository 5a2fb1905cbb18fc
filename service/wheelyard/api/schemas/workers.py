"""Models of workers."""

from datetime import datetime
from typing import Self

from wheelyard.api.schemas.base import View
from wheelyard.domain.builds.queue import WorkerState, WorkerStatus


class ServedView(View):
    """A builder of a worker."""

    suite: str
    """Name of the suite, such as `bookworm`."""
    python: str


class EmulatedView(ServedView):
    """A builder of another architecture, which a worker emulates."""

    architecture: str


class WorkerView(View):
    """A worker."""

    name: str
    """Name of the worker; it stays the same after a restart with the same host and state directory."""
    host: str
    architecture: str
    """Architecture of its machine."""
    builders: tuple[ServedView, ...]
    """Its builders for that architecture."""
    emulated: tuple[EmulatedView, ...]
    """Its builders for other architectures, which it emulates while no active worker has them natively."""
    slots: int
    """Maximum number of concurrent builds."""
    cpus: float
    """CPUs that its builds may use in total."""
    memory_bytes: int
    """Memory that its builds may use in total."""
    state: WorkerState
    """`active`, `draining` (starts no more builds), `stopped`, or `lost` (no heartbeat for half a minute)."""
    started_at: datetime
    seen_at: datetime
    """Last seen."""
    builds: tuple[str, ...]
    """Ids of its running builds."""

    @classmethod
    def of(cls, worker: WorkerStatus) -> Self:
        """Return the view of a worker."""
        registration = worker.registration
        return cls(
            name=registration.name,
            host=registration.host,
            architecture=registration.architecture,
            builders=tuple(ServedView(suite=lane.suite, python=lane.python) for lane in registration.lanes),
            emulated=tuple(
                EmulatedView(architecture=lane.architecture, suite=lane.suite, python=lane.python)
                for lane in registration.emulated
            ),
            slots=registration.capacity.slots,
            cpus=registration.capacity.cpus,
            memory_bytes=registration.capacity.memory_bytes,
            state=registration.state,
            started_at=worker.started_at,
            seen_at=worker.seen_at,
            builds=worker.builds,
        )
