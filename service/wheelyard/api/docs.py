"""The OpenAPI document and its page; each route lists its error codes with an example of each."""

from collections import defaultdict
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles

from wheelyard import errors
from wheelyard.api.examples import BY_NAME
from wheelyard.api.problems import MEDIA_TYPE, Problem, status_of
from wheelyard.api.scopes import needed_scope
from wheelyard.errors import WheelyardError

Responses = dict[int | str, dict[str, Any]]

INVALID_REQUEST: Final = errors.InvalidRequestError(problems=["body.requirement: Field required"])
NO_SUCH_BUILD: Final = errors.NotFoundError(kind="build", name="0e3c2b1a-5a5e-4a0e-9d62-5f3f5a7a8b11")
_EVERYWHERE: Final[Sequence[WheelyardError]] = (
    errors.UnauthenticatedError(reason="it has no Authorization header"),
    errors.ForbiddenError(needed="request", granted="read"),
    errors.TooManyRequestsError(what="requests with this token", per_minute=1200, retry_after_seconds=1),
    errors.InternalError(reference="4f1f5c3c9d6e4d3f8a44f7f6e1a5b0aa"),
    errors.DatabaseUnavailableError(reason="connection refused"),
)
_FIRST_ERROR: Final = 400


def problems(*samples: WheelyardError) -> Responses:
    """Return the documentation of the errors of a route under /v1, including those of every route."""
    return public_problems(*samples, *_EVERYWHERE)


def public_problems(*samples: WheelyardError) -> Responses:
    """Return the documentation of the errors of a route without authentication."""
    by_status: defaultdict[int, list[WheelyardError]] = defaultdict(list)
    for sample in samples:
        by_status[status_of(sample)].append(sample)
    return {status: _document(by_status[status]) for status in sorted(by_status)}


def _document(samples: Sequence[WheelyardError]) -> dict[str, Any]:
    examples = {one.code: {"value": Problem.of(one).model_dump(exclude_none=True)} for one in samples}
    return {
        "model": Problem,
        "description": "Problem: " + ", ".join(f"`{code}`" for code in examples),
        "content": {"application/json": {"examples": examples}},
    }


def describe_api(app: FastAPI) -> dict[str, Any]:
    """Return the OpenAPI document, with problems under their own media type (FastAPI has no option for it)."""
    document = get_openapi(
        title=app.title, version=app.version, summary=app.summary, description=app.description, routes=app.routes
    )
    for path in document["paths"].values():
        for operation in path.values():
            _fix_responses(operation["responses"])
            _add_scope(operation)
    document["components"]["examples"] = BY_NAME
    for unused in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(unused, None)
    return document


def _add_scope(operation: dict[str, Any]) -> None:
    """Add the scope to the description of an operation; OpenAPI before 3.1 has no field for it with bearer tokens."""
    if "security" in operation:
        scope = needed_scope(operation["operationId"])
        operation["security"] = [{name: [scope.value] for name in one} for one in operation["security"]]
        operation["description"] = f"{operation.get('description', '')}\n\nNeeds the scope `{scope.value}`.".strip()


def _fix_responses(responses: dict[str, Any]) -> None:
    for status in [status for status in responses if int(status) >= _FIRST_ERROR]:
        content = responses[status]["content"]["application/json"]
        if "examples" in content:
            responses[status]["content"] = {MEDIA_TYPE: content}
        else:
            # FastAPI adds a 422 response to every operation with parameters, even if no value can be invalid
            # (https://github.com/fastapi/fastapi/issues/497).
            del responses[status]


# Relative paths work behind a proxy that adds a path prefix.
_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Wheelyard: REST API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs-assets/swagger-ui.css">
</head>
<body>
<nav class="swagger-ui wrapper" aria-label="Pages"><p><a href="./">Wheelyard</a>: web pages</p></nav>
<div id="swagger-ui"><noscript>This page needs JavaScript. Without it, read the
<a href="openapi.json">OpenAPI document</a>.</noscript></div>
<script src="docs-assets/swagger-ui-bundle.js"></script>
<script src="docs-start.js"></script>
</body>
</html>
"""
# The default sends the document's URL to a public validator (https://github.com/swagger-api/swagger-ui/issues/2761).
_START: Final = """SwaggerUIBundle({
  url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: "none", tryItOutEnabled: true
});
"""
# Swagger UI needs inline styles (https://github.com/swagger-api/swagger-ui/issues/10655) and icons from data URLs
# (https://github.com/swagger-api/swagger-ui/issues/7540).
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

router: Final = APIRouter(include_in_schema=False)


@router.get("/docs")
async def show_docs() -> HTMLResponse:
    """Return the page that shows the OpenAPI document."""
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})


@router.get("/docs-start.js")
async def start_docs() -> Response:
    """Return the script that starts Swagger UI; the page's policy allows no inline script."""
    return Response(_START, media_type="text/javascript")


def add_docs(app: FastAPI) -> None:
    """Serve the page and its files, which are in the package fastapi-offline."""
    app.include_router(router)
    app.mount("/docs-assets", StaticFiles(directory=str(files("fastapi_offline") / "static")), name="docs-assets")
