"""The page where devpi and the database differ: the last report, and for operators a new one and the mending."""

from fastapi import Response
from fastapi.responses import RedirectResponse

from wheelyard.domain.index.check import Difference
from wheelyard.web.context import Visit
from wheelyard.web.rendering import Page

_SHOWN = 100
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
    values = {"report": report, "shown": report.findings[:_SHOWN] if report else (), "meanings": MEANINGS}
    return Page(template="index.html", title="The index", values=values)


async def check_index(visit: Visit) -> Response:
    """Compare now, and mend if that was asked for."""
    await visit.services.index.check(mend=visit.asked("mend") == "yes", by=visit.token.actor)
    return RedirectResponse("/index", status_code=303)
