"""The route that Prometheus reads. Must not compute any figure: the store and ``wheelyard.metrics`` do."""

from typing import Final

from fastapi import APIRouter, Depends, Request, Response

from wheelyard.adapters.host.shared_work import SharedAnswer
from wheelyard.api.authentication import AuthenticatedRoute, bearer_scheme
from wheelyard.api.docs import problems
from wheelyard.api.services import Services
from wheelyard.domain.builds.metrics import Figures
from wheelyard.metrics import CONTENT_TYPE, render

router: Final = APIRouter(
    tags=["health"],
    route_class=AuthenticatedRoute,
    dependencies=[Depends(bearer_scheme)],
    default_response_class=Response,
)


@router.get(
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
    shared: SharedAnswer[Figures] = request.app.state.figures
    figures = await shared.get()
    return Response(
        render(services.http_metrics, figures), media_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"}
    )
