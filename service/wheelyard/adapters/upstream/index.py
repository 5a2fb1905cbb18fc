"""The upstream index over HTTP: a page is read once for a burst of requests, a file is fetched once and checked."""

import asyncio
import functools
import hashlib
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

import httpx
from packaging.utils import NormalizedName, canonicalize_name
from pypi_simple import ACCEPT_JSON_PREFERRED, PYPI_SIMPLE_ENDPOINT

from wheelyard.adapters.upstream.cache import ContentCache, PartialFile
from wheelyard.adapters.upstream.http import (
    CONNECTIONS,
    STORED_BYTES,
    IndexAddress,
    download_failed,
    explain,
    open_client,
    retrying,
    save_body,
    without_password,
)
from wheelyard.adapters.upstream.page import PageBody, UnreadablePageError, read_page
from wheelyard.domain.packaging.own_projects import OwnProjects
from wheelyard.domain.packaging.release import IndexFile, ProjectFiles
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.errors import DownloadFailedError, IndexUnavailableError, SettingsInvalidError, UnknownProjectError
from wheelyard.interfaces import ParserPool, SourceIndex
from wheelyard.memory_cache import MemoryCache, SingleFlight
from wheelyard.metrics import CacheLookups

_LARGE_PAGE: Final = 128 << 10
"""Size in bytes from which a separate process reads a page: the JSON parser blocks everything else while it reads."""
_MOST_HELD: Final = 200_000
"""How many files' entries are kept in pages; each takes about a kilobyte."""
_LEFTOVER_SECONDS: Final = 24 * 3600
_ABSENT: Final = (404, 410)

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceIndexOptions:
    """Where the upstream index is, and the limits of what is read from it."""

    cache_dir: Path
    index_url: str = PYPI_SIMPLE_ENDPOINT
    own_projects: OwnProjects = OwnProjects()  # noqa: RUF009 - it is frozen
    """Names that are refused."""
    ca_bundle: Path | None = None
    """PEM file to trust instead of the system's certificates."""
    page_seconds: float = 10.0
    """How long a page is valid without asking again, in seconds."""
    page_limit_bytes: int = 64 << 20
    file_limit_bytes: int = 1 << 30
    disk_floor_bytes: int = 1 << 30
    timeout_seconds: float = 30.0
    """How long the index may stay silent, in seconds."""
    retry_pauses: tuple[float, ...] = (0.2, 0.8, 2.4)
    """Seconds before each further try, after transport errors and server errors."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _HeldPage:
    files: ProjectFiles
    etag: str | None
    sha256: str
    """Digest of what it was read from."""


class SimpleSourceIndex:
    """A Simple API (PEP 503, 691) as SourceIndex; an asynchronous context manager that owns its connections."""

    def __init__(
        self,
        options: SourceIndexOptions,
        *,
        lookups: CacheLookups | None = None,
        parsers: ParserPool | None = None,
    ) -> None:
        self._options = options
        self._parsers = parsers
        self._lookups = lookups or CacheLookups()
        try:
            self._address = IndexAddress(options.index_url)
        except httpx.InvalidURL as error:
            raise SettingsInvalidError(problems=["WHEELYARD_UPSTREAM_INDEX_URL: it is not a URL"]) from error
        self._client = open_client(
            ca_bundle=options.ca_bundle, timeout_seconds=options.timeout_seconds, auth=self._address
        )
        # Whenever a connection becomes free, httpcore examines all requests that wait for one, so hundreds wait here:
        # https://github.com/encode/httpcore/pull/1035
        self._connections = asyncio.Semaphore(CONNECTIONS)
        self._cache = ContentCache(root=options.cache_dir, floor_bytes=options.disk_floor_bytes)
        self._pages: MemoryCache[NormalizedName, _HeldPage] = MemoryCache(
            seconds=options.page_seconds, limit=_MOST_HELD, weigh=lambda page: 1 + len(page.files.files)
        )
        self._fetching: SingleFlight[tuple[str, str], Path] = SingleFlight()

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._cache.sweep, before=time.time() - _LEFTOVER_SECONDS)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def project(self, name: NormalizedName) -> ProjectFiles:
        """Return a project's page, or the one that was read a few seconds ago.

        Raise UnknownProjectError, OwnProjectError or IndexUnavailableError.
        """
        self._options.own_projects.refuse(name)
        return (await self._pages.get(name, functools.partial(self._renew, name))).files

    async def fetch(self, file: IndexFile) -> Path:
        """Fetch a file into the content cache, check its sha256, and return its path.

        Raise HashMismatchError, DownloadFailedError, OwnProjectError or DiskFullError. No partial file remains.
        """
        # A build may have been queued, or its wheels chosen, before the name became one of our own.
        self._options.own_projects.refuse(file.project)
        return await self._fetching.run((file.sha256, file.filename), functools.partial(self._obtain, file))

    async def _renew(self, name: NormalizedName) -> _HeldPage:
        try:
            return await self._retrying(functools.partial(self._ask, name, self._pages.last(name)))
        except httpx.HTTPStatusError as error:
            if error.response.status_code in _ABSENT:
                raise UnknownProjectError(project=name) from error
            raise IndexUnavailableError(index="upstream", reason=explain(error)) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise IndexUnavailableError(index="upstream", reason=explain(error)) from error
        except RefusedTextError as error:
            raise IndexUnavailableError(index="upstream", reason=str(error)) from error

    async def _ask(self, name: NormalizedName, held: _HeldPage | None) -> _HeldPage:
        """Ask once. An unchanged page is not sent again (304), or at least not read again."""
        headers = {"Accept": ACCEPT_JSON_PREFERRED}
        if held is not None and held.etag is not None:
            headers["If-None-Match"] = held.etag
        url = f"{self._address.url.rstrip('/')}/{name}/"
        async with self._client.stream("GET", url, headers=headers) as response:
            if held is not None and response.status_code == httpx.codes.NOT_MODIFIED:
                return held
            response.raise_for_status()
            body = await self._read(response)
        digest = await asyncio.to_thread(_digest, body)
        if held is not None and held.sha256 == digest:
            files = held.files  # not every index sends an ETag
        elif self._parsers is None or len(body.content) < _LARGE_PAGE:
            files = await asyncio.to_thread(read_page, name, body)
        else:
            files = await self._parsers.run(read_page, name, body, what=f"the page of {name}", caller=f"page {name}")
        return _HeldPage(files=files, etag=response.headers.get("ETag"), sha256=digest)

    async def _read(self, response: httpx.Response) -> PageBody:
        content, limit = bytearray(), self._options.page_limit_bytes
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > limit:
                raise UnreadablePageError(f"it sent a page of more than {limit} bytes")
        if self._address.url.startswith("https:") and response.url.scheme != "https":
            raise UnreadablePageError("it redirects to an address without TLS, so its hashes prove nothing")
        content_type = response.headers.get("Content-Type", "")
        return PageBody(
            url=without_password(str(response.url)),
            content_type=content_type,
            charset=response.charset_encoding,
            content=bytes(content),
        )

    async def _obtain(self, file: IndexFile) -> Path:
        """Return the cached file if it is intact, else download it."""
        path = await asyncio.to_thread(self._cache.find, file)
        self._lookups.note("files", found=path is not None)
        if path is not None:
            return path
        await asyncio.to_thread(self._cache.check_room, file.size_bytes or 0)
        try:
            return await self._retrying(functools.partial(self._download, file))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise download_failed(file, explain(error)) from error

    async def _download(self, file: IndexFile) -> Path:
        partial = PartialFile(self._cache, file)
        try:
            async with self._client.stream("GET", file.url, headers=STORED_BYTES) as response:
                response.raise_for_status()
                await save_body(response, partial, file, limit_bytes=self._options.file_limit_bytes)
            return await asyncio.to_thread(partial.keep)
        finally:
            partial.discard()

    async def _retrying(self, attempt: Callable[[], Awaitable[T]]) -> T:
        async def connected() -> T:
            async with self._connections:
                return await attempt()

        return await retrying(connected, pauses=self._options.retry_pauses)


def _digest(body: PageBody) -> str:
    """Return the digest of what a page is read from."""
    head = f"{body.url}\n{body.content_type}\n{body.charset}\n".encode()
    return hashlib.sha256(head + body.content).hexdigest()


_FILENAME: Final = "pip-26.2.1-py3-none-any.whl"
_SHA256: Final = "71138adf1f4ca900cdb7d289c21b7494329f2332b6d85f0e1c42108c0384ed3e"


async def find_pip(source: SourceIndex) -> IndexFile:
    """Return the pinned pip on the upstream index; raise DownloadFailedError if it is not there."""
    page = await source.project(canonicalize_name("pip"))
    for file in page.files:
        if file.filename == _FILENAME and file.sha256 == _SHA256:
            return file
    raise DownloadFailedError(what=_FILENAME, tried=["the upstream index does not list it with the pinned sha256"])
