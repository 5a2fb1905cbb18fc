"""Which builders exist, and which of their images this host's engine has."""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from wheelyard.adapters.engine.command import EngineCommand
from wheelyard.adapters.images.builder import ImageBuilder
from wheelyard.adapters.images.fallback import FallbackFile
from wheelyard.adapters.images.names import list_images
from wheelyard.adapters.images.optimised import OptimisationFile
from wheelyard.adapters.images.reports import PendingFile, RefreshReports
from wheelyard.domain.catalogue.catalogue import Catalogue
from wheelyard.domain.catalogue.definition import DefinitionFacts, current_definitions, optimised_definition
from wheelyard.domain.catalogue.optimisation import Optimisation
from wheelyard.domain.catalogue.status import BuilderStatus, EngineImages, describe_builders, summarise_images
from wheelyard.domain.catalogue.suites import Suite
from wheelyard.errors import EngineCommandError


class ImageInventory:
    """The catalogue compared with a host's images."""

    def __init__(
        self,
        *,
        engine: EngineCommand,
        images: ImageBuilder,
        catalogue: Catalogue,
        folder: Path,
        emulated: Sequence[str] = (),
    ) -> None:
        """Keep what it compares; ``emulated`` are the further architectures of this host's images."""
        self._engine = engine
        self._images = images
        self._catalogue = catalogue
        self._emulated = tuple(emulated)
        self._pending = PendingFile(folder / "pending.json")
        self._reports = RefreshReports(folder / "refreshes")
        self._fallbacks = FallbackFile(folder / "stand-ins.json")
        self._optimised = OptimisationFile(folder)

    async def describe(self) -> tuple[BuilderStatus, ...]:
        """Return the status of each suite; raise EngineUnavailableError."""
        return describe_builders(self._catalogue, [await self.look()])

    async def failed_optimisations(self) -> tuple[Optimisation, ...]:
        """Return the compilations with a profile that failed and are not tried again."""
        past = await asyncio.to_thread(self._optimised.read)
        facts = await self._images.definition_facts()
        return tuple(one for one in past if one.is_over and one.definition == self._definition_of(one, facts))

    def _definition_of(self, one: Optimisation, facts: DefinitionFacts) -> str | None:
        """Return what an optimised Python is defined by now; None if the catalogue no longer has it."""
        entry = self._catalogue.suite.get(one.suite)
        if not isinstance(entry, Suite) or one.python not in {*entry.pythons, self._catalogue.tools.python}:
            return None
        return optimised_definition(self._catalogue, facts, suite=one.suite, python=one.python)

    async def look(self) -> EngineImages:
        """Return the images that this host's engine has; raise EngineUnavailableError."""
        facts = await self._images.definition_facts()
        current = frozenset[str]().union(
            *(
                current_definitions(self._catalogue, replace(facts, architecture=one))
                for one in (facts.architecture, *self._emulated)
            )
        )
        fallbacks = await asyncio.to_thread(self._fallbacks.read)
        host = socket.gethostname()
        return EngineImages(
            engine=await self._engine_id() or host,
            host=host,
            images=summarise_images(await list_images(self._engine), current=current, fallbacks=fallbacks),
            pending=await asyncio.to_thread(self._pending.read),
            refreshed=await asyncio.to_thread(self._reports.read_all, tuple(self._catalogue.suite)),
        )

    async def _engine_id(self) -> str:
        """Return the engine's id; empty if it has none, as with Podman."""
        try:
            return (await self._engine.run(["info", "--format", "{{.ID}}"])).text
        except EngineCommandError:
            return ""
