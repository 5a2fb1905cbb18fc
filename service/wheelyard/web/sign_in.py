"""Sign in with a token, and out again. Must not keep a secret anywhere but in the cookie."""

from fastapi import Response
from fastapi.responses import RedirectResponse

from wheelyard.api.authentication import clear_session_cookie, set_session_cookie
from wheelyard.errors import UnauthenticatedError
from wheelyard.web.context import Visit, local_path
from wheelyard.web.rendering import Page


async def show_sign_in(visit: Visit) -> Page:
    """Ask for a token."""
    return _sign_in_page(visit)


async def sign_in(visit: Visit) -> Page | Response:
    """Open a session, and go to where somebody was on the way to."""
    sessions = visit.services.sessions
    try:
        session = await sessions.sign_in(visit.asked("token"), address=visit.address)
    except UnauthenticatedError as error:
        return _sign_in_page(visit, problem=error.summary)
    answer = RedirectResponse(local_path(visit.asked("next", "/")), status_code=303)
    set_session_cookie(visit.request, answer, session, sessions)
    return answer


async def sign_out(visit: Visit) -> Response:
    """End the session."""
    if visit.session is not None:
        await visit.services.sessions.sign_out(visit.session)
    answer = RedirectResponse("/sign-in", status_code=303)
    clear_session_cookie(visit.request, answer)
    return answer


def _sign_in_page(visit: Visit, problem: str = "") -> Page:
    back = local_path(visit.asked("next", "/"))
    return Page(
        template="sign_in.html",
        title="Sign in",
        values={"back": back, "problem": problem},
        status=401 if problem else 200,
    )
