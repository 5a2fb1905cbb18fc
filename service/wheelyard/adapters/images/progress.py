"""The Images of the pipeline: the image builder, its progress written into the build's log."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Collection, Sequence

from wheelyard.adapters.host.process import LineCallback
from wheelyard.adapters.images.builder import ImageBuilder
from wheelyard.adapters.images.fallback import Fallbacks
from wheelyard.interfaces import LogSink


class LoggedImages:
    """Finds or makes images for one build."""

    def __init__(
        self, builder: ImageBuilder, *, fallbacks: Fallbacks, note_use: Callable[[str], Awaitable[None]]
    ) -> None:
        self._builder = builder
        self._stand_ins = fallbacks
        self._note_use = note_use

    async def builder(
        self, *, suite: str, python: str, apt: Sequence[str], toolchains: Sequence[str] = (), log: LogSink
    ) -> str:
        """Return the id of the builder image of a suite for a Python, with these toolchains and system packages."""

        async def ensure(on_progress: LineCallback) -> str:
            name = await self._builder.builder_name(suite, python)
            make = functools.partial(self._builder.ensure_builder, suite, on_progress, python=python)
            builder = await self._stand_ins.serve(name, make, on_progress)
            extended = await self._builder.ensure_toolchains(builder, suite, toolchains, on_progress)
            return await self._with_packages(extended, apt, on_progress, own=builder)

        return await _with_log(ensure, log)

    async def runtime(self, *, suite: str, python: str, apt: Sequence[str] = (), log: LogSink) -> str:
        """Return the id of the bare runtime image, with these system packages."""

        async def ensure(on_progress: LineCallback) -> str:
            name = await self._builder.runtime_name(suite, python)
            make = functools.partial(self._builder.ensure_runtime, suite, python, on_progress)
            bare = await self._stand_ins.serve(name, make, on_progress)
            return await self._with_packages(bare, apt, on_progress, own=bare)

        return await _with_log(ensure, log)

    def package_manager(self, suite: str) -> str:
        """Say what installs packages in a suite's builders."""
        return self._builder.package_manager(suite)

    async def note_use(self, images: Collection[str]) -> None:
        """Keep images from being removed while a build still has containers to start."""
        for image in images:
            await self._note_use(image)

    async def _with_packages(self, image: str, apt: Sequence[str], on_progress: LineCallback, *, own: str) -> str:
        """Add system packages, and note the use of what came of it if it is more than the suite's own image."""
        environment = await self._builder.ensure_environment(image, apt, on_progress)
        if environment != own:
            await self._note_use(environment)
        return environment


async def _with_log(ensure: Callable[[LineCallback], Awaitable[str]], log: LogSink) -> str:
    """Call with a progress callback whose lines go to the log, in order."""
    lines: asyncio.Queue[str | None] = asyncio.Queue()

    async def write() -> None:
        while (line := await lines.get()) is not None:
            await log.write(f"{line}\n".encode())

    writer = asyncio.create_task(write())
    try:
        return await ensure(lines.put_nowait)
    finally:
        lines.put_nowait(None)
        await writer
