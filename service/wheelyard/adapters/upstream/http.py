"""How we speak HTTP to an index that is not ours: trust, limits, retries, words. Must not know what is fetched."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import unquote, urlsplit

import httpx

from wheelyard import __version__

CONNECTIONS: Final = 16
"""How many a client has at most."""
_CONNECT_SECONDS: Final = 10.0
_TRANSIENT_STATUSES: Final = frozenset({408, 425, 429})
_FIRST_SERVER_ERROR: Final = 500

T = TypeVar("T")


def open_client(*, ca_bundle: Path | None, timeout_seconds: float, auth: httpx.Auth | None = None) -> httpx.AsyncClient:
    """Make a client that trusts what the system trusts (SSL_CERT_FILE included), or only the bundle if there is one.

    Proxies come from the usual environment variables. httpx's own default would be the certifi bundle, which knows
    no company's CA.
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
    """Try again after each pause (seconds) while the fault is one that may pass; the last fault is raised as it is."""
    for pause in pauses:
        try:
            return await attempt()
        except httpx.HTTPError as error:
            if not _may_pass(error):
                raise
        await asyncio.sleep(pause)
    return await attempt()


def explain(error: httpx.HTTPError | httpx.InvalidURL) -> str:
    """Say in a few words what went wrong, without the address, which may hold a password."""
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
        """What may be recorded and shown."""
        parts = httpx.URL(url)
        self._origin = _origin_of(parts)
        self._basic = httpx.BasicAuth(unquote(parts.username), unquote(parts.password)) if parts.userinfo else None

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Sign a request if it goes to the index itself; httpx takes the signature off redirects to elsewhere."""
        if self._basic is None or _origin_of(request.url) != self._origin:
            yield request
        else:
            yield from self._basic.auth_flow(request)


def hide_password(text: str, url: str) -> str:
    """Take an address's password out of what another program said."""
    for secret in _passwords_of(url):
        text = text.replace(secret, "****")
    return text


def _passwords_of(url: str) -> list[str]:
    """List the password of an address as it is written and as it is meant."""
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
        return url  # pages have thousands of them, and httpx takes 0.1 ms for each
    try:
        return str(httpx.URL(url).copy_with(username=None, password=None))
    except httpx.InvalidURL:
        return "an address that is not a URL"


def _may_pass(error: httpx.HTTPError) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        status = error.response.status_code
        return status >= _FIRST_SERVER_ERROR or status in _TRANSIENT_STATUSES
    return isinstance(error, httpx.TransportError) and not isinstance(error, httpx.UnsupportedProtocol)
