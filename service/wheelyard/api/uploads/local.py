"""The route that takes a project's folder, or an sdist, and builds it."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from wheelyard import errors
from wheelyard.api.authentication import AuthenticatedRoute, Caller, bearer_scheme
from wheelyard.api.docs import INVALID_REQUEST, problems
from wheelyard.api.index_access import Links
from wheelyard.api.request_context import RequestTrace
from wheelyard.api.schemas.builds import LocalSourceQuery, SubmittedBuildView, build_path
from wheelyard.api.services import Services
from wheelyard.api.uploads.receive import arriving, receive_body
from wheelyard.domain.builds.build import Status
from wheelyard.usecases.uploads.build_source import SourceClaims

router: Final = APIRouter(
    prefix="/v1/builds", tags=["builds"], route_class=AuthenticatedRoute, dependencies=[Depends(bearer_scheme)]
)
_LOCATION: Final = {
    "headers": {"Location": {"description": "Path of the build.", "schema": {"type": "string"}}},
    "links": {"build": {"operationId": "get_build", "parameters": {"build_id": "$response.body#/id"}}},
}
_PROBLEMS: Final = problems(
    INVALID_REQUEST,
    errors.LocalSourceInvalidError(source="billing", reason="its archive is refused, it has more than one top folder"),
    errors.PublishForbiddenError(project="acme-billing", publishes=["acme-web", "acme-api-*"]),
    errors.UploadInvalidError(problems=["its sha256 is e3b0…, and ba78… was announced"]),
    errors.UploadTooLargeError(limit_bytes=1 << 30),
    errors.UnknownTargetError(python="3.6", platform="manylinux_2_36_x86_64", known=["3.13 manylinux_2_36_x86_64"]),
    errors.DiskFullError(path="/var/lib/wheelyard", free_bytes=100 << 20, floor_bytes=1 << 30),
)


@router.post(
    "/local",
    status_code=202,
    operation_id="build_local",
    summary="Build a folder or an sdist",
    response_description="A queued or running build: a new one, or an equal one that the request joined.",
    responses={
        **_PROBLEMS,
        200: {"model": SubmittedBuildView, "description": "An equal build has already succeeded.", **_LOCATION},
        202: _LOCATION,
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
        }
    },
)
async def build_local(  # noqa: PLR0913, PLR0917  (FastAPI gives each part as an argument)
    about: Annotated[LocalSourceQuery, Query()],
    request: Request,
    services: Services,
    caller: Caller,
    links: Links,
    trace: RequestTrace,
    response: Response,
) -> SubmittedBuildView:
    """Build what is in the body: the archive of a project's folder (`.tar.gz`, with one top folder), or an sdist.

    The wheel is a development version with the beginning of the body's sha256 in it. Installers choose it only if
    exactly this version is asked for. The token must be allowed to publish the project. The same content again joins
    the same build.
    """
    uploads = services.uploads
    claims = SourceClaims(
        kind=about.kind,
        name=about.name,
        python=about.python or services.defaults.python,
        platform=about.platform or services.defaults.platform,
        priority=about.priority,
        project=about.project,
        sha256=about.sha256,
        commit=about.commit,
        tag=about.tag,
    )
    uploads.build_source.check(claims, by=caller)
    with uploads.receive(caller.id) as file:
        async with arriving(uploads.receive_seconds):
            await receive_body(request, file, limit_bytes=uploads.limit_bytes)
        submission = await uploads.build_source(file, claims, by=caller, trace=trace)
    response.headers["Location"] = build_path(submission.build.id)
    if submission.build.status is Status.SUCCEEDED:
        response.status_code = 200
    return SubmittedBuildView.of_submission(submission, links=links)
