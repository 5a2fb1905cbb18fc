"""Errors as people see them in a browser. What went wrong, and why, comes from the error itself."""

from fastapi import Request, Response

from wheelyard.api.problems import Problem
from wheelyard.web.rendering import Page, render

_OF_PROGRAMS = ("/v1/", "/simple", "/staging", "/own/", "/files/")


def wants_page(request: Request) -> bool:
    """Tell whether a person looks: browsers ask for HTML first, installers and API clients do not."""
    asked = request.headers.get("Accept", "").startswith("text/html")
    return asked and not request.url.path.startswith(_OF_PROGRAMS)


def error_page(request: Request, problem: Problem) -> Response:
    """Show what went wrong; without the visitor's name, because the error may be that this cannot be read."""
    values = {
        "status": problem.status,
        "code": problem.code,
        "summary": problem.detail,
        "hint": problem.hint,
        "request_id": problem.request_id,
    }
    page = Page(template="error.html", title=problem.title, values=values, status=problem.status)
    return render(request, page, {"path": request.url.path})
