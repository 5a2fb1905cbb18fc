"""The page of uploads: the form, what it refuses, and the stories of the files that were brought."""

import asyncio
import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import urlencode

from fastapi import Response
from fastapi.responses import RedirectResponse
from packaging.utils import canonicalize_name

from wheelyard.api.authentication import CSRF_FIELD
from wheelyard.api.schemas.files import MOST_TARGETS
from wheelyard.api.uploads.receive import UploadForm, arriving, receive_files
from wheelyard.domain.builds.build import Status
from wheelyard.domain.healing.findings import Finding
from wheelyard.domain.healing.wheel_claims import claim_findings
from wheelyard.domain.index.uploads import Upload, UploadFilter, UploadState
from wheelyard.domain.prebuilds.sdists import ALL_TARGETS, NamedTargets
from wheelyard.errors import (
    CallerError,
    InvalidRequestError,
    InvalidWheelError,
    NotFoundError,
    ProjectError,
    WheelClaimsFalseError,
    WheelyardError,
)
from wheelyard.usecases.uploads.bring_file import UploadClaims
from wheelyard.web.builds import read_before
from wheelyard.web.context import PageContext
from wheelyard.web.matrix import pythons_of
from wheelyard.web.rendering import Page
from wheelyard.web.uploads.story import Story, tell_upload
from wheelyard.wheel_files.received import ReceivedFile

_SHOWN: Final = 20
_MOST_FILES: Final = 50
_LONGEST_NAME: Final = 120
_REFUSED: Final = 422
_FORM: Final = "multipart/form-data"


@dataclass(frozen=True, kw_only=True, slots=True)
class Refusal:
    """A file that was refused before it was stored."""

    filename: str
    error: WheelyardError

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The names of what is wrong, with their remedies."""
        lies = self.error.lies if isinstance(self.error, InvalidWheelError | WheelClaimsFalseError) else ()
        return claim_findings(lies)


@dataclass(kw_only=True, slots=True)
class _Sent:
    """The files of one form, as far as they were received."""

    files: list[tuple[str, ReceivedFile]] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    targets: NamedTargets = ALL_TARGETS
    """What an sdist among them is to be built for."""

    def __len__(self) -> int:
        return len(self.files) + len(self.refusals)


async def show_uploads(context: PageContext) -> Page:
    """Show the form to those who may upload, and what was uploaded."""
    return await _uploads_page(context)


async def send_files(context: PageContext) -> Page | Response:
    """Take the files of the form as the upload API does; show those that are refused at once."""
    running = context.services.access.running
    running.check(context.caller)
    with running.hold(context.caller), contextlib.ExitStack() as opened:
        try:
            sent = await _receive(context, opened)
        except (CallerError, ProjectError) as error:
            return await _uploads_page(context, refusals=[Refusal(filename="", error=error)])
        claims = UploadClaims(targets=sent.targets)
        for filename, file in sent.files:
            try:
                await context.services.uploads.bring(file, filename, claims, by=context.token, trace=context.trace)
            except (CallerError, ProjectError) as error:
                sent.refusals.append(Refusal(filename=filename, error=error))
    if sent.refusals:
        return await _uploads_page(context, refusals=sent.refusals, chosen=sent.targets)
    return RedirectResponse("/upload", status_code=303)


async def _receive(context: PageContext, opened: contextlib.ExitStack) -> _Sent:
    """Write the form's files to disk, after its CSRF token was checked; those that may not come are not kept.

    Raises:
        InvalidRequestError: the form is of another session, has no file, or too many files or targets.
        UploadInvalidError, UploadTooLargeError, DiskFullError: as for the API.
    """
    uploads, sent = context.services.uploads, _Sent()

    def begin(name: str, form: UploadForm) -> ReceivedFile | None:
        context.check_csrf(form.one(CSRF_FIELD))
        if not name:  # browsers send an empty field as a file without a name
            return None
        if len(sent) >= _MOST_FILES:
            raise InvalidRequestError(problems=[f"files: at most {_MOST_FILES} at once"])
        filename = PurePosixPath(name.replace("\\", "/")).name
        try:
            uploads.bring.check_name(filename, by=context.token)
        except (CallerError, ProjectError) as error:
            sent.refusals.append(Refusal(filename=filename[:_LONGEST_NAME], error=error))
            return None
        file = opened.enter_context(uploads.receive(context.token.id))
        sent.files.append((filename, file))
        return file

    if not context.request.headers.get("Content-Type", "").startswith(_FORM):
        context.check_csrf(None)
    async with arriving(uploads.receive_seconds):
        form = await receive_files(context.request, begin, limit_bytes=uploads.limit_bytes)
    context.check_csrf(form.one(CSRF_FIELD))
    if not len(sent):
        raise InvalidRequestError(problems=["choose a file"])
    sent.targets = NamedTargets(
        pythons=form.several("pythons", most=MOST_TARGETS), platforms=form.several("platforms", most=MOST_TARGETS)
    )
    return sent


async def _uploads_page(
    context: PageContext, *, refusals: Sequence[Refusal] = (), chosen: NamedTargets = ALL_TARGETS
) -> Page:
    project = canonicalize_name(context.asked("project")[:200])
    shows_all = context.session is None or bool(project) or context.asked("by") == "all"
    before = read_before(context.asked("before"), what="a file")
    wanted = UploadFilter(
        project=project or None,
        uploaded_by=None if shows_all else context.token.actor,
        before=before,
        limit=_SHOWN,
    )
    page = await context.services.uploads.store.list_uploads(wanted)
    kept = dict(_kept(project, shows_all=shows_all))
    values = {
        "stories": await asyncio.gather(*(_tell(context, upload) for upload in page.uploads)),
        "refusals": refusals,
        "limit_bytes": context.services.uploads.limit_bytes,
        "most_files": _MOST_FILES,
        **_target_values(context, chosen),
        "project": project,
        "shows_all": shows_all,
        "first_page": f"/upload?{urlencode(kept)}" if before else "",
        "following": urlencode({**kept, "before": page.next_before}) if page.next_before else "",
    }
    status = _REFUSED if refusals else 200
    return Page(template="upload.html", title="Upload", values=values, status=status)


def _target_values(context: PageContext, chosen: NamedTargets) -> Mapping[str, object]:
    """Return what an sdist can be built for, and what is chosen of it."""
    plan = context.services.request_build
    targets = plan.targets()
    return {
        "pythons": pythons_of(targets),
        "platforms": tuple(dict.fromkeys(target.platform for target in targets)),
        "had": frozenset(target.python for target in plan.reachable_targets()),
        "chosen": chosen,
    }


def _kept(project: str, *, shows_all: bool) -> Iterator[tuple[str, str]]:
    if project:
        yield "project", project
    elif shows_all:
        yield "by", "all"


async def _tell(context: PageContext, upload: Upload) -> Story:
    stage = None
    if upload.state is UploadState.PENDING and upload.status is Status.RUNNING and upload.build_id:
        with contextlib.suppress(NotFoundError):
            stage = (await context.services.builds.get(upload.build_id)).stage
    return tell_upload(upload, stage)
