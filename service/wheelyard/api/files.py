"""Routes of wheel files and their METADATA (PEP 658), cacheable forever."""

from typing import Final

from fastapi import APIRouter, Request, Response

from wheelyard.api.docs import problems
from wheelyard.api.downloads.responses import FILE_TYPE, send_file
from wheelyard.api.index_access import IndexRoute
from wheelyard.api.services import ApiServices, Services
from wheelyard.errors import IndexUnavailableError, NotFoundError


def is_known(request: Request, etag: str) -> bool:
    """Return whether If-None-Match has this ETag or ``*``, so that the client's copy is current."""
    given = [one.strip() for one in request.headers.get("If-None-Match", "").split(",")]
    return "*" in given or etag.removeprefix("W/") in (one.removeprefix("W/") for one in given)


def takes_gzip(request: Request) -> bool:
    """Return whether the client accepts gzip."""
    accepted = request.headers.get("Accept-Encoding", "")
    codings = (item.replace(" ", "").lower().split(";") for item in accepted.split(","))
    return any(name == "gzip" and "q=0" not in parameters for name, *parameters in codings)


_METADATA: Final = ".metadata"
_NOT_MODIFIED: Final = 304
# A file name always has the same content.
_FOREVER: Final = "private, max-age=31536000, immutable"

router: Final = APIRouter(tags=["index"], route_class=IndexRoute)


@router.get(
    "/files/{filename}",
    operation_id="get_file",
    summary="Download a wheel or its METADATA",
    responses=problems(
        NotFoundError(kind="wheel", name="pyyaml-6.0.3-py3-none-any.whl"),
        IndexUnavailableError(index="our own", reason="connection refused"),
    ),
)
async def get_file(filename: str, request: Request, services: Services) -> Response:
    """Return a wheel, whole or in part (Range). With `.metadata` added to its name, return its METADATA."""
    return await _file(filename, request, services)


@router.get("/staging/files/{filename}", include_in_schema=False)
@router.head("/staging/files/{filename}", include_in_schema=False)
@router.head("/files/{filename}", include_in_schema=False)
async def get_same_file(filename: str, request: Request, services: Services) -> Response:
    """Return the same file for links of staging pages; return only headers for HEAD."""
    return await _file(filename, request, services)


async def _file(filename: str, request: Request, services: ApiServices) -> Response:
    if not filename.isprintable():
        # The path is not validated, and the database cannot store every character.
        raise NotFoundError(kind="wheel", name=filename)
    if filename.endswith(_METADATA):
        return await _metadata(filename.removesuffix(_METADATA), request, services)
    wheel = await services.index.files.find(filename)
    headers = {"ETag": f'"{wheel.sha256}"', "Cache-Control": _FOREVER, "Accept-Ranges": "bytes"}
    if is_known(request, headers["ETag"]):
        return Response(status_code=_NOT_MODIFIED, headers=headers)
    if request.method == "HEAD":
        headers |= {"Content-Length": str(wheel.size_bytes), "Content-Type": FILE_TYPE}
        return Response(headers=headers)
    return await send_file(request, services.index, wheel, headers)


async def _metadata(filename: str, request: Request, services: ApiServices) -> Response:
    wheel = await services.index.files.find(filename)
    content = await services.index.files.metadata_of(filename)
    headers = {"ETag": f'"{wheel.metadata_sha256}"', "Cache-Control": _FOREVER}
    if is_known(request, headers["ETag"]):
        return Response(status_code=_NOT_MODIFIED, headers=headers)
    return Response(content, media_type="text/plain", headers=headers)
