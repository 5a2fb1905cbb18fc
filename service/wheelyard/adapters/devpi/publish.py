"""Publish on a devpi index, and prove it by reading the file and its metadata again."""

import asyncio
import hashlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import quote

import httpx
from packaging.utils import NormalizedName

from wheelyard.adapters.devpi.session import DevpiSession
from wheelyard.adapters.devpi.upload import FileUpload, read_sdist_upload, read_upload
from wheelyard.adapters.upstream.http import explain
from wheelyard.domain.index.index import Credentials, Level, PublishedFile
from wheelyard.errors import IndexConflictError, IndexRefusedError, IndexUnavailableError, PublishUnprovenError
from wheelyard.interfaces import Permit

_PAGE_TYPE: Final = "application/vnd.pypi.simple.v1+json"
_UPLOADS_AT_ONCE: Final = 4
_PAUSES_SECONDS: Final = (0.2, 0.5, 1.0, 2.0, 4.0)
# devpi answers an upload after it has stored and hashed it, which takes a while for a wheel of gigabytes.
_TIMEOUT: Final = httpx.Timeout(300.0, connect=10.0, pool=None)
_LOOPBACK_HOSTS: Final = ("127.0.0.1", "::1", "localhost")
_NOT_FOUND: Final = 404
_CONFLICT: Final = 409
_NAME: Final = "our own"
_PROVEN_FIELDS: Final = ("name", "version", "requires_python", "requires_dist")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Held:
    """A file as the index's page lists it."""

    url: str
    sha256: str


class _TryAgainError(Exception):
    """The index may or may not have stored the upload; its text says what happened."""


class DevpiIndex:
    """One devpi index, written to with one user's credentials."""

    def __init__(
        self,
        url: str,
        *,
        credentials: Credentials,
        level: Level = Level.PROD,
        client: httpx.AsyncClient | None = None,
        pauses_seconds: tuple[float, ...] = _PAUSES_SECONDS,
    ) -> None:
        self._url = url.rstrip("/")
        self._level = level
        self._owned = None if client is not None else open_devpi_client(self._url)
        self._client = client or self._owned or httpx.AsyncClient()
        self._session = DevpiSession(login_url=f"{server_of(self._url)}/+login", credentials=credentials)
        self._pauses_seconds = pauses_seconds
        self._uploads = asyncio.Semaphore(_UPLOADS_AT_ONCE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections, unless the client was passed in."""
        if self._owned is not None:
            await self._owned.aclose()

    async def publish(self, wheel: Path, *, sha256: str, permit: Permit | None = None) -> PublishedFile:
        """Publish a wheel and prove it; see WheelIndex."""
        return await self._publish(await asyncio.to_thread(read_upload, wheel, sha256=sha256), permit)

    async def publish_sdist(self, sdist: Path, *, sha256: str, metadata: bytes) -> PublishedFile:
        """Publish an sdist and prove it; see WheelIndex."""
        return await self._publish(await asyncio.to_thread(read_sdist_upload, sdist, sha256=sha256, metadata=metadata))

    async def _publish(self, upload: FileUpload, permit: Permit | None = None) -> PublishedFile:
        uploaded, reason = False, ""
        for pause in (*self._pauses_seconds, None):
            try:
                if held := await self._look(upload.project, upload.filename):
                    return await self._prove(upload, held, uploaded=uploaded)
                uploaded = True
                await self._post(upload, permit)
                held = await self._look(upload.project, upload.filename)
            except _TryAgainError as error:
                reason = str(error)
            else:
                if held is None:
                    raise PublishUnprovenError(filename=upload.filename, reason="its page does not list the file")
                return await self._prove(upload, held, uploaded=True)
            if pause is not None:
                await asyncio.sleep(pause)
        raise IndexUnavailableError(index=_NAME, reason=reason)

    async def sha256_of(self, project: NormalizedName, filename: str) -> str | None:
        """Return the sha256 of a file on the index, None if it is missing; see WheelIndex."""
        try:
            held = await self._look(project, filename)
        except _TryAgainError as error:
            raise IndexUnavailableError(index=_NAME, reason=str(error)) from error
        return held.sha256 if held else None

    async def ping(self) -> None:
        """Return if the index answers; see WheelIndex."""
        try:
            await self._get_json(f"{self._url}/+api", "application/json")
        except _TryAgainError as error:
            raise IndexUnavailableError(index=_NAME, reason=str(error)) from error

    async def _look(self, project: NormalizedName, filename: str) -> _Held | None:
        url = f"{self._url}/+simple/{project}/"
        page = await self._get_json(url, _PAGE_TYPE, missing={"files": []})
        for file in page["files"]:
            if file["filename"] == filename:
                return _Held(url=str(httpx.URL(url).join(file["url"])), sha256=file["hashes"].get("sha256", ""))
        return None

    async def _get_json(self, url: str, accept: str, *, missing: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return a JSON document; ``missing`` if there is none."""
        try:
            response = await self._client.get(url, headers={"Accept": accept})
            if missing is not None and response.status_code == _NOT_FOUND:
                return missing
            document: dict[str, Any] = response.raise_for_status().json()
        except httpx.HTTPError as error:
            raise _TryAgainError(explain(error)) from error
        except ValueError as error:
            raise _TryAgainError(f"{url} is not JSON") from error
        return document

    async def _post(self, upload: FileUpload, permit: Permit | None) -> None:
        async with self._uploads:
            if permit is not None:  # here, because the steps before it may have taken long
                await permit()
            file = await asyncio.to_thread(upload.path.open, "rb")
            try:
                response = await self._client.post(
                    f"{self._url}/",
                    data=upload.fields,
                    files={"content": (upload.filename, file, "application/octet-stream")},
                    auth=self._session,
                )
            except httpx.HTTPError as error:
                raise _TryAgainError(explain(error)) from error
            finally:
                await asyncio.to_thread(file.close)
        # 409: another upload was faster. The next look shows whether it has the same bytes.
        if response.is_server_error or response.status_code == _CONFLICT:
            raise _TryAgainError(f"it answered {response.status_code}")
        if not response.is_success:
            reason = response.reason_phrase or response.text[:200]
            raise IndexRefusedError(filename=upload.filename, status=response.status_code, reason=reason)

    async def _prove(self, upload: FileUpload, held: _Held, *, uploaded: bool) -> PublishedFile:
        if held.sha256 != upload.sha256:
            raise IndexConflictError(filename=upload.filename, held=held.sha256, ours=upload.sha256)
        try:
            found = await self._hash_of(held.url)
            if uploaded:
                await self._prove_metadata(upload)
        except httpx.HTTPError as error:
            raise PublishUnprovenError(filename=upload.filename, reason=explain(error)) from error
        except _TryAgainError as error:
            raise PublishUnprovenError(filename=upload.filename, reason=str(error)) from error
        if found != upload.sha256:
            raise PublishUnprovenError(filename=upload.filename, reason=f"its bytes have sha256 {found}")
        return PublishedFile(
            filename=upload.filename,
            url=held.url,
            index_url=f"{self._url}/+simple/",
            sha256=found,
            size_bytes=upload.size_bytes,
            uploaded=uploaded,
            level=self._level,
            metadata=upload.metadata,
            contents=upload.contents,
        )

    async def _hash_of(self, url: str) -> str:
        digest = hashlib.sha256()
        async with self._client.stream("GET", url, headers={"Accept-Encoding": "identity"}) as response:
            response.raise_for_status()
            async for chunk in response.aiter_bytes():
                digest.update(chunk)
        return digest.hexdigest()

    async def _prove_metadata(self, upload: FileUpload) -> None:
        url = f"{self._url}/{upload.project}/{quote(str(upload.version), safe='')}"
        document = await self._get_json(url, "application/json", missing={"result": {}})
        if differing := [name for name in _PROVEN_FIELDS if not _agree(name, upload.fields, document["result"])]:
            reason = f"its metadata differs in {', '.join(differing)}"
            raise PublishUnprovenError(filename=upload.filename, reason=reason)


def _agree(name: str, sent: Mapping[str, object], found: Mapping[str, object]) -> bool:
    # devpi stores a field that was not sent as an empty one.
    return (sent.get(name) or None) == (found.get(name) or None)


def server_of(index_url: str) -> str:
    """Return the server's address. An index is two path segments below it: its user and its name."""
    return index_url.rsplit("/", 2)[0]


def open_devpi_client(url: str) -> httpx.AsyncClient:
    """Return a client for a devpi server, on this host or elsewhere."""
    if httpx.URL(url).host in _LOOPBACK_HOSTS:
        # The proxy of the environment is not for the loopback.
        return httpx.AsyncClient(timeout=_TIMEOUT, trust_env=False)
    # The system's trust store, including SSL_CERT_FILE. httpx's default is certifi's bundle, which has no company's CA:
    # https://www.python-httpx.org/advanced/ssl/
    return httpx.AsyncClient(timeout=_TIMEOUT, verify=ssl.create_default_context())
