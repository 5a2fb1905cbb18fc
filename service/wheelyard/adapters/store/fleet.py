"""Workers and the images of their engines in PostgreSQL, as workers report them."""

from typing import Final

from psycopg.types.json import Jsonb
from pydantic import TypeAdapter

from wheelyard.adapters.store.database import Database
from wheelyard.adapters.store.rows import Row
from wheelyard.domain.builds.queue import Capacity, HostMetrics, Lane, WorkerRegistration, WorkerState, WorkerStatus
from wheelyard.domain.catalogue.status import EngineImages

SILENT_SECONDS: Final = 30.0
"""A worker that has not reported for so long counts as lost."""

_HOST: Final = TypeAdapter(HostMetrics)
_REPORT: Final = """
insert into workers (name, host, architecture, builders, slots, cpus, memory_bytes, state, host_figures, emulated)
values (%(name)s, %(host)s, %(architecture)s, %(builders)s, %(slots)s, %(cpus)s, %(memory_bytes)s, %(state)s,
        %(host_figures)s, %(emulated)s)
on conflict (name) do update set host = excluded.host, architecture = excluded.architecture,
    builders = excluded.builders, slots = excluded.slots, cpus = excluded.cpus, memory_bytes = excluded.memory_bytes,
    state = excluded.state, host_figures = excluded.host_figures, emulated = excluded.emulated, seen_at = now(),
    started_at = case when workers.state = 'stopped' then now() else workers.started_at end
returning name
"""
_LIST: Final = """
select w.*, seen_at < now() - make_interval(secs => %(silent)s) as silent,
       array(select id::text from builds b where b.worker = w.name and b.status = 'running' order by sequence) as held
from workers w order by name
"""
_SILENT_ENGINE_SECONDS: Final = 900.0
"""An engine that no worker has reported for so long is not listed."""

_ENGINE_IMAGES: Final = TypeAdapter(EngineImages)
_REPORT_IMAGES: Final = """
insert into image_reports (engine, host, found) values (%(engine)s, %(host)s, %(found)s)
on conflict (engine) do update set host = excluded.host, found = excluded.found, seen_at = now()
returning engine
"""
_LIST_IMAGES: Final = """
select found from image_reports where seen_at >= now() - make_interval(secs => %(silent)s) order by host, engine
"""


class PostgresFleet:
    """Store the reports of workers in PostgreSQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def report_worker(self, registration: WorkerRegistration) -> None:
        """Insert or update the worker's row."""
        values = {
            "name": registration.name,
            "host": registration.host,
            "architecture": registration.architecture,
            "builders": Jsonb([[lane.suite, lane.python] for lane in registration.lanes]),
            "emulated": Jsonb([[lane.architecture, lane.suite, lane.python] for lane in registration.emulated]),
            "slots": registration.capacity.slots,
            "cpus": registration.capacity.cpus,
            "memory_bytes": registration.capacity.memory_bytes,
            "state": registration.state.value,
            "host_figures": None
            if registration.host_figures is None
            else Jsonb(_HOST.dump_python(registration.host_figures)),
        }
        await self._database.fetch_one(_REPORT, values)

    async def list_workers(self) -> tuple[WorkerStatus, ...]:
        """Return every worker."""
        rows = await self._database.fetch_all(_LIST, {"silent": SILENT_SECONDS})
        return tuple(map(_worker_of, rows))

    async def report_images(self, found: EngineImages) -> None:
        """Insert or update the engine's row."""
        document = Jsonb(_ENGINE_IMAGES.dump_python(found, mode="json"))
        values = {"engine": found.engine, "host": found.host, "found": document}
        await self._database.fetch_one(_REPORT_IMAGES, values)

    async def list_engines(self) -> tuple[EngineImages, ...]:
        """Return the engines that were reported lately."""
        rows = await self._database.fetch_all(_LIST_IMAGES, {"silent": _SILENT_ENGINE_SECONDS})
        return tuple(_ENGINE_IMAGES.validate_python(row["found"]) for row in rows)


def _worker_of(row: Row) -> WorkerStatus:
    state = WorkerState(row["state"])
    if row["silent"] and state is not WorkerState.STOPPED:
        state = WorkerState.LOST
    lanes = (Lane(architecture=row["architecture"], suite=suite, python=python) for suite, python in row["builders"])
    emulated = (Lane(architecture=machine, suite=suite, python=python) for machine, suite, python in row["emulated"])
    registration = WorkerRegistration(
        name=row["name"],
        host=row["host"],
        lanes=tuple(lanes),
        emulated=tuple(emulated),
        capacity=Capacity(slots=row["slots"], cpus=row["cpus"], memory_bytes=row["memory_bytes"]),
        state=state,
        host_figures=None if row["host_figures"] is None else _HOST.validate_python(row["host_figures"]),
    )
    return WorkerStatus(
        registration=registration, started_at=row["started_at"], seen_at=row["seen_at"], builds=tuple(row["held"])
    )
