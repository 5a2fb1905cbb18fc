"""Which builders there are, and which of their images this host's engine has. Must not make or change any."""

import asyncio
import socket
from collections.abc import Collection, Mapping
from pathlib import Path

from wheelyard.adapters.engine.command import EngineCommand
from wheelyard.adapters.images.builder import ImageBuilder
from wheelyard.adapters.images.fallback import FallbackFile
from wheelyard.adapters.images.names import ImageRecord, list_images
from wheelyard.adapters.images.reports import PendingFile, RefreshReports
from wheelyard.domain.catalogue.catalogue import Catalogue
from wheelyard.domain.catalogue.definition import DefinitionFacts, builder_definition, runtime_definition
from wheelyard.domain.catalogue.status import BuilderStatus, EngineImages, ImageSummary, describe_builders
from wheelyard.errors import EngineCommandError


class ImageInventory:
    """The catalogue beside a host's images."""

    def __init__(self, *, engine: EngineCommand, images: ImageBuilder, catalogue: Catalogue, folder: Path) -> None:
        self._engine = engine
        self._images = images
        self._catalogue = catalogue
        self._pending = PendingFile(folder / "pending.json")
        self._reports = RefreshReports(folder / "refreshes")
        self._stand_ins = FallbackFile(folder / "stand-ins.json")

    async def describe(self) -> tuple[BuilderStatus, ...]:
        """Describe each suite; raises EngineUnavailableError."""
        return describe_builders(self._catalogue, [await self.look()])

    async def look(self) -> EngineImages:
        """List the images that this host's engine has; raises EngineUnavailableError."""
        current = _definitions(self._catalogue, await self._images.definition_facts())
        present = await list_images(self._engine)
        by_id = {image.id: image for image in present}
        standing = await self._find_standing(current - {image.definition for image in present})
        images = (
            _summarise(
                image, is_current=_root(image, by_id).definition in current, stands_in=standing.get(image.id, "")
            )
            for image in present
        )
        host = socket.gethostname()
        return EngineImages(
            engine=await self._engine_id() or host,
            host=host,
            images=tuple(images),
            pending=await asyncio.to_thread(self._pending.read),
            refreshed=await asyncio.to_thread(self._reports.read_all, tuple(self._catalogue.suite)),
        )

    async def _find_standing(self, missing: Collection[str]) -> dict[str, str]:
        """Say why outdated images are in use, by id: those that stand in for one that could not be made."""
        noted = await asyncio.to_thread(self._stand_ins.read)
        return {one.image: one.reason for one in noted if one.definition in missing}

    async def _engine_id(self) -> str:
        """Ask the engine who it is; empty if it has no name for itself, as Podman has none."""
        try:
            return (await self._engine.run(["info", "--format", "{{.ID}}"])).text
        except EngineCommandError:
            return ""


def _root(image: ImageRecord, by_id: Mapping[str, ImageRecord]) -> ImageRecord:
    """Find the builder that an environment or a toolchain is made from; without it the image itself is left."""
    while (below := by_id.get(image.labels.get("builder", ""))) is not None:
        image = below
    return image


def _definitions(catalogue: Catalogue, facts: DefinitionFacts) -> frozenset[str]:
    """List the definitions that images have now."""
    choices = list(catalogue.on(facts.architecture).builders())
    return frozenset(
        define(catalogue, facts, suite=choice.suite, python=choice.python)
        for choice in choices
        for define in (builder_definition, runtime_definition)
    )


def _summarise(image: ImageRecord, *, is_current: bool, stands_in: str) -> ImageSummary:
    labels = image.labels
    added = (labels.get("toolchains", ""), labels.get("apt", ""))
    return ImageSummary(
        id=image.id,
        name=image.name,
        role=image.role,
        suite=labels.get("suite", ""),
        python=labels.get("python-version") or labels.get("python", ""),
        size_bytes=image.size_bytes,
        created=image.created_at,
        revision=labels.get("revision", ""),
        current=is_current,
        added=",".join(part for part in added if part),
        stands_in=stands_in,
    )
