"""The routes that tell whether this process lives and whether what it needs answers; without authentication."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from wheelyard.adapters.host.shared_work import SharedAnswer
from wheelyard.api.authentication import AuthenticatedRoute, bearer_scheme
from wheelyard.api.docs import problems, public_problems
from wheelyard.api.services import Check, Services
from wheelyard.domain.builds.metrics import Metrics
from wheelyard.errors import NotReadyError, WheelyardError
from wheelyard.logs import get_logger
from wheelyard.metrics import CONTENT_TYPE, render

_log: Final = get_logger(__name__)

router: Final = APIRouter(tags=["health"])


class AliveView(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"


class ReadyView(BaseModel):
    """Everything that is needed answers."""

    status: Literal["ready"] = "ready"
    checks: Annotated[dict[str, Literal["ok"]], Field(description="What was asked, by name.")]


@router.get("/healthz", operation_id="healthz", summary="Is the process alive?")
async def healthz() -> AliveView:
    """Answer, whatever else may be down: a supervisor that restarts by this must not do so for a lost database."""
    return AliveView()


@router.get(
    "/readyz",
    operation_id="readyz",
    summary="Can requests be served?",
    responses=public_problems(NotReadyError(failing={"engine": "The container engine 'docker' does not answer."})),
)
async def readyz(request: Request, response: Response) -> ReadyView:
    """Ask everything that this Wheelyard needs; the problem's `context.failing` names what did not answer, and why.

    The answer is up to a second old: however many ask, each part is asked once a second.
    """
    response.headers["Cache-Control"] = "no-store"
    answers = await readiness_of(request).get()
    failing = {name: reason for name, reason in answers.items() if reason is not None}
    if failing:
        raise NotReadyError(failing=failing)
    return ReadyView(checks=dict.fromkeys(answers, "ok"))


class Readiness:
    """Asks what the service needs, all of it at once and never twice at the same time."""

    def __init__(self, checks: Mapping[str, Check], *, timeout_seconds: float) -> None:
        self._checks = checks
        self._timeout_seconds = timeout_seconds
        self._asked: dict[str, asyncio.Task[None]] = {}
        """Checks that have not ended, though their time may be over: a second one would hang as well."""

    async def ask(self) -> dict[str, str | None]:
        """Say by name why something did not answer, None if it did."""
        names = list(self._checks)
        return dict(zip(names, await asyncio.gather(*map(self._ask, names)), strict=True))

    async def _ask(self, name: str) -> str | None:
        asked = self._asked.get(name)
        if asked is None or asked.done():
            asked = self._asked[name] = asyncio.create_task(_run(self._checks[name]), name=f"ready-{name}")
        # What does not listen to its cancellation must not hold up the answer.
        await asyncio.wait({asked}, timeout=self._timeout_seconds)
        if not asked.done():
            asked.cancel()
            return f"It did not answer within {self._timeout_seconds:g} seconds."
        if asked.cancelled():
            return "It was stopped."
        return _fault(asked.exception())


async def _run(check: Check) -> None:
    await check()


def _fault(error: BaseException | None) -> str | None:
    if error is None:
        return None
    if isinstance(error, WheelyardError):
        return error.summary
    if isinstance(error, TimeoutError):
        return "It did not answer in time."
    _log.error("check-crashed", exc_info=error)
    return f"It failed in a way that nobody foresaw ({type(error).__name__}); the service's log has more."


def readiness_of(request: Request) -> SharedAnswer[dict[str, str | None]]:
    """Give what this application last knew of what it needs."""
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
    summary="Figures for Prometheus",
    responses={
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "Prometheus' text format."},
        **problems(),
    },
)
async def read_metrics(request: Request, services: Services) -> Response:
    """Give the figures of the whole service, whichever API process is asked, and this process's own ones.

    It needs a token of the scope `read`, unless reading is open to everybody. Scrapes at the same
    time share one count.
    """
    shared: SharedAnswer[Metrics] = request.app.state.metrics
    metrics = await shared.get()
    return Response(
        render(services.http_metrics, metrics), media_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"}
    )
