"""Routes of builders, targets and workers."""

from datetime import datetime
from typing import Annotated, Final, Literal, Self

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict

from wheelyard.api.authentication import AuthenticatedRoute, bearer_scheme
from wheelyard.api.docs import problems
from wheelyard.api.examples import shown
from wheelyard.api.schemas.builds import TargetView
from wheelyard.api.schemas.packages import FilePackagesView
from wheelyard.api.schemas.workers import WorkerView
from wheelyard.api.services import Services
from wheelyard.domain.catalogue.status import BuilderStatus
from wheelyard.errors import ArchiveNotReadError, EngineUnavailableError, InvalidRequestError, NotFoundError
from wheelyard.usecases.which_package import find_holders

router: Final = APIRouter(
    prefix="/v1/builders", tags=["builders"], route_class=AuthenticatedRoute, dependencies=[Depends(bearer_scheme)]
)
_NO_ENGINE: Final = EngineUnavailableError(engine="docker", reason="Cannot connect to the Docker daemon")


class _View(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True, from_attributes=True)


class ImageView(_View):
    """An image of a suite on a worker's engine."""

    id: str
    """The engine's id of the image."""
    name: str
    """Name and tag of the image."""
    role: Literal["builder", "runtime", "toolchain", "environment"]
    """Builders compile; a runtime is the bare image that wheels are tested in. Toolchains and environments are builders
    with additional software."""
    python: str
    """Full versions of its Pythons, separated by commas."""
    size_bytes: int
    """Size, including layers that it shares with other images."""
    created: datetime
    """Creation time."""
    revision: str
    """Time of its last refresh with updates, such as `20261124T004500`; empty if there was none."""
    current: bool
    """False if it was built from an older catalogue, Dockerfile, tools or builder. It is then only used as a fallback
    (see `stands_in`)."""
    added: str
    """Toolchains and system packages that it has in addition to its builder, separated by commas."""
    host: str
    """Host of the worker that reported it. Images of an engine with several workers are listed once."""
    stands_in: str
    """Why this outdated image is still used: the error that prevented its successor. Otherwise empty."""
    optimised: str
    """Those of its Pythons that were compiled with profile-guided and link-time optimisation, such as `3.13`, separated
    by commas. Empty for the quickly compiled ones that the first wheels are made with."""


class PackageChangeView(_View):
    """A system package that an update changes."""

    package: str
    """Package name."""
    from_version: str
    """Version in the image."""
    to_version: str
    """Version in the archive."""
    is_security: bool
    """True if the update is from a security archive."""


class PendingUpdatesView(_View):
    """Updates that the suite's images lacked at the last check, on the engine that lacks the most."""

    checked: datetime
    """Time of the check."""
    changes: tuple[PackageChangeView, ...]
    """The packages to update."""


class ImageRefreshView(_View):
    """Result of a refresh for one image."""

    image: str
    """Name of the image."""
    refreshed: bool
    """True if a new image replaced it."""
    changes: tuple[PackageChangeView, ...]
    """Packages that differ between the old and the new image; an empty version means that the package is absent."""
    pending: tuple[PackageChangeView, ...]
    """Updates that were available before the refresh."""
    problem: str
    """Why the image could not be rebuilt; empty if there was no error."""


class RefreshView(_View):
    """The last refresh of a suite on an engine that rebuilt images, scheduled or manual."""

    at: datetime
    """Time when it finished."""
    host: str
    """Host of the worker that reported it."""
    images: tuple[ImageRefreshView, ...]
    """The suite's images on the engine, including toolchains and environments."""


class BuilderView(_View):
    """A suite of the catalogue."""

    suite: str
    """Name of the suite, such as `bookworm`."""
    kind: Literal["mmdebstrap", "image"]
    """`mmdebstrap` if Wheelyard builds its images; `image` if its builder is a layer on an external image."""
    policy: str
    """Policy of the wheels built here, without the architecture, such as `manylinux_2_36`."""
    architectures: tuple[str, ...]
    """Architectures of its images."""
    pythons: tuple[str, ...]
    """Python versions that it builds for."""
    warning: str
    """Warning for its users; may be empty."""
    images: tuple[ImageView, ...]
    """Images on the workers' engines; each engine builds an image when it is first needed."""
    pending: PendingUpdatesView | None
    """Null if there was no check for updates yet."""
    refreshes: tuple[RefreshView, ...]
    """The last refresh on each engine, newest first; only engines that rebuilt images."""

    @classmethod
    def of(cls, status: BuilderStatus) -> Self:
        """Return the view of a suite."""
        return cls.model_validate(status)


@router.get(
    "",
    operation_id="list_builders",
    summary="List builders",
    responses={200: shown("builders"), **problems(_NO_ENGINE)},
)
async def list_builders(services: Services) -> list[BuilderView]:
    """List the suites of the catalogue with the workers' images, pending updates and last refreshes.

    Reports of workers are at most a minute old.
    """
    return [BuilderView.of(status) for status in await services.builders()]


targets_router: Final = APIRouter(
    prefix="/v1/targets", tags=["targets"], route_class=AuthenticatedRoute, dependencies=[Depends(bearer_scheme)]
)


@targets_router.get("", operation_id="list_targets", summary="List targets", responses=problems())
async def list_targets(services: Services) -> list[TargetView]:
    """List the Pythons and platforms that this Wheelyard builds for, and the default pair.

    The workers report which Pythons they have, or can fetch; at the first start that takes some seconds.
    """
    plan, default = services.request_build, services.defaults
    return [TargetView.of(target, default=default, reach=plan.reach_of(target)) for target in plan.targets()]


workers_router: Final = APIRouter(
    prefix="/v1/workers", tags=["workers"], route_class=AuthenticatedRoute, dependencies=[Depends(bearer_scheme)]
)


@workers_router.get("", operation_id="list_workers", summary="List workers", responses=problems())
async def list_workers(services: Services) -> list[WorkerView]:
    """List the workers of the last week, by name."""
    return [WorkerView.of(worker) for worker in await services.workers.list_workers()]


suites_router: Final = APIRouter(
    prefix="/v1/suites", tags=["builders"], route_class=AuthenticatedRoute, dependencies=[Depends(bearer_scheme)]
)
_DEFAULT_SUITE: Final = "default"
_LONGEST_FILE: Final = 200


@suites_router.get(
    "/{suite}/packages",
    operation_id="find_packages",
    summary="Find the packages that hold a file",
    responses={
        200: shown("packages"),
        **problems(
            NotFoundError(kind="suite", name="sarge"),
            InvalidRequestError(problems=["file: it names no file"]),
            ArchiveNotReadError(suite="bookworm", architecture="x86_64"),
        ),
    },
)
async def find_packages(
    suite: str,
    services: Services,
    file: Annotated[str, Query(min_length=1, max_length=_LONGEST_FILE, examples=["fftw3.h"])],
    architecture: Annotated[Literal["x86_64", "aarch64"] | None, Query()] = None,
) -> FilePackagesView:
    """Return the packages of a suite that hold a file, best first.

    The suite `default` is that of the default target. The file may be a header (`openssl/ssl.h`), a module of
    pkg-config (`smbclient.pc`), a library (`libmecab.so`, `libexpat.so.1`), a program (`mecab-config`), a file of CMake
    (`FindOsmium.cmake`), or a bare name, which may be any of them. The answer comes from the suite's signed archive. A
    worker reads it when it is first needed, and meanwhile the error `archive-not-read` is returned.
    """
    target = services.defaults
    chosen = services.request_build.suite_for(target) if suite == _DEFAULT_SUITE else suite
    machine = architecture or target.policy.architecture
    found = await find_holders(services.archives, chosen, machine, file)
    return FilePackagesView.of(found, suite=chosen, architecture=machine)
