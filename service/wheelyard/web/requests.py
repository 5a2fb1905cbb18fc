"""The pages of requests for whole applications: the list, a request with its items, cancel."""

import uuid
from typing import Final
from urllib.parse import urlencode

from fastapi import Response
from fastapi.responses import RedirectResponse

from wheelyard.domain.prebuilds.lists import PrebuildFilter, PrebuildState
from wheelyard.domain.prebuilds.prebuild import Item, ItemStatus, Prebuild
from wheelyard.errors import InvalidRequestError
from wheelyard.web.context import PageContext
from wheelyard.web.projects import links_of
from wheelyard.web.rendering import Page

_PAGE_SIZE: Final = 30
_PAGE_OF_ITEMS: Final = 100
_SHOWN_SKIPPED: Final = 40
_MOST_DIGITS: Final = 6
_INSTALLED_RELEASES: Final = 60


async def list_requests(context: PageContext) -> Page:
    """List requests, newest first."""
    state, before = _state(context.asked("state")), context.asked("before")
    if before and not is_id(before):
        raise InvalidRequestError(problems=["before: must be the id of a request"])
    wanted = PrebuildFilter(state=state, before=before or None, limit=_PAGE_SIZE)
    page = await context.services.prebuilds.page(wanted)
    kept = {"state": state.value} if state else {}
    following = urlencode({**kept, "before": page.next_before}) if page.next_before else ""
    values = {
        "requests": page.prebuilds,
        "state": state,
        "states": tuple(PrebuildState),
        "following": following,
        "first_page": f"/requests?{urlencode(kept)}" if before else "",
    }
    return Page(template="requests.html", title="Requests", values=values)


def _state(text: str) -> PrebuildState | None:
    try:
        return PrebuildState(text) if text else None
    except ValueError as error:
        raise InvalidRequestError(problems=[f"state: must be one of {', '.join(PrebuildState)}"]) from error


def is_id(text: str) -> bool:
    """Return whether a text is the id of something."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


async def show_request(context: PageContext) -> Page:
    """Show a request with its progress and a page of its items."""
    prebuild = await context.services.prebuilds.get(context.part("request_id"))
    wanted = _status(context.asked("status"))
    items = [item for item in prebuild.items if wanted in {None, item.status}]
    text = context.asked("from", "0")
    offset = int(text) if text.isdecimal() and len(text) < _MOST_DIGITS else 0
    values = {
        "request": prebuild,
        "may_cancel": context.services.prebuilds.may_cancel(prebuild, by=context.token),
        "counts": {status: sum(item.status is status for item in prebuild.items) for status in ItemStatus},
        "wanted": wanted,
        "items": items[offset : offset + _PAGE_OF_ITEMS],
        "total": len(items),
        "offset": offset,
        "step": _PAGE_OF_ITEMS,
        "skipped": prebuild.skipped[:_SHOWN_SKIPPED],
        "seconds_left": await context.services.prebuilds.seconds_left(prebuild),
        "install": _install_line(context, prebuild),
    }
    return Page(template="prebuild.html", title=f"Request {prebuild.id[:8]}", values=values)


def _install_line(context: PageContext, prebuild: Prebuild) -> str:
    releases = sorted({_release(item) for item in prebuild.items})
    if not prebuild.items or not prebuild.is_installable or len(releases) > _INSTALLED_RELEASES:
        return ""
    return links_of(context).install_command(" ".join(releases))


def _release(item: Item) -> str:
    return f"{item.project}=={item.made_version}"


def _status(text: str) -> ItemStatus | None:
    try:
        return ItemStatus(text) if text else None
    except ValueError as error:
        raise InvalidRequestError(problems=[f"status: must be one of {', '.join(ItemStatus)}"]) from error


async def cancel_request(context: PageContext) -> Response:
    """Cancel a request: start no more builds for it."""
    prebuild = await context.services.prebuilds.cancel(context.part("request_id"), by=context.token)
    return RedirectResponse(f"/requests/{prebuild.id}", status_code=303)
