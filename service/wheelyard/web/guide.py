"""The guide at /guide/: the documentation, built from docs/ when the program is (tools/build_guide.py)."""

import base64
import hashlib
import re
from functools import lru_cache
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Response
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

from wheelyard.errors import NotFoundError
from wheelyard.resources import data_path

_PATH: Final = "/guide"
# The theme draws its icons from data URLs, searches in a worker, and gives what it finds a style sheet of its own.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'{hashes}; worker-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_SCRIPT: Final = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
_PAGES: Final = 500


def add_guide(app: FastAPI) -> None:
    """Serve the guide; where it was not built, as in a clone without ``make guide``, say that it is not there."""
    folder = data_path("guide")
    if folder.is_dir():
        app.mount(_PATH, _Guide(directory=folder, html=True), name="guide")
    else:
        app.add_api_route(_PATH + "/{path:path}", _miss_guide, include_in_schema=False)


async def _miss_guide(path: str) -> Response:
    raise NotFoundError(kind="page of the guide, which 'make guide' builds,", name=path or "index")


class _Guide(StaticFiles):
    """The guide's files; each page may run the scripts that it holds, and no other."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        file = getattr(response, "path", None)
        if file is not None and str(file).endswith(".html"):
            response.headers["Content-Security-Policy"] = _policy_of(str(file), response.headers.get("etag"))
        response.headers["Cache-Control"] = "no-cache"
        response.headers["X-Content-Type-Options"] = "nosniff"
        return response


@lru_cache(maxsize=_PAGES)
def _policy_of(file: str, _etag: str | None) -> str:
    """Allow the scripts within a page by their hashes (https://www.w3.org/TR/CSP3/#match-element-to-source-list)."""
    scripts = _SCRIPT.findall(Path(file).read_bytes())
    digests = (base64.b64encode(hashlib.sha256(script).digest()).decode() for script in scripts)
    return _POLICY.format(hashes="".join(f" 'sha256-{digest}'" for digest in digests))
