"""The pages of builds: the list, a build with its stages, log, failure and wheel; cancel and retry."""

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final
from urllib.parse import urlencode

from fastapi import Response
from fastapi.responses import RedirectResponse
from packaging.utils import canonicalize_name

from wheelyard.domain.access import Action, AuditFilter
from wheelyard.domain.builds.build import Attempt, Build, SourceKind, Stage, Status
from wheelyard.domain.builds.records import MAX_RETRIES, BuildFilter
from wheelyard.domain.healing.story import Chapter, tell_story
from wheelyard.errors import InvalidRequestError, WheelyardError
from wheelyard.usecases.follow_log import LogPosition
from wheelyard.web.build_log import ReadLog, chosen_attempt, read_log, stage_names
from wheelyard.web.context import PageContext
from wheelyard.web.matrix import pythons_of
from wheelyard.web.recipes import healed_recipe, used_keys
from wheelyard.web.rendering import Page
from wheelyard.web.viewport import Viewport, fold_by_stage

_PAGE_SIZE = 50
_FILTERS = ("project", "status", "failure_code", "python", "platform", "requested_by")
_IN_VAIN = (Status.FAILED, Status.CANCELLED)


async def list_builds(context: PageContext) -> Page:
    """List builds, newest first."""
    asked = _asked(context)
    before = read_before(context.asked("before"))
    page = await context.services.builds.list_builds(_filter(asked, before=before))
    following = urlencode({**asked, "before": page.next_before}) if page.next_before else ""
    targets = context.services.request_build.targets()
    values = {
        "builds": page.builds,
        "following": following,
        "asked": asked,
        "statuses": tuple(Status),
        "codes": _codes(),
        "pythons": pythons_of(targets),
        "platforms": sorted({target.platform for target in targets}),
        "first_page": f"/builds?{urlencode(asked)}" if before else "",
        "may_retry": asked.get("status") in _IN_VAIN and bool(page.builds) and context.may("request"),
        "max_retries": MAX_RETRIES,
        "retried": context.asked("retried") if context.asked("retried").isdecimal() else "",
        "workers": await context.services.workers.list_workers(),
    }
    return Page(template="builds.html", title="Builds", values=values)


async def retry_builds(context: PageContext) -> Response:
    """Retry the listed builds and those on the next pages, up to the limit of one request."""
    asked = _asked(context)
    if asked.get("status") not in _IN_VAIN:
        raise InvalidRequestError(problems=["status: must be failed or cancelled"])
    wanted = _filter(asked, before=None, limit=MAX_RETRIES)
    retried = await context.services.retries(wanted, requested_by=context.token.actor, trace=context.trace)
    kept = {**asked, "retried": str(len(retried.submissions))}
    return RedirectResponse(f"/builds?{urlencode(kept)}", status_code=303)


def _asked(context: PageContext) -> dict[str, str]:
    """Return the filters that are set."""
    found = {name: context.asked(name)[:200] for name in _FILTERS}
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
    """Return the codes that a failure can have."""
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


def read_before(text: str, *, what: str = "a build") -> str | None:
    """Return the id that a page of a list ends before; raise InvalidRequestError."""
    try:
        return str(uuid.UUID(text)) if text else None
    except ValueError as error:
        raise InvalidRequestError(problems=[f"before: must be the id of {what}"]) from error


_MEANINGS: Final = {
    Stage.RESOLVE: "Records what will be built",
    Stage.FETCH: "Downloads the sdist and checks its hash",
    Stage.PREPARE: "Finds or builds the images",
    Stage.BUILD: "Runs the build backend, without network",
    Stage.REPAIR: "Audits the wheel and grafts libraries",
    Stage.VERIFY: "Installs and imports the wheel in a bare image",
    Stage.PUBLISH: "Uploads the wheel and checks the upload",
}
_MEANINGS_BY_SOURCE: Final = {
    SourceKind.SDIST: _MEANINGS,
    SourceKind.GIT: {
        **_MEANINGS,
        Stage.FETCH: "Fetches the commit",
        Stage.PREPARE: "Makes the sdist without network, finds or builds the images",
    },
    SourceKind.WHEEL: {
        Stage.RESOLVE: "Records what will be checked",
        Stage.FETCH: "Reads the uploaded file and checks its hash",
        Stage.PREPARE: "Finds or makes the image that audits it",
        Stage.BUILD: "Compares its name, metadata, record and archive",
        Stage.REPAIR: "Audits its tags and native files, changes what is wrong",
        Stage.VERIFY: "Installs and imports it wherever its tags say",
        Stage.PUBLISH: "Lists it on the index and reads it back",
    },
}
_SHORTEST_SHARE: Final = 2.0
"""Width of the shortest bar in percent, so that every finished stage is visible."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StageBar:
    """One stage of an attempt."""

    name: str
    meaning: str
    state: str
    """``done``, ``running``, ``failed``, ``waiting`` or ``not reached``."""
    seconds: float | None
    """None if the stage has not ended, or was not measured."""
    offset: float
    """Start of the bar, in percent of the attempt."""
    share: float
    """Width of the bar, in percent of the attempt."""


def timeline(build: Build, attempt: Attempt) -> tuple[StageBar, ...]:
    """Return an attempt's stages in order."""
    return tuple(_bars(build, attempt))


def _bars(build: Build, attempt: Attempt) -> Iterator[StageBar]:
    seconds: dict[Stage, float] = {}
    for timing in attempt.timings:  # a build that heals itself enters a stage several times
        seconds[timing.stage] = seconds.get(timing.stage, 0.0) + timing.seconds
    total = sum(seconds.values()) or 1.0
    passed = 0.0
    names = stage_names(build)
    for stage in Stage:
        took = seconds.get(stage)
        share = max(100 * took / total, _SHORTEST_SHARE) if took is not None else 0.0
        yield StageBar(
            name=names[stage],
            meaning=_MEANINGS_BY_SOURCE[build.order.sdist.kind][stage],
            state=_state(stage, build, attempt),
            seconds=took,
            offset=round(min(100 * passed / total, 100 - share), 2),
            share=round(share, 2),
        )
        passed += took or 0.0


def _state(stage: Stage, build: Build, attempt: Attempt) -> str:
    if attempt.finished_at is None and build.stage is not None:
        order = list(Stage)
        if stage is build.stage:
            return "running"
        return "done" if order.index(stage) < order.index(build.stage) else "waiting"
    if attempt.finished_at is None:
        return "waiting"
    if attempt.failure is not None and attempt.failure.stage is stage:
        return "failed"
    measured = any(timing.stage is stage for timing in attempt.timings)
    return "done" if measured or attempt.status is Status.SUCCEEDED else "not reached"


_SHOWN_LINES: Final = 250


async def show_build(context: PageContext) -> Page:
    """Show a build and the attempt of the query, else its newest attempt."""
    build = await context.services.builds.get(context.part("build_id"))
    attempt = chosen_attempt(context, build)
    log = await read_log(context, build, attempt) if attempt else None
    window = await _window(log)
    values = {
        "build": build,
        "attempt": attempt,
        "story": _story(attempt),
        "bars": timeline(build, attempt) if attempt else (),
        "stage_names": stage_names(build),
        "brought_by": await requester_of(context, build) if build.order.is_brought else "",
        "state": state_of(build),
        "log": log,
        "window": window,
        "folds": fold_by_stage(window, log.stages if log else (), keep_open=not attempt or not attempt.status.is_final),
        "after": str(LogPosition(attempt=log.attempt, offset=log.size_bytes)) if log else "",
        "follows": not build.status.is_final and (attempt is None or attempt is build.attempts[-1]),
        "place": await context.services.queue.place_of(build.id) if build.status is Status.QUEUED else None,
        "recipe": used_keys(build.order.recipe),
        "healed": await healed_recipe(context, build),
        "may_cancel": await context.services.request_build.may_cancel(build, by=context.token),
        "may_retry": build.status.is_final and build.wheel is None,
    }
    return Page(template="build.html", title=_title(build), values=values)


def _story(attempt: Attempt | None) -> tuple[Chapter, ...]:
    if attempt is None or attempt.healing is None or not attempt.healing.rounds:
        return ()
    return tell_story(attempt.healing, succeeded=attempt.status is Status.SUCCEEDED)


_STATES_OF_BROUGHT: Final = {Status.SUCCEEDED: "published", Status.FAILED: "refused"}


def state_of(build: Build) -> str:
    """Return a build's status in words that are also true for a wheel that others built."""
    return _STATES_OF_BROUGHT.get(build.status, build.status.value) if build.order.is_brought else build.status.value


def _title(build: Build) -> str:
    if build.order.is_brought:
        return f"{build.order.sdist.filename}: {state_of(build)}"
    return f"{build.order.project} {build.order.version} for Python {build.order.target.python}: {build.status}"


async def requester_of(context: PageContext, build: Build) -> str:
    """Return who requested or brought it first, from the audit log; empty if unknown."""
    entries = await context.services.audit.list_entries(AuditFilter(object=build.id))
    actors = [one.change.actor for one in entries if one.change.action == Action.BUILD_REQUESTED]
    return actors[-1] if actors else ""


async def _window(log: ReadLog | None) -> Viewport:
    return Viewport(lines=(), total=0) if log is None else await log.at_failure_or_end(count=_SHOWN_LINES)


async def cancel_build(context: PageContext) -> Response:
    """Cancel a queued build, or request that its worker stops it."""
    build = await context.services.request_build.cancel(context.part("build_id"), by=context.token)
    return _to_build(build)


async def retry_build(context: PageContext) -> Response:
    """Retry a failed or cancelled build."""
    submission = await context.services.retries.one(
        context.part("build_id"), requested_by=context.token.actor, trace=context.trace
    )
    return _to_build(submission.build)


def _to_build(build: Build) -> Response:
    return RedirectResponse(f"/builds/{build.id}", status_code=303)
