"""Assembly of a trial: everything that builds and proves a wheel, on a store that is forgotten. Must not publish."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from wheelyard.adapters.devpi.own_wheels import OwnWheels
from wheelyard.adapters.host.parser_pool import ParserProcesses
from wheelyard.adapters.host.shared_work import FairSlots
from wheelyard.adapters.memory_index import MemoryIndex
from wheelyard.adapters.memory_state import MemoryState
from wheelyard.adapters.memory_store import MemoryAttempts, MemoryBuilds, MemoryLogs
from wheelyard.adapters.memory_uploads import MemoryUploads
from wheelyard.adapters.memory_wheels import MemoryWheels
from wheelyard.adapters.recipes.folders import RecipeFolders
from wheelyard.adapters.upstream.cache import ContentCache
from wheelyard.assembly.images import builder_facts, with_engine
from wheelyard.assembly.service import source_index
from wheelyard.assembly.worker_parts import attempt_options, attempt_tools, worker_name
from wheelyard.pipeline.keep import keep_in
from wheelyard.pipeline.steps import steps_without_publishing
from wheelyard.settings import Settings
from wheelyard.usecases.follow_log import FollowLog
from wheelyard.usecases.request_build import RequestBuild
from wheelyard.usecases.run_build import RunBuild
from wheelyard.usecases.try_recipe import TryRecipe


@contextlib.asynccontextmanager
async def open_trial(settings: Settings, *, recipes: RecipeFolders, keep: Path | None) -> AsyncIterator[TryRecipe]:
    """Assemble what builds and proves without a database, an index and a service."""
    settings = await with_engine(settings)
    state = MemoryState(clock=lambda: datetime.now(UTC), max_attempts=1)  # nobody would begin a second one
    cache = ContentCache(root=settings.state_dir / "cache" / "files", floor_bytes=settings.disk_floor_bytes)
    builds, name = MemoryBuilds(state), f"{worker_name(settings)}-trial-{os.getpid()}"
    async with source_index(settings) as source, ParserProcesses() as parsers:
        options = replace(attempt_options(settings, name), may_wait=False)
        index = MemoryIndex()
        own = OwnWheels(store=MemoryWheels(state), shelf=index, cache=cache)
        tools = attempt_tools(
            settings,
            name,
            source=source,
            parsers=parsers,
            own=own,
            index=index,
            uploads=MemoryUploads(state),
            uv_slots=FairSlots(1),
        )
        run_build = RunBuild(
            store=MemoryAttempts(state),
            steps=steps_without_publishing(keep_in(keep) if keep else None),
            tools=tools,
            options=options,
        )
        facts = await builder_facts(settings)
        try:
            yield TryRecipe(
                request_build=RequestBuild(source=source, store=builds, recipes=recipes, facts=facts),
                run_build=run_build,
                follow_log=FollowLog(builds=builds, logs=MemoryLogs(state)),
                builds=builds,
            )
        finally:
            await asyncio.to_thread(shutil.rmtree, options.folder, ignore_errors=True)
