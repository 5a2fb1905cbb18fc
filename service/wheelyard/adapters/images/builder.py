"""Builder, runtime and environment images: found again by their definition, or made from the catalogue.

An image is looked up by a tag and a label that carry the digest of all that determines it. If it is missing, its
parts are made one by one, each found again the same way: base, each CPython, then the image. Must not build wheels.
"""

import asyncio
import copy
import functools
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from wheelyard.adapters.engine.command import EngineCommand
from wheelyard.adapters.host.process import LineCallback
from wheelyard.adapters.images.base import make_base, read_apt_mirror
from wheelyard.adapters.images.build import ImageBuild, build_image, find_unknown_packages
from wheelyard.adapters.images.contents import build_extension, build_finished, build_on, describe_tool, manager_of
from wheelyard.adapters.images.context import ContextFile, certificate_files
from wheelyard.adapters.images.external import ExternalPlan, fetch_external, plan_external
from wheelyard.adapters.images.names import ImageName, ImageRecord, find_image, list_images
from wheelyard.adapters.images.options import ImageOptions
from wheelyard.adapters.images.plans import Parts, PythonImage, SuitePlan, environment_build, toolchain_build
from wheelyard.adapters.images.sources import ImageSources, ToolsTarget, source_file
from wheelyard.adapters.servers.processes import FileLock
from wheelyard.disk_space import disk_errors
from wheelyard.domain.catalogue.archive import read_dates
from wheelyard.domain.catalogue.catalogue import APT_MIRROR, Catalogue, Python, PythonSource, choose_toolchains
from wheelyard.domain.catalogue.definition import DefinitionFacts, own_suite, runtime_suite
from wheelyard.domain.catalogue.sbom import ImageContent
from wheelyard.domain.catalogue.suites import ImageSuite, Suite
from wheelyard.domain.packaging.target import uv_platform
from wheelyard.errors import (
    AlreadyRunningError,
    DownloadFailedError,
    HashMismatchError,
    ImageBuildFailedError,
    NotFoundError,
    PackageUnknownError,
    RecipeInvalidError,
)

_POLL_SECONDS: Final = 0.25


@asynccontextmanager
async def locked_image(lock_dir: Path, image: str, on_progress: LineCallback) -> AsyncIterator[None]:
    """Hold an image's lock; wait while another worker holds it.

    It polls: a thread that blocks in flock could not be cancelled.
    """
    await asyncio.to_thread(lock_dir.mkdir, parents=True, exist_ok=True)
    lock = FileLock(lock_dir / (image.replace("/", "_").replace(":", "_") + ".lock"))
    await _acquire(lock, image, on_progress)
    try:
        yield
    finally:
        lock.release()


async def _acquire(lock: FileLock, image: str, on_progress: LineCallback) -> None:
    waiting = False
    while True:
        try:
            return lock.acquire()
        except AlreadyRunningError:
            if not waiting:
                on_progress(f"{image}: another worker is making it, waiting")
            waiting = True
            await asyncio.sleep(_POLL_SECONDS)


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
        self._revision = ""
        self._sources = ImageSources(cache_dir=cache_dir, options=options)

    def revised(self, revision: str) -> "ImageBuilder":
        """Return one that makes images which shall replace those of the same definition; ``adopt`` lets them."""
        other = copy.copy(self)
        other._revision = revision  # noqa: SLF001  its own kind
        return other

    async def ensure_base(self, suite: str, on_progress: LineCallback) -> str:
        """Return the id of a suite's base image, made if need be: the service's own images can start from it, too."""
        return (await self._ensure_base(await self.plan(suite), on_progress)).id

    async def ensure_builder(self, suite: str, on_progress: LineCallback, *, python: str | None = None) -> str:
        """Return the id of the suite's builder image for a Python (default: the tools'), made if it is missing."""
        chosen = python or self._catalogue.tools.python
        if isinstance(entry := self._catalogue.suite.get(suite), ImageSuite):
            return await self._ensure_external(suite, entry, chosen, on_progress)
        plan = await self.plan(suite)
        _check_python(plan, chosen)
        if plan.entry.warning:
            on_progress(f"warning: {suite}: {plan.entry.warning}")

        async def make() -> ImageRecord:
            pythons = await self._ensure_pythons(plan, chosen, on_progress)
            wheels = await self._fetch_tools(plan.entry, on_progress)
            parts = Parts(base=await self._ensure_base(plan, on_progress), pythons=pythons, wheels=wheels)
            return await self._finish(plan, plan.builder_build(chosen, parts), parts, on_progress)

        return (await self._ensure(plan.builder_name(chosen), make, on_progress)).id

    async def ensure_runtime(self, suite: str, python: str, on_progress: LineCallback) -> str:
        """Return the id of the suite's bare image with one Python, made if it is missing."""
        plan = await self.plan(runtime_suite(self._catalogue, suite))
        _check_python(plan, python)

        async def make() -> ImageRecord:
            pythons = await self._ensure_python(plan, python, on_progress)
            parts = Parts(base=await self._ensure_base(plan, on_progress), pythons=pythons)
            return await self._finish(plan, plan.runtime_build(python, parts), parts, on_progress)

        return (await self._ensure(plan.runtime_name(python), make, on_progress)).id

    async def builder_name(self, suite: str, python: str) -> ImageName:
        """Name a suite's builder for a Python, whoever makes it; raises what ``ensure_builder`` does."""
        if isinstance(entry := self._catalogue.suite.get(suite), ImageSuite):
            return (await self._plan_external(suite, entry, python)).builder_name(python)
        return (await self.plan(suite)).builder_name(python)

    async def runtime_name(self, suite: str, python: str) -> ImageName:
        """Name the bare image that proves a suite's wheels; raises what ``ensure_runtime`` does."""
        return (await self.plan(runtime_suite(self._catalogue, suite))).runtime_name(python)

    async def names(self, suite: str) -> tuple[ImageName, ...]:
        """Name every image of a suite that wheels can be built in, those on the way to others among them."""
        if isinstance(entry := self._catalogue.suite.get(suite), ImageSuite):
            return tuple([await self.builder_name(suite, python) for python in entry.pythons])
        plan = await self.plan(suite)
        pythons = dict.fromkeys((*plan.entry.pythons, self._catalogue.tools.python))
        kinds = (plan.builder_name, plan.runtime_name, plan.python_name, plan.pythons_name)
        return (plan.base().name, *(name(python) for python in pythons for name in kinds))

    def pythons(self, suite: str) -> tuple[str, ...]:
        """Say which Pythons a suite has; raises NotFoundError."""
        if suite not in self._catalogue.suite:
            raise NotFoundError(kind="suite", name=suite)
        return self._catalogue.suite[suite].pythons

    async def base_names(self, suite: str) -> tuple[ImageName, ...]:
        """Name the base image of a suite made here; others have none."""
        is_own = not isinstance(self._catalogue.suite.get(suite), ImageSuite)
        return ((await self.plan(suite)).base().name,) if is_own else ()

    def package_manager(self, suite: str) -> str:
        """Say what installs packages in a suite's builders; raises NotFoundError."""
        if suite not in self._catalogue.suite:
            raise NotFoundError(kind="suite", name=suite)
        return self._catalogue.suite[suite].package_manager

    async def _plan_external(self, suite: str, entry: ImageSuite, python: str) -> ExternalPlan:
        facts = await self.definition_facts()
        plan = plan_external(self._catalogue, facts, entry, suite=suite, revision=self._revision)
        if self._options.architecture not in entry.architectures:
            raise NotFoundError(kind=f"suite for {self._options.architecture}", name=suite)
        if python not in entry.pythons:
            raise NotFoundError(kind="Python", name=python, where=f"in suite {suite!r}")
        certificates = await asyncio.to_thread(_read_certificates, self._options.ca_bundle)
        return replace(plan, certificates=certificates)

    async def _ensure_external(self, suite: str, entry: ImageSuite, python: str, on_progress: LineCallback) -> str:
        plan = await self._plan_external(suite, entry, python)
        if entry.warning:
            on_progress(f"warning: {suite}: {entry.warning}")

        async def make() -> ImageRecord:
            below, digest = await fetch_external(self._engine, plan, on_progress)
            wheels = await self._fetch_tools(entry, on_progress)
            build = plan.builder_build(python, below=below, digest=digest, wheels=wheels)
            content = await self._content(suite, build, (), wheels)
            return await build_on(
                self._engine,
                build,
                below=below,
                content=content,
                manager=plan.manager,
                options=self._options,
                on_progress=on_progress,
            )

        return (await self._ensure(plan.builder_name(python), make, on_progress)).id

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
            name, build = self._revise(*toolchain_build(self._catalogue, toolchain, suite=suite, builder=image))
            image = await self._ensure(name, functools.partial(self._extend, image, build, on_progress), on_progress)
        return image.id

    async def ensure_environment(self, base_image: str, apt_packages: Sequence[str], on_progress: LineCallback) -> str:
        """Return the id of an image of ours with system packages added, made if it is missing; without any, its own.

        Raises:
            RecipeInvalidError: something is no name of a package.
            PackageUnknownError: a package does not exist.
            ImageBuildFailedError: it cannot be made; or one of what else can go wrong, such as a silent mirror.
        """
        base = await self._expect(base_image)
        manager = manager_of(base)
        if rejected := manager.reject_names(apt_packages):
            problems = [f"{manager.name}: {name!r} is not the name of a package" for name in rejected]
            raise RecipeInvalidError(source="of this project", problems=problems)
        if not apt_packages:
            return base.id
        name, build = self._revise(*environment_build(base, tuple(sorted(set(apt_packages)))))
        try:
            return (await self._ensure(name, lambda: self._extend(base, build, on_progress), on_progress)).id
        except ImageBuildFailedError as error:
            if unknown := find_unknown_packages(error.excerpt):
                suite = base.labels.get("suite", "the builder")
                raise PackageUnknownError(suite=suite, packages=unknown, manager=manager.name) from error
            raise

    def _revise(self, name: ImageName, build: ImageBuild) -> tuple[ImageName, ImageBuild]:
        """Let an extension of a refresh be made beside the one that is in use."""
        if not self._revision:
            return name, build
        revised = replace(name, revision=self._revision)
        labels = {**build.labels, "revision": self._revision}
        return revised, replace(build, tag=revised.tag, labels=labels, build_args={"REVISION": self._revision})

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

    async def plan(self, suite: str) -> SuitePlan:
        """Say how a suite's images are made.

        Raises:
            NotFoundError: there is no such suite for this architecture.
            SuiteUnsupportedError: its images are made by others.
        """
        entry = own_suite(self._catalogue, suite)
        if self._options.architecture not in entry.architectures:
            raise NotFoundError(kind=f"suite for {self._options.architecture}", name=suite)
        return SuitePlan(
            catalogue=self._catalogue,
            facts=await self.definition_facts(),
            suite=suite,
            revision=self._revision,
            certificates=await asyncio.to_thread(_read_certificates, self._options.ca_bundle),
        )

    async def _ensure(
        self, name: ImageName, make: Callable[[], Awaitable[ImageRecord]], on_progress: LineCallback
    ) -> ImageRecord:
        """Find the image, or make it while no other worker of this host does."""
        found = await find_image(self._engine, name.tag, name.definition)
        self._options.lookups.note("images", found=found is not None)
        if found:
            return found
        with disk_errors(self._options.lock_dir):
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

    async def _ensure_python(self, plan: SuitePlan, python: str, on_progress: LineCallback) -> PythonImage:
        name = plan.python_name(python)

        async def make() -> ImageRecord:
            base = await self._ensure_base(plan, on_progress)
            source, archive = await self._fetch_source(plan.python(python), base, on_progress)
            build = plan.python_build(python, base=base, source=source, archive=archive)
            return await self._build(build, on_progress)

        labels = (await self._ensure(name, make, on_progress)).labels
        return PythonImage(tag=name.tag, sources=((labels["python-version"], labels["python-sha256"]),))

    async def _ensure_pythons(self, plan: SuitePlan, python: str, on_progress: LineCallback) -> PythonImage:
        """Compile what is missing, one after the other: each compilation takes every core."""
        compiled = [await self._ensure_python(plan, one, on_progress) for one in plan.pythons(python)]
        if len(compiled) == 1:
            return compiled[0]
        name, build = plan.pythons_name(python), plan.pythons_build(python, [image.tag for image in compiled])
        await self._ensure(name, lambda: self._build(build, on_progress), on_progress)
        return PythonImage(tag=name.tag, sources=tuple(source for image in compiled for source in image.sources))

    async def _fetch_source(
        self, python: Python, base: ImageRecord, on_progress: LineCallback
    ) -> tuple[PythonSource, Path]:
        """Bring the newest release that can be had, checked by its hash; raises DownloadFailedError if none can."""
        tried: list[str] = []
        for source in python.source:
            file = source_file(name=source.file, version=source.version, sha256=source.sha256)
            mirrors = await self._fill_in_mirrors(source.mirrors, base)
            try:
                return source, await self._sources.fetch(file, mirrors=mirrors, on_progress=on_progress)
            except (DownloadFailedError, HashMismatchError) as error:
                on_progress(f"{error.summary} Trying the next older release.")
                tried += error.tried if isinstance(error, DownloadFailedError) else [error.summary]
        names = ", ".join(source.file for source in python.source)
        raise DownloadFailedError(what=f"The source of Python ({names})", tried=tried)

    async def _fill_in_mirrors(self, mirrors: Sequence[str], base: ImageRecord) -> list[str]:
        """Put the package mirror of the base where a mirror stands for it; a base without one has no such mirrors."""
        apt = self._options.apt_mirror or await read_apt_mirror(self._engine, base.id)
        usable = [mirror for mirror in mirrors if apt or APT_MIRROR not in mirror]
        return [mirror.replace(APT_MIRROR, (apt or "").rstrip("/")) for mirror in usable]

    async def _fetch_tools(self, entry: Suite | ImageSuite, on_progress: LineCallback) -> tuple[Path, ...]:
        policy = entry.policy_on(self._options.architecture)
        platform = uv_platform(policy) or f"{policy.architecture}-{entry.policy}"
        target = ToolsTarget(python=self._catalogue.tools.python, platform=platform)
        lock = self._builders_dir / "tools.lock"
        return await self._sources.fetch_tools(lock, target=target, on_progress=on_progress)

    async def _finish(self, plan: SuitePlan, build: ImageBuild, parts: Parts, on_progress: LineCallback) -> ImageRecord:
        content = replace(
            await self._content(plan.suite, build, parts.pythons.sources, parts.wheels),
            archive_dates=read_dates(parts.base.labels.get("archive-dates", "")),
        )
        return await build_finished(
            self._engine,
            build,
            ground=plan.ground_build(build),
            content=content,
            options=self._options,
            on_progress=on_progress,
        )

    async def _content(
        self, suite: str, build: ImageBuild, pythons: tuple[tuple[str, str], ...], wheels: Sequence[Path]
    ) -> ImageContent:
        """Say what is known of an image before it is made."""
        return ImageContent(
            name=build.tag.partition(":")[0],
            version=build.labels["definition"],
            distribution="",
            suite=suite,
            packages=(),
            pythons=pythons,
            tools=await asyncio.to_thread(lambda: tuple(describe_tool(wheel) for wheel in wheels)),
            source_date_epoch=self._catalogue.source_date_epoch,
        )

    async def _extend(self, below: ImageRecord, build: ImageBuild, on_progress: LineCallback) -> ImageRecord:
        return await build_extension(self._engine, build, below=below, options=self._options, on_progress=on_progress)

    async def _build(self, build: ImageBuild, on_progress: LineCallback) -> ImageRecord:
        return await build_image(self._engine, build, options=self._options, on_progress=on_progress)


def _check_python(plan: SuitePlan, python: str) -> None:
    if python not in {*plan.entry.pythons, plan.catalogue.tools.python}:
        raise NotFoundError(kind="Python", name=python, where=f"in suite {plan.suite!r}")


def _read_certificates(bundle: Path | None) -> tuple[ContextFile, ...]:
    return certificate_files(bundle.read_bytes()) if bundle else ()
