"""One renewal of a suite's images: each is made anew beside the old one. Must not give any image the name in use."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from wheelyard.adapters.engine.command import EngineCommand
from wheelyard.adapters.host.process import LineCallback
from wheelyard.adapters.images.builder import ImageBuilder
from wheelyard.adapters.images.contents import manager_of, read_packages
from wheelyard.adapters.images.names import ImageName, ImageRecord, find_image, list_images
from wheelyard.domain.catalogue.package_managers import APT, PackageManager
from wheelyard.domain.catalogue.packages import compare_packages, mark_security
from wheelyard.domain.catalogue.upkeep import ImageRefresh
from wheelyard.errors import EngineUnavailableError, NotFoundError, WheelyardError

EXTENSIONS: Final = frozenset({"environment", "toolchain"})


async def find_extensions(engine: EngineCommand, bases: Iterable[str]) -> tuple[ImageRecord, ...]:
    """List the toolchains and environments that are made from images, directly or not; none before what is below it."""
    present = [image for image in await list_images(engine) if image.role in EXTENSIONS and image.family]
    found: list[ImageRecord] = []
    level = set(bases)
    while layer := [image for image in present if built_on(image) in level]:
        found += layer
        level = {image.id for image in layer}
    return tuple(found)


def built_on(image: ImageRecord) -> str:
    """Give the id of the image that an extension is made from."""
    return image.labels.get("builder", "")


async def remake(images: ImageBuilder, image: ImageRecord, *, below: str, on_progress: LineCallback) -> str:
    """Make an extension anew on an image, and return the new one's id; raises what making images raises."""
    labels = image.labels
    if image.role == "toolchain":
        newest = labels["toolchains"].rpartition(",")[2]
        return await images.ensure_toolchains(below, labels["suite"], [newest], on_progress)
    return await images.ensure_environment(below, labels["apt"].split(","), on_progress)


@dataclass(kw_only=True, slots=True)
class Renewal:
    """What was made so far; it grows."""

    engine: EngineCommand
    images: ImageBuilder
    """Makes images under names that have the revision."""
    revision: str
    found: dict[str, ImageRefresh]
    """What each image lacks, by id, in the order of the report."""
    on_progress: LineCallback
    names: list[ImageName] = field(default_factory=list)
    """Of what was made, or is being made."""
    successors: dict[str, str] = field(default_factory=dict)
    """The new image's id by the old one's."""

    async def make(self, old: ImageRecord, name: ImageName, make: Callable[[LineCallback], Awaitable[str]]) -> None:
        """Make the successor of a builder or a runtime."""
        self.names.append(name)
        self.successors[old.id] = await make(self.on_progress)

    async def extend(self, extensions: Sequence[ImageRecord], *, warm: Collection[str]) -> None:
        """Make successors of the extensions that lack something, and of the warm ones whose builder has one."""
        for one in extensions:
            below = built_on(one)
            if self.found[one.id].pending or (below in self.successors and one.id in warm):
                await self._extend(one, self.successors.get(below, below))

    async def _extend(self, old: ImageRecord, below: str) -> None:
        try:
            new = await remake(self.images, old, below=below, on_progress=self.on_progress)
        except EngineUnavailableError:
            raise
        except WheelyardError as error:
            self.on_progress(f"{old.name} stays as it is: {error.summary}")
            self.found[old.id] = replace(self.found[old.id], problem=error.summary)
            return
        self.names.append(await self._name(new, old))
        self.successors[old.id] = new

    async def _name(self, image: str, old: ImageRecord) -> ImageName:
        made = await find_image(self.engine, image)
        if made is None:
            raise NotFoundError(kind="image", name=image)
        name = old.family.partition("/")[2]
        return ImageName(name=name, definition=made.definition, revision=self.revision)

    async def report(self) -> tuple[ImageRefresh, ...]:
        """Say of each image what changed."""
        return tuple([await self._report(image) for image in self.found])

    async def _manager(self, image: str) -> PackageManager:
        found = await find_image(self.engine, image)
        return APT if found is None else manager_of(found)

    async def _report(self, image: str) -> ImageRefresh:
        found, new = self.found[image], self.successors.get(image)
        if new is None:
            return found
        manager = await self._manager(image)
        before, after = [await read_packages(self.engine, one, manager=manager) for one in (image, new)]
        changes = mark_security(compare_packages(before, after), found.pending)
        return replace(found, changes=changes, refreshed=True)
