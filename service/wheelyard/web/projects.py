"""The pages of projects: the list, the search, and a project with its releases by platform and Python."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote, urlencode

from fastapi import Response
from fastapi.responses import RedirectResponse
from packaging.utils import NormalizedName, canonicalize_name

from wheelyard.api.index_access import is_open_to
from wheelyard.api.schemas.links import IndexLinks
from wheelyard.domain.builds.records import MAX_PAGE_SIZE, BuildFilter
from wheelyard.domain.index.index import Level
from wheelyard.domain.index.uploads import UploadFilter
from wheelyard.domain.index.wheels import IndexedWheel, ProjectFilter, ReleaseWheels, Standing
from wheelyard.errors import NotFoundError, WheelyardError
from wheelyard.web.context import PageContext, recent_answer
from wheelyard.web.matrix import pythons_of, release_rows, shown_targets, versions_of
from wheelyard.web.rendering import Page

_PAGE_SIZE = 50
_SHOWN_RELEASES = 8
_SHOWN_UPSTREAM = 12
_SHOWN_UPLOADS = 10
_UPSTREAM_TIMEOUT_SECONDS = 2.0
"""How long a page waits for the upstream index."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _NewestRelease:
    """A project's newest version as the list shows it."""

    version: str
    state: str
    """State of its best wheel: installable, else staged, else yanked."""
    origins: tuple[str, ...]

    @classmethod
    def of(cls, release: ReleaseWheels) -> Self:
        offered = [wheel for wheel in release.wheels if wheel.standing is Standing.OFFERED]
        is_on_prod = any(wheel.level is Level.PROD for wheel in offered)
        state = "offered" if is_on_prod else "staged" if offered else "yanked"
        origins = {wheel.origin for wheel in release.wheels}
        return cls(version=release.version, state=state, origins=tuple(sorted(origins)))


def links_of(context: PageContext) -> IndexLinks:
    """Return the index URLs as this visitor reaches them."""
    index = context.services.index
    base = (index.public_url or str(context.request.base_url)).rstrip("/")
    return IndexLinks(base=base, is_open=is_open_to(context.request, index))


async def search(context: PageContext) -> Response:
    """Redirect to the project with this name, else to the list of names that begin so."""
    wanted = context.asked("q")[:200]
    if not wanted:
        return RedirectResponse("/projects", status_code=303)
    name = canonicalize_name(wanted)
    page = await context.services.index.browse.projects(ProjectFilter(prefix=name, limit=1))
    exact = any(project.name == name for project in page.projects) or await _was_built(context, name)
    return RedirectResponse(f"/projects/{quote(name)}" if exact else f"/projects?{urlencode({'q': wanted})}", 303)


async def _was_built(context: PageContext, name: str) -> bool:
    """Return whether a project has a build, successful or not."""
    return bool((await context.services.builds.list_builds(BuildFilter(project=name, limit=1))).builds)


async def list_projects(context: PageContext) -> Page:
    """List the projects that have a wheel, by name."""
    wanted, after = context.asked("q")[:200], context.asked("after")[:200]
    prefix = canonicalize_name(wanted) if wanted else ""
    page = await context.services.index.browse.projects(
        ProjectFilter(prefix=prefix, after=after or None, limit=_PAGE_SIZE)
    )
    kept = {"q": wanted} if wanted else {}
    following = urlencode({**kept, "after": page.next_after}) if page.next_after else ""
    listed = {project.name for project in page.projects}
    newest = await context.services.index.browse.newest_releases(listed)
    last = await context.services.builds.newest_of(listed)
    known = await context.services.index.browse.known_projects(prefix, limit=_PAGE_SIZE) if wanted and not after else ()
    values = {
        "projects": page.projects,
        "newest": {name: _NewestRelease.of(release) for name, release in newest.items()},
        "last": last,
        "without": [name for name in known if name not in listed],
        "wanted": wanted,
        "name": prefix,
        "following": following,
        "after": after,
    }
    return Page(template="projects.html", title="Projects", values=values)


async def show_project(context: PageContext) -> Page:
    """Show a project's releases with their wheels and builds for each target."""
    name = canonicalize_name(context.part("name"))
    page = await context.services.builds.list_builds(BuildFilter(project=name, limit=MAX_PAGE_SIZE))
    releases = await _releases(context, name)
    brought = await context.services.uploads.store.list_uploads(UploadFilter(project=name, limit=_SHOWN_UPLOADS))
    if not releases and not page.builds and not brought.uploads:
        raise NotFoundError(kind="project", name=name)
    plan = context.services.request_build
    targets = shown_targets(plan.targets(), frozenset(plan.reachable_targets()), releases, page.builds)
    versions = versions_of((one.version for one in releases), (build.version for build in page.builds))
    offset = _offset(context)
    shown = versions[offset : offset + _SHOWN_RELEASES]
    newest = _installable(versions, releases)
    values = {
        "name": name,
        "rows": release_rows(shown, releases, page.builds, targets),
        "releases": len(versions),
        "offset": offset,
        "page_size": _SHOWN_RELEASES,
        "builds": page.builds[:10],
        "brought": brought.uploads[:_SHOWN_UPLOADS],
        "brought_by": {one.wheel.filename: one.uploaded_by for one in brought.uploads if one.wheel},
        "more_brought": brought.next_before is not None,
        "newest": newest,
        "install": _install_line(context, newest) if newest else "",
        "pythons": pythons_of(targets),
        "has_recipe": await asyncio.to_thread(_has_recipe, context, name),
        "upstream": await _not_built(context, name, versions) if offset == 0 else None,
    }
    return Page(template="project.html", title=name, values=values)


def _has_recipe(context: PageContext, name: NormalizedName) -> bool:
    return context.services.recipes.describe(name) is not None


def _installable(versions: Sequence[str], releases: Sequence[ReleaseWheels]) -> IndexedWheel | None:
    """Return a wheel of the newest installable version, from prod if possible; None if there is none."""
    files = (file for one in releases for file in one.wheels)
    offered = [file for file in files if file.is_wheel and file.standing is Standing.OFFERED]
    order = {version: place for place, version in enumerate(versions)}
    return min(offered, key=lambda one: (one.level is not Level.PROD, order[one.version]), default=None)


def _install_line(context: PageContext, wheel: IndexedWheel) -> str:
    staged = wheel.level is Level.STAGING
    return links_of(context).install_command(f"{wheel.project}=={wheel.version}", staged=staged)


async def _not_built(context: PageContext, name: str, known: Sequence[str]) -> tuple[str, ...] | None:
    """Return upstream's newest releases without a build; None if upstream does not answer."""

    async def ask() -> tuple[str, ...]:
        return tuple(map(str, await context.services.request_build.versions(name)))

    try:
        async with asyncio.timeout(_UPSTREAM_TIMEOUT_SECONDS):
            versions = await recent_answer(context.request, f"upstream {name}", ask, seconds=300)
    except (WheelyardError, TimeoutError):
        return None
    return tuple(version for version in versions if version not in known)[:_SHOWN_UPSTREAM]


async def _releases(context: PageContext, name: str) -> tuple[ReleaseWheels, ...]:
    try:
        return (await context.services.index.browse.project(name)).releases
    except NotFoundError:
        return ()


def _offset(context: PageContext) -> int:
    text = context.asked("from")
    return int(text) if text.isdecimal() and len(text) < 6 else 0  # noqa: PLR2004  no project has more releases
