"""The pages of campaigns: the list with its form, a campaign with its projects, begin, stop."""

import asyncio
from typing import Final
from urllib.parse import urlencode

from fastapi import Response
from fastapi.responses import RedirectResponse

from wheelyard.api.requests import parse_target, while_connected
from wheelyard.domain.campaigns.campaign import State, overview_of
from wheelyard.domain.prebuilds.lists import PrebuildFilter, PrebuildState
from wheelyard.domain.prebuilds.prebuild import Prefer
from wheelyard.errors import (
    CallerError,
    InvalidRequestError,
    ProjectError,
    RecipeError,
    SourceUnreachableError,
    WheelyardError,
)
from wheelyard.usecases.campaigns.campaigns import CampaignRequest
from wheelyard.usecases.read_dependencies import DependencyInput
from wheelyard.web.application_form import read_files
from wheelyard.web.context import PageContext
from wheelyard.web.matrix import pythons_of
from wheelyard.web.projects import links_of
from wheelyard.web.rendering import Page
from wheelyard.web.requests import is_id

_PAGE_SIZE: Final = 30
_PAGE_OF_ROWS: Final = 100
_SHOWN_BLOCKERS: Final = 12
_SHOWN_SKIPPED: Final = 40
_MOST_DIGITS: Final = 6
_REFUSED: Final = 422


async def list_campaigns(context: PageContext) -> Page:
    """List campaigns, newest first, with the form that begins one."""
    return await _list_page(context)


async def _list_page(context: PageContext, *, refused: WheelyardError | None = None) -> Page:
    state, before = _state_of(context.request.query_params.get("state", "")), context.asked("before")
    if before and not is_id(before):
        raise InvalidRequestError(problems=["before: must be the id of a campaign"])
    wanted = PrebuildFilter(state=state, before=before or None, limit=_PAGE_SIZE)
    page = await context.services.campaigns.page(wanted)
    kept = {"state": state.value} if state else {}
    targets, defaults = context.services.request_build.targets(), context.services.defaults
    values = {
        "campaigns": page.prebuilds,
        "state": state,
        "states": {PrebuildState.OPEN: "open", PrebuildState.DONE: "over", PrebuildState.CANCELLED: "stopped"},
        "following": urlencode({**kept, "before": page.next_before}) if page.next_before else "",
        "first_page": f"/campaigns?{urlencode(kept)}" if before else "",
        "pythons": pythons_of(targets),
        "platforms": tuple(dict.fromkeys(target.platform for target in targets)),
        "chosen_python": context.form.get("python", ""),
        "chosen_platform": context.form.get("platform", defaults.platform),
        "application": context.form,
        "refused": refused,
    }
    return Page(template="campaigns.html", title="Campaigns", values=values, status=_REFUSED if refused else 200)


def _state_of(text: str) -> PrebuildState | None:
    try:
        return PrebuildState(text) if text else None
    except ValueError as error:
        raise InvalidRequestError(problems=[f"state: must be one of {', '.join(PrebuildState)}"]) from error


async def begin_campaign(context: PageContext) -> Page | Response:
    """Begin a campaign for the index, or for files if there are any; show an error on the form."""
    try:
        given = None
        if context.uploads or context.form.get("text", "").strip():
            files = await asyncio.to_thread(read_files, context)
            given = DependencyInput(files=files.files, start=files.start, files_url=links_of(context).file(""))
        platform = context.asked("platform") or context.services.defaults.platform
        request = CampaignRequest(
            target=parse_target(context.asked("python"), platform, context.services.request_build.targets()),
            given=given,
            prefer=Prefer.OWN if context.asked("prefer") == Prefer.OWN else Prefer.UPSTREAM,
            requested_by=context.token.actor,
            trace=context.trace,
        )
        campaign, _ = await while_connected(context.request, context.services.campaigns.begin(request))
    except (CallerError, RecipeError, ProjectError, SourceUnreachableError) as error:
        return await _list_page(context, refused=error)
    return RedirectResponse(f"/campaigns/{campaign.id}", status_code=303)


async def show_campaign(context: PageContext) -> Page:
    """Show how much of a campaign is ready, what blocks most, and a page of its projects."""
    campaign = await context.services.campaigns.get(context.part("campaign_id"))
    overview = await asyncio.to_thread(overview_of, campaign)
    wanted = _row_state(context.asked("state"))
    rows = [row for row in overview.rows if wanted in {None, row.state}]
    text = context.asked("from", "0")
    offset = int(text) if text.isdecimal() and len(text) < _MOST_DIGITS else 0
    values = {
        "campaign": campaign,
        "target": campaign.targets[0],
        "source": campaign.campaign.source if campaign.campaign else "",
        "overview": overview,
        "blockers": overview.blockers[:_SHOWN_BLOCKERS],
        "may_stop": context.services.campaigns.may_stop(campaign, by=context.token),
        "wanted": wanted,
        "rows": rows[offset : offset + _PAGE_OF_ROWS],
        "total": len(rows),
        "offset": offset,
        "step": _PAGE_OF_ROWS,
        "skipped": campaign.skipped[:_SHOWN_SKIPPED],
        "seconds_left": await context.services.prebuilds.seconds_left(campaign) if overview.is_moving else None,
    }
    title = f"Python {campaign.targets[0].python}: {overview.percent} % ready"
    return Page(template="campaign.html", title=title, values=values)


def _row_state(text: str) -> State | None:
    try:
        return State(text) if text else None
    except ValueError as error:
        raise InvalidRequestError(problems=[f"state: must be one of {', '.join(State)}"]) from error


async def stop_campaign(context: PageContext) -> Response:
    """Stop a campaign: start no more builds for it."""
    campaign = await context.services.campaigns.stop(context.part("campaign_id"), by=context.token)
    return RedirectResponse(f"/campaigns/{campaign.id}", status_code=303)
