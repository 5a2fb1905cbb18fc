"""The route of targets: what can be asked for."""

from typing import Final

from fastapi import APIRouter, Depends

from wheelyard.api.authentication import AuthenticatedRoute, bearer_scheme
from wheelyard.api.docs import problems
from wheelyard.api.schemas.builds import TargetView
from wheelyard.api.services import Services

router: Final = APIRouter(
    prefix="/v1/targets", tags=["targets"], route_class=AuthenticatedRoute, dependencies=[Depends(bearer_scheme)]
)


@router.get("", operation_id="list_targets", summary="List targets", responses=problems())
async def list_targets(services: Services) -> list[TargetView]:
    """List every Python and platform that this Wheelyard builds for, and which pair a request means by default."""
    return [TargetView.of(target, default=services.defaults) for target in services.request_build.targets()]
