"""Metrics of a worker's host: its disk, and what the container engine holds of ours."""

import asyncio
import contextlib
from pathlib import Path

from wheelyard.adapters.engine.command import PROJECT_LABEL, EngineCommand
from wheelyard.adapters.host.disk import read_space
from wheelyard.adapters.images.names import list_images
from wheelyard.domain.builds.queue import HostMetrics
from wheelyard.errors import OperatorError


class HostWatch:
    """Measures now and then, and keeps the last result."""

    def __init__(self, *, engine: EngineCommand, state_dir: Path) -> None:
        self._engine = engine
        self._state_dir = state_dir
        self.newest: HostMetrics | None = None
        """The last result; None before the first measurement."""

    async def look(self) -> HostMetrics:
        """Measure now. An engine that does not answer is also a result."""
        disk = await asyncio.to_thread(read_space, self._state_dir)
        found = HostMetrics(disk_size_bytes=disk.total_bytes, disk_free_bytes=disk.free_bytes, engine_answers=False)
        with contextlib.suppress(OperatorError):
            found = await self._with_engine(found)
        self.newest = found
        return found

    async def _with_engine(self, found: HostMetrics) -> HostMetrics:
        running = await self._engine.run(["ps", "--quiet", "--filter", f"label={PROJECT_LABEL}"])
        images = await list_images(self._engine)
        return HostMetrics(
            disk_size_bytes=found.disk_size_bytes,
            disk_free_bytes=found.disk_free_bytes,
            engine_answers=True,
            containers=len(running.text.split()),
            images=len(images),
            image_bytes=sum(image.size_bytes for image in images),
        )
