"""Routes of builds: request, list, get, cancel, retry."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Response

from wheelyard import errors
from wheelyard.api.authentication import AuthenticatedRoute, Caller, bearer_scheme
from wheelyard.api.docs import INVALID_REQUEST, NO_SUCH_BUILD, problems
from wheelyard.api.examples import shown
from wheelyard.api.index_access import Links
from wheelyard.api.request_context import RequestTrace
from wheelyard.api.schemas.builds import (
    BuildListView,
    BuildView,
    ListQuery,
    NewBuild,
    RetriedBuildsView,
    RetryChoice,
    SubmittedBuildView,
    build_path,
)
from wheelyard.api.services import Services
from wheelyard.domain.builds.build import Status
from wheelyard.usecases.request_build import BuildRequest

_SUBMIT_PROBLEMS: Final = problems(
    INVALID_REQUEST,
    errors.InvalidRequirementError(requirement="./lxml", reason="it is a path"),
    errors.UnknownProjectError(project="lxlm"),
    errors.NoMatchingVersionError(requirement="lxml>99", python="3.13", newest=["6.0.2", "6.0.1"]),
    errors.NoSdistError(release="onnxruntime 1.23.2", files=["onnxruntime-1.23.2-cp313-cp313-win_amd64.whl"]),
    errors.UnknownTargetError(python="3.6", platform="manylinux_2_36_x86_64", known=["3.13 manylinux_2_36_x86_64"]),
    errors.ReleaseUnsupportedError(
        release="pyproj 3.7.2",
        target="Python 3.13 on manylinux_2_36_x86_64",
        suite="bookworm",
        reason="PROJ 9.4 is wanted, and the suite has 9.1",
        others=["trixie"],
    ),
    errors.GitSourceInvalidError(reason="'-u' is not the name of a commit, tag or branch"),
    errors.GitHostRefusedError(url="https://git.example/acme/billing", entry="git.example", allowed=[]),
    errors.GitRefUnknownError(url="https://git.example/acme/billing", ref="v9"),
    errors.GitProjectUnknownError(source="git+https://git.example/acme/billing"),
    errors.GitSourceRefusedError(source="git+https://git.example/acme/billing@v1", reason="it has more than 100 MiB"),
    errors.OwnProjectError(project="acme-billing", pattern="acme-*"),
    errors.RequestTooLargeError(limit_bytes=64 << 10),
    errors.RecipeInvalidError(
        source="recipes/lxml.toml", problems=["line 5: rule 1, atp: unknown key, did you mean 'apt'?"]
    ),
    errors.RecipesUnavailableError(source="https://git.example/recipes at main", reason="connection refused"),
    errors.IndexUnavailableError(index="upstream", reason="connection refused"),
    errors.GitUnavailableError(url="https://git.example/acme/billing", reason="connection refused"),
    errors.DiskFullError(path="/var/lib/wheelyard", free_bytes=100 << 20, floor_bytes=1 << 30),
)
_NOT_YOURS: Final = errors.NotYoursError(kind="build", name="0e3c2b1a-5a5e-4a0e-9d62-5f3f5a7a8b11")
_LINK: Final = {"description": 'Path of the next page, as `rel="next"`.', "schema": {"type": "string"}}
_LOCATION: Final = {
    "headers": {"Location": {"description": "Path of the build.", "schema": {"type": "string"}}},
    "links": {"build": {"operationId": "get_build", "parameters": {"build_id": "$response.body#/id"}}},
}

router: Final = APIRouter(
    prefix="/v1/builds", tags=["builds"], route_class=AuthenticatedRoute, dependencies=[Depends(bearer_scheme)]
)


@router.post(
    "",
    status_code=202,
    operation_id="submit_build",
    summary="Request a wheel",
    response_description="A queued or running build: a new one, or an equal one that the request joined.",
    responses={
        **_SUBMIT_PROBLEMS,
        200: {
            "model": SubmittedBuildView,
            "description": "An equal build has already succeeded.",
            **_LOCATION,
            **shown("submitted-succeeded"),
        },
        202: {
            **_LOCATION,
            **shown("submitted-new", "submitted-joined"),
        },
    },
)
async def submit_build(  # noqa: PLR0913, PLR0917  (FastAPI gives each part as an argument)
    body: NewBuild, services: Services, caller: Caller, links: Links, trace: RequestTrace, response: Response
) -> SubmittedBuildView:
    """Choose a release, a builder and a recipe, and queue the build.

    A `source` in git is resolved to a commit now. Its version is known when its sdist is made. The wheel is a
    development version with the commit in it, except for the release tags of the organisation's own projects.

    Requests with the same sdist, recipe, builder and target share one build. `joined` is true if the build existed.
    A request does not join a failed or cancelled build; it starts a new one.

    * **202**: the build is accepted, and its wheel will be built later. The status is not 201, because the wheel does
      not exist yet, and because the client does the same for a new and a joined build: it follows `Location` until
      `status` is final.
    * **200**: an equal build has already succeeded. Its wheel is in the response, and nothing was queued.
    """
    request = BuildRequest(
        requirement=body.requirement or "",
        git=body.source.as_request() if body.source else None,
        python=body.python or services.defaults.python,
        platform=body.platform or services.defaults.platform,
        requested_by=caller.actor,
        priority=body.priority,
        trace=trace,
    )
    submission = await services.request_build(request)
    response.headers["Location"] = build_path(submission.build.id)
    if submission.build.status is Status.SUCCEEDED:
        response.status_code = 200
    return SubmittedBuildView.of_submission(submission, links=links)


@router.get(
    "",
    operation_id="list_builds",
    summary="List builds",
    responses={200: {"headers": {"Link": _LINK}}, **problems(INVALID_REQUEST)},
)
async def list_builds(wanted: Annotated[ListQuery, Query()], services: Services, response: Response) -> BuildListView:
    """List builds, newest first, page by page: follow `next` (or the Link header) until it is null."""
    page = await services.builds.list_builds(wanted.as_filter())
    next_path = None
    if page.next_before is not None:
        next_path = f"{router.prefix}?{wanted.query_before(page.next_before)}"
        response.headers["Link"] = f'<{next_path}>; rel="next"'
    return BuildListView.of(page, next_path=next_path)


@router.get(
    "/{build_id}",
    operation_id="get_build",
    summary="Get a build",
    responses={
        200: shown("build-queued", "build-succeeded", "build-failed"),
        **problems(NO_SUCH_BUILD),
    },
)
async def get_build(build_id: str, services: Services, links: Links) -> BuildView:
    """Return a build with its status, stage, attempts with timings, and its wheel or failure."""
    return BuildView.of(await services.builds.get(build_id), links=links)


@router.post(
    "/{build_id}/cancel",
    status_code=202,
    operation_id="cancel_build",
    summary="Cancel a build",
    response_description="The current state of the build.",
    responses=problems(NO_SUCH_BUILD, _NOT_YOURS),
)
async def cancel_build(build_id: str, services: Services, caller: Caller, links: Links) -> BuildView:
    """Cancel a queued build immediately, and stop a running one. A finished build does not change.

    The token must have requested the build. If the build has other subscribers, or another build waits for it, it
    continues and `cancel_requested` stays false. A token with the scope `operate` cancels any build, for all
    subscribers.
    """
    return BuildView.of(await services.request_build.cancel(build_id, by=caller), links=links)


@router.post(
    "/retry",
    status_code=202,
    operation_id="retry_builds",
    summary="Retry many builds",
    response_description="The queued or running builds.",
    responses=problems(INVALID_REQUEST, errors.RequestTooLargeError(limit_bytes=64 << 10)),
)
async def retry_builds(body: RetryChoice, services: Services, caller: Caller, trace: RequestTrace) -> RetriedBuildsView:
    """Queue the matching failed builds again, newest first, as "Retry a build" does.

    A build is skipped if there is a newer one of the same release and target.
    """
    return RetriedBuildsView.of(await services.retries(body.as_filter(), requested_by=caller.actor, trace=trace))


@router.post(
    "/{build_id}/retry",
    status_code=202,
    operation_id="retry_build",
    summary="Retry a build",
    response_description="The queued or running build.",
    responses={
        **problems(NO_SUCH_BUILD),
        200: {"model": SubmittedBuildView, "description": "The wheel already exists.", **_LOCATION},
        202: _LOCATION,
    },
)
async def retry_build(  # noqa: PLR0913, PLR0917  (as above)
    build_id: str, services: Services, caller: Caller, links: Links, trace: RequestTrace, response: Response
) -> SubmittedBuildView:
    """Queue a failed or cancelled build again, with the same order and all of its attempts.

    A build that waits for its next attempt continues immediately. A queued, running or succeeded build does not
    change. If an equal build was requested meanwhile, it is returned. `joined` is true in both cases. The caller
    becomes a subscriber of the build, and can cancel it.
    """
    submission = await services.retries.one(build_id, requested_by=caller.actor, trace=trace)
    response.headers["Location"] = build_path(submission.build.id)
    if submission.build.status is Status.SUCCEEDED:
        response.status_code = 200
    return SubmittedBuildView.of_submission(submission, links=links)
