"""Routes of campaigns: begin, list, get, stop."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request, Response

from wheelyard import errors
from wheelyard.api.authentication import AuthenticatedRoute, Caller, bearer_scheme
from wheelyard.api.docs import INVALID_REQUEST, problems
from wheelyard.api.index_access import Links
from wheelyard.api.request_context import RequestTrace
from wheelyard.api.requests import INPUT_ERRORS, parse_target, while_connected
from wheelyard.api.schemas.campaigns import CampaignListView, CampaignView, NewCampaign, campaign_path
from wheelyard.api.schemas.requests import RequestQuery
from wheelyard.api.services import Services
from wheelyard.domain.prebuilds.prebuild import Prebuild
from wheelyard.usecases.campaigns.campaigns import CampaignRequest
from wheelyard.usecases.read_dependencies import DependencyInput

_NO_SUCH_CAMPAIGN: Final = errors.NotFoundError(kind="campaign", name="0e3c2b1a-5a5e-4a0e-9d62-5f3f5a7a8b11")
_NOT_YOURS: Final = errors.NotYoursError(kind="request", name="0e3c2b1a-5a5e-4a0e-9d62-5f3f5a7a8b11")
_LOCATION: Final = {
    "headers": {"Location": {"description": "Path of the campaign.", "schema": {"type": "string"}}},
    "links": {"campaign": {"operationId": "get_campaign", "parameters": {"campaign_id": "$response.body#/id"}}},
}

router: Final = APIRouter(
    prefix="/v1/campaigns", tags=["campaigns"], route_class=AuthenticatedRoute, dependencies=[Depends(bearer_scheme)]
)


@router.post(
    "",
    status_code=202,
    operation_id="begin_campaign",
    summary="Begin a campaign",
    response_model=CampaignView,
    responses={**problems(*INPUT_ERRORS), 202: _LOCATION},
)
async def begin_campaign(  # noqa: PLR0913, PLR0917  (FastAPI gives each part as an argument)
    body: NewCampaign, services: Services, caller: Caller, links: Links, trace: RequestTrace, http: Request
) -> Response:
    """Build everything that the index, or a file, has for another Python.

    The campaign stays open until everything is ready or it is stopped, and builds again what depends on a mend: a
    changed recipe, a retried build, an uploaded wheel, a newer release. The same campaign asked for again is the same.
    """
    platform = body.platform or services.defaults.platform
    given = None
    if body.file is not None:
        given = DependencyInput(files=body.files, start=body.file, kind=body.kind, files_url=links.file(""))
    request = CampaignRequest(
        target=parse_target(body.python, platform, services.request_build.targets()),
        given=given,
        prefer=body.prefer,
        requested_by=caller.actor,
        trace=trace,
    )
    campaign, joined = await while_connected(http, services.campaigns.begin(request))
    return await _answer(campaign, joined=joined, status_code=202, headers={"Location": campaign_path(campaign.id)})


@router.get("", operation_id="list_campaigns", summary="List campaigns", responses=problems(INVALID_REQUEST))
async def list_campaigns(wanted: Annotated[RequestQuery, Query()], services: Services) -> CampaignListView:
    """List campaigns, newest first, page by page, with how much of each is ready."""
    page = await services.campaigns.page(wanted.as_filter())
    next_path = page.next_before and f"/v1/campaigns?{wanted.query_before(page.next_before)}"
    return CampaignListView.of(page, next_path=next_path)


@router.get(
    "/{campaign_id}",
    operation_id="get_campaign",
    summary="Get a campaign",
    response_model=CampaignView,
    responses=problems(_NO_SUCH_CAMPAIGN),
)
async def get_campaign(campaign_id: str, services: Services) -> Response:
    """Return a campaign with the state of each release, and what blocks most."""
    return await _answer(await services.campaigns.get(campaign_id))


@router.post(
    "/{campaign_id}/stop",
    operation_id="stop_campaign",
    summary="Stop a campaign",
    response_model=CampaignView,
    responses=problems(_NO_SUCH_CAMPAIGN, _NOT_YOURS),
)
async def stop_campaign(campaign_id: str, services: Services, caller: Caller) -> Response:
    """Stop a campaign: start no more builds, and cancel queued builds without other subscribers.

    Running builds continue. Needs the token that began it, or the scope `operate`.
    """
    return await _answer(await services.campaigns.stop(campaign_id, by=caller))


async def _answer(
    campaign: Prebuild, *, joined: bool = False, status_code: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a view as a response; it is built in a thread, because thousands of rows take a while."""
    text = await asyncio.to_thread(lambda: CampaignView.of(campaign, joined=joined).model_dump_json())
    return Response(text, status_code=status_code, headers=headers, media_type="application/json")
