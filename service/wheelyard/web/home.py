"""The home page: search, what is building, the latest wheels, what failed lately, and whether everything answers."""

import asyncio

from wheelyard.api.monitoring import readiness_of
from wheelyard.domain.builds.build import BuildSummary, Status
from wheelyard.domain.builds.records import BuildFilter
from wheelyard.domain.index.wheels import Standing, WheelFilter
from wheelyard.web.context import Visit
from wheelyard.web.page_memory import memory_of
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
