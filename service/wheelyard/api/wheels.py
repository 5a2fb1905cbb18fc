"""Routes of published wheels, projects and the check of the index."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Path, Query, Response
from packaging.utils import canonicalize_name

from wheelyard import errors
from wheelyard.api.authentication import AuthenticatedRoute, Caller, bearer_scheme
from wheelyard.api.docs import INVALID_REQUEST, problems
from wheelyard.api.index_access import Links
from wheelyard.api.schemas.base import PLAIN_TEXT
from wheelyard.api.schemas.index import (
    CheckOrder,
    ContentsView,
    DisownedView,
    IndexedWheelView,
    IndexReportView,
    LastReportView,
    ProjectListView,
    ProjectQuery,
    ProjectView,
    WheelListView,
    WheelQuery,
    YankReason,
)
from wheelyard.api.schemas.sources import WheelSourcesView
from wheelyard.api.services import Services
from wheelyard.domain.builds.build import SdistSource
from wheelyard.usecases.browse_index import BrowseIndex, find_sources

_LONGEST_FILE: Final = 400

WheelFilename = Annotated[str, Path(max_length=_LONGEST_FILE, pattern=PLAIN_TEXT)]
"""File name of a wheel."""
ProjectName = Annotated[str, Path(max_length=200, pattern=PLAIN_TEXT)]
"""Name of a project; need not be normalised."""


_NO_SUCH_WHEEL: Final = errors.NotFoundError(kind="wheel", name="pyyaml-6.0.3-py3-none-any.whl")
_NO_SUCH_PROJECT: Final = errors.NotFoundError(kind="project", name="pyyaml")
_NO_INDEX: Final = errors.IndexUnavailableError(index="our own", reason="connection refused")
_REFUSED: Final = errors.IndexRefusedError(filename="x-1-py3-none-any.whl", status=403, reason="Forbidden")
_LINK: Final = {"Link": {"description": 'Path of the next page, as `rel="next"`.', "schema": {"type": "string"}}}

router: Final = APIRouter(
    prefix="/v1", tags=["wheels"], route_class=AuthenticatedRoute, dependencies=[Depends(bearer_scheme)]
)


@router.get(
    "/wheels",
    operation_id="list_wheels",
    summary="List wheels",
    responses={200: {"headers": _LINK}, **problems(INVALID_REQUEST)},
)
async def list_wheels(wanted: Annotated[WheelQuery, Query()], services: Services, response: Response) -> WheelListView:
    """List published wheels, newest first, page by page: follow `next` until it is null."""
    page = await services.index.browse.wheels(wanted.as_filter())
    next_path = page.next_before and f"/v1/wheels?{wanted.query_before(page.next_before)}"
    _link(response, next_path)
    return WheelListView.of(page, next_path=next_path)


@router.get(
    "/wheels/{filename}",
    operation_id="get_wheel",
    summary="Get a wheel",
    responses=problems(INVALID_REQUEST, _NO_SUCH_WHEEL),
)
async def get_wheel(filename: WheelFilename, services: Services) -> IndexedWheelView:
    """Return a wheel by its file name, also if it is yanked or deleted."""
    return IndexedWheelView.of(await services.index.browse.wheel(filename))


@router.get(
    "/wheels/{filename}/contents",
    operation_id="list_wheel_files",
    summary="List the files of a wheel",
    responses=problems(INVALID_REQUEST, _NO_SUCH_WHEEL),
)
async def list_wheel_files(filename: WheelFilename, services: Services) -> ContentsView:
    """Return the files in a wheel, as recorded when it was published."""
    return ContentsView.of(await services.index.browse.contents(filename))


@router.get(
    "/wheels/{filename}/sources",
    operation_id="list_wheel_sources",
    summary="List what a wheel was made from",
    responses=problems(INVALID_REQUEST, _NO_SUCH_WHEEL),
)
async def list_wheel_sources(filename: WheelFilename, services: Services, links: Links) -> WheelSourcesView:
    """Return the exact sources of a wheel: its sdist, source packages and crates, with addresses and hashes.

    Source packages are those of the signed archive index when it was repaired, or of today's if nobody had read the
    index then. `wheelyard sources` fetches all.
    """
    browse = services.index.browse
    found = await find_sources(browse, services.builds, services.archives, filename)
    return WheelSourcesView.of(found, links, has_sdist=await _lists(browse, found.sdist))


async def _lists(browse: BrowseIndex, sdist: SdistSource | None) -> bool:
    """Return whether our index has an sdist with the same bytes."""
    try:
        listed = await browse.wheel(sdist.filename) if sdist else None
    except errors.NotFoundError:
        return False
    return listed is not None and sdist is not None and listed.sha256 == sdist.sha256 and listed.deleted_at is None


@router.post(
    "/wheels/{filename}/yank",
    operation_id="yank_wheel",
    summary="Yank a wheel",
    responses=problems(INVALID_REQUEST, _NO_SUCH_WHEEL),
)
async def yank_wheel(filename: WheelFilename, body: YankReason, services: Services, caller: Caller) -> IndexedWheelView:
    """Hide a wheel from installers, unless its exact version is requested (PEP 592). Repeat it to change the reason."""
    return IndexedWheelView.of(await services.index.manage.yank(filename, reason=body.reason, by=caller.actor))


@router.post(
    "/wheels/{filename}/unyank",
    operation_id="unyank_wheel",
    summary="Un-yank a wheel",
    responses=problems(INVALID_REQUEST, _NO_SUCH_WHEEL),
)
async def unyank_wheel(filename: WheelFilename, services: Services, caller: Caller) -> IndexedWheelView:
    """Make the wheel visible to installers again."""
    return IndexedWheelView.of(await services.index.manage.unyank(filename, by=caller.actor))


@router.post(
    "/wheels/{filename}/promote",
    operation_id="promote_wheel",
    summary="Promote a staged wheel",
    responses=problems(INVALID_REQUEST, _NO_SUCH_WHEEL, _NO_INDEX, _REFUSED),
)
async def promote_wheel(filename: WheelFilename, services: Services, caller: Caller) -> IndexedWheelView:
    """Publish a staged wheel on prod, with the same content. A wheel on prod does not change."""
    return IndexedWheelView.of(await services.index.manage.promote(filename, by=caller.actor))


@router.delete(
    "/wheels/{filename}",
    operation_id="delete_wheel",
    summary="Delete a wheel",
    responses=problems(INVALID_REQUEST, _NO_SUCH_WHEEL, _NO_INDEX, _REFUSED),
)
async def delete_wheel(
    filename: WheelFilename,
    confirm: Annotated[str, Query(max_length=300, description="The file name again.")],
    services: Services,
    caller: Caller,
) -> IndexedWheelView:
    """Delete a wheel permanently. Its name stays reserved: only the same content can be published under it again.

    Yank it instead, unless the file must not be distributed: lock files that name it stop working.
    """
    return IndexedWheelView.of(await services.index.manage.delete(filename, confirm=confirm, by=caller.actor))


@router.get(
    "/projects",
    operation_id="list_projects",
    summary="List projects",
    responses={200: {"headers": _LINK}, **problems(INVALID_REQUEST)},
)
async def list_projects(
    wanted: Annotated[ProjectQuery, Query()], services: Services, response: Response
) -> ProjectListView:
    """List the projects that have a wheel, by name, page by page: follow `next` until it is null."""
    page = await services.index.browse.projects(wanted.as_filter())
    next_path = page.next_after and f"/v1/projects?{wanted.query_after(page.next_after)}"
    _link(response, next_path)
    return ProjectListView.of(page, next_path=next_path)


@router.get(
    "/projects/{name}",
    operation_id="get_project",
    summary="Get a project",
    responses=problems(INVALID_REQUEST, _NO_SUCH_PROJECT),
)
async def get_project(name: ProjectName, services: Services) -> ProjectView:
    """Return a project's releases and wheels, including yanked and deleted ones."""
    return ProjectView.of(await services.index.browse.project(name))


@router.delete(
    "/projects/{name}/ownership",
    operation_id="disown_project",
    summary="Let a project's name be asked of upstream again",
    responses=problems(
        INVALID_REQUEST,
        errors.NotFoundError(kind="own project", name="pyyaml"),
        errors.OwnershipHeldError(project="pyyaml", held_by=["the index lists pyyaml-6.0.3.tar.gz"]),
    ),
)
async def disown_project(
    name: ProjectName,
    confirm: Annotated[str, Query(max_length=200, description="The name again.")],
    services: Services,
    caller: Caller,
) -> DisownedView:
    """Take back that an uploaded sdist made a project the organisation's own.

    From then on the upstream index may be asked for the name again: by users, requests and builds. It is refused while
    the index lists a file that was brought, or made from what was. An sdist that is uploaded later makes it own again.
    """
    sdists = await services.uploads.disown(name, confirm=confirm, by=caller.actor)
    return DisownedView(project=canonicalize_name(name), sdists=sdists)


@router.get(
    "/index/report",
    operation_id="get_index_report",
    summary="Get the last comparison of devpi and the database",
    responses=problems(errors.NotFoundError(kind="report", name="index")),
)
async def get_index_report(services: Services) -> LastReportView:
    """Return the result of the last comparison of devpi and the database."""
    report = await services.index.check.last()
    if report is None:
        raise errors.NotFoundError(kind="report", name="index")
    return LastReportView.of(report)


@router.post(
    "/index/check",
    operation_id="check_index",
    summary="Compare devpi with the database",
    responses=problems(INVALID_REQUEST, _NO_INDEX, _REFUSED),
)
async def check_index(body: CheckOrder, services: Services, caller: Caller) -> IndexReportView:
    """Compare devpi with the database, and repair differences on request."""
    return IndexReportView.of(await services.index.check(mend=body.mend, by=caller.actor))


def _link(response: Response, next_path: str | None) -> None:
    if next_path is not None:
        response.headers["Link"] = f'<{next_path}>; rel="next"'
