"""Error handlers: every exception of a route becomes a problem document."""

import functools
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match

from wheelyard.api.body_limit import limit_bytes_of
from wheelyard.api.problems import Problem, problem_response, retry_headers
from wheelyard.api.request_context import request_id_of
from wheelyard.errors import (
    InternalError,
    InvalidRequestError,
    MethodNotAllowedError,
    NotFoundError,
    RequestTooLargeError,
    WheelyardError,
)
from wheelyard.logs import get_logger

ErrorPage = Callable[[Request, Problem], Awaitable[Response | None]]
"""Shows a problem to a person; None if the request comes from a program."""
_log: Final = get_logger(__name__)


def register_problem_handlers(app: FastAPI, error_page: ErrorPage | None = None) -> None:
    """Register the handlers for all exceptions and unknown paths."""
    for kind in (WheelyardError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, functools.partial(_answer, error_page=error_page))


async def _answer(request: Request, exception: Exception, *, error_page: ErrorPage | None) -> Response:
    error = _error_for(request, exception)
    request_id = request_id_of(request.scope)
    problem = Problem.of(error, instance=request.url.path, request_id=request_id)
    _report(problem, exception)
    headers = _headers_of(exception)
    if isinstance(error, MethodNotAllowedError):
        headers = {**headers, "Allow": ", ".join(error.allowed)}
    if error_page is not None and (answer := await error_page(request, problem)) is not None:
        answer.headers.update({**retry_headers(problem), **headers, "X-Request-ID": request_id})
        return answer
    # The response to an unexpected exception does not pass through our middleware, which sets this header otherwise
    # (https://github.com/Kludex/starlette/issues/1175).
    return problem_response(problem, headers={**headers, "X-Request-ID": request_id})


def _error_for(request: Request, exception: Exception) -> WheelyardError:
    match exception:
        case WheelyardError():
            return exception
        case RequestValidationError():
            return InvalidRequestError(problems=[_describe(one) for one in exception.errors()])
        case HTTPException():
            return _error_for_http(request, exception)
        case _:
            return InternalError(reference=request_id_of(request.scope))


def _error_for_http(request: Request, exception: HTTPException) -> WheelyardError:
    """Return our error for an HTTPException of the framework."""
    match exception.status_code:
        case 404:
            return NotFoundError(kind="page", name=request.url.path)
        case 405:
            return MethodNotAllowedError(method=request.method, path=request.url.path, allowed=_methods_of(request))
        case 413:
            return RequestTooLargeError(limit_bytes=limit_bytes_of(request.scope))
        case _:
            return InvalidRequestError(problems=[str(exception.detail)])


def _methods_of(request: Request) -> list[str]:
    """Return the methods of all routes of a path; Starlette only lists those of the first matching route."""
    routes = (route for route in _flat(request.app.routes) if route.matches(request.scope)[0] is not Match.NONE)
    return sorted({method for route in routes for method in getattr(route, "methods", None) or ()})


def _flat(routes: Iterable[BaseRoute]) -> Iterator[BaseRoute]:
    """Yield single routes; FastAPI keeps each included router as one route."""
    for route in routes:
        router = getattr(route, "original_router", None)
        yield from (route,) if router is None else _flat(router.routes)


def _describe(problem: Mapping[str, object]) -> str:
    """Return a pydantic error as one line, such as ``body.requirement: Field required``."""
    location = problem.get("loc")
    where = ".".join(map(str, location)) if isinstance(location, tuple) else ""
    context = problem.get("ctx")
    reason = context.get("error") if problem.get("type") == "json_invalid" and isinstance(context, dict) else None
    return f"{where}: {problem.get('msg')}{f' ({reason})' if reason else ''}"


def _headers_of(exception: Exception) -> Mapping[str, str]:
    """Return the headers that the framework adds, such as Allow."""
    return (exception.headers or {}) if isinstance(exception, HTTPException) else {}


def _report(problem: Problem, exception: Exception) -> None:
    """Log errors that concern the operator; with a traceback only for unexpected exceptions."""
    if problem.code == InternalError.code:
        _log.error("request-failed", reference=problem.request_id, path=problem.instance, exc_info=exception)
    elif problem.status >= 500:  # noqa: PLR2004  the class of server errors (RFC 9110, section 15.6)
        _log.warning("request-refused", code=problem.code, detail=problem.detail, path=problem.instance)
