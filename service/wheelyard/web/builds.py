"""The page of a build: its stages, its log as it grows, why it failed and what to do, its wheel; cancel and retry."""

from typing import Final

from fastapi import Response
from fastapi.responses import RedirectResponse

from wheelyard.domain.builds.build import Build, Status
from wheelyard.usecases.follow_log import LogPosition
from wheelyard.web.build_log import ReadLog, chosen_attempt, read_log
from wheelyard.web.context import Visit
from wheelyard.web.log_window import LogWindow, fold_by_stage
from wheelyard.web.rendering import Page
from wheelyard.web.timeline import timeline
from wheelyard.web.used_recipe import used_keys

_SHOWN_LINES: Final = 250


async def show_build(visit: Visit) -> Page:
    """Show a build and one of its attempts, the newest if the query names none."""
    build = await visit.services.builds.get(visit.part("build_id"))
    attempt = chosen_attempt(visit, build)
    log = await read_log(visit, build, attempt) if attempt else None
    window = await _window(log)
    values = {
        "build": build,
        "attempt": attempt,
        "bars": timeline(build, attempt) if attempt else (),
        "log": log,
        "window": window,
        "folds": fold_by_stage(window, log.stages if log else (), keep_open=not attempt or not attempt.status.is_final),
        "after": str(LogPosition(attempt=log.attempt, offset=log.size_bytes)) if log else "",
        "follows": not build.status.is_final and (attempt is None or attempt is build.attempts[-1]),
        "place": await visit.services.queue.place_of(build.id) if build.status is Status.QUEUED else None,
        "recipe": used_keys(build.order.recipe),
        "may_cancel": await visit.services.request_build.may_cancel(build, by=visit.token),
        "may_retry": build.status.is_final and build.wheel is None,
    }
    return Page(template="build.html", title=_title(build), values=values)


def _title(build: Build) -> str:
    return f"{build.order.project} {build.order.version} for Python {build.order.target.python}: {build.status}"


async def _window(log: ReadLog | None) -> LogWindow:
    return LogWindow(lines=(), total=0) if log is None else await log.at_failure_or_end(count=_SHOWN_LINES)


async def cancel_build(visit: Visit) -> Response:
    """Cancel the build, or ask its worker to."""
    build = await visit.services.request_build.cancel(visit.part("build_id"), by=visit.token)
    return _to_build(build)


async def retry_build(visit: Visit) -> Response:
    """Try a failed or cancelled build again."""
    submission = await visit.services.retries.retry(
        visit.part("build_id"), requested_by=visit.token.actor, trace=visit.trace
    )
    return _to_build(submission.build)


def _to_build(build: Build) -> Response:
    return RedirectResponse(f"/builds/{build.id}", status_code=303)
