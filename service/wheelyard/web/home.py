"""The home page: search, what is building, the latest wheels, what failed lately, and whether everything answers."""

import asyncio

from fastapi import Response
from fastapi.responses import RedirectResponse

from wheelyard.api.monitoring import readiness_of
from wheelyard.domain.builds.build import BuildSummary, Status
from wheelyard.domain.builds.records import BuildFilter
from wheelyard.domain.index.check import Difference
from wheelyard.domain.index.wheels import Standing, WheelFilter
from wheelyard.web.context import PageContext, recent_answer
from wheelyard.web.rendering import Page

_SHOWN = 8


async def show_home(context: PageContext) -> Page:
    """Show how things are."""
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
    """Say where installers find our index, as this visitor reaches it."""
    base = context.services.index.public_url or str(context.request.base_url)
    return f"{base.rstrip('/')}/simple/"


_SHOWN_FINDINGS = 100
MEANINGS = {
    Difference.MISSING: "It is listed, and devpi does not have it.",
    Difference.OTHER_BYTES: "devpi holds other bytes than those that were proven. Delete it there, then mend.",
    Difference.NOT_DELETED: "It was deleted, and devpi still has it.",
    Difference.UNKNOWN: "devpi holds it, and no build of ours has published it. It is left alone.",
    Difference.NO_METADATA: "Its metadata was not kept, so installers fetch the whole wheel for it.",
    Difference.NO_CONTENTS: "What it contains was not kept, so its page cannot list it.",
}


async def show_index(context: PageContext) -> Page:
    """Show how devpi and the database compared at the last look."""
    report = await context.services.index.check.last()
    values = {"report": report, "shown": report.findings[:_SHOWN_FINDINGS] if report else (), "meanings": MEANINGS}
    return Page(template="index.html", title="The index", values=values)


async def check_index(context: PageContext) -> Response:
    """Compare now, and mend if that was asked for."""
    await context.services.index.check(mend=context.asked("mend") == "yes", by=context.token.actor)
    return RedirectResponse("/index", status_code=303)
