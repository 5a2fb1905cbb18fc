"""The Images of the pipeline: the image builder, its progress written into the build's log."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from wheelyard.adapters.images import ImageBuilder
from wheelyard.adapters.process import LineCallback
from wheelyard.interfaces import LogSink


class LoggedImages:
    """Finds or makes images for one build."""

    def __init__(self, builder: ImageBuilder, *, note_use: Callable[[str], Awaitable[None]]) -> None:
        self._builder = builder
        self._note_use = note_use

    async def builder(
        self, *, suite: str, python: str, apt: Sequence[str], toolchains: Sequence[str] = (), log: LogSink
    ) -> str:
        """Return the id of the builder image of a suite for a Python, with these toolchains and system packages."""

        async def ensure(on_progress: LineCallback) -> str:
            image = await self._builder.ensure_builder(suite, on_progress, python=python)
            image = await self._builder.ensure_toolchains(image, suite, toolchains, on_progress)
            environment = await self._builder.ensure_environment(image, apt, on_progress)
            if environment != image:
                await self._note_use(environment)
            return environment

        return await _with_log(ensure, log)

    async def runtime(self, *, suite: str, python: str, log: LogSink) -> str:
        """Return the id of the bare runtime image."""
        return await _with_log(lambda on_progress: self._builder.ensure_runtime(suite, python, on_progress), log)


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
