"""Routes of provenance objects (PEP 740), the authority's certificates, and the list of revoked ones."""

import base64
from typing import Final

from fastapi import APIRouter, Request, Response
from packaging.utils import canonicalize_name

from wheelyard.api.docs import problems
from wheelyard.api.files import is_known
from wheelyard.api.index_access import IndexRoute
from wheelyard.api.services import Services
from wheelyard.domain.untrusted.versions import find_version
from wheelyard.errors import NotFoundError

MEDIA_TYPE: Final = "application/vnd.pypi.integrity.v1+json"
_PEM: Final = "application/x-pem-file"
_NOT_MODIFIED: Final = 304
_LINE: Final = 64
# A provenance object is signed anew if its certificate was revoked, so it is asked for again each time, by its ETag.
_CACHED: Final = "private, no-cache"

router: Final = APIRouter(tags=["index"], route_class=IndexRoute)


@router.get(
    "/integrity/{project}/{version}/{filename}/provenance",
    operation_id="get_provenance",
    summary="Get the provenance of a file (PEP 740)",
    response_class=Response,
    responses={
        200: {
            "description": "PEP 740's provenance object: signed in-toto statements about the file.",
            "content": {MEDIA_TYPE: {"schema": {"type": "object"}}},
        },
        304: {"description": "The object has the ETag of the request."},
        **problems(NotFoundError(kind="provenance", name="pyyaml-6.0.3-py3-none-any.whl")),
    },
)
async def get_provenance(project: str, version: str, filename: str, request: Request, services: Services) -> Response:
    """Return what is attested of a file: that it was published, how it was made, and what came with an upload of it."""
    missing = NotFoundError(kind="provenance", name=filename)
    if not filename.isprintable():
        raise missing
    file = await services.index.files.find(filename)
    asked, held = find_version(version), find_version(file.version)
    if canonicalize_name(project) != file.project or asked is None or asked != held or file.provenance_sha256 is None:
        raise missing
    headers = {"ETag": f'"{file.provenance_sha256}"', "Cache-Control": _CACHED}
    if is_known(request, headers["ETag"]):
        return Response(status_code=_NOT_MODIFIED, headers=headers)
    content = await services.index.files.provenance_of(filename)
    return Response(content, media_type=MEDIA_TYPE, headers=headers)


@router.get(
    "/integrity/authority.pem",
    operation_id="get_authority",
    summary="Get the certificates of the authority",
    response_class=Response,
    responses={200: {"description": "PEM certificates, the one in use first.", "content": {_PEM: {}}}, **problems()},
)
async def get_authority(request: Request, services: Services) -> Response:
    """Return the certificates of the authority in use and of former ones.

    Take them once over a way that you trust, and compare the fingerprint with that of `wheelyard authority show`.
    """
    del request
    authorities = await services.index.authorities()
    return Response(b"".join(one.certificate for one in authorities), media_type=_PEM, headers=_fresh())


@router.get(
    "/integrity/revoked.pem",
    operation_id="get_revoked_certificates",
    summary="Get the lists of revoked signing certificates",
    response_class=Response,
    responses={200: {"description": "Signed lists (RFC 5280) in PEM.", "content": {_PEM: {}}}, **problems()},
)
async def get_revoked(request: Request, services: Services) -> Response:
    """Return the signed list of revoked certificates of each authority."""
    del request
    lists = [one.revocations for one in await services.index.authorities() if one.revocations is not None]
    return Response("".join(map(_pem, lists)), media_type=_PEM, headers=_fresh())


def _fresh() -> dict[str, str]:
    return {"Cache-Control": _CACHED}


def _pem(der: bytes) -> str:
    text = base64.b64encode(der).decode()
    lines = "\n".join(text[start : start + _LINE] for start in range(0, len(text), _LINE))
    return f"-----BEGIN X509 CRL-----\n{lines}\n-----END X509 CRL-----\n"
