"""The page of a wheel: tag, contents, provenance; yank, un-yank, promote and delete."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from fastapi import Response
from fastapi.responses import RedirectResponse

from wheelyard.api.downloads.responses import send_file
from wheelyard.api.integrity.routes import MEDIA_TYPE
from wheelyard.domain.builds.build import Attempt, Build, Status
from wheelyard.domain.builds.log_text import plain_text
from wheelyard.domain.index.index import Level
from wheelyard.domain.index.wheels import MAX_REASON, IndexedWheel, Standing
from wheelyard.domain.packaging.wheel_contents import WheelContents
from wheelyard.domain.provenance.statements import ProvenanceSummary, summarize
from wheelyard.domain.untrusted.metadata import parse_metadata
from wheelyard.domain.untrusted.refusal import RefusedTextError
from wheelyard.errors import InvalidRequestError, NotFoundError
from wheelyard.provenance_check import SUFFIX
from wheelyard.web.builds import requester_of
from wheelyard.web.context import PageContext
from wheelyard.web.projects import links_of
from wheelyard.web.recipes import used_keys
from wheelyard.web.rendering import Page
from wheelyard.web.words import short

_SHOWN_METADATA: Final = (
    "summary",
    "license_expression",
    "license",
    "requires_python",
    "requires_dist",
    "provides_extra",
    "classifiers",
    "project_urls",
    "home_page",
    "author",
    "keywords",
)
_LONGEST: Final = 1000
_LONGEST_DESCRIPTION: Final = 12_000
_SHOWN_VALUES: Final = 40
_LISTED_FILES: Final = 25
_PAGE_OF_FILES: Final = 200
_MOST_DIGITS: Final = 6


async def show_wheel(context: PageContext) -> Page:
    """Show a wheel, also a deleted one."""
    wheel = await context.services.index.browse.wheel(context.part("filename"))
    build = await _build_of(context, wheel)
    values = {
        "wheel": wheel,
        "build": build,
        "made": build.wheel if build else None,
        "contents": await _contents_of(context, wheel),
        "largest": _LISTED_FILES,
        "metadata": await _metadata_of(context, wheel),
        "install": links_of(context).install_command(
            f"{wheel.project}=={wheel.version}", staged=wheel.level is Level.STAGING
        ),
        "is_staged": wheel.level is Level.STAGING,
        "recipe": used_keys(build.order.recipe) if build else (),
        "attempt": _made_by(build),
        "signed": await _signed(context, wheel),
        "requested_by": await requester_of(context, build) if build else "",
        "is_deleted": wheel.standing is Standing.DELETED,
        "is_yanked": wheel.standing is Standing.YANKED,
        "max_reason": MAX_REASON,
    }
    return Page(template="wheel.html", title=wheel.filename, values=values)


async def _build_of(context: PageContext, wheel: IndexedWheel) -> Build | None:
    """Return the build of a wheel; None for a mirrored wheel, or if the record was deleted."""
    if wheel.build_id is None:
        return None
    try:
        return await context.services.builds.get(wheel.build_id)
    except NotFoundError:
        return None


async def _signed(context: PageContext, wheel: IndexedWheel) -> ProvenanceSummary | None:
    """Return what was signed of a file in short; None if nothing was, or it is deleted."""
    if wheel.provenance_sha256 is None:
        return None
    try:
        return summarize(await context.services.index.files.provenance_of(wheel.filename))
    except (NotFoundError, ValueError):
        return None


async def download_provenance(context: PageContext) -> Response:
    """Send the provenance object of a file to a signed-in browser, with the name that the check looks for."""
    filename = context.part("filename")
    content = await context.services.index.files.provenance_of(filename)
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(filename + SUFFIX)}",
        "Cache-Control": "private, no-cache",
    }
    return Response(content, media_type=MEDIA_TYPE, headers=headers)


async def _contents_of(context: PageContext, wheel: IndexedWheel) -> WheelContents | None:
    try:
        return await context.services.index.browse.contents(wheel.filename)
    except NotFoundError:
        return None


async def list_files(context: PageContext) -> Page:
    """List the files of a wheel, page by page."""
    wheel = await context.services.index.browse.wheel(context.part("filename"))
    contents = await context.services.index.browse.contents(wheel.filename)
    text = context.asked("from", "0")
    offset = int(text) if text.isdecimal() and len(text) < _MOST_DIGITS else 0
    members = contents.members[offset : offset + _PAGE_OF_FILES]
    last = offset + len(members)
    values = {"wheel": wheel, "contents": contents, "members": members, "offset": offset, "last": last}
    return Page(template="files.html", title=f"Files of {wheel.filename}", values={**values, "step": _PAGE_OF_FILES})


def _made_by(build: Build | None) -> Attempt | None:
    """Return the attempt that built the wheel."""
    made = [one for one in build.attempts if one.status is Status.SUCCEEDED] if build else []
    return made[-1] if made else None


@dataclass(frozen=True, kw_only=True, slots=True)
class ShownMetadata:
    """A wheel's METADATA, with values shortened for a page."""

    fields: tuple[tuple[str, tuple[str, ...]], ...] = ()
    description: str = ""
    """Plain text, never rendered as markup."""


async def _metadata_of(context: PageContext, wheel: IndexedWheel) -> ShownMetadata:
    try:
        content = await context.services.index.files.metadata_of(wheel.filename)
    except NotFoundError:
        return ShownMetadata()
    # In a thread, because a description may have megabytes.
    return await asyncio.to_thread(_shown, content)


def _shown(content: bytes) -> ShownMetadata:
    try:
        raw = parse_metadata(content)
    except RefusedTextError as error:
        return ShownMetadata(fields=(("Unreadable", (str(error),)),), description="")
    found = ((name, raw.get(name)) for name in _SHOWN_METADATA)
    fields = tuple((name.replace("_", " ").capitalize(), _in_short(value)) for name, value in found if value)
    description = raw.get("description", "")
    return ShownMetadata(fields=fields, description=plain_text(short(description, _LONGEST_DESCRIPTION)))


def _in_short(value: object) -> tuple[str, ...]:
    values = [f"{name}: {one}" for name, one in value.items()] if isinstance(value, Mapping) else value
    if not isinstance(values, list):
        return (short(str(values), _LONGEST),)
    more = [f"and {len(values) - _SHOWN_VALUES} more"] if len(values) > _SHOWN_VALUES else []
    return (*(short(str(one), 200) for one in values[:_SHOWN_VALUES]), *more)


async def download_wheel(context: PageContext) -> Response:
    """Send a wheel to a signed-in browser; installers use the index's URLs."""
    wheel = await context.services.index.files.find(context.part("filename"))
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(wheel.filename)}",
        "Cache-Control": "private, no-cache",
    }
    context.request.state.caller = context.caller
    return await send_file(context.request, context.services.index, wheel, headers)


async def yank_wheel(context: PageContext) -> Response:
    """Hide the wheel from installers, unless its exact version is requested."""
    reason = context.asked("reason")
    if not 0 < len(reason) <= MAX_REASON:
        raise InvalidRequestError(problems=[f"reason: must have 1 to {MAX_REASON} characters"])
    return _to_wheel(
        await context.services.index.manage.yank(context.part("filename"), reason=reason, by=context.token.actor)
    )


async def unyank_wheel(context: PageContext) -> Response:
    """Make the wheel visible to installers again."""
    return _to_wheel(await context.services.index.manage.unyank(context.part("filename"), by=context.token.actor))


async def promote_wheel(context: PageContext) -> Response:
    """Publish a staged wheel on prod."""
    return _to_wheel(await context.services.index.manage.promote(context.part("filename"), by=context.token.actor))


async def delete_wheel(context: PageContext) -> Response:
    """Delete the wheel permanently, if its name was entered to confirm."""
    filename = context.part("filename")
    confirm = context.asked("confirm")
    return _to_wheel(await context.services.index.manage.delete(filename, confirm=confirm, by=context.token.actor))


def _to_wheel(wheel: IndexedWheel) -> Response:
    return RedirectResponse(f"/wheels/{quote(wheel.filename)}", status_code=303)
