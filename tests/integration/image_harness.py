"""What tests of images share: the catalogue's images on the host's engine."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from tests.image_locks import IMAGE_LOCKS
from tests.integration.test_toolchain_builds import engine_command

from wheelyard.adapters.engine.command import EngineCommand
from wheelyard.adapters.images.build import ImageOptions
from wheelyard.adapters.images.builder import ImageBuilder
from wheelyard.adapters.images.names import find_image
from wheelyard.domain.catalogue.catalogue import parse_catalogue
from wheelyard.domain.catalogue.images import ImageRecord

BUILDERS = Path(__file__).parents[2] / "builders"
CATALOGUE = parse_catalogue((BUILDERS / "builders.toml").read_text())
SUITE, PYTHON = "bookworm", "3.13"


@dataclass(frozen=True, kw_only=True, slots=True)
class Harness:
    """Makes images, and finds them."""

    engine: EngineCommand
    images: ImageBuilder
    folder: Path

    async def record(self, image: str) -> ImageRecord:
        """Look at an image that must be there."""
        found = await find_image(self.engine, image)
        assert found is not None
        return found


def make_images(engine: EngineCommand, folder: Path, *, builders_dir: Path = BUILDERS) -> ImageBuilder:
    """Make the catalogue's images with an engine; what is fetched and locked lies in a folder."""
    return ImageBuilder(
        engine=engine,
        catalogue=CATALOGUE,
        builders_dir=builders_dir,
        cache_dir=folder / "cache",
        options=ImageOptions(lock_dir=IMAGE_LOCKS),
    ).reporting_to(print)


@contextlib.asynccontextmanager
async def renewing(engine: EngineCommand, images: ImageBuilder, revision: str) -> AsyncIterator[ImageBuilder]:
    """Give what makes images beside those in use; the base and the compiled Python are those that are there."""
    renewed = images.revised(revision)
    base = (await renewed.plan(SUITE)).base().name
    await engine.run(["tag", base.current_tag, base.tag])
    try:
        yield renewed
    finally:
        await engine.run(["image", "rm", base.tag], check=False)


def make_harness(folder: Path) -> Harness:
    """Work on the catalogue's images with the host's engine."""
    engine = engine_command()
    return Harness(engine=engine, images=make_images(engine, folder), folder=folder)
