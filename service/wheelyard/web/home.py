"""The home page: search, what is building, the latest wheels, what failed lately, and whether everything answers."""

import asyncio

from fastapi import Response
from fastapi.responses import RedirectResponse

from wheelyard.api.monitoring import readiness_of
from wheelyard.domain.builds.build import BuildSummary, Status
from wheelyard.domain.builds.records import BuildFilter
from wheelyard.domain.index.check import Difference
from wheelyard.domain.index.wheels import Standing, WheelFilter
from wheelyard.web.context import Visit, memory_of
from wheelyard.web.rendering import Page

_SHOWN = 8


async def show_home(visit: Visit) -> Page:
    """Show how things are."""
    running, queued, failed, health = await asyncio.gather(
        _builds(visit, Status.RUNNING),
        _builds(visit, Status.QUEUED),
        _builds(visit, Status.FAILED),
        memory_of(visit.request, "health", readiness_of(visit.request).get, seconds=10).get(),
    )
    wheels = await visit.services.index.browse.wheels(WheelFilter(standing=Standing.OFFERED, limit=_SHOWN))
    values = {
        "running": running,
        "queued": queued,
        "failed": failed,
        "wheels": wheels.wheels,
        "health": health,
        "workers": await visit.services.workers.list_workers(),
        "index_url": index_url(visit),
        "index_report": await visit.services.index.check.last(),
    }
    return Page(template="home.html", title="Home", values=values)


async def _builds(visit: Visit, status: Status) -> tuple[BuildSummary, ...]:
    page = await visit.services.builds.list_builds(BuildFilter(status=status, limit=_SHOWN))
    return page.builds


def index_url(visit: Visit) -> str:
    """Say where installers find our index, as this visitor reaches it."""
    base = visit.services.index.public_url or str(visit.request.base_url)
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


async def show_index(visit: Visit) -> Page:
    """Show how devpi and the database compared at the last look."""
    report = await visit.services.index.check.last()
    values = {"report": report, "shown": report.findings[:_SHOWN_FINDINGS] if report else (), "meanings": MEANINGS}
    return Page(template="index.html", title="The index", values=values)


async def check_index(visit: Visit) -> Response:
    """Compare now, and mend if that was asked for."""
    await visit.services.index.check(mend=visit.asked("mend") == "yes", by=visit.token.actor)
    return RedirectResponse("/index", status_code=303)
