"""The routes of figures: the queue with its estimates, and statistics. Must not hold rules."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query

from wheelyard.api.authentication import AuthenticatedRoute, bearer_scheme
from wheelyard.api.docs import INVALID_REQUEST, problems
from wheelyard.api.schemas.statistics import QueueView, StatisticsView
from wheelyard.api.services import Services
from wheelyard.usecases.show_queue import MOST_PLACES

router: Final = APIRouter(
    prefix="/v1", tags=["figures"], route_class=AuthenticatedRoute, dependencies=[Depends(bearer_scheme)]
)


@router.get("/queue", operation_id="get_queue", summary="Look at the queue", responses=problems(INVALID_REQUEST))
async def get_queue(services: Services, limit: Annotated[int, Query(ge=1, le=MOST_PLACES)] = 50) -> QueueView:
    """Read what runs and what waits, in the order in which it is taken, with an estimate of when it begins.

    The estimate takes former builds of the same project, else of the others in line; who asks later for something that
    goes first is not in it.
    """
    return QueueView.of(await services.queue(limit=limit))


@router.get(
    "/statistics",
    operation_id="get_statistics",
    summary="See what happened in the last days",
    responses=problems(INVALID_REQUEST),
)
async def get_statistics(services: Services, days: Annotated[int, Query(ge=1, le=366)] = 30) -> StatisticsView:
    """Count builds and wheels of the last days, and say what index, logs and the state directory take."""
    return StatisticsView.of(await services.statistics.summarise(days=days), await services.disk())
