"""The page at /docs: Swagger UI from files of our own, so that it works offline and asks no third party anything."""

from importlib.resources import files
from typing import Final

from fastapi import APIRouter, FastAPI
from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles

# All paths are relative, so that the page also works behind a proxy that puts it below another path.
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
<nav class="swagger-ui wrapper" aria-label="Pages"><p><a href="./">Wheelyard</a>: back to the pages</p></nav>
<div id="swagger-ui"><noscript>This page needs JavaScript; the document itself is <a href="openapi.json">here</a>.
</noscript></div>
<script src="docs-assets/swagger-ui-bundle.js"></script>
<script src="docs-start.js"></script>
</body>
</html>
"""
# Without "none" the page would send the document's address to a public validator.
_START: Final = """SwaggerUIBundle({
  url: "openapi.json", dom_id: "#swagger-ui", deepLinking: true, validatorUrl: "none", tryItOutEnabled: true
});
"""
# Swagger UI sets styles on its elements, and draws its icons from data URLs.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)

router: Final = APIRouter(include_in_schema=False)


@router.get("/docs")
async def show_docs() -> HTMLResponse:
    """Show the OpenAPI document."""
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})


@router.get("/docs-start.js")
async def start_docs() -> Response:
    """Start Swagger UI; a script of its own, because the page's policy allows none within it."""
    return Response(_START, media_type="text/javascript")


def add_docs(app: FastAPI) -> None:
    """Serve the page and the files that it loads, which the package fastapi-offline carries."""
    app.include_router(router)
    app.mount("/docs-assets", StaticFiles(directory=str(files("fastapi_offline") / "static")), name="docs-assets")
