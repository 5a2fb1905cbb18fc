"""An organisation's own projects in tests: an upstream that must not be asked, and the source before it."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from packaging.utils import NormalizedName
from tests.fakes.index import MemoryIndex
from tests.fakes.records import MemoryState
from tests.fakes.sdists import MemorySdists
from tests.fakes.wheels import MemoryWheels

from wheelyard.adapters.resolver.own_projects import FetchFile, OwnNames, OwnSource
from wheelyard.adapters.resolver.own_wheels import OwnWheels
from wheelyard.adapters.upstream.cache import ContentCache
from wheelyard.domain.packaging.own_projects import OwnProjects
from wheelyard.domain.packaging.release import IndexFile, ProjectFiles
from wheelyard.interfaces import SourceIndex


class ForbiddenUpstream:
    """An upstream index that fails the test if it is asked for anything."""

    async def project(self, name: NormalizedName) -> ProjectFiles:
        """Fail."""
        raise AssertionError(f"upstream was asked for the page of {name}")

    async def fetch(self, file: IndexFile) -> Path:
        """Fail."""
        raise AssertionError(f"upstream was asked for {file.filename}")


def own_source(  # noqa: PLR0913  a test names only what it is about
    state: MemoryState,
    folder: Path,
    *,
    patterns: tuple[str, ...] = (),
    upstream: SourceIndex | None = None,
    held: MemoryIndex | None = None,
    fetch: FetchFile | None = None,
    places: Mapping[str, FetchFile] = MappingProxyType({}),
) -> OwnSource:
    """Make the source of a state's brought sdists; ``fetch`` is for ``upload:`` URLs, ``places`` for others."""
    sdists = MemorySdists(state)
    cache = ContentCache(root=folder / "own", floor_bytes=0)
    return OwnSource(
        upstream or ForbiddenUpstream(),
        names=OwnNames(OwnProjects.of(patterns), sdists),
        sdists=sdists,
        own=OwnWheels(store=MemoryWheels(state), storage=held or MemoryIndex(), cache=cache),
        places={**places, **({} if fetch is None else {"upload": fetch})},
    )
