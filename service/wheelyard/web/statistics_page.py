"""Statistics as drawings, each with a table that says the same."""

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
from wheelyard.web.page_memory import memory_of
from wheelyard.web.rendering import Page
from wheelyard.web.visit import Visit

_CHOICES = (7, 30, 90)


async def show_statistics(visit: Visit) -> Page:
    """Show what happened in the last days."""
    days = next((days for days in _CHOICES if str(days) == visit.asked("days")), 30)
    store = visit.services.statistics
    found = await memory_of(visit.request, f"statistics {days}", lambda: store.summarise(days=days), seconds=60).get()
    disk = await memory_of(visit.request, "disk", visit.services.disk, seconds=600).get()
    today = visit.now.date()
    values = {
        "days": days,
        "choices": _CHOICES,
        "found": found,
        "disk": disk,
        "per_day": days_chart(found.days, today=today, days=days),
        "rates": rates_chart(found.days, today=today, days=days),
        "published": bytes_chart(found.published, today=today, days=days),
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
