"""The table of web pages with their scopes, and the static files that they load."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.datastructures import MutableHeaders
from starlette.types import Message, Receive, Scope, Send

from wheelyard.domain import access
from wheelyard.errors import UnauthenticatedError
from wheelyard.memory_cache import MemoryCache
from wheelyard.web import (
    application_form,
    build_log,
    builders,
    builds,
    home,
    projects,
    recipes,
    request_form,
    requests,
    sign_in,
    statistics,
    wheels,
)
from wheelyard.web.campaigns import pages as campaigns
from wheelyard.web.context import PAGE_ANSWERS, PageContext, open_context, sign_in_path
from wheelyard.web.guide import add_guide
from wheelyard.web.line_index import LineIndexes
from wheelyard.web.rendering import Page, render
from wheelyard.web.uploads import page as uploads

PageFunction = Callable[[PageContext], Awaitable[Page | Response]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """A page, or the target of a form."""

    path: str
    show: PageFunction
    needed: access.Scope | None = access.Scope.READ
    """None if it needs no sign-in."""
    method: str = "GET"
    reads_form: bool = True
    """False if the function reads the form itself, because it has large files."""


_REQUEST: Final = access.Scope.REQUEST
_PUBLISH: Final = access.Scope.PUBLISH
_OPERATE: Final = access.Scope.OPERATE

ROUTES: Final = (
    Route(path="/", show=home.show_home),
    Route(path="/sign-in", show=sign_in.show_sign_in, needed=None),
    Route(path="/sign-in", show=sign_in.sign_in, needed=None, method="POST"),
    Route(path="/sign-out", show=sign_in.sign_out, method="POST"),
    Route(path="/search", show=projects.search),
    Route(path="/projects", show=projects.list_projects),
    Route(path="/projects/{name}", show=projects.show_project),
    Route(path="/wheels/{filename}", show=wheels.show_wheel),
    Route(path="/wheels/{filename}/file", show=wheels.download_wheel),
    Route(path="/wheels/{filename}/provenance", show=wheels.download_provenance),
    Route(path="/wheels/{filename}/yank", show=wheels.yank_wheel, needed=_OPERATE, method="POST"),
    Route(path="/wheels/{filename}/unyank", show=wheels.unyank_wheel, needed=_OPERATE, method="POST"),
    Route(path="/wheels/{filename}/promote", show=wheels.promote_wheel, needed=_OPERATE, method="POST"),
    Route(path="/wheels/{filename}/delete", show=wheels.delete_wheel, needed=_OPERATE, method="POST"),
    Route(path="/wheels/{filename}/files", show=wheels.list_files),
    Route(path="/index", show=home.show_index),
    Route(path="/index/check", show=home.check_index, needed=_OPERATE, method="POST"),
    Route(path="/request", show=request_form.show_form, needed=_REQUEST),
    Route(path="/request", show=request_form.send_request, needed=_REQUEST, method="POST"),
    Route(path="/request/suggestions", show=request_form.suggest),
    Route(path="/requests", show=requests.list_requests),
    Route(path="/requests", show=application_form.send_files, needed=_REQUEST, method="POST"),
    Route(path="/requests/{request_id}", show=requests.show_request),
    Route(path="/requests/{request_id}/cancel", show=requests.cancel_request, needed=_REQUEST, method="POST"),
    Route(path="/campaigns", show=campaigns.list_campaigns),
    Route(path="/campaigns", show=campaigns.begin_campaign, needed=_REQUEST, method="POST"),
    Route(path="/campaigns/{campaign_id}", show=campaigns.show_campaign),
    Route(path="/campaigns/{campaign_id}/stop", show=campaigns.stop_campaign, needed=_REQUEST, method="POST"),
    Route(path="/upload", show=uploads.show_uploads),
    Route(path="/upload", show=uploads.send_files, needed=_PUBLISH, method="POST", reads_form=False),
    Route(path="/queue", show=statistics.show_queue),
    Route(path="/builds", show=builds.list_builds),
    Route(path="/builds/retry", show=builds.retry_builds, needed=_REQUEST, method="POST"),
    Route(path="/builds/{build_id}", show=builds.show_build),
    Route(path="/builds/{build_id}/log", show=build_log.show_log),
    Route(path="/builds/{build_id}/log.txt", show=build_log.download_log),
    Route(path="/builds/{build_id}/events", show=build_log.follow_log),
    Route(path="/builds/{build_id}/cancel", show=builds.cancel_build, needed=_REQUEST, method="POST"),
    Route(path="/builds/{build_id}/retry", show=builds.retry_build, needed=_REQUEST, method="POST"),
    Route(path="/recipes", show=recipes.list_recipes),
    Route(path="/recipes/{name}", show=recipes.show_recipe),
    Route(path="/recipes/{name}/adopt", show=recipes.adopt_recipe, needed=_OPERATE, method="POST"),
    Route(path="/builders", show=builders.show_builders),
    Route(path="/builders/images/{image_id}", show=builders.show_image),
    Route(path="/statistics", show=statistics.show_statistics),
)


def add_pages(app: FastAPI) -> None:
    """Serve every page, the static files and the guide."""
    app.state.page_cache = MemoryCache(limit=PAGE_ANSWERS)
    app.state.line_indexes = LineIndexes()
    for route in ROUTES:
        app.add_route(route.path, _serve(route), methods=[route.method], include_in_schema=False)
    app.mount("/static", _Assets(directory=str(files("wheelyard.web") / "static")), name="static")
    add_guide(app)


def _serve(route: Route) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        try:
            context = await open_context(request, route.needed, reads_form=route.reads_form)
        except UnauthenticatedError:
            return RedirectResponse(sign_in_path(request), status_code=303, headers={"Cache-Control": "no-store"})
        answer = await route.show(context)
        return render(request, answer, context.values()) if isinstance(answer, Page) else answer

    return serve


class _Assets(StaticFiles):
    """Static files that browsers cache forever: their URLs change with their content."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_lasting(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Cache-Control"] = "public, max-age=31536000, immutable"
            await send(message)

        await super().__call__(scope, receive, send_lasting)
