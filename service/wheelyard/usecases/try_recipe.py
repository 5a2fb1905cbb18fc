"""Build and prove a release without publishing it: what whoever writes a recipe does again and again.

The same planner and the same stages as in the service, on a store that is forgotten afterwards. Must not publish.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from wheelyard.domain.builds.build import Build
from wheelyard.interfaces import BuildStore, LogSink
from wheelyard.usecases.follow_log import FollowLog, LogEvent, LogPosition, LogText
from wheelyard.usecases.request_build import BuildRequest, RequestBuild
from wheelyard.usecases.run_build import RunBuild


class TryRecipe:
    """The use case behind ``wheelyard recipe test``."""

    def __init__(
        self, *, request_build: RequestBuild, run_build: RunBuild, follow_log: FollowLog, builds: BuildStore
    ) -> None:
        self._request_build = request_build
        self._run_build = run_build
        self._follow_log = follow_log
        self._builds = builds

    async def __call__(self, request: BuildRequest, *, log: LogSink) -> Build:
        """Run to the end, with the log handed on as it comes; a build that fails is a result, not an error.

        Raises what RequestBuild raises.
        """
        submission = await self._request_build(request)
        build_id = submission.build.id
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._hand_on(self._follow_log(build_id, start=LogPosition()), log))
            tasks.create_task(self._run_build(build_id))
        return await self._builds.get(build_id)

    @staticmethod
    async def _hand_on(events: AsyncGenerator[LogEvent, None], log: LogSink) -> None:
        async with aclosing(events):
            async for event in events:
                if isinstance(event, LogText) and event.note:
                    await log.note(event.note.text, stage=event.note.stage)
                elif isinstance(event, LogText):
                    await log.write(event.text.encode())
