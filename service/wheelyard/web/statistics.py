"""The pages of statistics, as charts with tables, and of the queue."""

from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.records import BuildFilter
from wheelyard.web.charts import (
    HEIGHT,
    WIDTH,
    bytes_chart,
    days_chart,
    duration_names,
    durations_chart,
    rates_chart,
    shares,
)
from wheelyard.web.context import PageContext, recent_answer
from wheelyard.web.rendering import Page

_CHOICES = (7, 30, 90)
_FEWEST_DAYS = 7


async def show_statistics(context: PageContext) -> Page:
    """Show the statistics of the last days."""
    days = next((days for days in _CHOICES if str(days) == context.asked("days")), 30)
    store = context.services.figures
    found = await recent_answer(context.request, f"statistics {days}", lambda: store.summarise(days=days), seconds=60)
    disk = await recent_answer(context.request, "disk", context.services.disk, seconds=600)
    today = context.now.date()
    dates = sorted({one.day for one in found.days} | {one.day for one in found.published})
    # Skip the days before the first record: their columns would be empty.
    drawn = min(days, max((today - dates[0]).days + 1, _FEWEST_DAYS)) if dates else days
    values = {
        "days": days,
        "choices": _CHOICES,
        "found": found,
        "disk": disk,
        "per_day": days_chart(found.days, today=today, days=drawn),
        "rates": rates_chart(found.days, today=today, days=drawn),
        "published": bytes_chart(found.published, today=today, days=drawn),
        "has_history": len(dates) > 1,
        "only_day": dates[0] if len(dates) == 1 else None,
        "slow_shares": shares([one.seconds for one in found.slowest]),
        "asked_shares": shares([one.requests for one in found.requested]),
        "large_shares": shares([one.size_bytes for one in found.largest]),
        "folder_shares": shares([one.size_bytes for one in disk.folders]),
        "waits": durations_chart(found.waits),
        "durations": durations_chart(found.durations),
        "classes": duration_names(),
        "width": WIDTH,
        "height": HEIGHT,
    }
    return Page(template="statistics.html", title="Statistics", values=values)


_SHOWN = 100
_SHOWN_FAILED = 5


async def show_queue(context: PageContext) -> Page:
    """Show the queue."""
    queue = await context.services.queue(limit=_SHOWN)
    failed = await context.services.builds.list_builds(BuildFilter(status=Status.FAILED, limit=_SHOWN_FAILED))
    values = {
        "running": queue.line.running[:_SHOWN],
        "places": queue.places,
        "total": queue.line.total,
        "blocked": queue.line.blocked,
        "failed": failed.builds,
        "workers": await context.services.workers.list_workers(),
    }
    return Page(template="queue.html", title="Queue", values=values)
