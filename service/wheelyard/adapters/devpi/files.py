"""Read, list and remove the files of a devpi server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import quote

import httpx

from wheelyard.adapters.devpi.publish import open_devpi_client, server_of
from wheelyard.adapters.devpi.session import DevpiSession
from wheelyard.adapters.upstream.http import explain
from wheelyard.domain.index.index import Credentials, HeldFile, Level
from wheelyard.errors import IndexRefusedError, IndexUnavailableError, NotFoundError

_PAGE_TYPE: Final = "application/vnd.pypi.simple.v1+json"
_PAGES_AT_ONCE: Final = 8
_CHUNK_BYTES: Final = 256 << 10
_NAME: Final = "our own"
_NOT_FOUND: Final = 404


@dataclass(frozen=True, kw_only=True, slots=True)
class DevpiPlace:
    """One index of the server, and the user who may write to it."""

    url: str
    credentials: Credentials


class DevpiStorage:
    """The files of our indexes on one devpi server."""

    def __init__(self, places: Mapping[Level, DevpiPlace], *, client: httpx.AsyncClient | None = None) -> None:
        self._places = {level: place.url.rstrip("/") for level, place in places.items()}
        self._server = server_of(self._places[Level.PROD])
        login = f"{self._server}/+login"
        self._sessions = {
            level: DevpiSession(login_url=login, credentials=place.credentials) for level, place in places.items()
        }
        self._owned = None if client is not None else open_devpi_client(self._server)
        self._client = client or self._owned or httpx.AsyncClient()
        self._reading = asyncio.Semaphore(_PAGES_AT_ONCE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._owned is not None:
            await self._owned.aclose()

    @contextlib.asynccontextmanager
    async def open(self, url: str) -> AsyncIterator[AsyncIterator[bytes]]:
        """Yield the content of a file in chunks; see WheelStorage."""
        headers = {"Accept-Encoding": "identity"}
        try:
            async with self._client.stream("GET", self._here(url), headers=headers) as response:
                if response.status_code == _NOT_FOUND:
                    raise NotFoundError(kind="file", name=url.rpartition("/")[2])
                yield response.raise_for_status().aiter_raw(_CHUNK_BYTES)
        except httpx.HTTPError as error:
            raise IndexUnavailableError(index=_NAME, reason=explain(error)) from error

    async def list_files(self) -> tuple[HeldFile, ...]:
        """Return all files; see WheelStorage."""
        try:
            found = await asyncio.gather(*(self._list_level(level) for level in self._places))
        except httpx.HTTPError as error:
            raise IndexUnavailableError(index=_NAME, reason=explain(error)) from error
        return tuple(file for files in found for file in files)

    async def remove(self, project: str, filename: str) -> None:
        """Remove a file from every level; see WheelStorage."""
        try:
            for level in self._places:
                for file in await self._list_project(level, project):
                    if file.filename == filename:
                        await self._delete(file)
        except httpx.HTTPError as error:
            raise IndexUnavailableError(index=_NAME, reason=explain(error)) from error

    async def _delete(self, file: HeldFile) -> None:
        # Our indexes are not volatile, to prevent deletions by mistake. devpi deletes from them with ?force only:
        # https://github.com/devpi/devpi/pull/795
        address = f"{file.url}?force"
        response = await self._client.delete(address, auth=self._sessions[file.level])
        if response.is_server_error:
            response.raise_for_status()
        if not response.is_success and response.status_code != _NOT_FOUND:
            reason = response.reason_phrase or response.text[:200]
            raise IndexRefusedError(filename=file.filename, status=response.status_code, reason=reason)

    async def _list_level(self, level: Level) -> list[HeldFile]:
        page = await self._page(f"{self._places[level]}/+simple/")
        names = [project["name"] for project in page.get("projects", ())]
        found = await asyncio.gather(*(self._list_project(level, name) for name in names))
        return [file for files in found for file in files]

    async def _list_project(self, level: Level, project: str) -> list[HeldFile]:
        url = f"{self._places[level]}/+simple/{quote(project)}/"
        return [
            HeldFile(
                level=level,
                project=project,
                filename=file["filename"],
                sha256=file["hashes"].get("sha256", ""),
                url=str(httpx.URL(url).join(file["url"])).partition("#")[0],
            )
            for file in (await self._page(url)).get("files", ())
        ]

    async def _page(self, url: str) -> dict[str, Any]:
        async with self._reading:
            response = await self._client.get(url, headers={"Accept": _PAGE_TYPE})
        if response.status_code == _NOT_FOUND:
            return {}
        try:
            document: dict[str, Any] = response.raise_for_status().json()
        except ValueError as error:
            raise IndexUnavailableError(index=_NAME, reason=f"{url} is not JSON") from error
        return document

    def _here(self, url: str) -> str:
        """Return a file's address on the server as it is reached now: its host and port may have changed."""
        index, separator, file = url.partition("/+f/")
        return "/".join((self._server, *index.rsplit("/", 2)[1:])) + separator + file
