"""Access to the index, and its URLs as a caller reaches them.

Installers only support HTTP Basic authentication: the user is ``__token__`` and the password a token, as on other
indexes.
"""

import base64
import binascii
import re
from collections.abc import Callable, Coroutine
from functools import lru_cache
from ipaddress import ip_address
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute

from wheelyard.api.request_context import address_of
from wheelyard.api.schemas.links import TOKEN_USER, IndexLinks
from wheelyard.api.services import IndexServices, services_of
from wheelyard.errors import UnauthenticatedError

_THIS_HOST: Final = "this host"
# A request with one of these headers comes from another host, through a proxy on this one.
_FORWARDED: Final = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")
_HOST: Final = re.compile(r"(?:\[(?P<address>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::[0-9]{1,5})?")


class IndexRoute(APIRoute):
    """A route of the index that checks the token first, unless the index is open to the caller.

    Its function takes ``request``, ``services`` and the path parameters as text, and returns the response. It bypasses
    FastAPI's handling of arguments and results, which takes longer than the response itself.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return a handler that calls the function after the check."""

        async def handle_reader(request: Request) -> Response:
            services = services_of(request)
            access = services.index.access
            is_open = access.anonymous and names_us(request, services.index)
            request.state.caller = _THIS_HOST
            # Callers on this host have no limit: all of them belong to the same user.
            if not (access.this_host and _is_from_this_host(request)):
                request.state.caller = await services.access.admit_reader(
                    None if is_open else bearer_of(request.headers.get("Authorization")),
                    address=address_of(request),
                    is_open=is_open,
                )
            response: Response = await self.endpoint(request=request, services=services, **request.path_params)
            return response

        return handle_reader


def is_open_to(request: Request, index: IndexServices) -> bool:
    """Return whether the caller can read the index without a token."""
    access = index.access
    is_open = access.anonymous and names_us(request, index)
    return is_open or (access.this_host and _is_from_this_host(request))


def names_us(request: Request, index: IndexServices) -> bool:
    """Return whether the Host header names this service; always true if other hosts can reach it.

    This prevents DNS rebinding: a web page changes the address of its own name to 127.0.0.1 and so reaches local
    services from a browser on this host, but the browser still sends that name as ``Host``
    (https://github.com/nccgroup/singularity/wiki/Preventing-DNS-Rebinding-Attacks).
    """
    if not index.access.local:
        return True
    host = _host_of(request)
    return host is not None and (_is_loopback_name(host) or host == urlsplit(index.public_url or "").hostname)


def require_our_name(request: Request) -> None:
    """Raise UnauthenticatedError if the Host header of a request without a token names another host."""
    if not names_us(request, services_of(request).index):
        raise UnauthenticatedError(
            reason="it has no token, and its Host is no name of this host; WHEELYARD_PUBLIC_URL sets another one"
        )


def _host_of(request: Request) -> str | None:
    """Return the host of the ``Host`` header in lower case, without port and final dot; None if it is malformed."""
    given = request.headers.getlist("Host")
    match = _HOST.fullmatch(given[0].lower()) if len(given) == 1 else None
    return (match["address"] or match["name"].removesuffix(".")) if match else None


def _is_loopback_name(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    return _is_loopback(host)


@lru_cache(maxsize=1024)
def _is_loopback(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def _is_from_this_host(request: Request) -> bool:
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    host = _host_of(request)
    return host is not None and _is_loopback_name(host) and _is_loopback(request.client.host)


def bearer_of(authorization: str | None) -> str | None:
    """Convert HTTP Basic credentials (RFC 7617) with a token as password to a bearer token; return others unchanged."""
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return authorization
    try:
        user, _, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise UnauthenticatedError(reason="its Basic credentials are not base64 of 'USER:PASSWORD'") from error
    if user != TOKEN_USER:
        raise UnauthenticatedError(reason=f"its user is not {TOKEN_USER!r}, whose password is a token")
    return f"Bearer {password}"


async def _links_of(request: Request) -> IndexLinks:
    index = services_of(request).index
    base = (index.public_url or str(request.base_url)).rstrip("/")
    return IndexLinks(base=base, is_open=is_open_to(request, index))


Links = Annotated[IndexLinks, Depends(_links_of)]
"""The URLs of the index as the caller reaches them."""
