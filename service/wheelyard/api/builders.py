"""The route of builders: what wheels are built in. Must not make or change any image."""

from datetime import datetime
from typing import Final, Literal, Self

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict

from wheelyard.api.authentication import AuthenticatedRoute, bearer_scheme
from wheelyard.api.docs import problems
from wheelyard.api.examples import shown
from wheelyard.api.schemas.builds import TargetView
from wheelyard.api.schemas.workers import WorkerView
from wheelyard.api.services import Services
from wheelyard.domain.catalogue.status import BuilderStatus
from wheelyard.errors import EngineUnavailableError

router: Final = APIRouter(
    prefix="/v1/builders", tags=["builders"], route_class=AuthenticatedRoute, dependencies=[Depends(bearer_scheme)]
)
_NO_ENGINE: Final = EngineUnavailableError(engine="docker", reason="Cannot connect to the Docker daemon")


class _View(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, from_attributes=True)


class ImageView(_View):
    """An image of a suite that some worker's engine has."""

    id: str
    """The engine's id of the image."""
    name: str
    """Its name and tag."""
    role: Literal["builder", "runtime", "toolchain", "environment"]
    """Builders compile; a runtime is the bare image that wheels are proven in. Toolchains and environments are builders
    with more in them."""
    python: str
    """Full versions of its Pythons, with commas."""
    size_bytes: int
    """Its size, with all layers that it shares with others."""
    created: datetime
    """When it was made."""
    revision: str
    """When it was refreshed with updates, such as `20261124T004500`; empty if it never was."""
    current: bool
    """False if it was made from an older catalogue, Dockerfile, tools or builder; nothing uses it any more, unless it
    stands in."""
    added: str
    """Toolchains and system packages that it has beyond its builder, with commas."""
    host: str
    """Host of the worker that told of it; workers on one engine tell of the same images, which are listed once."""
    stands_in: str
    """Why it is in use although it is outdated: its successor could not be made. Empty if it is not."""


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
    """The updates that the suite's images lacked at the last look, on the engine that lacks most."""

    checked: datetime
    """When that was."""
    changes: tuple[PackageChangeView, ...]
    """The packages."""


class ImageRefreshView(_View):
    """What a refresh did about one image."""

    image: str
    """Its name."""
    refreshed: bool
    """True if a new image took its place."""
    changes: tuple[PackageChangeView, ...]
    """What differs between the old image and the new one; an empty version means that the package is not there."""
    pending: tuple[PackageChangeView, ...]
    """Updates that the archive had for it before."""
    problem: str
    """Why it could not be made anew although others were; empty if nothing went wrong."""


class RefreshView(_View):
    """The last refresh of a suite on one engine that made images anew, by a worker's schedule or by hand."""

    at: datetime
    """When it ended."""
    host: str
    """Host of the worker that told of it."""
    images: tuple[ImageRefreshView, ...]
    """The suite's images that the engine had, toolchains and environments too."""


class BuilderView(_View):
    """A suite of the catalogue."""

    suite: str
    """Its name, such as `bookworm`."""
    kind: Literal["mmdebstrap", "image"]
    """`mmdebstrap` if Wheelyard makes its images, `image` if others make its builder and ours is a layer on it."""
    policy: str
    """What wheels built here comply with, without the architecture, such as `manylinux_2_36`."""
    architectures: tuple[str, ...]
    """Machines that its images can be built on."""
    pythons: tuple[str, ...]
    """Pythons that it builds for."""
    warning: str
    """What its users should know; empty if nothing."""
    images: tuple[ImageView, ...]
    """What the workers' engines have; each makes its images when they are first needed."""
    pending: PendingUpdatesView | None
    """Null if nobody has looked for updates."""
    refreshes: tuple[RefreshView, ...]
    """The last refresh on each engine, newest first; engines whose images were never made anew are not there."""

    @classmethod
    def of(cls, status: BuilderStatus) -> Self:
        """Show a suite."""
        return cls.model_validate(status)


@router.get(
    "",
    operation_id="list_builders",
    summary="List builders",
    responses={200: shown("builders"), **problems(_NO_ENGINE)},
)
async def list_builders(services: Services) -> list[BuilderView]:
    """List the catalogue's suites, the images of each that workers have, and what was last changed in them.

    What workers tell is at most a minute old.
    """
    return [BuilderView.of(status) for status in await services.builders()]


targets_router: Final = APIRouter(
    prefix="/v1/targets", tags=["targets"], route_class=AuthenticatedRoute, dependencies=[Depends(bearer_scheme)]
)


@targets_router.get("", operation_id="list_targets", summary="List targets", responses=problems())
async def list_targets(services: Services) -> list[TargetView]:
    """List every Python and platform that this Wheelyard builds for, and which pair a request means by default."""
    return [TargetView.of(target, default=services.defaults) for target in services.request_build.targets()]


workers_router: Final = APIRouter(
    prefix="/v1/workers", tags=["workers"], route_class=AuthenticatedRoute, dependencies=[Depends(bearer_scheme)]
)


@workers_router.get("", operation_id="list_workers", summary="List workers", responses=problems())
async def list_workers(services: Services) -> list[WorkerView]:
    """List the workers that there are, or were in the last week, by name."""
    return [WorkerView.of(worker) for worker in await services.workers.list_workers()]
