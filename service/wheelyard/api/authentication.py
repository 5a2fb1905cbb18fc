"""Authentication: bearer tokens of the API and session cookies of the pages; ``api/scopes.py`` has the scopes."""

from collections.abc import Callable, Coroutine
from json import JSONDecodeError
from typing import Annotated, Any, Final

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer

from wheelyard.api.body_limit import MAX_BODY_BYTES
from wheelyard.api.index_access import require_our_name
from wheelyard.api.request_context import address_of
from wheelyard.api.scopes import needed_scope
from wheelyard.api.services import services_of
from wheelyard.domain.access import Scope
from wheelyard.domain.builds.records import Token
from wheelyard.domain.untrusted.json_text import MAX_FIELDS, read_body
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.errors import InvalidRequestError
from wheelyard.usecases.access import ANONYMOUS, allowed
from wheelyard.usecases.sessions import Session, Sessions

bearer_scheme = HTTPBearer(
    auto_error=False, scheme_name="token", description="An API token; `wheelyard token create` creates one."
)
"""Declares the scheme in the OpenAPI document; ``AuthenticatedRoute`` does the check."""


class _BoundedRequest(Request):
    """A request whose JSON is parsed within limits; large bodies in another process, because parsing blocks."""

    def __init__(self, request: Request) -> None:
        super().__init__(request.scope, request.receive)

    async def json(self) -> Any:  # noqa: ANN401 - whatever it says
        """Return the parsed body; raise JSONDecodeError, which FastAPI reports as an invalid request."""
        body = await self.body()
        try:
            if len(body) <= MAX_BODY_BYTES:
                return read_body(body)
            caller: Token = self.state.token
            parsers = services_of(self).parsers
            return await parsers.run(read_body, body, what="the body", caller=caller.actor)
        except RefusedTextError as error:
            raise JSONDecodeError(str(error), "", 0) from error


class AuthenticatedRoute(APIRoute):
    """A route that checks the token before it reads or validates anything else of the request."""

    @staticmethod
    def read_credentials(request: Request) -> str | None:
        """Return the ``Authorization`` header of a bearer token."""
        return request.headers.get("Authorization")

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return FastAPI's handler with the check in front of it."""
        handle = super().get_route_handler()
        needed = needed_scope(self.operation_id)

        async def handle_authenticated(request: Request) -> Response:
            authorization = self.read_credentials(request)
            if not authorization:
                require_our_name(request)
            access = services_of(request).access
            if request.url.query.count("&") >= MAX_FIELDS:
                raise InvalidRequestError(problems=[f"query: more than {MAX_FIELDS} parameters"])
            token = request.state.token = await access.admit(
                authorization,
                needed=needed,
                address=address_of(request),
            )
            caller = request.state.caller = address_of(request) if token is ANONYMOUS else token.id
            # Check before the body is read, because it may have megabytes.
            access.running.check(caller)
            with access.running.hold(caller):
                return await handle(_BoundedRequest(request))

        return handle_authenticated


async def caller_of(request: Request) -> Token:
    """Return the request's token.

    Asynchronous, because FastAPI runs other dependencies in threads (https://github.com/fastapi/fastapi/issues/1306).
    """
    token: Token = request.state.token
    return token


Caller = Annotated[Token, Depends(caller_of)]


async def _caller_key(request: Request) -> str:
    return str(request.state.caller)


CallerKey = Annotated[str, Depends(_caller_key)]
"""The caller's key for rate limits: token id, or address if there is no token."""


_NAME: Final = "wheelyard_session"
CSRF_FIELD: Final = "csrf_token"
"""Name of the hidden field in every form."""


def set_session_cookie(request: Request, response: Response, session: Session, sessions: Sessions) -> None:
    """Set the session cookie for the lifetime of the session."""
    response.set_cookie(
        _name_for(request),
        session.secret,
        max_age=int(sessions.lifetime.total_seconds()),
        path="/",
        secure=_is_secure(request),
        httponly=True,
        samesite="lax",
    )


def clear_session_cookie(request: Request, response: Response) -> None:
    """Delete the session cookie."""
    response.delete_cookie(_name_for(request), path="/", secure=_is_secure(request), httponly=True, samesite="lax")


async def session_of(request: Request, sessions: Sessions, *, needed: Scope = Scope.READ) -> Session:
    """Return the request's session; raise UnauthenticatedError, or ForbiddenError if its token lacks the scope."""
    session = await sessions.resume(request.cookies.get(_name_for(request)))
    allowed(session.token, needed)
    return session


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"


def _name_for(request: Request) -> str:
    return f"__Host-{_NAME}" if _is_secure(request) else _NAME
