"""The FastAPI application: routes, middleware, error handlers, documentation and web pages."""

from collections.abc import Callable
from typing import Final

from fastapi import FastAPI

from wheelyard import __version__
from wheelyard.api import (
    access,
    build_log,
    builders,
    builds,
    files,
    monitoring,
    recipes,
    requests,
    simple,
    statistics,
    wheels,
)
from wheelyard.api.body_limit import BodyLimitMiddleware
from wheelyard.api.campaigns import routes as campaigns
from wheelyard.api.docs import add_docs, describe_api
from wheelyard.api.integrity import routes as integrity
from wheelyard.api.problem_handlers import ErrorPage, register_problem_handlers
from wheelyard.api.request_context import RequestContextMiddleware, random_request_id
from wheelyard.api.services import ApiServices
from wheelyard.api.uploads import local
from wheelyard.api.uploads import routes as uploads
from wheelyard.memory_cache import SharedAnswer

_DESCRIPTION: Final = """
Send a requirement, a Python and a platform; get a wheel on an index that pip installs from.

* Every path under `/v1` needs `Authorization: Bearer TOKEN`; `wheelyard token create` creates a token. Only the schema
  of recipes needs none, because editors have none.
* Scopes are `read`, `request`, `operate` and `admin`; each includes those before it. The description of an operation
  names the scope that it needs. A token without this scope gets status 403.
* `/simple/` is the index for installers. They send the token as the password of the user `__token__` (HTTP Basic).
  The operator can allow reading it without a token.
* Errors are problem documents (RFC 9457) with the media type `application/problem+json`. `code` is stable; each code
  has a heading in `docs/errors.md`. `type` is `urn:wheelyard:error:` and the code. If `retryable` is true, the same
  request can succeed later, and there is a Retry-After header.
* Every response has an `X-Request-ID`: the caller's own if it sent one (letters, digits, `.`, `_` and `-`, at most 64
  characters). It also has a `traceparent` (W3C Trace Context), which continues the caller's trace if there is one.
* Request bodies are JSON of at most 64 KiB, under `/v1/requests` and
  `/v1/campaigns` 8 MiB. Unknown fields are refused. `POST /v1/files`
  takes the bytes of a file.
"""

# Routes are tried in order. The routes of installers are first because they are used most. The schema of recipes is
# before the recipes, which would take its path for a project name.
_ROUTERS: Final = (
    files.router,
    simple.router,
    integrity.router,
    uploads.legacy_router,
    uploads.router,
    local.router,
    builds.router,
    build_log.router,
    wheels.router,
    requests.router,
    campaigns.router,
    builders.targets_router,
    builders.router,
    access.router,
    access.audit_router,
    builders.workers_router,
    builders.suites_router,
    statistics.router,
    recipes.schema_router,
    recipes.router,
    monitoring.router,
    monitoring.metrics_router,
)


def create_app(
    services: ApiServices,
    *,
    error_page: ErrorPage | None = None,
    new_request_id: Callable[[], str] = random_request_id,
) -> FastAPI:
    """Return the application that serves the API and the web pages with the given services."""
    app = _Api(
        title="Wheelyard",
        summary="Builds, repairs, tests and publishes wheels.",
        description=_DESCRIPTION,
        version=__version__,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    app.state.services = services
    checks = monitoring.Readiness(services.readiness, timeout_seconds=services.readiness_timeout_seconds)
    app.state.readiness = SharedAnswer(checks.ask)
    app.state.metrics = SharedAnswer(services.figures.read, seconds=0)
    # The middleware added last is the outermost.
    app.add_middleware(BodyLimitMiddleware)
    app.add_middleware(RequestContextMiddleware, metrics=services.http_metrics, new_request_id=new_request_id)
    register_problem_handlers(app, error_page)
    for router in _ROUTERS:
        app.include_router(router)
    add_docs(app)
    return app


class _Api(FastAPI):
    """FastAPI with our own OpenAPI document."""

    def openapi(self) -> dict[str, object]:
        """Return the document, created once."""
        if self.openapi_schema is None:
            self.openapi_schema = describe_api(self)
        return self.openapi_schema
