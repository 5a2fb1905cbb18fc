"""The cookie of a session of the web pages. Must not know what pages show.

The cookie is HttpOnly (no script reads it), SameSite=Lax (other sites' forms do not carry it, links to us do) and,
where the request came over TLS, Secure with the ``__Host-`` prefix (RFC 6265bis), which binds it to this host. The
REST API does not look at it, so that nothing there can be forged by another site.
"""

from typing import Final

from fastapi import Request, Response

from wheelyard.domain.access import Scope
from wheelyard.usecases.access import allowed
from wheelyard.usecases.sessions import Session, Sessions

_NAME: Final = "wheelyard_session"
CSRF_FIELD: Final = "csrf_token"
"""Name of the hidden field that every form has."""


def set_session_cookie(request: Request, response: Response, session: Session, sessions: Sessions) -> None:
    """Let the browser keep a session for as long as it lasts."""
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
    """Let the browser forget the session."""
    response.delete_cookie(_name_for(request), path="/", secure=_is_secure(request), httponly=True, samesite="lax")


async def session_of(request: Request, sessions: Sessions, *, needed: Scope = Scope.READ) -> Session:
    """Give the request's session; raises UnauthenticatedError, or ForbiddenError if its token lacks the scope."""
    session = await sessions.resume(request.cookies.get(_name_for(request)))
    allowed(session.token, needed)
    return session


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"


def _name_for(request: Request) -> str:
    return f"__Host-{_NAME}" if _is_secure(request) else _NAME
