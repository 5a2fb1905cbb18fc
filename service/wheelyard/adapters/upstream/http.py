"""HTTP to indexes that are not ours: trust, limits, retries, error texts."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import unquote, urlsplit

import httpx

from wheelyard import __version__
from wheelyard.adapters.upstream.cache import PartialFile
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.errors import DownloadFailedError

CONNECTIONS: Final = 16
"""How many connections a client has at most."""
_CONNECT_SECONDS: Final = 10.0
_CHUNK_BYTES: Final = 1 << 20
STORED_BYTES: Final = {"Accept-Encoding": "identity"}
"""Headers that ask for a file as it is stored. Some servers label a .tar.gz as gzip-encoded, and clients then decode
it. The hash is that of the stored bytes: https://github.com/pypa/pip/issues/1419"""
_TRANSIENT_STATUSES: Final = frozenset({408, 425, 429})
_FIRST_SERVER_ERROR: Final = 500

T = TypeVar("T")


def open_client(*, ca_bundle: Path | None, timeout_seconds: float, auth: httpx.Auth | None = None) -> httpx.AsyncClient:
    """Return a client that trusts what the system trusts (including SSL_CERT_FILE), or only the bundle if there is one.

    Proxies come from the usual environment variables. httpx's own default is certifi's bundle, which has no company's
    CA: https://www.python-httpx.org/advanced/ssl/
    """
    return httpx.AsyncClient(
        verify=ssl.create_default_context(cafile=ca_bundle),
        timeout=httpx.Timeout(timeout_seconds, connect=_CONNECT_SECONDS, pool=None),
        limits=httpx.Limits(max_connections=CONNECTIONS),
        headers={"User-Agent": f"wheelyard/{__version__}"},
        follow_redirects=True,
        auth=auth,
    )


async def retrying(attempt: Callable[[], Awaitable[T]], *, pauses: tuple[float, ...]) -> T:
    """Try again after each pause (seconds) while the error may be temporary; raise the last error unchanged."""
    for pause in pauses:
        try:
            return await attempt()
        except httpx.HTTPError as error:
            if not _may_pass(error):
                raise
        await asyncio.sleep(pause)
    return await attempt()


async def save_body(response: httpx.Response, partial: PartialFile, file: IndexFile, *, limit_bytes: int) -> None:
    """Write a file's body as it is stored.

    Raise DownloadFailedError if it is larger than promised or allowed, and RemoteProtocolError if it ends too early.
    """
    promised = file.size_bytes
    async for chunk in response.aiter_raw(_CHUNK_BYTES):
        await asyncio.to_thread(partial.write, chunk)
        if promised is not None and partial.size_bytes > promised:
            raise download_failed(file, f"it sent more than the {promised} bytes that it promised")
        if partial.size_bytes > limit_bytes:
            raise download_failed(file, f"it is larger than the limit of {limit_bytes} bytes")
    if promised is not None and partial.size_bytes < promised:
        raise httpx.RemoteProtocolError(f"it ended after {partial.size_bytes} of {promised} bytes")


def download_failed(file: IndexFile, reason: str) -> DownloadFailedError:
    """Return the error for a file, with its address as it may be shown."""
    return DownloadFailedError(what=file.filename, tried=[f"{without_password(file.url)} ({reason})"])


def explain(error: httpx.HTTPError | httpx.InvalidURL) -> str:
    """Return in a few words what went wrong, without the address, which may contain a password."""
    if isinstance(error, httpx.HTTPStatusError):
        return f"it answered {error.response.status_code} {error.response.reason_phrase}".rstrip()
    if isinstance(error, httpx.TimeoutException):
        return f"no answer in time ({type(error).__name__})"
    return f"{error}" or type(error).__name__


class IndexAddress(httpx.Auth):
    """An index's address without its user and password, which are sent to its own host, port and scheme only.

    httpx would keep them in every address that is derived from this one, and those are recorded and shown.
    """

    def __init__(self, url: str) -> None:
        self.url = without_password(url)
        """The address that may be recorded and shown."""
        parts = httpx.URL(url)
        self._origin = _origin_of(parts)
        self._basic = httpx.BasicAuth(unquote(parts.username), unquote(parts.password)) if parts.userinfo else None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign a request to the index itself. httpx drops the header on a redirect to another origin.

        https://github.com/encode/httpx/issues/3334
        """
        if self._basic is None or _origin_of(request.url) != self._origin:
            yield request
        else:
            yield from self._basic.auth_flow(request)


def hide_password(text: str, url: str) -> str:
    """Replace an address's password in another program's text."""
    for secret in _passwords_of(url):
        text = text.replace(secret, "****")
    return text


def _passwords_of(url: str) -> list[str]:
    """Return the password of an address as it is written and as it is decoded."""
    try:
        password = urlsplit(url).password or ""
    except ValueError:
        return []
    return [secret for secret in (password, unquote(password)) if secret]


def _origin_of(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def without_password(url: str) -> str:
    """Return an address as it may be shown and logged."""
    if "@" not in url:
        return url  # pages have thousands of addresses, and httpx takes 0.1 ms to parse each
    try:
        return str(httpx.URL(url).copy_with(username=None, password=None))
    except httpx.InvalidURL:
        return "an address that is not a URL"


def _may_pass(error: httpx.HTTPError) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        status = error.response.status_code
        return status >= _FIRST_SERVER_ERROR or status in _TRANSIENT_STATUSES
    return isinstance(error, httpx.TransportError) and not isinstance(error, httpx.UnsupportedProtocol)
