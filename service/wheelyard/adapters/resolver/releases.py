"""Resolve an application's requirements to releases with uv, for a target that is not this machine.

Nothing is built, so uv accepts no release that has only an sdist. Where an sdist was requested, uv is given a
placeholder: a wheel without content, made from the sdist's metadata. The same is done for releases without
alternatives.
"""

import tempfile
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from packaging.pylock import Pylock, PylockValidationError

from wheelyard.adapters.resolver.pages import ResolverPages
from wheelyard.adapters.resolver.uv import SERVICE, Question, UvProcess, UvResolverOptions
from wheelyard.domain.dependencies.files import ResolvedRelease, StatedRelease, holds
from wheelyard.domain.index.placeholder_files import Placeholders
from wheelyard.domain.packaging.target import Target
from wheelyard.errors import BuildRequirementsError, RequirementsUnsatisfiableError

_WHEEL: Final = "Wheel-Version: 1.0\nGenerator: wheelyard\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


class UvReleaseResolver:
    """Resolve releases with ``uv pip compile --no-build``."""

    def __init__(self, options: UvResolverOptions, pages: ResolverPages | None = None) -> None:
        self._uv = UvProcess(options)
        self._pages = pages

    async def resolve(
        self,
        requirements: Sequence[str],
        *,
        constraints: Sequence[str],
        stated: Sequence[StatedRelease],
        target: Target,
        asked_by: str = SERVICE,
    ) -> tuple[ResolvedRelease, ...]:
        """Return one release of each project that the requirements need on the target.

        Where no such set of wheels exists, sdists replace the missing ones: first of projects without any usable wheel,
        then of all releases. Chosen sdists will be built.

        Raise RequirementsUnsatisfiableError with uv's own explanation if there is no such set, OwnProjectError if one
        of them has a name of our own and is not on our index, IndexUnavailableError, and ResolverBusyError.
        """
        if not requirements:
            return ()
        question = Question(
            requirements=tuple(sorted(requirements)), constraints=tuple(sorted(constraints)), target=target
        )
        with tempfile.TemporaryDirectory(prefix="wheelyard-stated-") as folder:
            _write_stubs(stated, Path(folder))
            content = await self._choose(question, asked_by, "--no-build", "--find-links", folder)
        try:
            lock = Pylock.from_dict(content)
        except PylockValidationError as error:
            raise RequirementsUnsatisfiableError(target=str(target), reason=str(error)) from error
        return tuple(
            ResolvedRelease(project=package.name, version=package.version)
            for package in lock.packages
            if package.version is not None and holds(package.marker, target)
        )

    async def _choose(self, question: Question, asked_by: str, *options: str) -> dict[str, Any]:
        faults: list[BuildRequirementsError] = []
        for placeholders in Placeholders if self._pages is not None else (Placeholders.NONE,):
            try:
                return await self._compile(question, placeholders, asked_by, *options)
            except BuildRequirementsError as error:
                faults.append(error)
        # With every sdist listed, uv's explanation is about the requirements and not about wheels.
        raise RequirementsUnsatisfiableError(target=str(question.target), reason=faults[-1].reason) from faults[-1]

    async def _compile(
        self, question: Question, placeholders: Placeholders, asked_by: str, *options: str
    ) -> dict[str, Any]:
        if self._pages is None:
            return await self._uv.compile(question, *options, asked_by=asked_by)
        async with self._pages.open(question.target, placeholders) as session:
            with session.explained():
                return await self._uv.compile(question, *options, pages=session.url, asked_by=asked_by)


def _write_stubs(releases: Iterable[StatedRelease], folder: Path) -> None:
    """Write a wheel with nothing but metadata for each release."""
    for release in releases:
        stem = f"{release.project.replace('-', '_')}-{release.version}"
        lines = [f"Name: {release.project}", f"Version: {release.version}"]
        lines += [f"Requires-Python: {release.requires_python}"] if release.requires_python else []
        lines += [f"Provides-Extra: {extra}" for extra in release.extras]
        lines += [f"Requires-Dist: {requirement}" for requirement in release.requires]
        with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{stem}.dist-info/METADATA", "\n".join(["Metadata-Version: 2.1", *lines, "", ""]))
            wheel.writestr(f"{stem}.dist-info/WHEEL", _WHEEL)
            wheel.writestr(f"{stem}.dist-info/RECORD", "")
