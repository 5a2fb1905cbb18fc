"""Assembly of a trial: what builds wheels without a database, an index and a service."""

import asyncio
import contextlib
import hashlib
import os
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from wheelyard.adapters.engine.surroundings import OtherSurroundings
from wheelyard.adapters.host.parser_pool import ParserProcesses
from wheelyard.adapters.host.shared_work import FairSlots
from wheelyard.adapters.images.recorded import RecordedImages
from wheelyard.adapters.recipes.folders import RecipeFolders
from wheelyard.adapters.resolver.recorded import RecordedWheels
from wheelyard.adapters.upstream.local import LocalFiles
from wheelyard.assembly.archives import suite_archives
from wheelyard.assembly.images import builder_facts, python_sources
from wheelyard.assembly.parts import Parts, source_index
from wheelyard.assembly.worker import attempt_options, attempt_tools, worker_name
from wheelyard.domain.healing.healing import HealMode, HealRules
from wheelyard.domain.provenance.recorded import RecordedBuild
from wheelyard.pipeline.job import StageFunction, Tools
from wheelyard.pipeline.publish import save_in
from wheelyard.pipeline.steps import steps_to
from wheelyard.usecases.comparison.rebuild import RebuildWheel
from wheelyard.usecases.request_build import PlanBuild
from wheelyard.usecases.try_recipe import RepairWheel, TryRecipe

T = TypeVar("T", TryRecipe, RepairWheel, RebuildWheel)
Change = Callable[[Tools], Tools]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rebuild:
    """What builds one wheel again, and what it cannot have as it was."""

    build: RebuildWheel
    images: RecordedImages
    agent_sha256: str

    def changes(self, recorded: RecordedBuild) -> tuple[str, ...]:
        """Return what is not as it was recorded, a sentence each; call it after the build."""
        if recorded.agent_sha256 in {None, self.agent_sha256}:
            return self.images.changes
        return ("another program of Wheelyard's ran in the containers", *self.images.changes)


@contextlib.asynccontextmanager
async def open_trial(parts: Parts, *, recipes: RecipeFolders, keep: Path | None) -> AsyncIterator[TryRecipe]:
    """Make a trial of releases, which saves the verified wheel in a folder, if there is one."""
    async with _open(parts, recipes, TryRecipe, last=save_in(keep) if keep else None) as trial:
        yield trial


@contextlib.asynccontextmanager
async def open_repair(parts: Parts, *, recipes: RecipeFolders, keep: Path) -> AsyncIterator[RepairWheel]:
    """Make a repair of wheels on this host, which saves the verified ones in a folder and replaces none."""
    async with _open(parts, recipes, RepairWheel, last=save_in(keep, may_replace=False)) as repair:
        yield repair


@contextlib.asynccontextmanager
async def open_rebuild(
    parts: Parts, recorded: RecordedBuild, *, recipes: RecipeFolders, keep: Path
) -> AsyncIterator[Rebuild]:
    """Make what builds a recorded wheel again in other surroundings, and saves it in a folder without proving it."""
    made: list[RecordedImages] = []

    def change(tools: Tools) -> Tools:
        made.append(RecordedImages(tools.images, recorded.builder))
        return replace(
            tools,
            build_number=recorded.build_number,
            resolver=RecordedWheels(tools.source, recorded),
            images=made[0],
            engine=OtherSurroundings(tools.engine),
            heal=HealRules(mode=HealMode.OFF),
        )

    async with _open(parts, recipes, RebuildWheel, last=save_in(keep), change=change) as build:
        yield Rebuild(build=build, images=made[0], agent_sha256=hashlib.sha256(parts.agent.data).hexdigest())


def _as_they_are(tools: Tools) -> Tools:
    return tools


@contextlib.asynccontextmanager
async def _open(
    parts: Parts,
    recipes: RecipeFolders,
    kind: type[T],
    *,
    last: StageFunction | None,
    change: Change = _as_they_are,
) -> AsyncIterator[T]:
    settings = parts.settings
    name = f"{worker_name(settings)}-trial-{os.getpid()}"
    options = attempt_options(settings, name)
    async with source_index(settings) as source, ParserProcesses() as parsers:
        pythons = python_sources(parts)
        await pythons.look()
        files = LocalFiles(source, cache=options.folder / "brought", floor_bytes=settings.disk_floor_bytes)
        try:
            yield kind(
                plan=PlanBuild(
                    source=source, recipes=recipes, facts=await builder_facts(parts), reach=lambda: pythons.newest
                ),
                steps=steps_to(last, proven=kind is not RebuildWheel),
                tools=change(
                    attempt_tools(
                        parts,
                        name,
                        source=files,
                        parsers=parsers,
                        own=None,
                        uv_slots=FairSlots(1),
                        archives=suite_archives(parts, None),
                        heal=HealMode.PROPOSE,
                        reach=lambda: pythons.newest,
                    )
                ),
                options=options,
            )
        finally:
            await asyncio.to_thread(shutil.rmtree, options.folder, ignore_errors=True)
