"""The page of the queue: what runs, what waits in which order, and when it will begin by what former builds took."""

from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.records import BuildFilter
from wheelyard.web.context import Visit
from wheelyard.web.rendering import Page

_SHOWN = 100
_SHOWN_FAILED = 5


async def show_queue(visit: Visit) -> Page:
    """Show the queue."""
    queue = await visit.services.queue(limit=_SHOWN)
    failed = await visit.services.builds.list_builds(BuildFilter(status=Status.FAILED, limit=_SHOWN_FAILED))
    values = {
        "running": queue.line.running[:_SHOWN],
        "places": queue.places,
        "total": queue.line.total,
        "blocked": queue.line.blocked,
        "failed": failed.builds,
        "workers": await visit.services.workers.list_workers(),
    }
    return Page(template="queue.html", title="Queue", values=values)
