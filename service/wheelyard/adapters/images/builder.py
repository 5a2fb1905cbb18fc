"""Builder, runtime and environment images: found by their definition, or made from the catalogue.

The tag and a label of an image carry the digest of all that determines it. A missing image is made from its parts, each
found in the same way: base, each CPython, then the image.
"""

import asyncio
import copy
import functools
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final, Self, TypeVar

from wheelyard.adapters.engine.command import EngineCommand
from wheelyard.adapters.host.process import LineCallback
from wheelyard.adapters.images.base import make_base, read_apt_mirror
from wheelyard.adapters.images.build import ImageBuild, ImageOptions, ImageRun, find_unknown_packages
from wheelyard.adapters.images.contents import build_extension, build_finished, build_on, describe_tool, read_sbom
from wheelyard.adapters.images.context import ContextFile, certificate_files
from wheelyard.adapters.images.external import ExternalPlan, fetch_external, plan_external
from wheelyard.adapters.images.fallback import Fallbacks
from wheelyard.adapters.images.names import find_image, list_images
from wheelyard.adapters.images.optimise import Effort, make_optimised, script_texts
from wheelyard.adapters.images.plans import Parts, PythonImage, SuitePlan, environment_build, toolchain_build
from wheelyard.adapters.images.sources import ImageSources, ToolsTarget, source_file
from wheelyard.domain.catalogue.archive import read_dates
from wheelyard.domain.catalogue.catalogue import APT_MIRROR, Catalogue, Python, PythonSource, choose_toolchains
from wheelyard.domain.catalogue.definition import DefinitionFacts, can_be_optimised, own_suite, runtime_suite
from wheelyard.domain.catalogue.images import ImageName, ImageRecord
from wheelyard.domain.catalogue.optimisation import OptimisedMode, PythonChoice, find_lagging
from wheelyard.domain.catalogue.sbom import ImageContent, read_sbom_content
from wheelyard.domain.catalogue.suites import ImageSuite, Suite
from wheelyard.domain.packaging.target import uv_platform
from wheelyard.errors import (
    DownloadFailedError,
    HashMismatchError,
    ImageBuildFailedError,
    NotFoundError,
    PackageUnknownError,
    RecipeInvalidError,
)
from wheelyard.interfaces import LogSink
from wheelyard.memory_cache import MemoryCache

_KEPT_CONTENTS: Final = 64

_PRE_RELEASE: Final = re.compile(r"(?:a|b|rc)[0-9]+$")

A = TypeVar("A")
B = TypeVar("B")


class ImageBuilder:
    """Makes sure that images exist.

    Attributes:
        run: What they are made with in this use; ``reporting_to`` begins another one.
    """

    def __init__(
        self,
        *,
        engine: EngineCommand,
        catalogue: Catalogue,
        builders_dir: Path,
        cache_dir: Path,
        options: ImageOptions,
    ) -> None:
        self.run = ImageRun(engine=engine, options=options)
        self._catalogue = catalogue
        self._builders_dir = builders_dir
        self._revision = ""
        self._kept: str | None = None
        self._sources = ImageSources(cache_dir=cache_dir, options=options)

    def reporting_to(self, report: LineCallback) -> Self:
        """Return an ImageBuilder for a use that reports its lines there."""
        other = copy.copy(self)
        other.run = replace(self.run, report=report)
        other._sources = self._sources.reporting_to(report)  # noqa: SLF001  its own kind
        return other

    def on(self, architecture: str) -> Self:
        """Return an ImageBuilder for images of an architecture, which the engine's machine may have to emulate."""
        other = copy.copy(self)
        other.run = replace(self.run, options=replace(self.run.options, architecture=architecture))
        return other

    def revised(self, revision: str, *, kept: str | None = None) -> Self:
        """Return an ImageBuilder for images that will replace those of the same definition.

        ``kept`` is the revision whose system packages they keep; None: they get those of today.
        """
        other = copy.copy(self)
        other._revision, other._kept = revision, kept  # noqa: SLF001  its own kind
        return other

    @property
    def revision(self) -> str:
        """Tells the names of the images that it makes from those in use; empty if it makes those in use."""
        return self._revision

    async def ensure_base(self, suite: str) -> str:
        """Return the id of a suite's base image, made if it is missing. The service's own images may start from it."""
        return (await self._ensure_base(await self.plan(suite))).id

    async def ensure_builder(self, suite: str, *, python: str | None = None) -> str:
        """Return the id of the suite's builder image for a Python (default: the tools'), made if it is missing."""
        chosen = python or self._catalogue.tools.python
        if isinstance(entry := self._catalogue.suite.get(suite), ImageSuite):
            return await self._ensure_external(suite, entry, chosen)
        plan = await self.plan(suite)
        _check_python(plan, chosen)
        self._warn_about(suite, plan.entry)
        async with self.run.look_up(plan.builder_name(chosen)) as found:
            if found:
                return found.id
            pythons, wheels = await _both(self._ensure_pythons(plan, chosen), self._fetch_tools(plan.entry))
            parts = Parts(base=await self._ensure_base(plan), pythons=pythons, wheels=wheels)
            return (await self._finish(plan, plan.builder_build(chosen, parts), parts)).id

    async def ensure_runtime(self, suite: str, python: str) -> str:
        """Return the id of the suite's bare image with one Python, made if it is missing."""
        plan = await self.plan(runtime_suite(self._catalogue, suite))
        _check_python(plan, python)
        async with self.run.look_up(plan.runtime_name(python)) as found:
            if found:
                return found.id
            pythons = await self._ensure_python(plan, python)
            parts = Parts(base=await self._ensure_base(plan), pythons=pythons)
            return (await self._finish(plan, plan.runtime_build(python, parts), parts)).id

    async def builder_name(self, suite: str, python: str) -> ImageName:
        """Return the name of a suite's builder for a Python; raise what ``ensure_builder`` does."""
        if isinstance(entry := self._catalogue.suite.get(suite), ImageSuite):
            return (await self._plan_external(suite, entry, python)).builder_name(python)
        return (await self.plan(suite)).builder_name(python)

    async def runtime_name(self, suite: str, python: str) -> ImageName:
        """Return the name of the bare image that tests a suite's wheels; raise what ``ensure_runtime`` does."""
        return (await self.plan(runtime_suite(self._catalogue, suite))).runtime_name(python)

    async def names(self, suite: str) -> tuple[ImageName, ...]:
        """Return the names of all images of a suite that wheels can be built in, including intermediate ones."""
        if isinstance(entry := self._catalogue.suite.get(suite), ImageSuite):
            return tuple([await self.builder_name(suite, python) for python in entry.pythons])
        plan = await self.plan(suite)
        pythons = dict.fromkeys((*plan.entry.pythons, self._catalogue.tools.python))
        kinds = (plan.builder_name, plan.runtime_name, plan.python_name, plan.pythons_name, plan.optimised_name)
        return (plan.base().name, *(name(python) for python in pythons for name in kinds))

    def pythons(self, suite: str) -> tuple[str, ...]:
        """Return the Pythons of a suite; raise NotFoundError."""
        if suite not in self._catalogue.suite:
            raise NotFoundError(kind="suite", name=suite)
        return self._catalogue.suite[suite].pythons

    async def base_names(self, suite: str) -> tuple[ImageName, ...]:
        """Return the name of the base image of a suite that is made here; other suites have none."""
        is_own = not isinstance(self._catalogue.suite.get(suite), ImageSuite)
        return ((await self.plan(suite)).base().name,) if is_own else ()

    async def definitions_of(self, suites: Iterable[str]) -> dict[str, str]:
        """Return the current definitions of the images of suites, by family."""
        return {name.family: name.definition for suite in suites for name in await self.names(suite)}

    def package_manager(self, suite: str) -> str:
        """Return the name of the package manager of a suite's builders; raise NotFoundError."""
        if suite not in self._catalogue.suite:
            raise NotFoundError(kind="suite", name=suite)
        return self._catalogue.suite[suite].package_manager

    async def _plan_external(self, suite: str, entry: ImageSuite, python: str) -> ExternalPlan:
        facts = await self.definition_facts()
        plan = plan_external(self._catalogue, facts, entry, suite=suite, revision=self._revision)
        if self.run.options.architecture not in entry.architectures:
            raise NotFoundError(kind=f"suite for {self.run.options.architecture}", name=suite)
        if python not in entry.pythons:
            raise NotFoundError(kind="Python", name=python, where=f"in suite {suite!r}")
        certificates = await asyncio.to_thread(_read_certificates, self.run.options.ca_bundle)
        return replace(plan, certificates=certificates)

    async def _ensure_external(self, suite: str, entry: ImageSuite, python: str) -> str:
        plan = await self._plan_external(suite, entry, python)
        self._warn_about(suite, entry)
        async with self.run.look_up(plan.builder_name(python)) as found:
            if found:
                return found.id
            below, digest = await fetch_external(self.run, plan)
            wheels = await self._fetch_tools(entry)
            build = plan.builder_build(python, below=below, digest=digest, wheels=wheels)
            content = await self._content(suite, build, (), wheels)
            return (await build_on(self.run, build, below=below, content=content, manager=plan.manager)).id

    def _warn_about(self, suite: str, entry: Suite | ImageSuite) -> None:
        if entry.warning:
            self.run.report(f"warning: {suite}: {entry.warning}")

    async def ensure_toolchains(self, builder_image: str, suite: str, toolchains: Sequence[str]) -> str:
        """Return the id of a builder with toolchains added, one layer for each, made if they are missing.

        Raises:
            ToolchainTooOldError: The suite has no such toolchain, or an older one.
            ImageBuildFailedError: A package does not exist, or the mirror does not answer.
        """
        image = await self._expect(builder_image)
        for toolchain in choose_toolchains(self._catalogue, toolchains, suite=suite):
            image = await self._extend(image, *toolchain_build(self._catalogue, toolchain, suite=suite, builder=image))
        return image.id

    async def ensure_environment(self, base_image: str, apt_packages: Sequence[str]) -> str:
        """Return the id of an image of ours with system packages added, made if it is missing; without any, its own.

        Raises:
            RecipeInvalidError: A package has an invalid name.
            PackageUnknownError: A package does not exist.
            ImageBuildFailedError: It cannot be made. Other errors are possible, such as a silent mirror.
        """
        base = await self._expect(base_image)
        manager = base.manager
        if rejected := manager.reject_names(apt_packages):
            problems = [f"{manager.name}: {name!r} is not the name of a package" for name in rejected]
            raise RecipeInvalidError(source="of this project", problems=problems)
        if not apt_packages:
            return base.id
        try:
            return (await self._extend(base, *environment_build(base, tuple(sorted(set(apt_packages)))))).id
        except ImageBuildFailedError as error:
            if unknown := find_unknown_packages(error.excerpt):
                suite = base.labels.get("suite", "the builder")
                raise PackageUnknownError(suite=suite, packages=unknown, manager=manager.name) from error
            raise

    async def _extend(self, below: ImageRecord, name: ImageName, build: ImageBuild) -> ImageRecord:
        revised, build = self._revise(name, build)
        async with self.run.look_up(revised) as found:
            return found or await build_extension(self.run, build, below=below)

    def _revise(self, name: ImageName, build: ImageBuild) -> tuple[ImageName, ImageBuild]:
        """Return the name and the build of an extension that a refresh makes beside the one in use."""
        if not self._revision:
            return name, build
        revised = replace(name, revision=self._revision)
        labels = {**build.labels, "revision": self._revision}
        return revised, replace(build, tag=revised.tag, labels=labels, build_args={"REVISION": self._revision})

    async def list_images(self) -> tuple[ImageRecord, ...]:
        """Return our images that the engine has."""
        return await list_images(self.run.engine)

    async def definition_facts(self) -> DefinitionFacts:
        """Return what determines images besides the catalogue."""
        return await asyncio.to_thread(self._read_facts)

    def _read_facts(self) -> DefinitionFacts:
        return DefinitionFacts(
            dockerfile=(self._builders_dir / "Dockerfile").read_text(),
            tools_lock=(self._builders_dir / "tools.lock").read_text(),
            architecture=self.run.options.architecture,
            environment=self.run.options.definition(),
            compile_script=(self._builders_dir / "compile_python.sh").read_text(),
            optimise_scripts=script_texts(self._builders_dir),
            cross=(self._builders_dir / "cross.Dockerfile").read_text(),
        )

    async def plan(self, suite: str) -> SuitePlan:
        """Return how a suite's images are made.

        Raises:
            NotFoundError: There is no such suite for this architecture.
            SuiteUnsupportedError: Its images are made by others.
        """
        entry = own_suite(self._catalogue, suite)
        if self.run.options.architecture not in entry.architectures:
            raise NotFoundError(kind=f"suite for {self.run.options.architecture}", name=suite)
        return SuitePlan(
            catalogue=self._catalogue,
            facts=await self.definition_facts(),
            suite=suite,
            revision=self._revision,
            kept=self._kept,
            certificates=await asyncio.to_thread(_read_certificates, self.run.options.ca_bundle),
            machine=self.run.options.machine,
        )

    async def _expect(self, image: str) -> ImageRecord:
        found = await find_image(self.run.engine, image)
        if found is None:
            raise NotFoundError(kind="image", name=image)
        return found

    async def _ensure_base(self, plan: SuitePlan) -> ImageRecord:
        request = plan.base()
        async with self.run.look_up(request.name) as found:
            return found or await make_base(self.run, request)

    async def _ensure_python(self, plan: SuitePlan, python: str) -> PythonImage:
        name = plan.optimised_name(python)
        image = await find_image(self.run.engine, name.tag, name.definition)
        if image is None:
            image = await self._ensure_quick(plan, python)
            if self.run.options.optimised is OptimisedMode.NOW and can_be_optimised(plan.catalogue, plan.facts, python):
                image = await self._optimise_now(plan, python, quick=image)
        source = (image.labels["python-version"], image.labels["python-sha256"])
        optimised = tuple(filter(None, [image.labels.get("optimised", "")]))
        return PythonImage(tag=image.name, sources=(source,), optimised=optimised)

    async def _ensure_quick(self, plan: SuitePlan, python: str) -> ImageRecord:
        async with self.run.look_up(plan.python_name(python)) as found:
            return found or await self._compile(plan, python)

    async def _optimise_now(self, plan: SuitePlan, python: str, *, quick: ImageRecord) -> ImageRecord:
        """Return the optimised Python; the quick one if it cannot be made, because a wheel needs only that."""
        try:
            return await self._optimise(plan, python, quick=quick, effort=Effort(is_background=False))
        except ImageBuildFailedError as error:
            self.run.report(f"warning: {python} stays as it was compiled first: {error.summary}")
            return quick

    async def optimise(self, suite: str, python: str, *, effort: Effort) -> ImageRecord:
        """Return the image with an optimised Python, made if it is missing; no other image has it yet.

        Raises:
            NotFoundError: There is no such suite or Python, or it cannot be optimised.
            ImageBuildFailedError: It does not compile, differs for extension modules, or fails its tests.
        """
        plan = await self.plan(suite)
        _check_python(plan, python)
        if not can_be_optimised(plan.catalogue, plan.facts, python):
            raise NotFoundError(kind="Python to optimise", name=python, where=f"on {plan.facts.architecture}")
        return await self._optimise(plan, python, quick=await self._ensure_quick(plan, python), effort=effort)

    async def _optimise(self, plan: SuitePlan, python: str, *, quick: ImageRecord, effort: Effort) -> ImageRecord:
        async with self.run.look_up(plan.optimised_name(python)) as found:
            if found:
                return found
            sha256 = quick.labels["python-sha256"]
            sources = tuple(one for one in plan.python(python).source if one.sha256 == sha256)
            entry = plan.python(python).model_copy(update={"source": sources})
            _, archive = await self._fetch_source(entry, await self._ensure_base(plan))
            return await make_optimised(
                self.run, plan, python, quick=quick, source=archive, builders_dir=self._builders_dir, effort=effort
            )

    async def optimised_choices(self, suites: Iterable[str]) -> tuple[PythonChoice, ...]:
        """Return the Pythons of suites that this host has compiled quickly, in the suites' order."""
        there = {image.definition for image in await self.list_images()}
        choices = list[PythonChoice]()
        for suite in suites:
            if isinstance(self._catalogue.suite.get(suite), ImageSuite):
                continue
            plan = await self.plan(suite)
            for python in dict.fromkeys((self._catalogue.tools.python, *plan.entry.pythons)):
                definition = plan.optimised_name(python).definition
                is_there = plan.python_name(python).definition in there
                if is_there and can_be_optimised(self._catalogue, plan.facts, python):
                    choices.append(PythonChoice(suite=suite, python=python, definition=definition))
        return tuple(choices)

    async def lagging(self, suite: str, image: ImageRecord) -> tuple[str, ...]:
        """Return the Pythons of a builder or a runtime whose optimised successor this host has, but not the image."""
        plan = await self.plan(suite)
        known = {*plan.entry.pythons, self._catalogue.tools.python}
        held = [python for python in image.labels.get("python", "").split(",") if python in known]
        names = {python: plan.optimised_name(python) for python in held}
        made = {
            python
            for python, name in names.items()
            if await find_image(self.run.engine, name.tag, name.definition) is not None
        }
        return find_lagging(held, has=image.labels.get("optimised", "").split(","), made=made)

    async def _compile(self, plan: SuitePlan, python: str) -> ImageRecord:
        base = await self._ensure_base(plan)
        source, archive = await self._fetch_source(plan.python(python), base)
        build = plan.python_build(python, base=base, source=source, archive=archive)
        if self.run.options.is_emulated:
            native = self.on(self.run.options.machine)
            compiled = await native._ensure_python(await native.plan(plan.suite), python)  # noqa: SLF001  its own kind
            build = plan.cross_build(build, python, native=compiled.tag)
        return await self.run.build(build)

    async def _ensure_pythons(self, plan: SuitePlan, python: str) -> PythonImage:
        """Compile what is missing, one after the other: each compilation uses every core."""
        compiled = [await self._ensure_python(plan, one) for one in plan.pythons(python)]
        if len(compiled) == 1:
            return compiled[0]
        optimised = tuple(one for image in compiled for one in image.optimised)
        name = plan.pythons_name(python, optimised)
        async with self.run.look_up(name) as found:
            if found is None:
                await self.run.build(plan.pythons_build(python, [image.tag for image in compiled], optimised))
        sources = tuple(source for image in compiled for source in image.sources)
        return PythonImage(tag=name.tag, sources=sources, optimised=optimised)

    async def _fetch_source(self, python: Python, base: ImageRecord) -> tuple[PythonSource, Path]:
        """Return the newest available release, checked by its hash; raise DownloadFailedError if there is none."""
        tried: list[str] = []
        for source in python.source:
            file = source_file(name=source.file, version=source.version, sha256=source.sha256)
            mirrors = await self._mirrors_of(source, base)
            try:
                return source, await self._sources.fetch(file, mirrors=mirrors)
            except (DownloadFailedError, HashMismatchError) as error:
                self.run.report(f"{error.summary} Trying the next older release.")
                tried += error.tried if isinstance(error, DownloadFailedError) else [error.summary]
        names = ", ".join(source.file for source in python.source)
        raise DownloadFailedError(what=f"The source of Python ({names})", tried=tried)

    async def _mirrors_of(self, source: PythonSource, base: ImageRecord) -> tuple[str, ...]:
        """Return where a source may be, with the package mirror of the base."""
        options = self.run.options
        apt = options.apt_mirror or await read_apt_mirror(self.run.engine, base.id)
        return source_mirrors(source, apt=apt, mirror=options.python_mirror)

    async def _fetch_tools(self, entry: Suite | ImageSuite) -> tuple[Path, ...]:
        policy = entry.policy_on(self.run.options.architecture)
        platform = uv_platform(policy) or f"{policy.architecture}-{entry.policy}"
        target = ToolsTarget(python=self._catalogue.tools.python, platform=platform)
        return await self._sources.fetch_tools(self._builders_dir / "tools.lock", target=target)

    async def ensure_installer(self, suite: str) -> Path:
        """Return the uv program of the tools, unpacked from its wheel if it is not yet.

        Raises:
            NotFoundError: There is no such suite for this architecture.
            DownloadFailedError: The wheel cannot be fetched.
        """
        entry = self._catalogue.suite.get(suite)
        if entry is None:
            raise NotFoundError(kind="suite", name=suite)
        wheel = next(one for one in await self._fetch_tools(entry) if one.name.startswith("uv-"))
        return await asyncio.to_thread(self._sources.unpack_program, wheel, "uv")

    async def _finish(self, plan: SuitePlan, build: ImageBuild, parts: Parts) -> ImageRecord:
        content = replace(
            await self._content(plan.suite, build, parts.pythons.sources, parts.wheels),
            archive_dates=read_dates(parts.base.labels.get("archive-dates", "")),
        )
        return await build_finished(self.run, build, ground=plan.ground_build(build), content=content)

    async def _content(
        self, suite: str, build: ImageBuild, pythons: tuple[tuple[str, str], ...], wheels: Sequence[Path]
    ) -> ImageContent:
        """Return what is known of an image before it is made."""
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


def source_mirrors(source: PythonSource, *, apt: str | None, mirror: str | None) -> tuple[str, ...]:
    """Return the addresses of a source, in the order in which they are tried.

    Args:
        source: A release of CPython.
        apt: The suite's package mirror; without one, addresses on it are left out.
        mirror: The operator's mirror of www.python.org/ftp/python. It has a folder for each release, in which the
            pre-releases are too.
    """
    folder = _PRE_RELEASE.sub("", source.version)
    own = [f"{mirror.rstrip('/')}/{folder}/{source.file}"] if mirror else []
    usable = (one for one in source.mirrors if apt or APT_MIRROR not in one)
    return tuple(dict.fromkeys((*own, *(one.replace(APT_MIRROR, (apt or "").rstrip("/")) for one in usable))))


async def _both(first: Coroutine[None, None, A], second: Coroutine[None, None, B]) -> tuple[A, B]:
    """Return what both return; when one fails, the other is cancelled. They share no processor: one only downloads."""
    tasks = asyncio.create_task(first), asyncio.create_task(second)
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _check_python(plan: SuitePlan, python: str) -> None:
    if python not in {*plan.entry.pythons, plan.catalogue.tools.python}:
        raise NotFoundError(kind="Python", name=python, where=f"in suite {plan.suite!r}")


def _read_certificates(bundle: Path | None) -> tuple[ContextFile, ...]:
    return certificate_files(bundle.read_bytes()) if bundle else ()


class LoggedImages:
    """Find or make the images of wheel builds, and report to the build's log."""

    def __init__(
        self, builder: ImageBuilder, *, fallbacks: Fallbacks, note_use: Callable[[str], Awaitable[None]]
    ) -> None:
        self._builder = builder
        self._fallbacks = fallbacks
        self._note_use = note_use
        self._contents: MemoryCache[str, ImageContent] = MemoryCache(limit=_KEPT_CONTENTS)

    async def builder(  # noqa: PLR0913  (each is one property of the image)
        self,
        *,
        suite: str,
        python: str,
        architecture: str,
        apt: Sequence[str],
        toolchains: Sequence[str] = (),
        log: LogSink,
    ) -> str:
        """Return the id of the builder image of a suite for a Python, with these toolchains and system packages."""
        async with self._writing_to(log, architecture) as images:
            name = await images.builder_name(suite, python)
            make = functools.partial(images.ensure_builder, suite, python=python)
            builder = await self._fallbacks.serve(name, make, images.run.report)
            extended = await images.ensure_toolchains(builder, suite, toolchains)
            return await self._with_packages(images, extended, apt, own=builder)

    async def runtime(
        self, *, suite: str, python: str, architecture: str, apt: Sequence[str] = (), log: LogSink
    ) -> str:
        """Return the id of the bare runtime image, with these system packages."""
        async with self._writing_to(log, architecture) as images:
            name = await images.runtime_name(suite, python)
            make = functools.partial(images.ensure_runtime, suite, python)
            bare = await self._fallbacks.serve(name, make, images.run.report)
            return await self._with_packages(images, bare, apt, own=bare)

    async def content(self, image: str) -> ImageContent:
        """Return what is in an image. An id always has the same content, so each is read once."""
        content = self._contents.last(image)
        if content is None:
            content = read_sbom_content(await read_sbom(self._builder.run.engine, image))
            self._contents.keep(image, content)
        return content

    async def installer(self, *, suite: str, architecture: str, log: LogSink) -> Path:
        """Return the uv of the tools' wheels for an architecture."""
        async with self._writing_to(log, architecture) as images:
            return await images.ensure_installer(suite)

    def package_manager(self, suite: str) -> str:
        """Return the name of the package manager of a suite's builders."""
        return self._builder.package_manager(suite)

    async def note_use(self, images: Collection[str]) -> None:
        """Record that a build uses images, so that they are not removed while it still has containers to start."""
        for image in images:
            await self._note_use(image)

    async def _with_packages(self, images: ImageBuilder, image: str, apt: Sequence[str], *, own: str) -> str:
        """Add system packages; record the use of the result if it is not the suite's own image."""
        environment = await images.ensure_environment(image, apt)
        if environment != own:
            await self._note_use(environment)
        return environment

    @asynccontextmanager
    async def _writing_to(self, log: LogSink, architecture: str) -> AsyncIterator[ImageBuilder]:
        """Yield an image builder whose lines go to a log in order. All are written when the block ends."""
        lines: asyncio.Queue[str | None] = asyncio.Queue()

        async def write() -> None:
            while (line := await lines.get()) is not None:
                await log.write(f"{line}\n".encode())

        writer = asyncio.create_task(write())
        try:
            yield self._builder.on(architecture).reporting_to(lines.put_nowait)
        finally:
            lines.put_nowait(None)
            await writer
