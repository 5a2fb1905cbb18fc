"""The home page (search, builds, latest wheels, recent failures, health) and the page of the index."""

import asyncio

from fastapi import Response
from fastapi.responses import RedirectResponse

from wheelyard.api.monitoring import readiness_of
from wheelyard.domain.access import Scope
from wheelyard.domain.builds.build import BuildSummary, Status
from wheelyard.domain.builds.records import BuildFilter, Token
from wheelyard.domain.index.check import Difference
from wheelyard.domain.index.wheels import Standing, WheelFilter
from wheelyard.web.context import PageContext, recent_answer
from wheelyard.web.rendering import Page

_SHOWN = 8


async def show_home(context: PageContext) -> Page:
    """Show the home page."""
    running, queued, failed, health = await asyncio.gather(
        _builds(context, Status.RUNNING),
        _builds(context, Status.QUEUED),
        _builds(context, Status.FAILED),
        recent_answer(context.request, "health", readiness_of(context.request).get, seconds=10),
    )
    wheels = await context.services.index.browse.wheels(WheelFilter(standing=Standing.OFFERED, limit=_SHOWN))
    values = {
        "running": running,
        "queued": queued,
        "failed": failed,
        "wheels": wheels.wheels,
        "health": health,
        "workers": await context.services.workers.list_workers(),
        "index_url": index_url(context),
        "index_report": await context.services.index.check.last(),
    }
    return Page(template="home.html", title="Home", values=values)


async def _builds(context: PageContext, status: Status) -> tuple[BuildSummary, ...]:
    page = await context.services.builds.list_builds(BuildFilter(status=status, limit=_SHOWN))
    return page.builds


def index_url(context: PageContext) -> str:
    """Return the index URL as this visitor reaches it."""
    base = context.services.index.public_url or str(context.request.base_url)
    return f"{base.rstrip('/')}/simple/"


_SHOWN_FINDINGS = 100
_SHOWN_PUBLISHERS = 50
MEANINGS = {
    Difference.MISSING: "It is in the database but not in devpi.",
    Difference.OTHER_BYTES: "The file in devpi differs from the published file. Delete it in devpi, then repair.",
    Difference.NOT_DELETED: "It was deleted, but devpi still has it.",
    Difference.UNKNOWN: "devpi has it, but no build published it. A repair does not change it.",
    Difference.NO_METADATA: "Its metadata was not recorded, so installers must download the wheel to read it.",
    Difference.NO_CONTENTS: "Its contents were not recorded, so its page cannot list them.",
    Difference.SPOILT_COPY: "The copy on the API's host was damaged. It was removed.",
}


async def show_index(context: PageContext) -> Page:
    """Show the result of the last comparison of devpi and the database; and to operators, who may publish what."""
    report = await context.services.index.check.last()
    publishers = await _publishers(context) if context.may(Scope.OPERATE) else []
    values = {
        "report": report,
        "shown": report.findings[:_SHOWN_FINDINGS] if report else (),
        "meanings": MEANINGS,
        "publishers": publishers[:_SHOWN_PUBLISHERS],
        "more_publishers": len(publishers) - _SHOWN_PUBLISHERS,
    }
    return Page(template="index.html", title="Index", values=values)


async def _publishers(context: PageContext) -> list[Token]:
    """Return the live tokens that may publish, those for certain projects first, each by name.

    The scope ``operate`` suffices to see them. It removes wheels of every publisher, so it must know them, and the list
    has no secrets. Only ``admin`` lists all tokens, with their ids.
    """
    tokens = await context.services.tokens.list_tokens()
    live = (token for token in tokens if token.scope.allows(Scope.PUBLISH) and token.is_live(context.now))
    return sorted(live, key=lambda token: (not token.publishes, token.name, token.id))


async def check_index(context: PageContext) -> Response:
    """Compare now, and repair on request."""
    await context.services.index.check(mend=context.asked("mend") == "yes", by=context.token.actor)
    return RedirectResponse("/index", status_code=303)
