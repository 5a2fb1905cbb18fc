"""Assembly of a trial: what builds and verifies a wheel, without a database, an index and a service."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

from wheelyard.adapters.host.parser_pool import ParserProcesses
from wheelyard.adapters.host.shared_work import FairSlots
from wheelyard.adapters.recipes.folders import RecipeFolders
from wheelyard.assembly.archives import suite_archives
from wheelyard.assembly.images import builder_facts
from wheelyard.assembly.parts import Parts, source_index
from wheelyard.assembly.worker import attempt_options, attempt_tools, worker_name
from wheelyard.domain.healing.healing import HealMode
from wheelyard.pipeline.publish import save_in
from wheelyard.pipeline.steps import steps_to
from wheelyard.usecases.request_build import PlanBuild
from wheelyard.usecases.try_recipe import TryRecipe


@contextlib.asynccontextmanager
async def open_trial(parts: Parts, *, recipes: RecipeFolders, keep: Path | None) -> AsyncIterator[TryRecipe]:
    """Make a trial, which saves the verified wheel in a folder, if there is one."""
    settings = parts.settings
    name = f"{worker_name(settings)}-trial-{os.getpid()}"
    options = attempt_options(settings, name)
    async with source_index(settings) as source, ParserProcesses() as parsers:
        try:
            yield TryRecipe(
                plan=PlanBuild(source=source, recipes=recipes, facts=await builder_facts(parts)),
                steps=steps_to(save_in(keep) if keep else None),
                tools=attempt_tools(
                    parts,
                    name,
                    source=source,
                    parsers=parsers,
                    own=None,
                    uv_slots=FairSlots(1),
                    archives=suite_archives(parts, None),
                    heal=HealMode.PROPOSE,
                ),
                options=options,
            )
        finally:
            await asyncio.to_thread(shutil.rmtree, options.folder, ignore_errors=True)
