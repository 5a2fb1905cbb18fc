"""How we speak HTTP to an index that is not ours: trust, limits, retries, words. Must not know what is fetched."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar

import httpx

from wheelyard import __version__

_CONNECTIONS: Final = 16
_CONNECT_SECONDS: Final = 10.0
_TRANSIENT_STATUSES: Final = frozenset({408, 425, 429})
_FIRST_SERVER_ERROR: Final = 500

T = TypeVar("T")


def open_client(*, ca_bundle: Path | None, timeout_seconds: float) -> httpx.AsyncClient:
    """Make a client that trusts what the system trusts (SSL_CERT_FILE included), or only the bundle if there is one.

    Proxies come from the usual environment variables. httpx's own default would be the certifi bundle, which knows
    no company's CA.
    """
    return httpx.AsyncClient(
        verify=ssl.create_default_context(cafile=ca_bundle),
        timeout=httpx.Timeout(timeout_seconds, connect=_CONNECT_SECONDS, pool=None),
        limits=httpx.Limits(max_connections=_CONNECTIONS),
        headers={"User-Agent": f"wheelyard/{__version__}"},
        follow_redirects=True,
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


def without_password(url: str) -> str:
    """Return an address as it may be shown and logged."""
    try:
        return str(httpx.URL(url).copy_with(username=None, password=None))
    except httpx.InvalidURL:
        return "an address that is not a URL"


def _may_pass(error: httpx.HTTPError) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        status = error.response.status_code
        return status >= _FIRST_SERVER_ERROR or status in _TRANSIENT_STATUSES
    return isinstance(error, httpx.TransportError) and not isinstance(error, httpx.UnsupportedProtocol)
