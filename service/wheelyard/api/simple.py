"""Routes of the Simple API for installers (PEP 503, 691 and their extensions)."""

import re
from typing import Final

from fastapi import APIRouter, Request, Response
from packaging.utils import canonicalize_name

from wheelyard.api.docs import Responses, problems
from wheelyard.api.files import is_known, takes_gzip
from wheelyard.api.index_access import IndexRoute
from wheelyard.api.services import Services
from wheelyard.domain.index.simple_format import Form, choose_form
from wheelyard.errors import NotAcceptableError, NotFoundError, UploadInvalidError
from wheelyard.usecases.simple_pages import SimplePage, SimplePages

_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_MOVED: Final = 301
_NOT_MODIFIED: Final = 304
_VARY: Final = "Accept, Accept-Encoding, Authorization"
_CHARSET: Final = {Form.LEGACY: "; charset=utf-8"}
# The policy prevents scripts and external content in a browser, whatever a project's name contains.
_POLICY: Final = "default-src 'none'"
_NOT_ACCEPTABLE: Final = NotAcceptableError(accept="image/png", offered=list(Form))
_NO_UPLOADS_HERE: Final = UploadInvalidError(
    problems=["this is the address that installers use; the one to upload to ends in /legacy/ instead of /simple/"]
)
_PAGE: Final[Responses] = {
    200: {
        "description": "The page, in the format that the Accept header prefers.",
        "content": {f"{form}{_CHARSET.get(form, '')}": {"schema": {"type": "string"}} for form in Form},
    },
    304: {"description": "The page has the ETag of the request."},
}
_OF_LISTS: Final[Responses] = {**_PAGE, **problems(_NOT_ACCEPTABLE)}
_OF_PROJECTS: Final[Responses] = {
    **_PAGE,
    301: {"description": "Redirect to the normalised name."},
    **problems(NotFoundError(kind="project", name="pyyaml"), _NOT_ACCEPTABLE),
}
_OF_NAMESPACES: Final[Responses] = {
    200: {"description": "The namespaces, in JSON.", "content": {Form.JSON.value: {"schema": {"type": "array"}}}},
    304: _PAGE[304],
    **problems(),
}
_OF_NAMESPACE: Final[Responses] = {
    200: {"description": "The namespace, in JSON.", "content": {Form.JSON.value: {"schema": {"type": "object"}}}},
    304: _PAGE[304],
    **problems(NotFoundError(kind="namespace", name="acme")),
}

router: Final = APIRouter(tags=["index"], route_class=IndexRoute)


@router.head("/simple/", include_in_schema=False)
@router.get(
    "/simple/",
    operation_id="list_simple_projects",
    summary="List projects (Simple API)",
    response_class=Response,
    responses=_OF_LISTS,
)
async def list_projects(request: Request, services: Services) -> Response:
    """List all projects (PEP 503 and 691)."""
    return await _names(request, services.index.pages)


@router.head("/simple/{project}/", include_in_schema=False)
@router.get(
    "/simple/{project}/",
    operation_id="get_simple_project",
    summary="List a project's wheels (Simple API)",
    responses=_OF_PROJECTS,
    response_class=Response,
)
async def get_project(project: str, request: Request, services: Services) -> Response:
    """List a project's wheels (PEP 503, 592, 658, 691, 700, 714, 740, 752)."""
    return await _project(project, request, services.index.pages)


@router.head("/staging/simple/", include_in_schema=False)
@router.get(
    "/staging/simple/",
    operation_id="list_staged_projects",
    summary="List projects, including staged ones (Simple API)",
    responses=_OF_LISTS,
    response_class=Response,
)
async def list_staged_projects(request: Request, services: Services) -> Response:
    """List all projects, including those that only have staged wheels."""
    return await _names(request, services.index.staged_pages)


@router.head("/staging/simple/{project}/", include_in_schema=False)
@router.get(
    "/staging/simple/{project}/",
    operation_id="get_staged_project",
    summary="List a project's wheels, including staged ones (Simple API)",
    responses=_OF_PROJECTS,
    response_class=Response,
)
async def get_staged_project(project: str, request: Request, services: Services) -> Response:
    """List a project's wheels, including staged ones."""
    return await _project(project, request, services.index.staged_pages)


@router.head("/own/simple/", include_in_schema=False)
@router.get(
    "/own/simple/",
    operation_id="list_own_projects",
    summary="List projects with own wheels (Simple API)",
    responses=_OF_LISTS,
    response_class=Response,
)
async def list_own_projects(request: Request, services: Services) -> Response:
    """List the projects that have a wheel built here."""
    return await _names(request, services.index.own_pages)


@router.head("/own/simple/{project}/", include_in_schema=False)
@router.get(
    "/own/simple/{project}/",
    operation_id="get_own_project",
    summary="List a project's own wheels (Simple API)",
    responses=_OF_PROJECTS,
    response_class=Response,
)
async def get_own_project(project: str, request: Request, services: Services) -> Response:
    """List a project's wheels that are not mirrored from upstream.

    A project without such wheels is not found, so that an installer continues with its next index.
    """
    return await _project(project, request, services.index.own_pages)


# PEP 752 names these paths. They come before the redirect to a final slash, with which projects are addressed.
@router.get("/own/simple/namespaces", include_in_schema=False)
@router.get("/staging/simple/namespaces", include_in_schema=False)
@router.get(
    "/simple/namespaces",
    operation_id="list_namespaces",
    summary="List namespaces (Simple API)",
    responses=_OF_NAMESPACES,
    response_class=Response,
)
async def list_namespaces(request: Request, services: Services) -> Response:
    """List the namespaces that `WHEELYARD_OWN_PROJECTS` reserves for the organisation (PEP 752)."""
    return _answer(request, services.index.pages.namespaces())


@router.get("/own/simple/namespace/{namespace}", include_in_schema=False)
@router.get("/staging/simple/namespace/{namespace}", include_in_schema=False)
@router.get(
    "/simple/namespace/{namespace}",
    operation_id="get_namespace",
    summary="Show a namespace (Simple API)",
    responses=_OF_NAMESPACE,
    response_class=Response,
)
async def get_namespace(namespace: str, request: Request, services: Services) -> Response:
    """Show a namespace, the namespace around it, and those directly in it (PEP 752)."""
    return _answer(request, services.index.pages.namespace(namespace))


@router.post(
    "/simple/",
    status_code=400,
    operation_id="upload_to_simple",
    summary="Refuse an upload to the address for installers",
    responses=problems(_NO_UPLOADS_HERE),
)
async def refuse_upload(request: Request, services: Services) -> None:
    """Refuse uploads: the address to upload to is `/legacy/`."""
    del request, services
    raise UploadInvalidError(problems=_NO_UPLOADS_HERE.problems)


@router.get("/simple/{project}", include_in_schema=False)
@router.get("/staging/simple/{project}", include_in_schema=False)
@router.get("/own/simple/{project}", include_in_schema=False)
async def add_slash(project: str, request: Request, services: Services) -> Response:
    """Redirect a path without the final slash."""
    del request, services
    _check_name(project)
    return _redirect(f"{canonicalize_name(project)}/")


async def _names(request: Request, pages: SimplePages) -> Response:
    return _answer(request, await pages.names(_form_of(request)))


async def _project(project: str, request: Request, pages: SimplePages) -> Response:
    _check_name(project)
    if (normalized := canonicalize_name(project)) != project:
        return _redirect(f"../{normalized}/")
    return _answer(request, await pages.project(project, _form_of(request)))


def _check_name(project: str) -> None:
    if not _NAME.fullmatch(project):
        raise NotFoundError(kind="project", name=project)


def _redirect(location: str) -> Response:
    # A relative redirect works behind a proxy that adds a path prefix.
    return Response(status_code=_MOVED, headers={"Location": location, "Cache-Control": "no-cache"})


def _form_of(request: Request) -> Form:
    accept = request.headers.get("Accept")
    if (form := choose_form(accept)) is None:
        raise NotAcceptableError(accept=accept or "", offered=list(Form))
    return form


def _answer(request: Request, page: SimplePage) -> Response:
    packed = page.packed if takes_gzip(request) else None
    etag = f'"{page.etag}{"-gzip" if packed else ""}"'
    headers = {"ETag": etag, "Vary": _VARY, "Cache-Control": "private, no-cache"}
    if is_known(request, etag):
        return Response(status_code=_NOT_MODIFIED, headers=headers)
    if packed:
        headers["Content-Encoding"] = "gzip"
    headers |= {"Content-Type": page.form.value + _CHARSET.get(page.form, ""), "Content-Security-Policy": _POLICY}
    return Response(packed or page.body, headers=headers)
