"""The route of builders: what wheels are built in. Must not make or change any image."""

from datetime import datetime
from typing import Final, Literal, Self

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from wheelyard.api.authentication import AuthenticatedRoute, bearer_scheme
from wheelyard.api.problem_docs import problems
from wheelyard.api.services import Services
from wheelyard.domain.builder_status import BuilderStatus
from wheelyard.errors import EngineUnavailableError

router: Final = APIRouter(
    prefix="/v1/builders", tags=["builders"], route_class=AuthenticatedRoute, dependencies=[Depends(bearer_scheme)]
)
_NO_ENGINE: Final = EngineUnavailableError(engine="docker", reason="Cannot connect to the Docker daemon")


class _View(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, from_attributes=True)


class ImageView(_View):
    """An image of a suite that the API's host has."""

    id: str
    """The engine's id of the image."""
    name: str
    """Its name and tag."""
    role: Literal["builder", "runtime"]
    """Builders compile; a runtime is the bare image that wheels are proven in."""
    python: str
    """Full versions of its Pythons, with commas."""
    size_bytes: int
    """Its size, with all layers that it shares with others."""
    created: datetime
    """When it was made."""
    revision: str
    """When it was refreshed with updates, such as `20261124T004500`; empty if it never was."""
    current: bool
    """False if it was made from an older catalogue, Dockerfile or tools; nothing uses it any more."""


class PackageChangeView(_View):
    """A system package that an update changes."""

    package: str
    """Name of the package."""
    from_version: str
    """Version that the image has."""
    to_version: str
    """Version that the archive has."""
    is_security: bool
    """True if it comes from a security archive."""


class PendingUpdatesView(_View):
    """The updates that the suite's images lacked when somebody last looked."""

    checked: datetime
    """When that was."""
    changes: tuple[PackageChangeView, ...]
    """The packages."""


class BuilderView(_View):
    """A suite of the catalogue."""

    suite: str
    """Its name, such as `bookworm`."""
    kind: Literal["mmdebstrap", "image"]
    """`mmdebstrap` if Wheelyard makes its images, `image` if others do; nothing is built in those yet."""
    policy: str
    """What wheels built here comply with, without the architecture, such as `manylinux_2_36`."""
    architectures: tuple[str, ...]
    """Machines that its images can be built on."""
    pythons: tuple[str, ...]
    """Pythons that it builds for."""
    warning: str
    """What its users should know; empty if nothing."""
    images: tuple[ImageView, ...]
    """What the API's own host has; others make theirs when they first need them."""
    pending: PendingUpdatesView | None
    """Null if nobody has looked for updates on the API's host."""

    @classmethod
    def of(cls, status: BuilderStatus) -> Self:
        """Show a suite."""
        return cls.model_validate(status)


@router.get("", operation_id="list_builders", summary="List builders", responses=problems(_NO_ENGINE))
async def list_builders(services: Services) -> list[BuilderView]:
    """List the catalogue's suites, and the images of each that the host of this API has."""
    return [BuilderView.of(status) for status in await services.builders()]
