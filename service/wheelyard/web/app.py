"""Puts the web pages together: the one table of pages, the scope that each needs, and the files that they load."""

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
from wheelyard.web import (
    application_form,
    build_log,
    build_page,
    builders_page,
    builds_list,
    home,
    index_page,
    project_page,
    queue_page,
    recipe_pages,
    request_page,
    requests_pages,
    signing_in,
    statistics_page,
    wheel_page,
)
from wheelyard.web.guide import add_guide
from wheelyard.web.rendering import Page, render
from wheelyard.web.visit import Visit, open_visit, sign_in_path

PageFunction = Callable[[Visit], Awaitable[Page | Response]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """A page, or what one of its forms does."""

    path: str
    show: PageFunction
    needed: access.Scope | None = access.Scope.READ
    """None for what needs nobody to be signed in."""
    method: str = "GET"


_REQUEST: Final = access.Scope.REQUEST
_OPERATE: Final = access.Scope.OPERATE

ROUTES: Final = (
    Route(path="/", show=home.show_home),
    Route(path="/sign-in", show=signing_in.show_sign_in, needed=None),
    Route(path="/sign-in", show=signing_in.sign_in, needed=None, method="POST"),
    Route(path="/sign-out", show=signing_in.sign_out, method="POST"),
    Route(path="/search", show=project_page.search),
    Route(path="/projects", show=project_page.list_projects),
    Route(path="/projects/{name}", show=project_page.show_project),
    Route(path="/wheels/{filename}", show=wheel_page.show_wheel),
    Route(path="/wheels/{filename}/file", show=wheel_page.download_wheel),
    Route(path="/wheels/{filename}/yank", show=wheel_page.yank_wheel, needed=_OPERATE, method="POST"),
    Route(path="/wheels/{filename}/unyank", show=wheel_page.unyank_wheel, needed=_OPERATE, method="POST"),
    Route(path="/wheels/{filename}/promote", show=wheel_page.promote_wheel, needed=_OPERATE, method="POST"),
    Route(path="/wheels/{filename}/delete", show=wheel_page.delete_wheel, needed=_OPERATE, method="POST"),
    Route(path="/wheels/{filename}/files", show=wheel_page.list_files),
    Route(path="/index", show=index_page.show_index),
    Route(path="/index/check", show=index_page.check_index, needed=_OPERATE, method="POST"),
    Route(path="/request", show=request_page.show_form, needed=_REQUEST),
    Route(path="/request", show=request_page.send_request, needed=_REQUEST, method="POST"),
    Route(path="/request/suggestions", show=request_page.suggest),
    Route(path="/requests", show=requests_pages.list_requests),
    Route(path="/requests", show=application_form.send_files, needed=_REQUEST, method="POST"),
    Route(path="/requests/{request_id}", show=requests_pages.show_request),
    Route(path="/requests/{request_id}/cancel", show=requests_pages.cancel_request, needed=_REQUEST, method="POST"),
    Route(path="/queue", show=queue_page.show_queue),
    Route(path="/builds", show=builds_list.list_builds),
    Route(path="/builds/retry", show=builds_list.retry_builds, needed=_REQUEST, method="POST"),
    Route(path="/builds/{build_id}", show=build_page.show_build),
    Route(path="/builds/{build_id}/log", show=build_log.show_log),
    Route(path="/builds/{build_id}/log.txt", show=build_log.download_log),
    Route(path="/builds/{build_id}/events", show=build_log.follow_log),
    Route(path="/builds/{build_id}/cancel", show=build_page.cancel_build, needed=_REQUEST, method="POST"),
    Route(path="/builds/{build_id}/retry", show=build_page.retry_build, needed=_REQUEST, method="POST"),
    Route(path="/recipes", show=recipe_pages.list_recipes),
    Route(path="/recipes/{name}", show=recipe_pages.show_recipe),
    Route(path="/builders", show=builders_page.show_builders),
    Route(path="/builders/images/{image_id}", show=builders_page.show_image),
    Route(path="/statistics", show=statistics_page.show_statistics),
)


def add_pages(app: FastAPI) -> None:
    """Serve every page, and the style sheet and scripts that they load."""
    for route in ROUTES:
        app.add_route(route.path, _serve(route), methods=[route.method], include_in_schema=False)
    app.mount("/static", _Assets(directory=str(files("wheelyard.web") / "static")), name="static")
    add_guide(app)


def _serve(route: Route) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        try:
            visit = await open_visit(request, route.needed)
        except UnauthenticatedError:
            return RedirectResponse(sign_in_path(request), status_code=303, headers={"Cache-Control": "no-store"})
        answer = await route.show(visit)
        return render(request, answer, visit.values()) if isinstance(answer, Page) else answer

    return serve


class _Assets(StaticFiles):
    """Files whose address changes with their content, so that browsers never ask for them again."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_lasting(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Cache-Control"] = "public, max-age=31536000, immutable"
            await send(message)

        await super().__call__(scope, receive, send_lasting)
