"""Errors as people see them in a browser. What went wrong, and why, comes from the error itself."""

import asyncio
import contextlib
from typing import Final

from fastapi import Request, Response

from wheelyard.api.authentication import session_of
from wheelyard.api.problems import Problem
from wheelyard.api.services import services_of
from wheelyard.errors import WheelyardError
from wheelyard.usecases.sessions import Session
from wheelyard.web.context import Visit
from wheelyard.web.rendering import Page, render

_PATIENCE_SECONDS: Final = 2.0
_OF_PROGRAMS = ("/v1/", "/simple", "/staging", "/own/", "/files/")


def wants_page(request: Request) -> bool:
    """Tell whether a person looks: browsers ask for HTML first, installers and API clients do not."""
    asked = request.headers.get("Accept", "").startswith("text/html")
    return asked and not request.url.path.startswith(_OF_PROGRAMS)


async def error_page(request: Request, problem: Problem) -> Response:
    """Show what went wrong, to whoever is signed in."""
    values = {
        "status": problem.status,
        "code": problem.code,
        "summary": problem.detail,
        "hint": problem.hint,
        "request_id": problem.request_id,
    }
    page = Page(template="error.html", title=problem.title, values=values, status=problem.status)
    session = await _session(request)
    visit = Visit(request=request, services=services_of(request), session=session)
    return render(request, page, visit.values() if session else {"path": request.url.path})


async def _session(request: Request) -> Session | None:
    """Find out who is signed in; None if that cannot be read, which may be the very error that is shown."""
    with contextlib.suppress(WheelyardError, TimeoutError):
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return await session_of(request, services_of(request).sessions)
    return None
