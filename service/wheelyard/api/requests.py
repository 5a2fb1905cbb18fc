"""Routes of requests for whole applications: plan, submit, get, follow, cancel, lock."""

import asyncio
import functools
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from typing import Annotated, Any, Final, TypeVar

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event
from packaging.utils import canonicalize_name

from wheelyard import errors
from wheelyard.api.authentication import AuthenticatedRoute, Caller, CallerKey, bearer_scheme
from wheelyard.api.docs import INVALID_REQUEST, problems
from wheelyard.api.index_access import Links
from wheelyard.api.log_events import EVENT_STREAM, EventStream
from wheelyard.api.problems import Problem
from wheelyard.api.request_context import RequestTrace
from wheelyard.api.schemas.links import IndexLinks
from wheelyard.api.schemas.requests import (
    DependencyFiles,
    LockView,
    NewRequest,
    PlanView,
    RequestListView,
    RequestQuery,
    RequestView,
    WebhookReceiver,
    WebhookSecretView,
    request_path,
)
from wheelyard.api.services import ApiServices, Services
from wheelyard.domain.dependencies.files import Selection
from wheelyard.domain.dependencies.lock_out import Release, ServedReleases, ServedWheel
from wheelyard.domain.index.wheels import IndexedWheel
from wheelyard.domain.packaging.target import Target
from wheelyard.domain.prebuilds.prebuild import Prebuild, Prefer, releases_of
from wheelyard.domain.trace import NO_TRACE, Trace
from wheelyard.domain.untrusted.versions import read_version
from wheelyard.errors import InvalidRequestError, UnknownTargetError, WheelyardError
from wheelyard.usecases.prebuild import PrebuildRequest
from wheelyard.usecases.read_dependencies import DependencyInput

_NO_SUCH_REQUEST: Final = errors.NotFoundError(kind="request", name="0e3c2b1a-5a5e-4a0e-9d62-5f3f5a7a8b11")
_NOT_YOURS: Final = errors.NotYoursError(kind="request", name="0e3c2b1a-5a5e-4a0e-9d62-5f3f5a7a8b11")
_WEBHOOK_PROBLEM: Final = errors.WebhookRefusedError(reason="10.0.0.1 is not a public address")
INPUT_ERRORS: Final = (
    INVALID_REQUEST,
    errors.DependencyFileInvalidError(file="uv.lock", problems=["it is not TOML: Expected '=' after a key"]),
    errors.RequirementsUnsatisfiableError(
        target="Python 3.13 on manylinux_2_36_x86_64", reason="there is no version of lxml>99"
    ),
    errors.UnknownTargetError(python="3.6", platform="manylinux_2_36_x86_64", known=["3.13 manylinux_2_36_x86_64"]),
    errors.RequestTooLargeError(limit_bytes=8 << 20),
    errors.IndexUnavailableError(index="upstream", reason="connection refused"),
    errors.DiskFullError(path="/var/lib/wheelyard", free_bytes=100 << 20, floor_bytes=1 << 30),
    errors.ResolverBusyError(processes=4),
)
_INPUT_PROBLEMS: Final = problems(*INPUT_ERRORS)
_LOCATION: Final = {
    "headers": {"Location": {"description": "Path of the request.", "schema": {"type": "string"}}},
    "links": {"request": {"operationId": "get_request", "parameters": {"request_id": "$response.body#/id"}}},
}
_POLL_SECONDS: Final = 1.0
_PAUSES_FOR_LOOKS: Final = 20
Done = TypeVar("Done")

router: Final = APIRouter(
    prefix="/v1/requests", tags=["requests"], route_class=AuthenticatedRoute, dependencies=[Depends(bearer_scheme)]
)


@router.post(
    "/plan",
    operation_id="plan_request",
    summary="Plan a request",
    response_model=PlanView,
    responses=_INPUT_PROBLEMS,
)
async def plan_request(body: NewRequest, services: Services, caller: Caller, links: Links, http: Request) -> Response:
    """Return what a request would do for each release and target, without doing it."""
    request = _read_request(body, services, links, requested_by=caller.actor)
    prebuild = await while_connected(http, services.prebuilds.plan(request))
    return await _answer(lambda: PlanView.of(prebuild, may_mirror=services.prebuilds.may_mirror))


@router.post(
    "",
    status_code=202,
    operation_id="submit_request",
    summary="Request all dependencies of an application",
    response_model=RequestView,
    responses={**problems(*INPUT_ERRORS, _WEBHOOK_PROBLEM), 202: _LOCATION},
)
async def submit_request(  # noqa: PLR0913, PLR0917  (FastAPI gives each part as an argument)
    body: NewRequest,
    services: Services,
    caller: Caller,
    links: Links,
    trace: RequestTrace,
    http: Request,
) -> Response:
    """Build or mirror every dependency of an application, for each Python on each platform.

    As few builds as possible are started. If the tags of a release's wheel are not known yet, one build starts for the
    lowest Python and glibc, and its wheel decides whether more builds are needed.
    """
    request = _read_request(body, services, links, requested_by=caller.actor, trace=trace)
    prebuild = await while_connected(http, services.prebuilds.order(request))
    show = functools.partial(RequestView.of_request, prebuild, links, may_mirror=services.prebuilds.may_mirror)
    return await _answer(show, status_code=202, headers={"Location": request_path(prebuild.id)})


@router.post(
    "/webhook-secret",
    operation_id="get_webhook_secret",
    summary="Get the secret of a webhook receiver",
    responses=problems(INVALID_REQUEST, errors.RequestTooLargeError(limit_bytes=8 << 20), _WEBHOOK_PROBLEM),
)
async def get_webhook_secret(body: WebhookReceiver, services: Services, caller: Caller) -> WebhookSecretView:
    """Return the secret that a receiver needs to verify your webhooks. Each token and URL has its own secret."""
    return WebhookSecretView(secret=services.prebuilds.webhooks.secret_of(body.url, requested_by=caller.actor))


@router.get("", operation_id="list_requests", summary="List requests", responses=problems(INVALID_REQUEST))
async def list_requests(wanted: Annotated[RequestQuery, Query()], services: Services) -> RequestListView:
    """List requests, newest first, page by page, with the number of their items by status."""
    page = await services.prebuilds.page(wanted.as_filter())
    next_path = page.next_before and f"/v1/requests?{wanted.query_before(page.next_before)}"
    return RequestListView.of(page, next_path=next_path)


@router.get(
    "/{request_id}",
    operation_id="get_request",
    summary="Get a request",
    response_model=RequestView,
    responses=problems(_NO_SUCH_REQUEST),
)
async def get_request(request_id: str, services: Services, links: Links) -> Response:
    """Return a request with each release and target, its builds, and the skipped lines."""
    return await _answer(await _look(services, request_id, links))


@router.post(
    "/{request_id}/cancel",
    operation_id="cancel_request",
    summary="Cancel a request",
    response_model=RequestView,
    responses=problems(_NO_SUCH_REQUEST, _NOT_YOURS),
)
async def cancel_request(request_id: str, services: Services, links: Links, caller: Caller) -> Response:
    """Cancel a request: start no more builds, and cancel queued builds without other subscribers.

    Running builds continue. Needs the token that made the request, or the scope `operate`.
    """
    prebuild = await services.prebuilds.cancel(request_id, by=caller)
    return await _answer(
        lambda: RequestView.of_request(prebuild, links, may_mirror=services.prebuilds.may_mirror),
    )


@router.post(
    "/{request_id}/lock",
    operation_id="lock_request",
    summary="Convert a lock file to one that installs from our index",
    responses=problems(
        INVALID_REQUEST,
        errors.DependencyFileInvalidError(file="uv.lock", problems=["it is not TOML: Expected '=' after a key"]),
        errors.RequestTooLargeError(limit_bytes=8 << 20),
        _NO_SUCH_REQUEST,
    ),
)
async def lock_request(
    request_id: str, body: DependencyFiles, services: Services, links: Links, caller: Caller
) -> LockView:
    """Return a lock file that installs from our index, with exactly the files that it serves for the request.

    The files of each release are replaced by those of the index, with their hashes. Sdists and files that the index
    does not serve are removed. Requirements without hashes become pins with hashes of all chosen releases.
    """
    if body.file is None or body.file not in body.files:
        raise InvalidRequestError(problems=["body.file: name the lock file, and pass its text in 'files'"])
    prebuild = await services.prebuilds.get(request_id)
    served = _served(prebuild, await services.prebuilds.served_wheels(prebuild), links)
    given = DependencyInput(files=body.files, start=body.file, kind=body.kind)
    texts = await services.prebuilds.lock(given, served, caller=caller.actor)
    return LockView(text=texts[body.file], files=texts)


@router.get(
    "/{request_id}/events",
    operation_id="follow_request",
    summary="Follow a request",
    response_class=StreamingResponse,
    responses={
        200: {"description": "Events until the request is over.", "content": {EVENT_STREAM: {"schema": {}}}},
        **problems(_NO_SUCH_REQUEST),
    },
)
async def follow_request(request_id: str, services: Services, links: Links, caller: CallerKey) -> EventStream:
    """Send the whole request as an ``update`` event now and after each change, and ``end`` when it is over.

    A new estimate of the remaining time alone sends no event; count it down. If a stream ends without ``end``, connect
    again; the first event has the current state.
    """
    await services.prebuilds.get(request_id)
    return EventStream(_events(services, request_id, links), limit=services.access.streams, caller=caller)


async def while_connected(http: Request, work: Coroutine[Any, Any, Done]) -> Done:
    """Run work that may take minutes, and cancel it with its processes if the client disconnects."""
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_disconnection(http))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            # The client has disconnected, so nobody receives this error.
            raise InvalidRequestError(problems=["the connection was closed before there was an answer"])
        return working.result()
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.wait({working, leaving})


async def _disconnection(http: Request) -> None:
    while (await http.receive())["type"] != "http.disconnect":
        pass


def _served(
    prebuild: Prebuild, found: Mapping[Release, Mapping[IndexedWheel, Sequence[Target]]], links: IndexLinks
) -> ServedReleases:
    """Return the served wheels, with URLs as the caller reaches the index."""
    releases = releases_of(prebuild)
    wheels = {
        release: tuple(
            ServedWheel(
                filename=wheel.filename,
                url=links.file(wheel.filename),
                sha256=wheel.sha256,
                size_bytes=wheel.size_bytes,
                targets=tuple(targets),
            )
            for wheel, targets in by_wheel.items()
        )
        for release, by_wheel in found.items()
    }
    pythons = {
        (release.project, read_version(release.made_version)): tuple(
            dict.fromkeys(item.target.python for item in release.items)
        )
        for release in releases
    }
    sources = {
        key: (release.project, read_version(release.made_version))
        for release in releases
        for key in (*(release.commit.keys if release.commit else ()), *((release.file.key,) if release.file else ()))
    }
    return ServedReleases(
        simple_url=links.simple(),
        files_url=links.file(""),
        wheels=wheels,
        pythons=pythons,
        sources=sources,
        trusted_host=links.trusted_host,
    )


async def _look(services: ApiServices, request_id: str, links: IndexLinks) -> Callable[[], RequestView]:
    """Read a request; return a function that builds its view, which is slow for thousands of items."""
    prebuild = await services.prebuilds.get(request_id)
    return functools.partial(
        RequestView.of_request,
        prebuild,
        links,
        seconds_left=await services.prebuilds.seconds_left(prebuild),
        may_mirror=services.prebuilds.may_mirror,
    )


async def _answer(
    show: Callable[[], PlanView], *, status_code: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a view as a response; it is built in a thread, so that it does not block other requests."""
    text = await asyncio.to_thread(lambda: show().as_json())
    return Response(text, status_code=status_code, headers=headers, media_type="application/json")


def _write_update(show: Callable[[], RequestView]) -> tuple[RequestView, str, str]:
    """Return the view of a request, its JSON, and its JSON without the estimate, to detect changes."""
    view = show()
    return view, view.as_json(), view.model_copy(update={"seconds_left": None}).as_json()


async def _events(services: ApiServices, request_id: str, links: IndexLinks) -> AsyncGenerator[bytes, None]:
    shown = None
    silent_seconds = 0.0
    try:
        while not services.stopping.is_set():
            begun = time.monotonic()
            view, update, news = await asyncio.to_thread(_write_update, await _look(services, request_id, links))
            if news != shown:
                shown, silent_seconds = news, 0.0
                yield format_sse_event(event="update", data_str=update)
            if view.finished_at is not None:
                yield format_sse_event(event="end", data_str="{}")
                return
            # Reading a request with thousands of items is slow, so poll it less often.
            pause_seconds = max(_POLL_SECONDS, _PAUSES_FOR_LOOKS * (time.monotonic() - begun))
            await asyncio.sleep(pause_seconds)
            silent_seconds += pause_seconds
            if silent_seconds >= services.heartbeat_seconds:
                silent_seconds = 0.0
                yield format_sse_event(comment="still here")
    except WheelyardError as error:
        yield format_sse_event(event="problem", data_str=Problem.of(error).model_dump_json())


def _read_request(
    body: NewRequest, services: ApiServices, links: IndexLinks, *, requested_by: str, trace: Trace = NO_TRACE
) -> PrebuildRequest:
    """Return the domain's request for a body; raise UnknownTargetError or SourceUnreachableError for a target."""
    known = services.request_build.targets()
    selection = Selection(
        extras=frozenset(map(canonicalize_name, body.extras)),
        groups=frozenset(map(canonicalize_name, body.groups)),
        default_groups=body.default_groups,
    )
    given = DependencyInput(
        files=body.files,
        start=body.file,
        kind=body.kind,
        requirements=tuple(body.requirements),
        selection=selection,
        files_url=links.file(""),
    )
    targets = tuple(
        dict.fromkeys(
            parse_target(python, platform, known)
            for python in body.pythons or [services.defaults.python]
            for platform in body.platforms or [services.defaults.platform]
        )
    )
    for target in targets:
        if body.prefer is Prefer.OWN:
            services.request_build.check_reach(target)
        else:
            # Upstream's wheels serve a target whose Python cannot be had here; an item that needs a build says why not.
            services.request_build.suite_for(target)
    return PrebuildRequest(
        given=given,
        targets=targets,
        prefer=body.prefer,
        requested_by=requested_by,
        allow_skipped=body.allow_skipped,
        trace=trace,
        webhook_url=body.webhook,
    )


def parse_target(python: str, platform: str, known: Sequence[Target]) -> Target:
    """Return a target; raise UnknownTargetError if its parts are malformed."""
    try:
        return Target.parse(python=python, platform=platform)
    except ValueError as error:
        names = [str(target) for target in known]
        raise UnknownTargetError(python=python, platform=platform, known=names, reason=str(error)) from error
