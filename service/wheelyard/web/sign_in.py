"""Sign-in with a token, and sign-out; only the cookie holds the session's secret."""

from fastapi import Response
from fastapi.responses import RedirectResponse

from wheelyard.api.authentication import clear_session_cookie, set_session_cookie
from wheelyard.errors import UnauthenticatedError
from wheelyard.web.context import PageContext, local_path
from wheelyard.web.rendering import Page


async def show_sign_in(context: PageContext) -> Page:
    """Show the sign-in form."""
    return _sign_in_page(context)


async def sign_in(context: PageContext) -> Page | Response:
    """Open a session and redirect to the page that required it."""
    sessions = context.services.sessions
    try:
        session = await sessions.sign_in(context.asked("token"), address=context.address)
    except UnauthenticatedError as error:
        return _sign_in_page(context, problem=error.summary)
    answer = RedirectResponse(local_path(context.asked("next", "/")), status_code=303)
    set_session_cookie(context.request, answer, session, sessions)
    return answer


async def sign_out(context: PageContext) -> Response:
    """End the session."""
    if context.session is not None:
        await context.services.sessions.sign_out(context.session)
    answer = RedirectResponse("/sign-in", status_code=303)
    clear_session_cookie(context.request, answer)
    return answer


def _sign_in_page(context: PageContext, problem: str = "") -> Page:
    back = local_path(context.asked("next", "/"))
    return Page(
        template="sign_in.html",
        title="Sign in",
        values={"back": back, "problem": problem},
        status=401 if problem else 200,
    )
