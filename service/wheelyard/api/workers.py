"""The route of workers: who builds. Must not tell them what to do."""

from typing import Final

from fastapi import APIRouter, Depends

from wheelyard.api.authentication import AuthenticatedRoute, bearer_scheme
from wheelyard.api.docs import problems
from wheelyard.api.schemas.workers import WorkerView
from wheelyard.api.services import Services

router: Final = APIRouter(
    prefix="/v1/workers", tags=["workers"], route_class=AuthenticatedRoute, dependencies=[Depends(bearer_scheme)]
)


@router.get("", operation_id="list_workers", summary="List workers", responses=problems())
async def list_workers(services: Services) -> list[WorkerView]:
    """List the workers that there are, or were in the last week, by name."""
    return [WorkerView.of(worker) for worker in await services.workers.list_workers()]
