"""How much of the upstream index one input may ask for."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from packaging.utils import NormalizedName
from tests.contract.samples import TARGET
from tests.fakes.parsers import InlineParsers
from tests.fakes.sources import MemorySourceIndex

from wheelyard.adapters.resolver.requirements import parse_requirements
from wheelyard.domain.dependencies.files import ResolvedRelease, Skipped, StatedRelease, WantedFile, WantedSource
from wheelyard.domain.packaging.release import ProjectFiles
from wheelyard.domain.packaging.target import Target
from wheelyard.errors import ResolutionTooLargeError, UnknownProjectError
from wheelyard.usecases.read_dependencies import MOST_CHOSEN, DependencyInput, ReadDependencies


class CountingSource(MemorySourceIndex):
    """An index that has nothing, and counts how often it is asked."""

    def __init__(self, cache_dir: Path) -> None:
        super().__init__(cache_dir)
        self.asked: list[str] = []

    async def project(self, name: NormalizedName) -> ProjectFiles:
        self.asked.append(name)
        raise UnknownProjectError(project=name)


class NoResolver:
    """A ReleaseResolver that chooses nothing."""

    async def resolve(
        self,
        requirements: Sequence[str],
        *,
        constraints: Sequence[str],
        stated: Sequence[StatedRelease],
        target: Target,
        asked_by: str,
    ) -> tuple[ResolvedRelease, ...]:
        del requirements, constraints, stated, target, asked_by
        return ()


@pytest.fixture
def source(tmp_path: Path) -> CountingSource:
    return CountingSource(tmp_path)


@pytest.fixture
def read(source: CountingSource) -> ReadDependencies:
    return ReadDependencies(
        source=source,
        resolver=NoResolver(),
        parsers=InlineParsers(),
        parse_lines=parse_requirements,
        read_metadata=lambda _: None,
        find_source=no_source,
    )


async def no_source(wanted: WantedSource | WantedFile, caller: str) -> Skipped:
    """Know no repository."""
    return wanted.skipped(f"{caller} asks for it")


async def test_each_project_is_looked_up_once(read: ReadDependencies, source: CountingSource) -> None:
    given = DependencyInput(requirements=tuple(f"Some-Name_{n % 7}>=1" for n in range(700)))
    await read(given, [TARGET], caller="alice")
    assert sorted(source.asked) == [f"some-name-{n}" for n in range(7)]


async def test_input_that_leaves_too_much_to_choose_asks_for_nothing(
    read: ReadDependencies, source: CountingSource
) -> None:
    given = DependencyInput(requirements=tuple(f"p{n}" for n in range(MOST_CHOSEN + 1)))
    with pytest.raises(ResolutionTooLargeError, match="leaves 2001 releases to choose, and 2000 are allowed"):
        await read(given, [TARGET], caller="alice")
    assert source.asked == []
