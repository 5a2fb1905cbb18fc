"""Rendering of pages: templates, headers, ETags, compression.

Jinja2 escapes every text; a test checks that no template marks anything safe. Invisible characters, such as marks that
reverse the text direction, are shown by their code point. The content security policy allows no inline scripts or
styles and nothing from other sites (CSP level 3).
"""

import asyncio
import contextlib
import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Final

from fastapi import Request, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from wheelyard import __version__
from wheelyard.api.authentication import session_of
from wheelyard.api.files import is_known, takes_gzip
from wheelyard.api.problems import Problem
from wheelyard.api.services import services_of
from wheelyard.errors import WheelyardError
from wheelyard.usecases.sessions import Session
from wheelyard.web.context import PageContext
from wheelyard.web.words import FILTERS, show_hidden

_OK: Final = 200
_SMALL_BYTES: Final = 1400
"""Smaller bodies fit into one packet, so compression gains nothing."""
_LEVEL: Final = 5
"""Compression level: half the time of the highest, for 5 % more bytes."""

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "private, no-cache",
    "Vary": "Accept-Encoding, Cookie",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """The result of a page function."""

    template: str
    title: str
    values: Mapping[str, object] = field(default_factory=dict)
    status: int = 200


@cache
def templates() -> Environment:
    """Return the template environment, created once."""
    environment = Environment(
        loader=PackageLoader("wheelyard.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        finalize=show_hidden,
        extensions=["jinja2.ext.loopcontrols"],
    )
    environment.filters.update(FILTERS)
    environment.globals.update(program_version=__version__, asset=asset_path)
    return environment


@cache
def asset_path(name: str) -> str:
    """Return the path of a static file; it changes with the content."""
    content = (files("wheelyard.web") / "static" / name).read_bytes()
    return f"/static/{name}?v={hashlib.sha256(content).hexdigest()[:12]}"


def render(request: Request, page: Page, values: Mapping[str, object]) -> Response:
    """Return a page as a response, or 304 if the browser's copy is current."""
    body = templates().get_template(page.template).render(title=page.title, **values, **page.values).encode()
    tag = f'W/"{hashlib.sha256(body).hexdigest()[:24]}"'
    headers = {**_HEADERS, "ETag": tag}
    if page.status == _OK and is_known(request, tag):
        return Response(status_code=304, headers=headers)
    if takes_gzip(request) and len(body) > _SMALL_BYTES:
        body, headers["Content-Encoding"] = gzip.compress(body, compresslevel=_LEVEL, mtime=0), "gzip"
    return HTMLResponse(body, status_code=page.status, headers=headers)


_PATIENCE_SECONDS: Final = 2.0
_OF_PROGRAMS = ("/v1/", "/simple", "/staging", "/own/", "/files/")


async def error_page(request: Request, problem: Problem) -> Response | None:
    """Return the error page for a browser; None for installers and API clients, which do not prefer HTML."""
    if not request.headers.get("Accept", "").startswith("text/html") or request.url.path.startswith(_OF_PROGRAMS):
        return None
    values = {
        "status": problem.status,
        "code": problem.code,
        "summary": problem.detail,
        "hint": problem.hint,
        "request_id": problem.request_id,
    }
    page = Page(template="error.html", title=problem.title, values=values, status=problem.status)
    session = await _session(request)
    context = PageContext(request=request, services=services_of(request), session=session)
    return render(request, page, context.values() if session else {"path": request.url.path})


async def _session(request: Request) -> Session | None:
    """Return the session; None if it cannot be read, for example because the database is down."""
    with contextlib.suppress(WheelyardError, TimeoutError):
        async with asyncio.timeout(_PATIENCE_SECONDS):
            return await session_of(request, services_of(request).sessions)
    return None
