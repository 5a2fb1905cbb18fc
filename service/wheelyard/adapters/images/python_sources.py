"""Which Pythons this host can have: looks for their images on the engine, and for their sources on the mirrors.

A look costs the first bytes of each tarball that is neither on the engine nor in the cache. Answers are kept until the
next look; images are looked for each time, because an image needs no source any more.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from wheelyard.adapters.images.base import read_apt_mirror
from wheelyard.adapters.images.builder import ImageBuilder, source_mirrors
from wheelyard.adapters.images.names import list_images
from wheelyard.adapters.images.plans import SuitePlan
from wheelyard.adapters.images.sources import Answer, ImageSources, source_file
from wheelyard.adapters.upstream.http import without_password
from wheelyard.domain.catalogue.catalogue import BuilderChoice, Catalogue, PythonSource
from wheelyard.domain.catalogue.definition import runtime_suite
from wheelyard.domain.catalogue.images import ImageRecord
from wheelyard.domain.catalogue.reach import PythonReach, Reach, SourceTry
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.errors import OperatorError

_DEBIAN: Final = "http://deb.debian.org/debian"
"""What mmdebstrap uses if nobody names a mirror, and so the mirror of a base that is not there yet."""
_AT_ONCE: Final = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """Where the source of a Python of a suite is, by what was answered."""

    version: str
    """The newest release that can be fetched; empty if there is none."""
    tried: tuple[SourceTry, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Machine:
    """An architecture that this host builds for, itself or by emulation."""

    images: ImageBuilder
    catalogue: Catalogue
    """What can be built for it."""

    @property
    def suites(self) -> tuple[str, ...]:
        """Return the suites whose images are compiled here."""
        used = (runtime_suite(self.catalogue, suite) for suite in self.catalogue.buildable_suites)
        return tuple(dict.fromkeys(used))


class PythonSources:
    """Says which Pythons of the catalogue this host can have.

    Attributes:
        newest: What was last found; empty before the first look.
    """

    def __init__(
        self, *, images: ImageBuilder, catalogue: Catalogue, sources: ImageSources, architectures: Sequence[str]
    ) -> None:
        """Prepare it; ``architectures`` are this host's own and those that it emulates."""
        self._images = images
        self._machines = tuple(_Machine(images=images.on(one), catalogue=catalogue.on(one)) for one in architectures)
        self._sources = sources
        self._answers: dict[str, Answer] | None = None
        self._kept: frozenset[PythonSource] = frozenset()
        """The sources that were in the cache at the last look; to check them takes reading them."""
        self._mirrors: dict[str, str] = {}
        self.newest = Reach()

    async def look(self) -> tuple[PythonReach, ...]:
        """Ask the mirrors for what is neither on the engine nor in the cache; return what is known then."""
        present = await self._present()
        wanted = [
            pair
            for machine in self._machines
            for suite in machine.suites
            for pair in await self._missing(machine, suite, present)
        ]
        sources = dict.fromkeys(source for source, _ in wanted)
        self._kept = frozenset([one for one in sources if await self._sources.has(_file_of(one))])
        urls = dict.fromkeys(url for source, urls in wanted if source not in self._kept for url in urls)
        slots = asyncio.Semaphore(_AT_ONCE)
        async with self._sources.open() as client:

            async def ask(url: str) -> tuple[str, Answer]:
                async with slots:
                    return url, await self._sources.probe(client, url)

            self._answers = dict(await asyncio.gather(*map(ask, urls)))
        return await self._describe(present)

    async def current(self) -> tuple[PythonReach, ...] | None:
        """Return what is known, with the images that the engine has now; None before the first look."""
        return None if self._answers is None else await self._describe(await self._present())

    async def _present(self) -> Mapping[str, ImageRecord]:
        """Return our images by definition; none if the engine does not answer, which other checks report."""
        try:
            return {image.definition: image for image in await list_images(self._images.run.engine) if image.family}
        except OperatorError:
            return {}

    async def _missing(
        self, machine: _Machine, suite: str, present: Mapping[str, ImageRecord]
    ) -> list[tuple[PythonSource, tuple[str, ...]]]:
        """Return the sources that a suite's missing images need, and where they may be."""
        plan = await machine.images.plan(suite)
        apt = await self._apt_mirror(plan, present)
        missing = [name for name in _pythons(plan) if plan.python_name(name).definition not in present]
        found = dict.fromkeys(source for name in missing for source in plan.python(name).source)
        return [(source, self._addresses(source, apt)) for source in found]

    def _addresses(self, source: PythonSource, apt: str | None) -> tuple[str, ...]:
        return source_mirrors(source, apt=apt, mirror=self._images.run.options.python_mirror)

    async def _apt_mirror(self, plan: SuitePlan, present: Mapping[str, ImageRecord]) -> str:
        """Return the package mirror that a suite's base has, or would have."""
        if named := self._images.run.options.apt_mirror or (plan.entry.mirrors or (None,))[0]:
            return named
        base = present.get(plan.base().name.definition)
        if base is None:
            return _DEBIAN
        if base.id not in self._mirrors:
            try:
                self._mirrors[base.id] = await read_apt_mirror(self._images.run.engine, base.id) or _DEBIAN
            except OperatorError:
                return _DEBIAN
        return self._mirrors[base.id]

    async def _describe(self, present: Mapping[str, ImageRecord]) -> tuple[PythonReach, ...]:
        judged = tuple([one for machine in self._machines for one in await self._describe_on(machine, present)])
        self.newest = Reach.of([judged])
        return judged

    async def _describe_on(self, machine: _Machine, present: Mapping[str, ImageRecord]) -> list[PythonReach]:
        plans = {suite: await machine.images.plan(suite) for suite in machine.suites}
        found = {
            (suite, python): await self._find(plan, python, present)
            for suite, plan in plans.items()
            for python in _pythons(plan)
        }
        return [self._judge(one, machine.catalogue, plans, found, present) for one in machine.catalogue.builders()]

    @staticmethod
    def _judge(
        builder: BuilderChoice,
        catalogue: Catalogue,
        plans: Mapping[str, SuitePlan],
        found: Mapping[tuple[str, str], _Found],
        present: Mapping[str, ImageRecord],
    ) -> PythonReach:
        """Judge a builder: its images are there, or all Pythons that they need can be had."""
        suite = runtime_suite(catalogue, builder.suite)
        own = found[suite, builder.python]
        reach = PythonReach(
            architecture=builder.policy.architecture,
            suite=builder.suite,
            python=builder.python,
            reachable=True,
            version=own.version,
        )
        plan = plans[suite]
        names = (plan.builder_name(builder.python), plan.runtime_name(builder.python))
        # Images of an older definition do too: they stand in while newer ones cannot be made.
        families = {image.family: image for image in present.values()}
        if builder.suite == suite and all(name.family in families for name in names):
            return replace(reach, version=_version(families[names[1].family]) or own.version)
        # The tools of an external image run on its own Python.
        needed = (own, found[suite, catalogue.tools.python]) if builder.suite == suite else (own,)
        if all(one.version for one in needed):
            return reach
        tried = dict.fromkeys(one for part in needed if not part.version for one in part.tried)
        return replace(reach, reachable=False, tried=tuple(tried))

    async def _find(self, plan: SuitePlan, python: str, present: Mapping[str, ImageRecord]) -> _Found:
        """Find the newest release of a Python that can be had, as builds do."""
        if (image := present.get(plan.python_name(python).definition)) is not None:
            return _Found(version=_version(image) or python, tried=())
        tried: list[SourceTry] = []
        apt = await self._apt_mirror(plan, present)
        for source in plan.python(python).source:
            if source in self._kept:
                return _Found(version=source.version, tried=())
            addresses = self._addresses(source, apt)
            if any(self._is_there(url, source) for url in addresses):
                return _Found(version=source.version, tried=())
            tried += self._tries(addresses, source)
        return _Found(version="", tried=tuple(tried))

    def _is_there(self, url: str, source: PythonSource) -> bool:
        answer = (self._answers or {}).get(url)
        return answer is not None and self._sources.judge(url, answer, sha256=source.sha256) == ""

    def _tries(self, urls: Sequence[str], source: PythonSource) -> Iterable[SourceTry]:
        for url in urls:
            if (answer := (self._answers or {}).get(url)) is not None:
                problem = self._sources.judge(url, answer, sha256=source.sha256)
                yield SourceTry(url=without_password(url), answer=problem)


def _pythons(plan: SuitePlan) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*plan.entry.pythons, plan.catalogue.tools.python)))


def _version(image: ImageRecord) -> str:
    """Return the full version of the Python that an image was made for: the last one, after the tools'."""
    return image.labels.get("python-version", "").rpartition(",")[2]


def _file_of(source: PythonSource) -> IndexFile:
    return source_file(name=source.file, version=source.version, sha256=source.sha256)
