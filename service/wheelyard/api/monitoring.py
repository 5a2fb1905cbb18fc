"""Routes of liveness, readiness and metrics."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from wheelyard.api.authentication import AuthenticatedRoute, bearer_scheme
from wheelyard.api.docs import problems, public_problems
from wheelyard.api.services import Check, Services
from wheelyard.domain.builds.metrics import Metrics
from wheelyard.errors import NotReadyError, WheelyardError
from wheelyard.logs import get_logger
from wheelyard.memory_cache import SharedAnswer
from wheelyard.metrics import CONTENT_TYPE, render

_log: Final = get_logger(__name__)

router: Final = APIRouter(tags=["health"])


class AliveView(BaseModel):
    """The process is alive."""

    status: Literal["alive"] = "alive"


class ReadyView(BaseModel):
    """All checks succeeded."""

    status: Literal["ready"] = "ready"
    checks: Annotated[dict[str, Literal["ok"]], Field(description="The checks, by name.")]


@router.get("/healthz", operation_id="healthz", summary="Is the process alive?")
async def healthz() -> AliveView:
    """Return 200 even if the database or the engine is down: a restart of this process would not help."""
    return AliveView()


@router.get(
    "/readyz",
    operation_id="readyz",
    summary="Can requests be served?",
    responses=public_problems(NotReadyError(failing={"engine": "The container engine 'docker' does not answer."})),
)
async def readyz(request: Request, response: Response) -> ReadyView:
    """Check everything that this Wheelyard needs. On failure, the problem's `context.failing` has the reasons by name.

    The result is at most one second old: each check runs once per second, even with more requests.
    """
    response.headers["Cache-Control"] = "no-store"
    answers = await readiness_of(request).get()
    failing = {name: reason for name, reason in answers.items() if reason is not None}
    if failing:
        raise NotReadyError(failing=failing)
    return ReadyView(checks=dict.fromkeys(answers, "ok"))


class Readiness:
    """Runs the readiness checks in parallel, each at most once at a time."""

    def __init__(self, checks: Mapping[str, Check], *, timeout_seconds: float) -> None:
        self._checks = checks
        self._timeout_seconds = timeout_seconds
        self._asked: dict[str, asyncio.Task[None]] = {}
        """Checks that are still running, even after their timeout: a second run would hang as well."""

    async def ask(self) -> dict[str, str | None]:
        """Return for each check why it failed, or None."""
        names = list(self._checks)
        return dict(zip(names, await asyncio.gather(*map(self._ask, names)), strict=True))

    async def _ask(self, name: str) -> str | None:
        asked = self._asked.get(name)
        if asked is None or asked.done():
            asked = self._asked[name] = asyncio.create_task(_run(self._checks[name]), name=f"ready-{name}")
        # A check that ignores its cancellation must not delay the result.
        await asyncio.wait({asked}, timeout=self._timeout_seconds)
        if not asked.done():
            asked.cancel()
            return f"No response within {self._timeout_seconds:g} seconds."
        if asked.cancelled():
            return "The check was stopped."
        return _fault(asked.exception())


async def _run(check: Check) -> None:
    await check()


def _fault(error: BaseException | None) -> str | None:
    if error is None:
        return None
    if isinstance(error, WheelyardError):
        return error.summary
    if isinstance(error, TimeoutError):
        return "No response in time."
    _log.error("check-crashed", exc_info=error)
    return f"Unexpected error ({type(error).__name__}); see the service's log."


def readiness_of(request: Request) -> SharedAnswer[dict[str, str | None]]:
    """Return the application's shared readiness result."""
    answer: SharedAnswer[dict[str, str | None]] = request.app.state.readiness
    return answer


metrics_router: Final = APIRouter(
    tags=["health"],
    route_class=AuthenticatedRoute,
    dependencies=[Depends(bearer_scheme)],
    default_response_class=Response,
)


@metrics_router.get(
    "/metrics",
    operation_id="read_metrics",
    summary="Metrics for Prometheus",
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus text format."},
        **problems(),
    },
)
async def read_metrics(request: Request, services: Services) -> Response:
    """Return the metrics of the whole service, the same from every API process, and those of this process.

    Needs a token with the scope `read`, unless anonymous reading is allowed. Simultaneous scrapes share one
    result.
    """
    shared: SharedAnswer[Metrics] = request.app.state.metrics
    metrics = await shared.get()
    return Response(
        render(services.http_metrics, metrics), media_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"}
    )
