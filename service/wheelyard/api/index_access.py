"""Who may read the index, and the addresses that a caller is told. Must not know what a page holds.

Installers know HTTP Basic only: the user is ``__token__`` and the password a token, as on other indexes.
"""

import base64
import binascii
import re
from collections.abc import Callable, Coroutine
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
# Any of them says that somebody else asks, through a proxy on this host.
_FORWARDED: Final = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")
_HOST: Final = re.compile(r"(?:\[(?P<address>[0-9a-f:.]+)\]|(?P<name>[a-z0-9._-]+))(?::[0-9]{1,5})?")


class IndexRoute(APIRoute):
    """A route of the index, which looks at the token first, unless the reader needs none.

    Its function takes ``request``, ``services`` and the parts of the path, as text, and returns the response itself:
    what FastAPI does to find arguments and to convert results takes longer than the answer.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Call the function itself, after the check."""

        async def handle_reader(request: Request) -> Response:
            services = services_of(request)
            access = services.index.access
            is_open = access.anonymous and names_us(request, services.index)
            request.state.caller = _THIS_HOST
            # Whoever is on this very host is not counted: there is nobody to be kept from starving others.
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
    """Tell whether the caller needs no token to read the index."""
    access = index.access
    is_open = access.anonymous and names_us(request, index)
    return is_open or (access.this_host and _is_from_this_host(request))


def names_us(request: Request, index: IndexServices) -> bool:
    """Return whether a request is for a name of ours; a service that others can reach as well has any name.

    A page in a browser on this host reaches what listens here under a name of the page's own, whose address it changes
    to 127.0.0.1 (DNS rebinding), but the browser still sends that name as ``Host``.
    """
    if not index.access.local:
        return True
    host = _host_of(request)
    return host is not None and (_is_loopback_name(host) or host == urlsplit(index.public_url or "").hostname)


def require_our_name(request: Request) -> None:
    """Raise UnauthenticatedError if a request that shows no token is for a name that is not ours."""
    if not names_us(request, services_of(request).index):
        raise UnauthenticatedError(
            reason="it has no token, and its Host is no name of this host; WHEELYARD_PUBLIC_URL sets another one"
        )


def _host_of(request: Request) -> str | None:
    """Read the one ``Host`` header, in small letters and without port and final dot; None if it is of no usual form."""
    given = request.headers.getlist("Host")
    match = _HOST.fullmatch(given[0].lower()) if len(given) == 1 else None
    return (match["address"] or match["name"].removesuffix(".")) if match else None


def _is_loopback_name(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    return _is_loopback(host)


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
    """Turn HTTP Basic (RFC 7617) with the token as password into a bearer token; leave everything else as it is."""
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
"""Makes the index's addresses for whoever sent the request."""
