"""Routes of the queue with its estimates, and of the statistics."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query

from wheelyard.api.authentication import AuthenticatedRoute, bearer_scheme
from wheelyard.api.docs import INVALID_REQUEST, problems
from wheelyard.api.schemas.statistics import QueueView, StatisticsView
from wheelyard.api.services import Services
from wheelyard.usecases.queue import MOST_PLACES

router: Final = APIRouter(
    prefix="/v1", tags=["figures"], route_class=AuthenticatedRoute, dependencies=[Depends(bearer_scheme)]
)


@router.get("/queue", operation_id="get_queue", summary="Get the queue", responses=problems(INVALID_REQUEST))
async def get_queue(services: Services, limit: Annotated[int, Query(ge=1, le=MOST_PLACES)] = 50) -> QueueView:
    """Return the running builds and the queue in order, with an estimated start of each build.

    Estimates use earlier builds of the same project, else of the other queued projects. Later requests with higher
    priority can delay a build.
    """
    return QueueView.of(await services.queue(limit=limit))


@router.get(
    "/statistics",
    operation_id="get_statistics",
    summary="Get the statistics of the last days",
    responses=problems(INVALID_REQUEST),
)
async def get_statistics(services: Services, days: Annotated[int, Query(ge=1, le=366)] = 30) -> StatisticsView:
    """Return the builds and wheels of the last days, and the size of index, logs and state directory."""
    return StatisticsView.of(await services.figures.summarise(days=days), await services.disk())
