"""The organisation's own projects: which they are, and their sdists, which nobody upstream is asked for."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from packaging.utils import NormalizedName

from wheelyard.adapters.resolver.own_wheels import OwnWheels
from wheelyard.domain.index.sdists import SCHEME
from wheelyard.domain.packaging.own_projects import OwnProjects
from wheelyard.domain.packaging.release import IndexFile, ProjectFiles
from wheelyard.errors import DownloadFailedError, NotFoundError, OwnProjectError
from wheelyard.interfaces import SdistStore, SourceIndex

FetchFile = Callable[[IndexFile], Awaitable[Path]]
"""Fetches a file from a place that is no index, into the content cache; see ``SourceIndex.fetch``."""


class OwnNames:
    """The names that upstream is never asked for: the operator's patterns, and projects of which an sdist was brought.

    The database is asked each time, because an operator can give a name back to upstream.
    """

    def __init__(self, patterns: OwnProjects, sdists: SdistStore | None = None) -> None:
        self._patterns = patterns
        self._sdists = sdists

    async def refusal_of(self, project: NormalizedName) -> OwnProjectError | None:
        """Return the error for a name that is the organisation's own; None for others.

        Raises DatabaseUnavailableError, because without an answer no name may be asked for upstream.
        """
        if (refusal := self._patterns.refusal_of(project)) is not None:
            return refusal
        is_own = self._sdists is not None and await self._sdists.is_own(project)
        return OwnProjectError(project=project, pattern=None) if is_own else None

    async def refuse(self, project: NormalizedName) -> None:
        """Raise OwnProjectError if the name is the organisation's own."""
        if (refusal := await self.refusal_of(project)) is not None:
            raise refusal

    async def sdists_of(self, project: NormalizedName) -> tuple[IndexFile, ...]:
        """Return the sdists of a project that were brought."""
        return () if self._sdists is None else await self._sdists.sdists_of(project)


class OwnSource:
    """A SourceIndex with the brought sdists of the organisation's own projects, and upstream's page of all others."""

    def __init__(
        self,
        upstream: SourceIndex,
        *,
        names: OwnNames,
        sdists: SdistStore,
        own: OwnWheels,
        places: Mapping[str, FetchFile],
    ) -> None:
        """Set upstream, our index, and what fetches from other places, by the scheme of their URLs."""
        self._upstream = upstream
        self._names = names
        self._sdists = sdists
        self._own = own
        self._places = places

    async def project(self, name: NormalizedName) -> ProjectFiles:
        """Return a project's page: of brought sdists for an own project, else upstream's.

        Raise OwnProjectError for an own project without an sdist, and otherwise as SourceIndex.
        """
        if (refusal := await self._names.refusal_of(name)) is None:
            return await self._upstream.project(name)
        sdists = await self._names.sdists_of(name)
        if not sdists:
            raise refusal
        return ProjectFiles(project=name, files=sdists)

    async def fetch(self, file: IndexFile) -> Path:
        """Fetch a file into the content cache; see SourceIndex. No file of an own project comes from upstream."""
        scheme = urlsplit(file.url).scheme
        if scheme == SCHEME:
            return await self._fetch_sdist(file)
        if scheme in self._places:
            return await self._places[scheme](file)
        # A build may have been queued, or its wheels chosen, before the name became one of our own.
        await self._names.refuse(file.project)
        return await self._upstream.fetch(file)

    async def _fetch_sdist(self, file: IndexFile) -> Path:
        try:
            place = await self._sdists.place_of(file.filename)
        except NotFoundError as error:
            raise DownloadFailedError(what=file.filename, tried=["the sdists that were brought"]) from error
        there = replace(file, url=place.url)
        if place.is_on_index:
            return await self._own.fetch(there)
        scheme = urlsplit(place.url).scheme
        if scheme in self._places:
            return await self._places[scheme](there)
        raise DownloadFailedError(what=file.filename, tried=[f"{place.url} (nothing here fetches from such a place)"])
