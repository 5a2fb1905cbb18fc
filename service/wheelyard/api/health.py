"""The routes that tell whether this process lives and whether what it needs answers; without authentication."""

import asyncio
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from wheelyard.api.problem_docs import public_problems
from wheelyard.api.services import ApiServices, Check, Services
from wheelyard.errors import NotReadyError, WheelyardError

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
async def readyz(services: Services, response: Response) -> ReadyView:
    """Ask everything that this Wheelyard needs; the problem's `context.failing` names what did not answer, and why."""
    response.headers["Cache-Control"] = "no-store"
    answers = await ask_all(services)
    failing = {name: reason for name, reason in answers.items() if reason is not None}
    if failing:
        raise NotReadyError(failing=failing)
    return ReadyView(checks=dict.fromkeys(answers, "ok"))


async def ask_all(services: ApiServices) -> dict[str, str | None]:
    """Ask everything at once; by name, why it did not answer, None if it did."""
    names = list(services.readiness)
    asked = (_ask(services.readiness[name], services.readiness_timeout_seconds) for name in names)
    return dict(zip(names, await asyncio.gather(*asked), strict=True))


async def _ask(check: Check, timeout_seconds: float) -> str | None:
    """Return why a check fails, None if it does not."""
    try:
        async with asyncio.timeout(timeout_seconds):
            await check()
    except WheelyardError as error:
        return error.summary
    except TimeoutError:
        return f"It did not answer within {timeout_seconds:g} seconds."
    return None
