"""Compare a wheel with upstream's own wheel of the release and with upstream's sdist."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.tags import Tag

from wheelyard.domain.comparison.wheels import Comparison, Difference, SdistFacts, WheelFacts, compare_wheels
from wheelyard.domain.packaging.coverage import wheel_tags
from wheelyard.domain.packaging.release import IndexFile, ProjectFiles, best_sdist
from wheelyard.domain.untrusted.file_names import read_wheel_name
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.errors import NotComparableError
from wheelyard.interfaces import ParserPool, SourceIndex

_GLIBC: Final = re.compile(r"(?:linux|manylinux(?:\d+|_\d+_\d+))_(\w+)", re.ASCII)
_COMPARABLE: Final = 4
"""The ranks of wheels that are worth a comparison: those for other systems have other files for good reasons."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Readers:
    """What reads files of strangers; each runs in a process of its own."""

    wheel: Callable[..., WheelFacts]
    sdist: Callable[..., SdistFacts]
    why: Callable[..., tuple[Difference, ...]]
    """Tells why two wheels that should have the same bytes have not."""


class CompareWheel:
    """Compares wheels; what it compares them with comes from the upstream index unless it is given."""

    def __init__(self, *, source: SourceIndex, parsers: ParserPool, readers: Readers) -> None:
        self._source = source
        self._parsers = parsers
        self._readers = readers

    async def __call__(
        self, wheel: Path, *, other: Path | None = None, sdist: Path | None = None, exact: bool = False
    ) -> Comparison:
        """Return how a wheel differs from upstream's wheel and sdist of its release.

        Args:
            wheel: The wheel's path; its name tells its release.
            other: A wheel to compare it with instead of upstream's.
            sdist: An sdist to compare it with instead of upstream's.
            exact: Whether ``other`` must have the same bytes; then each difference says where they differ.

        Raises:
            NotComparableError: It is no wheel, or there is neither another wheel nor an sdist of its release.
            UnknownProjectError: Upstream does not know the project.
        """
        if other is not None:
            _check_release(wheel.name, other.name)
        facts = await self._read_wheel(wheel, wheel.name)
        other_facts = await self._read_wheel(other, other.name) if other is not None else None
        sdist_facts = await self._read_sdist(sdist, sdist.name) if sdist is not None else None
        if other is None or sdist is None:
            their_wheel, their_sdist = await self._find(wheel.name, wants_wheel=other is None)
            if other is None and their_wheel is not None:
                other_facts = await self._read_wheel(await self._source.fetch(their_wheel), their_wheel.filename)
            if sdist is None and their_sdist is not None:
                sdist_facts = await self._read_sdist(await self._source.fetch(their_sdist), their_sdist.filename)
        if other_facts is None and sdist_facts is None:
            reason = "upstream's index has neither an sdist of its release nor a wheel for such machines"
            raise NotComparableError(file=wheel.name, reason=reason)
        compared = compare_wheels(facts, other_facts, sdist_facts, same_builder=exact)
        if exact and other is not None and not compared.is_identical:
            names = f"{wheel.name} and {other.name}"
            why = await self._parsers.run(self._readers.why, wheel, other, what=names, caller=names)
            return compared.with_reasons(why)
        return compared

    async def _find(self, filename: str, *, wants_wheel: bool) -> tuple[IndexFile | None, IndexFile | None]:
        name = read_wheel_name(filename)
        page = await self._source.project(name.project)
        files = [one for one in page.files if one.version == name.version and not one.own]
        page = ProjectFiles(project=page.project, files=tuple(files))
        return nearest_wheel(filename, page.files) if wants_wheel else None, best_sdist(page.files)

    async def _read_wheel(self, path: Path, filename: str) -> WheelFacts:
        try:
            return await self._parsers.run(self._readers.wheel, path, filename, what=filename, caller=filename)
        except RefusedTextError as error:
            raise NotComparableError(file=filename, reason=str(error)) from error

    async def _read_sdist(self, path: Path, filename: str) -> SdistFacts:
        try:
            return await self._parsers.run(self._readers.sdist, path, filename, what=filename, caller=filename)
        except RefusedTextError as error:
            raise NotComparableError(file=filename, reason=str(error)) from error


def _check_release(filename: str, other: str) -> None:
    try:
        ours, theirs = read_wheel_name(filename), read_wheel_name(other)
    except RefusedTextError as error:
        raise NotComparableError(file=filename, reason=str(error)) from error
    if (ours.project, ours.version) != (theirs.project, theirs.version):
        raise NotComparableError(file=filename, reason=f"{other} is of another release")


def nearest_wheel(filename: str, files: Iterable[IndexFile]) -> IndexFile | None:
    """Return the wheel that is built most like another one, by its tags; None if none is for Linux or any system."""
    ranked = [
        (rank, one.filename, one)
        for one in files
        if one.kind == "wheel" and (tags := wheel_tags(one.filename))
        for rank in (_rank(wheel_tags(filename), tags),)
        if rank <= _COMPARABLE
    ]
    return min(ranked, default=(0, "", None))[2]


def _rank(tags: frozenset[Tag], others: frozenset[Tag]) -> int:
    """Return how unlike two wheels are: 0 for a common tag, then by Python and machine."""
    if tags & others:
        return 0
    pythons, machines = _pythons(tags), _machines(tags)
    if pythons & _pythons(others) and machines & _machines(others):
        return 1
    if machines & _machines(others):
        return 2
    if any(tag.platform == "any" for tag in others):
        return 3
    return _COMPARABLE if any("manylinux" in tag.platform for tag in others) else _COMPARABLE + 1


def _pythons(tags: frozenset[Tag]) -> set[tuple[str, str]]:
    return {(tag.interpreter, tag.abi) for tag in tags}


def _machines(tags: frozenset[Tag]) -> set[str]:
    """Return the architectures of tags for Linux with glibc, such as ``x86_64``."""
    return {match[1] for tag in tags if (match := _GLIBC.fullmatch(tag.platform))}
