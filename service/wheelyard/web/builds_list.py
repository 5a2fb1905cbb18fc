"""The list of builds: filters, pages, and failed builds that are tried again together."""

import uuid
from collections.abc import Iterator, Mapping
from functools import cache
from urllib.parse import urlencode

from fastapi import Response
from fastapi.responses import RedirectResponse
from packaging.utils import canonicalize_name

from wheelyard.domain.builds.build import Status
from wheelyard.domain.builds.records import MAX_RETRIES, BuildFilter
from wheelyard.errors import InvalidRequestError, WheelyardError
from wheelyard.usecases.retry_builds import RetryBuilds
from wheelyard.web.context import Visit
from wheelyard.web.matrix import pythons_of
from wheelyard.web.rendering import Page

_PAGE_SIZE = 50
_FILTERS = ("project", "status", "failure_code", "python", "platform", "requested_by")
_IN_VAIN = (Status.FAILED, Status.CANCELLED)


async def list_builds(visit: Visit) -> Page:
    """List builds, newest first."""
    asked = _asked(visit)
    before = _before(visit.asked("before"))
    page = await visit.services.builds.list_builds(_filter(asked, before=before))
    following = urlencode({**asked, "before": page.next_before}) if page.next_before else ""
    targets = visit.services.request_build.targets()
    values = {
        "builds": page.builds,
        "following": following,
        "asked": asked,
        "statuses": tuple(Status),
        "codes": _codes(),
        "pythons": pythons_of(targets),
        "platforms": sorted({target.platform for target in targets}),
        "first_page": f"/builds?{urlencode(asked)}" if before else "",
        "may_retry": asked.get("status") in _IN_VAIN and bool(page.builds) and visit.may("request"),
        "max_retries": MAX_RETRIES,
        "retried": visit.asked("retried") if visit.asked("retried").isdecimal() else "",
        "workers": await visit.services.workers.list_workers(),
    }
    return Page(template="builds.html", title="Builds", values=values)


async def retry_builds(visit: Visit) -> Response:
    """Try again what the list shows, and what is on its next pages, as far as one request may."""
    asked = _asked(visit)
    if asked.get("status") not in _IN_VAIN:
        raise InvalidRequestError(problems=["status: must be failed or cancelled"])
    retry = RetryBuilds(builds=visit.services.builds, retries=visit.services.retries)
    wanted = _filter(asked, before=None, limit=MAX_RETRIES)
    retried = await retry(wanted, requested_by=visit.token.actor, trace=visit.trace)
    kept = {**asked, "retried": str(len(retried.submissions))}
    return RedirectResponse(f"/builds?{urlencode(kept)}", status_code=303)


def _asked(visit: Visit) -> dict[str, str]:
    """Read the filters that are set."""
    found = {name: visit.asked(name)[:200] for name in _FILTERS}
    return {name: text for name, text in found.items() if text}


def _filter(asked: Mapping[str, str], *, before: str | None, limit: int = _PAGE_SIZE) -> BuildFilter:
    return BuildFilter(
        project=canonicalize_name(asked["project"]) if "project" in asked else None,
        status=_status(asked.get("status", "")),
        failure_code=asked.get("failure_code"),
        python=asked.get("python"),
        platform=asked.get("platform"),
        requested_by=asked.get("requested_by"),
        before=before,
        limit=limit,
    )


@cache
def _codes() -> tuple[str, ...]:
    """Name the codes that a failure can have."""
    return tuple(sorted({kind.code for kind in _kinds(WheelyardError)}))


def _kinds(parent: type[WheelyardError]) -> Iterator[type[WheelyardError]]:
    for kind in parent.__subclasses__():
        yield kind
        yield from _kinds(kind)


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
