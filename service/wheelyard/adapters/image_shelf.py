"""Which builders there are, and which of their images this host's engine has. Must not make or change any."""

import asyncio
from pathlib import Path

from wheelyard.adapters.engine_command import EngineCommand
from wheelyard.adapters.image_records import ImageRecord, list_images
from wheelyard.adapters.images import ImageBuilder
from wheelyard.adapters.pending_updates import PendingFile
from wheelyard.domain.builder_status import BuilderStatus, ImageSummary, describe_builders
from wheelyard.domain.catalogue import Catalogue, Suite
from wheelyard.domain.definition import DefinitionFacts, builder_definition, runtime_definition


class ImageShelf:
    """The catalogue beside a host's images."""

    def __init__(self, *, engine: EngineCommand, images: ImageBuilder, catalogue: Catalogue, folder: Path) -> None:
        self._engine = engine
        self._images = images
        self._catalogue = catalogue
        self._pending = PendingFile(folder / "pending.json")

    async def describe(self) -> tuple[BuilderStatus, ...]:
        """Describe each suite; raises EngineUnavailableError."""
        current = _definitions(self._catalogue, await self._images.definition_facts())
        images = [_summarise(image, current) for image in await list_images(self._engine) if image.tags]
        return describe_builders(self._catalogue, images, await asyncio.to_thread(self._pending.read))


def _definitions(catalogue: Catalogue, facts: DefinitionFacts) -> frozenset[str]:
    """List the definitions that images have now."""
    choices = list(catalogue.on(facts.architecture).builders())
    return frozenset(
        define(catalogue, facts, suite=choice.suite, python=choice.python)
        for choice in choices
        for define in (builder_definition, runtime_definition)
        if isinstance(catalogue.suite[choice.suite], Suite)
    )


def _summarise(image: ImageRecord, current: frozenset[str]) -> ImageSummary:
    labels = image.labels
    return ImageSummary(
        id=image.id,
        name=image.tags[0],
        role=image.role,
        suite=labels.get("suite", ""),
        python=labels.get("python-version") or labels.get("python", ""),
        size_bytes=image.size_bytes,
        created=image.created_at,
        revision=labels.get("revision", ""),
        current=image.definition in current,
    )
