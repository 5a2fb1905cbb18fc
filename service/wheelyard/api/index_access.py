"""Who may read the index, and the addresses that a caller is told. Must not know what a page holds.

Installers know HTTP Basic only: the user is ``__token__`` and the password a token, as on other indexes.
"""

import base64
import binascii
from collections.abc import Callable, Coroutine
from ipaddress import ip_address
from typing import Annotated, Any, Final

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute

from wheelyard.api.index_links import TOKEN_USER, IndexLinks
from wheelyard.api.index_services import IndexAccess
from wheelyard.api.request_context import address_of
from wheelyard.api.services import services_of
from wheelyard.errors import UnauthenticatedError

_THIS_HOST: Final = "this host"
# Any of them says that somebody else asks, through a proxy on this host.
_FORWARDED: Final = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")


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
            request.state.caller = _THIS_HOST
            # Whoever is on this very host is not counted: there is nobody to be kept from starving others.
            if not (access.this_host and _is_from_this_host(request)):
                request.state.caller = await services.access.admit_reader(
                    None if access.anonymous else bearer_of(request.headers.get("Authorization")),
                    address=address_of(request),
                    is_open=access.anonymous,
                )
            response: Response = await self.endpoint(request=request, services=services, **request.path_params)
            return response

        return handle_reader


def is_open_to(request: Request, access: IndexAccess) -> bool:
    """Tell whether the caller needs no token to read the index."""
    return access.anonymous or (access.this_host and _is_from_this_host(request))


def _is_from_this_host(request: Request) -> bool:
    if request.client is None or any(name in request.headers for name in _FORWARDED):
        return False
    try:
        return ip_address(request.client.host).is_loopback
    except ValueError:
        return False


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
    return IndexLinks(base=base, is_open=is_open_to(request, index.access))


Links = Annotated[IndexLinks, Depends(_links_of)]
"""Makes the index's addresses for whoever sent the request."""
