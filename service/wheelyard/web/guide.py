"""The guide at /guide/: the documentation, built from docs/ with the program (tools/build_guide.py)."""

import base64
import hashlib
import mimetypes
import re
import zipfile
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse

from wheelyard.api.files import is_known
from wheelyard.errors import NotFoundError
from wheelyard.resources import data_path

ARCHIVE: Final = "guide.zip"
# The theme loads icons from data URLs, searches in a web worker, and styles its results inline.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'{hashes}; worker-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_SCRIPT: Final = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
_KEPT: Final = 100
_NOT_MODIFIED: Final = 304


def add_guide(app: FastAPI) -> None:
    """Serve the guide; without its archive (a clone without ``make guide``) every page is a 404."""
    guide = _Guide(data_path(ARCHIVE))

    def show_guide(request: Request, path: str) -> Response:
        return guide.answer(request, path)

    app.add_api_route("/guide/{path:path}", show_guide, methods=["GET", "HEAD"], include_in_schema=False)
    app.add_api_route("/guide", _go_to_start, methods=["GET", "HEAD"], include_in_schema=False)


async def _go_to_start() -> Response:
    return RedirectResponse("guide/")


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the guide with its response headers."""

    content: bytes
    headers: dict[str, str]


class _Guide:
    """The guide's archive; only names in the archive are served."""

    def __init__(self, archive: Path) -> None:
        self._archive = archive
        self._read = lru_cache(maxsize=_KEPT)(self._open)

    @cached_property
    def _names(self) -> frozenset[str]:
        if not self._archive.is_file():
            return frozenset()
        with zipfile.ZipFile(self._archive) as archive:
            return frozenset(archive.namelist())

    def answer(self, request: Request, path: str) -> Response:
        """Return the response for a page or a file; raise NotFoundError."""
        name = f"{path}index.html" if path.endswith("/") or not path else path
        if name not in self._names and f"{name}/index.html" in self._names:
            return RedirectResponse(f"{path.rpartition('/')[2]}/")
        if name not in self._names:
            missing = "page of the guide" if self._names else "page of the guide, which 'make guide' builds,"
            raise NotFoundError(kind=missing, name=path or name)
        file = self._read(name)
        if is_known(request, file.headers["ETag"]):
            return Response(status_code=_NOT_MODIFIED, headers=file.headers)
        return Response(file.content, headers=file.headers)

    def _open(self, name: str) -> _File:
        with zipfile.ZipFile(self._archive) as archive:
            content = archive.read(name)
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        headers = {
            "Content-Type": f"{kind}; charset=utf-8" if kind.startswith("text/") else kind,
            "ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"',
            "Cache-Control": "no-cache",
            "X-Content-Type-Options": "nosniff",
        }
        if name.endswith(".html"):
            headers["Content-Security-Policy"] = _policy_of(content)
        return _File(content, headers)


def _policy_of(page: bytes) -> str:
    """Return the policy that allows a page's inline scripts by their hashes (https://www.w3.org/TR/CSP3/#match-element-to-source-list)."""
    digests = (base64.b64encode(hashlib.sha256(script).digest()).decode() for script in _SCRIPT.findall(page))
    return _POLICY.format(hashes="".join(f" 'sha256-{digest}'" for digest in digests))
