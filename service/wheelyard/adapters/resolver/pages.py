"""Pages of a Simple API (PEP 503, 691, 658) on loopback that uv reads before upstream's, for one resolution.

They list what upstream's do not: our own index's wheels, only those for the organisation's own names, and placeholders
for sdists whose wheels could be built. uv reads upstream's page of a project that they do not have.
"""

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote

import uvicorn
from packaging.metadata import RawMetadata
from packaging.utils import NormalizedName, canonicalize_name
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from wheelyard.adapters.resolver.own_projects import OwnNames
from wheelyard.adapters.resolver.own_wheels import OwnWheels
from wheelyard.adapters.resolver.sdists import read_sdist_metadata
from wheelyard.domain.index.placeholder_files import OfferedFiles, Placeholders, best_wheels, is_usable, offer_files
from wheelyard.domain.packaging.release import IndexFile
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.untrusted.file_names import read_wheel_name
from wheelyard.domain.untrusted.metadata import parse_metadata
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.domain.untrusted.requirements import find_requirement
from wheelyard.errors import (
    BuildRequirementsError,
    IndexUnavailableError,
    InvalidSdistError,
    NotFoundError,
    OwnProjectError,
    ResolutionTooLargeError,
    UnknownProjectError,
    WheelyardError,
)
from wheelyard.interfaces import ParserPool, SourceIndex

_HOST: Final = "127.0.0.1"
_JSON: Final = "application/vnd.pypi.simple.v1+json"
_SECRET_BYTES: Final = 16
_IDLE_SECONDS: Final = 30
_MOST_PROJECTS: Final = 2000
"""How many projects' pages uv may read in one run. It reads here before upstream, so this limits both."""
_MOST_SDISTS: Final = 500
"""How many sdists may be fetched for their metadata in one run."""
MOST_REQUIREMENTS: Final = 2000
"""How many requirements an sdist may state. The longest public lists have some hundreds."""
_BAD_REQUEST: Final = 400
_NOT_FOUND: Final = 404


class ResolverPages:
    """What uv reads beside upstream's pages."""

    def __init__(
        self,
        *,
        source: SourceIndex,
        own: OwnWheels | None,
        names: OwnNames,
        parsers: ParserPool,
        read_metadata: Callable[[Path], bytes | None] = read_sdist_metadata,
    ) -> None:
        self._source = source
        self._own = own
        self._names = names
        self._parsers = parsers
        self._read_metadata = read_metadata

    @contextlib.asynccontextmanager
    async def open(self, target: Target, placeholders: Placeholders) -> AsyncIterator["PageSession"]:
        """Serve pages for a target until the block ends. Their address is secret, so only uv can read them."""
        session = PageSession(self, target, placeholders)
        async with _serving(session.app()) as address:
            session.url = f"{address}{session.root}/simple"
            yield session

    async def files_of(
        self, project: NormalizedName, target: Target, placeholders: Placeholders
    ) -> OfferedFiles | None:
        """Return the files of a project's page; None if upstream's own is sufficient."""
        own = await self._own.files_of(project) if self._own else ()
        if await self._names.refusal_of(project) is not None:
            sdists = await self._names.sdists_of(project)
            offered = offer_files(sdists, own, target=target, placeholders=placeholders)
            # The sdists themselves are not listed: uv could not read their addresses, and would take no sdist anyway.
            return OfferedFiles(files=own, placeholders=offered.placeholders if offered else ())
        if not own and placeholders is Placeholders.NONE and not target.is_free_threaded:
            return None
        try:
            upstream = (await self._source.project(project)).files
        except UnknownProjectError:
            upstream = ()
        offered = offer_files(upstream, own, target=target, placeholders=placeholders)
        if offered is None and target.is_free_threaded and upstream:
            return OfferedFiles(files=tuple(upstream), placeholders=())
        return offered

    async def refusal_of(self, project: NormalizedName, target: Target) -> OwnProjectError | None:
        """Return the error for an own project without a usable wheel; None if it can be built, and for others."""
        refusal = await self._names.refusal_of(project)
        if refusal is None:
            return None
        sdists = await self._names.sdists_of(project)
        return None if offer_files(sdists, (), target=target, placeholders=Placeholders.ALL) else refusal

    async def metadata_of(self, name: str, file: IndexFile) -> bytes:
        """Return the METADATA of a listed wheel: ours, or what an sdist states that its wheel's will be."""
        if self._own and file.own:
            return await self._own.metadata_of(file)
        stated = await asyncio.to_thread(self._read_metadata, await self._source.fetch(file))
        what = f"the PKG-INFO of {file.filename}"
        try:
            return await self._parsers.run(placeholder_metadata, name, stated or b"", what=what, caller=name)
        except RefusedTextError as error:
            raise InvalidSdistError(file=file.filename, reason=str(error)) from error


class PageSession:
    """The pages for one resolution, and what happened to it."""

    def __init__(self, pages: ResolverPages, target: Target, placeholders: Placeholders) -> None:
        self._pages = pages
        self._target = target
        self._placeholders = placeholders
        self._asked: set[NormalizedName] = set()
        self._fetched: set[str] = set()
        self.root = f"/{secrets.token_urlsafe(_SECRET_BYTES)}"
        self.url = ""
        """Address of the pages."""
        self.listed: dict[str, IndexFile] = {}
        """Our wheels that were listed, and sdists by the name of the wheel that each replaces."""
        self.renamed: dict[str, IndexFile] = {}
        """Upstream's wheels that were listed under another name."""
        self.unmet: list[OwnProjectError] = []
        """An error for each of the organisation's own names that were requested and have no usable wheel."""
        self.fault: WheelyardError | None = None
        """Why a page could not be served."""

    def find(self, url: str, name: str) -> IndexFile | None:
        """Return the file behind an address on these pages, or of upstream's under another name; else None."""
        _, is_here, listed = url.partition(f"{self.root}/files/")
        return self.listed.get(unquote(listed)) if is_here else self.renamed.get(name)

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Raise an error of these pages instead of uv's, which only sees that there is nothing to choose."""
        try:
            yield
        except (BuildRequirementsError, IndexUnavailableError) as error:
            if self.fault is not None:
                raise self.fault from error
            for refusal in self.unmet:
                raise refusal from error
            raise

    def app(self) -> ASGIApp:
        """Return the pages as an application.

        Only after a 404 does uv read the upstream page as well, so every error here is a 400.
        """
        pages = [
            Route("/simple/{project}/", self._answer_page),
            Route("/files/{name}.metadata", self._answer_metadata),
        ]
        answers = {NotFoundError: _not_here, WheelyardError: self._give_up, HTTPException: self._refuse}
        return Starlette(routes=[Mount(self.root, routes=pages)], exception_handlers=answers)

    async def _answer_page(self, request: Request) -> Response:
        return _answer(200, await self._page(canonicalize_name(request.path_params["project"])), kind=_JSON)

    async def _answer_metadata(self, request: Request) -> Response:
        return _answer(200, await self._metadata(request.path_params["name"]))

    async def _give_up(self, _: Request, error: Exception) -> Response:
        if isinstance(error, WheelyardError):
            self.fault = error
        return _answer(_BAD_REQUEST)

    async def _refuse(self, request: Request, _: Exception) -> Response:
        is_page = request.method == "GET" and request.url.path.startswith(f"{self.root}/")
        return _answer(_NOT_FOUND if is_page else _BAD_REQUEST)

    async def _page(self, project: NormalizedName) -> bytes:
        self._asked.add(project)
        if len(self._asked) > _MOST_PROJECTS:
            raise ResolutionTooLargeError(what="what is required leads to more projects", limit=_MOST_PROJECTS)
        offered = await self._pages.files_of(project, self._target, self._placeholders)
        if offered is None:
            raise NotFoundError(kind="project", name=project)
        is_met = any(is_usable(file, self._target) for file in offered.files)
        if not is_met and (refusal := await self._pages.refusal_of(project, self._target)) is not None:
            self.unmet.append(refusal)
        named = {_wheel_name(project, sdist): sdist for sdist in offered.placeholders}
        files: Iterable[IndexFile] = offered.files
        if self._target.is_free_threaded:
            # uv cannot be told of a free-threaded Python that is not on this host: it would choose wheels for the other
            # build (https://docs.astral.sh/uv/reference/cli/#uv-pip-compile--python-version). So it sees only the
            # wheels that fit, under names that fit everywhere.
            named |= {_wheel_name(project, wheel): wheel for wheel in best_wheels(offered.files, self._target)}
            files = (file for file in offered.files if file.kind != "wheel")
        entries = [self._entry(file.filename, file) for file in files if file.filename not in named]
        entries += [self._entry(name, file) for name, file in named.items()]
        return json.dumps({"meta": {"api-version": "1.1"}, "name": project, "files": entries}).encode()

    def _entry(self, name: str, file: IndexFile) -> dict[str, Any]:
        entry: dict[str, Any] = {
            "filename": name,
            "url": file.url,
            "hashes": {"sha256": file.sha256},
            "yanked": (file.yanked_reason or True) if file.yanked else False,
        }
        if file.requires_python is not None:
            entry["requires-python"] = file.requires_python
        if file.upload_time is not None:
            entry["upload-time"] = file.upload_time.isoformat()
        if file.own or (file.kind != "wheel" and name != file.filename):
            self.listed[name] = file
            entry |= {"url": f"{self.root}/files/{quote(name)}", "core-metadata": True}
        elif name != file.filename:
            self.renamed[name] = file
        return entry

    async def _metadata(self, name: str) -> bytes:
        if name not in self.listed:
            raise NotFoundError(kind="file", name=name)
        self._fetched.add(name)
        if len(self._fetched) > _MOST_SDISTS:
            raise ResolutionTooLargeError(what="more sdists would have to be read", limit=_MOST_SDISTS)
        return await self._pages.metadata_of(name, self.listed[name])


async def _not_here(_: Request, __: Exception) -> Response:
    return _answer(_NOT_FOUND)


def _answer(status: int, body: bytes = b"", *, kind: str = "text/plain") -> Response:
    # uv's cache of these pages is of no use: the next ones have another address.
    headers = {"Cache-Control": "no-store", "Content-Type": kind}
    return Response(body, status, headers | ({"Connection": "close"} if status == _BAD_REQUEST else {}))


@contextlib.asynccontextmanager
async def _serving(app: ASGIApp) -> AsyncIterator[str]:
    """Serve an application on loopback until the block ends, and yield its address.

    This is uvicorn's protocol on asyncio's server. uvicorn's own server installs signal handlers
    (https://github.com/Kludex/uvicorn/pull/871), and checks only ten times a second whether it is to stop. h11 bounds a
    request's head, which httptools does not.
    """
    config = uvicorn.Config(
        _without_cancellation(app),
        http=H11Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        proxy_headers=False,
        timeout_keep_alive=_IDLE_SECONDS,
    )
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(lambda: H11Protocol(config, state, {}), _HOST, 0)
    try:
        yield f"http://{_HOST}:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for connection in tuple(state.connections):
            connection.transport.abort()
        # Close the connections first, so that nothing is written to them.
        await asyncio.sleep(0)
        answering = tuple(state.tasks)
        for task in answering:
            task.cancel()
        await asyncio.gather(*answering, return_exceptions=True)


def _without_cancellation(app: ASGIApp) -> ASGIApp:
    """Suppress the cancellation of an answer: uvicorn would log it as an error of the application."""

    async def run(scope: Scope, receive: Receive, send: Send) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await app(scope, receive, send)

    return run


def placeholder_metadata(wheel: str, stated: bytes) -> bytes:
    """Return the METADATA that a wheel of this name is expected to have by its sdist's. Malformed fields are left out.

    What the sdist leaves open (PEP 643) is known once its wheel exists.
    """
    metadata = _parse(stated)
    project, version, _, _ = read_wheel_name(wheel)
    lines = ["Metadata-Version: 2.1", f"Name: {project}", f"Version: {version}"]
    extras, requires = metadata.get("provides_extra", []), metadata.get("requires_dist", [])
    if max(len(extras), len(requires)) > MOST_REQUIREMENTS:
        what = f"the sdist of {project} {version} states {len(requires)} requirements and {len(extras)} extras"
        raise ResolutionTooLargeError(what=what, limit=MOST_REQUIREMENTS)
    lines += [f"Provides-Extra: {canonicalize_name(extra)}" for extra in extras]
    lines += [f"Requires-Dist: {text}" for text in requires if _is_requirement(text)]
    return "\n".join([*lines, "", ""]).encode(errors="replace")


def _parse(stated: bytes) -> RawMetadata:
    try:
        return parse_metadata(stated)
    except RefusedTextError:
        return {}


def _is_requirement(text: str) -> bool:
    requirement = None if "\n" in text or "\r" in text else find_requirement(text)
    return requirement is not None and requirement.url is None


def _wheel_name(project: NormalizedName, file: IndexFile) -> str:
    """Return the name under which a file is listed as a wheel that fits every target."""
    return f"{project.replace('-', '_')}-{file.version}-py3-none-any.whl"
