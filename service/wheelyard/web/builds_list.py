"""The list of builds: filters, pages, and what waits for its turn."""

import uuid
from urllib.parse import urlencode

from packaging.utils import canonicalize_name

from wheelyard.domain.build import Status
from wheelyard.domain.ledger import BuildFilter
from wheelyard.errors import InvalidRequestError
from wheelyard.web.rendering import Page
from wheelyard.web.visit import Visit

_PAGE_SIZE = 50


async def list_builds(visit: Visit) -> Page:
    """List builds, newest first."""
    project, status = visit.asked("project")[:200], _status(visit.asked("status"))
    wanted = BuildFilter(
        project=canonicalize_name(project) if project else None,
        status=status,
        before=_before(visit.asked("before")),
        limit=_PAGE_SIZE,
    )
    page = await visit.services.builds.list_builds(wanted)
    kept = {name: text for name, text in (("project", project), ("status", status or "")) if text}
    following = urlencode({**kept, "before": page.next_before}) if page.next_before else ""
    values = {
        "builds": page.builds,
        "following": following,
        "project": project,
        "status": status,
        "statuses": tuple(Status),
        "first_page": f"/builds?{urlencode(kept)}" if wanted.before else "",
        "workers": await visit.services.workers.list_workers(),
    }
    return Page(template="builds.html", title="Builds", values=values)


def _status(text: str) -> Status | None:
    try:
        return Status(text) if text else None
    except ValueError as error:
        raise InvalidRequestError(problems=[f"status: must be one of {', '.join(Status)}"]) from error


def _before(text: str) -> str | None:
    try:
        return str(uuid.UUID(text)) if text else None
    except ValueError as error:
        raise InvalidRequestError(problems=["before: must be the id of a build"]) from error
