"""Builder, runtime and environment images: found again by their definition, or made from the catalogue.

An image is looked up by a tag and a label that carry the digest of all that determines it. If it is missing, its
parts are made one by one, each found again the same way: base, each CPython, then the image. Must not build wheels.
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from wheelyard.adapters.engine_command import EngineCommand
from wheelyard.adapters.image_base import make_base, read_apt_mirror
from wheelyard.adapters.image_build import ImageBuild, build_image
from wheelyard.adapters.image_context import ContextFile, certificate_files
from wheelyard.adapters.image_lock import locked_image
from wheelyard.adapters.image_options import ImageOptions
from wheelyard.adapters.image_plan import Parts, SuitePlan, environment_build
from wheelyard.adapters.image_records import ImageName, ImageRecord, find_image, list_images
from wheelyard.adapters.image_sources import ImageSources, ToolsTarget, source_file
from wheelyard.adapters.process import LineCallback
from wheelyard.adapters.toolchain_build import toolchain_build
from wheelyard.domain.catalogue import APT_MIRROR, Catalogue
from wheelyard.domain.definition import DefinitionFacts, reject_package_names
from wheelyard.domain.toolchain_choice import choose_toolchains
from wheelyard.errors import NotFoundError, RecipeInvalidError


class ImageBuilder:
    """Makes sure that images exist."""

    def __init__(
        self,
        *,
        engine: EngineCommand,
        catalogue: Catalogue,
        builders_dir: Path,
        cache_dir: Path,
        options: ImageOptions,
    ) -> None:
        self._engine = engine
        self._catalogue = catalogue
        self._builders_dir = builders_dir
        self._options = options
        self._sources = ImageSources(cache_dir=cache_dir, options=options)

    async def ensure_builder(self, suite: str, on_progress: LineCallback) -> str:
        """Return the id of the suite's builder image, made if it is missing."""
        plan = await self._plan(suite)

        async def make() -> ImageRecord:
            pythons = await self._ensure_pythons(plan, on_progress)
            parts = await self._parts(plan, plan.entry.pythons[0], on_progress, pythons=pythons, wheels=True)
            return await self._build(plan.builder_build(parts), on_progress)

        return (await self._ensure(plan.builder_name(), make, on_progress)).id

    async def ensure_runtime(self, suite: str, python: str, on_progress: LineCallback) -> str:
        """Return the id of the suite's bare image with one Python, made if it is missing."""
        plan = await self._plan(suite)
        if python not in plan.entry.pythons:
            raise NotFoundError(kind=f"Python in suite {suite!r}", name=python)

        async def make() -> ImageRecord:
            compiled = await self._ensure_python(plan, python, on_progress)
            parts = await self._parts(plan, python, on_progress, pythons=compiled)
            return await self._build(plan.runtime_build(python, parts), on_progress)

        return (await self._ensure(plan.runtime_name(python), make, on_progress)).id

    async def ensure_toolchains(
        self, builder_image: str, suite: str, toolchains: Sequence[str], on_progress: LineCallback
    ) -> str:
        """Return the id of a builder with toolchains added, one layer for each, made if they are missing.

        Raises:
            ToolchainTooOldError: the suite has no such toolchain, or an older one.
            ImageBuildFailedError: a package does not exist, or the mirror does not answer.
        """
        image = await self._expect(builder_image)
        for toolchain in choose_toolchains(self._catalogue, toolchains, suite=suite):
            name, build = toolchain_build(self._catalogue, toolchain, suite=suite, builder=image)
            image = await self._ensure(name, functools.partial(self._build, build, on_progress), on_progress)
        return image.id

    async def ensure_environment(
        self, builder_image: str, apt_packages: Sequence[str], on_progress: LineCallback
    ) -> str:
        """Return the id of a builder with system packages added, made if it is missing; without any, the builder's.

        Raises:
            RecipeInvalidError: something is no Debian package name.
            ImageBuildFailedError: a package does not exist, or the mirror does not answer.
        """
        if rejected := reject_package_names(apt_packages):
            problems = [f"apt: {name!r} is not a Debian package name" for name in rejected]
            raise RecipeInvalidError(source="of this project", problems=problems)
        builder = await self._expect(builder_image)
        if not apt_packages:
            return builder.id
        name, build = environment_build(builder, tuple(sorted(set(apt_packages))))
        return (await self._ensure(name, lambda: self._build(build, on_progress), on_progress)).id

    async def list_images(self) -> tuple[ImageRecord, ...]:
        """List the images of ours that the engine has."""
        return await list_images(self._engine)

    async def definition_facts(self) -> DefinitionFacts:
        """Read what determines images besides the catalogue."""
        return await asyncio.to_thread(self._read_facts)

    def _read_facts(self) -> DefinitionFacts:
        return DefinitionFacts(
            dockerfile=(self._builders_dir / "Dockerfile").read_text(),
            tools_lock=(self._builders_dir / "tools.lock").read_text(),
            architecture=self._options.architecture,
            environment=self._options.definition(),
        )

    async def _plan(self, suite: str) -> SuitePlan:
        entry = self._catalogue.suite.get(suite)
        if entry is None or self._options.architecture not in entry.architectures:
            raise NotFoundError(kind=f"suite for {self._options.architecture}", name=suite)
        certificates = await asyncio.to_thread(_read_certificates, self._options.ca_bundle)
        facts = await self.definition_facts()
        return SuitePlan(catalogue=self._catalogue, facts=facts, suite=suite, certificates=certificates)

    async def _ensure(
        self, name: ImageName, make: Callable[[], Awaitable[ImageRecord]], on_progress: LineCallback
    ) -> ImageRecord:
        """Find the image, or make it while no other worker of this host does."""
        if found := await find_image(self._engine, name.tag, name.definition):
            return found
        async with locked_image(self._options.lock_dir, name.tag, on_progress):
            found = await find_image(self._engine, name.tag, name.definition)
            return found or await make()

    async def _expect(self, image: str) -> ImageRecord:
        found = await find_image(self._engine, image)
        if found is None:
            raise NotFoundError(kind="image", name=image)
        return found

    async def _ensure_base(self, plan: SuitePlan, on_progress: LineCallback) -> ImageRecord:
        request = plan.base()

        async def make() -> ImageRecord:
            return await make_base(self._engine, request, options=self._options, on_progress=on_progress)

        return await self._ensure(request.name, make, on_progress)

    async def _ensure_python(self, plan: SuitePlan, python: str, on_progress: LineCallback) -> str:
        name = plan.python_name(python)

        async def make() -> ImageRecord:
            parts = await self._parts(plan, python, on_progress)
            return await self._build(plan.python_build(python, parts), on_progress)

        await self._ensure(name, make, on_progress)
        return name.tag

    async def _ensure_pythons(self, plan: SuitePlan, on_progress: LineCallback) -> str:
        """Compile what is missing, one after the other: each compilation takes every core."""
        compiled = [await self._ensure_python(plan, python, on_progress) for python in plan.entry.pythons]
        if len(compiled) == 1:
            return compiled[0]
        name, build = plan.pythons_name(), plan.pythons_build(compiled)
        await self._ensure(name, lambda: self._build(build, on_progress), on_progress)
        return name.tag

    async def _parts(
        self,
        plan: SuitePlan,
        python: str,
        on_progress: LineCallback,
        *,
        pythons: str = "python",
        wheels: bool = False,
    ) -> Parts:
        base = await self._ensure_base(plan, on_progress)
        source = await self._fetch_source(plan, python, base, on_progress)
        fetched = await self._fetch_tools(plan, on_progress) if wheels else ()
        return Parts(base=base, source=source, pythons=pythons, wheels=fetched)

    async def _fetch_source(self, plan: SuitePlan, python: str, base: ImageRecord, on_progress: LineCallback) -> Path:
        entry = plan.source(python)
        file = source_file(name=entry.file, version=entry.version, sha256=entry.sha256)
        mirrors = await self._fill_in_mirrors(entry.mirrors, base)
        return await self._sources.fetch(file, mirrors=mirrors, on_progress=on_progress)

    async def _fill_in_mirrors(self, mirrors: Sequence[str], base: ImageRecord) -> list[str]:
        """Put the package mirror of the base where a mirror stands for it; a base without one has no such mirrors."""
        apt = self._options.apt_mirror or await read_apt_mirror(self._engine, base.id)
        usable = [mirror for mirror in mirrors if apt or APT_MIRROR not in mirror]
        return [mirror.replace(APT_MIRROR, (apt or "").rstrip("/")) for mirror in usable]

    async def _fetch_tools(self, plan: SuitePlan, on_progress: LineCallback) -> tuple[Path, ...]:
        platform = f"{self._options.architecture}-{plan.entry.policy}"
        target = ToolsTarget(python=self._catalogue.tools.python, platform=platform)
        lock = self._builders_dir / "tools.lock"
        return await self._sources.fetch_tools(lock, target=target, on_progress=on_progress)

    async def _build(self, build: ImageBuild, on_progress: LineCallback) -> ImageRecord:
        return await build_image(self._engine, build, options=self._options, on_progress=on_progress)


def _read_certificates(bundle: Path | None) -> tuple[ContextFile, ...]:
    return certificate_files(bundle.read_bytes()) if bundle else ()
